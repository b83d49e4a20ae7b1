//! Sets of paths: a tree whose nodes may themselves be members.

use std::collections::BTreeMap;

use super::path::Element;

/// What is known of one element within a [`Set`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The element itself is in the set.
    pub member: bool,
    /// What is in the set below it.
    pub below: Set,
}

impl Node {
    fn holds(&self) -> bool {
        self.member || !self.below.is_empty()
    }
}

/// A set of paths. No node is kept that neither is a member nor has members below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    nodes: BTreeMap<Element, Node>,
}

impl Set {
    /// The set of `paths`.
    pub fn of<P: IntoIterator<Item = Element>>(paths: impl IntoIterator<Item = P>) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(path);
        }
        set
    }

    /// Adds a path. The empty path, a whole object, is never a member.
    pub fn insert(&mut self, path: impl IntoIterator<Item = Element>) {
        let mut path = path.into_iter();
        let Some(mut element) = path.next() else { return };
        let mut set = self;
        for next in path {
            set = &mut set.nodes.entry(element).or_default().below;
            element = next;
        }
        set.nodes.entry(element).or_default().member = true;
    }

    /// Puts a node in place; one that holds nothing is left out.
    pub fn put(&mut self, element: Element, node: Node) {
        if node.holds() {
            self.nodes.insert(element, node);
        }
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes in the original's order.
    pub fn nodes(&self) -> impl Iterator<Item = (&Element, &Node)> {
        self.nodes.iter()
    }

    /// The node at `element`.
    #[must_use]
    pub fn get(&self, element: &Element) -> Option<&Node> {
        self.nodes.get(element)
    }

    /// The set below `path`; `None` when nothing is.
    #[must_use]
    pub fn below(&self, path: &[Element]) -> Option<&Self> {
        let set = path.iter().try_fold(self, |set, element| set.get(element).map(|node| &node.below))?;
        (!set.is_empty()).then_some(set)
    }

    /// Whether `path` itself is a member.
    #[must_use]
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((last, above)) = path.split_last() else { return false };
        let set = above.iter().try_fold(self, |set, element| set.get(element).map(|node| &node.below));
        set.and_then(|set| set.get(last)).is_some_and(|node| node.member)
    }

    /// What is in either.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.add(other);
        self
    }

    /// Adds what is in `other`.
    pub fn add(&mut self, other: &Self) {
        for (element, theirs) in &other.nodes {
            match self.nodes.get_mut(element) {
                Some(ours) => {
                    ours.member |= theirs.member;
                    ours.below.add(&theirs.below);
                }
                None => {
                    self.nodes.insert(element.clone(), theirs.clone());
                }
            }
        }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (element, ours) in &self.nodes {
            if let Some(theirs) = other.nodes.get(element) {
                let member = ours.member && theirs.member;
                out.put(element.clone(), Node { member, below: ours.below.intersection(&theirs.below) });
            }
        }
        out
    }

    /// Removes what is in `other`. What lies below a member of `other` stays, unless it is a member too.
    pub fn remove(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.nodes.retain(|element, ours| {
            if let Some(theirs) = other.nodes.get(element) {
                ours.member &= !theirs.member;
                ours.below.remove(&theirs.below);
            }
            ours.holds()
        });
    }

    /// What is in this set and not in `other`; see [`Set::remove`].
    #[must_use]
    pub fn difference(mut self, other: &Self) -> Self {
        self.remove(other);
        self
    }

    /// Removes what is in `other`, and all that lies below its members.
    pub fn remove_with_descendants(&mut self, other: &Self) {
        self.nodes.retain(|element, ours| match other.nodes.get(element) {
            Some(theirs) if theirs.member => false,
            Some(theirs) => {
                ours.below.remove_with_descendants(&theirs.below);
                ours.holds()
            }
            None => true,
        });
    }

    /// Every path, a parent's members before what lies below them.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<Element>, out: &mut Vec<Vec<Element>>) {
        for (element, node) in &self.nodes {
            if node.member {
                out.push(prefix.iter().chain([element]).cloned().collect());
            }
        }
        for (element, node) in &self.nodes {
            if !node.below.is_empty() {
                prefix.push(element.clone());
                node.below.collect(prefix, out);
                prefix.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn path(text: &str) -> Vec<Element> {
        text.split('.').map(Element::field).collect()
    }

    fn set(paths: &[&str]) -> Set {
        Set::of(paths.iter().map(|text| path(text)))
    }

    #[rstest]
    #[case::a_parent_stays(&["a", "a.b"], &["a.b"], &["a"])]
    #[case::a_child_stays(&["a", "a.b"], &["a"], &["a.b"])]
    #[case::nothing_is_left(&["a.b.c"], &["a.b.c"], &[])]
    fn removes_members_alone(#[case] from: &[&str], #[case] removed: &[&str], #[case] left: &[&str]) {
        assert_eq!(set(from).difference(&set(removed)), set(left));
    }

    #[rstest]
    #[case::with_children(&["a", "a.b", "c"], &["a"], &["c"])]
    #[case::a_parent_stays(&["a", "a.b"], &["a.b"], &["a"])]
    fn removes_what_lies_below_too(#[case] from: &[&str], #[case] removed: &[&str], #[case] left: &[&str]) {
        let mut found = set(from);
        found.remove_with_descendants(&set(removed));
        assert_eq!(found, set(left));
    }

    #[test]
    fn lists_members_before_what_lies_below() {
        let found: Vec<String> =
            set(&["a.b", "c", "a"]).paths().iter().map(|path| super::super::path::text(path)).collect();
        assert_eq!(found, [".a", ".c", ".a.b"]);
    }

    #[test]
    fn has_no_member_at_the_root() {
        let mut whole = Set::default();
        whole.insert(Vec::new());
        assert!(whole.is_empty() && !whole.has(&[]));
    }
}
