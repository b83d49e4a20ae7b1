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
    #[cfg(test)]
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    /// Its paths as the original's list of conflicts has them: some are those of others. It keeps slices that share
    /// their memory, so that a later path overwrites the end of an earlier one (`Set.Iterate` of fieldpath/set.go).
    #[must_use]
    pub fn overwritten_paths(&self) -> Vec<Vec<Element>> {
        let mut slices = Slices::default();
        let mut found = Vec::new();
        self.append(&mut slices, Slice::default(), &mut found);
        found.into_iter().map(|slice| slices.elements(slice)).collect()
    }

    fn append(&self, slices: &mut Slices, prefix: Slice, found: &mut Vec<Slice>) {
        for (element, _) in self.nodes.iter().filter(|(_, node)| node.member) {
            found.push(slices.append(prefix, element));
        }
        for (element, node) in self.nodes.iter().filter(|(_, node)| !node.below.is_empty()) {
            let prefix = slices.append(prefix, element);
            node.below.append(slices, prefix, found);
        }
    }

    #[cfg(test)]
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

/// A slice of Go: where its elements are, and how many it has.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    array: usize,
    len: usize,
}

/// Arrays of Go, each with room for a certain number of elements.
#[derive(Debug, Default)]
struct Slices {
    arrays: Vec<(usize, Vec<Element>)>,
}

impl Slices {
    /// Go's `append`: in place where there is room, whoever else has a slice of the array; otherwise in one of twice
    /// the size.
    fn append(&mut self, slice: Slice, element: &Element) -> Slice {
        let Slice { array, len } = slice;
        let (room, mut elements) = match self.arrays.get_mut(array).filter(|_| len > 0) {
            Some((room, elements)) if len < *room => {
                match elements.get_mut(len) {
                    Some(slot) => *slot = element.clone(),
                    None => elements.push(element.clone()),
                }
                return Slice { array, len: len + 1 };
            }
            Some((room, elements)) => (*room * 2, elements.iter().take(len).cloned().collect()),
            None => (1, Vec::new()),
        };
        elements.push(element.clone());
        self.arrays.push((room, elements));
        Slice { array: self.arrays.len() - 1, len: len + 1 }
    }

    fn elements(&self, slice: Slice) -> Vec<Element> {
        let elements = self.arrays.get(slice.array).map(|(_, elements)| elements.as_slice()).unwrap_or_default();
        elements.iter().take(slice.len).cloned().collect()
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

    #[rstest]
    #[case::with_room_for_a_fourth(&["a", "b", "c"], &["x", "y"], &["a.b.c.y", "a.b.c.y"])]
    #[case::without_room_for_a_third(&["a", "b"], &["x", "y"], &["a.b.x", "a.b.y"])]
    fn overwrites_paths_as_the_original(#[case] above: &[&str], #[case] last: &[&str], #[case] expected: &[&str]) {
        let path = |name: &&str| above.iter().chain([name]).map(|name| Element::field(name)).collect::<Vec<_>>();
        let found = Set::of(last.iter().map(path)).overwritten_paths();
        let texts: Vec<String> = found.iter().map(|path| super::super::path::text(path)).collect();
        let expected: Vec<String> = expected.iter().map(|text| format!(".{text}")).collect();
        assert_eq!(texts, expected);
    }
}
