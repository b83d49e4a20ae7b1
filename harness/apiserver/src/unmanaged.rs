//! Objects without `metadata.managedFields`, as those want them who read none.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// An object, written without them.
pub struct Unmanaged<'a>(pub &'a Value);

/// Its metadata, written without them.
pub struct UnmanagedMetadata<'a>(pub &'a Value);

impl Serialize for Unmanaged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(object) = self.0 else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(Some(object.len()))?;
        for (key, value) in object {
            match key.as_str() {
                "metadata" => map.serialize_entry(key, &UnmanagedMetadata(value))?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

impl Serialize for UnmanagedMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(metadata) = self.0 else { return self.0.serialize(serializer) };
        serializer.collect_map(metadata.iter().filter(|(key, _)| *key != "managedFields"))
    }
}
