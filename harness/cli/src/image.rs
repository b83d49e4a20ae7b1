//! `ks-e2e image`

use std::process::ExitCode;

use crate::arguments::ImageArguments;
use crate::{exit, output};

pub async fn image(arguments: ImageArguments) -> ExitCode {
    let ImageArguments { tag, output: file } = arguments;
    let executable = match providers::own_executable() {
        Ok(executable) => executable,
        Err(error) => return exit::environment(&format!("cannot find this program: {error}")),
    };
    let (name, path) = (tag.clone(), file.clone());
    // Packing reads and writes the whole program.
    let saved = tokio::task::spawn_blocking(move || providers::image::save(&executable, &name, &path)).await;
    match saved.map_err(|error| error.to_string()).and_then(|saved| saved.map_err(|missing| missing.to_string())) {
        Ok(()) => exit::after_printing(output::print(&format!("{tag} is in {}\n", file.display()))),
        Err(error) => exit::environment(&error),
    }
}
