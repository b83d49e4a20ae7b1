//! Nodes and controllers under a real kube-apiserver 1.20. Run with
//! `KS_E2E_ENVTEST=DIRECTORY cargo test -p ks-e2e-nodes --test real -- --ignored --test-threads 1`, where `DIRECTORY` is
//! what `envtest-up.sh` left and `sa.pkcs8` its `sa.key` as PKCS #8. One at a time: they share the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

#[allow(dead_code, reason = "some behaviour needs a server that reaches the nodes")]
mod behaviour;
mod support;

use support::Kind;

fn real() -> Kind {
    Kind::Real(std::env::var("KS_E2E_ENVTEST").expect("KS_E2E_ENVTEST names envtest-up.sh's directory"))
}

macro_rules! behaviours {
    ($($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs a real kube-apiserver"]
            async fn $name() {
                behaviour::$name(real()).await;
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
);
