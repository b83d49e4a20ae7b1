//! What is different in every run and means nothing: one list of rules, each with its reason, for both servers alike.

use std::net::SocketAddr;

use regex::Regex;

use crate::managers;

/// A pattern, what stands for it, and why no two servers could have the same.
struct Rule {
    pattern: &'static str,
    replacement: &'static str,
    #[expect(dead_code, reason = "read by people")]
    reason: &'static str,
}

const fn rule(pattern: &'static str, replacement: &'static str, reason: &'static str) -> Rule {
    Rule { pattern, replacement, reason }
}

/// In their order: secrets before what may be inside of them, whole times before ages.
const RULES: [Rule; 28] = [
    rule(r"-----BEGIN [A-Z ]+-----[\s\S]+?-----END [A-Z ]+-----", "PEM", "keys and certificates are made per server"),
    rule(r"\bLS0tLS1CRUdJTi[A-Za-z0-9+/=]+", "PEM64", "the same in base64"),
    rule(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "TOKEN", "tokens are signed per server"),
    rule(r"\bZXlK[A-Za-z0-9+/=]{40,}", "TOKEN64", "the same in base64"),
    rule(r"(ca\.crt:\s+)\d+ bytes", "${1}SIZE", "the authority's certificate has a size of its own"),
    rule(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID", "drawn at random"),
    rule(r"\bcontainerd://[0-9a-f]{64}\b", "CONTAINER", "drawn at random"),
    rule(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "TIME", "when it happened"),
    rule(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (\+0000|GMT|UTC)", "TIME", "when"),
    rule(r#"([rR]esource_?[vV]ersion[\\"]*[:=] ?[\\'"]*)\d+"#, "${1}RV", "counts all writes to the server's storage"),
    rule(r"(Resource Version:\s+)\d+", "${1}RV", "the same in descriptions"),
    rule(r"(The resourceVersion for the provided (?:watch|list) is too old: )\d+( \(\d+\))?", "${1}RV", "the same"),
    rule(r"(too old resource version: )\d+ \(\d+\)", "${1}RV", "the same"),
    rule(r"(Too large resource version: \d+, current: )\d+", "${1}RV", "the same"),
    rule(
        r#"(additions to existing tolerations\)\\n)(?:\\.|[^"\\])*"#,
        "${1}DIFFERENCE",
        "how go-cmp shows what has changed; its blanks are drawn at random, so that nobody compares it",
    ),
    rule(r#"("?continue"?: ?['"]?)[A-Za-z0-9_=-]{20,}"#, "${1}CONTINUE", "holds a resource version"),
    rule(r"(^|[\s(])(?:\d+[ydhms]){1,3} ago\b", "${1}AGE ago", "how long ago depends on when it is asked"),
    rule(
        r"([^:\s]\s{2,})(?:\d+[ydhms]){1,2}(?: \(x\d+ over (?:\d+[ydhms]){1,2}\))?(\s|$)",
        "${1}AGE${2}",
        "the same in tables",
    ),
    rule(r"(\s)<invalid>(\s|$)", "${1}AGE${2}", "the age of what is younger than a second on another clock"),
    rule(r"\b10\.0\.\d+\.\d+\b", "CLUSTER-IP", "drawn at random from the range for Services"),
    rule(r"\b10\.233\.\d+\.\d+\b", "POD-IP", "counts the pods of all sessions"),
    rule(r"\b(3[01]\d{3}|32[0-6]\d\d|327[0-5]\d|3276[0-7])\b", "NODE-PORT", "drawn at random"),
    rule(r#"(\bPort"?: ?)\d{5}\b"#, "${1}PORT", "a kubelet's port of the machine's choice"),
    rule(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-RANDOM", "generated names (apimachinery, util/rand: no vowels)"),
    rule(r"(eventTime|event\.)[0-9a-f]{16}\b", "${1}EVENT", "events are named by their time"),
    rule(r"\.1[0-9a-f]{15}\b", ".EVENT", "events are named by their time in nanoseconds"),
    rule(r"/tmp/[A-Za-z0-9._/-]+", "/tmp/FILE", "temporary files of the client"),
    rule(r"  +$", "", "padding of the last column"),
];

/// Applies the rules.
pub struct Normaliser {
    rules: Vec<(Regex, &'static str)>,
    padding: Regex,
}

impl Normaliser {
    /// All rules, ready.
    ///
    /// # Errors
    /// A pattern that is none, which a test rules out.
    pub fn new() -> Result<Self, regex::Error> {
        let multiline = |pattern: &str| Regex::new(&format!("(?m){pattern}"));
        let rules = RULES.iter().map(|rule| multiline(rule.pattern).map(|pattern| (pattern, rule.replacement)));
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, padding: multiline(r"(\S) {2,}")? })
    }

    /// `text` without what the run made of it; `server` is the address that its client was given.
    pub fn normalise(&self, text: &str, server: SocketAddr) -> String {
        let text = text.replace(&server.to_string(), "SERVER");
        let text = self.rules.iter().fold(text, |text, (pattern, replacement)| {
            // Twice, since neighbours share the space between them.
            let once = pattern.replace_all(&text, *replacement);
            pattern.replace_all(&once, *replacement).into_owned()
        });
        // Clients pad columns to their widest cell, and some cells are of another width now.
        managers::ordered(&self.padding.replace_all(&text, "${1}  "))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn normalised(text: &str) -> String {
        Normaliser::new().unwrap().normalise(text, "127.0.0.1:6443".parse().unwrap())
    }

    #[rstest]
    #[case::table("web-7d9f-x2k4b   1/1     Running   0          12s\n", "web-7d9f-RANDOM  1/1  Running  0  AGE\n")]
    #[case::ages("a   5m4s\nb   3d2h\n", "a  AGE\nb  AGE\n")]
    #[case::repeated_event("Normal  Pulled  2s (x3 over 41s)  kubelet", "Normal  Pulled  AGE  kubelet")]
    #[case::restarts("a   0/1   Error   2 (12s ago)   14s", "a  0/1  Error  2 (AGE ago)  AGE")]
    #[case::metadata("  resourceVersion: \"417\"\n", "  resourceVersion: \"RV\"\n")]
    #[case::json(
        r#""resourceVersion":"417","uid":"0b53e4d2-9a4f-4c35-8b0f-3c3e9a5a1b77""#,
        r#""resourceVersion":"RV","uid":"UID""#
    )]
    #[case::time("creationTimestamp: \"2021-01-13T13:20:00Z\"", "creationTimestamp: \"TIME\"")]
    #[case::human_time("Start Time:   Thu, 26 Nov 2026 02:11:35 +0000", "Start Time:  TIME")]
    #[case::server(
        "The connection to the server 127.0.0.1:6443 was refused",
        "The connection to the server SERVER was refused"
    )]
    #[case::addresses("10.0.0.17 10.0.113.4 10.233.64.9", "CLUSTER-IP CLUSTER-IP POD-IP")]
    #[case::amounts_stay("cpu:        200m\n", "cpu:  200m\n")]
    #[case::words_stay("kube-proxy api-server web-canary 10s-of", "kube-proxy api-server web-canary 10s-of")]
    #[case::hashes_stay("pod-template-hash: 7d9f5bc6d8", "pod-template-hash: 7d9f5bc6d8")]
    #[case::indentation_stays("    a: b\n", "    a: b\n")]
    fn replaces_what_means_nothing(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(normalised(text), expected);
    }
}
