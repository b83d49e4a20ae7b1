//! Hides secrets in whatever is written: those that were named, in any encoding, and what stands where secrets stand.
//!
//! A secret is shown as `sha256:` and eight hexadecimal digits of a keyed digest, so that a reader sees which values are
//! equal within one run, and learns nothing else.

mod encode;
mod fields;
mod index;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use index::Index;
use view::{Lines, Views};

/// Values shorter than this are hidden by their field only: as plain text they would hide half of every output.
pub const SHORTEST_SECRET: usize = 8;

/// How often a text may be encoded in base64 over again and still be looked into.
const DEPTH: usize = 4;

/// Knows a run's secrets. Clones share what they know.
#[derive(Clone)]
pub struct Masker {
    shared: Arc<Shared>,
}

struct Shared {
    key: [u8; 32],
    index: RwLock<Index>,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

impl Masker {
    /// Knows no secret yet. `key` is the run's own: digests of two runs cannot be compared.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { shared: Arc::new(Shared { key, index: RwLock::new(Index::default()) }) }
    }

    /// Hides `secret` from now on. Surrounding white space does not count. A value under [`SHORTEST_SECRET`] characters is
    /// hidden by its field only.
    pub fn add(&self, secret: &str) {
        let secret = secret.trim();
        if secret.chars().count() < SHORTEST_SECRET {
            return;
        }
        let digest = self.digest(secret.as_bytes());
        let mut index = self.shared.index.write().unwrap_or_else(PoisonError::into_inner);
        if !index.learns(secret) {
            return;
        }
        index.insert(&encode::forms(secret.as_bytes()), digest);
        if secret.contains("PRIVATE KEY-----") {
            // In YAML every line of a key is indented, so that the whole is nowhere in one piece.
            for line in
                secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_SECRET && !line.starts_with("-----"))
            {
                index.insert(&[line.as_bytes().to_vec()], digest);
            }
        }
    }

    /// `text` without secrets; all else stays as it is.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let spans = self.spans(text, DEPTH);
        if spans.is_empty() {
            return text.to_owned();
        }
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            masked.push_str(&text[at..span.start]);
            masked.push_str(&span.digest.to_string());
            at = span.end;
        }
        masked.push_str(&text[at..]);
        masked
    }

    fn digest(&self, secret: &[u8]) -> Digest {
        let mut digest = [0; 4];
        // HMAC takes a key of any length (RFC 2104), so there is always a digest.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.shared.key) {
            mac.update(secret);
            for (target, byte) in digest.iter_mut().zip(mac.finalize().into_bytes()) {
                *target = byte;
            }
        }
        Digest(digest)
    }

    /// What to replace in `text`: in order, apart from each other.
    fn spans(&self, text: &str, depth: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        let views = Views::of(text);
        // Most runs stand in several views.
        let mut encoded: HashMap<&[u8], Vec<Range<usize>>> = HashMap::new();
        for (number, bytes, lines) in views.iter() {
            {
                let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
                index.find(bytes, |range, digest| {
                    spans.push(views.span(number, range, digest));
                });
            }
            if lines == Lines::Kept {
                for range in fields::secrets(bytes) {
                    let digest = self.digest(&bytes[range.clone()]);
                    spans.push(views.span(number, range, digest));
                }
            }
            if depth == 0 {
                continue;
            }
            for run in encode::runs(bytes) {
                let secrets = encoded.entry(&bytes[run.clone()]).or_insert_with_key(|run| self.encoded(run, depth - 1));
                for secret in secrets {
                    let range = run.start + secret.start..run.start + secret.end;
                    let digest = self.digest(&bytes[range.clone()]);
                    spans.push(views.span(number, range, digest));
                }
            }
        }
        apart(spans, text)
    }

    /// The parts of a run of base64 that decode to a text with a secret in it.
    fn encoded(&self, run: &[u8], depth: usize) -> Vec<Range<usize>> {
        let texts = encode::texts(run).into_iter();
        texts.filter(|(_, text)| !self.spans(text, depth).is_empty()).map(|(range, _)| range).collect()
    }
}

/// Four bytes of a secret's keyed digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest([u8; 4]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{:08x}", u32::from_be_bytes(self.0))
    }
}

/// A piece of a text, in bytes, and what stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    digest: Digest,
}

/// Joins spans that overlap; the longest of them gives the digest.
fn apart(mut spans: Vec<Span>, text: &str) -> Vec<Span> {
    for span in &mut spans {
        while !text.is_char_boundary(span.start) {
            span.start -= 1;
        }
        while !text.is_char_boundary(span.end) {
            span.end += 1;
        }
    }
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut joined: Vec<(Span, usize)> = Vec::new();
    for span in spans {
        let length = span.end - span.start;
        match joined.last_mut() {
            Some((last, longest)) if span.start < last.end => {
                last.end = last.end.max(span.end);
                if length > *longest {
                    *longest = length;
                    last.digest = span.digest;
                }
            }
            _ if length > 0 => joined.push((span, length)),
            _ => {}
        }
    }
    joined.into_iter().map(|(span, _)| span).collect()
}

#[cfg(test)]
mod tests;
