//! What can be run: the scenarios inside the binary and files of the user's own, and the releases to run them on.

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use kubesphere::release::UnknownRelease;
use kubesphere::{KubeKey, Release as Profile};
use nodes::CONFIG_MOUNT;
use scenario::event::Basis;
use scenario::known::{ArgSpec, CheckSignature, Known};
use scenario::model::{Location, Scenario};
use scenario::parse;
use scenario::plan::Release;
use scenario::problem::Problem;
use scenario::schema;
use stub::delays;

use crate::pairing;

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../scenarios");

/// Delays that a scenario may hold: stages between what a person does and what comes of it.
const DELAYS: [&str; 5] =
    [CONFIG_MOUNT.name, delays::RELOAD.name, delays::RESYNC.name, delays::JOIN_POLL.name, delays::INSTALLER_TASK.name];

/// Files that are not usable.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct LoadError(pub Vec<Problem>);

/// The scenarios inside the binary, by path.
///
/// # Errors
/// When one of them is not usable, which a test excludes.
pub fn built_in() -> Result<Vec<Scenario>, LoadError> {
    let mut files = Vec::new();
    collect(&BUILT_IN, &mut files);
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    parse_all(files)
}

/// What `run` runs when nothing is named: the scenarios inside the binary, and a part of the pairing matrix in which any
/// two of its values meet.
///
/// # Errors
/// When one of them is not usable, which a test excludes.
pub fn suite() -> Result<Vec<Scenario>, LoadError> {
    let mut scenarios = built_in()?;
    let pairs = pairing::all(&scenarios).unwrap_or_default();
    scenarios.extend(pairing::covering(pairs));
    Ok(scenarios)
}

/// The whole pairing matrix.
///
/// # Errors
/// When a scenario inside the binary is not usable, which a test excludes.
pub fn pairing_matrix() -> Result<Vec<Scenario>, LoadError> {
    Ok(pairing::all(&built_in()?).unwrap_or_default())
}

/// The scenarios in the files and directories `paths`.
///
/// # Errors
/// When a path cannot be read or a file is not usable.
pub fn from_paths(paths: &[PathBuf]) -> Result<Vec<Scenario>, LoadError> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let before = files.len() + problems.len();
        read(path, &mut files, &mut problems);
        if files.len() + problems.len() == before {
            problems.push(unusable(path, "holds no scenario file"));
        }
    }
    if !problems.is_empty() {
        return Err(LoadError(problems));
    }
    parse_all(files)
}

/// The scenario in `text`, which is or will be the content of `file`.
///
/// # Errors
/// When it is not usable.
pub fn from_text(file: &str, text: &str) -> Result<Vec<Scenario>, LoadError> {
    parse_all(vec![(file.to_owned(), text.as_bytes().to_vec())])
}

/// The JSON Schema of a scenario file.
#[must_use]
pub fn schema() -> serde_json::Value {
    with_known(schema::schema)
}

/// The schema for reading, as Markdown.
#[must_use]
pub fn reference() -> String {
    with_known(schema::reference)
}

/// The line of a scenario file by which an editor finds the schema.
#[must_use]
pub fn editor_line() -> String {
    schema::editor_line()
}

/// The versions of all known releases, oldest first.
#[must_use]
pub fn release_names() -> Vec<&'static str> {
    Profile::all().iter().map(|release| release.version).collect()
}

/// The releases asked for, each once, in the order asked; all of them if none is asked for.
///
/// # Errors
/// When one of them is not known.
pub fn releases(asked: &[String]) -> Result<Vec<Release>, UnknownRelease> {
    let mut chosen: Vec<&Profile> = Vec::new();
    for version in asked {
        let profile = Profile::find(version)?;
        if chosen.iter().all(|chosen| chosen.version != profile.version) {
            chosen.push(profile);
        }
    }
    if asked.is_empty() {
        chosen = Profile::all().iter().collect();
    }
    Ok(chosen.into_iter().map(planned).collect())
}

/// The release asked for; the newest if none is.
///
/// # Errors
/// When it is not known.
pub fn release(asked: Option<&str>) -> Result<&'static Profile, UnknownRelease> {
    asked.map_or(Ok(Profile::newest()), Profile::find)
}

fn planned(profile: &Profile) -> Release {
    Release {
        name: profile.version.to_owned(),
        basis: match profile.basis {
            kubesphere::Basis::Observed => Basis::Observed,
            kubesphere::Basis::Source => Basis::Source,
        },
    }
}

fn parse_all(files: Vec<(String, Vec<u8>)>) -> Result<Vec<Scenario>, LoadError> {
    let (mut scenarios, mut problems) = (Vec::new(), Vec::new());
    let parsed = with_known(|known| {
        files.into_iter().map(|(file, bytes)| parse::parse(&file, &bytes, known)).collect::<Vec<_>>()
    });
    for parsed in parsed {
        match parsed {
            Ok(read) => scenarios.extend(read),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(parse::check_set(&scenarios));
    if problems.is_empty() { Ok(scenarios) } else { Err(LoadError(problems)) }
}

/// What a scenario may refer to, for as long as `used` takes.
fn with_known<T>(used: impl FnOnce(&Known<'_>) -> T) -> T {
    let signatures = signatures();
    let releases = release_names();
    let kubekeys = KubeKey::ALL.map(|kubekey| kubekey.version);
    used(&Known { checks: &signatures, releases: &releases, kubekeys: &kubekeys, delays: &DELAYS })
}

/// The checks as the parser knows them.
fn signatures() -> Vec<CheckSignature> {
    let args = |entry: &checks::CheckEntry| -> &'static [ArgSpec] {
        let specs: Vec<_> = entry
            .args
            .iter()
            .map(|arg| ArgSpec { name: arg.name, about: arg.about, required: arg.required, values: arg.values })
            .collect();
        // A handful of small tables, made once for the life of the process.
        Vec::leak(specs)
    };
    checks::catalogue()
        .iter()
        .map(|entry| CheckSignature { name: entry.name, about: entry.about, args: args(entry) })
        .collect()
}

fn collect(directory: &Dir<'_>, files: &mut Vec<(String, Vec<u8>)>) {
    for file in directory.files().filter(|file| is_yaml(file.path())) {
        files.push((format!("scenarios/{}", file.path().display()), file.contents().to_vec()));
    }
    for directory in directory.dirs() {
        collect(directory, files);
    }
}

fn read(path: &Path, files: &mut Vec<(String, Vec<u8>)>, problems: &mut Vec<Problem>) {
    let problem = |error: &std::io::Error| unusable(path, &format!("cannot be read: {error}"));
    if !path.is_dir() {
        match std::fs::read(path) {
            Ok(bytes) => files.push((path.display().to_string(), bytes)),
            Err(error) => problems.push(problem(&error)),
        }
        return;
    }
    let mut inside: Vec<PathBuf> = match std::fs::read_dir(path) {
        Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).collect(),
        Err(error) => return problems.push(problem(&error)),
    };
    inside.sort();
    let before = files.len();
    for path in inside.iter().filter(|path| path.is_dir() || is_yaml(path)) {
        read(path, files, problems);
    }
    // Who keeps scenarios has other manifests beside them. What is named itself is taken for a scenario.
    let others = files.split_off(before);
    files.extend(others.into_iter().filter(|(_, bytes)| claims_to_be_a_scenario(bytes)));
}

fn unusable(path: &Path, message: &str) -> Problem {
    Problem {
        location: Location { file: path.display().to_string(), line: 1, column: 1 },
        message: message.to_owned(),
        suggestion: Some("give the path of a scenario file or of a directory of them".to_owned()),
    }
}

/// Whether the file says of itself, rightly or not, that it is one of ks-e2e.
fn claims_to_be_a_scenario(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.contains("ks-e2e.dev/") || text.lines().any(|line| line.starts_with("kind:") && line.contains("Scenario"))
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<String>, UnknownRelease> {
        let asked: Vec<String> = asked.iter().map(|&version| version.to_owned()).collect();
        Ok(releases(&asked)?.into_iter().map(|release| release.name).collect())
    }

    #[test]
    fn takes_each_release_once_however_it_is_written() {
        assert_eq!(names(&["3.3.2", "v3.3.2", "3.3.2"]).unwrap(), ["3.3.2"]);
    }

    #[test]
    fn takes_every_release_if_none_is_asked_for() {
        assert_eq!(names(&[]).unwrap(), ["3.2.1", "3.3.2", "3.4.0", "3.4.1"]);
    }

    #[test]
    fn refuses_a_release_that_nothing_is_known_of() {
        assert!(names(&["9.9.9"]).is_err());
    }
}
