//! The budgets, measured side by side in one run: start of two clusters, the default run, memory of a cluster, requests
//! a second, how soon a wait notices, and how soon nothing is left after Ctrl-C.

#[path = "budgets/envtest.rs"]
mod envtest;
#[path = "budgets/figures.rs"]
mod figures;
#[path = "budgets/kind.rs"]
mod kind;
#[path = "budgets/members.rs"]
mod members;
#[path = "budgets/throughput.rs"]
mod throughput;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apiserver::{ApiServer, Options};
use engine::{RunOptions, Session, SessionOptions, Tools, library};
use figures::{cpu, percentile, resident_mib};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use providers::embedded::Embedded;
use providers::envtest::Standalone;
use providers::leases::Lease;
use providers::{ClusterShape, Pair, PairPlan, Provider as _, Restore};
use scenario::model::{Given, GivenCluster, GivenKubesphere, SyncFrequency};
use scenario::plan::plan as cells_of;
use scenario::select::Selection;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    if let Some(code) = engine::serve_hidden() {
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
    // The first call decides for the whole process; there is no other before it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    let (short, on_kind, with_members) = (given("--short"), given("--kind"), given("--members"));
    let runtime = Runtime::new()?;
    if given(DEFAULT_RUN) {
        return runtime.block_on(default_run(short));
    }
    line("figure", "measured", "budget");
    runtime.block_on(async {
        memory(if short { (2, 6) } else { (10, 50) }).await?;
        let pair = start(if short { 10 } else { 50 }, if short { 1 } else { 5 }).await?;
        if on_kind {
            kind_pair(if short { 1 } else { 5 }, pair).await?;
        }
        let load = if short { (1, Duration::from_millis(300)) } else { (5, Duration::from_secs(1)) };
        requests(load, if short { 100 } else { 1000 }, on_kind).await?;
        interrupted(if short { 3 } else { 20 })?;
        if with_members {
            many_members()?;
        }
        Ok::<_, Failure>(())
    })?;
    // In a process of its own, as a run is: what others have left in memory makes everything dearer.
    let mut alone = std::process::Command::new(std::env::current_exe()?);
    let ended = alone.arg(DEFAULT_RUN).args(short.then_some("--short")).status()?;
    if ended.success() { Ok(()) } else { Err(format!("the default run ended with {ended}").into()) }
}

/// Argument of the process that measures the default run alone.
const DEFAULT_RUN: &str = "--default-run";

fn line(figure: &str, measured: &str, budget: &str) {
    println!("{figure:<64} {measured:>12}  {budget}");
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// From nothing to the first authenticated TLS GET answered by both clusters, KubeSphere's CRDs established; the median.
async fn start(samples: usize, envtests: usize) -> Result<Duration, Failure> {
    let directories = (tempfile::tempdir()?, tempfile::tempdir()?);
    let lease = Lease::begin(directories.0.path(), directories.1.path(), "bench")?;
    let release = kubesphere::Release::find("3.3.2")?;
    let mut embedded = Vec::new();
    for _ in 0..samples {
        let begin = Instant::now();
        let pair = Embedded::default().create(&lease, &plan()).await?;
        let member = member(&pair)?;
        tokio::try_join!(engine::establish_crds(&pair.host, release), engine::establish_crds(member, release))?;
        // The harness's own clients have no connections.
        let first_get = async |cluster: &Arc<dyn providers::Cluster>| {
            let client = throughput::client(cluster.admin_kubeconfig()).await?;
            Ok::<_, Failure>(client.apiserver_version().await?)
        };
        tokio::try_join!(first_get(&pair.host), first_get(member))?;
        embedded.push(begin.elapsed());
        pair.destroy().await?;
    }
    lease.end().await?;
    let median = percentile(&mut embedded, 50);
    line("two embedded clusters ready, p50", &ms(median), "<= 100 ms");
    line("two embedded clusters ready, p95", &ms(percentile(&mut embedded, 95)), "<= 200 ms");
    let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") else {
        line("two envtests ready, side by side", "not measured", "KUBEBUILDER_ASSETS is not set");
        return Ok(median);
    };
    let mut real = Vec::new();
    for _ in 0..envtests {
        real.push(envtest::two_ready(assets.as_ref()).await?);
    }
    let real = percentile(&mut real, 50);
    line("two envtests ready, side by side, median", &ms(real), "");
    let ratio = real.as_secs_f64() / median.as_secs_f64();
    line("envtest / embedded", &format!("{ratio:.0} x"), ">= 30 x");
    Ok(median)
}

/// Requests a second of the embedded API server and real ones, in turns, and how long a wait takes to notice a write.
async fn requests((rounds, time): (usize, Duration), samples: usize, on_kind: bool) -> Result<(), Failure> {
    let server = ApiServer::start(Options::default()).await?;
    let kubeconfig = server.admin_kubeconfig(&format!("https://{}", server.address()), "bench")?;
    let mut embedded = throughput::Load::prepare(&kubeconfig).await?;
    let directories = (tempfile::tempdir()?, tempfile::tempdir()?);
    let lease = Lease::begin(directories.0.path(), directories.1.path(), "bench")?;
    let standalone = match Standalone::probe().await {
        Ok(_) => Some(Standalone::start(&lease).await?),
        Err(_) => None,
    };
    let kind = if on_kind { Some(kind::Standing::begin(&plan()).await?) } else { None };
    let others = [
        ("kube-apiserver and etcd", standalone.as_ref().map(Standalone::admin_kubeconfig)),
        ("a kind cluster", kind.as_ref().map(kind::Standing::admin_kubeconfig)),
    ];
    let mut real = Vec::new();
    for (name, kubeconfig) in others {
        if let Some(kubeconfig) = kubeconfig {
            real.push((name, throughput::Load::prepare(kubeconfig).await?));
        }
    }
    for _ in 0..rounds {
        embedded.measure(time).await?;
        for (_, real) in &mut real {
            real.measure(time).await?;
        }
    }
    let mut waits = throughput::waits(&kubeconfig, samples).await?;
    let mut others_waits = Vec::new();
    for (name, kubeconfig) in others {
        if let Some(kubeconfig) = kubeconfig {
            others_waits.push((name, throughput::waits(kubeconfig, samples).await?));
        }
    }
    server.stop().await;
    if let Some(kind) = kind {
        kind.end().await?;
    }
    if let Some(standalone) = standalone {
        standalone.stop().await?;
    }
    lease.end().await?;
    for (index, (verb, least)) in throughput::VERBS.into_iter().enumerate() {
        let own = embedded.median(index);
        let unit = if verb == "watch" { "events" } else { "requests" };
        line(&format!("{verb}: embedded, 16 clients, 2 KiB, median of {rounds}"), &format!("{own:.0}/s"), unit);
        for (name, real) in real.iter().map(|(name, real)| (name, real.median(index))) {
            line(&format!("{verb}: {name}"), &format!("{real:.0}/s"), unit);
            line(&format!("{verb}: embedded / {name}"), &format!("{:.1} x", own / real), &format!(">= {least:.0} x"));
        }
    }
    line("write answered to wait over, p50", &ms(percentile(&mut waits, 50)), "<= 10 ms");
    line("write answered to wait over, p99", &ms(percentile(&mut waits, 99)), "<= 50 ms");
    for (name, waits) in &mut others_waits {
        line(&format!("write answered to wait over, p50: {name}"), &ms(percentile(waits, 50)), "");
        line(&format!("write answered to wait over, p99: {name}"), &ms(percentile(waits, 99)), "");
    }
    Ok(())
}

/// The harness's pair of kind clusters beside two plain ones, and beside an embedded pair.
async fn kind_pair(samples: usize, embedded: Duration) -> Result<(), Failure> {
    let (mut ours, mut plain) = kind::in_turns(samples, &plan()).await?;
    let all = |samples: &[Duration]| samples.iter().map(|one| ms(*one)).collect::<Vec<_>>().join(", ");
    println!("a pair of kind clusters: {}\ntwo plain kind clusters: {}", all(&ours), all(&plain));
    let (ours, plain) = (percentile(&mut ours, 50), percentile(&mut plain, 50));
    line("a pair of kind clusters ready, median", &ms(ours), "");
    line("two plain kind clusters side by side ready, median", &ms(plain), "");
    let ratio = ours.as_secs_f64() / plain.as_secs_f64();
    line("pair / plain", &format!("{ratio:.3}"), "<= 1.05");
    line("kind / embedded", &format!("{:.0} x", ours.as_secs_f64() / embedded.as_secs_f64()), "");
    Ok(())
}

/// How long it takes from Ctrl-C until a pair of clusters with KubeSphere, and the process that holds them, are gone.
fn interrupted(samples: usize) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let mut taken = Vec::new();
    for _ in 0..samples {
        let mut up = Command::new(env!("CARGO_BIN_EXE_ks-e2e"))
            .args(["up", "--provider", "embedded", "-o", "json"])
            .env("XDG_STATE_HOME", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(up.stdout.take().ok_or("no output")?).read_line(&mut said)?;
        let begin = Instant::now();
        kill(Pid::from_raw(i32::try_from(up.id())?), Signal::SIGINT)?;
        up.wait()?;
        taken.push(begin.elapsed());
    }
    line("Ctrl-C until nothing is left, embedded, slowest", &ms(percentile(&mut taken, 100)), "<= 2000 ms");
    Ok(())
}

/// A thousand members of one host, and a hundred for comparison; on one thread, as a cell runs.
fn many_members() -> Result<(), Failure> {
    let imported = |count| {
        let on_it = || Builder::new_current_thread().enable_all().build()?.block_on(members::imported(&plan(), count));
        std::thread::scope(|threads| threads.spawn(on_it).join()).map_err(|_panic| "members: a panic, told above")?
    };
    let few = imported(100)?;
    let many = imported(1000)?;
    line("1,000 members imported and looked at again", &ms(many.wall), "<= 60000 ms");
    line("CPU of a member: 100 in a host", &ms(few.cpu), "");
    line("CPU of a member: 1,000 in a host", &ms(many.cpu), "");
    let ratio = many.cpu.as_secs_f64() / few.cpu.as_secs_f64();
    line("CPU of a member, 1,000 / 100", &format!("{ratio:.2} x"), "<= 1.5 x");
    Ok(())
}

/// What `run` runs when nothing is named, on every release or on the newest: whose CPU it is, and how long it takes.
async fn default_run(short: bool) -> Result<(), Failure> {
    let newest = kubesphere::Release::newest().version.to_owned();
    let releases = library::releases(if short { std::slice::from_ref(&newest) } else { &[] })?;
    let cells = cells_of(&library::suite()?, &releases, &Selection::all());
    let tools = Tools::find().await?;
    let session =
        Session::begin(SessionOptions::new(Arc::new(Embedded::default()), Embedded::default().probe().await?))?;
    let (own, children, begin) = (cpu::own(), cpu::children(), Instant::now());
    let report = session.run(RunOptions::new(cells, tools), Box::new(|_| {}), CancellationToken::new()).await;
    session.end().await?;
    let wall = begin.elapsed();
    let (own, children) = (cpu::own().saturating_sub(own), cpu::children().saturating_sub(children));
    let cores = u32::try_from(std::thread::available_parallelism()?.get())?;
    line(
        "default run: cells / kubectl processes",
        &format!("{} / {}", report.scenarios.len(), report.kubectl.processes),
        "",
    );
    line("default run: own CPU", &ms(own), "");
    line("default run: children's CPU", &ms(children), "");
    line("default run: own / children's CPU", &format!("{:.2}", own.as_secs_f64() / children.as_secs_f64()), "<= 0.5");
    let limit = (own + children).mul_f64(1.25 / f64::from(cores)) + Duration::from_secs(2);
    line("default run: wall", &ms(wall), &format!("<= {} (1.25 x all CPU / {cores} cores + 2 s)", ms(limit)));
    let longest = report.scenarios.iter().map(|cell| cell.duration_ms).max().unwrap_or_default();
    line("default run: longest cell", &format!("{longest} ms"), "<= 3000 ms");
    line("default run: not passed", &report.summary.failed.to_string(), "0");
    Ok(())
}

/// What one more cluster with KubeSphere costs.
async fn memory((few, many): (u32, u32)) -> Result<(), Failure> {
    let directories = (tempfile::tempdir()?, tempfile::tempdir()?);
    let lease = Lease::begin(directories.0.path(), directories.1.path(), "bench")?;
    let given = Given {
        host: GivenCluster {
            kubesphere: GivenKubesphere::Installed,
            cluster_role: "host".to_owned(),
            ..GivenCluster::default()
        },
        member: None,
    };
    let (mut pairs, mut resident_at_few) = (Vec::new(), 0.0);
    for count in 1..=many {
        let plan = PairPlan { member: None, ..plan() };
        let pair = Embedded::default().create(&lease, &plan).await?;
        engine::install(&pair, &given, kubesphere::Release::find("3.3.2")?).await?;
        pairs.push(pair);
        if count == few {
            resident_at_few = resident_mib()?;
        }
    }
    let each = (resident_mib()? - resident_at_few) / f64::from(many - few);
    line(&format!("memory of a cluster with KubeSphere ({few} to {many})"), &format!("{each:.1} MiB"), "<= 15 MiB");
    for pair in pairs {
        pair.destroy().await?;
    }
    lease.end().await?;
    Ok(())
}

fn plan() -> PairPlan {
    let shape = ClusterShape { nodes: 1, sync_frequency: SyncFrequency::Short };
    let behaviour = stub::Behaviour::default();
    PairPlan { host: shape, member: Some(shape), seed: 1, behaviour, restore: Restore::default() }
}

fn member(pair: &Pair) -> Result<&Arc<dyn providers::Cluster>, Failure> {
    pair.member.as_ref().ok_or_else(|| "a pair without a member".into())
}
