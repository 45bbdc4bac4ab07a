//! Counters, for whoever wants to know what a node does for others.

use super::Reason;

/// What a router did since it was made, and what it holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets carried for neighbours that were answered.
    pub carried: u64,
    /// Bytes of their envelopes, answers included.
    pub carried_bytes: u64,
    /// Packets handed to neighbours, for others or for this node; each try counts.
    pub tries: u64,
    /// Own packets that were answered.
    pub answered: u64,
    /// Own packets that came to nothing.
    pub failed: u64,
    /// Packets of others that were refused, by reason.
    pub refused: Vec<(Reason, u64)>,
    /// Destinations with a learnt route.
    pub routes: usize,
    /// Neighbours that may carry.
    pub neighbours: usize,
    /// Packets under way, own ones and carried ones.
    pub under_way: usize,
    /// Packets remembered, so that they do not pass twice.
    pub remembered: usize,
}

impl Stats {
    pub(super) fn refuse(&mut self, reason: Reason) {
        match self.refused.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.refused.push((reason, 1)),
        }
    }
}
