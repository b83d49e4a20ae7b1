//! What a client wants to read: the `Accept` header, as apiserver's negotiation and the `goautoneg` package read it
//! (Kubernetes 1.20).

use http::{HeaderMap, header};

use crate::status::Failure;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kubernetes' protobuf.
    Protobuf,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    fn subtype(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Protobuf => "vnd.kubernetes.protobuf",
        }
    }

    /// The media type.
    #[must_use]
    pub fn media(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

/// What an answer shows of objects; `meta.k8s.io/v1` or `v1beta1` where it is not the objects themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The objects.
    Whole,
    /// A `Table`.
    Table(&'static str),
    /// `PartialObjectMetadata`, of one object.
    Metadata(&'static str),
    /// `PartialObjectMetadataList`, of a list.
    MetadataList(&'static str),
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How it is written.
    pub encoding: Encoding,
    /// What it shows.
    pub shape: Shape,
    /// Whether whole objects and their metadata are shown with `metadata.managedFields`.
    pub managed_fields: bool,
}

impl Form {
    /// Objects as JSON.
    pub const JSON: Self = Self { encoding: Encoding::Json, shape: Shape::Whole, managed_fields: true };
}

/// Who answers: each has its own idea of what it can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Built-in resources.
    BuiltIn,
    /// What lies below built-in resources: nothing makes tables of it.
    BelowBuiltIn,
    /// Custom resources: protobuf for metadata alone.
    Custom,
    /// Discovery and failures: no shape but their own.
    Plain,
}

impl Endpoint {
    fn allows(self, encoding: Encoding, shape: Shape) -> bool {
        match shape {
            Shape::Whole => self != Self::Custom || encoding != Encoding::Protobuf,
            Shape::Table(_) => !matches!(self, Self::Plain | Self::BelowBuiltIn) && encoding != Encoding::Protobuf,
            Shape::Metadata(_) | Shape::MetadataList(_) => self != Self::Plain,
        }
    }
}

/// One media type of a header.
struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.trim_matches(' ').split(';');
        let media = parts.next().unwrap_or_default();
        let (kind, subtype) = match media.split_once('/') {
            Some((kind, subtype)) => (kind.trim_matches(' '), subtype.trim_matches(' ')),
            None if media == "*" => ("*", "*"),
            None => return None,
        };
        if subtype.contains('/') {
            return None;
        }
        let mut clause = Self { kind, subtype, quality: 1.0, parameters: Vec::new() };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let (key, value) = (key.trim_matches(' '), value.trim_matches(' '));
            match key {
                _ if value.is_empty() || value.contains('=') => {}
                "q" => clause.quality = value.parse().unwrap_or(0.0),
                _ => clause.parameters.push((key, value)),
            }
        }
        Some(clause)
    }

    fn goes_before(&self, other: &Self) -> bool {
        self.quality > other.quality
            || (self.kind != "*" && other.kind == "*")
            || (self.subtype != "*" && other.subtype == "*")
    }

    fn names(&self, encoding: Encoding) -> bool {
        match (self.kind, self.subtype) {
            ("*" | "application", "*") => true,
            ("application", subtype) => subtype == encoding.subtype(),
            _ => false,
        }
    }

    fn parameter(&self, key: &str) -> Option<&'a str> {
        self.parameters.iter().rev().find(|(found, _)| *found == key).map(|(_, value)| *value)
    }

    /// The shape that the parameters name, if it is one.
    fn shape(&self) -> Option<Shape> {
        let (kind, group, version) = (self.parameter("as"), self.parameter("g"), self.parameter("v"));
        if kind.is_none() && group.is_none() && version.is_none() {
            return Some(Shape::Whole);
        }
        let version = match (group, version) {
            (Some("meta.k8s.io"), Some("v1")) => "meta.k8s.io/v1",
            (Some("meta.k8s.io"), Some("v1beta1")) => "meta.k8s.io/v1beta1",
            _ => return None,
        };
        match kind {
            Some("Table") => Some(Shape::Table(version)),
            Some("PartialObjectMetadata") => Some(Shape::Metadata(version)),
            Some("PartialObjectMetadataList") => Some(Shape::MetadataList(version)),
            _ => None,
        }
    }

    fn form(&self, endpoint: Endpoint) -> Option<Form> {
        let stream = self.parameter("stream");
        let allowed = |encoding: Encoding| {
            let shape = self.shape()?;
            // Nobody streams YAML.
            let streams = stream.is_none_or(|stream| stream == "watch" && encoding != Encoding::Yaml);
            let allowed = self.names(encoding) && streams && endpoint.allows(encoding, shape);
            allowed.then_some(Form { encoding, shape, ..Form::JSON })
        };
        Encoding::ALL.into_iter().find_map(allowed)
    }
}

fn header_text(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The media types of `text` in the order in which Go's sort leaves them: insertion, which is what it does with few.
fn clauses(text: &str) -> Vec<Clause<'_>> {
    let mut sorted: Vec<Clause<'_>> = Vec::new();
    for clause in text.split(',').filter_map(Clause::read) {
        let place = sorted.iter().rposition(|before| !clause.goes_before(before)).map_or(0, |at| at + 1);
        sorted.insert(place, clause);
    }
    sorted
}

fn negotiated(text: &str, endpoint: Endpoint) -> Option<Form> {
    if text.is_empty() {
        return Some(Form::JSON);
    }
    clauses(text).iter().find_map(|clause| clause.form(endpoint))
}

/// Whether the routes of built-in resources are found at all: go-restful compares media types without parameters.
fn is_routed(text: &str) -> bool {
    text.is_empty()
        || text.split(',').any(|part| {
            let media = part.split(';').next().unwrap_or_default().trim();
            media == "*/*" || Encoding::ALL.iter().any(|encoding| encoding.media() == media)
        })
}

/// The form that `headers` ask `endpoint` for.
///
/// # Errors
/// 406 when there is none.
pub fn wanted(headers: &HeaderMap, endpoint: Endpoint) -> Result<Form, Failure> {
    let text = header_text(headers);
    if endpoint != Endpoint::Custom && !is_routed(text) {
        return Err(Failure::not_acceptable());
    }
    negotiated(text, endpoint).ok_or_else(|| {
        let media: Vec<&str> = Encoding::ALL.iter().map(|encoding| encoding.media()).collect();
        Failure::only_acceptable(&media.join(", "))
    })
}

/// In what the document of OpenAPI is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// JSON.
    Json,
    /// The message of gnostic.
    Protobuf,
}

/// What `headers` ask the document of OpenAPI for, if it is something that there is
/// (kube-openapi's `pkg/handler`, Kubernetes 1.20).
#[must_use]
pub fn document(headers: &HeaderMap) -> Option<Document> {
    const SUBTYPES: [(&str, Document); 2] =
        [("json", Document::Json), ("com.github.proto-openapi.spec.v2@v1.0+protobuf", Document::Protobuf)];
    let text = header_text(headers);
    let text = if text.is_empty() { "*/*" } else { text };
    clauses(text).iter().filter(|clause| matches!(clause.kind, "application" | "*")).find_map(|clause| {
        let subtype = |(name, _): &&(&str, Document)| clause.subtype == "*" || clause.subtype == *name;
        SUBTYPES.iter().find(subtype).map(|(_, document)| *document)
    })
}

/// The form in which a failure is told; nothing where it is to be told as JSON all the same.
#[must_use]
pub fn for_failure(headers: &HeaderMap) -> Option<Form> {
    negotiated(header_text(headers), Endpoint::Plain)
}

/// Whether JSON is to be written for people: as they say, or because their program is a browser or a downloader.
#[must_use]
pub fn is_for_people(headers: &HeaderMap, pretty: Option<&str>) -> bool {
    if clauses(header_text(headers)).first().is_some_and(|clause| clause.parameter("pretty") == Some("1")) {
        return true;
    }
    match pretty {
        Some(given) if !given.is_empty() => matches!(given, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        _ => {
            let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
            ["curl", "Wget", "Mozilla/5.0"].iter().any(|known| agent.starts_with(known))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    const V1: &str = "meta.k8s.io/v1";
    const V1BETA1: &str = "meta.k8s.io/v1beta1";

    fn form(encoding: Encoding, shape: Shape) -> Form {
        Form { encoding, shape, ..Form::JSON }
    }

    #[rstest]
    #[case("", Form::JSON)]
    #[case("application/json", Form::JSON)]
    #[case("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", form(Encoding::Json, Shape::Table(V1)))]
    #[case(
        "application/json;as=Table;g=meta.k8s.io;v=v1beta1, application/json",
        form(Encoding::Json, Shape::Table(V1BETA1))
    )]
    #[case("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", Form::JSON)]
    #[case("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", form(Encoding::Json, Shape::Metadata(V1)))]
    #[case("application/vnd.kubernetes.protobuf, */*", form(Encoding::Protobuf, Shape::Whole))]
    #[case("application/json;q=0.5, application/yaml", form(Encoding::Yaml, Shape::Whole))]
    #[case("*/*, application/yaml", form(Encoding::Yaml, Shape::Whole))]
    #[case("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", Form::JSON)]
    fn picks_the_first_known_form(#[case] accept: &str, #[case] expected: Form) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(wanted(&headers, Endpoint::BuiltIn).unwrap(), expected);
    }

    #[rstest]
    #[case("", Some(Document::Json))]
    #[case("*/*", Some(Document::Json))]
    #[case("application/xml, application/json;q=0.5", Some(Document::Json))]
    #[case("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", Some(Document::Protobuf))]
    #[case("application/yaml", None)]
    fn picks_the_form_of_the_document(#[case] accept: &str, #[case] expected: Option<Document>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(document(&headers), expected);
    }

    #[rstest]
    #[case("text/html", "406: Not Acceptable")]
    #[case(
        "application/json;as=Foo;g=meta.k8s.io;v=v1",
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )]
    fn refuses_what_it_cannot_write(#[case] accept: &str, #[case] expected: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(wanted(&headers, Endpoint::BuiltIn).unwrap_err().message, expected);
    }
}
