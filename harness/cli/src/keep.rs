//! `--keep`: where the clusters of a cell are that stay after the run.

use clap::ValueEnum;
use engine::{Keep, KeptCell, kubeconfig_of, quoted};
use scenario::event::Outcome;

#[derive(Clone, Copy, Default, ValueEnum)]
pub enum KeepName {
    /// No clusters stay
    #[default]
    Never,
    /// Those of cells that fail stay
    OnFailure,
    /// Those of every cell stay
    Always,
}

impl From<KeepName> for Keep {
    fn from(name: KeepName) -> Self {
        match name {
            KeepName::Never => Self::Never,
            KeepName::OnFailure => Self::OnFailure,
            KeepName::Always => Self::Always,
        }
    }
}

/// What a person is told of the kept cells.
pub fn shown(kept: &[KeptCell]) -> String {
    let mut lines: Vec<String> = kept.iter().flat_map(cell).collect();
    if let Some(first) = kept.first() {
        let run = &first.description.run_id;
        lines.push(format!(
            "\nclusters {run} stay while this runs; press Ctrl-C here or `ks-e2e down {run}` to remove them"
        ));
    }
    lines.join("\n") + "\n"
}

fn cell(kept: &KeptCell) -> Vec<String> {
    let how = match (&kept.failed_at, kept.result) {
        (Some(what), _) => format!("failed at {what}"),
        (None, Outcome::Failed) => "failed".to_owned(),
        (None, Outcome::KnownIssue) => "known issue".to_owned(),
        (None, _) => "passed".to_owned(),
    };
    let mut lines = vec![format!("\nkept {} ({how})", kept.cell)];
    lines.push(format!("  both        export KUBECONFIG={}", quoted(&kept.description.kubeconfig)));
    for place in &kept.description.clusters {
        let on = place.on.to_string();
        let sandbox = kept.directory.join(&on);
        lines.push(format!("  {on:<10}  export KUBECONFIG={}", quoted(&kubeconfig_of(&kept.directory, place.on))));
        lines.push(format!("  sandbox     cd {}", quoted(&sandbox.join("work"))));
        lines.extend(place.console.iter().map(|console| format!("  console     {console} (user admin)")));
        lines.push(format!("  to paste    {}", place.kubeconfig_to_paste.display()));
    }
    let left: Vec<String> = kept.explanation.steps.iter().enumerate().skip(kept.from).flat_map(step).collect();
    if !left.is_empty() {
        lines.push(format!("  to go on    bash {}", quoted(&kept.script)));
        lines.extend(left);
    }
    lines
}

/// What is left to do, as the page has it.
fn step((index, step): (usize, &engine::explain::ExplainedStep)) -> Vec<String> {
    let mut lines = vec![format!("    {}. {}: {}", index + 1, step.on, step.name)];
    lines.extend(step.command.iter().flat_map(|command| command.lines()).map(|line| format!("       $ {line}")));
    lines.extend(step.words.iter().map(|words| format!("       {words}")));
    lines
}
