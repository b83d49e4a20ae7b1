//! Media types: what a client wants to read, and what it sends.

mod accept;
mod body;

pub use accept::{Document, Encoding, Endpoint, Form, Shape, document, for_failure, is_for_people, wanted};
#[cfg(test)]
pub use body::accepted;
pub use body::{
    check_fields, check_kind, check_patched_kind, check_type, content_type, decode, decode_patched, read_object,
};
