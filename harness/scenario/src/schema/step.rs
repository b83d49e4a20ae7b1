//! Steps.

use serde_json::{Map, Value, json};

use super::words;
use crate::parse::tables;

/// What a step can do, and the keys that go with it alone.
const KINDS: [(&str, &[&str]); 8] = [
    ("run", &["edit", "capture", "until", "retry", "expect"]),
    ("file", &["edit"]),
    ("console", &["retry", "expect"]),
    ("assert", &[]),
    ("error", &[]),
    ("absent", &[]),
    ("hold", &[]),
    ("release", &[]),
];

/// One step: what it does is told by the one key of [`KINDS`] that it has.
pub fn step() -> Value {
    let kinds: Vec<Value> = KINDS.into_iter().map(|(kind, others)| of_kind(kind, others)).collect();
    json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"description": "What the person does; unique in the file.", "$ref": "#/$defs/text"},
            "on": {"description": "The cluster; host where absent from a step in the console.", "$ref": "#/$defs/cluster"},
            "run": {"description": "A command line, verbatim from the page.", "$ref": "#/$defs/text"},
            "file": {"description": "A file of the working directory, to be edited.", "$ref": "#/$defs/text"},
            "edit": {"description": "What a person sets in the editor that the command opens, or in the file.", "$ref": "#/$defs/fields"},
            "console": {"description": "What a person does in the console.", "$ref": "#/$defs/console"},
            "assert": {"description": "Waits until some object is as this one says.", "$ref": "#/$defs/objects"},
            "error": {"description": "Waits until no object is as this one says.", "$ref": "#/$defs/objects"},
            "absent": {"description": "Waits until no object has this name and these labels.", "$ref": "#/$defs/objects"},
            "hold": {"description": "No delay of this name ends, until it is released.", "$ref": "#/$defs/delay"},
            "release": {"description": "Delays of this name end again.", "$ref": "#/$defs/delay"},
            "capture": {
                "description": "Variables and the patterns that find their values on standard output: first group, else whole match.",
                "type": "object",
                "propertyNames": {"pattern": "^[a-z][A-Za-z0-9]*$", "not": {"enum": tables::BUILT_IN}},
                "additionalProperties": {"$ref": "#/$defs/pattern"},
            },
            "until": {
                "description": "Ends the command by its own output; for `kubectl logs -f`, said once more than before the last step on the cluster that waits for no output.",
                "type": "object",
                "required": ["output", "within"],
                "additionalProperties": false,
                "properties": {
                    "output": {"description": "Text on standard output.", "$ref": "#/$defs/text"},
                    "within": {"description": "The longest wait, on the clusters' clock.", "$ref": "#/$defs/duration"},
                },
            },
            "retry": {"description": "For how long the command is given again, or the console asked again, while it does not end well.", "$ref": "#/$defs/duration"},
            "timeout": {"description": "Longest duration; 5m when absent.", "$ref": "#/$defs/duration"},
            "expect": {
                "description": "What a good end is.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "exitCode": {"description": "How the command ends.", "type": "integer", "minimum": 0, "maximum": 255, "default": 0},
                    "stdout": {"description": "Text that is on standard output.", "$ref": "#/$defs/text"},
                    "stderr": {"description": "Text that is on standard error.", "$ref": "#/$defs/text"},
                    "refused": {"description": "What the console shows; then it has to refuse.", "$ref": "#/$defs/text"},
                },
            },
        },
        "oneOf": kinds,
    })
}

/// A step of one kind: it has none of the others, and no key that goes with those alone.
fn of_kind(kind: &str, others: &[&str]) -> Value {
    let alone = KINDS.iter().flat_map(|(_, keys)| keys.iter().copied()).filter(|key| !others.contains(key));
    let other_kinds = KINDS.iter().map(|(key, _)| *key).filter(|key| *key != kind);
    let mut properties: Map<String, Value> =
        other_kinds.chain(alone).map(|key| (key.to_owned(), Value::Bool(false))).collect();
    let expect = match kind {
        "run" => Some(json!({"properties": {"refused": false}})),
        "console" => Some(json!({"properties": {"exitCode": false, "stdout": false, "stderr": false}})),
        _ => None,
    };
    properties.extend(expect.map(|expect| ("expect".to_owned(), expect)));
    let required = match kind {
        "run" | "assert" | "error" | "absent" => vec![kind, "on"],
        "file" => vec![kind, "on", "edit"],
        _ => vec![kind],
    };
    json!({"required": required, "properties": properties})
}

/// What is done in the console; each act is a key of the table that the parser uses.
pub fn console() -> Value {
    let acts: Map<String, Value> =
        tables::CONSOLE_ACTS.iter().map(|(act, _)| ((*act).to_owned(), act_of(act))).collect();
    json!({"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": acts})
}

fn act_of(act: &str) -> Value {
    let name = json!({"description": "Name of the cluster.", "$ref": "#/$defs/scalar"});
    let kubeconfig = json!({"description": "What is pasted.", "$ref": "#/$defs/kubeconfig"});
    let (about, required, properties) = match act {
        "editClusterConfiguration" => {
            return json!({"description": "CRDs, ClusterConfiguration, ks-installer, Edit YAML: sets these fields.", "$ref": "#/$defs/fields"});
        }
        "removeCluster" => ("Removes an imported cluster.", vec!["name"], json!({"name": name})),
        "importCluster" => {
            let text = |label: &str| json!({"description": label, "$ref": "#/$defs/text"});
            let properties = json!({
                "name": name,
                "alias": text("Alias."),
                "tag": text("Tag."),
                "provider": text("Provider."),
                "description": text("Description."),
                "kubeconfig": kubeconfig,
                "editMode": {
                    "description": "The step of the form on which the person switches to YAML.",
                    "enum": words(&tables::EDIT_MODES),
                },
                "edit": {"description": "What is changed in the YAML.", "$ref": "#/$defs/fields"},
            });
            ("Add Cluster, Direct connection: fills the form in and sends it.", vec!["name", "kubeconfig"], properties)
        }
        _ => {
            let about = "Update KubeConfig of an imported cluster.";
            (about, vec!["name", "kubeconfig"], json!({"name": name, "kubeconfig": kubeconfig}))
        }
    };
    json!({"description": about, "type": "object", "required": required, "additionalProperties": false, "properties": properties})
}

/// An object in part.
pub fn objects() -> Value {
    json!({
        "description": "An object in part, as {apiVersion: v1, kind: Namespace, metadata: {name: demo}, status: {phase: Active}}. It may hold more than that; of a list each item is looked for, wherever it stands. Values are equal or not: there are no patterns, and null means not there.",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"apiVersion": {"$ref": "#/$defs/text"}, "kind": {"$ref": "#/$defs/text"}},
    })
}

/// A kubeconfig that is pasted.
pub fn kubeconfig() -> Value {
    json!({
        "type": "object",
        "oneOf": [{"required": ["of"]}, {"required": ["output"]}, {"required": ["text"]}],
        "additionalProperties": false,
        "properties": {
            "of": {"description": "Whose it is.", "$ref": "#/$defs/cluster"},
            "output": {"description": "The step that printed it.", "$ref": "#/$defs/text"},
            "text": {"description": "The text itself.", "$ref": "#/$defs/scalar"},
            "server": {"description": "Written over the server in it.", "$ref": "#/$defs/text"},
        },
    })
}
