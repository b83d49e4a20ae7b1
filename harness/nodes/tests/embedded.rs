//! Nodes and controllers under the embedded API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

mod behaviour;
mod support;

use support::Kind;

macro_rules! behaviours {
    ($($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                behaviour::$name(Kind::Embedded).await;
            }
        )+
    };
}

behaviours!(
    starts_nodes_storage_and_accounts,
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
