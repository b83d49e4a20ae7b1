//! The server's clock: wall time and an offset, in the forms that objects carry.

use jiff::{SignedDuration, Timestamp};

/// Wall time, shifted.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerClock {
    offset_seconds: i64,
}

impl ServerClock {
    /// Wall time plus `offset_seconds`.
    #[must_use]
    pub fn shifted(offset_seconds: i64) -> Self {
        Self { offset_seconds }
    }

    /// Now.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.after(0)
    }

    /// Now and `seconds` more.
    #[must_use]
    pub fn after(self, seconds: i64) -> Timestamp {
        let shift = SignedDuration::from_secs(self.offset_seconds.saturating_add(seconds));
        Timestamp::now().checked_add(shift).unwrap_or(Timestamp::MAX)
    }

    /// Now, as `metadata.creationTimestamp` is written.
    #[must_use]
    pub fn stamp(self) -> String {
        stamp(self.now())
    }

    /// `seconds` from now, in the same form.
    #[must_use]
    pub fn stamp_after(self, seconds: i64) -> String {
        stamp(self.after(seconds))
    }

    /// `seconds` after the moment that `text` names, in the same form.
    #[must_use]
    pub fn stamp_moved(self, text: &str, seconds: i64) -> String {
        let moment: Timestamp = text.parse().unwrap_or_else(|_| self.now());
        stamp(moment.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(moment))
    }

    /// Seconds since the moment that `text` names.
    #[must_use]
    pub fn seconds_since(self, text: &str) -> Option<i64> {
        let moment: Timestamp = text.parse().ok()?;
        Some(self.now().as_second() - moment.as_second())
    }
}

fn stamp(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `seconds` as kubectl shows an age (`duration.HumanDuration` of apimachinery).
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let with = |whole: i64, unit: &str, rest: i64, rest_unit: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{rest_unit}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        _ if minutes < 10 => with(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => with(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => with(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => with(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(5, "5s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(125, "2m5s")]
    #[case(601, "10m")]
    #[case(3600 * 4 + 60, "4h1m")]
    #[case(86400 * 3, "3d")]
    #[case(-5, "<invalid>")]
    fn shows_ages_as_kubectl(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(human_duration(seconds), expected);
    }
}
