//! What a client is told beside its answer: `Warning` headers (Kubernetes 1.20, `endpoints/filters/warning.go`).

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, header};

/// From so many characters on, warnings are cut.
const LONGEST_TOTAL: usize = 4 * 1024;
/// To so many characters each.
const LONGEST_ITEM: usize = 256;

/// Collects the warnings of one request.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<String>>);

/// `text` as an HTTP quoted string.
fn quoted_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

impl Warnings {
    /// Notes a warning, once.
    pub fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A warning with control characters cannot be a header; the original drops it too.
        if !text.is_empty() && !text.contains(char::is_control) && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Puts the warnings into the head of an answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        let warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = warnings.iter().map(|text| text.chars().count()).sum();
        let (cut, mut written) = (total > LONGEST_TOTAL, 0);
        for text in warnings.iter() {
            let text: String = if cut { text.chars().take(LONGEST_ITEM).collect() } else { text.clone() };
            if cut && written >= LONGEST_TOTAL {
                return;
            }
            written += text.chars().count();
            if let Ok(value) = HeaderValue::from_str(&format!("299 - {}", quoted_string(&text))) {
                headers.append(header::WARNING, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(warnings: &Warnings) -> Vec<String> {
        let mut headers = HeaderMap::new();
        warnings.write(&mut headers);
        headers.get_all(header::WARNING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect()
    }

    #[test]
    fn writes_each_warning_once() {
        let warnings = Warnings::default();
        for text in ["say \"a\"", "say \"a\"", "", "b\nc"] {
            warnings.add(text);
        }
        assert_eq!(written(&warnings), [r#"299 - "say \"a\"""#]);
    }

    #[test]
    fn cuts_what_is_too_much() {
        let warnings = Warnings::default();
        for number in 0..40 {
            warnings.add(format!("{number}{}", "x".repeat(1000)));
        }
        let written = written(&warnings);
        assert!(written.iter().all(|warning| warning.len() < 300));
        assert_eq!(written.len(), 16);
    }
}
