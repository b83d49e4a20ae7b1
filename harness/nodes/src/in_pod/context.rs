//! A program's context, put together of its container's surroundings.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{InPodError, Surroundings, watch};
use crate::clock::Clock;
use crate::logs::LogWriter;
use crate::memory::Memory;
use crate::names::fnv32a;
use crate::network::Network;
use crate::network::client::{Endpoint, client};
use crate::network::resolver::Resolver;
use crate::network::sockets::Sockets;
use crate::network::tls::TlsSettings;
use crate::program::{PodContext, Random};

impl Surroundings {
    /// The context of a program that writes to standard output and stops when `stop` is cancelled. Needs the runtime.
    ///
    /// # Errors
    /// [`InPodError`] when the ServiceAccount makes no client, names cannot be looked up or a volume cannot be watched.
    pub fn context(self, stop: CancellationToken) -> Result<PodContext, InPodError> {
        // First of all, so that no update is lost that comes while the rest is made.
        let files = watch::files(&self.root, &self.volumes)?;
        let clock = Clock::real().with_delays(self.delays);
        let sockets = Sockets::new(Resolver::new(self.resolver)?).reached_at(self.pod.ip);
        let network: Arc<dyn Network> = Arc::new(sockets);
        let account = self.service_account;
        let endpoint = Endpoint {
            server: self.server,
            tls: TlsSettings { authorities_pem: account.ca_pem.to_vec(), ..TlsSettings::default() },
            authorization: Some(format!("Bearer {}", account.token)),
            agent: Some(self.pod.agent()),
        };
        let failed = |source| InPodError::Client { server: account.server.clone(), source };
        let client = client(network.clone(), &clock, &endpoint).map_err(failed)?;
        // Pods of one run differ; whether a name has a made-up ending, a pod cannot know.
        let seed = self.seed.map_or_else(rand::random, |seed| seed ^ u64::from(fnv32a(self.pod.name.as_bytes())));
        Ok(PodContext {
            pod: self.pod,
            client,
            service_account: account,
            files,
            network,
            log: LogWriter::to(std::io::stdout(), clock.clone()),
            clock,
            stop,
            random: Random::from_seed(seed),
            memory: Memory::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Delay;
    use crate::testing::{CONFIG, Container};

    fn context(container: &Container, seed: &str) -> PodContext {
        let mut env = Container::env();
        env.insert("KS_E2E_SEED".to_owned(), seed.to_owned());
        env.insert("KS_E2E_DELAYS".to_owned(), "config-reload=1ms".to_owned());
        let surroundings = Surroundings::read(container.root(), "kubesphere/x:v1", Vec::new(), env).unwrap();
        surroundings.context(CancellationToken::new()).unwrap()
    }

    #[tokio::test]
    async fn makes_the_world_of_a_program() {
        let container = Container::new();
        let mut context = context(&container, "7");
        context.clock.sleep(Delay::new("config-reload", Duration::from_hours(1))).await;
        let listener = context.network.listen(0).await.unwrap();
        assert_eq!(listener.address().ip(), context.pod.ip);
        assert_eq!(context.network.resolve("x-0").await, Ok(vec![context.pod.ip]));
        assert_eq!(context.files.read(CONFIG).unwrap(), "first");
        container.update("second");
        assert!(context.files.changed().await);
    }

    #[tokio::test]
    async fn repeats_its_randomness_by_the_seed() {
        let container = Container::new();
        let number = |seed| context(&container, seed).random.with(rand::RngExt::random::<u64>);
        assert_eq!(number("7"), number("7"));
        assert_ne!(number("7"), number("8"));
        assert_ne!(number(""), number(""));
    }
}
