//! When a `CronJob` runs: the five fields of cron, and its names for common times (github.com/robfig/cron v1.1.0, as in
//! kubernetes v1.20). All times are in UTC, as of a controller manager in a container.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// Minutes, hours, days, months and weekdays at which something is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Schedule {
    Fields(Fields),
    /// Again and again after this time.
    Every(Duration),
}

/// Each field as a set of numbers, by their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A `*` in the field of days or weekdays; then both have to fit, otherwise one of the two.
    any_day: bool,
}

/// A schedule that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSchedule {
    #[error("Expected exactly 5 fields, found {0}: {1}")]
    Fields(usize, String),
    #[error("Failed to parse int from {0}: strconv.Atoi: parsing \"{0}\": invalid syntax")]
    Number(String),
    #[error("Beginning of range ({0}) below minimum ({1}): {2}")]
    Below(u32, u32, String),
    #[error("End of range ({0}) above maximum ({1}): {2}")]
    Above(u32, u32, String),
    #[error("Beginning of range ({0}) beyond end of range ({1}): {2}")]
    Reversed(u32, u32, String),
    #[error("Step of range should be a positive number: {0}")]
    Step(String),
    #[error("Unrecognized descriptor: {0}")]
    Descriptor(String),
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may hold: its smallest and largest number, and names from the smallest on.
struct Bounds {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

impl Bounds {
    fn number(&self, text: &str) -> Result<u32, NoSchedule> {
        let name = self.names.iter().zip(self.least..).find(|(name, _)| text.eq_ignore_ascii_case(name));
        match name {
            Some((_, number)) => Ok(number),
            None => text.parse().map_err(|_| NoSchedule::Number(text.to_owned())),
        }
    }

    /// The numbers of a field, and whether it is a `*`.
    fn parse(&self, field: &str) -> Result<(u64, bool), NoSchedule> {
        let (mut bits, mut any) = (0, false);
        for part in field.split(',') {
            let (part_bits, star) = self.range(part)?;
            bits |= part_bits;
            any |= star;
        }
        Ok((bits, any))
    }

    fn range(&self, text: &str) -> Result<(u64, bool), NoSchedule> {
        let (range, step) = text.split_once('/').map_or((text, None), |(range, step)| (range, Some(step)));
        let star = matches!(range, "*" | "?");
        let (first, last) = if star {
            (self.least, self.most)
        } else {
            match range.split_once('-') {
                Some((first, last)) => (self.number(first)?, self.number(last)?),
                // `N/step` goes on to the end.
                None if step.is_some() => (self.number(range)?, self.most),
                None => (self.number(range)?, self.number(range)?),
            }
        };
        let step = step.map_or(Ok(1), |step| step.parse().map_err(|_| NoSchedule::Number(step.to_owned())))?;
        if first < self.least {
            return Err(NoSchedule::Below(first, self.least, text.to_owned()));
        }
        if last > self.most {
            return Err(NoSchedule::Above(last, self.most, text.to_owned()));
        }
        if first > last {
            return Err(NoSchedule::Reversed(first, last, text.to_owned()));
        }
        if step == 0 {
            return Err(NoSchedule::Step(text.to_owned()));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        let bits = (first..=last).step_by(step).fold(0, |bits, number| bits | 1_u64 << number);
        Ok((bits, star && step == 1))
    }
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits & (1_u64 << number) != 0)
}

impl Schedule {
    pub(super) fn parse(text: &str) -> Result<Self, NoSchedule> {
        if let Some(name) = text.strip_prefix('@') {
            return Self::named(name, text);
        }
        let fields: Vec<_> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(NoSchedule::Fields(fields.len(), text.to_owned()));
        };
        let bounds = |least, most, names| Bounds { least, most, names };
        let (minutes, _) = bounds(0, 59, &[]).parse(minutes)?;
        let (hours, _) = bounds(0, 23, &[]).parse(hours)?;
        let (days, any_day) = bounds(1, 31, &[]).parse(days)?;
        let (months, _) = bounds(1, 12, &MONTHS).parse(months)?;
        let (weekdays, any_weekday) = bounds(0, 6, &WEEKDAYS).parse(weekdays)?;
        let any_day = any_day || any_weekday;
        Ok(Self::Fields(Fields { minutes, hours, days, months, weekdays, any_day }))
    }

    fn named(name: &str, text: &str) -> Result<Self, NoSchedule> {
        let fields = match name {
            "yearly" | "annually" => "0 0 1 1 *",
            "monthly" => "0 0 1 * *",
            "weekly" => "0 0 * * 0",
            "daily" | "midnight" => "0 0 * * *",
            "hourly" => "0 * * * *",
            _ => {
                let every = name.strip_prefix("every ").and_then(duration);
                // Whole seconds, and one at the least.
                let every = every.map(|every| Duration::from_secs(every.as_secs().max(1)));
                return every.map(Self::Every).ok_or_else(|| NoSchedule::Descriptor(text.to_owned()));
            }
        };
        Self::parse(fields)
    }

    /// The first time after `after`; none within five years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => {
                let second = Timestamp::from_second(after.as_second()).ok()?;
                second.checked_add(SignedDuration::try_from(*every).ok()?).ok()
            }
            Self::Fields(fields) => fields.next(&after.to_zoned(TimeZone::UTC)),
        }
    }
}

impl Fields {
    fn fits(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month()) && if self.any_day { day && weekday } else { day || weekday }
    }

    fn next(&self, after: &Zoned) -> Option<Timestamp> {
        let last_year = after.year() + 5;
        let (mut date, now) = (after.date(), after.time());
        let mut from = (i32::from(now.hour()), i32::from(now.minute()) + 1);
        while date.year() <= last_year {
            if self.fits(date) {
                for hour in from.0..24 {
                    let first = if hour == from.0 { from.1 } else { 0 };
                    let hour = i8::try_from(hour).ok()?;
                    let mut minutes = (first..60).filter_map(|minute| i8::try_from(minute).ok());
                    let Some(minute) = minutes.find(|minute| has(self.hours, hour) && has(self.minutes, *minute))
                    else {
                        continue;
                    };
                    return Some(date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp());
                }
            }
            date = date.tomorrow().ok()?;
            from = (0, 0);
        }
        None
    }
}

/// A duration as Go writes it, as `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u32 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let (unit, length) = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        sum += Duration::from_millis(u64::from(number) * length);
        rest = rest.get(unit.len()..)?;
    }
    Some(sum).filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("* * * * *", "2026-11-22T10:00:00Z", "2026-11-22T10:01:00Z")]
    #[case("* * * * *", "2026-11-22T10:00:30Z", "2026-11-22T10:01:00Z")]
    #[case("*/15 * * * *", "2026-11-22T10:46:00Z", "2026-11-22T11:00:00Z")]
    #[case("5/20 * * * *", "2026-11-22T10:25:00Z", "2026-11-22T10:45:00Z")]
    #[case("30 4 * * *", "2026-11-22T10:00:00Z", "2026-11-23T04:30:00Z")]
    #[case("0 0 29 2 *", "2026-11-22T10:00:00Z", "2028-02-29T00:00:00Z")]
    #[case::day_and_any_weekday("0 0 1 * *", "2026-11-22T10:00:00Z", "2026-12-01T00:00:00Z")]
    #[case::weekday_and_any_day("0 0 * * mon-fri", "2026-11-21T10:00:00Z", "2026-11-23T00:00:00Z")]
    #[case::day_or_weekday("0 0 30 * 2", "2026-11-22T10:00:00Z", "2026-11-24T00:00:00Z")]
    #[case("0 9,17 * JAN *", "2026-11-22T10:00:00Z", "2027-01-01T09:00:00Z")]
    #[case("@hourly", "2026-11-22T10:59:59Z", "2026-11-22T11:00:00Z")]
    #[case("@yearly", "2026-11-22T10:59:59Z", "2027-01-01T00:00:00Z")]
    #[case("@every 1h30m", "2026-11-22T10:00:00Z", "2026-11-22T11:30:00Z")]
    fn finds_the_next_time(#[case] schedule: &str, #[case] after: &str, #[case] expected: &str) {
        let next = Schedule::parse(schedule).unwrap().next(after.parse().unwrap());
        assert_eq!(next, Some(expected.parse().unwrap()));
    }

    #[test]
    fn finds_no_day_that_does_not_exist() {
        assert_eq!(Schedule::parse("0 0 31 2 *").unwrap().next(Timestamp::UNIX_EPOCH), None);
    }

    #[rstest]
    #[case("* * * *", "Expected exactly 5 fields, found 4: * * * *")]
    #[case("60 * * * *", "End of range (60) above maximum (59): 60")]
    #[case("* * 0 * *", "Beginning of range (0) below minimum (1): 0")]
    #[case("5-1 * * * *", "Beginning of range (5) beyond end of range (1): 5-1")]
    #[case("*/0 * * * *", "Step of range should be a positive number: */0")]
    #[case("x * * * *", "Failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax")]
    #[case("@often", "Unrecognized descriptor: @often")]
    fn refuses_what_is_no_schedule(#[case] schedule: &str, #[case] expected: &str) {
        assert_eq!(Schedule::parse(schedule).unwrap_err().to_string(), expected);
    }
}
