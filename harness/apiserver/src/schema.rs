//! Structural schemas of custom resources: validation, pruning and defaults, in the words of kube-apiserver 1.20.

use serde_json::Value;

use crate::status::{Cause, quoted};

/// Fields that are part of every object, whatever its schema says.
const OBJECT_FIELDS: &[&str] = &["apiVersion", "kind", "metadata"];

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema
        .get("properties")
        .and_then(|properties| properties.get(name))
        .or_else(|| schema.get("additionalProperties").filter(|additional| additional.is_object()))
}

/// Removes what `schema` does not name. `root` marks a whole object, whose own fields stay.
pub fn prune(schema: &Value, value: &mut Value, root: bool) {
    match value {
        Value::Object(map) => {
            let keep_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
            let embedded = root || flag(schema, "x-kubernetes-embedded-resource");
            let open = schema.get("additionalProperties") == Some(&Value::Bool(true));
            map.retain(|name, inner| {
                if embedded && OBJECT_FIELDS.contains(&name.as_str()) {
                    return true;
                }
                match property(schema, name) {
                    Some(known) => {
                        prune(known, inner, false);
                        true
                    }
                    None => keep_unknown || open,
                }
            });
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    prune(schema, item, false);
                }
            }
        }
        _ => {}
    }
}

/// Fills in the defaults of `schema`; a null where null is not allowed counts as absent.
pub fn fill_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, inner| {
                !inner.is_null() || property(schema, name).is_none_or(|known| flag(known, "nullable"))
            });
            for (name, known) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if let Some(default) = known.get("default") {
                    map.entry(name).or_insert_with(|| default.clone());
                }
            }
            for (name, inner) in map.iter_mut() {
                if let Some(known) = property(schema, name) {
                    fill_defaults(known, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    fill_defaults(schema, item);
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with `value` by `schema`. Paths are as the original writes them: without the indices of lists.
#[must_use]
pub fn validate(schema: &Value, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(schema, value, "", &mut causes);
    causes
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_whole(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn invalid(path: &str, shown: &str, detail: &str) -> Cause {
    let place = if path.is_empty() { "<nil>" } else { path };
    Cause::invalid(place, shown, &format!("{path} in body {detail}"))
}

fn check(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && flag(schema, "nullable") {
        return;
    }
    check_type(schema, value, path, causes);
    check_enum(schema, value, path, causes);
    match value {
        Value::String(text) => check_text(schema, text, path, causes),
        Value::Number(_) => check_number(schema, value, path, causes),
        Value::Array(items) => check_list(schema, items, path, causes),
        Value::Object(map) => check_object(schema, map, path, causes),
        _ => {}
    }
    check_combinations(schema, value, path, causes);
}

fn check_type(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if flag(schema, "x-kubernetes-int-or-string") {
        if !value.is_string() && !is_whole(value) {
            let found = type_name(value);
            let detail = format!("must be of type integer,string: {}", quoted(found));
            causes.push(invalid(path, &quoted(found), &detail));
        }
        return;
    }
    let Some(wanted) = schema.get("type").and_then(Value::as_str) else { return };
    let found = type_name(value);
    if wanted != found && !(wanted == "number" && found == "integer") {
        let detail = format!("must be of type {wanted}: {}", quoted(found));
        causes.push(invalid(path, &quoted(found), &detail));
    }
}

fn check_enum(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        let supported: Vec<String> =
            allowed.iter().map(|value| value.as_str().map_or_else(|| quoted(&value.to_string()), quoted)).collect();
        causes.push(Cause::unsupported(path, value, &supported));
    }
}

fn check_text(schema: &Value, text: &str, path: &str, causes: &mut Vec<Cause>) {
    let shown = quoted(text);
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    if let Some(most) = schema.get("maxLength").and_then(Value::as_u64).filter(|most| length > *most) {
        causes.push(invalid(path, &shown, &format!("should be at most {most} chars long")));
    }
    if let Some(least) = schema.get("minLength").and_then(Value::as_u64).filter(|least| length < *least) {
        causes.push(invalid(path, &shown, &format!("should be at least {least} chars long")));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && regex::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
    {
        causes.push(invalid(path, &shown, &format!("should match '{pattern}'")));
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && schema.get("type").and_then(Value::as_str) == Some("string")
        && !has_format(format, text)
    {
        causes.push(invalid(path, &shown, &format!("must be of type {format}: {shown}")));
    }
}

/// Whether `text` has `format`; formats that are not known hold for everything, as in the original.
fn has_format(format: &str, text: &str) -> bool {
    match format {
        "byte" => is_base64(text),
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => uuid::Uuid::try_parse(text).is_ok(),
        _ => true,
    }
}

/// Base64 with padding and at least one group.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    !body.is_empty()
        && padding <= 2
        && text.len().is_multiple_of(4)
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

fn check_number(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    let shown = value.to_string();
    if let Some(most) = schema.get("maximum").and_then(Value::as_f64) {
        if flag(schema, "exclusiveMaximum") && number >= most {
            causes.push(invalid(path, &shown, &format!("should be less than {most}")));
        } else if number > most {
            causes.push(invalid(path, &shown, &format!("should be less than or equal to {most}")));
        }
    }
    if let Some(least) = schema.get("minimum").and_then(Value::as_f64) {
        if flag(schema, "exclusiveMinimum") && number <= least {
            causes.push(invalid(path, &shown, &format!("should be greater than {least}")));
        } else if number < least {
            causes.push(invalid(path, &shown, &format!("should be greater than or equal to {least}")));
        }
    }
    if let Some(step) = schema.get("multipleOf").and_then(Value::as_f64)
        && step > 0.0
        && (number / step).fract() != 0.0
    {
        causes.push(invalid(path, &shown, &format!("should be a multiple of {step}")));
    }
}

fn check_list(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
    if let Some(most) = schema.get("maxItems").and_then(Value::as_u64).filter(|most| length > *most) {
        causes.push(invalid(path, &length.to_string(), &format!("should have at most {most} items")));
    }
    if let Some(least) = schema.get("minItems").and_then(Value::as_u64).filter(|least| length < *least) {
        causes.push(invalid(path, &length.to_string(), &format!("should have at least {least} items")));
    }
    if let Some(inner) = schema.get("items") {
        for item in items {
            check(inner, item, path, causes);
        }
    }
}

fn check_object(schema: &Value, map: &serde_json::Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let length = u64::try_from(map.len()).unwrap_or(u64::MAX);
    if let Some(most) = schema.get("maxProperties").and_then(Value::as_u64).filter(|most| length > *most) {
        causes.push(invalid(path, &length.to_string(), &format!("should have at most {most} properties")));
    }
    if let Some(least) = schema.get("minProperties").and_then(Value::as_u64).filter(|least| length < *least) {
        causes.push(invalid(path, &length.to_string(), &format!("should have at least {least} properties")));
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            causes.push(Cause::required(below(name), ""));
        }
    }
    for (name, inner) in map {
        // The object's own fields have rules of their own, checked before.
        if path.is_empty() && OBJECT_FIELDS.contains(&name.as_str()) {
            continue;
        }
        if let Some(known) = property(schema, name) {
            check(known, inner, &below(name), causes);
        }
    }
}

fn check_combinations(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let alternatives = |key: &str| schema.get(key).and_then(Value::as_array);
    let faults = |schema: &Value| {
        let mut found = Vec::new();
        check(schema, value, path, &mut found);
        found
    };
    let holds = |schema: &Value| faults(schema).is_empty();
    let mut failed = |detail: &str, nearest: Option<&Value>| {
        // The original names no field here, and adds what the nearest alternative lacks.
        causes.push(Cause::invalid("<nil>", "\"\"", &format!("{} {detail}", quoted(path))));
        causes.extend(nearest.into_iter().flat_map(&faults));
    };
    if let Some(any) = alternatives("anyOf")
        && !any.iter().any(holds)
    {
        failed("must validate at least one schema (anyOf)", any.first());
    }
    if let Some(all) = alternatives("allOf")
        && !all.iter().all(holds)
    {
        failed("must validate all the schemas (allOf)", None);
    }
    if let Some(one) = alternatives("oneOf") {
        match one.iter().filter(|schema| holds(schema)).count() {
            1 => {}
            0 => failed("must validate one and only one schema (oneOf). Found none valid", one.first()),
            _ => failed("must validate one and only one schema (oneOf). Found more than 1 valid", None),
        }
    }
    if let Some(not) = schema.get("not")
        && holds(not)
    {
        failed("must not validate the schema (not)", None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["s"], "properties": {
            "s": {"type": "string", "pattern": "^a", "maxLength": 3},
            "k": {"type": "string", "format": "byte"},
            "e": {"type": "string", "enum": ["x", "y"]},
            "i": {"type": "integer", "minimum": 2, "maximum": 5},
            "d": {"type": "string", "default": "dd"},
            "l": {"type": "array", "items": {"type": "object", "properties": {"q": {"type": "string"}}}},
            "f": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
        }}}})
    }

    #[rstest]
    #[case(json!({"s": 1}), "spec.s", "Invalid value: \"integer\": spec.s in body must be of type string: \"integer\"")]
    #[case(json!({"s": "abcd"}), "spec.s", "Invalid value: \"abcd\": spec.s in body should be at most 3 chars long")]
    #[case(json!({"s": "b"}), "spec.s", "Invalid value: \"b\": spec.s in body should match '^a'")]
    #[case(json!({"s": "a", "k": "!!"}), "spec.k", "Invalid value: \"!!\": spec.k in body must be of type byte: \"!!\"")]
    #[case(json!({"s": "a", "e": "z"}), "spec.e", "Unsupported value: \"z\": supported values: \"x\", \"y\"")]
    #[case(json!({"s": "a", "i": 7}), "spec.i", "Invalid value: 7: spec.i in body should be less than or equal to 5")]
    #[case(json!({"s": "a", "l": [{"q": 1}]}), "spec.l.q", "Invalid value: \"integer\": spec.l.q in body must be of type string: \"integer\"")]
    #[case(json!({}), "spec.s", "Required value")]
    fn words_violations_as_the_original(#[case] spec: Value, #[case] field: &str, #[case] message: &str) {
        let causes = validate(&schema(), &json!({"spec": spec}));
        assert_eq!(causes.len(), 1, "{causes:?}");
        assert_eq!((causes[0].field.as_str(), causes[0].message.as_str()), (field, message));
    }

    #[test]
    fn prunes_what_the_schema_does_not_name() {
        let mut value = json!({"metadata": {"x": 1}, "foo": 1, "spec": {"s": "a", "zz": 1, "f": {"a": {"b": 1}}}});
        prune(&schema(), &mut value, true);
        assert_eq!(value, json!({"metadata": {"x": 1}, "spec": {"s": "a", "f": {"a": {"b": 1}}}}));
    }

    #[test]
    fn takes_nulls_for_absent() {
        let mut value = json!({"spec": {"s": "a", "i": null, "d": null}});
        fill_defaults(&schema(), &mut value);
        assert_eq!(value["spec"], json!({"s": "a", "d": "dd"}));
    }

    #[test]
    fn fills_in_defaults() {
        let mut value = json!({"spec": {"s": "a"}});
        fill_defaults(&schema(), &mut value);
        assert_eq!(value["spec"]["d"], "dd");
    }
}
