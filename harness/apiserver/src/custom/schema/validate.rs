//! Values against schemas, in the order and the words of the original's validator (`validate` package of kube-openapi,
//! Kubernetes 1.20). Where the original follows Go's random order of maps, this follows the order of names.

use serde_json::{Map, Value};

use super::verdict::{FaultKind, Verdict};
use super::{Items, Schema, SchemaOrBool, formats, pattern};
use crate::custom::path::Path;
use crate::go;
use crate::status::Cause;

/// Formats that custom resources are held to (apiextensions' `validation/formats.go`, Kubernetes 1.20), dashes left out.
const SUPPORTED_FORMATS: [&str; 24] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
];

/// The schema without the formats that custom resources are not held to, here and inside.
#[must_use]
pub fn strip_unsupported_formats(schema: &Schema) -> Schema {
    let mut schema = schema.clone();
    strip(&mut schema);
    schema
}

fn strip(schema: &mut Schema) {
    if !SUPPORTED_FORMATS.contains(&schema.format.replace('-', "").as_str()) {
        schema.format.clear();
    }
    match &mut schema.items {
        Some(Items::One(inner)) => strip(inner),
        Some(Items::Many(inner)) => inner.iter_mut().for_each(strip),
        _ => {}
    }
    for list in [&mut schema.all_of, &mut schema.any_of, &mut schema.one_of] {
        list.iter_mut().for_each(strip);
    }
    if let Some(inner) = &mut schema.not {
        strip(inner);
    }
    schema.properties.values_mut().for_each(strip);
    if let Some(SchemaOrBool::Schema(inner)) = &mut schema.additional_properties {
        strip(inner);
    }
}

/// How `x-kubernetes-int-or-string` is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrString {
    /// As a type of its own: that of objects.
    Type,
    /// As what the schema's `anyOf` says: that of default values.
    Note,
}

/// Validates values.
#[derive(Debug, Clone, Copy)]
pub struct Validator {
    int_or_string: IntOrString,
}

impl Validator {
    /// Validates objects that clients send.
    pub const OBJECTS: Self = Self { int_or_string: IntOrString::Type };
    /// Validates default values of schemas.
    pub const DEFAULTS: Self = Self { int_or_string: IntOrString::Note };

    /// What is wrong with `value` at `path`.
    #[must_use]
    pub fn validate(self, path: &Path, schema: &Schema, value: &Value) -> Vec<Cause> {
        self.judge(schema, value, "").into_causes(path)
    }

    fn types(self, schema: &Schema) -> Vec<&str> {
        if schema.int_or_string && self.int_or_string == IntOrString::Type {
            return vec!["integer", "string"];
        }
        Some(schema.kind.as_str()).filter(|kind| !kind.is_empty()).into_iter().collect()
    }

    fn judge(self, schema: &Schema, value: &Value, place: &str) -> Verdict {
        let mut verdict = Verdict::default();
        if value.is_null() {
            verdict.merge(self.type_of(schema, value, place));
            verdict.merge(allowed(schema, value, place));
            return verdict;
        }
        let mut take = |found: Verdict| {
            verdict.merge(found);
            verdict.count();
        };
        if !self.types(schema).is_empty() || !schema.format.is_empty() {
            take(self.type_of(schema, value, place));
        }
        take(self.combinations(schema, value, place));
        match value {
            Value::String(text) => {
                take(text_rules(schema, text, place));
                if formats::is_known(&schema.format) {
                    take(format_rule(schema, text, place));
                }
            }
            Value::Number(_) => take(number_rules(schema, value, place)),
            Value::Array(items) => take(self.list_rules(schema, items, place)),
            _ => {}
        }
        take(allowed(schema, value, place));
        if let Value::Object(map) = value {
            take(self.object_rules(schema, map, place));
        }
        verdict.count();
        verdict
    }

    fn type_of(self, schema: &Schema, value: &Value, place: &str) -> Verdict {
        let wanted = self.types(schema);
        let mut held = Verdict::default();
        held.count();
        let wrong = |wanted: &str, found: &str| {
            let shown = go::quoted(found);
            Verdict::fault(place, &*shown, format!("{place} in body must be of type {wanted}: {shown}"))
        };
        if value.is_null() {
            let refused = !wanted.is_empty() && !wanted.contains(&"null") && !schema.nullable;
            return if refused { wrong(&wanted.join(","), "null") } else { held };
        }
        let (found, format) = kind_of(value);
        let sequence = matches!(value, Value::String(_) | Value::Array(_));
        let as_integer = found == "number" && is_whole(value) && wanted.contains(&"integer");
        let as_number = found == "integer" && wanted.contains(&"number");
        let fits = wanted.contains(&found) || as_integer || as_number;
        if !sequence && !schema.format.is_empty() && !fits && format != schema.format {
            return wrong(&schema.format, format);
        }
        let numeric = wanted.contains(&"number") || wanted.contains(&"integer");
        if fits || (!numeric && !schema.format.is_empty() && sequence) {
            return held;
        }
        wrong(&wanted.join(","), found)
    }

    fn combinations(self, schema: &Schema, value: &Value, place: &str) -> Verdict {
        let mut verdict = Verdict::default();
        if !schema.any_of.is_empty() {
            self.any_of(schema, value, place, &mut verdict);
        }
        if !schema.one_of.is_empty() {
            self.one_of(schema, value, place, &mut verdict);
        }
        if !schema.all_of.is_empty() {
            let mut holding = 0;
            for inner in &schema.all_of {
                let found = self.judge(inner, value, place);
                holding += usize::from(found.holds());
                verdict.merge(found);
            }
            if holding != schema.all_of.len() {
                let more = if holding == 0 { ". None validated" } else { "" };
                verdict.add(format!("{} must validate all the schemas (allOf){more}", go::quoted(place)));
            }
        }
        if schema.not.as_deref().is_some_and(|inner| self.judge(inner, value, place).holds()) {
            verdict.add(format!("{} must not validate the schema (not)", go::quoted(place)));
        }
        verdict.count();
        verdict
    }

    fn any_of(self, schema: &Schema, value: &Value, place: &str, verdict: &mut Verdict) {
        let mut nearest: Option<Verdict> = None;
        for inner in &schema.any_of {
            let found = self.judge(inner, value, place);
            if found.holds() {
                verdict.merge(found);
                return;
            }
            if nearest.as_ref().is_none_or(|nearest| found.held() > nearest.held()) {
                nearest = Some(found);
            }
        }
        verdict.add(format!("{} must validate at least one schema (anyOf)", go::quoted(place)));
        verdict.merge(nearest.unwrap_or_default());
    }

    fn one_of(self, schema: &Schema, value: &Value, place: &str, verdict: &mut Verdict) {
        let (mut nearest, mut first): (Option<Verdict>, Option<Verdict>) = (None, None);
        let mut holding = 0;
        for inner in &schema.one_of {
            let found = self.judge(inner, value, place);
            if found.holds() {
                holding += 1;
                nearest = None;
                first.get_or_insert(found);
            } else if holding == 0 && nearest.as_ref().is_none_or(|nearest| found.held() > nearest.held()) {
                nearest = Some(found);
            }
        }
        match (holding, first) {
            (1, Some(first)) => verdict.merge(first),
            (holding, _) => {
                let more = match holding {
                    0 => "Found none valid".to_owned(),
                    _ => format!("Found {holding} valid alternatives"),
                };
                let shown = go::quoted(place);
                verdict.add(format!("{shown} must validate one and only one schema (oneOf). {more}"));
                verdict.merge(nearest.unwrap_or_default());
            }
        }
    }

    fn list_rules(self, schema: &Schema, items: &[Value], place: &str) -> Verdict {
        let mut verdict = Verdict::default();
        if let Some(inner) = schema.item() {
            // The original means to name the element, but its validators were made before it says so.
            for item in items {
                verdict.merge(self.judge(inner, item, place));
            }
        }
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(least) = schema.min_items.filter(|least| length < *least) {
            let text = format!("{place} in body should have at least {least} items");
            verdict.merge(Verdict::fault(place, length.to_string(), text));
        }
        if let Some(most) = schema.max_items.filter(|most| length > *most) {
            let text = format!("{place} in body should have at most {most} items");
            verdict.merge(Verdict::fault(place, length.to_string(), text));
        }
        let repeated = || items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|other| other == item));
        if schema.unique_items && repeated() {
            verdict.merge(Verdict::fault(place, "\"\"", format!("{place} in body shouldn't contain duplicates")));
        }
        verdict.count();
        verdict
    }

    fn object_rules(self, schema: &Schema, map: &Map<String, Value>, place: &str) -> Verdict {
        let length = i64::try_from(map.len()).unwrap_or(i64::MAX);
        if let Some(least) = schema.min_properties.filter(|least| length < *least) {
            let text = format!("{place} in body should have at least {least} properties");
            return Verdict::fault(place, least.to_string(), text);
        }
        if let Some(most) = schema.max_properties.filter(|most| length > *most) {
            let text = format!("{place} in body should have at most {most} properties");
            return Verdict::fault(place, most.to_string(), text);
        }
        let mut verdict = Verdict::default();
        let unnamed = map.iter().filter(|(name, _)| !schema.properties.contains_key(*name));
        match &schema.additional_properties {
            Some(SchemaOrBool::Bool(false)) => {
                for (name, _) in unnamed {
                    let text = format!("{place}.{name} in body is a forbidden property");
                    verdict.merge(Verdict::fault(place, go::quoted(name), text));
                }
            }
            Some(SchemaOrBool::Schema(additional)) => {
                for (name, value) in unnamed {
                    verdict.merge(self.judge(additional, value, &format!("{place}.{name}")));
                }
            }
            _ => {}
        }
        for (name, inner) in &schema.properties {
            if let Some(value) = map.get(name) {
                let below = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                verdict.merge(self.judge(inner, value, &below));
            }
        }
        for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
            verdict.merge(Verdict::of(&format!("{place}.{name}"), FaultKind::Missing));
        }
        verdict
    }
}

/// The type and format of a value, as the original tells them from Go's types.
fn kind_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(number) if number.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

/// The largest whole number that JavaScript, and with it the original, takes for exact.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// Whether a float counts as a whole number (`swag.IsFloat64AJSONInteger`).
fn is_whole(value: &Value) -> bool {
    value.as_f64().is_some_and(is_integral)
}

fn is_integral(float: f64) -> bool {
    if !float.is_finite() || !(-EXACT..=EXACT).contains(&float) {
        return false;
    }
    let distance = (float - float.trunc()).abs();
    // swag/convert.go of go-openapi: the relative distance from a whole number.
    distance == 0.0 || distance / (float.abs() + float.trunc().abs()).min(f64::MAX) < 1e-9
}

/// `enum`: a value fits one that it converts to, as Go converts numbers, and characters from whole numbers.
fn allowed(schema: &Schema, value: &Value, place: &str) -> Verdict {
    let fits = |allowed: &Value| match (value, allowed) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Number(given), Value::Number(wanted)) => match (wanted.as_i64(), given.as_i64()) {
            (Some(wanted), Some(given)) => wanted == given,
            (Some(wanted), None) => given.as_f64().and_then(go::truncated) == Some(wanted),
            (None, Some(given)) => wanted.as_f64() == Some(go::widened(given)),
            (None, None) => wanted == given,
        },
        (Value::Number(given), Value::String(wanted)) => given.as_i64().is_some_and(|code| {
            let character = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            *wanted == character.to_string()
        }),
        _ => value == allowed,
    };
    if schema.allowed.is_empty() || schema.allowed.iter().any(fits) {
        return Verdict::default();
    }
    Verdict::of(place, FaultKind::NotAllowed(value.clone(), schema.allowed.clone()))
}

fn text_rules(schema: &Schema, text: &str, place: &str) -> Verdict {
    let wrong = |detail: String| Verdict::fault(place, go::quoted(text), format!("{place} in body {detail}"));
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(most) = schema.max_length.filter(|most| length > *most) {
        return wrong(format!("should be at most {most} chars long"));
    }
    if let Some(least) = schema.min_length.filter(|least| length < *least) {
        return wrong(format!("should be at least {least} chars long"));
    }
    if schema.pattern.is_empty() {
        return Verdict::default();
    }
    match pattern::matches(&schema.pattern, text) {
        Ok(true) => Verdict::default(),
        Ok(false) => wrong(format!("should match '{}'", schema.pattern)),
        Err(error) => wrong(format!("should match '{}, but pattern is invalid: {error}'", schema.pattern)),
    }
}

fn format_rule(schema: &Schema, text: &str, place: &str) -> Verdict {
    if formats::holds(&schema.format, text) {
        return Verdict::default();
    }
    let shown = go::quoted(text);
    Verdict::fault(place, &*shown, format!("{place} in body must be of type {}: {shown}", schema.format))
}

/// A bound in the form in which the original compares it: whole where the value is whole.
fn number_rules(schema: &Schema, value: &Value, place: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let Value::Number(number) = value else { return verdict };
    let shown = go::number(number);
    let whole = number.as_i64();
    let float = number.as_f64().unwrap_or_default();
    // For whole numbers the original drops the bound's fraction.
    let bound = |bound: f64| match whole.and(go::truncated(bound)) {
        Some(whole) => (go::widened(whole), whole.to_string()),
        None => (bound, go::float(bound)),
    };
    let wrong = |detail: &str| Verdict::fault(place, &*shown, format!("{place} in body {detail}"));
    if let Some(factor) = schema.multiple_of {
        let (step, text) = bound(factor);
        let exact = whole.zip(go::truncated(factor));
        if factor < 0.0 {
            verdict.merge(Verdict::fault(
                place,
                &*text,
                format!("factor MultipleOf declared for {place} must be positive: {text}"),
            ));
        } else if !exact.map_or_else(|| is_multiple(float, step), |(whole, step)| step == 0 || whole % step == 0) {
            verdict.merge(wrong(&format!("should be a multiple of {text}")));
        }
    }
    if let Some((least, text)) = schema.minimum.map(bound) {
        if schema.exclusive_minimum && float <= least {
            verdict.merge(wrong(&format!("should be greater than {text}")));
        } else if !schema.exclusive_minimum && float < least {
            verdict.merge(wrong(&format!("should be greater than or equal to {text}")));
        }
    }
    if let Some((most, text)) = schema.maximum.map(bound) {
        if schema.exclusive_maximum && float >= most {
            verdict.merge(wrong(&format!("should be less than {text}")));
        } else if !schema.exclusive_maximum && float > most {
            verdict.merge(wrong(&format!("should be less than or equal to {text}")));
        }
    }
    verdict.count();
    verdict
}

fn is_multiple(value: f64, factor: f64) -> bool {
    is_integral(if factor < 1.0 { 1.0 / factor * value } else { value / factor })
}
