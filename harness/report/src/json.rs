//! `report.json`.

use scenario::Report;

/// The report as indented JSON, with a newline at the end.
///
/// # Errors
/// When serialization fails, which no field of a report can cause.
pub fn to_json(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
