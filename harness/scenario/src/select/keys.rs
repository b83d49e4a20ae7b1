//! The keys that an expression may use.

use std::collections::BTreeSet;

use super::expression::Key;
use crate::model::Scenario;
use crate::plan::Cell;
use crate::problem::did_you_mean;

/// Labels that scenarios have by convention: they are keys even where no scenario at hand has them.
const LABELS: [&str; 5] = ["part", "phase", "via", "variant", "option"];

/// Before the key of a label.
const LABEL: &str = "label.";
/// Before the key of a parameter.
const PARAM: &str = "params.";

/// The keys that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    labels: BTreeSet<String>,
    params: BTreeSet<String>,
}

impl Keys {
    /// Those of `scenarios` and `cells`.
    #[must_use]
    pub fn of<'s>(scenarios: impl IntoIterator<Item = &'s Scenario>, cells: &[Cell]) -> Self {
        let used = scenarios.into_iter().flat_map(|scenario| scenario.labels.keys().cloned());
        Self {
            labels: LABELS.into_iter().map(str::to_owned).chain(used).collect(),
            params: cells.iter().flat_map(|cell| cell.params.keys().cloned()).collect(),
        }
    }

    /// The key that `text` names; else what may be meant.
    pub(super) fn find(&self, text: &str) -> Result<Key, String> {
        let known = |keys: &BTreeSet<String>, key: &str| keys.contains(key).then(|| key.to_owned());
        let found = match text {
            "name" => Some(Key::Name),
            "release" => Some(Key::Release),
            _ => match (text.strip_prefix(LABEL), text.strip_prefix(PARAM)) {
                (Some(label), _) => known(&self.labels, label).map(Key::Label),
                (None, Some(param)) => known(&self.params, param).map(Key::Param),
                (None, None) => known(&self.labels, text).map(Key::Label),
            },
        };
        found.ok_or_else(|| self.suggestion(text))
    }

    fn suggestion(&self, text: &str) -> String {
        let own = ["name", "release"];
        let labels = self.labels.iter().filter(|label| !own.contains(&label.as_str()));
        let plain = own.into_iter().map(str::to_owned).chain(labels.cloned());
        let params = self.params.iter().map(|param| format!("{PARAM}{param}"));
        let keys: Vec<String> = if text.starts_with(LABEL) {
            self.labels.iter().map(|label| format!("{LABEL}{label}")).collect()
        } else {
            plain.chain(params).collect()
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        did_you_mean(text, "keys", &keys).unwrap_or_default()
    }
}
