//! The comparison finds what it is there to find: each planted difference is reported, and nothing that may differ is.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use differential::canonical::Seen;
use differential::compare::{Difference, differences};
use differential::exchange::Answer;
use http::HeaderMap;
use rstest::rstest;

const REAL: (&str, &str) = ("127.0.0.1:1111", "11111111-1111-4111-8111-111111111111");
const EMBEDDED: (&str, &str) = ("127.0.0.1:2222", "22222222-2222-4222-8222-222222222222");

const OBJECT: &str = r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"UID","resourceVersion":"REVISION","creationTimestamp":"TIME","labels":{"app":"web","tier":"front"},"finalizers":["a/b","c/d"],"ownerReferences":[{"kind":"Pod","name":"p","uid":"UID"}],"managedFields":[{"manager":"kubectl","operation":"Update","time":"TIME","fieldsV1":{"f:spec":{"f:ports":{}}}}]},"spec":{"ports":[{"name":"a","port":80,"nodePort":PORT},{"name":"b","port":81}],"clusterIP":"10.96.IP","type":"NodePort","enabled":true,"empty":{}},"status":{"loadBalancer":{}}}"#;
const FAILURE: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"web\" not found","reason":"NotFound","details":{"name":"web","kind":"services","causes":[{"reason":"A","message":"m","field":"f"},{"reason":"B","message":"n","field":"g"}]},"code":404}"#;
const LIST: &str = r#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"LIST"},"columnDefinitions":[{"name":"Name","priority":0},{"name":"Age","priority":0}],"rows":[{"cells":["a","AGE"],"object":{"metadata":{"resourceVersion":"REVISION","uid":"UID"}}},{"cells":["b","AGE"],"object":{"metadata":{"resourceVersion":"LATER","uid":"UID"}}}]}"#;
const STREAM: &str = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"REVISION\"}}}\n{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"LATER\"}}}\n{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Service\",\"metadata\":{\"resourceVersion\":\"LIST\",\"creationTimestamp\":null}}}\n";
const TEXT: &str = r#"{"message":"is invalid: \"{\\\"resourceVersion\\\":\\\"REVISION\\\"}\": (1) does not match the ResourceVersion in record (REVISION), ResourceVersion in object meta: REVISION"}"#;
const GENERATED: &str = r#"{"metadata":{"name":"job-GENERA","generateName":"job-"},"spec":{"self":"job-GENERA"}}"#;

const YAML: &str = "items:\n- metadata:\n    name: a\n    resourceVersion: \"REVISION\"\n    uid: UID\n  \"n\": \"yes\"\nmetadata:\n  resourceVersion: \"LIST\"\n";

/// `text` as one of the servers answers it.
fn answer(text: &str, (address, uid): (&str, &str)) -> Answer {
    let first = address.ends_with('1');
    let pick = |real: &'static str, embedded: &'static str| if first { real } else { embedded };
    let text = text
        .replace("UID", uid)
        .replace("REVISION", pick("70", "1203"))
        .replace("LATER", pick("75", "1204"))
        .replace("LIST", pick("77", "1300"))
        .replace("TIME", pick("2026-01-01T10:00:00Z", "2026-01-01T10:00:07Z"))
        .replace("PORT", pick("30001", "31777"))
        .replace("10.96.IP", pick("10.0.0.7", "10.96.4.4"))
        .replace("AGE", pick("3s", "1m2s"))
        .replace("GENERA", pick("x7k2p", "q9w4z"));
    let mut headers = HeaderMap::new();
    let media = if text.starts_with("items:") { "application/yaml" } else { "application/json" };
    headers.insert("content-type", media.parse().unwrap());
    headers.insert("cache-control", "no-cache, private".parse().unwrap());
    headers.insert("date", pick("Mon", "Tue").parse().unwrap());
    headers.insert("location", format!("https://{address}/x").parse().unwrap());
    headers.insert("warning", "299 - \"old\"".parse().unwrap());
    Answer { status: 200, headers, body: Bytes::from(text) }
}

fn found(real: &Answer, embedded: &Answer) -> Vec<Difference> {
    differences(&Seen::on(REAL.0).canonical(real), &Seen::on(EMBEDDED.0).canonical(embedded))
}

#[rstest]
fn takes_what_may_differ_for_equal(#[values(OBJECT, FAILURE, LIST, STREAM, TEXT, GENERATED, YAML)] text: &str) {
    assert_eq!(found(&answer(text, REAL), &answer(text, EMBEDDED)), []);
}

#[rstest]
#[case::value(OBJECT, "\"type\":\"NodePort\"", "\"type\":\"ClusterIP\"", "body /spec/type")]
#[case::number(OBJECT, "\"port\":81", "\"port\":82", "body /spec/ports/1/port")]
#[case::number_as_text(OBJECT, "\"port\":81", "\"port\":\"81\"", "body /spec/ports/1/port")]
#[case::boolean(OBJECT, "\"enabled\":true", "\"enabled\":false", "body /spec/enabled")]
#[case::null_for_empty(OBJECT, "\"empty\":{}", "\"empty\":null", "body /spec/empty")]
#[case::list_for_map(OBJECT, "\"empty\":{}", "\"empty\":[]", "body /spec/empty")]
#[case::missing_field(OBJECT, ",\"empty\":{}", "", "body /spec/empty")]
#[case::extra_field(OBJECT, "\"enabled\":true", "\"enabled\":true,\"more\":1", "body /spec/more")]
#[case::missing_label(OBJECT, ",\"tier\":\"front\"", "", "body /metadata/labels/tier")]
#[case::order_of_fields(
    OBJECT,
    "\"kind\":\"Service\",\"apiVersion\":\"v1\"",
    "\"apiVersion\":\"v1\",\"kind\":\"Service\"",
    "body  (order of fields)"
)]
#[case::order_of_labels(
    OBJECT,
    "\"app\":\"web\",\"tier\":\"front\"",
    "\"tier\":\"front\",\"app\":\"web\"",
    "body /metadata/labels (order of fields)"
)]
#[case::order_of_items(OBJECT, "[\"a/b\",\"c/d\"]", "[\"c/d\",\"a/b\"]", "body /metadata/finalizers/0")]
#[case::missing_item(OBJECT, "[\"a/b\",\"c/d\"]", "[\"a/b\"]", "body /metadata/finalizers (number of items)")]
#[case::missing_time(
    OBJECT,
    "\"creationTimestamp\":\"TIME\"",
    "\"creationTimestamp\":null",
    "body /metadata/creationTimestamp"
)]
#[case::time_of_another_form(
    OBJECT,
    "\"time\":\"TIME\"",
    "\"time\":\"2026-01-01\"",
    "body /metadata/managedFields/0/time"
)]
#[case::uid_of_another_object(
    OBJECT,
    "\"name\":\"p\",\"uid\":\"UID\"",
    "\"name\":\"p\",\"uid\":\"33333333-3333-4333-8333-333333333333\"",
    "body /metadata/ownerReferences/0/uid"
)]
#[case::missing_uid(OBJECT, "\"uid\":\"UID\",\"resourceVersion\"", "\"resourceVersion\"", "body /metadata/uid")]
#[case::owned_field(
    OBJECT,
    "{\"f:ports\":{}}",
    "{\"f:ports\":{},\"f:type\":{}}",
    "body /metadata/managedFields/0/fieldsV1/f:spec/f:type"
)]
#[case::missing_node_port(OBJECT, ",\"nodePort\":PORT", "", "body /spec/ports/0/nodePort")]
#[case::no_address(OBJECT, "10.96.IP", "None", "body /spec/clusterIP")]
#[case::reason(FAILURE, "\"reason\":\"NotFound\"", "\"reason\":\"Gone\"", "body /reason")]
#[case::message(FAILURE, "not found\"", "is not found\"", "body /message")]
#[case::code(FAILURE, "\"code\":404", "\"code\":400", "body /code")]
#[case::details(FAILURE, "\"kind\":\"services\"", "\"kind\":\"service\"", "body /details/kind")]
#[case::order_of_causes(
    FAILURE,
    r#"{"reason":"A","message":"m","field":"f"},{"reason":"B","message":"n","field":"g"}"#,
    r#"{"reason":"B","message":"n","field":"g"},{"reason":"A","message":"m","field":"f"}"#,
    "body /details/causes/0/reason"
)]
#[case::value_of_yaml(YAML, "name: a", "name: b", "body /items/0/metadata/name")]
#[case::quotes_of_yaml(YAML, "\"n\":", "n:", "body, document 2 /3")]
#[case::text_for_json(FAILURE, FAILURE, "404 page not found\n", "body")]
#[case::cell(LIST, "[\"b\",", "[\"c\",", "body /rows/1/cells/0")]
#[case::missing_row(
    LIST,
    r#",{"cells":["b","AGE"],"object":{"metadata":{"resourceVersion":"LATER","uid":"UID"}}}"#,
    "",
    "body /rows (number of items)"
)]
#[case::column(LIST, "\"priority\":0}]", "\"priority\":1}]", "body /columnDefinitions/1/priority")]
#[case::unchanged_revision(LIST, "LATER", "REVISION", "body /rows/1/object/metadata/resourceVersion")]
#[case::type_of_event(STREAM, "DELETED", "MODIFIED", "body, document 2 /type")]
#[case::missing_event(
    STREAM,
    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"LATER\"}}}\n",
    "",
    "body: number of documents"
)]
#[case::unannounced_bookmark(
    STREAM,
    "\"creationTimestamp\":null",
    "\"creationTimestamp\":\"TIME\"",
    "body, document 3 /object/metadata/creationTimestamp"
)]
#[case::name_not_made_from_the_prefix(
    GENERATED,
    "\"name\":\"job-GENERA\"",
    "\"name\":\"job-GENERATED\"",
    "body /metadata/name"
)]
fn finds_a_difference_in_the_body(#[case] text: &str, #[case] from: &str, #[case] to: &str, #[case] at: &str) {
    assert!(text.contains(from), "nothing to plant in");
    let planted = found(&answer(text, REAL), &answer(&text.replacen(from, to, 1), EMBEDDED));
    assert!(planted.iter().any(|difference| difference.at == at), "{planted:#?}");
}

#[rstest]
#[case::status(|answer: &mut Answer| answer.status = 201, "status")]
#[case::media_type(|answer: &mut Answer| set(answer, "content-type", "text/plain"), "header content-type")]
#[case::caching(|answer: &mut Answer| set(answer, "cache-control", "private"), "header cache-control")]
#[case::text_of_a_warning(|answer: &mut Answer| set(answer, "warning", "299 - \"older\""), "header warning")]
#[case::missing_warning(|answer: &mut Answer| drop(answer.headers.remove("warning")), "header warning")]
#[case::extra_header(|answer: &mut Answer| set(answer, "retry-after", "1"), "header retry-after")]
#[case::another_address(|answer: &mut Answer| set(answer, "location", "https://127.0.0.1:3333/x"), "header location")]
fn finds_a_difference_in_the_head(#[case] plant: fn(&mut Answer), #[case] at: &str) {
    let mut embedded = answer(OBJECT, EMBEDDED);
    plant(&mut embedded);
    let planted = found(&answer(OBJECT, REAL), &embedded);
    assert_eq!(planted.iter().map(|difference| difference.at.as_str()).collect::<Vec<_>>(), [at]);
}

fn set(answer: &mut Answer, name: &'static str, value: &str) {
    answer.headers.insert(name, value.parse().unwrap());
}
