//! Names as Kubernetes makes them up.

use rand::RngExt as _;

/// Letters and digits that make no words (kubernetes v1.20, `apimachinery/pkg/util/rand`).
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five random characters, as in names of pods and token Secrets.
pub(crate) fn random_suffix() -> String {
    let mut random = rand::rng();
    (0..5).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// `text` with every character moved into the alphabet of made-up names (the same package's `SafeEncodeString`).
pub(crate) fn safe_encode(text: &str) -> String {
    text.bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

const FNV_START: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

/// FNV-1a with 32 bits.
pub(crate) fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(FNV_START, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// FNV-1 with 32 bits, the older of the two.
pub(crate) fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(FNV_START, |hash, byte| hash.wrapping_mul(FNV_PRIME) ^ u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_published_vectors_do() {
        assert_eq!((fnv32(b"foobar"), fnv32a(b"foobar")), (0x31f0_b262, 0xbf9c_f968));
    }
}
