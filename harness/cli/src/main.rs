//! `ks-e2e`: runs KubeSphere's documented direct-connection procedures as scenarios, and says which step does not hold.

mod arguments;
mod completion;
mod defect;
mod down;
mod exit;
mod explain;
mod image;
mod keep;
mod lint;
mod list;
mod man;
mod misplaced;
mod new;
mod output;
mod parity;
mod provider;
mod provider_options;
mod release;
mod report_directory;
mod report_files;
mod rounds;
mod run;
mod scenarios;
mod schema;
mod shape;
mod signals;
mod sweep;
mod up;

use std::process::ExitCode;

use arguments::{Arguments, Command};

/// A quarter of a run is spent on memory: objects are trees of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = engine::serve_hidden() {
        return code;
    }
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => return exit::clap(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::environment(&format!("cannot start: {error}")),
    };
    runtime.block_on(async {
        match arguments.command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::List(arguments) => list::list(&arguments),
            Command::Explain(arguments) => explain::explain(&arguments),
            Command::New(arguments) => new::new(&arguments),
            Command::Lint(arguments) => lint::lint(&arguments),
            Command::Schema(arguments) => schema::schema(&arguments),
            Command::Up(arguments) => up::up(arguments).await,
            Command::Down(arguments) => down::down(arguments).await,
            Command::Parity(arguments) => parity::parity(&arguments).await,
            Command::Report(arguments) => report_files::report(&arguments),
            Command::Image(arguments) => image::image(arguments).await,
            Command::Sweep => sweep::sweep(),
            Command::Completion(arguments) => completion::completion(&arguments),
            Command::Man(arguments) => man::man(&arguments),
        }
    })
}
