//! Checks that can be taken out of a simulated node, to prove that the simulation needs them.

/// What a node leaves out. Nothing, unless a test says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// The ids of messages that were taken are not remembered across restarts.
    pub forgets_ids: bool,
    /// Messages are handed to a link without those before them.
    pub hands_out_of_order: bool,
    /// That a message may have been sent is not written before it is.
    pub skips_mark: bool,
    /// Messages are acknowledged before they are on disk.
    pub acknowledges_early: bool,
    /// A message is written although the one before it could not be.
    pub skips_comparison: bool,
    /// Whoever sends is told that a message is accepted before it is on disk.
    pub accepts_early: bool,
    /// `processed` is told before it is on disk.
    pub processes_early: bool,
    /// A message is taken although its content is not there.
    pub takes_without_content: bool,
    /// A message goes although its content has not arrived.
    pub forgets_holds: bool,
    /// What is settled is taken from the link before the disk knows.
    pub settles_early: bool,
}
