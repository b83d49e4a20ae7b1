//! Failures in the words of Go's `net`, `crypto/x509` and client-go, which KubeSphere passes on to its users.

use std::net::SocketAddr;

use http::Method;
use nodes::network::connector::DialError;
use nodes::network::tls::TlsFault;
use nodes::network::{NameServerFailure, NetError};

use super::api_client::Target;

/// `error` as Go prints it inside a `url.Error`.
#[must_use]
pub fn dial(error: &DialError) -> String {
    match error {
        DialError::Net(error) => net(error),
        DialError::Tls(fault) => format!("x509: {}", tls(fault)),
        DialError::Handshake(reason) if speaks_plain_http(reason) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        DialError::Handshake(reason) if reason.contains("eof") => "EOF".to_owned(),
        DialError::Handshake(reason) => format!("remote error: tls: {reason}"),
        DialError::Address(reason) => reason.clone(),
    }
}

/// rustls names the record type that a plain HTTP answer cannot be.
fn speaks_plain_http(reason: &str) -> bool {
    reason.contains("InvalidContentType") || reason.contains("corrupt message")
}

fn net(error: &NetError) -> String {
    match error {
        NetError::Refused { to } => format!("dial tcp {to}: connect: connection refused"),
        NetError::NoRoute { to } => format!("dial tcp {to}: connect: no route to host"),
        NetError::TimedOut { to } => timed_out(*to),
        NetError::NoSuchHost { host, server } => format!("dial tcp: lookup {host} on {server}: no such host"),
        NetError::NameServer { host, server, failure: NameServerFailure::Misbehaving } => {
            format!("dial tcp: lookup {host} on {server}: server misbehaving")
        }
        // Go names its own end of the question as well, whose port differs each time.
        NetError::NameServer { host, server, failure: NameServerFailure::TimedOut } => {
            format!("dial tcp: lookup {host} on {server}: read udp {server}: i/o timeout")
        }
        NetError::InUse { at } => format!("listen tcp {at}: bind: address already in use"),
        NetError::Closed => "EOF".to_owned(),
    }
}

/// A dial whose packets were dropped.
#[must_use]
pub fn timed_out(to: SocketAddr) -> String {
    format!("dial tcp {to}: i/o timeout")
}

fn tls(fault: &TlsFault) -> String {
    match fault {
        TlsFault::UnknownAuthority => "certificate signed by unknown authority".to_owned(),
        TlsFault::OutsideValidity => "certificate has expired or is not yet valid".to_owned(),
        TlsFault::NameMismatch { wanted, dns_names, addresses } => {
            let by_address = wanted.parse::<std::net::IpAddr>().is_ok();
            let names = if by_address { addresses } else { dns_names };
            match (names.is_empty(), by_address) {
                (true, true) => {
                    format!("cannot validate certificate for {wanted} because it doesn't contain any IP SANs")
                }
                (true, false) => format!("certificate is not valid for any names, but wanted to match {wanted}"),
                (false, _) => format!("certificate is valid for {}, not {wanted}", names.join(", ")),
            }
        }
    }
}

/// A plugin that is not installed (client-go, `plugin/pkg/client/auth/exec`).
#[must_use]
pub fn exec_not_found(command: &str, install_hint: &str) -> String {
    let mut words = format!(
        "getting credentials: exec: executable {command} not found\n\n\
         It looks like you are trying to use a client-go credential plugin that is not installed.\n\n\
         To learn more about this feature, consult the documentation available at:\n      \
         https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins"
    );
    if !install_hint.is_empty() {
        words.push_str("\n\n");
        words.push_str(install_hint);
    }
    words
}

/// A `url.Error`: `Get "https://…": cause`.
#[must_use]
pub fn url_error(method: &Method, url: &str, cause: &str) -> String {
    let method = method.as_str();
    let lower = method.get(1..).unwrap_or_default().to_ascii_lowercase();
    format!("{}{lower} {url:?}: {cause}", method.get(..1).unwrap_or_default())
}

/// An answer that is no Status (apimachinery, `NewGenericServerResponse`).
#[must_use]
pub fn generic_answer(code: u16, method: &Method, target: &Target, body: &[u8]) -> String {
    let message = match code {
        400 => "the server rejected our request for an unknown reason".to_owned(),
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 => String::from_utf8_lossy(body).trim_end().to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        405 => "the server does not allow this method on the requested resource".to_owned(),
        409 => "the server reported a conflict".to_owned(),
        415 => "the body of the request was in an unknown format - accepted media types include:".to_owned(),
        422 => "the server rejected our request due to an error in our request".to_owned(),
        429 => "the server has received too many requests and has asked us to try again later".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        504 => {
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .to_owned()
        }
        500.. => format!(
            "an error on the server ({:?}) has prevented the request from succeeding",
            match String::from_utf8_lossy(body).trim() {
                "" => "unknown",
                text => text,
            }
        ),
        _ => format!("the server responded with the status code {code} but did not return more information"),
    };
    match target.description() {
        Some(what) => format!("{message} ({} {what})", method.as_str().to_ascii_lowercase()),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 6443))
    }

    fn at_name_server(failure: NameServerFailure) -> NetError {
        NetError::NameServer { host: "member.example".to_owned(), server: "10.96.0.10:53".to_owned(), failure }
    }

    #[rstest]
    #[case(NetError::Refused { to: address() }, "dial tcp 192.0.2.1:6443: connect: connection refused")]
    #[case(NetError::Refused { to: SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 6443)) },
        "dial tcp [::1]:6443: connect: connection refused")]
    #[case(NetError::NoRoute { to: address() }, "dial tcp 192.0.2.1:6443: connect: no route to host")]
    #[case(NetError::TimedOut { to: address() }, "dial tcp 192.0.2.1:6443: i/o timeout")]
    #[case(NetError::NoSuchHost { host: "member.invalid".to_owned(), server: "127.0.0.1:53".to_owned() },
        "dial tcp: lookup member.invalid on 127.0.0.1:53: no such host")]
    #[case(
        at_name_server(NameServerFailure::Misbehaving),
        "dial tcp: lookup member.example on 10.96.0.10:53: server misbehaving"
    )]
    #[case(
        at_name_server(NameServerFailure::TimedOut),
        "dial tcp: lookup member.example on 10.96.0.10:53: read udp 10.96.0.10:53: i/o timeout"
    )]
    fn words_a_failed_dial(#[case] error: NetError, #[case] words: &str) {
        assert_eq!(dial(&DialError::Net(error)), words);
    }

    #[rstest]
    #[case("member-alias", "x509: certificate is valid for kubernetes, localhost, not member-alias")]
    #[case("192.0.2.9", "x509: certificate is valid for 10.96.0.1, 192.0.2.1, not 192.0.2.9")]
    fn words_a_certificate_for_other_names(#[case] wanted: &str, #[case] words: &str) {
        let fault = TlsFault::NameMismatch {
            wanted: wanted.to_owned(),
            dns_names: vec!["kubernetes".to_owned(), "localhost".to_owned()],
            addresses: vec!["10.96.0.1".to_owned(), "192.0.2.1".to_owned()],
        };
        assert_eq!(dial(&DialError::Tls(fault)), words);
    }

    #[test]
    fn words_an_unknown_authority() {
        assert_eq!(dial(&DialError::Tls(TlsFault::UnknownAuthority)), "x509: certificate signed by unknown authority");
    }

    #[test]
    fn names_the_url_as_go_does() {
        assert_eq!(url_error(&Method::GET, "https://a/b?timeout=10s", "EOF"), "Get \"https://a/b?timeout=10s\": EOF");
    }

    #[rstest]
    #[case(400, Target::core("namespaces").named("kube-system"),
        "the server rejected our request for an unknown reason (get namespaces kube-system)")]
    #[case(
        404,
        Target::group("tenant.kubesphere.io", "v1alpha1", "workspaces"),
        "the server could not find the requested resource (get workspaces.tenant.kubesphere.io)"
    )]
    #[case(
        502,
        Target::path("/version"),
        "an error on the server (\"unknown\") has prevented the request from succeeding"
    )]
    fn words_an_answer_without_status(#[case] code: u16, #[case] target: Target, #[case] words: &str) {
        assert_eq!(generic_answer(code, &Method::GET, &target, b""), words);
    }
}
