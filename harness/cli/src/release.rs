//! Names of releases on the command line.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};
use engine::library;

/// Takes any text, which is judged together with the scenarios, and knows the releases for help and completions.
#[derive(Clone)]
pub struct ReleaseParser;

impl TypedValueParser for ReleaseParser {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(library::release_names().into_iter().map(PossibleValue::new)))
    }
}
