//! Where the commands of one cell run on one cluster: a home, a working directory and a PATH of their own.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kubesphere::KubeKey;
use providers::program;

use crate::kk;
use crate::tools::Tools;

/// A sandbox, below the run's own directory.
pub struct Sandbox {
    root: PathBuf,
}

/// A sandbox that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}; is there space left in TMPDIR?", .path.display())]
pub struct SandboxError {
    path: PathBuf,
    source: io::Error,
}

impl Sandbox {
    /// Makes a sandbox at `root` whose `~/.kube/config` is `kubeconfig` and whose working directory holds `files`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(
        root: PathBuf,
        tools: &Tools,
        kubeconfig: &str,
        files: &[(&str, String)],
    ) -> Result<Self, SandboxError> {
        let sandbox = Self { root };
        for directory in ["home/.kube", "work", "bin", "tmp"] {
            let path = sandbox.root.join(directory);
            fs::create_dir_all(&path).map_err(|source| SandboxError { path, source })?;
        }
        write(&sandbox.kubeconfig(), kubeconfig, 0o600)?;
        for (name, content) in files {
            write(&sandbox.work().join(name), content, 0o644)?;
        }
        // Counts its calls; `exec` keeps the process, so signals and exit codes are kubectl's own.
        let wrapper = format!(
            "#!/bin/sh\nprintf . >>{}\nexec {} \"$@\"\n",
            quoted(&sandbox.kubectl_calls_file()),
            quoted(&tools.kubectl)
        );
        write_program(sandbox.root.join("bin/kubectl"), &wrapper)?;
        Ok(sandbox)
    }

    /// Puts `./kk` into the working directory.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_kubekey(
        &self,
        kubekey: KubeKey,
        behaviour: stub::Behaviour,
        image: Option<&stub::StubImage>,
    ) -> Result<(), SandboxError> {
        let path = self.work().join("kk");
        let script =
            kk::script(kubekey, behaviour, image).map_err(|source| SandboxError { path: path.clone(), source })?;
        write_program(path, &script)
    }

    /// The working directory.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// A path for a file that no command is meant to see.
    #[must_use]
    pub fn private(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// How often kubectl was called so far.
    #[must_use]
    pub fn kubectl_calls(&self) -> u64 {
        fs::metadata(self.kubectl_calls_file()).map_or(0, |data| data.len())
    }

    /// The whole environment of a command: nothing is inherited.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut path = self.root.join("bin").into_os_string();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        vec![
            ("HOME", self.root.join("home").into()),
            ("KUBECONFIG", self.kubeconfig().into()),
            ("PATH", path),
            ("LC_ALL", "C".into()),
            ("TERM", "dumb".into()),
            ("TMPDIR", self.root.join("tmp").into()),
        ]
    }

    fn kubeconfig(&self) -> PathBuf {
        self.root.join("home/.kube/config")
    }

    fn kubectl_calls_file(&self) -> PathBuf {
        self.root.join("kubectl-calls")
    }
}

/// `path` as one word of a POSIX shell.
#[must_use]
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

fn write_program(path: PathBuf, script: &str) -> Result<(), SandboxError> {
    program::write(&path, script).map_err(|source| SandboxError { path, source })
}

fn write(path: &Path, content: &str, mode: u32) -> Result<(), SandboxError> {
    let failed = |source| SandboxError { path: path.to_owned(), source };
    fs::write(path, content).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inherits_nothing_from_the_environment() {
        let sandbox = Sandbox { root: PathBuf::from("/sandbox") };
        let names: Vec<_> = sandbox.environment().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["HOME", "KUBECONFIG", "PATH", "LC_ALL", "TERM", "TMPDIR"]);
    }

    #[test]
    fn quotes_a_path_with_a_quote() {
        assert_eq!(quoted(Path::new("/a'b c")), r"'/a'\''b c'");
    }
}
