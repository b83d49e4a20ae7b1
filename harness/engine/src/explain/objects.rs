//! Steps that wait for objects: in words, and as a test that is made again until it holds.

use scenario::model::{Objects, Step, Wanted};
use serde_json::Value;

use super::ExplainedStep;
use super::quote::{Names, word};
use super::step::seconds;
use crate::partial::{identity, plain};

/// Tells the step at `index`, which waits for `objects`.
pub fn tell(told: &mut ExplainedStep, step: &Step, index: usize, objects: &Objects, names: &Names) {
    let Objects { wanted, partial } = objects;
    let within = seconds(step.timeout);
    told.words.push(match wanted {
        Wanted::Some => format!("Wait, for {within} at most, until an object is as this one says:"),
        Wanted::None => format!("Wait, for {within} at most, until no object is as this one says:"),
        Wanted::Absent => format!("Wait, for {within} at most, until there is no such object:"),
    });
    told.words.push(format!("  {partial}"));
    let get = get(partial, names);
    let shown = format!("{get} -o yaml --ignore-not-found");
    let Some(test) = test(*wanted, &get, tests(partial, &get, names)) else {
        told.words.push("Several objects may be meant, or values that no path names: look yourself.".to_owned());
        told.shell.push(shown);
        return;
    };
    let name = format!("step_{}", index + 1);
    told.shell.extend([format!("{name}() {{"), format!("    {test}"), "}".to_owned()]);
    told.shell.push(format!("again {} {name} || {{ {shown}; false; }}", step.timeout.as_secs().max(1)));
}

/// What is true once the objects are as `wanted`, given the tests of their values; none where these are not known.
fn test(wanted: Wanted, get: &str, of_values: Option<Vec<String>>) -> Option<String> {
    // In two steps, so that a cluster that does not answer is no object that is not there.
    let found = format!("found=$({get} --ignore-not-found -o name)");
    let there = format!("{found} && [ -n \"$found\" ]");
    let absent = format!("{found} && [ -z \"$found\" ]");
    if wanted == Wanted::Absent {
        return Some(absent);
    }
    let of_values = of_values?;
    Some(match (wanted, of_values.is_empty()) {
        (Wanted::Some, true) => there,
        (Wanted::Some, false) => of_values.join(" &&\n        "),
        (Wanted::None | Wanted::Absent, true) => absent,
        (Wanted::None | Wanted::Absent, false) => {
            format!("{found} &&\n        {{ [ -z \"$found\" ] || ! {{ {}; }}; }}", of_values.join(" && "))
        }
    })
}

/// `kubectl get` of the objects that `partial` may mean.
fn get(partial: &Value, names: &Names) -> String {
    let (version, kind) = (plain(&partial["apiVersion"]), plain(&partial["kind"]));
    let resource = match version.split_once('/') {
        Some((group, version)) => format!("{kind}.{version}.{group}"),
        None => kind,
    };
    let metadata = &partial["metadata"];
    let mut words = vec!["kubectl get".to_owned(), resource];
    words.extend(metadata["name"].as_str().map(|name| word(name, names)));
    words.extend(metadata["namespace"].as_str().map(|namespace| format!("-n {}", word(namespace, names))));
    if metadata["name"].is_null() {
        if metadata["namespace"].is_null() {
            // Which is ignored where objects have no namespace.
            words.push("--all-namespaces".to_owned());
        }
        // kubectl takes no selector beside a name.
        let labels = metadata["labels"].as_object().into_iter().flatten();
        words.extend(labels.map(|(key, value)| format!("-l {}", word(&format!("{key}={}", plain(value)), names))));
    }
    words.join(" ")
}

/// A test for each value of `partial` that `get` does not ask for already; none where one object alone cannot be meant, or
/// a value has no path of its own.
fn tests(partial: &Value, get: &str, names: &Names) -> Option<Vec<String>> {
    let has_name = partial["metadata"]["name"].is_string();
    let mut wanted = partial.clone();
    for (section, keys) in [("/metadata", ["name", "namespace", "labels"]), ("", ["apiVersion", "kind", ""])] {
        let fields = wanted.pointer_mut(section).and_then(Value::as_object_mut);
        if let Some(fields) = fields {
            fields.retain(|key, _| !keys.contains(&key.as_str()) || (has_name && key == "labels"));
        }
    }
    let mut values = Vec::new();
    leaves(&wanted, "", &mut values)?;
    if !has_name && !values.is_empty() {
        return None;
    }
    let test = |(path, value): (String, String)| {
        format!("[ \"$({get} -o {})\" = {} ]", word(&format!("jsonpath={{{path}}}"), names), word(&value, names))
    };
    Some(values.into_iter().map(test).collect())
}

/// The paths of all values below `path`, as kubectl's `JSONPath` has them, with the values as it prints them.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, String)>) -> Option<()> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(key, value)| leaves(value, &format!("{path}.{}", key.replace('.', r"\.")), found)),
        Value::Array(items) => items.iter().try_for_each(|item| {
            let (key, name) = identity(item).and_then(|(key, name)| Some((key, name.as_str()?)))?;
            let mut rest = item.clone();
            rest.as_object_mut()?.retain(|other, _| other != key || item.as_object().is_some_and(|all| all.len() == 1));
            leaves(&rest, &format!("{path}[?(@.{key}==\"{name}\")]"), found)
        }),
        Value::Null => {
            found.push((path.to_owned(), String::new()));
            Some(())
        }
        scalar => {
            found.push((path.to_owned(), plain(scalar)));
            Some(())
        }
    }
}

#[cfg(test)]
mod tests_of_values {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::deep(json!({"a": {"b": 1, "c": true}}), Some(vec![(".a.b", "1"), (".a.c", "true")]))]
    #[case::dots(json!({"a": {"b.c/d": "x"}}), Some(vec![(r".a.b\.c/d", "x")]))]
    #[case::condition(
        json!({"l": [{"type": "Ready", "status": "True"}]}),
        Some(vec![(".l[?(@.type==\"Ready\")].status", "True")])
    )]
    #[case::item_alone(json!({"l": [{"name": "a"}]}), Some(vec![(".l[?(@.name==\"a\")].name", "a")]))]
    #[case::not_there(json!({"a": null}), Some(vec![(".a", "")]))]
    #[case::no_path(json!({"l": ["a"]}), None)]
    fn names_every_value(#[case] value: Value, #[case] expected: Option<Vec<(&str, &str)>>) {
        let mut found = Vec::new();
        let all = leaves(&value, "", &mut found).map(|()| found);
        let expected =
            expected.map(|all| all.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect());
        assert_eq!(all, expected);
    }

    #[rstest]
    #[case::named(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"b": "c"}}}), Some(1))]
    #[case::by_label(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"b": "c"}}}), Some(0))]
    #[case::several(json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": "Running"}}), None)]
    fn tests_what_kubectl_is_not_asked_for(#[case] partial: Value, #[case] expected: Option<usize>) {
        let names = Names::none();
        let tests = tests(&partial, &get(&partial, &names), &names);
        assert_eq!(tests.map(|tests| tests.len()), expected);
    }
}
