//! Quantities, as `500m` or `2Gi`: read, compared, added, and written in the one form that the original stores
//! (apimachinery's `api/resource/quantity.go`, Kubernetes 1.20).

use std::fmt;

/// Why a text is no quantity, in the original's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAQuantity {
    /// It looks like none.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Format,
    /// Its number is none.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// Its suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `12M`.
    Decimal,
    /// `12Mi`.
    Binary,
    /// `12e6`.
    Exponent,
}

/// One quantity.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The value in billionths, the finest that is kept.
    nano: i128,
    format: Format,
    /// The number as it was written, and the power of ten that it is to be multiplied by.
    written: (i128, i32),
    /// The text that it was read from, where that is kept as it is.
    text: Option<String>,
}

const NANO: i128 = 1_000_000_000;
/// More digits than this are not read the quick way, which alone keeps a text.
const QUICK_DIGITS: usize = 18;

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (whole, rest) = unsigned.split_at(digits);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let letters = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let number = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    let fits = number.chars().all(|c| c.is_ascii_digit());
    fits.then(|| Parts { negative: text.starts_with('-'), whole: whole.trim_start_matches('0'), fraction, suffix })
}

const DECIMAL: &[(&str, i32)] =
    &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: &[(&str, i32)] = &[("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// The exponent that a suffix stands for: of two for a binary one, of ten for the others.
fn suffix(text: &str) -> Option<(i32, Format)> {
    let find = |table: &[(&str, i32)]| table.iter().find(|(name, _)| *name == text).map(|(_, exponent)| *exponent);
    if let Some(exponent) = find(DECIMAL) {
        return Some((exponent, Format::Decimal));
    }
    if let Some(exponent) = find(BINARY) {
        return Some((exponent, Format::Binary));
    }
    let exponent = text.strip_prefix(['e', 'E']).filter(|rest| !rest.is_empty())?;
    Some((exponent.parse().ok()?, Format::Exponent))
}

fn ten_to(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// `value` times ten to `exponent`; what is lost below is rounded up.
fn shifted(value: i128, exponent: i32) -> i128 {
    if exponent >= 0 {
        return ten_to(exponent).and_then(|factor| value.checked_mul(factor)).unwrap_or(i128::MAX);
    }
    match ten_to(-exponent) {
        Some(divisor) => value / divisor + i128::from(value % divisor != 0),
        None => i128::from(value != 0),
    }
}

impl Quantity {
    /// Reads a text.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        if text.is_empty() {
            return Err(NotAQuantity::Format);
        }
        let parts = parts(text).ok_or(NotAQuantity::Format)?;
        let (exponent, format) = suffix(parts.suffix).ok_or(NotAQuantity::Suffix)?;
        let places = i32::try_from(parts.fraction.len()).map_err(|_| NotAQuantity::Number)?;
        let digits = format!("{}{}", parts.whole, parts.fraction);
        let value: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| NotAQuantity::Number)? };
        let mut written = (value, exponent - places);
        let (nano, format) = if format == Format::Binary {
            let scaled = value.checked_shl(exponent.unsigned_abs()).unwrap_or(i128::MAX);
            let nano = shifted(scaled, 9 - places);
            written = (scaled, -places);
            // Less than one has no binary form.
            (nano, if nano > 0 && nano < NANO { Format::Decimal } else { Format::Binary })
        } else {
            (shifted(value, 9 - places + exponent), format)
        };
        let kept = match format {
            _ if digits.len() > QUICK_DIGITS || digits.is_empty() => text == "0",
            Format::Binary => parts.fraction.is_empty() && value % 8 != 0,
            Format::Decimal | Format::Exponent => {
                let scale = exponent - places;
                scale >= -9 && scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
            }
        };
        let sign = if parts.negative { -1 } else { 1 };
        let (nano, written) = (sign * nano, (sign * written.0, written.1));
        Ok(Self { nano, format, written, text: kept.then(|| text.to_owned()) })
    }

    /// The value in billionths.
    #[must_use]
    pub fn nano(&self) -> i128 {
        self.nano
    }

    /// Whether there is something behind the decimal point.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.nano % NANO == 0
    }

    /// The sum, in this quantity's form.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let format = if self.nano == 0 { other.format } else { self.format };
        Self::computed(self.nano.saturating_add(other.nano), format)
    }

    /// The difference, in this quantity's form.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let format = if self.nano == 0 { other.format } else { self.format };
        Self::computed(self.nano.saturating_sub(other.nano), format)
    }

    /// A whole number.
    #[must_use]
    pub fn whole(value: i64) -> Self {
        Self::computed(i128::from(value) * NANO, Format::Decimal)
    }

    fn computed(nano: i128, format: Format) -> Self {
        let mut written = (nano, -9);
        while written.0 != 0 && written.0 % 10 == 0 && written.1 < 0 {
            written = (written.0 / 10, written.1 + 1);
        }
        Self { nano, format, written, text: None }
    }

    /// Rounded up to thousandths, as all amounts of resources are.
    #[must_use]
    pub fn to_milli(self) -> Self {
        const STEP: i128 = 1_000_000;
        if self.nano % STEP == 0 {
            return self;
        }
        let up = i128::from(self.nano > 0);
        Self::computed((self.nano / STEP + up) * STEP, self.format)
    }

    /// As Go's `%#v` writes it.
    #[must_use]
    pub fn go_syntax(&self) -> String {
        let (value, scale) = self.written;
        let text = self.text.as_deref().unwrap_or_default();
        let format = match self.format {
            Format::Decimal => "DecimalSI",
            Format::Binary => "BinarySI",
            Format::Exponent => "DecimalExponent",
        };
        format!(
            "resource.Quantity{{i:resource.int64Amount{{value:{value}, scale:{scale}}}, d:resource.infDecAmount{{Dec:(*inf.Dec)(nil)}}, s:{text:?}, Format:\"{format}\"}}"
        )
    }

    fn binary(&self) -> Option<String> {
        let whole = shifted(self.nano, -9);
        if whole.abs() < 1024 {
            return None;
        }
        let (mut mantissa, mut power) = (whole, 0_i32);
        while mantissa.abs() >= 1024 && mantissa % 1024 == 0 {
            mantissa /= 1024;
            power += 10;
        }
        let name = BINARY.iter().find(|(_, exponent)| *exponent == power).map_or("", |(name, _)| name);
        Some(format!("{mantissa}{name}"))
    }

    fn decimal(&self) -> String {
        let (mut mantissa, mut power) = (self.nano, -9_i32);
        while mantissa.abs() >= 1000 && mantissa % 1000 == 0 && power < 18 {
            mantissa /= 1000;
            power += 3;
        }
        if self.format == Format::Exponent {
            return if power == 0 { mantissa.to_string() } else { format!("{mantissa}e{power}") };
        }
        let name = DECIMAL.iter().find(|(_, exponent)| *exponent == power).map_or("", |(name, _)| name);
        format!("{mantissa}{name}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nano.partial_cmp(&other.nano)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return out.write_str(text);
        }
        if self.nano == 0 {
            return out.write_str("0");
        }
        let binary = (self.format == Format::Binary).then(|| self.binary()).flatten();
        out.write_str(&binary.unwrap_or_else(|| self.decimal()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("500m", "500m")]
    #[case("0.5", "500m")]
    #[case("1000m", "1")]
    #[case("1500m", "1500m")]
    #[case("1024Mi", "1Gi")]
    #[case("1Gi", "1Gi")]
    #[case("1.5Gi", "1536Mi")]
    #[case("1000", "1k")]
    #[case("100Mi", "100Mi")]
    #[case("0", "0")]
    #[case("1e3", "1e3")]
    #[case("0Mi", "0")]
    #[case("10000000", "10M")]
    fn writes_the_form_that_is_stored(#[case] text: &str, #[case] stored: &str) {
        assert_eq!(Quantity::parse(text).unwrap().to_string(), stored);
    }

    #[rstest]
    #[case("", NotAQuantity::Format)]
    #[case("x", NotAQuantity::Format)]
    #[case("1Qi", NotAQuantity::Format)]
    #[case("1ki", NotAQuantity::Suffix)]
    fn tells_why_a_text_is_none(#[case] text: &str, #[case] why: NotAQuantity) {
        assert_eq!(Quantity::parse(text).unwrap_err(), why);
    }

    #[rstest]
    #[case("100u", "1m")]
    #[case("1500u", "2m")]
    #[case("3G", "3G")]
    fn rounds_up_to_thousandths(#[case] text: &str, #[case] rounded: &str) {
        assert_eq!(Quantity::parse(text).unwrap().to_milli().to_string(), rounded);
    }

    #[test]
    fn adds_in_the_first_form() {
        let sum = Quantity::parse("1Gi").unwrap().plus(&Quantity::parse("1Gi").unwrap());
        assert_eq!(sum.to_string(), "2Gi");
    }
}
