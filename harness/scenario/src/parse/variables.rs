//! `${variable}` in texts.

use std::collections::BTreeSet;

use super::fields::Notes;
use super::node::Position;
use crate::problem::did_you_mean;

/// Variables that need no capture: `release` is the KubeSphere release of the cell, as `3.3.2`.
pub const BUILT_IN: [&str; 1] = ["release"];

/// The variables that stand for a value at this point of the file.
pub struct Variables {
    defined: BTreeSet<String>,
}

impl Variables {
    pub fn new() -> Self {
        Self { defined: BUILT_IN.iter().map(|name| (*name).to_owned()).collect() }
    }

    pub fn define(&mut self, name: &str) {
        self.defined.insert(name.to_owned());
    }

    /// Notes every variable of `text` that stands for nothing yet.
    pub fn check(&self, text: &str, at: Position, notes: &mut Notes<'_>) {
        let mut seen = BTreeSet::new();
        for name in used(text) {
            if !self.defined.contains(name) && seen.insert(name) {
                let defined: Vec<&str> = self.defined.iter().map(String::as_str).collect();
                let kind = format!("the shell's own are written ${name}, and variables here");
                let help = did_you_mean(name, &kind, &defined);
                notes.note(at, format!("no earlier step captures \"${{{name}}}\""), help);
            }
        }
    }
}

/// Whether `name` can be a variable: a lower-case letter, then letters and digits.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|character| character.is_ascii_alphanumeric())
}

/// The variables in a text. `${TOKEN}` and `${name:-default}` belong to the shell.
pub fn used(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).filter(|name| is_name(name))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kubectl get ${name}", &["name"])]
    #[case("${a}${b2} ${a}", &["a", "b2", "a"])]
    #[case("--token=${TOKEN} $name {name}", &[])]
    #[case("${name:-x} ${a b} ${", &[])]
    #[case("$(echo ${inner})", &["inner"])]
    fn finds_variables_but_not_the_shells(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(used(text).collect::<Vec<_>>(), expected);
    }
}
