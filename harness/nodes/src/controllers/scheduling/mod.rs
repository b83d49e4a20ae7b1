//! Which pods fit on which nodes.

pub(crate) mod affinity;
pub(crate) mod fit;
pub(crate) mod quantity;
pub(crate) mod taints;
pub(crate) mod volumes;
