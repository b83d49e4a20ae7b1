//! The documented command prints the secret, and nothing else.

use futures::FutureExt;

use super::jwt_secret_equal::in_words;
use super::{flat, step};
use crate::call::{Arguments, CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::{Seen, objects};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "documented-jwt-command",
    id: "C06",
    about: "the documented `kubectl … get cm kubesphere-config … | grep jwtSecret` exits 0 and prints the jwtSecret on one line",
    args: &[step::STEP],
    on: Clusters::OfStep,
    run: |args, ctx| async move { Ok(flat(check(args, ctx).await)) }.boxed(),
};

fn is_it(command: &str) -> bool {
    command.contains("kubesphere-config") && command.contains("grep jwtSecret")
}

async fn check(args: &Arguments<'_>, ctx: &CheckContext<'_>) -> Seen<Finding> {
    let (name, step) = step::that_ran(args, ctx, "the documented jwtSecret command", is_it)?;
    let expected = "exit code 0 and one line `jwtSecret: …`";
    let fails = |actual: String, why: &str| {
        Ok(Finding::fails(expected, actual.clone(), format!("step `{name}`: {actual}; {why}")))
    };
    match step.exit_code {
        Some(0) => {}
        Some(code) if step.stdout.trim().is_empty() => {
            return fails(
                format!("exit code {code} and no output"),
                "kubesphere-config does not exist before ks-installer's first run has ended",
            );
        }
        Some(code) => return fails(format!("exit code {code}"), "see the step's standard error"),
        None => return fails("the command did not end by itself".to_owned(), "see whether the API server answers"),
    }
    let lines: Vec<_> = step.stdout.lines().filter(|line| !line.trim().is_empty()).collect();
    let [line] = lines.as_slice() else {
        return fails(
            format!("{} lines", lines.len()),
            "a person cannot tell which one to copy; see which objects or annotations hold the word",
        );
    };
    let Some(printed) = value(line) else {
        let why = "a trailing blank in kubesphere.yaml makes kubectl print the whole document on one line";
        return fails("a line that does not begin with `jwtSecret:`".to_owned(), why);
    };
    let Some(view) = ctx.cluster(step.on) else {
        return Ok(Finding::cannot_tell(format!("there is no {} cluster", step.on)));
    };
    let config = objects::kubesphere_config(view).await?;
    if printed == config.secret() {
        return Ok(
            Finding::holds().with(format!("step `{name}`"), format!("one line, jwtSecret of {}", in_words(printed)))
        );
    }
    let actual = format!("a value of {} that is not the jwtSecret in kubesphere-config", in_words(printed));
    let message = format!(
        "step `{name}`: it printed {actual} ({}); read it again after ks-installer's run has ended",
        in_words(config.secret())
    );
    Ok(Finding::fails("the jwtSecret in kubesphere-config", actual, message))
}

/// The value on the line, without the optional quotes.
fn value(line: &str) -> Option<&str> {
    let value = line.trim().strip_prefix("jwtSecret:")?.trim();
    let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some(unquoted.unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use scenario::model::On;

    use crate::testing::{FakeCluster, Run, config_with_secret, step};

    const COMMAND: &str =
        "kubectl -n kubesphere-system get cm kubesphere-config -o yaml | grep -v \"apiVersion\" | grep jwtSecret";

    fn run(stdout: &str, exit_code: i32) -> Run {
        let host = FakeCluster::host().config(&config_with_secret("\"gfIwilcc0WjN\""));
        Run::new(host, FakeCluster::member()).step("read it", step(On::Host, COMMAND).exits(exit_code).prints(stdout))
    }

    #[rstest]
    #[case("      jwtSecret: \"gfIwilcc0WjN\"\n")]
    #[case("      jwtSecret: gfIwilcc0WjN\n")]
    #[tokio::test]
    async fn holds_with_and_without_quotes(#[case] stdout: &str) {
        run(stdout, 0).check("documented-jwt-command", &[]).await.holds();
    }

    #[rstest]
    #[case(
        "",
        1,
        "step `read it`: exit code 1 and no output; kubesphere-config does not exist before ks-installer's first run has ended"
    )]
    #[case(
        "  jwtSecret: a\n  jwtSecret: b\n",
        0,
        "step `read it`: 2 lines; a person cannot tell which one to copy; see which objects or annotations hold the word"
    )]
    #[case(
        "  kubesphere.yaml: \"authentication:\\n  jwtSecret: gfIwilcc0WjN \\n\"\n",
        0,
        "step `read it`: a line that does not begin with `jwtSecret:`; a trailing blank in kubesphere.yaml makes kubectl print the \
         whole document on one line"
    )]
    #[case(
        "  jwtSecret: \"other\"\n",
        0,
        "step `read it`: it printed a value of 5 characters that is not the jwtSecret in kubesphere-config (12 characters); read it \
         again after ks-installer's run has ended"
    )]
    #[tokio::test]
    async fn fails_when_a_person_could_not_copy_the_value(
        #[case] stdout: &str,
        #[case] exit_code: i32,
        #[case] message: &str,
    ) {
        run(stdout, exit_code).check("documented-jwt-command", &[]).await.fails(message);
    }

    #[tokio::test]
    async fn tells_what_the_command_complained_of() {
        run("some of it", 1)
            .check("documented-jwt-command", &[])
            .await
            .fails("step `read it`: exit code 1; see the step's standard error");
    }

    #[rstest]
    #[case::reads_something_else("kubectl -n kubesphere-system get cm kubesphere-config -o yaml")]
    #[case::greps_something_else("kubectl get secret kubesphere-secret -o yaml | grep jwtSecret")]
    #[tokio::test]
    async fn looks_at_no_other_command(#[case] other: &str) {
        let run = run("jwtSecret: gfIwilcc0WjN\n", 0).step("z", step(On::Host, other).exits(1).later());
        run.check("documented-jwt-command", &[]).await.holds();
        run.check("documented-jwt-command", &[("step", "z")]).await.fails_with("step `z`: exit code 1");
        let alone = Run::new(FakeCluster::host(), FakeCluster::member()).step("z", step(On::Host, other));
        alone.check("documented-jwt-command", &[]).await.cannot_tell("no step ran");
    }

    #[tokio::test]
    async fn looks_at_the_last_time_it_ran() {
        let again = step(On::Host, COMMAND).exits(1).later();
        run("jwtSecret: gfIwilcc0WjN\n", 0)
            .step("a", again)
            .check("documented-jwt-command", &[])
            .await
            .fails_with("step `a`: exit code 1 and no output");
    }

    #[tokio::test]
    async fn cannot_tell_when_no_step_ran_it() {
        Run::new(FakeCluster::host(), FakeCluster::member())
            .check("documented-jwt-command", &[])
            .await
            .cannot_tell("no step ran the documented jwtSecret command; add one, or name it with `step`");
    }
}
