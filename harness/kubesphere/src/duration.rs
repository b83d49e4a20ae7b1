//! Durations as Go spells them: `10m0s`, `1.5h`, `0`.

use std::time::Duration;

/// Parses a Go duration (`time.ParseDuration`); negative ones are not known here.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(amount * seconds).ok()?)?;
        rest = &rest[unit..];
    }
    Some(total)
}

/// Spells `duration` as Go does (`time.Duration.String`), to the second: `168h0m0s`, `10m0s`, `0s`.
#[must_use]
pub fn spell(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", Some(0))]
    #[case("0s", Some(0))]
    #[case("10s", Some(10))]
    #[case("10m0s", Some(600))]
    #[case("1.5h", Some(5400))]
    #[case("168h", Some(604_800))]
    #[case("", None)]
    #[case("10", None)]
    #[case("h", None)]
    #[case("1d", None)]
    fn parses(#[case] text: &str, #[case] seconds: Option<u64>) {
        assert_eq!(parse(text), seconds.map(Duration::from_secs));
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(600, "10m0s")]
    #[case(604_800, "168h0m0s")]
    fn spells(#[case] seconds: u64, #[case] text: &str) {
        assert_eq!(spell(Duration::from_secs(seconds)), text);
    }
}
