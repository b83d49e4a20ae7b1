//! What a scenario file may refer to. The caller brings it, so that this crate depends on no check and no release.

/// The checks, releases, versions of `KubeKey` and delays that exist.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Checks by name, with their arguments.
    pub checks: &'a [CheckSignature],
    /// KubeSphere releases, as `3.3.2`.
    pub releases: &'a [&'a str],
    /// Versions of `KubeKey`, as `3.0.13`.
    pub kubekeys: &'a [&'a str],
    /// Delays that a scenario may hold, as `config-reload`.
    pub delays: &'a [&'static str],
}

/// A check's name and arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckSignature {
    /// Name, as `cluster-role`.
    pub name: &'static str,
    /// What holds when it passes.
    pub about: &'static str,
    /// Arguments it understands.
    pub args: &'static [ArgSpec],
}

/// An argument of a check. Two names mean the same in every check, and the parser looks at their values: `on` is one of the
/// scenario's clusters, `step` one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgSpec {
    /// Name, as `on`.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Values it takes; any text when empty.
    pub values: &'static [&'static str],
}
