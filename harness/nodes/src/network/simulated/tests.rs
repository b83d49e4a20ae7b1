//! The rules of the network, as a dialler sees them.

use std::time::Duration;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::VirtualClock;
use crate::network::NetError;
use crate::network::connector::{DialError, dial};

/// Two clusters: the host has nodes .11 and .12, the member node .21; each has an API server and a pod.
struct TwoClusters {
    world: SimulatedNetwork,
    host: ClusterNetwork,
    member: ClusterNetwork,
    clock: Clock,
    _servers: Vec<tokio::net::TcpListener>,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

async fn two_clusters() -> TwoClusters {
    let time = VirtualClock::new();
    tokio::spawn(time.clone().drive(CancellationToken::new()));
    let clock = Clock::virtual_from(time);
    let world = SimulatedNetwork::new(clock.clone());
    let host = world.cluster(ClusterPlan::new("host", ip("172.16.0.11")));
    let member = world.cluster(ClusterPlan::new("member", ip("172.16.0.21")));
    host.add_node(ip("172.16.0.12"));
    let mut servers = Vec::new();
    for (cluster, at_node) in [(&host, "172.16.0.11:6443"), (&member, "172.16.0.21:6443")] {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = server.local_addr().unwrap();
        world.add_endpoint(at(at_node), socket);
        cluster.add_service_endpoint(at("10.96.0.1:443"), socket);
        servers.push(server);
    }
    world.add_endpoint(at("192.0.2.10:6443"), servers[1].local_addr().unwrap());
    world.add_name("member.example.org", vec![ip("192.0.2.10")]);
    host.add_name("only-on-host", vec![ip("172.16.0.21")]);
    world.blackhole(at("192.0.2.99:6443"));
    for (name, table) in [
        (
            "web",
            ServiceTable {
                cluster_ip: Some(ip("10.96.0.20")),
                ready: vec![ip("10.233.64.9")],
                ports: vec![ServicePort { port: 80, node_port: Some(30880), endpoints: vec![at("10.233.64.9:8080")] }],
            },
        ),
        (
            "empty",
            ServiceTable {
                cluster_ip: Some(ip("10.96.0.21")),
                ready: Vec::new(),
                ports: vec![ServicePort { port: 80, node_port: None, endpoints: Vec::new() }],
            },
        ),
        ("headless", ServiceTable { cluster_ip: None, ready: vec![ip("10.233.64.9")], ports: Vec::new() }),
    ] {
        host.set_service(ServiceKey { namespace: "ns".to_owned(), name: name.to_owned() }, Some(table));
    }
    TwoClusters { world, host, member, clock, _servers: servers }
}

fn word(error: &DialError) -> &'static str {
    match error {
        DialError::Net(NetError::Refused { .. }) => "refused",
        DialError::Net(NetError::NoRoute { .. }) => "no route",
        DialError::Net(NetError::TimedOut { .. }) => "timed out",
        DialError::Net(NetError::NoSuchHost { .. }) => "no such host",
        _ => "other",
    }
}

#[rstest]
#[case::api_server("172.16.0.21", 6443, "connected", "connected")]
#[case::closed_port_of_a_node("172.16.0.21", 6444, "refused", "refused")]
#[case::kubernetes_service("10.96.0.1", 443, "connected", "connected")]
#[case::unknown_address("172.16.0.99", 6443, "no route", "no route")]
#[case::blackhole("192.0.2.99", 6443, "timed out", "timed out")]
#[case::the_pod_itself("127.0.0.1", 6443, "refused", "refused")]
#[case::the_pod_itself_by_name("localhost", 6443, "refused", "refused")]
#[case::public_name("member.example.org", 6443, "connected", "connected")]
#[case::closed_port_of_a_public_name("member.example.org", 443, "refused", "refused")]
#[case::name_of_one_cluster("only-on-host", 6443, "connected", "no such host")]
#[case::unknown_name("member.invalid", 6443, "no such host", "no such host")]
#[case::service_name("web.ns.svc", 80, "connected", "no such host")]
#[case::service_full_name("WEB.ns.svc.cluster.local.", 80, "connected", "no such host")]
#[case::service_address("10.96.0.20", 80, "connected", "no route")]
#[case::other_port_of_a_service("10.96.0.20", 81, "no route", "no route")]
#[case::service_without_endpoints("empty.ns", 80, "refused", "no such host")]
#[case::headless_service("headless.ns.svc", 8080, "connected", "no such host")]
#[case::node_port_from_everywhere("172.16.0.12", 30880, "connected", "connected")]
#[case::pod_address("10.233.64.9", 8080, "connected", "no route")]
#[tokio::test]
async fn dials_as_each_cluster_may(
    #[case] name: &str,
    #[case] port: u16,
    #[case] from_host: &str,
    #[case] from_member: &str,
) {
    let two = two_clusters().await;
    let _progress = two.clock.wants_progress();
    let _web = two.host.for_pod(ip("10.233.64.9")).listen(8080).await.unwrap();
    for (cluster, expected) in [(&two.host, from_host), (&two.member, from_member)] {
        let pod = cluster.for_pod_in(ip("10.233.64.5"), None, "default");
        let outcome = dial(pod.as_ref(), &two.clock, name, port).await;
        assert_eq!(outcome.as_ref().map_or_else(word, |_| "connected"), expected);
    }
}

#[tokio::test]
async fn names_the_name_server_and_dials_ipv6_loopback_first() {
    let two = two_clusters().await;
    let pod = two.host.for_pod(ip("10.233.64.5"));
    let unknown = pod.resolve("member.invalid").await.unwrap_err();
    let server = "169.254.25.10:53".to_owned();
    assert_eq!(unknown, NetError::NoSuchHost { host: "member.invalid".to_owned(), server });
    let refused = dial(pod.as_ref(), &two.clock, "localhost", 6443).await.err().unwrap();
    assert_eq!(refused, DialError::Net(NetError::Refused { to: at("[::1]:6443") }));
}

#[tokio::test]
async fn times_out_after_the_dial_limit_of_virtual_time() {
    let two = two_clusters().await;
    let _progress = two.clock.wants_progress();
    let pod = two.host.for_pod(ip("10.233.64.5"));
    let begin = std::time::Instant::now();
    assert_eq!(
        pod.connect(at("192.0.2.99:6443")).await.err().unwrap(),
        NetError::TimedOut { to: at("192.0.2.99:6443") }
    );
    assert_eq!(two.clock.now(), Duration::from_secs(30));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn shows_a_listener_the_address_of_the_dialler() {
    let two = two_clusters().await;
    let mut kubelet = two.host.for_node(ip("172.16.0.12")).listen(10250).await.unwrap();
    let mut stream = two.host.for_node(ip("172.16.0.11")).connect(at("172.16.0.12:10250")).await.unwrap();
    let (mut accepted, from) = kubelet.accept().await.unwrap();
    assert_eq!(from.ip(), ip("172.16.0.11"));
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    accepted.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn gives_a_port_once_and_again_after_the_listener_is_gone() {
    let two = two_clusters().await;
    let pod = two.host.for_pod(ip("10.233.64.5"));
    let first = pod.listen(80).await.unwrap();
    assert!(matches!(pod.listen(80).await, Err(NetError::InUse { .. })));
    assert!(pod.connect(at("127.0.0.1:80")).await.is_ok());
    drop(first);
    assert!(matches!(pod.connect(at("127.0.0.1:80")).await, Err(NetError::Refused { .. })));
    assert!(pod.listen(80).await.is_ok());
}

#[tokio::test]
async fn keeps_equal_pod_addresses_of_two_clusters_apart() {
    let two = two_clusters().await;
    let (here, there) = (two.host.for_pod(ip("10.233.64.2")), two.member.for_pod(ip("10.233.64.2")));
    let _listener = here.listen(80).await.unwrap();
    assert!(here.connect(at("10.233.64.2:80")).await.is_ok());
    assert!(matches!(there.connect(at("10.233.64.2:80")).await, Err(NetError::Refused { .. })));
}

#[tokio::test]
async fn hits_one_node_and_its_pods_with_a_fault() {
    let two = two_clusters().await;
    let to = at("172.16.0.21:6443");
    let on_node = two.host.for_pod_in(ip("10.233.64.5"), Some(ip("172.16.0.12")), "default");
    let elsewhere = two.host.for_pod_in(ip("10.233.64.6"), Some(ip("172.16.0.11")), "default");
    let mut open = on_node.connect(to).await.unwrap();
    let how = Unreachable::NoRoute;
    let fault = Fault::Unreachable { from: Some(ip("172.16.0.12")), to: to.ip(), port: Some(6443), how };
    let fault = two.world.set_fault(fault);
    assert_eq!(open.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(matches!(on_node.connect(to).await, Err(NetError::NoRoute { .. })));
    assert!(matches!(two.host.for_node(ip("172.16.0.12")).connect(to).await, Err(NetError::NoRoute { .. })));
    assert!(elsewhere.connect(to).await.is_ok());
    two.world.clear_fault(fault);
    assert!(on_node.connect(to).await.is_ok());
}

#[tokio::test]
async fn hides_a_name_by_a_fault() {
    let two = two_clusters().await;
    let pod = two.host.for_pod(ip("10.233.64.5"));
    let fault = two.world.set_fault(Fault::NoSuchName { from: None, name: "Member.example.org".to_owned() });
    assert!(pod.resolve("member.example.org").await.is_err());
    two.world.clear_fault(fault);
    assert!(pod.resolve("member.example.org").await.is_ok());
}

#[tokio::test]
async fn reaches_an_api_server_by_its_own_nodes_loopback() {
    let two = two_clusters().await;
    assert!(two.host.for_control_plane().connect(at("127.0.0.1:6443")).await.is_ok());
    assert!(two.host.for_node(ip("172.16.0.12")).connect(at("127.0.0.1:6443")).await.is_err());
}

#[tokio::test]
async fn does_not_jump_while_bytes_are_unread() {
    let two = two_clusters().await;
    let _progress = two.clock.wants_progress();
    let pod = two.host.for_pod(ip("10.233.64.5"));
    let mut listener = pod.listen(80).await.unwrap();
    let mut near = pod.connect(at("127.0.0.1:80")).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    near.write_all(b"x").await.unwrap();
    let begin = std::time::Instant::now();
    two.clock.sleep(crate::clock::Delay::new("test", Duration::from_secs(1))).await;
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(far.read_u8().await.unwrap(), b'x');
}
