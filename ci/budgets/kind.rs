//! The pair that the harness makes beside two clusters that kind alone makes, in turns in one run.

use std::time::{Duration, Instant};

use providers::kind::{Kind, KindOptions};
use providers::leases::Lease;
use providers::{Pair, PairPlan, Provider as _};
use tokio::process::Command;

use crate::Failure;

/// Samples of both, each from nothing to Ready: the harness's pair, and two `kind create cluster --wait` side by side.
pub async fn in_turns(samples: usize, plan: &PairPlan) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let image = node_image()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for sample in 0..samples {
        // Neither always comes first.
        if sample % 2 == 0 {
            ours.push(pair(plan).await?);
            theirs.push(two_plain(&image).await?);
        } else {
            theirs.push(two_plain(&image).await?);
            ours.push(pair(plan).await?);
        }
    }
    Ok((ours, theirs))
}

/// A pair of kind clusters, until it is ended.
pub struct Standing {
    pair: Pair,
    lease: Lease,
    _directories: [tempfile::TempDir; 2],
}

impl Standing {
    /// Makes them, of the node image that `KS_E2E_NODE_IMAGE` names.
    pub async fn begin(plan: &PairPlan) -> Result<Self, Failure> {
        let directories = [tempfile::tempdir()?, tempfile::tempdir()?];
        let run_id = format!("{:08x}", std::process::id());
        let lease = Lease::begin(directories[0].path(), directories[1].path(), &run_id)?;
        let provider = Kind::new(KindOptions { node_image: Some(node_image()?), ..KindOptions::default() });
        provider.probe().await?;
        let pair = provider.create(&lease, plan).await?;
        Ok(Self { pair, lease, _directories: directories })
    }

    /// An administrator's kubeconfig of the host.
    pub fn admin_kubeconfig(&self) -> &str {
        self.pair.host.admin_kubeconfig()
    }

    /// Removes them.
    pub async fn end(self) -> Result<(), Failure> {
        self.pair.destroy().await?;
        Ok(self.lease.end().await?)
    }
}

fn node_image() -> Result<String, Failure> {
    Ok(std::env::var("KS_E2E_NODE_IMAGE").map_err(|_| "KS_E2E_NODE_IMAGE names no node image")?)
}

async fn pair(plan: &PairPlan) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let standing = Standing::begin(plan).await?;
    let taken = begin.elapsed();
    standing.end().await?;
    Ok(taken)
}

async fn two_plain(image: &str) -> Result<Duration, Failure> {
    let directory = tempfile::tempdir()?;
    let kind = |verb: &str, name: &str, more: &[&str]| {
        let mut command = Command::new("kind");
        command.args([verb, "cluster", "--name", name, "--kubeconfig"]).arg(directory.path().join(name));
        command.args(more).env_remove("KUBECONFIG");
        async move {
            let output = command.output().await?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(Failure::from(said)) }
        }
    };
    let more = ["--image", image, "--wait", "180s"];
    let begin = Instant::now();
    let made = tokio::try_join!(kind("create", "plain-host", &more), kind("create", "plain-member", &more));
    let taken = begin.elapsed();
    tokio::try_join!(kind("delete", "plain-host", &[]), kind("delete", "plain-member", &[]))?;
    made.map(|_| taken)
}
