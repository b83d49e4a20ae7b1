//! Nodes and controllers under a real kube-apiserver of the binaries in `KUBEBUILDER_ASSETS`; without them all tests are
//! ignored. One at a time: they share the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

#[allow(dead_code, reason = "some behaviour needs a server that reaches the nodes")]
mod behaviour;
mod support;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use support::Kind;
use support::real::{Files, RealServer};
use tokio::runtime::Runtime;

type Behaviour = fn(Kind) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! behaviours {
    ($($name:path),+ $(,)?) => {
        [$((stringify!($name), (|kind| Box::pin($name(kind))) as Behaviour)),+]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new().unwrap());
    let server = if arguments.list { None } else { runtime.block_on(RealServer::start()) };
    let files = server.as_ref().map(|server| server.files.clone());
    let behaviours = behaviours::all();
    let trials = behaviours.into_iter().map(|(name, run)| trial(name, run, &runtime, files.clone()));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if let Some(server) = server {
        server.stop();
    }
    conclusion.exit_code()
}

fn trial(name: &str, run: Behaviour, runtime: &Arc<Runtime>, files: Option<Files>) -> Trial {
    let name = name.replace("behaviour :: ", "").replace("behaviour::", "").replace(' ', "");
    let (runtime, there) = (runtime.clone(), files.is_some());
    let test = move || {
        let Some(files) = files else { return Ok(()) };
        runtime
            .block_on(async { tokio::spawn(async move { run(Kind::Real(files)).await }).await })
            .map_err(|error| Failed::from(error.to_string()))
    };
    Trial::test(name, test).with_ignored_flag(!there)
}

mod behaviours {
    use super::{Behaviour, behaviour};

    pub fn all() -> Vec<(&'static str, Behaviour)> {
        let first = behaviours!(
            behaviour::starts_nodes_storage_and_accounts,
            behaviour::runs_a_deployment_behind_a_service,
            behaviour::rolls_out_a_new_template,
            behaviour::restarts_a_program_that_panics,
            behaviour::backs_off_from_unknown_images,
            behaviour::mounts_config_at_once_and_updates_it_later,
            behaviour::fills_token_secrets_of_others,
            behaviour::empties_and_finalizes_a_namespace,
            behaviour::serves_logs_to_clients_with_a_certificate,
            behaviour::deletes_pods_and_tokens_with_their_owners,
        );
        let workloads = behaviours!(
            behaviour::workloads::rolls_back_to_a_former_revision,
            behaviour::workloads::holds_a_rollout_while_it_is_paused,
            behaviour::workloads::calls_a_rollout_late_after_its_deadline,
            behaviour::workloads::recreates_after_the_old_pods_are_gone,
            behaviour::workloads::keeps_pods_that_are_going_with_their_owner,
            behaviour::workloads::adopts_what_an_orphaning_deletion_left,
            behaviour::workloads::counts_pods_as_available_after_a_while,
            behaviour::workloads::makes_pods_of_a_stateful_set_in_order,
            behaviour::workloads::rolls_a_stateful_set_down_to_its_partition,
            behaviour::workloads::puts_a_daemon_on_every_node,
        );
        let jobs = behaviours!(
            behaviour::jobs::runs_a_job_to_its_completions,
            behaviour::jobs::gives_a_job_up_that_fails_too_often,
            behaviour::jobs::ends_a_job_at_its_deadline,
            behaviour::jobs::restarts_containers_of_a_job_in_their_pod,
            behaviour::jobs::runs_jobs_at_the_times_of_a_schedule,
        );
        let pods = behaviours!(
            behaviour::pods::runs_init_containers_first,
            behaviour::pods::fails_a_pod_with_its_init_container,
            behaviour::pods::tells_a_container_s_life_in_events,
            behaviour::pods::pulls_an_unknown_image_again_and_again,
            behaviour::pods::refuses_images_that_may_not_be_pulled,
            behaviour::pods::ends_a_pod_at_its_deadline,
            behaviour::pods::counts_restarts_and_keeps_the_last_end,
            behaviour::pods::answers_questions_about_logs,
        );
        let nodes = behaviours!(
            behaviour::nodes_and_scheduling::renews_the_leases_of_nodes,
            behaviour::nodes_and_scheduling::says_why_no_node_is_fit,
            behaviour::nodes_and_scheduling::keeps_pods_from_cordoned_and_tainted_nodes,
            behaviour::nodes_and_scheduling::drives_pods_from_nodes_that_they_do_not_tolerate,
        );
        let others = behaviours!(
            behaviour::garbage::collects_kinds_that_no_controller_knows,
            behaviour::garbage::collects_what_absent_owners_left,
            behaviour::garbage::converges_after_any_deletions_of_owners,
            behaviour::garbage::says_what_keeps_a_namespace,
            behaviour::volumes::makes_a_volume_for_the_first_pod_of_a_claim,
            behaviour::volumes::binds_a_claim_to_a_volume_that_fits,
        );
        first.into_iter().chain(workloads).chain(jobs).chain(pods).chain(nodes).chain(others).collect()
    }
}
