//! Stand-ins for unit tests: an API server that holds nothing and refuses every watch, and a container.

use http::{Request, Response, StatusCode};
use kube::client::Body;

/// A client of the API server.
pub(crate) fn client() -> kube::Client {
    kube::Client::new(tower::service_fn(|request: Request<Body>| async move { answer(&request) }), "default")
}

fn answer(request: &Request<Body>) -> Result<Response<Body>, http::Error> {
    if request.uri().query().is_some_and(|query| query.contains("watch=")) {
        return Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).body(Body::empty());
    }
    let list =
        serde_json::json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": []});
    Response::builder().body(Body::from(list.to_string().into_bytes()))
}

/// The file in a [`Container`]'s volume.
pub(crate) const CONFIG: &str = "/etc/kubesphere/kubesphere.yaml";

/// A directory that stands for a container's root, with what a kubelet puts there.
pub(crate) struct Container(tempfile::TempDir);

impl Container {
    pub(crate) fn new() -> Self {
        let container = Self(tempfile::tempdir().unwrap());
        let authority = rcgen::generate_simple_self_signed(["kubernetes".to_owned()]).unwrap().cert.pem();
        let account = "var/run/secrets/kubernetes.io/serviceaccount";
        for (path, text) in [
            (format!("{account}/namespace"), "kubesphere-system"),
            (format!("{account}/token"), "the-token\n"),
            (format!("{account}/ca.crt"), &authority),
            ("etc/hosts".to_owned(), "127.0.0.1\tlocalhost\n10.244.0.5\tx-0\n"),
            ("etc/resolv.conf".to_owned(), "nameserver 10.96.0.10\nsearch cluster.local\noptions ndots:5\n"),
            (
                "proc/self/mountinfo".to_owned(),
                "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 /a /etc/hosts rw - ext4 /dev/vda rw\n\
                 3 1 0:3 /b /etc/kubesphere ro - ext4 /dev/vda ro\n\
                 4 1 0:4 / /var/run/secrets/kubernetes.io/serviceaccount ro - tmpfs tmpfs rw\n",
            ),
        ] {
            let path = container.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("..data_1", container.root().join(account).join("..data")).unwrap();
        std::fs::create_dir_all(container.volume()).unwrap();
        std::os::unix::fs::symlink("..data/kubesphere.yaml", container.volume().join("kubesphere.yaml")).unwrap();
        container.update("first");
        container
    }

    pub(crate) fn root(&self) -> &std::path::Path {
        self.0.path()
    }

    /// A volume that a kubelet updates, with one file.
    pub(crate) fn volume(&self) -> std::path::PathBuf {
        self.root().join("etc/kubesphere")
    }

    /// What a kubelet sets in every container.
    pub(crate) fn env() -> std::collections::BTreeMap<String, String> {
        let set = [("HOSTNAME", "x-0"), ("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
        set.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Changes the volume's file as a kubelet does: a directory beside the old one, and the link moved over.
    pub(crate) fn update(&self, text: &str) {
        let volume = self.volume();
        let version = format!("..{text}");
        std::fs::create_dir(volume.join(&version)).unwrap();
        std::fs::write(volume.join(&version).join("kubesphere.yaml"), text).unwrap();
        std::os::unix::fs::symlink(&version, volume.join("..data_tmp")).unwrap();
        std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    }
}
