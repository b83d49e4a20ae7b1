//! What is played by whom, and the playing of it on both servers at once.

use std::path::PathBuf;

use futures::StreamExt as _;
use tokio::sync::RwLock;

use crate::Cause;
use crate::churn::Witness;
use crate::clients::{Client, Tool};
use crate::home;
use crate::normalise::Normaliser;
use crate::play::{Player, Script, Stage, scripts};
use crate::report::Outcome;
use crate::servers::Server;
use crate::session::{Session, load};
use crate::transcript::{Entry, Judged, compare};

/// Longest name of a namespace's part that comes from its session.
const SLUG: usize = 24;

/// What a client does.
pub enum Piece {
    /// A session of commands.
    Session(Box<Session>),
    /// A script.
    Script(Script),
    /// What kube-rs sees.
    Churn(Witness),
}

impl Piece {
    fn name(&self) -> &str {
        match self {
            Self::Session(session) => &session.name,
            Self::Script(script) => &script.name,
            Self::Churn(witness) => witness.name(),
        }
    }

    fn alone(&self) -> bool {
        matches!(self, Self::Session(session) if session.alone)
    }
}

/// A piece at one client.
pub struct Play {
    /// The client.
    pub client: Client,
    piece: Piece,
}

/// Everything that `clients` can do, as far as it has all texts of `filters`.
///
/// # Errors
/// When sessions or scripts cannot be read.
pub fn plan(clients: &[Client], filters: &[String]) -> Result<Vec<Play>, Cause> {
    let sessions = load(&home().join("sessions"))?;
    let mut plays = Vec::new();
    for client in clients {
        let pieces: Vec<Piece> = match client.tool {
            Tool::Kubectl(_) => sessions.iter().cloned().map(Box::new).map(Piece::Session).collect(),
            Tool::Python(_) => scripts(&home().join("clients/python"), "py")?.into_iter().map(Piece::Script).collect(),
            Tool::Node(_) => scripts(&home().join("clients/node"), "mjs")?.into_iter().map(Piece::Script).collect(),
            Tool::Kube => Witness::ALL.into_iter().map(Piece::Churn).collect(),
        };
        plays.extend(pieces.into_iter().map(|piece| Play { client: client.clone(), piece }));
    }
    plays.retain(|play| {
        let name = format!("{} {}", play.piece.name(), play.client.name);
        filters.iter().all(|filter| name.contains(filter))
    });
    Ok(plays)
}

/// The two servers, and what playing on them needs.
pub struct Theatre<'a> {
    embedded: &'a Server,
    real: &'a Server,
    normaliser: Normaliser,
    transcripts: Option<PathBuf>,
    /// Read by sessions that may go on beside others, written by those that may not.
    turn: RwLock<()>,
}

impl<'a> Theatre<'a> {
    /// Both servers, ready.
    ///
    /// # Errors
    /// When the directory of transcripts cannot be made.
    pub fn new(embedded: &'a Server, real: &'a Server, transcripts: Option<PathBuf>) -> Result<Self, Cause> {
        if let Some(directory) = &transcripts {
            std::fs::create_dir_all(directory)?;
        }
        Ok(Self { embedded, real, normaliser: Normaliser::new()?, transcripts, turn: RwLock::new(()) })
    }

    /// Plays all of `plays`, `jobs` at once; the outcomes are in their order.
    pub async fn play(&self, plays: &[Play], jobs: usize) -> Vec<Outcome> {
        let outcomes = futures::stream::iter(plays.iter().enumerate().map(|(at, play)| self.outcome(at, play)));
        outcomes.buffered(jobs).collect().await
    }

    async fn outcome(&self, at: usize, play: &Play) -> Outcome {
        let alone = play.piece.alone();
        let _one_of_many = if alone { None } else { Some(self.turn.read().await) };
        let _only_one = if alone { Some(self.turn.write().await) } else { None };
        let namespace = namespace(at, play.piece.name());
        let judged = self.judged(play, &namespace).await.map_err(|error| error.to_string());
        let outcome = Outcome { session: play.piece.name().to_owned(), client: play.client.name.clone(), judged };
        eprintln!("{} {} ({})", if outcome.fails() { "DIFFERS" } else { "ok     " }, outcome.session, outcome.client);
        outcome
    }

    async fn judged(&self, play: &Play, namespace: &str) -> Result<Vec<Judged>, Cause> {
        let (embedded, real) =
            tokio::join!(self.entries(self.embedded, play, namespace), self.entries(self.real, play, namespace));
        let (embedded, real) = (embedded?, real?);
        self.keep(play, namespace, [(self.embedded, &embedded), (self.real, &real)])?;
        Ok(compare(&embedded, &real))
    }

    async fn entries(&self, server: &Server, play: &Play, namespace: &str) -> Result<Vec<Entry>, Cause> {
        let stage = Stage::open(server, namespace).await?;
        let played = self.perform(play, &stage).await;
        let last = stage.close().await;
        let mut entries = played?;
        entries.push(last);
        Ok(entries)
    }

    async fn perform(&self, play: &Play, stage: &Stage<'_>) -> Result<Vec<Entry>, Cause> {
        let Play { client, piece } = play;
        Ok(match (piece, &client.tool) {
            (Piece::Session(session), Tool::Kubectl(kubectl)) => {
                let (version, normaliser) = (client.version, &self.normaliser);
                Player { session, kubectl, version, stage, normaliser }.play().await?
            }
            (Piece::Script(script), tool) => script.play(tool, stage, &self.normaliser).await?,
            (Piece::Churn(witness), _) => witness.play(stage).await?,
            (Piece::Session(_), _) => Vec::new(),
        })
    }

    fn keep(&self, play: &Play, namespace: &str, seen: [(&Server, &Vec<Entry>); 2]) -> Result<(), Cause> {
        let Some(directory) = &self.transcripts else { return Ok(()) };
        for (server, entries) in seen {
            let name = format!("{} ({}).{}", play.piece.name(), play.client.name, server.side);
            let text = entries.iter().map(|entry| format!("$ {}\n{}\n", entry.title, entry.shown.trim_end()));
            std::fs::write(directory.join(name.replace('/', "-")), text.collect::<String>().replace(namespace, "NS"))?;
        }
        Ok(())
    }
}

/// A namespace that no other play and no other run has, the same on both servers.
fn namespace(at: usize, session: &str) -> String {
    let words = session.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '-' });
    let slug: String = words.take(SLUG).collect::<String>().to_ascii_lowercase();
    format!("{}-{at}-{:x}", slug.trim_matches('-'), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_names_of_namespaces() {
        let name = namespace(7, "Scales a deployment's pods, then waits");
        assert!(name.starts_with("scales-a-deployment-s-po-7-"), "{name}");
    }

    #[test]
    fn plans_what_filters_leave() {
        let kube = Client {
            name: "kube-rs".to_owned(),
            version: crate::clients::Version { major: 5, minor: 0 },
            tool: Tool::Kube,
        };
        let plays = plan(&[kube], &["conflicts".to_owned(), "kube-rs".to_owned()]).unwrap();
        assert_eq!(plays.len(), 1);
    }
}
