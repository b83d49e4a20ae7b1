//! From what a person typed to cells.

use std::path::{Path, PathBuf};

use engine::library;
use kubesphere::Release as Profile;
use scenario::event::Basis;
use scenario::plan::{self, Cell, Release};
use scenario::select::Selection;

use crate::arguments::Chosen;

/// The cells that `chosen` asks for, or what is wrong with it.
pub fn cells(chosen: &Chosen) -> Result<Vec<Cell>, String> {
    let (paths, names): (Vec<&String>, Vec<&String>) = chosen.what.iter().partition(|text| is_path(text));
    let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
    let mut scenarios = Vec::new();
    if paths.is_empty() || !names.is_empty() {
        scenarios = library::built_in().map_err(|error| error.to_string())?;
    }
    let selection = Selection::new(&names);
    let releases = releases(&chosen.release)?;
    let mut cells = plan::plan(&scenarios, &releases, &selection);
    if paths.is_empty() || !names.is_empty() {
        selection.check(&scenarios, &cells)?;
    }
    if !paths.is_empty() {
        let own = library::from_paths(&paths).map_err(|error| error.to_string())?;
        cells.extend(plan::plan(&own, &releases, &Selection::all()));
    }
    if let Some(shard) = chosen.shard {
        cells.retain(|cell| shard.holds(&cell.id));
    }
    if cells.is_empty() {
        return Err("error: nothing to run: no cell matches; `ks-e2e list` shows them all".to_owned());
    }
    Ok(cells)
}

fn releases(asked: &[String]) -> Result<Vec<Release>, String> {
    let played: Vec<&Profile> = stub::releases().collect();
    let mut chosen = Vec::new();
    for version in asked {
        let profile = Profile::find(version).map_err(|error| format!("error: {error}"))?;
        if !played.iter().any(|played| played.version == profile.version) {
            let played = played.iter().map(|profile| profile.version).collect::<Vec<_>>().join(", ");
            return Err(format!("error: KubeSphere {} is not played yet; choose one of {played}", profile.version));
        }
        chosen.push(profile);
    }
    let chosen = if asked.is_empty() { played } else { chosen };
    let of = |profile: &Profile| Release {
        name: profile.version.to_owned(),
        basis: match profile.basis {
            kubesphere::Basis::Observed => Basis::Observed,
            kubesphere::Basis::Source => Basis::Source,
        },
    };
    Ok(chosen.into_iter().map(of).collect())
}

/// A name never holds a slash or ends like a file, and a file that is there is meant.
fn is_path(text: &str) -> bool {
    text.contains('/') || Path::new(text).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}
