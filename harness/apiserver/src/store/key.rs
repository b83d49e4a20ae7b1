//! Where objects are, and in what order.

use std::cmp::Ordering;

/// Where an object is within its resource.
///
/// Keys are ordered as etcd orders them: by the bytes of `NAMESPACE/NAME`, so that everything in `a-b` comes before
/// everything in `a`, because `-` comes before `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Namespace; empty for cluster-wide objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of `namespace` and `name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key as a path below its resource, or below `namespace` for those who see only that.
    #[must_use]
    pub fn path(&self, within_namespace: bool) -> String {
        if within_namespace || self.namespace.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.namespace.bytes().chain(std::iter::once(b'/')).chain(self.name.bytes())
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.namespace == other.namespace { self.name.cmp(&other.name) } else { self.bytes().cmp(other.bytes()) }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_as_etcd_does() {
        let mut keys = vec![Key::new("a", "x"), Key::new("a-b", "y"), Key::new("a.b", "z"), Key::new("ab", "w")];
        keys.sort();
        let namespaces: Vec<&str> = keys.iter().map(|key| key.namespace.as_str()).collect();
        assert_eq!(namespaces, ["a-b", "a.b", "a", "ab"]);
    }
}
