//! Looks up names at a name server of our own.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstest::rstest;
use tokio::net::UdpSocket;

use super::*;

/// What the server knows: `a.search.test`, and that it fails for names that begin with `broken`.
const KNOWN: &str = "a.search.test";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// A name server on loopback and the names it was asked for.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        tokio::spawn(async move {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                let (name, question) = question(&packet[12..length]);
                let of_addresses = question[question.len() - 3] == 1;
                if of_addresses {
                    notes.lock().unwrap().push(name.clone());
                }
                if !name.starts_with("silent") {
                    socket.send_to(&answer(&packet[..2], &name, question, of_addresses), from).await.unwrap();
                }
            }
        });
        Self { address, asked }
    }

    fn resolver(&self, hosts: &str) -> Resolver {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.keep().join("hosts");
        std::fs::write(&file, hosts).unwrap();
        Resolver::new(ResolverSettings {
            servers: vec![self.address],
            search: vec!["search.test".to_owned(), "other.test".to_owned()],
            ndots: 2,
            timeout: Duration::from_millis(300),
            attempts: 1,
            hosts: file,
        })
        .unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The name and the bytes of the question that `rest` of a packet begins with (RFC 1035, 4.1.2).
fn question(rest: &[u8]) -> (String, &[u8]) {
    let (mut labels, mut at) = (Vec::new(), 0);
    while rest[at] != 0 {
        let length = usize::from(rest[at]);
        labels.push(String::from_utf8_lossy(&rest[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    (labels.join("."), &rest[..at + 5])
}

fn answer(id: &[u8], name: &str, question: &[u8], of_addresses: bool) -> Vec<u8> {
    let known = name == KNOWN || name == "present.test";
    let found = known && of_addresses;
    let code = match name {
        name if name.starts_with("broken") => 2,
        _ if known => 0,
        _ => 3,
    };
    let mut packet = id.to_vec();
    packet.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    packet.extend(question);
    if found {
        packet.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        packet.extend(ADDRESS.octets());
    }
    packet
}

#[rstest]
#[case("a", &["a.search.test"])]
#[case("a.search.test", &["a.search.test"])]
#[case("present.test.", &["present.test"])]
#[case("present.test", &["present.test.search.test", "present.test.other.test", "present.test"])]
#[tokio::test]
async fn asks_for_the_names_that_a_name_may_mean(#[case] host: &str, #[case] asked: &[&str]) {
    let server = Server::start().await;
    assert_eq!(server.resolver("").resolve(host).await, Ok(vec![IpAddr::from(ADDRESS)]));
    assert_eq!(server.asked(), asked);
}

#[rstest]
#[case("192.0.2.9", "192.0.2.9")]
#[case("2001:db8::1", "2001:db8::1")]
#[case("member.example", "192.0.2.8")]
#[case("MEMBER.example.", "192.0.2.8")]
#[tokio::test]
async fn asks_nobody_for_addresses_and_known_hosts(#[case] host: &str, #[case] address: IpAddr) {
    let server = Server::start().await;
    let resolver = server.resolver("192.0.2.8 member.example\n");
    assert_eq!(resolver.resolve(host).await, Ok(vec![address]));
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[rstest]
#[case("absent")]
#[case("absent.")]
#[case("")]
#[case("two..dots")]
#[tokio::test]
async fn says_that_a_name_is_unknown(#[case] host: &str) {
    let server = Server::start().await;
    let unknown = NetError::NoSuchHost { host: host.to_owned(), server: server.address.to_string() };
    assert_eq!(server.resolver("").resolve(host).await, Err(unknown));
}

#[rstest]
#[case("broken", NameServerFailure::Misbehaving)]
#[case("broken.", NameServerFailure::Misbehaving)]
#[case("silent.", NameServerFailure::TimedOut)]
#[tokio::test]
async fn says_that_the_name_server_fails(#[case] host: &str, #[case] failure: NameServerFailure) {
    let server = Server::start().await;
    let failed = NetError::NameServer { host: host.to_owned(), server: server.address.to_string(), failure };
    assert_eq!(server.resolver("").resolve(host).await, Err(failed));
}

#[tokio::test]
async fn remembers_nothing() {
    let server = Server::start().await;
    let resolver = server.resolver("");
    for _ in 0..2 {
        assert!(resolver.resolve("a").await.is_ok());
        assert!(resolver.resolve("absent.").await.is_err());
    }
    assert_eq!(server.asked(), ["a.search.test", "absent", "a.search.test", "absent"]);
}
