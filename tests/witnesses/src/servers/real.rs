//! The real server, by the files in its directory.

use std::path::Path;

use super::{Access, Bare, NODE, ServerError, Side, failed, key};

/// What kube-apiserver needs beyond envtest's flags to read logs from kubelets: an identity to show them, and their
/// addresses in place of their names, which nobody resolves.
pub(super) const FLAGS: &str = "--kubelet-client-certificate=admin.crt --kubelet-client-key=admin.key \
                                --kubelet-preferred-address-types=InternalIP";

/// The server whose files are in `directory`.
pub(super) fn find(directory: &Path) -> Result<Bare, ServerError> {
    let side = Side::Real;
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| failed(side, "read its files")(format!("{}: {error}", path.display())))
    };
    let kubeconfig = read("kubeconfig")?;
    let address = kubeconfig.split("https://").nth(1).and_then(|rest| rest.split('"').next());
    let address = address.and_then(|address| address.parse().ok());
    let address = address.ok_or_else(|| failed(side, "find its address")("the kubeconfig names none"))?;
    Ok(Bare {
        side,
        access: Access {
            address,
            ca_pem: read("ca.crt")?,
            certificate_pem: read("admin.crt")?,
            key_pem: read("admin.key")?,
        },
        service_account_key_pem: key::pkcs8(&read("sa.key")?).map_err(failed(side, "read its ServiceAccount key"))?,
        embedded: None,
    })
}

/// Asks the kubelet of our node through the server, as it does for logs.
pub(super) async fn reaches_kubelets(client: &kube::Client) -> Result<(), ServerError> {
    let request = http::Request::get(format!("/api/v1/nodes/{NODE}/proxy/healthz")).body(Vec::new());
    let request = request.map_err(failed(Side::Real, "ask a kubelet"))?;
    match client.request_text(request).await {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(ServerError::Kubelet { said }),
        Err(error) => Err(ServerError::Kubelet { said: error.to_string() }),
    }
}
