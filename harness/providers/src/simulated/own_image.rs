//! The harness's own image on simulated nodes: as on real ones, its arguments say what it is.

use nodes::program::{ExitCode, PodContext, Programs};
use stub::{Behaviour, POD_ARGUMENT};

use crate::inside::PROBE_ARGUMENT;
use crate::probe;

/// The repository of the image, in whatever registry.
const REPOSITORY: &str = "ks-e2e";

/// Every image of the stand-in, and the one that holds all of them.
pub(super) fn programs(behaviour: Behaviour) -> Programs {
    let stub = stub::programs_with(behaviour);
    let all = stub.clone();
    stub.with(REPOSITORY, move |context| run(context, all.clone()))
}

async fn run(mut context: PodContext, stub: Programs) -> ExitCode {
    match context.pod.args.as_slice() {
        [role, kubeconfig] if role == PROBE_ARGUMENT => probe_from(&context, kubeconfig).await,
        [role, image, ..] if role == POD_ARGUMENT => match stub.find(image) {
            Some(program) => {
                context.pod.image = image.clone();
                context.pod.args.drain(..2);
                program(context).await
            }
            None => fail(&context, &format!("no program stands for the image {image}")),
        },
        others => fail(&context, &format!("not an argument of a pod: {others:?}")),
    }
}

/// Tells in its log how far `GET /version` comes from here.
async fn probe_from(context: &PodContext, path: &str) -> ExitCode {
    let kubeconfig = context.files.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let Some(kubeconfig) = kubeconfig else { return fail(context, &format!("no kubeconfig: {path} is not mounted")) };
    let found = probe::probe(context.network.clone(), &context.clock, &kubeconfig).await;
    match serde_json::to_string(&found) {
        Ok(text) => {
            context.log.line(text);
            ExitCode::SUCCESS
        }
        Err(error) => fail(context, &error.to_string()),
    }
}

fn fail(context: &PodContext, why: &str) -> ExitCode {
    context.log.line(why);
    ExitCode::FAILURE
}
