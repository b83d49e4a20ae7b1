//! How many requests a server answers: 16 clients, ConfigMaps of 2 KiB, TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::Failure;

/// Clients at a time, each with a connection of its own.
const CLIENTS: usize = 16;
/// ConfigMaps of the namespace that is listed.
const LISTED: usize = 100;
const LISTED_IN: &str = "/api/v1/namespaces/listed/configmaps";
const WRITTEN_IN: &str = "/api/v1/namespaces/written/configmaps";
const WATCHED: &str = "/api/v1/namespaces/watched/configmaps";

/// The verbs, in the order in which they are measured, with the least factor by which the embedded server is faster.
pub const VERBS: [(&str, f64); 5] = [("create", 3.0), ("get", 5.0), ("list", 5.0), ("update", 3.0), ("watch", 5.0)];

/// A client of `kubeconfig` with connections of its own.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub async fn client(kubeconfig: &str) -> Result<kube::Client, Failure> {
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(Kubeconfig::from_yaml(kubeconfig)?, &options).await?;
    Ok(kube::Client::try_from(config)?)
}

/// A server with clients that put load on it.
pub struct Load {
    clients: Vec<kube::Client>,
    /// Of each round, by verb.
    rates: Vec<Vec<f64>>,
}

impl Load {
    /// Gives the server of `kubeconfig` what is read and written.
    ///
    /// # Errors
    /// When the server refuses something.
    pub async fn prepare(kubeconfig: &str) -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(client(kubeconfig).await?);
        }
        let first = clients.first().ok_or("no clients")?;
        for namespace in ["listed", "written", "watched"] {
            send(first, "POST", "/api/v1/namespaces", Some(&json!({"metadata": {"name": namespace}}))).await?;
        }
        for index in 0..LISTED {
            send(first, "POST", LISTED_IN, Some(&config_map(&format!("m{index}"), 0))).await?;
        }
        Ok(Self { clients, rates: Vec::new() })
    }

    /// Measures a round: each verb for `time`.
    ///
    /// # Errors
    /// When the server refuses a request.
    pub async fn measure(&mut self, time: Duration) -> Result<(), Failure> {
        let round = self.rates.len();
        let mut rates = Vec::new();
        for (verb, _) in VERBS {
            rates.push(match verb {
                "watch" => fan_out(&self.clients, round, time).await?,
                verb => requests(&self.clients, round, verb, time).await?,
            });
        }
        self.rates.push(rates);
        Ok(())
    }

    /// Requests a second (of a watch: events) of the verb at `index`: the median of all rounds.
    pub fn median(&self, index: usize) -> f64 {
        let mut rates: Vec<f64> = self.rates.iter().filter_map(|round| round.get(index).copied()).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }
}

fn config_map(name: &str, turn: usize) -> Value {
    json!({"metadata": {"name": name}, "data": {"turn": turn.to_string(), "text": "x".repeat(2000)}})
}

async fn send(client: &kube::Client, method: &str, path: &str, body: Option<&Value>) -> Result<String, Failure> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    Ok(client.request_text(request.body(body)?).await?)
}

async fn requests(clients: &[kube::Client], round: usize, verb: &'static str, time: Duration) -> Result<f64, Failure> {
    let begin = Instant::now();
    let tasks = clients.iter().cloned().enumerate().map(|(number, client)| {
        tokio::spawn(async move {
            let mut count = 0;
            while begin.elapsed() < time {
                let own = format!("r{round}-c{number}");
                match verb {
                    "create" if count == 0 => send(&client, "POST", WRITTEN_IN, Some(&config_map(&own, 0))).await?,
                    "create" => {
                        let name = format!("{own}-{count}");
                        send(&client, "POST", WRITTEN_IN, Some(&config_map(&name, 0))).await?
                    }
                    "update" => {
                        let path = format!("{WRITTEN_IN}/{own}");
                        send(&client, "PUT", &path, Some(&config_map(&own, count))).await?
                    }
                    "list" => send(&client, "GET", LISTED_IN, None).await?,
                    _ => send(&client, "GET", &format!("{LISTED_IN}/m{}", count % LISTED), None).await?,
                };
                count += 1;
            }
            Ok::<_, Failure>(count)
        })
    });
    let mut all = 0_usize;
    for task in tasks.collect::<Vec<_>>() {
        all += task.await??;
    }
    Ok(rate(all, begin))
}

/// Events that arrive at watchers, one writer writing.
async fn fan_out(clients: &[kube::Client], round: usize, time: Duration) -> Result<f64, Failure> {
    let (writer, name) = (clients.first().ok_or("no clients")?, format!("w{round}"));
    let made = send(writer, "POST", WATCHED, Some(&config_map(&name, 0))).await?;
    let made: Value = serde_json::from_str(&made)?;
    let revision = made.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    let arrived = Arc::new(AtomicUsize::new(0));
    let watches = clients.iter().cloned().map(|client| {
        let (arrived, path) = (Arc::clone(&arrived), format!("{WATCHED}?watch=1&resourceVersion={revision}"));
        tokio::spawn(async move {
            let mut lines = client.request_stream(Request::get(path).body(Vec::new())?).await?.lines();
            while lines.try_next().await?.is_some() {
                arrived.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        })
    });
    let watches: Vec<_> = watches.collect();
    let begin = Instant::now();
    // A task as every other client: what runs beside the runtime is woken by another thread, twice for each request.
    let written = tokio::spawn(rewrite(writer.clone(), name, begin, time)).await??;
    while arrived.load(Ordering::Relaxed) < written * CLIENTS {
        if begin.elapsed() > 5 * time {
            return Err(format!("{} of {} events arrived", arrived.load(Ordering::Relaxed), written * CLIENTS).into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = rate(written * CLIENTS, begin);
    for watch in watches {
        watch.abort();
    }
    Ok(rate)
}

fn rate(count: usize, begin: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / begin.elapsed().as_secs_f64()
}

/// Writes the watched object until `time` has passed since `begin`, and returns how often.
async fn rewrite(writer: kube::Client, name: String, begin: Instant, time: Duration) -> Result<usize, Failure> {
    let mut written = 0;
    while begin.elapsed() < time {
        written += 1;
        send(&writer, "PUT", &format!("{WATCHED}/{name}"), Some(&config_map(&name, written))).await?;
    }
    Ok(written)
}

/// From the answer to a write until a wait for what was written is over.
///
/// # Errors
/// When the server refuses something.
pub async fn waits(kubeconfig: &str, samples: usize) -> Result<Vec<Duration>, Failure> {
    use k8s_openapi::api::core::v1::ConfigMap;

    let client = client(kubeconfig).await?;
    let all: kube::Api<ConfigMap> = kube::Api::namespaced(client.clone(), "default");
    send(&client, "POST", "/api/v1/namespaces/default/configmaps", Some(&config_map("waited", 0))).await?;
    let mut taken = Vec::new();
    for turn in 1..=samples {
        let wanted = turn.to_string();
        let is_there = move |found: Option<&ConfigMap>| {
            found.and_then(|map| map.data.as_ref()?.get("turn")).is_some_and(|turn| *turn == wanted)
        };
        let wait = kube::runtime::wait::await_condition(all.clone(), "waited", is_there);
        let wait = tokio::spawn(async move { wait.await.map(|_| Instant::now()) });
        // The wait watches already when the write comes: its first look is not what is measured.
        tokio::time::sleep(Duration::from_millis(3)).await;
        let path = "/api/v1/namespaces/default/configmaps/waited";
        send(&client, "PUT", path, Some(&config_map("waited", turn))).await?;
        let answered = Instant::now();
        taken.push(wait.await??.saturating_duration_since(answered));
    }
    Ok(taken)
}
