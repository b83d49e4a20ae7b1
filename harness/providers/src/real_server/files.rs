//! What etcd and kube-apiserver read, and what their clients need.

use std::io;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use apiserver::pki::{self, Authority};
use scenario::model::On;

use super::Cause;
use crate::simulated::{SERVICE_IP, Seat};

/// Both, once the files are written.
pub(super) struct Files {
    pub(super) authority: Authority,
    pub(super) service_account_key_pem: String,
}

impl Files {
    pub(super) fn write(directory: &Path, on: On, address: Option<IpAddr>) -> Result<Self, Cause> {
        std::fs::create_dir_all(directory)?;
        let now = jiff::Timestamp::now();
        let authority = Authority::generate(now)?;
        let mut names = Seat::from(on).server_names();
        let inside = ["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        names.extend(inside.map(str::to_owned));
        names.push(SERVICE_IP.to_string());
        names.extend(address.map(|address| address.to_string()));
        let (serving, serving_key) = authority.server_pem(&names, now)?;
        let kubelet = authority.client("kube-apiserver-kubelet-client", &["system:masters"], a_year())?;
        let key = rcgen::KeyPair::generate()?;
        for (name, content) in [
            ("ca.crt", authority.certificate_pem()),
            ("apiserver.crt", &serving),
            ("apiserver.key", &serving_key),
            ("kubelet-client.crt", &kubelet.certificate_pem),
            ("kubelet-client.key", &kubelet.key_pem),
            ("sa.key", &key.serialize_pem()),
            // Out of a PKCS #8 file the original reads the private key alone.
            ("sa.pub", &key.public_key_pem()),
        ] {
            write(&directory.join(name), content)?;
        }
        Ok(Self { authority, service_account_key_pem: key.serialize_pem() })
    }

    pub(super) fn admin_kubeconfig(&self, server: &str) -> Result<String, Cause> {
        let admin = self.authority.client("kubernetes-admin", &["system:masters"], a_year())?;
        Ok(pki::kubeconfig(server, "cluster.local", self.authority.certificate_pem(), &admin)?)
    }
}

fn a_year() -> apiserver::Lifetime {
    apiserver::Lifetime::for_duration(Duration::from_hours(365 * 24))
}

/// Keys are among the files.
pub(super) fn write(path: &Path, content: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, content.as_bytes())
}
