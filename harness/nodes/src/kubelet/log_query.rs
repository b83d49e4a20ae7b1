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

impl LogQuery {
    pub(super) fn parse(query: &str, now: Timestamp) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let wrong = || format!("invalid value {value:?} of {name}");
            let number = || value.parse::<usize>().map_err(|_| wrong());
            match name {
                "follow" => parsed.follow = is_true(value),
                "previous" => parsed.previous = is_true(value),
                "timestamps" => parsed.timestamps = is_true(value),
                "tailLines" => parsed.tail = Some(number()?),
                "limitBytes" => parsed.limit_bytes = Some(number()?),
                "sinceSeconds" => {
                    let seconds = value.parse().map_err(|_| wrong())?;
                    parsed.since = now.checked_sub(SignedDuration::from_secs(seconds)).ok();
                }
                "sinceTime" => {
                    let decoded = value.replace("%3A", ":").replace("%3a", ":").replace("%2B", "+");
                    parsed.since = Some(decoded.parse().map_err(|_| wrong())?);
                }
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// A line as the answer has it.
    pub(super) fn render(&self, line: &LogLine) -> Vec<u8> {
        if self.timestamps { format!("{:.9} {}\n", line.at, line.text) } else { format!("{}\n", line.text) }
            .into_bytes()
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "1")
}

#[cfg(test)]
mod tests {
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
        assert!(LogQuery::parse("tailLines=x", now).is_err());
    }

    #[test]
    fn puts_the_time_before_the_line_on_request() {
        let line = LogLine { at: Timestamp::UNIX_EPOCH, text: "hello".into() };
        let query = LogQuery { timestamps: true, ..LogQuery::default() };
        assert_eq!(query.render(&line), b"1970-01-01T00:00:00.000000000Z hello\n");
    }
}
