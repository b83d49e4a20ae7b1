//! One step: in words, and as lines of bash.

use std::time::Duration;

use scenario::model::{Action, Capture, Edit, On, Scenario, Step, Until};
use serde_json::{Map, Value};

use super::capture::captured;
use super::quote::{Names, in_shell, is_simple, quoted, word};
use super::{ExplainedStep, console, objects};
use crate::followed;

/// The file that the pages have a person download before editing it.
const RELEASED: &str = "cluster-configuration.yaml";

/// Tells the step at `index`.
pub fn told(scenario: &Scenario, index: usize, names: &Names) -> ExplainedStep {
    let step = &scenario.steps[index];
    let mut told = ExplainedStep {
        name: step.name.clone(),
        on: step.on,
        command: None,
        words: Vec::new(),
        requests: Vec::new(),
        shell: vec![format!("export KUBECONFIG=\"${}\"", kubeconfig(step.on))],
    };
    told.shell.extend(seen_before(scenario, index, names));
    match &step.action {
        Action::Run { command, edit } => {
            told.command = Some(command.clone());
            if let Some(edit) = edit {
                told.words.push("In the editor that opens:".to_owned());
                told.words.extend(fields(edit));
            }
            let patched = edit.as_ref().and_then(|edit| patch(command, edit, names));
            let command = patched.unwrap_or_else(|| in_shell(command, names));
            told.shell.extend(run(scenario, index, &command, names));
        }
        Action::EditFile { file, edit } => {
            told.words.push(format!("In the file {file}:"));
            told.words.extend(fields(edit));
            if file == RELEASED {
                let from = "https://github.com/kubesphere/ks-installer/releases/download/v${release}";
                told.shell.push(format!("[ -e {file} ] || curl -fsSLO {from}/{file}"));
            }
            told.shell.push(format!("\"${{EDITOR:-vi}}\" {}", word(file, names)));
        }
        Action::Console(action) => console::tell(scenario, step, action, names, &mut told),
        Action::Objects(objects) => objects::tell(&mut told, step, index, objects, names),
        Action::Hold(delay) => no_such_thing(&mut told, &format!("keep {delay} from happening")),
        Action::Release(delay) => no_such_thing(&mut told, &format!("let {delay} happen again")),
    }
    told.words.extend(expected(step));
    told
}

/// What a virtual clock can do and a person cannot.
fn no_such_thing(told: &mut ExplainedStep, what: &str) {
    told.words.push(format!("On a virtual clock alone: {what}."));
    told.shell.clear();
}

/// The variable with the path of a cluster's kubeconfig.
pub fn kubeconfig(on: On) -> &'static str {
    match on {
        On::Host => "HOST_KUBECONFIG",
        On::Member => "MEMBER_KUBECONFIG",
    }
}

/// Every text of a step that may hold variables.
pub fn texts(step: &Step) -> String {
    let edits = |edit: &Edit| edit.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
    let action = match &step.action {
        Action::Run { command, edit } => format!("{command} {}", edit.as_ref().map(edits).unwrap_or_default()),
        Action::EditFile { edit, .. } => edits(edit),
        Action::Console(action) => console::texts(action),
        Action::Objects(objects) => objects.partial.to_string(),
        Action::Hold(_) | Action::Release(_) => String::new(),
    };
    let expect = [&step.expect.stdout, &step.expect.stderr, &step.expect.refused].into_iter().flatten();
    std::iter::once(action).chain(expect.cloned()).collect::<Vec<_>>().join(" ")
}

/// `path: value` for each field.
pub fn fields(edit: &Edit) -> impl Iterator<Item = String> {
    edit.iter().map(|(path, value)| format!("  {path}: {value}"))
}

/// What `kubectl edit` with these fields comes to, without an editor.
fn patch(command: &str, edit: &Edit, names: &Names) -> Option<String> {
    let target = command.strip_prefix("kubectl edit ").filter(|_| is_simple(command))?;
    Some(format!("kubectl patch {} --type merge -p {}", in_shell(target, names), quoted(&merge(edit), names)))
}

/// A merge patch that sets the fields.
pub fn merge(edit: &Edit) -> String {
    let mut root = Map::new();
    for (path, value) in edit {
        let mut section = &mut root;
        let mut keys = path.split('.').peekable();
        while let Some(key) = keys.next() {
            if keys.peek().is_none() {
                section.insert(key.to_owned(), Value::from(value.as_str()));
                break;
            }
            let inner = section.entry(key).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else { break };
            section = inner;
        }
    }
    Value::Object(root).to_string()
}

fn expected(step: &Step) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(until) = &step.until {
        words.push(format!("Wait until it says \"{}\", for {} at most.", until.output, seconds(until.within)));
    }
    for (variable, Capture { pattern }) in &step.capture {
        words.push(format!("Keep what matches {pattern} as {variable}."));
    }
    if let Some(code) = step.expect.exit_code {
        words.push(format!("It ends with exit code {code}."));
    }
    for (where_to, text) in [("output", &step.expect.stdout), ("error output", &step.expect.stderr)] {
        words.extend(text.iter().map(|text| format!("Its {where_to} has \"{text}\".")));
    }
    words.extend(step.expect.refused.iter().map(|text| format!("It is refused: \"{text}\".")));
    if let Some(retry) = step.retry {
        words.push(format!("Try again while it does not end so, for {}.", seconds(retry)));
    }
    words
}

/// A duration in words.
pub fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs().max(1))
}

/// The command with what has to come of it.
fn run(scenario: &Scenario, index: usize, command: &str, names: &Names) -> Vec<String> {
    let step = &scenario.steps[index];
    let (mut lines, tests) = match &step.until {
        Some(until) => (Vec::new(), vec![awaited(scenario, index, command, until, names)]),
        None => judged(step, command, names),
    };
    match step.retry {
        Some(retry) => {
            let body = lines.into_iter().chain([tests.join(" && ")]).map(|line| format!("    {line}"));
            let name = format!("step_{}", index + 1);
            let mut wrapped = vec![format!("{name}() {{")];
            wrapped.extend(body);
            wrapped.extend(["}".to_owned(), format!("again {} {name}", retry.as_secs().max(1))]);
            lines = wrapped;
        }
        None => lines.extend(tests),
    }
    for (variable, Capture { pattern }) in &step.capture {
        lines.push(format!("{variable}=$({})", captured(pattern.as_str())));
    }
    lines
}

/// The command, and tests of its end. A command of which nothing is asked but success stands for itself.
fn judged(step: &Step, command: &str, names: &Names) -> (Vec<String>, Vec<String>) {
    let expect = &step.expect;
    let wanted: Vec<&String> = [&expect.stdout, &expect.stderr].into_iter().flatten().collect();
    if step.capture.is_empty() && wanted.is_empty() && expect.exit_code.is_none_or(|code| code == 0) {
        return (Vec::new(), vec![command.to_owned()]);
    }
    let both = if expect.stderr.is_some() { " 2>&1" } else { "" };
    let command = if both.is_empty() || is_simple(command) { command.to_owned() } else { format!("{{ {command}; }}") };
    let lines = vec![
        "code=0".to_owned(),
        format!("output=$({command}{both}) || code=$?"),
        r#"printf '%s\n' "$output""#.to_owned(),
    ];
    let mut tests = vec![format!("[ \"$code\" -eq {} ]", expect.exit_code.unwrap_or(0))];
    tests.extend(wanted.into_iter().map(|text| format!("grep -qF -- {} <<<\"$output\"", quoted(text, names))));
    (lines, tests)
}

/// Ends with the line that is waited for, also while the command has nothing more to say.
fn awaited(scenario: &Scenario, index: usize, command: &str, until: &Until, names: &Names) -> String {
    let command = if is_simple(command) { command.to_owned() } else { format!("bash -c {}", quoted(command, names)) };
    let lines = match followed::counted_at(scenario, index) {
        Some(_) => format!("\"$((${{seen_{}:-0}} + 1))\"", index + 1),
        None => "1".to_owned(),
    };
    format!("awaited {} {lines} {} {command}", quoted(&until.output, names), until.within.as_secs().max(1))
}

/// What a later step waits for may stand in the log already: it is counted before anything changes.
fn seen_before(scenario: &Scenario, index: usize, names: &Names) -> Vec<String> {
    let lines = followed::from(scenario, index).filter_map(|(later, step, command)| {
        let text = quoted(&step.until.as_ref()?.output, names);
        let count = format!("{{ {} | grep -cF -- {text}; }} 2>/dev/null || true", in_shell(&command, names));
        Some(format!("seen_{}=$({count})", later + 1))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_fields_of_one_section() {
        let edit = vec![("spec.a.b".to_owned(), "1".to_owned()), ("spec.a.c".to_owned(), "x".to_owned())];
        assert_eq!(merge(&edit), r#"{"spec":{"a":{"b":"1","c":"x"}}}"#);
    }
}
