//! The scenario for reading.

use super::Explanation;

impl Explanation {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![format!("{} on KubeSphere {}", self.name, self.release)];
        lines.extend(self.page.iter().map(|page| format!("page: {page}")));
        lines.extend(self.known_issue.iter().map(|issue| format!("known issue: {issue}")));
        lines.push("\ngiven".to_owned());
        lines.extend(self.given.iter().map(|(on, words)| format!("  {:<6}  {words}", on.to_string())));
        lines.push("\nsteps".to_owned());
        for (index, step) in self.steps.iter().enumerate() {
            lines.push(format!("  {}. {}: {}", index + 1, step.on, step.name));
            lines.extend(step.command.iter().flat_map(|command| command.lines()).map(|line| format!("     $ {line}")));
            lines.extend(step.words.iter().map(|words| format!("     {words}")));
            lines.extend(step.requests.iter().map(|request| format!("     > {request}")));
        }
        lines.push("\nchecks".to_owned());
        for check in &self.checks {
            let args: Vec<String> = check.args.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            lines.push(format!("  {}{}: {}", check.name, args.concat(), check.about));
            lines.extend(check.command.iter().map(|command| format!("     $ {command}")));
        }
        lines.join("\n") + "\n"
    }
}
