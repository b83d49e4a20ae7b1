//! Amounts of resources, as far as they can be added and compared.

/// Decimal and binary multiples (kubernetes v1.20, `apimachinery/pkg/api/resource`).
const UNITS: [(&str, i128); 13] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("", 1),
];

/// The thousandths of a quantity, rounded up; none where it is not one.
pub(crate) fn thousandths(text: &str) -> Option<i128> {
    if let Some(thousandths) = text.strip_suffix('m') {
        return thousandths.parse().ok();
    }
    let (number, factor) = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = u32::try_from(fraction.len()).ok()?;
    let parts: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10_i128.checked_pow(digits)?;
    let all = whole.checked_mul(scale)?.checked_add(parts)?.checked_mul(factor)?.checked_mul(1_000)?;
    Some(all.div_euclid(scale) + i128::from(all.rem_euclid(scale) > 0))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2", Some(2_000))]
    #[case("100m", Some(100))]
    #[case("0.5", Some(500))]
    #[case("1Ki", Some(1_024_000))]
    #[case("1.5Gi", Some(1_610_612_736_000))]
    #[case("3M", Some(3_000_000_000))]
    #[case("many", None)]
    fn counts_thousandths(#[case] text: &str, #[case] expected: Option<i128>) {
        assert_eq!(thousandths(text), expected);
    }
}
