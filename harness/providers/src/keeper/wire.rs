//! What borrower and keeper say to each other, a line of JSON each.
//!
//! The keeper greets; the borrower says its plan; the keeper answers with the loan once it has a pair. From then on the
//! borrower asks and the keeper answers, in whatever order answers are ready. Kubeconfigs travel, so nothing of this is
//! printable.

use std::io;
use std::path::PathBuf;

use scenario::model::On;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::cluster::Cluster;
use crate::pair::Pair;
use crate::provider::{Capabilities, ProviderError};

/// The keeper's first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Greeting {
    /// What the kept provider's probe said.
    pub(super) capabilities: Capabilities,
}

/// A pair as its borrower gets it.
#[derive(Serialize, Deserialize)]
pub(super) struct Loan {
    pub(super) host: Lent,
    pub(super) member: Option<Lent>,
}

/// A cluster as its borrower gets it.
#[derive(Serialize, Deserialize)]
pub(super) struct Lent {
    pub(super) admin_kubeconfig: String,
    pub(super) pasteable_kubeconfig: String,
    pub(super) server_name: String,
    pub(super) nodes: Vec<String>,
}

/// What only the keeper can do for a borrower.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Request {
    /// Answered with a [`checks::view::Probe`].
    Probe { on: On, node: String, kubeconfig: String },
    /// Answered with `Result<(), Failure>`.
    ImagesAreOurs { on: On },
    /// Answered with `Result<(), Failure>`.
    Export { directory: PathBuf },
}

/// A request or its answer, with the number that joins them.
#[derive(Serialize, Deserialize)]
pub(super) struct Numbered<T> {
    pub(super) number: u64,
    pub(super) message: T,
}

/// A [`ProviderError`] in words.
#[derive(Serialize, Deserialize)]
pub(super) struct Failure {
    operation: String,
    reason: String,
}

impl Loan {
    pub(super) fn of(pair: &Pair) -> Self {
        Self { host: Lent::of(pair.host.as_ref()), member: pair.member.as_deref().map(Lent::of) }
    }
}

impl Lent {
    fn of(cluster: &dyn Cluster) -> Self {
        Self {
            admin_kubeconfig: cluster.admin_kubeconfig().to_owned(),
            pasteable_kubeconfig: cluster.pasteable_kubeconfig().to_owned(),
            server_name: cluster.server_name().to_owned(),
            nodes: cluster.nodes(),
        }
    }
}

impl Failure {
    pub(super) fn of(error: &ProviderError) -> Self {
        Self { operation: error.operation.clone(), reason: error.reason() }
    }

    /// The same error of `provider` on the borrower's side.
    pub(super) fn into_error(self, provider: &'static str) -> ProviderError {
        ProviderError::new(provider, self.operation, self.reason)
    }
}

/// The lines that come in.
pub(super) struct Incoming(Lines<BufReader<OwnedReadHalf>>);

/// The lines that go out. To drop it closes the connection.
pub(super) struct Outgoing(OwnedWriteHalf);

/// Both ends of a conversation over `stream`.
pub(super) fn over(stream: UnixStream) -> (Incoming, Outgoing) {
    let (reader, writer) = stream.into_split();
    (Incoming(BufReader::new(reader).lines()), Outgoing(writer))
}

impl Incoming {
    /// The next message; none when the other side has closed. A caller that stops polling loses nothing.
    ///
    /// # Errors
    /// When the connection fails or the line is no such message.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let line = self.0.next_line().await?;
        // A message in words would show what it holds.
        let unreadable = |_| io::Error::new(io::ErrorKind::InvalidData, "a message that this side does not know");
        line.map(|line| serde_json::from_str(&line).map_err(unreadable)).transpose()
    }
}

impl Outgoing {
    /// Says `message`.
    ///
    /// # Errors
    /// When the connection fails.
    pub(super) async fn say<T: Serialize>(&mut self, message: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.write_all(&line).await
    }
}
