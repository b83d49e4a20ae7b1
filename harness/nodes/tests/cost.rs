//! What nodes and controllers cost: run with `cargo test -p ks-e2e-nodes --test cost -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is a failed test")]

mod support;

use std::time::{Duration, Instant};

use nodes::program::Programs;
use support::{Kind, TestCluster};

const CLUSTERS: u32 = 20;

/// Resident memory of this process, in KiB, and its CPU time so far.
fn used() -> (i64, Duration) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory = line.trim().trim_end_matches(" kB").parse().unwrap();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (memory, Duration::from_millis(ticks * 10))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measures_start_memory_and_idle_cpu() {
    let runtime = tokio::runtime::Handle::current();
    let first = TestCluster::start(Kind::Embedded, Programs::new()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, tasks) = (used(), runtime.metrics().num_alive_tasks());
    let mut clusters = vec![first];
    let mut starts = Vec::new();
    for _ in 0..CLUSTERS {
        let begin = Instant::now();
        clusters.push(TestCluster::start(Kind::Embedded, Programs::new()).await);
        starts.push(begin.elapsed());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = used();
    let tasks = (runtime.metrics().num_alive_tasks() - tasks) / usize::try_from(CLUSTERS).unwrap();
    starts.sort();
    println!("start, median and longest: {:?} {:?}", starts[starts.len() / 2], starts[starts.len() - 1]);
    println!("start, CPU of each: {:?}", after.1.saturating_sub(before.1) / CLUSTERS);
    println!("memory of each: {} KiB; tasks of each: {tasks}", (after.0 - before.0) / i64::from(CLUSTERS));
    let idle = used().1;
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("CPU of each in 20 idle seconds: {:?}", used().1.saturating_sub(idle) / CLUSTERS);
    for cluster in clusters {
        cluster.nodes.stop().await;
    }
}
