//! The embedded server, set up as the real one is.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use apiserver::{ApiServer, Lifetime, Options};

use super::{Access, Bare, SERVICE_CIDR_PREFIX, ServerError, Side, failed};

/// Longer than any run.
const LIFETIME: Duration = Duration::from_hours(24);

pub(super) async fn start() -> Result<Bare, ServerError> {
    let side = Side::Embedded;
    let key = rcgen::KeyPair::generate().map_err(failed(side, "make the ServiceAccount key"))?;
    let options = Options {
        service_account_public_keys_pem: vec![key.public_key_pem()],
        service_cidr_prefix: SERVICE_CIDR_PREFIX,
        // The real one advertises loopback, too.
        advertise: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ..Options::default()
    };
    let server = ApiServer::start(options).await.map_err(failed(side, "start"))?;
    let admin = server.issue_client_certificate("admin", &["system:masters"], Lifetime::for_duration(LIFETIME));
    let admin = admin.map_err(failed(side, "issue the administrator's certificate"))?;
    Ok(Bare {
        side,
        access: Access {
            address: server.address(),
            ca_pem: server.ca_pem().to_owned(),
            certificate_pem: admin.certificate_pem,
            key_pem: admin.key_pem,
        },
        service_account_key_pem: key.serialize_pem(),
        embedded: Some(server),
    })
}
