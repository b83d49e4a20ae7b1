//! What json-iterator says to JSON that does not fit a Go type, as the API server configures it (json-iterator 1.1.10,
//! Kubernetes 1.20).
//!
//! That decoder does not stop at its first error: it goes on from where it stands, keeps the error, and everything that
//! ends afterwards adds its name in front. Clients see the names, so this reader does the same. It reads what
//! `encoding/json` took for valid, so that only types can be wrong.

use base64::Engine as _;
use serde_json::Value;

use crate::gotypes;
use crate::types::{self, Type};

/// Checks that the JSON in `bytes` fits the named type.
///
/// # Errors
/// The decoder's text.
pub fn check(type_name: &str, bytes: &[u8]) -> Result<(), String> {
    let mut reader = Reader { bytes, at: 0, error: None };
    reader.object(type_name);
    reader.error.map_or(Ok(()), Err)
}

/// What the decoder says of the value in `bytes`, whose type reads itself and refuses it; `why` is given the value as it
/// is written.
#[must_use]
pub fn refused(bytes: &[u8], why: impl FnOnce(&str) -> String) -> String {
    let mut reader = Reader { bytes, at: 0, error: None };
    let written = String::from_utf8_lossy(reader.skip()).into_owned();
    reader.report("unmarshalerDecoder", &why(&written));
    reader.error.unwrap_or_default()
}

/// How large whole numbers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    error: Option<String>,
}

impl<'a> Reader<'a> {
    /// The next byte that is no blank; NUL at the end.
    fn token(&mut self) -> u8 {
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return *byte;
            }
        }
        0
    }

    /// Gives a byte back; after an error the original keeps it.
    fn unread(&mut self) {
        if self.error.is_none() {
            self.at = self.at.saturating_sub(1);
        }
    }

    fn report(&mut self, operation: &str, message: &str) {
        if self.error.is_some() {
            return;
        }
        let around = |reach: usize| {
            let (start, end) = (self.at.saturating_sub(reach), (self.at + reach).min(self.bytes.len()));
            String::from_utf8_lossy(self.bytes.get(start..end).unwrap_or_default()).into_owned()
        };
        let byte = self.at - self.at.saturating_sub(10);
        let (near, wide) = (around(10), around(50));
        self.error = Some(format!(
            "{operation}: {message}, error found in #{byte} byte of ...|{near}|..., bigger context ...|{wide}|..."
        ));
    }

    fn found(&mut self, operation: &str, expected: &str, byte: u8) {
        let shown = String::from_utf8_lossy(&[byte]).into_owned();
        self.report(operation, &format!("{expected}, but found {shown}"));
    }

    /// Puts `name` in front of an error.
    fn within(&mut self, name: &str) {
        if let Some(error) = &mut self.error {
            error.insert_str(0, name);
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.bytes.len());
    }

    /// Reads a `null`, if there is one.
    fn nothing(&mut self) -> bool {
        if self.token() == b'n' {
            self.advance(3);
            return true;
        }
        self.unread();
        false
    }

    fn string(&mut self) -> String {
        match self.token() {
            b'"' => self.rest_of_string(),
            b'n' => {
                self.advance(3);
                String::new()
            }
            other => {
                self.found("ReadString", "expects \" or n", other);
                String::new()
            }
        }
    }

    /// The string whose quote was just read.
    fn rest_of_string(&mut self) -> String {
        let start = self.at - 1;
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => self.advance(1),
                _ => {}
            }
        }
        let written = self.bytes.get(start..self.at).unwrap_or_default();
        serde_json::from_slice(written).unwrap_or_default()
    }

    /// Goes past a value, and returns it as written.
    fn skip(&mut self) -> &'a [u8] {
        let first = self.token();
        let start = self.at.saturating_sub(1);
        match first {
            b'"' => {
                self.rest_of_string();
            }
            b'{' | b'[' => {
                let mut depth = 1_usize;
                while depth > 0 {
                    match self.token() {
                        b'"' => {
                            self.rest_of_string();
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        0 => break,
                        _ => {}
                    }
                }
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                while self.bytes.get(self.at).is_some_and(|byte| !b",]} \t\r\n".contains(byte)) {
                    self.at += 1;
                }
            }
            // After an error the reader may stand where no value begins: it goes no further.
            _ => {}
        }
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn object(&mut self, type_name: &str) {
        match self.token() {
            b'{' => {}
            b'n' => return self.advance(3),
            other => return self.found("readObjectStart", "expect { or n", other),
        }
        if self.token() == b'}' {
            return;
        }
        self.unread();
        let fields = types::fields(type_name);
        // Go's objects have these two in a struct of their own; what refers to objects has not.
        let embeds_kind =
            fields.is_some_and(|fields| fields.iter().map(|(name, _)| name).take(2).eq(["kind", "apiVersion"]));
        loop {
            let key = self.string();
            let colon = self.token();
            if colon != b':' {
                self.found("ReadObject", "expect : after object field", colon);
            }
            match fields.and_then(|fields| fields.get(&key)) {
                Some(field) => {
                    self.value(&field.kind);
                    self.within(&format!("{}: ", go_name(&key)));
                    if embeds_kind && matches!(key.as_str(), "kind" | "apiVersion") {
                        self.within("TypeMeta: ");
                    }
                }
                None => {
                    self.skip();
                }
            }
            if self.token() != b',' {
                break;
            }
        }
        self.within(&format!("{}.", gotypes::struct_name(type_name)));
    }

    fn value(&mut self, kind: &Type) {
        match kind {
            Type::String => {
                self.string();
            }
            Type::Bool => self.flag(),
            Type::Int => self.integer(Width::Int),
            Type::Long => self.integer(Width::Long),
            Type::Number => self.float(),
            Type::Any => {
                self.skip();
            }
            Type::Bytes => self.base64(),
            Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString | Type::SchemaOr(_) => {
                self.unmarshalled(kind);
            }
            Type::List(item) => {
                self.list(item);
                self.within(&format!("[]{}: ", gotypes::go_type(item)));
            }
            Type::Map(item) => self.map(item),
            Type::Object(name) => self.object(name),
        }
    }

    fn flag(&mut self) {
        match self.token() {
            b't' | b'n' => self.advance(3),
            b'f' => self.advance(4),
            other => self.found("ReadBool", "expect t or f", other),
        }
    }

    fn integer(&mut self, width: Width) {
        if self.nothing() {
            return;
        }
        let mut first = self.token();
        let negative = first == b'-';
        if negative {
            first = self.token();
        }
        let (reads, signed) = match width {
            Width::Int => ("readUint32", "ReadInt32"),
            Width::Long => ("readUint64", "ReadInt64"),
        };
        if !first.is_ascii_digit() {
            // What the original shows is the mark of its table of digits, a byte that is no text.
            return self.report(reads, "unexpected character: \u{fffd}");
        }
        let start = self.at - 1;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            return self.report("assertInteger", "can not decode float as int");
        }
        let digits = String::from_utf8_lossy(self.bytes.get(start..self.at).unwrap_or_default()).into_owned();
        let most = match width {
            Width::Int => u64::from(i32::MAX.unsigned_abs()),
            Width::Long => i64::MAX.unsigned_abs(),
        };
        if digits.parse::<u64>().is_ok_and(|value| value > most + u64::from(negative)) {
            self.report(signed, &format!("overflow: {digits}"));
        }
    }

    fn float(&mut self) {
        if self.nothing() {
            return;
        }
        if self.token() != b'-' {
            self.unread();
        }
        if !self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return self.report("readNumberAsString", "invalid number");
        }
        self.skip();
    }

    fn base64(&mut self) {
        if self.nothing() {
            return;
        }
        let first = self.token();
        self.unread();
        if first != b'"' {
            return self.report("base64Codec", "invalid input");
        }
        let text = self.string().replace(['\r', '\n'], "");
        if let Err(error) = base64::engine::general_purpose::STANDARD.decode(&text) {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) => at,
                base64::DecodeError::InvalidLastSymbol { offset, .. } => offset,
                base64::DecodeError::InvalidLength(length) => length / 4 * 4,
                base64::DecodeError::InvalidPadding => text.len(),
            };
            self.report("decode base64", &format!("illegal base64 data at input byte {at}"));
        }
    }

    /// Values that read themselves.
    fn unmarshalled(&mut self, kind: &Type) {
        if self.nothing() {
            return;
        }
        let written = self.skip();
        let value: Value = serde_json::from_slice(written).unwrap_or_default();
        let refused = match (kind, &value) {
            (Type::Time | Type::MicroTime, Value::String(text)) => bad_time(kind, text),
            (Type::Time | Type::MicroTime, other) => Some(mismatch(other, "string")),
            (Type::SchemaOr(alternative), value) => gotypes::check_schema_or(*alternative, value).err(),
            (Type::IntOrString, Value::String(_) | Value::Number(_)) | (Type::Quantity, Value::Number(_)) => None,
            (Type::IntOrString, other) => Some(mismatch(other, "int32")),
            (Type::Quantity, Value::String(text)) if is_quantity(text) => None,
            _ => Some(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                    .to_owned(),
            ),
        };
        if let Some(why) = refused {
            self.report("unmarshalerDecoder", &why);
        }
    }

    fn list(&mut self, item: &Type) {
        match self.token() {
            b'n' => return self.advance(3),
            b'[' => {}
            other => return self.found("decode slice", "expect [ or n", other),
        }
        if self.token() == b']' {
            return;
        }
        self.unread();
        loop {
            self.value(item);
            match self.token() {
                b',' => {}
                b']' => return,
                other => return self.found("decode slice", "expect ]", other),
            }
        }
    }

    fn map(&mut self, item: &Type) {
        match self.token() {
            b'n' => return self.advance(3),
            b'{' => {}
            other => return self.found("ReadMapCB", "expect { or n", other),
        }
        if self.token() == b'}' {
            return;
        }
        self.unread();
        loop {
            self.string();
            let colon = self.token();
            if colon != b':' {
                return self.found("ReadMapCB", "expect : after object field", colon);
            }
            self.value(item);
            match self.token() {
                b',' => {}
                b'}' => return,
                other => return self.found("ReadMapCB", "expect }", other),
            }
        }
    }
}

fn mismatch(value: &Value, wanted: &str) -> String {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ => "object",
    };
    format!("json: cannot unmarshal {kind} into Go value of type {wanted}")
}

fn bad_time(kind: &Type, text: &str) -> Option<String> {
    if text.is_empty() || text.parse::<jiff::Timestamp>().is_ok() {
        return None;
    }
    let form = if *kind == Type::Time { "2006-01-02T15:04:05Z07:00" } else { "2006-01-02T15:04:05.000000Z07:00" };
    let shown = crate::status::quoted(text);
    let year = text.get(..4).is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()));
    let (rest, due) = if year { (text.get(4..).unwrap_or_default(), "-") } else { (text, "2006") };
    let rest = crate::status::quoted(rest);
    Some(format!("parsing time {shown} as \"{form}\": cannot parse {rest} as \"{due}\""))
}

fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let suffix = unsigned.get(digits..).unwrap_or_default();
    let letters = suffix.find(|c: char| !"eEinumkKMGTP".contains(c)).unwrap_or(suffix.len());
    let exponent = suffix.get(letters..).unwrap_or_default();
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits > 0 && exponent.chars().all(|c| c.is_ascii_digit())
}

/// The Go name of a field.
fn go_name(key: &str) -> String {
    if let Some(extension) = key.strip_prefix("x-kubernetes-") {
        return extension.split('-').fold("X".to_owned(), |name, word| name + &go_name(word));
    }
    let key = key.trim_start_matches('$');
    match key {
        "metadata" => return "ObjectMeta".to_owned(),
        "uid" | "ip" | "url" | "id" | "tty" | "nfs" | "rbd" => return key.to_uppercase(),
        _ => {}
    }
    for (start, initials) in
        [("api", "API"), ("http", "HTTP"), ("tcp", "TCP"), ("ca", "CA"), ("fs", "FS"), ("json", "JSON")]
    {
        if let Some(rest) = key.strip_prefix(start).filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase())) {
            return format!("{initials}{rest}");
        }
    }
    let mut chars = key.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        r#"{"metadata":{"name":"a"},"data":{"k":1}}"#,
        r#"v1.ConfigMap.Data: ReadString: expects " or n, but found 1, error found in #10 byte of ...|ta":{"k":1}}|..., bigger context ...|{"metadata":{"name":"a"},"data":{"k":1}}|..."#
    )]
    #[case(
        r#"{"metadata":{"name":7},"data":{}}"#,
        r#"v1.ConfigMap.Data: ObjectMeta: v1.ObjectMeta.Name: ReadString: expects " or n, but found 7, error found in #10 byte of ...|:{"name":7},"data":{|..., bigger context ...|{"metadata":{"name":7},"data":{}}|..."#
    )]
    #[case(
        r#"{"metadata":[]}"#,
        r#"v1.ConfigMap.ObjectMeta: readObjectStart: expect { or n, but found [, error found in #10 byte of ...|etadata":[]}|..., bigger context ...|{"metadata":[]}|..."#
    )]
    #[case(
        r#"{"data":{"k":1},"kind":"ConfigMap","metadata":{"name":"a"}}"#,
        r#"v1.ConfigMap.ObjectMeta: v1.ObjectMeta.TypeMeta: Kind: Data: ReadString: expects " or n, but found 1, error found in #10 byte of ...|ta":{"k":1},"kind":"|..., bigger context ...|{"data":{"k":1},"kind":"ConfigMap","metadata":{"name":"a"}}|..."#
    )]
    fn tells_the_names_around_an_error(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(check("core.v1.ConfigMap", text.as_bytes()), Err(expected.to_owned()));
    }

    #[rstest]
    #[case::of_a_type_that_reads_itself(
        r#"{"additionalProperties":5}"#,
        "AdditionalProperties: unmarshalerDecoder: boolean or JSON schema expected"
    )]
    #[case::of_a_long_number(
        r#"{"properties":{"a":{"minLength":"x"}}}"#,
        "Properties: v1.JSONSchemaProps.MinLength: readUint64: unexpected character: \u{fffd}"
    )]
    #[case::of_an_extension(
        r#"{"x-kubernetes-int-or-string":1}"#,
        "XIntOrString: ReadBool: expect t or f, but found 1"
    )]
    #[case::of_a_fraction(r#"{"maximum":"x"}"#, "Maximum: readNumberAsString: invalid number")]
    #[case::of_an_overflow(r#"{"maxItems":9223372036854775808}"#, "MaxItems: ReadInt64: overflow: 9223372036854775808")]
    fn tells_errors_of_schemas(#[case] text: &str, #[case] expected: &str) {
        let told = check(types::SCHEMA, text.as_bytes()).unwrap_err();
        assert_eq!(told.split(", error found").next().unwrap_or_default(), format!("v1.JSONSchemaProps.{expected}"));
    }

    #[test]
    fn tells_what_a_type_refuses_with_its_surroundings() {
        assert_eq!(
            refused(br#" {"a":"b"} "#, |written| format!("no {written}")),
            r#"unmarshalerDecoder: no {"a":"b"}, error found in #10 byte of ...| {"a":"b"} |..., bigger context ...| {"a":"b"} |..."#
        );
    }

    #[rstest]
    #[case(r#"{"kind":"ConfigMap","unknown":{"x":[1,"]"]},"data":null,"immutable":true}"#)]
    #[case(r#"{"metadata":{"creationTimestamp":null,"generation":3,"labels":{"a":"b\"c"}}}"#)]
    fn takes_what_fits(#[case] text: &str) {
        assert_eq!(check("core.v1.ConfigMap", text.as_bytes()), Ok(()));
    }
}
