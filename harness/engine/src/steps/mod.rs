//! Does one step of a scenario and says how it went.

mod act;
pub mod command;
pub mod console;
pub mod edit;
mod objects;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use checks::StepFact;
use nodes::clock::{Delay, VirtualClock};
use scenario::event::{Outcome, StepReport};
use scenario::model::{Action, ConsoleAction, Step};

use crate::cell::World;
use command::{CommandLine, CommandOutcome, Ended, Wanted};

/// What a step did, before it is judged.
#[derive(Default)]
struct Done {
    command: Option<String>,
    executed: Option<String>,
    exit_code: Option<i32>,
    stdout: Option<String>,
    stderr: Option<String>,
    interrupted: bool,
    ended_by_until: bool,
    /// What was expected and what came instead, if the step does not hold.
    failure: Option<(String, String)>,
}

/// Does `step` and keeps what later steps and checks need of it in `world`.
pub async fn perform(step: &Step, world: &mut World<'_>) -> StepReport {
    let started_at = world.pair.clock.wall();
    let begin = Instant::now();
    let done = until_good(step, world).await;
    if changes_configuration(&step.action) {
        world.facts.last_edit.insert(step.on, started_at);
    }
    world.facts.steps.insert(
        step.name.clone(),
        StepFact {
            on: step.on,
            command: done.command.clone().unwrap_or_default(),
            exit_code: done.exit_code,
            stdout: done.stdout.clone().unwrap_or_default(),
            stderr: done.stderr.clone().unwrap_or_default(),
            ended_by_until: done.ended_by_until,
            started_at,
        },
    );
    let result = match (&done.failure, done.interrupted) {
        (_, true) => Outcome::Skipped,
        (None, false) => Outcome::Passed,
        (Some(_), false) => Outcome::Failed,
    };
    let (expected, actual) = done.failure.unzip();
    StepReport {
        name: step.name.clone(),
        on: step.on,
        command: done.command,
        executed: done.executed,
        exit_code: done.exit_code,
        stdout: done.stdout,
        stderr: done.stderr,
        duration_ms: crate::millis(begin.elapsed()),
        result,
        expected,
        actual,
        location: Some(step.location.to_string()),
    }
}

/// kubectl's verbs that write objects.
const WRITING_VERBS: [&str; 6] = ["apply", "create", "edit", "patch", "replace", "delete"];

/// Whether the step is one after which the installer has something new to do.
fn changes_configuration(action: &Action) -> bool {
    match action {
        Action::Run { edit: Some(_), .. } => true,
        Action::Run { command, edit: None } => {
            let verb = command.split_whitespace().any(|word| WRITING_VERBS.contains(&word));
            verb && (command.contains("kubectl") || command.contains("kk create cluster"))
        }
        Action::Console(action) => matches!(action, ConsoleAction::EditClusterConfiguration(_)),
        Action::EditFile { .. } | Action::Objects(_) | Action::Hold(_) | Action::Release(_) => false,
    }
}

fn on_the_virtual_clock(world: &World<'_>, told: String, act: impl FnOnce(&VirtualClock)) -> Done {
    let done = Done { command: Some(told), ..Done::default() };
    match world.pair.clock.virtual_clock() {
        Some(clock) => {
            act(clock);
            done
        }
        None => Done { failure: Some(("a virtual clock".to_owned(), "one that really waits".to_owned())), ..done },
    }
}

/// Between two attempts of a person who tries again: longer each time, since an attempt costs more than all that the
/// clusters do meanwhile.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Does the step again while it does not end well, as long as its `retry` says.
async fn until_good(step: &Step, world: &mut World<'_>) -> Done {
    let clock = world.pair.clock.clone();
    let last_attempt = step.retry.map(|retry| clock.now() + retry);
    let mut pause = FIRST_PAUSE;
    loop {
        let done = once(step, world).await;
        let again = done.failure.is_some() && last_attempt.is_some_and(|last| clock.now() < last);
        if !again || world.stop.is_cancelled() {
            return done;
        }
        let _progress = clock.wants_progress();
        clock.sleep(Delay::new("try-again", pause)).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn once(step: &Step, world: &mut World<'_>) -> Done {
    match &step.action {
        Action::Run { command, edit } => run(step, command, edit.as_ref(), world).await,
        Action::EditFile { file, edit } => edit_file(step, file, edit, world),
        Action::Console(action) => act::act(step, action, world).await,
        Action::Objects(wanted) => objects::wait(step, wanted, world).await,
        Action::Hold(delay) => on_the_virtual_clock(world, format!("hold {delay}"), |clock| clock.hold(delay)),
        Action::Release(delay) => on_the_virtual_clock(world, format!("release {delay}"), |clock| clock.release(delay)),
    }
}

async fn run(step: &Step, command: &str, edit: Option<&scenario::model::Edit>, world: &mut World<'_>) -> Done {
    let shown = world.substituted(command);
    let executed = local_downloads(&shown).into_owned();
    let mut done = Done { command: Some(shown), ..Done::default() };
    let mut environment = Vec::new();
    if let Some(edit) = edit {
        match edit::editor(world.sandbox(step.on), &fields(edit, world)) {
            Ok(editor) => environment.push(("KUBE_EDITOR", editor)),
            Err(error) => return refused(done, "an editor for the command", &error),
        }
    }
    let until = step
        .until
        .as_ref()
        .map(|until| Wanted { text: &until.output, known: world.known.get(&step.name).copied().unwrap_or_default() });
    let line = CommandLine {
        text: &executed,
        environment,
        until,
        timeout: step.until.as_ref().map_or(step.timeout, |until| until.within),
    };
    let outcome =
        command::run(&line, world.sandbox(step.on), world.tools, &world.pair.clock, world.lease, world.stop).await;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return refused(done, "the command to start", &error),
    };
    done.failure = judge(step, &outcome);
    if done.failure.is_none() {
        done.failure = capture(step, &outcome, world);
    }
    done.interrupted = outcome.ended == Ended::Interrupted;
    done.ended_by_until = matches!(outcome.ended, Ended::ByUntil | Ended::ByDeadline);
    done.exit_code = outcome.exit_code;
    done.stdout = Some(outcome.stdout);
    done.stderr = Some(outcome.stderr);
    if done.command.as_deref() != Some(&executed) {
        done.executed = Some(executed);
    }
    done
}

fn judge(step: &Step, outcome: &CommandOutcome) -> Option<(String, String)> {
    if let Some(until) = &step.until {
        let actual = match (outcome.ended, outcome.exit_code) {
            (Ended::ByUntil | Ended::Interrupted, _) => return None,
            (Ended::ByDeadline, _) => format!("nothing of it within {} s", until.within.as_secs()),
            (Ended::ByItself, Some(code)) => format!("the command ended first, with exit code {code}"),
            (Ended::ByItself, None) => "the command was killed".to_owned(),
        };
        return Some((format!("output with \"{}\"", until.output), actual));
    }
    if outcome.ended == Ended::ByDeadline {
        return Some((format!("an end within {} s", step.timeout.as_secs()), "the command still ran".to_owned()));
    }
    let code = step.expect.exit_code.unwrap_or(0);
    if outcome.exit_code != Some(code) {
        let actual =
            outcome.exit_code.map_or_else(|| "the command was killed".to_owned(), |found| format!("exit code {found}"));
        return Some((format!("exit code {code}"), actual));
    }
    let streams =
        [("output", &step.expect.stdout, &outcome.stdout), ("error output", &step.expect.stderr, &outcome.stderr)];
    streams.into_iter().find_map(|(name, wanted, text)| {
        let wanted = wanted.as_ref().filter(|wanted| !text.contains(wanted.as_str()))?;
        Some((format!("{name} with \"{wanted}\""), format!("{name} without it")))
    })
}

fn capture(step: &Step, outcome: &CommandOutcome, world: &mut World<'_>) -> Option<(String, String)> {
    for (variable, capture) in &step.capture {
        let found = capture.pattern.captures(&outcome.stdout);
        let Some(value) = found.and_then(|groups| groups.get(1).or_else(|| groups.get(0))) else {
            let expected = format!("output that matches {} for ${{{variable}}}", capture.pattern);
            return Some((expected, "no match".to_owned()));
        };
        world.variables.insert(variable.clone(), value.as_str().to_owned());
    }
    None
}

fn edit_file(step: &Step, file: &str, edit: &scenario::model::Edit, world: &World<'_>) -> Done {
    let path = world.sandbox(step.on).work().join(file);
    let shown = edit.iter().map(|(field, value)| format!("{field}: {}", world.substituted(value))).collect::<Vec<_>>();
    let done = Done { command: Some(format!("edit {file}: {}", shown.join(", "))), ..Done::default() };
    match edit::apply_to_file(&path, &fields(edit, world)) {
        Ok(()) => done,
        Err(error) => refused(done, "the file to be edited", &error),
    }
}

fn refused(mut done: Done, expected: &str, error: &dyn std::error::Error) -> Done {
    done.failure = Some((expected.to_owned(), error.to_string()));
    done
}

fn fields(edit: &scenario::model::Edit, world: &World<'_>) -> edit::Fields {
    edit::Fields(edit.iter().map(|(path, value)| (path.clone(), world.substituted(value))).collect())
}

/// The pages fetch manifests from the releases of ks-installer; the sandbox has the same files in its working
/// directory, so that nothing is downloaded.
pub(crate) fn local_downloads(command: &str) -> Cow<'_, str> {
    const RELEASES: &str = "https://github.com/kubesphere/ks-installer/releases/download/";
    let mut command = Cow::Borrowed(command);
    while let Some(start) = command.find(RELEASES) {
        let after = &command[start + RELEASES.len()..];
        let Some(slash) = after.find('/') else { break };
        let end = start + RELEASES.len() + slash + 1;
        command = Cow::Owned(format!("{}{}", &command[..start], &command[end..]));
    }
    command
}

/// `text` with `${variable}` replaced; an unknown one stays, as the linter has refused it before.
pub(crate) fn substitute(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut result = text.to_owned();
    for (name, value) in variables {
        result = result.replace(&format!("${{{name}}}"), value);
    }
    result
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn takes_a_release_file_from_the_working_directory() {
        let page = "kubectl apply -f https://github.com/kubesphere/ks-installer/releases/download/v3.3.2/kubesphere-installer.yaml";
        assert_eq!(local_downloads(page), "kubectl apply -f kubesphere-installer.yaml");
    }

    #[rstest]
    #[case("kubectl edit cc ks-installer -n kubesphere-system", true)]
    #[case("kubectl -n kubesphere-system get cm kubesphere-config -o yaml", false)]
    #[case("kubectl apply -f cluster-configuration.yaml", true)]
    #[case("cat $HOME/.kube/config", false)]
    #[case("./kk create cluster -f config-sample.yaml", true)]
    #[case("./kk create config --with-kubesphere v3.3.2", false)]
    fn knows_what_makes_the_installer_run(#[case] command: &str, #[case] changes: bool) {
        assert_eq!(changes_configuration(&Action::Run { command: command.to_owned(), edit: None }), changes);
    }
}
