//! What the programs' sources may not do: a program's whole world is its `PodContext`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// Ways around the context: the machine's environment, time, sockets and clients.
const FORBIDDEN: [&str; 9] = [
    "std::env",
    "TcpStream",
    "TcpListener",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "tokio::time",
    "thread::sleep",
    "try_default",
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            found.push(path);
        }
    }
    found
}

/// Modules that exist for unit tests only.
fn is_test(path: &Path) -> bool {
    matches!(path.file_stem().and_then(|stem| stem.to_str()), Some("tests" | "fake"))
        || path.parent().is_some_and(|parent| parent.ends_with("tests"))
}

/// The text of a file without its unit tests.
fn product(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn programs_have_no_world_besides_their_context() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut around = Vec::new();
    for path in sources(&root) {
        let text = product(&path);
        around.extend(
            FORBIDDEN.iter().filter(|word| text.contains(**word)).map(|word| format!("{}: {word}", path.display())),
        );
    }
    assert!(around.is_empty(), "{}", around.join("\n"));
}
