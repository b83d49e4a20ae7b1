//! Nodes and controllers under the embedded API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

mod behaviour;
mod support;

use support::Kind;

macro_rules! behaviours {
    ($module:path: $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                use $module as behaviours;
                behaviours::$name(Kind::Embedded).await;
            }
        )+
    };
}

behaviours!(
    behaviour: starts_nodes_storage_and_accounts,
    runs_a_deployment_behind_a_service,
    rolls_out_a_new_template,
    restarts_a_program_that_panics,
    backs_off_from_unknown_images,
    mounts_config_at_once_and_updates_it_later,
    fills_token_secrets_of_others,
    empties_and_finalizes_a_namespace,
    serves_logs_to_clients_with_a_certificate,
    deletes_pods_and_tokens_with_their_owners,
    shows_logs_through_the_api_server,
);

behaviours!(
    behaviour::workloads: rolls_back_to_a_former_revision,
    holds_a_rollout_while_it_is_paused,
    calls_a_rollout_late_after_its_deadline,
    recreates_after_the_old_pods_are_gone,
    keeps_pods_that_are_going_with_their_owner,
    adopts_what_an_orphaning_deletion_left,
    counts_pods_as_available_after_a_while,
    makes_pods_of_a_stateful_set_in_order,
    rolls_a_stateful_set_down_to_its_partition,
    puts_a_daemon_on_every_node,
);

behaviours!(
    behaviour::jobs: runs_a_job_to_its_completions,
    gives_a_job_up_that_fails_too_often,
    ends_a_job_at_its_deadline,
    restarts_containers_of_a_job_in_their_pod,
    runs_jobs_at_the_times_of_a_schedule,
);

behaviours!(
    behaviour::pods: runs_init_containers_first,
    fails_a_pod_with_its_init_container,
    tells_a_container_s_life_in_events,
    pulls_an_unknown_image_again_and_again,
    refuses_images_that_may_not_be_pulled,
    ends_a_pod_at_its_deadline,
    counts_restarts_and_keeps_the_last_end,
    answers_questions_about_logs,
);

behaviours!(
    behaviour::nodes_and_scheduling: renews_the_leases_of_nodes,
    says_why_no_node_is_fit,
    keeps_pods_from_cordoned_and_tainted_nodes,
    drives_pods_from_nodes_that_they_do_not_tolerate,
);

behaviours!(
    behaviour::garbage: collects_kinds_that_no_controller_knows,
    collects_what_absent_owners_left,
    converges_after_any_deletions_of_owners,
    says_what_keeps_a_namespace,
);

behaviours!(
    behaviour::volumes: makes_a_volume_for_the_first_pod_of_a_claim,
    binds_a_claim_to_a_volume_that_fits,
);
