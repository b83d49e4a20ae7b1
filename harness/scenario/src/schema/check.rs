//! Checks, from the table of those that there are.

use serde_json::{Map, Value, json};

use crate::known::{ArgSpec, CheckSignature};

/// `- name`, or `- name: {argument: value}`.
pub fn check(signatures: &[CheckSignature]) -> Value {
    let needs_none = |signature: &&CheckSignature| signature.args.iter().all(|arg| !arg.required);
    let names = signatures.iter().filter(needs_none);
    let names: Vec<Value> =
        names.map(|signature| json!({"const": signature.name, "description": signature.about})).collect();
    let calls: Map<String, Value> =
        signatures.iter().map(|signature| (signature.name.to_owned(), arguments(signature))).collect();
    json!({
        "oneOf": [
            {"anyOf": names},
            {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": calls},
        ],
    })
}

fn arguments(signature: &CheckSignature) -> Value {
    let required: Vec<&str> = signature.args.iter().filter(|arg| arg.required).map(|arg| arg.name).collect();
    let properties: Map<String, Value> =
        signature.args.iter().map(|arg| (arg.name.to_owned(), argument(arg))).collect();
    let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({
        "description": signature.about,
        "type": kind,
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn argument(arg: &ArgSpec) -> Value {
    if arg.values.is_empty() {
        return json!({"description": arg.about, "$ref": "#/$defs/scalar"});
    }
    // `is: true` and `is: "true"` are the same to the parser.
    let mut values: Vec<Value> = arg.values.iter().map(|value| json!(value)).collect();
    values.extend(arg.values.iter().filter_map(|value| value.parse::<bool>().ok()).map(Value::Bool));
    json!({"description": arg.about, "enum": values})
}
