//! The surroundings of a command: a home, a working directory and an environment of its own.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

/// Where a session's commands run.
pub(super) struct Sandbox {
    place: TempDir,
    path: OsString,
}

impl Sandbox {
    /// A sandbox whose kubeconfig is `kubeconfig`, with `first` before the system's programs.
    pub(super) fn new(kubeconfig: &str, first: Option<&Path>) -> io::Result<Self> {
        let place = tempfile::Builder::new().prefix("witness").tempdir()?;
        std::fs::create_dir_all(place.path().join("home/.kube"))?;
        std::fs::create_dir(place.path().join("work"))?;
        std::fs::write(place.path().join("home/.kube/config"), kubeconfig)?;
        let mut path = first.map(|first| first.as_os_str().to_owned()).unwrap_or_default();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        Ok(Self { place, path })
    }

    /// Writes a file of the working directory.
    pub(super) fn write(&self, name: &str, content: &str) -> io::Result<()> {
        std::fs::write(self.directory().join(name), content)
    }

    /// Puts the `sed` script of an editor down, and returns the command that applies it.
    pub(super) fn editor(&self, script: &str) -> io::Result<String> {
        let file = self.place.path().join("editor.sed");
        std::fs::write(&file, script)?;
        Ok(format!("sed -i -f {}", file.display()))
    }

    fn directory(&self) -> PathBuf {
        self.place.path().join("work")
    }

    /// `program` in this sandbox.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let home = self.place.path().join("home");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("KUBECONFIG", home.join(".kube/config"))
            .env("HOME", home)
            .env("TMPDIR", self.place.path())
            .env("PATH", &self.path)
            .env("LC_ALL", "C")
            .current_dir(self.directory());
        command
    }
}
