//! Connections between nodes: what is up, what is cut, and what was under way when it broke.

use std::collections::BTreeMap;

/// The connection, or its absence, between two nodes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Road {
    /// Whether both ends have a connection.
    pub(super) connected: bool,
    /// Whether a connection cannot be made now.
    pub(super) cut: bool,
    /// Whether somebody is dialling.
    pub(super) dialling: bool,
    /// Counts connections; what left over an earlier one does not arrive.
    pub(super) epoch: u64,
}

/// All roads.
#[derive(Debug, Default)]
pub(super) struct Roads(BTreeMap<(usize, usize), Road>);

impl Roads {
    pub(super) fn between(&mut self, a: usize, b: usize) -> &mut Road {
        self.0.entry((a.min(b), a.max(b))).or_default()
    }
}
