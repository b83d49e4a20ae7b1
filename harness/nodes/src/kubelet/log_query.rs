//! What a client asks of a container's log.

use jiff::{SignedDuration, Timestamp};

use crate::logs::LogLine;

/// The query of `/containerLogs` (core/v1 `PodLogOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogQuery {
    pub(super) follow: bool,
    pub(super) previous: bool,
    pub(super) timestamps: bool,
    pub(super) tail: Option<usize>,
    pub(super) since: Option<Timestamp>,
    pub(super) limit_bytes: Option<usize>,
}

/// A query that no log can answer, in the kubelet's words (kubernetes v1.20, `getContainerLogs` in
/// `pkg/kubelet/server/server.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoQuery {
    #[error("{{\"message\": \"Unable to decode query.\"}}")]
    Undecodable,
    #[error("{{\"message\": \"Invalid request.\"}}")]
    Invalid,
}

impl LogQuery {
    pub(super) fn parse(query: &str, now: Timestamp) -> Result<Self, NoQuery> {
        let mut parsed = Self::default();
        let mut times = 0;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value);
            let number = |least: i64| {
                let number = value.parse::<i64>().map_err(|_| NoQuery::Undecodable)?;
                if number < least { Err(NoQuery::Invalid) } else { Ok(number) }
            };
            let count = |least: i64| Ok(usize::try_from(number(least)?).unwrap_or(usize::MAX));
            match name {
                "follow" => parsed.follow = is_true(&value),
                "previous" => parsed.previous = is_true(&value),
                "timestamps" => parsed.timestamps = is_true(&value),
                "tail" if value == "all" => parsed.tail = None,
                "tailLines" | "tail" => parsed.tail = Some(count(0)?),
                "limitBytes" => parsed.limit_bytes = Some(count(1)?),
                "sinceSeconds" => {
                    times += 1;
                    parsed.since = now.checked_sub(SignedDuration::from_secs(number(1)?)).ok();
                }
                "sinceTime" => {
                    times += 1;
                    parsed.since = Some(value.parse().map_err(|_| NoQuery::Undecodable)?);
                }
                _ => {}
            }
        }
        if times > 1 { Err(NoQuery::Invalid) } else { Ok(parsed) }
    }

    /// A line as the answer has it.
    pub(super) fn render(&self, line: &LogLine) -> Vec<u8> {
        if self.timestamps { format!("{:.9} {}\n", line.at, line.text) } else { format!("{}\n", line.text) }
            .into_bytes()
    }
}

/// Any value but these two is true, also none (kubernetes v1.20, `Convert_Slice_string_To_bool`).
fn is_true(value: &str) -> bool {
    !matches!(value, "false" | "0")
}

/// A value of a query without its escapes.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match (first, others) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                match digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = after;
                    }
                    None => bytes.push(b'%'),
                }
            }
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn reads_what_kubectl_asks() {
        let now = Timestamp::from_second(1000).unwrap();
        let query =
            LogQuery::parse("follow=true&tailLines=10&sinceSeconds=60&timestamps=true&limitBytes=5", now).unwrap();
        assert_eq!(query.since, Some(Timestamp::from_second(940).unwrap()));
        assert_eq!((query.follow, query.tail, query.limit_bytes), (true, Some(10), Some(5)));
        let query = LogQuery::parse("sinceTime=2026-11-22T10%3A00%3A00Z", now).unwrap();
        assert_eq!(query.since, Some("2026-11-22T10:00:00Z".parse().unwrap()));
    }

    #[rstest]
    #[case("tailLines=x", NoQuery::Undecodable)]
    #[case("sinceTime=yesterday", NoQuery::Undecodable)]
    #[case("tailLines=-1", NoQuery::Invalid)]
    #[case("limitBytes=0", NoQuery::Invalid)]
    #[case("sinceSeconds=1&sinceTime=2026-11-22T10%3A00%3A00Z", NoQuery::Invalid)]
    fn refuses_what_a_kubelet_refuses(#[case] query: &str, #[case] expected: NoQuery) {
        assert_eq!(LogQuery::parse(query, Timestamp::UNIX_EPOCH), Err(expected));
    }

    #[rstest]
    #[case("follow", true)]
    #[case("follow=yes", true)]
    #[case("follow=false", false)]
    #[case("follow=0", false)]
    fn takes_everything_else_for_true(#[case] query: &str, #[case] expected: bool) {
        assert_eq!(LogQuery::parse(query, Timestamp::UNIX_EPOCH).unwrap().follow, expected);
    }

    #[test]
    fn puts_the_time_before_the_line_on_request() {
        let line = LogLine { at: Timestamp::UNIX_EPOCH, text: "hello".into() };
        let query = LogQuery { timestamps: true, ..LogQuery::default() };
        assert_eq!(query.render(&line), b"1970-01-01T00:00:00.000000000Z hello\n");
    }
}
