//! Finding the step that ran a documented command.

use crate::call::Arguments;
use crate::context::{CheckContext, StepFact};
use crate::finding::Finding;
use crate::read::Seen;

/// The argument that names a step.
pub(super) const STEP: crate::call::ArgSpec = crate::call::ArgSpec {
    name: "step",
    about: "name of the step; the last one that ran the command when absent",
    required: false,
    values: &[],
};

/// The step of that name, or the last one whose command `is_it`.
pub(super) fn that_ran<'a>(
    args: &Arguments<'_>,
    ctx: &CheckContext<'a>,
    command: &str,
    is_it: fn(&str) -> bool,
) -> Seen<(&'a str, &'a StepFact)> {
    let steps = || ctx.facts.steps.iter().map(|(name, step)| (name.as_str(), step));
    if let Some(wanted) = args.text("step") {
        return steps()
            .find(|(name, _)| *name == wanted)
            .ok_or_else(|| Finding::cannot_tell(format!("no step `{wanted}` was done")));
    }
    steps()
        .filter(|(_, step)| is_it(&step.command))
        .max_by_key(|(_, step)| step.started_at)
        .ok_or_else(|| Finding::cannot_tell(format!("no step ran {command}; add one, or name it with `step`")))
}
