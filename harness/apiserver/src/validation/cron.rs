//! Schedules of cron, as far as they can be wrong (github.com/robfig/cron v1.1, which Kubernetes 1.20 vendors).

struct Bounds {
    least: u64,
    most: u64,
    names: &'static [&'static str],
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const FIELDS: [Bounds; 5] = [
    Bounds { least: 0, most: 59, names: &[] },
    Bounds { least: 0, most: 23, names: &[] },
    Bounds { least: 1, most: 31, names: &[] },
    Bounds { least: 1, most: 12, names: MONTHS },
    Bounds { least: 0, most: 6, names: DAYS },
];

/// Checks a schedule of five fields, or a descriptor as `@daily`.
///
/// # Errors
/// The parser's text.
pub fn parse(schedule: &str) -> Result<(), String> {
    if schedule.starts_with('@') {
        return descriptor(schedule);
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("Expected exactly 5 fields, found {}: {schedule}", fields.len()));
    }
    for (field, bounds) in fields.iter().zip(&FIELDS) {
        field.split(',').filter(|part| !part.is_empty()).try_for_each(|part| range(part, bounds))?;
    }
    Ok(())
}

fn descriptor(text: &str) -> Result<(), String> {
    let known = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
    if known.contains(&text) {
        return Ok(());
    }
    match text.strip_prefix("@every ") {
        Some(duration) if is_duration(duration) => Ok(()),
        Some(duration) => Err(format!("Failed to parse duration {text}: time: invalid duration {duration:?}")),
        None => Err(format!("Unrecognized descriptor: {text}")),
    }
}

fn is_duration(text: &str) -> bool {
    let units = ["ns", "us", "ms", "s", "m", "h"];
    let mut rest = text.trim_start_matches('-');
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let after = unit.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let (number, name) = (rest.len() - unit.len(), unit.strip_suffix(after).unwrap_or(unit));
        if number == 0 || !units.contains(&name) {
            return false;
        }
        rest = after;
    }
    true
}

fn number(text: &str, names: &[&str]) -> Result<u64, String> {
    if let Some(place) = names.iter().position(|name| *name == text.to_lowercase()) {
        let first = if names.len() == MONTHS.len() { 1 } else { 0 };
        return Ok(place as u64 + first);
    }
    match text.parse::<i64>() {
        Ok(number) => u64::try_from(number).map_err(|_| format!("Negative number ({number}) not allowed: {text}")),
        Err(_) => Err(format!("Failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")),
    }
}

fn range(text: &str, bounds: &Bounds) -> Result<(), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts.first().map(|range| range.split('-').collect()).unwrap_or_default();
    let (start, mut end) = match *ends.as_slice() {
        ["*" | "?", ..] => (bounds.least, bounds.most),
        [one] => {
            let one = number(one, bounds.names)?;
            (one, one)
        }
        [low, high] => (number(low, bounds.names)?, number(high, bounds.names)?),
        _ => {
            if let Some(first) = ends.first() {
                number(first, bounds.names)?;
            }
            return Err(format!("Too many hyphens: {text}"));
        }
    };
    let step = match *parts.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step, &[])?;
            if ends.len() == 1 {
                end = bounds.most;
            }
            step
        }
        _ => return Err(format!("Too many slashes: {text}")),
    };
    if start < bounds.least {
        return Err(format!("Beginning of range ({start}) below minimum ({}): {text}", bounds.least));
    }
    if end > bounds.most {
        return Err(format!("End of range ({end}) above maximum ({}): {text}", bounds.most));
    }
    if start > end {
        return Err(format!("Beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("Step of range should be a positive number: {text}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("*/5 * * * *", true)]
    #[case("0 0 1 jan mon-fri", true)]
    #[case("@daily", true)]
    #[case("@every 1h30m", true)]
    #[case("@never", false)]
    #[case("* * * *", false)]
    #[case("60 * * * *", false)]
    #[case("*/0 * * * *", false)]
    #[case("a * * * *", false)]
    fn judges_schedules(#[case] schedule: &str, #[case] fits: bool) {
        assert_eq!(parse(schedule).is_ok(), fits);
    }
}
