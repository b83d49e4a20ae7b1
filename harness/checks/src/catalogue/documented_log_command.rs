//! The documented command finds the installer's pod and follows its log.

use futures::FutureExt;

use super::{flat, step};
use crate::call::{Arguments, CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::Seen;
use crate::read::log::installer_pod;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "documented-log-command",
    id: "C09",
    about: "the documented `kubectl logs … $(kubectl get pod … -l …) -f` finds a pod and follows its log until it is stopped",
    args: &[step::STEP],
    on: Clusters::OfStep,
    run: |args, ctx| async move { Ok(flat(check(args, ctx).await)) }.boxed(),
};

fn is_it(command: &str) -> bool {
    command.contains(" logs ") && command.contains("ks-install") && command.contains("get pod")
}

async fn check(args: &Arguments<'_>, ctx: &CheckContext<'_>) -> Seen<Finding> {
    let (name, step) = step::that_ran(args, ctx, "the documented log command", is_it)?;
    let expected = "the installer's log, followed until the step is stopped";
    let finding = |actual: &str, why: &str| Finding::fails(expected, actual, format!("step `{name}`: {actual}; {why}"));
    // kubectl's words for a jsonpath over an empty list, which the documented command runs into when no pod has the label.
    if step.stderr.contains("array index out of bounds: index 0, length 0") {
        let Some(view) = ctx.cluster(step.on) else {
            return Ok(Finding::cannot_tell(format!("there is no {} cluster", step.on)));
        };
        let (pod, label) = installer_pod(view).await?;
        let why = format!("pod {pod} has app={label}; use -l 'app in (ks-install, ks-installer)'");
        return Ok(finding("no pod has the label that the command selects", &why));
    }
    if let Some(line) =
        step.stderr.lines().find(|line| line.starts_with("error:") || line.starts_with("Error from server"))
    {
        return Ok(finding(&format!("`{line}`"), "see the state of the installer's pod"));
    }
    Ok(match (step.ended_by_until, step.exit_code) {
        (true, _) | (false, None) if step.stdout.trim().is_empty() => {
            finding("no line of the log came", "see whether the installer's pod has started")
        }
        (true, _) | (false, None) => Finding::holds(),
        (false, Some(code)) => finding(
            &format!("the command ended by itself with exit code {code}"),
            "with -f it follows until it is stopped: the pod was replaced or has ended",
        ),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use scenario::model::On;

    use crate::testing::{BANNER, FakeCluster, Run, StepFact, step};

    const COMMAND: &str = "kubectl logs -n kubesphere-system $(kubectl get pod -n kubesphere-system -l app=ks-install -o jsonpath='{.items[0].metadata.name}') -f";

    fn run(step: StepFact) -> Run {
        Run::new(FakeCluster::host(), FakeCluster::member().installer("ks-installer")).step("watch", step)
    }

    #[tokio::test]
    async fn holds_when_it_was_stopped_at_the_banner() {
        run(step(On::Member, COMMAND).ends_by_until().prints(BANNER))
            .check("documented-log-command", &[])
            .await
            .holds();
    }

    #[rstest]
    #[case::finds_the_pod_only("kubectl get pod -n kubesphere-system -l app=ks-install")]
    #[case::names_the_pod("kubectl logs -n kubesphere-system ks-installer-1 -f")]
    #[case::of_another(
        "kubectl logs -n kubesphere-system $(kubectl get pod -n kubesphere-system -l app=tower -o name) -f"
    )]
    #[tokio::test]
    async fn looks_at_no_other_command(#[case] other: &str) {
        run(step(On::Member, other).exits(1))
            .check("documented-log-command", &[])
            .await
            .cannot_tell("no step ran the documented log command");
    }

    #[tokio::test]
    async fn fails_naming_the_label_that_the_pod_has() {
        let stderr = "error: error executing jsonpath \"{.items[0].metadata.name}\": Error executing template: array index out of bounds: index 0, length 0.\n\
                      error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n";
        run(step(On::Member, COMMAND).exits(1).complains(stderr)).check("documented-log-command", &[]).await.fails(
            "step `watch`: no pod has the label that the command selects; pod ks-installer-1 has app=ks-installer; use -l 'app in \
             (ks-install, ks-installer)'",
        );
    }

    #[rstest]
    #[case(
        step(On::Member, COMMAND).exits(0).prints(BANNER),
        "step `watch`: the command ended by itself with exit code 0; with -f it follows until it is stopped: the pod was replaced or \
         has ended"
    )]
    #[case(
        step(On::Member, COMMAND).ends_by_until(),
        "step `watch`: no line of the log came; see whether the installer's pod has started"
    )]
    #[case(
        step(On::Member, COMMAND).exits(1).complains(
            "Error from server (BadRequest): container \"installer\" in pod \"ks-installer-1\" is waiting to start: ContainerCreating\n"
        ),
        "step `watch`: `Error from server (BadRequest): container \"installer\" in pod \"ks-installer-1\" is waiting to start: \
         ContainerCreating`; see the state of the installer's pod"
    )]
    #[tokio::test]
    async fn fails_when_the_log_is_not_followed(#[case] step: StepFact, #[case] message: &str) {
        run(step).check("documented-log-command", &[]).await.fails(message);
    }
}
