//! A member accepts the host's tokens although it has not issued them.

use futures::FutureExt;

use super::flat;
use crate::call::{CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, objects};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "member-token-setting",
    id: "C03",
    about: "the member's accessTokenMaxAge is 0, as its role asks for, so that tokens of the host are not looked up in its own cache",
    args: &[],
    on: Clusters::Member,
    run: |_, ctx| {
        async move {
            Ok(match ctx.member {
                Some(view) => flat(check(view).await),
                None => Finding::cannot_tell("there is no member cluster"),
            })
        }
        .boxed()
    },
};

async fn check(view: &dyn ClusterView) -> Seen<Finding> {
    let config = objects::kubesphere_config(view).await?;
    let age = config.access_token_max_age().map(|age| format!("{}s", age.as_secs()));
    let role = config.cluster_role();
    let title = "member: kubesphere-config";
    let text = format!(
        "authentication.oauthOptions.accessTokenMaxAge: {}\nmulticluster: {}",
        age.as_deref().unwrap_or("absent"),
        config.multicluster_line()
    );
    let finding = if !config.tokens_never_expire() {
        let actual = age.unwrap_or_else(|| "absent, so 2h".to_owned());
        let message = format!(
            "member cluster: accessTokenMaxAge is {actual}, not 0: the host's tokens will be refused with `token not found in cache`; \
             set clusterRole: member and wait for ks-installer"
        );
        Finding::fails("accessTokenMaxAge: 0", actual, message)
    } else if let (Some(name), Some(role)) = (config.cluster_name(), role.filter(|role| *role != "member")) {
        // The import of 3.3 and later writes the zero itself, and the next installer run takes it away again.
        let message = format!(
            "member cluster: accessTokenMaxAge is 0 only because the import as {name} wrote it; clusterRole is {role}, \
             so the next run of ks-installer removes it; set clusterRole: member"
        );
        Finding::fails("accessTokenMaxAge: 0 from clusterRole: member", format!("clusterRole: {role}"), message)
    } else {
        Finding::holds()
    };
    Ok(finding.with(title, text))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::testing::{FakeCluster, Run};

    fn run(config: &str) -> Run {
        Run::new(FakeCluster::host(), FakeCluster::member().config(config))
    }

    #[rstest]
    #[case("authentication:\n  oauthOptions:\n    accessTokenMaxAge: 0\nmulticluster:\n  clusterRole: member\n")]
    #[case(
        "authentication:\n  oauthOptions:\n    accessTokenMaxAge: 0s\nmulticluster:\n  clusterName: m1\n  clusterRole: member\n"
    )]
    // 3.2 writes no multicluster block for a member.
    #[case("authentication:\n  oauthOptions:\n    accessTokenMaxAge: 0\n")]
    #[tokio::test]
    async fn holds_for_a_zero_in_any_spelling(#[case] config: &str) {
        run(config).check("member-token-setting", &[]).await.holds();
    }

    #[rstest]
    #[case("authentication:\n  jwtSecret: x\n", "absent, so 2h")]
    #[case("authentication:\n  oauthOptions:\n    accessTokenMaxAge: 1h\n", "3600s")]
    #[tokio::test]
    async fn fails_when_tokens_expire(#[case] config: &str, #[case] age: &str) {
        run(config).check("member-token-setting", &[]).await.fails(&format!(
            "member cluster: accessTokenMaxAge is {age}, not 0: the host's tokens will be refused with `token not found in cache`; \
             set clusterRole: member and wait for ks-installer"
        ));
    }

    #[tokio::test]
    async fn fails_when_only_the_import_wrote_the_zero() {
        let config = "authentication:\n  oauthOptions:\n    accessTokenMaxAge: 0s\nmulticluster:\n  clusterName: m1\n  clusterRole: none\n";
        run(config).check("member-token-setting", &[]).await.fails(
            "member cluster: accessTokenMaxAge is 0 only because the import as m1 wrote it; clusterRole is none, \
             so the next run of ks-installer removes it; set clusterRole: member",
        );
    }
}
