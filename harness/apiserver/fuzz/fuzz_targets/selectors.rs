//! Selectors of labels and of fields are read, or refused, and select or do not.
#![no_main]

use apiserver::fuzzing::selects;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|given: (&str, &str, &str, &str)| {
    let (labels, fields, key, value) = given;
    let object = json!({
        "metadata": {"name": value, "namespace": key, "labels": {key: value, "a": "b"}},
        "spec": {"nodeName": value},
    });
    let (by_labels, by_fields) = selects(labels, fields, &object);
    // What nothing is asked of selects everything.
    assert!(!labels.is_empty() || by_labels == Some(true));
    assert!(!fields.is_empty() || by_fields == Some(true));
});
