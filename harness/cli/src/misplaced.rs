//! Options for a provider that does not run: they would do nothing, and a run on other clusters than those that were
//! meant must not pass.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, Error, ValueEnum as _};

use crate::arguments::ProviderName;

/// What the heading of a provider's own options begins with; the provider's name follows.
const HEADING: &str = "Options for --provider ";
/// The arguments that name providers. Where `require` is given it counts, and `provider` may come from the environment.
const NAMING: [&str; 3] = ["require", "provider", "providers"];

/// Refuses what was typed for a provider that the command does not use. Variables of the environment are set once for all
/// runs, and are no mistake.
pub fn refuse(command: &mut Command, matches: &ArgMatches) -> Result<(), Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    let Some(asked) = command.find_subcommand(name) else { return Ok(()) };
    let Some(message) = contradiction(matches).or_else(|| misplaced(asked, matches)) else { return Ok(()) };
    // The usage that the error shows has the whole command then.
    command.build();
    command.find_subcommand_mut(name).map_or(Ok(()), |asked| Err(asked.error(ErrorKind::ArgumentConflict, message)))
}

fn typed(matches: &ArgMatches, id: &str) -> bool {
    // Asking for an argument that the command has not would be a panic.
    let has = matches.ids().any(|known| known == id);
    has && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The providers that the argument `id` names.
fn named(matches: &ArgMatches, id: &str) -> Vec<String> {
    let names = matches.try_get_many::<ProviderName>(id).ok().flatten().into_iter().flatten();
    names.filter_map(|name| Some(name.to_possible_value()?.get_name().to_owned())).collect()
}

fn contradiction(matches: &ArgMatches) -> Option<String> {
    let (required, given) = (named(matches, "require"), named(matches, "provider"));
    let (required, given) = (required.first()?, given.first()?);
    let differs = typed(matches, "provider") && required != given;
    differs.then(|| format!("--require {required} stands for --provider {required}, and --provider {given} is given"))
}

fn misplaced(command: &Command, matches: &ArgMatches) -> Option<String> {
    let used = NAMING.iter().map(|id| named(matches, id)).find(|names| !names.is_empty())?;
    command.get_arguments().find_map(|argument| {
        let provider = argument.get_help_heading()?.strip_prefix(HEADING)?;
        let misplaced = typed(matches, argument.get_id().as_str()) && !used.iter().any(|used| used == provider);
        let option = argument.get_long()?;
        misplaced.then(|| format!("--{option} is for --provider {provider}, and the provider is {}", used.join(", ")))
    })
}
