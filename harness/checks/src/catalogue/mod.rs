//! The checks: one file for each promise of the pages.

mod banner_content;
mod cluster_role;
mod cluster_role_in_effect;
mod configz_multicluster;
mod dispatch_reaches_member;
mod documented_jwt_command;
mod documented_log_command;
mod host_cluster_object;
mod host_side_of_join;
mod import_succeeded;
mod installer_run_completed;
mod jwt_secret_equal;
mod jwt_secret_sources_agree;
mod kubeconfig_reachable;
mod kubeconfig_stored;
mod member_side_of_join;
mod member_token_setting;
mod multicluster_components;
mod no_cluster_object;
mod no_failed_task;
mod no_multicluster_components;
mod no_new_run;
mod pod_selector;
mod step;
mod token_signed_with_shared_secret;
mod validation_accepted;

use crate::call::{ArgSpec, CheckEntry};
use crate::finding::Finding;
use crate::read::Seen;

/// All checks, in the order of their numbers.
#[must_use]
pub fn catalogue() -> &'static [CheckEntry] {
    &ALL
}

static ALL: [CheckEntry; 25] = [
    cluster_role::ENTRY,
    cluster_role_in_effect::ENTRY,
    member_token_setting::ENTRY,
    jwt_secret_equal::ENTRY,
    jwt_secret_sources_agree::ENTRY,
    documented_jwt_command::ENTRY,
    installer_run_completed::ENTRY,
    no_failed_task::ENTRY,
    documented_log_command::ENTRY,
    multicluster_components::ENTRY,
    no_multicluster_components::ENTRY,
    host_cluster_object::ENTRY,
    configz_multicluster::ENTRY,
    token_signed_with_shared_secret::ENTRY,
    kubeconfig_reachable::ENTRY,
    validation_accepted::ENTRY,
    import_succeeded::ENTRY,
    member_side_of_join::ENTRY,
    host_side_of_join::ENTRY,
    dispatch_reaches_member::ENTRY,
    banner_content::ENTRY,
    pod_selector::ENTRY,
    no_new_run::ENTRY,
    no_cluster_object::ENTRY,
    kubeconfig_stored::ENTRY,
];

/// The argument that names a cluster.
const ON: ArgSpec =
    ArgSpec { name: "on", about: "the cluster to look at", required: true, values: &["host", "member"] };

/// The argument that names an imported Cluster.
const NAME: ArgSpec = ArgSpec {
    name: "name",
    about: "name of the Cluster; the one a step imported when absent",
    required: false,
    values: &[],
};

/// A finding, whether it came early or late.
fn flat(seen: Seen<Finding>) -> Finding {
    seen.unwrap_or_else(|finding| finding)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

    use std::collections::BTreeSet;
    use std::path::Path;

    use rstest::rstest;

    use super::catalogue;
    use crate::testing::{FakeCluster, Run};

    fn source(name: &str) -> String {
        let file = format!("{}.rs", name.replace('-', "_"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalogue").join(&file);
        std::fs::read_to_string(path).unwrap_or_else(|_| format!("{file} is not there"))
    }

    #[test]
    fn shows_every_check_holding_and_failing() {
        for entry in catalogue() {
            let source = source(entry.name);
            for test in ["async fn holds_", "async fn fails_"] {
                assert!(source.contains(test), "check {} has no test `{test}…`", entry.name);
            }
        }
    }

    /// "There is none" and "it cannot be read" are two things.
    #[tokio::test]
    async fn never_holds_on_clusters_that_do_not_answer() {
        let run = Run::new(FakeCluster::host().broken(), FakeCluster::member().broken()).imported("member1");
        for entry in catalogue() {
            let args = entry.args.iter().map(|spec| (spec.name, spec.values.first().copied().unwrap_or("member")));
            run.check(entry.name, &args.filter(|(name, _)| *name != "step").collect::<Vec<_>>()).await.does_not_hold();
        }
    }

    #[test]
    fn names_and_numbers_every_check_once() {
        let names: BTreeSet<_> = catalogue().iter().map(|entry| entry.name).collect();
        let ids: Vec<_> = catalogue().iter().map(|entry| entry.id).collect();
        assert_eq!(names.len(), catalogue().len());
        assert!(ids.is_sorted() && BTreeSet::from_iter(&ids).len() == ids.len(), "{ids:?}");
    }

    #[rstest]
    #[case("jwt-secret-equals", &[], "there is no check `jwt-secret-equals`, did you mean `jwt-secret-equal`?")]
    #[case("jwt-secret-equal", &[("on", "host")], "check `jwt-secret-equal` has no argument `on`; it takes: none")]
    #[case("cluster-role", &[("on", "host")], "check `cluster-role` needs the argument `is`: the role: host, member, none, or as it was spelled")]
    #[case("no-failed-task", &[("on", "guest")], "check `no-failed-task`: `on` cannot be `guest`; use one of: host, member")]
    fn refuses_a_call_that_does_not_fit(#[case] name: &str, #[case] args: &[(&str, &str)], #[case] text: &str) {
        let args = args.iter().map(|(arg, value)| ((*arg).to_owned(), (*value).to_owned())).collect();
        let refused = crate::call::validate(name, &args).unwrap_err().to_string();
        assert!(refused.starts_with(text), "{refused}");
    }
}
