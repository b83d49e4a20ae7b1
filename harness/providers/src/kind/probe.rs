//! Whether kind can work here, found out before anything is made and within seconds, whatever hangs.

use std::path::PathBuf;

use tokio::process::Command;

use super::configuration::HostPort;
use super::machine::{self, Free};
use crate::container_engine::{About, ContainerEngine, EngineName};
use crate::program::{self, on_path};
use crate::provider::Missing;

const INSTALL_KIND: &str = "install kind (https://kind.sigs.k8s.io/docs/user/quick-start/#installation) on the PATH";

/// Nodes of a pair of the smallest clusters.
const FEWEST_NODES: u64 = 2;

/// Looks for everything that two clusters of nodes with `image` need, `ports` of this machine among it.
pub(super) async fn probe(image: &str, ports: impl Iterator<Item = HostPort>) -> Result<(), Missing> {
    let kind = find_kind()?;
    let engine = ContainerEngine::find()?;
    let image_id = ["image", "inspect", "--format", "{{.Id}}", image];
    let mut kind_version = Command::new(&kind);
    kind_version.arg("version").env_remove("KUBECONFIG");
    // All at once: each of them may hang as long as a person wants to wait for all.
    let (up, found, speaks, storage) = tokio::join!(
        engine.tell(About::Version),
        engine.answer(&image_id),
        program::answer(kind_version),
        storage_of(&engine),
    );
    up?;
    let program = engine.name.program();
    found.map_err(|reason| {
        Missing::new(
            format!("{program} does not find the node image {image}: {reason}"),
            format!("`{program} pull {image}`, or name another one with --node-image"),
        )
    })?;
    speaks.map_err(|reason| {
        Missing::new(format!("{} does not tell its version: {reason}", kind.display()), INSTALL_KIND)
    })?;
    machine::are_free(ports)?;
    Free::now(&storage).has_room_for(FEWEST_NODES)
}

/// Path of kind.
pub(super) fn find_kind() -> Result<PathBuf, Missing> {
    on_path("kind").ok_or_else(|| Missing::new("kind is not on the PATH", INSTALL_KIND))
}

/// The name by which kind finds the node image `image`. A name without a registry it takes for one of docker.io, where
/// Podman keeps what was built or loaded here under localhost/.
pub(super) async fn name_for_kind(engine: &ContainerEngine, image: &str) -> String {
    if engine.name == EngineName::Docker {
        return image.to_owned();
    }
    let tags = engine.answer(&["image", "inspect", "--format", "{{range .RepoTags}}{{println .}}{{end}}", image]).await;
    full_name(image, &tags.unwrap_or_default())
}

/// `image` as it stands in `tags`, one a line.
fn full_name(image: &str, tags: &str) -> String {
    let local = format!("localhost/{image}");
    let of_docker_io = [format!("docker.io/{image}"), format!("docker.io/library/{image}")];
    let known = |name: &String| tags.lines().any(|tag| tag == name);
    if known(&local) && !of_docker_io.iter().any(known) { local } else { image.to_owned() }
}

/// Where the engine keeps containers, if that is on this machine.
pub(super) async fn storage_of(engine: &ContainerEngine) -> PathBuf {
    let root = engine.tell(About::Storage).await.map(PathBuf::from);
    root.ok().filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from("/"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::built_here("node:v1", "localhost/other:v1\nlocalhost/node:v1\n", "localhost/node:v1")]
    #[case::pulled("kindest/node:v1", "docker.io/kindest/node:v1\n", "kindest/node:v1")]
    #[case::both("node:v1", "docker.io/library/node:v1\nlocalhost/node:v1\n", "node:v1")]
    #[case::in_full("localhost/node:v1", "localhost/node:v1\n", "localhost/node:v1")]
    #[case::unknown("node:v1", "", "node:v1")]
    fn names_an_image_as_kind_finds_it(#[case] image: &str, #[case] tags: &str, #[case] expected: &str) {
        assert_eq!(full_name(image, tags), expected);
    }
}
