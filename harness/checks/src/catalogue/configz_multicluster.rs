//! The running ks-apiserver has loaded the role.

use futures::FutureExt;

use super::ON;
use crate::budget;
use crate::call::{ArgSpec, CheckEntry, Clusters};
use crate::finding::Finding;
use crate::read::{Seen, kubesphere_api};
use crate::settle::{Look, settle};
use crate::view::ClusterView;

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "configz-multicluster",
    id: "C13",
    about: "ks-apiserver tells that it runs with multi-cluster management (a host), or without it (any other cluster)",
    args: &[ON, IS],
    on: Clusters::Named,
    run: |args, ctx| {
        async move {
            let (on, wanted) = (args.cluster()?, args.required("is")? == "true");
            let Some(view) = ctx.cluster(on) else {
                return Ok(Finding::cannot_tell(format!("there is no {on} cluster")));
            };
            Ok(settle(ctx.waiter, budget::RELOAD, &|| look(view, wanted).boxed()).await)
        }
        .boxed()
    },
};

const IS: ArgSpec = ArgSpec { name: "is", about: "what it tells", required: true, values: &["true", "false"] };
const PATH: &str = "/kapis/config.kubesphere.io/v1alpha2/configs/configz";

async fn look(view: &dyn ClusterView, wanted: bool) -> Seen<Look> {
    let answer = kubesphere_api::get_open(view, PATH).await?;
    let on = view.on();
    let fails = |actual: String, advice: &str| {
        let message = format!("{on} cluster: GET {PATH} tells multicluster: {actual}, not {wanted}; {advice}");
        Ok(Look::NotYet(Finding::fails(format!("multicluster: {wanted}"), actual, message)))
    };
    let told = serde_json::from_str::<serde_json::Value>(&answer.body).ok().filter(|_| answer.status == 200);
    match told.and_then(|told| told.get("multicluster")?.as_bool()) {
        Some(told) if told == wanted => Ok(Look::Decided(Finding::holds())),
        Some(told) => fails(
            told.to_string(),
            "ks-apiserver has not loaded the changed kubesphere-config yet, or clusterRole is not what it should be",
        ),
        None => fails(format!("nothing ({})", answer.describe()), "see whether it is ks-apiserver that answers"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::PATH;
    use crate::testing::{FakeCluster, Run};

    fn run(status: u16, body: &str) -> Run {
        Run::new(FakeCluster::host().answers("GET", PATH, status, body), FakeCluster::member())
    }

    #[rstest]
    #[case("true")]
    #[case("false")]
    #[tokio::test]
    async fn holds_when_it_is_told(#[case] is: &str) {
        let body = format!("{{\"multicluster\": {is}}}");
        run(200, &body).check("configz-multicluster", &[("on", "host"), ("is", is)]).await.holds();
    }

    #[rstest]
    #[case(
        200,
        r#"{"multicluster":false}"#,
        "tells multicluster: false, not true; ks-apiserver has not loaded the changed kubesphere-config yet, or clusterRole is not what \
         it should be"
    )]
    #[case(200, "{}", "tells multicluster: nothing (200 {}), not true; see whether it is ks-apiserver that answers")]
    #[case(502, "", "tells multicluster: nothing (502), not true; see whether it is ks-apiserver that answers")]
    #[tokio::test]
    async fn fails_on_another_answer(#[case] status: u16, #[case] body: &str, #[case] message: &str) {
        run(status, body).check("configz-multicluster", &[("on", "host"), ("is", "true")]).await.fails_with(message);
    }

    #[tokio::test]
    async fn fails_without_an_answer() {
        Run::new(FakeCluster::host(), FakeCluster::member())
            .check("configz-multicluster", &[("on", "host"), ("is", "true")])
            .await
            .fails_with("ks-apiserver does not answer");
    }
}
