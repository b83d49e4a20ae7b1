//! From what a person typed to cells.

use std::path::{Path, PathBuf};

use engine::library;
use scenario::model::Scenario;
use scenario::parse;
use scenario::plan::{self, Cell, Release};
use scenario::select::{self, Keys, Selection, parse_expression};

use crate::arguments::{Chosen, Matrix};

/// The cells that `chosen` asks for, or what is wrong with it. Only a shard can be left with none.
pub fn cells(chosen: &Chosen) -> Result<Vec<Cell>, String> {
    let (paths, names): (Vec<&String>, Vec<&String>) = chosen.what.iter().partition(|text| is_path(text));
    let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
    let releases = library::releases(&chosen.release).map_err(|error| format!("error: {error}"))?;
    let (mut built_in, mut own) = (Vec::new(), Vec::new());
    if paths.is_empty() || !names.is_empty() {
        built_in = match chosen.matrix {
            None => library::suite(),
            Some(Matrix::Pairing) => library::pairing_matrix(),
        }
        .map_err(|error| error.to_string())?;
    }
    if !paths.is_empty() {
        own = library::from_paths(&paths).map_err(|error| error.to_string())?;
    }
    refuse_shared_names(&built_in, &own)?;
    refuse_other_releases(&names, &releases)?;
    let selection = Selection::new(&names);
    let mut cells = plan::plan(&built_in, &releases, &selection);
    let help = || files_meant(&names) + &elsewhere(&names, chosen.matrix);
    selection.check(&built_in, &cells).map_err(|error| String::from(error) + &help())?;
    let planned = plan::plan(&own, &releases, &Selection::all());
    if let (Some(one), true) = (own.first(), planned.is_empty()) {
        let (location, name, releases) = (&one.location, &one.name, &one.releases);
        let help = "choose one of them with --release";
        return Err(format!("error: {location}: \"{name}\" is for releases {releases}\n  help: {help}"));
    }
    cells.extend(planned);
    if let Some(text) = &chosen.select {
        let expression = parse_expression(text, &Keys::of(built_in.iter().chain(&own), &cells))?;
        cells = select::fulfilling(cells, &expression, text)?;
    }
    if cells.is_empty() {
        return Err("error: nothing to run: no cell matches; `ks-e2e list` shows them all".to_owned());
    }
    if let Some(shard) = chosen.shard {
        cells.retain(|cell| shard.holds(&cell.id));
    }
    Ok(cells)
}

/// A cell names its release itself: one that nobody knows, or that `--release` leaves out, is said to be that.
fn refuse_other_releases(names: &[&String], asked: &[Release]) -> Result<(), String> {
    let cells = names.iter().filter_map(|name| Some((*name, name.split_once('@')?.1)));
    for (name, release) in cells {
        let release = release.split_once('[').map_or(release, |(release, _)| release);
        if release.contains(['*', '?']) || asked.iter().any(|asked| asked.name == release) {
            continue;
        }
        library::release(Some(release)).map_err(|error| format!("error: \"{name}\": {error}"))?;
        let asked: Vec<&str> = asked.iter().map(|asked| asked.name.as_str()).collect();
        let help = "leave one of the two out";
        return Err(format!("error: \"{name}\" is left out by --release {}\n  help: {help}", asked.join(",")));
    }
    Ok(())
}

/// What is said of names that the matrix lacks and the built-in scenarios have.
fn elsewhere(names: &[&String], matrix: Option<Matrix>) -> String {
    let suite = matrix.and_then(|_| library::suite().ok()).unwrap_or_default();
    let meant = suite.iter().any(|scenario| names.iter().any(|name| select::glob(name, &scenario.name)));
    if meant {
        "\n  help: --matrix runs in place of the built-in scenarios; leave it out for those".to_owned()
    } else {
        String::new()
    }
}

/// What is said of names that stand for no scenario, but are those of files when their ending is added.
fn files_meant(names: &[&String]) -> String {
    let files = names.iter().map(|name| format!("{name}.yaml")).filter(|file| Path::new(file).exists());
    files.map(|file| format!("\n  help: `./{file}` names the file")).collect::<Vec<_>>().concat()
}

/// A name stands for one scenario: two would make two cells of one identity.
fn refuse_shared_names(built_in: &[Scenario], own: &[Scenario]) -> Result<(), String> {
    let problems = parse::check_set(&[built_in, own].concat());
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// A name never holds a slash or ends like a file, and a file that is there is meant.
fn is_path(text: &str) -> bool {
    let path = Path::new(text);
    text.contains('/')
        || path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
        || path.exists()
}
