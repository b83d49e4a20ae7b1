//! `ks-e2e new`

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::library;

use crate::arguments::{NewArguments, Via};
use crate::{exit, output};

/// Where a template has the scenario's name.
const NAME: &str = "NAME";

pub fn new(arguments: &NewArguments) -> ExitCode {
    let text = scenario(&arguments.name, arguments.via);
    let path = arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.yaml", arguments.name)));
    // A name that no scenario may have is found by whoever will read the file.
    if let Err(error) = library::from_text(&path.display().to_string(), &text) {
        return exit::usage(&error.to_string());
    }
    if library::suite().is_ok_and(|built_in| built_in.iter().any(|scenario| scenario.name == arguments.name)) {
        let message = format!("error: a built-in scenario is called {}; choose another name", arguments.name);
        return exit::usage(&message);
    }
    if path.as_os_str() == "-" {
        return exit::after_printing(output::print(&text));
    }
    match write(&path, &text) {
        Ok(()) => {
            let shown = if path.components().count() == 1 { Path::new(".").join(&path) } else { path };
            let shown = shown.display();
            exit::after_printing(output::print(&format!("wrote {shown}; `ks-e2e run {shown}` runs it\n")))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            exit::usage(&format!("error: {} is there already; choose another name, or -o FILE", path.display()))
        }
        Err(error) => {
            exit::environment(&format!("cannot write {}: {error}; choose another file with -o", path.display()))
        }
    }
}

fn scenario(name: &str, via: Via) -> String {
    let template = match via {
        Via::Kubectl => include_str!("../templates/kubectl.yaml"),
        Via::Console => include_str!("../templates/console.yaml"),
        Via::Kk => include_str!("../templates/kk.yaml"),
    };
    // The first one: names are all upper case nowhere else, but a command may be.
    library::editor_line() + &template.replacen(NAME, name, 1)
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}
