//! Finds any of many byte strings in a text. Secrets are added while texts are searched, so that adding must be cheap:
//! the first eight bytes of every string lead to it, and nothing is built anew.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::Digest;

const HEAD: usize = 8;

/// Positions in the filter: one for every value of 20 bits.
const FILTER_BITS: u32 = 20;

/// A form of a secret, and what stands for the secret.
type Form = (Arc<[u8]>, Digest);

/// Strings by their first eight bytes.
#[derive(Clone, Default)]
pub struct Index {
    secrets: HashSet<Arc<str>>,
    heads: HashMap<[u8; HEAD], Vec<Form>>,
    /// Whether a string may begin with these four bytes, by their hash: nearly every position of a text ends here.
    filter: Vec<bool>,
}

impl Index {
    /// Whether the secret is new.
    pub fn learns(&mut self, secret: &str) -> bool {
        self.secrets.insert(secret.into())
    }

    /// Adds forms of a secret, each of at least eight bytes; shorter ones are left out.
    pub fn insert(&mut self, forms: &[Vec<u8>], digest: Digest) {
        if self.filter.is_empty() {
            self.filter = vec![false; 1 << FILTER_BITS];
        }
        for form in forms {
            let Some(head) = form.first_chunk::<HEAD>() else {
                continue;
            };
            if let Some(possible) = self.filter.get_mut(hash(*head)) {
                *possible = true;
            }
            self.heads.entry(*head).or_default().push((form.as_slice().into(), digest));
        }
    }

    /// Reports every occurrence, those that overlap too; of those with one beginning, the longest.
    pub fn find(&self, text: &[u8], mut found: impl FnMut(Range<usize>, Digest)) {
        if self.heads.is_empty() {
            return;
        }
        for (at, window) in text.windows(HEAD).enumerate() {
            let Some(head) = window.first_chunk::<HEAD>() else {
                continue;
            };
            if !self.filter.get(hash(*head)).copied().unwrap_or_default() {
                continue;
            }
            let Some(strings) = self.heads.get(head) else {
                continue;
            };
            let longest = strings
                .iter()
                .filter(|(string, _)| text[at..].starts_with(string))
                .max_by_key(|(string, _)| string.len());
            if let Some((string, digest)) = longest {
                found(at..at + string.len(), *digest);
            }
        }
    }
}

fn hash(head: [u8; HEAD]) -> usize {
    let [first, second, third, fourth, ..] = head;
    let hash = u32::from_le_bytes([first, second, third, fourth]).wrapping_mul(0x9E37_79B1) >> (32 - FILTER_BITS);
    usize::try_from(hash).unwrap_or_default()
}
