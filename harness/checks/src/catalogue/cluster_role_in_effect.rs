//! The role that was asked for stands in the configuration that KubeSphere's processes run with.

use futures::FutureExt;
use kubesphere::Release;
use scenario::model::On;

use super::ON;
use super::cluster_role::ROLE;
use super::installer_run_completed;
use crate::budget;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::config::Config;
use crate::read::{Seen, objects};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "cluster-role-in-effect",
    id: "C02",
    about: "ks-installer has put the role into kubesphere-config: before 3.3.0 only enable: true of a host, and the age of \
            a member's tokens",
    args: &[ON, ROLE],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let (on, role) = (args.cluster()?, args.required("is")?);
            let Some(view) = ctx.cluster(on) else {
                return Ok(Finding::cannot_tell(format!("there is no {on} cluster")));
            };
            Ok(settle(ctx.waiter, budget::INSTALLER_RUN, &|| look(ctx, view, role).boxed()).await)
        }
        .boxed()
    },
};

async fn look(ctx: &CheckContext<'_>, view: &dyn ClusterView, role: &str) -> Seen<Look> {
    let release = match Release::find(ctx.release_on(view.on())) {
        Ok(release) => release,
        Err(unknown) => return Ok(Look::Decided(Finding::cannot_tell(unknown.to_string()))),
    };
    // Read first: a run that ended before the configuration was read has had its time to write it.
    let run_ended = run_ended(ctx, view.on()).await;
    let config = objects::kubesphere_config(view).await?;
    let expected = expected(release, role);
    let actual = config.multicluster_line();
    let title = format!("{}: multicluster in kubesphere-config", view.on());
    if in_effect(&config, release, role) {
        return Ok(Look::Decided(Finding::holds().with(title, actual)));
    }
    let advice = if run_ended {
        "ks-installer has printed its banner all the same, so it did not write what the ClusterConfiguration says"
    } else {
        "see in ks-installer's log whether its run has ended well"
    };
    let message = format!(
        "{} cluster: role {role} is not in effect: kubesphere-config has {actual}, not {expected}; {advice}",
        view.on()
    );
    let finding = Finding::fails(expected, actual.clone(), message).with(title, actual);
    Ok(if run_ended { Look::Decided(finding) } else { Look::NotYet(finding) })
}

/// Whether ks-installer has taken up the last edit and printed its banner, on which the page's reader goes on.
async fn run_ended(ctx: &CheckContext<'_>, on: On) -> bool {
    ctx.facts.last_edit.contains_key(&on)
        && installer_run_completed::read(ctx, on).await.is_ok_and(|log| log.is_some_and(|log| log.holds_a_whole_run()))
}

/// Whether the configuration shows every role and not a host's alone: from 3.3.0 on. The bound stands here once more, and
/// not in the release's profile, since the stand-in renders by the profile: one wrong entry would agree with itself.
fn shows_every_role(release: &Release) -> bool {
    release.version.split('.').map(|number| number.parse().unwrap_or(0_u32)).ge([3, 3, 0])
}

/// What the configuration shows of a role.
fn expected(release: &Release, role: &str) -> String {
    match (role, shows_every_role(release)) {
        ("host", true) => "clusterRole: host, enable: true".to_owned(),
        ("host", false) => "enable: true".to_owned(),
        ("member", true) => "clusterRole: member, enable: false".to_owned(),
        ("member", false) => "no enable: true, and accessTokenMaxAge: 0".to_owned(),
        (_, true) => format!("clusterRole: {role} and no enable: true"),
        (_, false) => "no enable: true, and no accessTokenMaxAge: 0".to_owned(),
    }
}

fn in_effect(config: &Config, release: &Release, role: &str) -> bool {
    let enabled = config.enable() == Some(true);
    if shows_every_role(release) {
        let enable_fits = match role {
            "host" => enabled,
            "member" => config.enable() == Some(false),
            _ => !enabled,
        };
        return config.cluster_role() == Some(role) && enable_fits;
    }
    // Up to 3.2 nothing but the age of tokens tells a member from a cluster without a role.
    match role {
        "host" => enabled,
        "member" => !enabled && config.tokens_never_expire(),
        _ => !enabled && !config.tokens_never_expire(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing unwrap fails the test")]

    use rstest::rstest;

    use scenario::model::On;

    use crate::testing::{FakeCluster, GOOD_RUN, Run};

    const NONE: &str = "multicluster:\n  clusterRole: none\n";
    const HOST: &str = "multicluster:\n  clusterRole: host\n  enable: true\n";
    const MEMBER: &str = "multicluster:\n  clusterRole: member\n  enable: false\n";
    const HALF_MEMBER: &str = "multicluster:\n  clusterRole: member\n";
    const TYPO: &str = "multicluster:\n  clusterRole: hosts\n";
    const OLD_NONE: &str = "authentication:\n  jwtSecret: \"x\"\n";
    const OLD_HOST: &str = "multicluster:\n  enable: true\n";
    const OLD_MEMBER: &str = "authentication:\n  oauthOptions:\n    accessTokenMaxAge: 0\n";

    fn run(release: &'static str, config: &str) -> Run {
        Run::new(FakeCluster::host().config(config), FakeCluster::member()).release(release)
    }

    #[rstest]
    #[case("3.3.2", HOST, "host")]
    #[case("3.3.2", MEMBER, "member")]
    #[case("3.4.1", NONE, "none")]
    #[case("3.4.1", TYPO, "hosts")]
    #[case("3.2.1", OLD_HOST, "host")]
    #[case("3.2.1", OLD_MEMBER, "member")]
    #[case("3.2.1", OLD_NONE, "none")]
    #[tokio::test]
    async fn holds_for_what_each_release_writes(
        #[case] release: &'static str,
        #[case] config: &str,
        #[case] role: &str,
    ) {
        run(release, config).check("cluster-role-in-effect", &[("on", "host"), ("is", role)]).await.holds();
    }

    #[rstest]
    #[case("3.2.1", false)]
    #[case("3.3.2", true)]
    #[case("3.4.0", true)]
    #[case("3.4.1", true)]
    fn expects_every_role_to_show_from_3_3_0_on(#[case] version: &str, #[case] shows: bool) {
        assert_eq!(super::shows_every_role(kubesphere::Release::find(version).unwrap()), shows);
    }

    #[rstest]
    #[case("3.3.2", NONE, "member")]
    #[case("3.3.2", TYPO, "host")]
    #[case("3.3.2", MEMBER, "none")]
    #[case("3.3.2", HALF_MEMBER, "member")]
    #[case("3.2.1", OLD_NONE, "host")]
    #[case("3.2.1", OLD_NONE, "member")]
    #[case("3.2.1", OLD_MEMBER, "none")]
    #[tokio::test]
    async fn fails_for_another_role(#[case] release: &'static str, #[case] config: &str, #[case] role: &str) {
        run(release, config)
            .check("cluster-role-in-effect", &[("on", "host"), ("is", role)])
            .await
            .fails_with(&format!("host cluster: role {role} is not in effect"));
    }

    #[rstest]
    #[case::of_this_edit("2024-01-01T00:00:01Z", "ks-installer has printed its banner all the same")]
    #[case::begun_before_it("2024-01-01T00:00:03Z", "see in ks-installer's log whether its run has ended well")]
    #[tokio::test]
    async fn fails_at_once_after_a_whole_run(#[case] edited: &str, #[case] advice: &str) {
        let run = std::iter::once("TASK [preinstall : KubeSphere | Checking Kubernetes version] ***").chain(GOOD_RUN);
        let times: Vec<_> = (2..).map(|second| format!("2024-01-01T00:00:{second:02}Z")).take(6).collect();
        let log: Vec<_> = times.iter().map(String::as_str).zip(run).collect();
        let host = FakeCluster::host().installer("ks-installer").log(&log).config(NONE);
        Run::new(host, FakeCluster::member())
            .edited(On::Host, edited)
            .check("cluster-role-in-effect", &[("on", "host"), ("is", "host")])
            .await
            .fails_with(advice);
    }

    #[tokio::test]
    async fn fails_saying_what_is_there_instead() {
        run("3.3.2", TYPO).check("cluster-role-in-effect", &[("on", "host"), ("is", "host")]).await.fails(
            "host cluster: role host is not in effect: kubesphere-config has clusterRole: hosts, not clusterRole: host, \
             enable: true; see in ks-installer's log whether its run has ended well",
        );
    }
}
