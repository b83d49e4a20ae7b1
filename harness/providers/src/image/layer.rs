//! The one layer of every image: this executable, and what it needs to start.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::archive::{self, Entries, Entry};
use super::elf::{Architecture, Elf};
use super::libraries::Loaded;
use crate::Missing;

/// Path of the executable, below the root of the image.
const EXECUTABLE: &str = "ks-e2e";

/// Directory of its libraries, below the root of the image. A directory of our own, so that neither their places on
/// this machine nor the loader's habits matter: the loader is told where they are.
const LIBRARIES: &str = "ks-e2e.libraries";

/// An uncompressed layer as image-spec v1.0 (`layer.md`) has it, in a tar file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layer {
    /// The tar file.
    pub tar: PathBuf,
    /// Its digest, `sha256:…`. The layer is not compressed: this is its descriptor's digest and its `diff_id`.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it runs on.
    pub architecture: Architecture,
    /// Path of the loader inside the image; none when the executable is statically linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
}

impl Layer {
    /// Packs `executable` for nodes of the architecture `want_arch` (`status.nodeInfo.architecture` of a Node) into
    /// the new file `into`. Reads and writes the whole executable: not for a thread that serves others.
    ///
    /// A dynamically linked executable is this process's own, or needs no library that this process does not have.
    ///
    /// # Errors
    /// [`Missing`] when this is no Linux executable for such nodes, or when it or one of its libraries cannot be read
    /// or the file not be written.
    pub fn pack(executable: &Path, want_arch: &str, into: &Path) -> Result<Self, Missing> {
        let no_use = |why: String| unpackable(&format!("{}: {why}", executable.display()), want_arch);
        let elf = Elf::read(executable).map_err(|error| no_use(format!("it {error}")))?;
        if elf.architecture.name() != want_arch {
            return Err(no_use(format!("it is for {}, the nodes are {want_arch}", elf.architecture.name())));
        }
        let mut entries = Entries::from([
            (EXECUTABLE.to_owned(), Entry::Executable(executable.to_owned())),
            ("etc".to_owned(), Entry::Directory(0o755)),
            ("tmp".to_owned(), Entry::Directory(0o1777)),
        ]);
        if let Some(interpreter) = &elf.interpreter {
            let inside = below_root(interpreter)
                .ok_or_else(|| no_use(format!("its loader has no plain absolute path: {interpreter}")))?;
            entries.insert(inside, Entry::Executable(interpreter.into()));
            let libraries = Loaded::of_this_process().and_then(|loaded| loaded.needed_by(&elf));
            for (name, path) in libraries.map_err(|error| no_use(error.to_string()))? {
                entries.insert(format!("{LIBRARIES}/{name}"), Entry::Executable(path));
            }
        }
        let (digest, size) = archive::write(entries, into).map_err(|error| Missing {
            what: format!("the image of the programs cannot be made: {error}"),
            how: "make that file readable, or make room for the other one".to_owned(),
        })?;
        Ok(Self { tar: into.to_owned(), digest, size, architecture: elf.architecture, interpreter: elf.interpreter })
    }

    /// The same layer, where its tar file is at another path.
    #[must_use]
    pub fn moved_to(self, tar: impl Into<PathBuf>) -> Self {
        Self { tar: tar.into(), ..self }
    }

    /// How an argument list begins that starts the executable where the tar file was unpacked below `directory`, on a
    /// machine with no libraries or others.
    ///
    /// Started by its loader, a process finds the loader behind `/proc/self/exe`, and so with
    /// [`std::env::current_exe`].
    #[must_use]
    pub fn launch_in(&self, directory: &str) -> Vec<String> {
        let directory = directory.trim_end_matches('/');
        let executable = format!("{directory}/{EXECUTABLE}");
        match &self.interpreter {
            None => vec![executable],
            // The same option in glibc's ld.so(8) and in musl's dynamic linker.
            Some(interpreter) => vec![
                format!("{directory}{interpreter}"),
                "--library-path".to_owned(),
                format!("{directory}/{LIBRARIES}"),
                executable,
            ],
        }
    }

    /// The executable inside a container.
    pub(super) fn executable() -> String {
        format!("/{EXECUTABLE}")
    }

    /// What the loader inside a container reads from the environment to find the libraries.
    pub(super) fn loader_variable(&self) -> Option<(String, String)> {
        self.interpreter.as_ref().map(|_| ("LD_LIBRARY_PATH".to_owned(), format!("/{LIBRARIES}")))
    }
}

/// `path` without its leading slash, if it is absolute and has no `.` and `..` in it.
fn below_root(path: &str) -> Option<String> {
    let inside = path.strip_prefix('/')?;
    let mut parts = Path::new(inside).components();
    (!inside.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))).then(|| inside.to_owned())
}

fn unpackable(why: &str, want_arch: &str) -> Missing {
    let target = match want_arch {
        "amd64" => "x86_64-unknown-linux-gnu",
        "arm64" => "aarch64-unknown-linux-gnu",
        _ => {
            return Missing {
                what: format!("this executable cannot run as an image on the nodes: {why}"),
                how: "use nodes that are amd64 or arm64".to_owned(),
            };
        }
    };
    Missing {
        what: format!("this executable cannot run as an image on the nodes: {why}"),
        how: format!(
            "use a build for Linux on {want_arch}, best one without libraries: \
             `RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target {target}`"
        ),
    }
}

#[cfg(test)]
mod tests;
