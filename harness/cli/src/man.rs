//! `ks-e2e man`

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_mangen::Man;

use crate::arguments::{Arguments, ManArguments};
use crate::{exit, output};

pub fn man(arguments: &ManArguments) -> ExitCode {
    let command = Arguments::command();
    let Some(directory) = &arguments.output else {
        let mut page = Vec::new();
        return match Man::new(command).render(&mut page) {
            Ok(()) => exit::after_printing(output::print(&String::from_utf8_lossy(&page))),
            Err(error) => exit::environment(&format!("cannot write the page: {error}")),
        };
    };
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory).map(drop));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let directory = directory.display();
            exit::environment(&format!(
                "cannot write pages into {directory}: {error}; name a directory you may write to"
            ))
        }
    }
}
