//! The JSON Schema (draft 2020-12) of a scenario file, for editors. The parser stays the judge: what it knows beside the
//! form (variables, steps that a check names, which step may have which key) a schema cannot say.
//!
//! Words and names come from the tables that the parser uses.

mod check;
mod given;
mod reference;
mod step;

use serde_json::{Value, json};

pub use reference::reference;

use crate::known::Known;
use crate::parse::tables;

/// Where the schema is published.
pub const ID: &str = "https://raw.githubusercontent.com/kubesphere/ks-e2e/main/scenarios/schema.json";

/// The first line of a scenario file by which an editor's YAML language server finds the schema.
#[must_use]
pub fn editor_line() -> String {
    format!("# yaml-language-server: $schema={ID}\n")
}

/// The schema of the files that a parser with this knowledge takes.
#[must_use]
pub fn schema(known: &Known<'_>) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "ks-e2e scenario",
        "description": "A documented procedure of KubeSphere on given preconditions, with checks.",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"const": tables::API_VERSION},
            "kind": {"const": tables::KIND},
            "metadata": metadata(),
            "spec": spec(),
        },
        "$defs": {
            "text": {"type": "string", "pattern": "\\S"},
            "scalar": {"type": ["string", "integer", "boolean", "null"]},
            "duration": {
                "description": "A whole number with a unit, as 500ms, 60s, 2m or 1h.",
                "type": "string",
                "pattern": "^0*[1-9][0-9]*(ms|s|m|h)$",
            },
            "pattern": {"description": "A regular expression; ^ and $ match at line ends.", "type": "string", "pattern": "\\S"},
            "requirement": {
                "description": format!(
                    "Comparisons with a release, with commas between, all of which hold, as \">=3.3.0, <3.4.1\"; \"*\" for all. Releases: {}.",
                    known.releases.join(", ")
                ),
                "type": "string",
                "pattern": r"^\s*(\*|(>=|<=|>|<|=)?\s*v?\d+\.\d+(\.\d+)?(\s*,\s*(>=|<=|>|<|=)?\s*v?\d+\.\d+(\.\d+)?)*)\s*$",
                "examples": known.releases.iter().map(|release| format!(">={release}")).collect::<Vec<_>>(),
            },
            "cluster": {"enum": words(&tables::CLUSTERS)},
            "delay": {"description": "What takes its time in a cluster.", "enum": known.delays},
            "fields": {
                "description": "Values to set, by the path of the field, as spec.multicluster.clusterRole: host.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": r"^[^.]+(\.[^.]+)*$"},
                "additionalProperties": {"$ref": "#/$defs/scalar"},
            },
            "given": given::cluster(known),
            "objects": step::objects(),
            "step": step::step(),
            "console": step::console(),
            "kubeconfig": step::kubeconfig(),
            "check": check::check(known.checks),
        },
    })
}

fn metadata() -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {
                "description": "Unique name: lower-case letters, digits and -.",
                "type": "string",
                "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
            },
            "labels": {
                "description": "Labels to select by: part, phase, via, variant, option and others.",
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/scalar"},
            },
        },
    })
}

fn spec() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "anyOf": [{"required": ["steps"]}, {"required": ["checks"]}],
        "properties": {
            "page": {
                "description": "The page of the documentation whose procedure this is.",
                "type": "object",
                "required": ["name"],
                "additionalProperties": false,
                "properties": {
                    "name": {"description": "The page, as direct-connection.", "$ref": "#/$defs/text"},
                    "section": {"description": "Its heading.", "$ref": "#/$defs/text"},
                    "option": {"description": "Which of the ways that it shows.", "$ref": "#/$defs/text"},
                },
            },
            "releases": {"description": "Releases that it is for; all when absent.", "$ref": "#/$defs/requirement"},
            "given": {
                "description": "What the clusters hold before the first step. Without a member there is no second cluster.",
                "type": "object",
                "additionalProperties": false,
                "properties": {"host": {"$ref": "#/$defs/given"}, "member": {"$ref": "#/$defs/given"}},
            },
            "matrix": {
                "description": "A cell for each combination of values, which stand in place of ${parameter} anywhere else.",
                "type": "object",
                "propertyNames": {"pattern": "^[a-z][A-Za-z0-9]*$", "not": {"enum": tables::BUILT_IN}},
                "additionalProperties": {
                    "oneOf": [
                        {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/scalar"}},
                        {
                            "description": "Values with a name, and the variables that each sets.",
                            "type": "object",
                            "minProperties": 1,
                            "propertyNames": {"pattern": "^[A-Za-z0-9._-]+$"},
                            "additionalProperties": {
                                "type": "object",
                                "propertyNames": {"pattern": "^[a-z][A-Za-z0-9]*$"},
                                "additionalProperties": {"$ref": "#/$defs/scalar"},
                            },
                        },
                    ],
                },
            },
            "steps": {"description": "What is done, in this order.", "type": "array", "items": {"$ref": "#/$defs/step"}},
            "finally": {
                "description": "Steps that are done at the end, whatever happened before.",
                "type": "array",
                "items": {"$ref": "#/$defs/step"},
            },
            "checks": {"description": "What holds in the end.", "type": "array", "items": {"$ref": "#/$defs/check"}},
            "knownIssue": {
                "description": "The one step or check that is known to fail. Where it does, what follows is done and looked at all the same.",
                "type": "object",
                "required": ["fails", "reference", "text"],
                "additionalProperties": false,
                "properties": {
                    "fails": {"description": "Name of the step or check.", "$ref": "#/$defs/text"},
                    "releases": {"description": "Releases on which it fails; all when absent.", "$ref": "#/$defs/requirement"},
                    "reference": {"description": "Where it is known from.", "$ref": "#/$defs/text"},
                    "text": {"description": "What the failure says.", "$ref": "#/$defs/pattern"},
                },
            },
        },
    })
}

/// The words of one of the parser's tables.
fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}
