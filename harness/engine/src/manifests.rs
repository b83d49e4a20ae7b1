//! The manifests that KubeSphere is installed with: the stand-in's, or a person's own, with which it is KubeSphere itself.

use std::path::{Path, PathBuf};

use kubesphere::Release;
use scenario::model::{Action, On, Scenario};
use serde::Deserialize as _;
use serde_json::Value;
use stub::{Behaviour, StubImage};

use crate::releases::Releases;

/// `kubesphere-installer.yaml` and `cluster-configuration.yaml` of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifests {
    release: &'static Release,
    installer: String,
    configuration: String,
}

/// Manifests that are of no use.
#[derive(Debug, thiserror::Error)]
pub enum ManifestsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; name another file with {option}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
        /// The option that names it.
        option: &'static str,
    },
    /// A file is no YAML.
    #[error("{}:{line}:{column}: not YAML: {reason}; name another file with {option}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
        /// The option that names it.
        option: &'static str,
    },
    /// What is to be in a file is not there.
    #[error("{}: there is no {kind} {name} in it; name another file with {option}", .path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: &'static str,
        /// The option that names the file.
        option: &'static str,
    },
    /// The installer is another release's.
    #[error("{}: it installs {found}, and --release says {wanted}; give the files of one release", .path.display())]
    OtherRelease {
        /// The file.
        path: PathBuf,
        /// Tag of the installer's image.
        found: String,
        /// Tag of the release.
        wanted: String,
    },
}

/// What a person downloads from `release`: `kubesphere-installer.yaml` and `cluster-configuration.yaml`, their own or the
/// stand-in's, which behaves like that and comes out of `image` where nodes get no other.
pub(crate) fn files(
    own: Option<&Manifests>,
    release: &Release,
    behaviour: Behaviour,
    image: Option<&StubImage>,
) -> [String; 2] {
    match own {
        Some(own) => [own.installer.clone(), own.configuration.clone()],
        None => [
            stub::manifests::installer_yaml_with(release, behaviour, image),
            stub::manifests::cluster_configuration_yaml(release),
        ],
    }
}

/// The installer's object, in both files.
const NAME: &str = "ks-installer";

impl Manifests {
    /// Reads the files of `release`.
    ///
    /// # Errors
    /// When one cannot be read, is no YAML, lacks its object or is of another release.
    pub fn read(release: &'static Release, installer: &Path, configuration: &Path) -> Result<Self, ManifestsError> {
        let (installer_text, deployment) = read(installer, "Deployment", "--installer-manifest")?;
        let (configuration_text, _) = read(configuration, "ClusterConfiguration", "--cluster-configuration")?;
        let image = deployment.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
        // A mirror may have any name, and what stands in for it any tag.
        let tag = image.and_then(|image| image.rsplit('/').next()?.strip_prefix("ks-installer:"));
        if let Some(tag) = tag.filter(|tag| *tag != release.tag()) {
            return Err(ManifestsError::OtherRelease {
                path: installer.to_owned(),
                found: tag.to_owned(),
                wanted: release.tag(),
            });
        }
        Ok(Self { release, installer: installer_text, configuration: configuration_text })
    }

    /// Why `scenario` cannot be run with them.
    pub(crate) fn cannot(&self, scenario: &Scenario, releases: Releases) -> Option<String> {
        let other = [On::Host, On::Member].map(|on| releases.on(on)).into_iter().find(|other| *other != self.release);
        if let Some(other) = other {
            return Some(format!("it installs {}, and the manifests are of {}", other.tag(), self.release.tag()));
        }
        let mut steps = scenario.steps.iter().chain(&scenario.finally);
        let kubekey = steps.find(|step| match &step.action {
            Action::Run { command, .. } => command.split_whitespace().any(|word| word == "./kk"),
            Action::EditFile { file, .. } => file == "config-sample.yaml",
            _ => false,
        });
        kubekey.map(|step| format!("step \"{}\" is for KubeKey, which makes clusters of machines", step.name))
    }
}

/// The text of a file, and the object of `kind` in it.
fn read(path: &Path, kind: &'static str, option: &'static str) -> Result<(String, Value), ManifestsError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(ManifestsError::Unreadable { path, source, option }),
    };
    let mut found = None;
    for document in serde_yaml::Deserializer::from_str(&text) {
        match Value::deserialize(document) {
            Ok(object) if object["kind"] == kind && object["metadata"]["name"] == NAME => found = Some(object),
            Ok(_) => {}
            Err(error) => {
                let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
                let reason = error.to_string();
                return Err(ManifestsError::Malformed { path, line, column, reason, option });
            }
        }
    }
    match found {
        Some(object) => Ok((text, object)),
        None => Err(ManifestsError::Incomplete { path, kind, name: NAME, option }),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::library;

    use super::*;

    fn release() -> &'static Release {
        Release::find("3.4.1").unwrap()
    }

    fn read_with(installer: &str, configuration: &str) -> Result<Manifests, ManifestsError> {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["installer.yaml", "configuration.yaml"].map(|name| directory.path().join(name));
        std::fs::write(&first, installer).unwrap();
        std::fs::write(&second, configuration).unwrap();
        Manifests::read(release(), &first, &second)
    }

    fn own() -> Manifests {
        let installer = stub::manifests::installer_yaml(release());
        read_with(&installer, &stub::manifests::cluster_configuration_yaml(release())).unwrap()
    }

    #[test]
    fn keeps_the_files_as_they_are() {
        let [installer, configuration] = files(Some(&own()), release(), Behaviour::default(), None);
        assert_eq!(installer, stub::manifests::installer_yaml(release()));
        assert!(configuration.contains("# Same value on the host"), "comments stay");
    }

    #[rstest]
    #[case::no_yaml("a: [", "", "installer.yaml:2:1: not YAML")]
    #[case::another_file("kind: ConfigMap\nmetadata: {name: x}\n", "", "there is no Deployment ks-installer in it")]
    #[case::another_release(&stub::manifests::installer_yaml(Release::find("3.3.2").unwrap()),
        &stub::manifests::cluster_configuration_yaml(release()), "it installs v3.3.2, and --release says v3.4.1")]
    fn says_what_is_wrong(#[case] installer: &str, #[case] configuration: &str, #[case] expected: &str) {
        let error = read_with(installer, configuration).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn skips_what_the_stand_in_alone_can_do() {
        let (own, releases) = (own(), Releases::both(release()));
        let scenarios = library::built_in().unwrap();
        let cannot = |name: &str| {
            let scenario = scenarios.iter().find(|scenario| scenario.name == name).unwrap();
            own.cannot(scenario, releases)
        };
        assert_eq!(cannot("direct-connection"), None);
        assert_eq!(cannot("host-pre-install-k8s"), None);
        assert!(cannot("host-pre-install-linux").unwrap().contains("KubeKey"));
        let scenario = &scenarios[0];
        let other = own.cannot(scenario, Releases::both(Release::find("3.3.2").unwrap()));
        assert_eq!(other.as_deref(), Some("it installs v3.3.2, and the manifests are of v3.4.1"));
    }

    /// Whatever a scenario does works without the stand-in: it speaks of nothing that is the harness's alone.
    #[test]
    fn scenarios_know_nothing_of_the_harness() {
        for scenario in library::built_in().unwrap() {
            for step in scenario.steps.iter().chain(&scenario.finally) {
                let told = format!("{:?}", step.action).to_lowercase();
                for private in ["ks_e2e", "ks-e2e", "stub", "__pod"] {
                    assert!(!told.contains(private), "{}: step \"{}\" speaks of {private}", step.location, step.name);
                }
            }
        }
    }
}
