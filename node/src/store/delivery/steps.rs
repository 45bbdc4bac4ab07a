//! Steps on the way of messages, for whoever asks. What the records of messages tell is not written
//! twice.

use peer_protocol::delivery::Step;
use peer_protocol::id::MessageId;
use peer_protocol::time::Timestamp;
use redb::ReadableTableMetadata as _;

use super::apply::Delivery;
use super::rows::TrailStep;
use crate::store::error::Failed;
use crate::store::row::encode;

/// Most steps that are kept, of all messages; the oldest go.
pub(super) const MAX_STEPS: u64 = if cfg!(test) { 1_000 } else { 200_000 };

impl Delivery<'_> {
    pub(super) fn step(&mut self, id: MessageId, step: &Step, at: Timestamp) -> Result<(), Failed> {
        if !is_noted(step) {
            return Ok(());
        }
        let row = encode(&TrailStep { id, at, step: step.clone() });
        let row = row.map_err(|error| Failed::Encoding(error.to_string()))?;
        self.trail.insert(self.counters.trail, row.as_slice())?;
        self.counters.trail += 1;
        while self.trail.len()? > MAX_STEPS {
            if self.trail.pop_first()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Whether a step is worth a row: not if a record tells it, nor if it is known in memory only, as attempts are.
fn is_noted(step: &Step) -> bool {
    match step {
        Step::Accepted
        | Step::Transmitted { .. }
        | Step::Became(_)
        | Step::Stored
        | Step::Taken => false,
        Step::GivenToLink | Step::Paced { .. } | Step::InMailbox { .. } | Step::Handed => true,
    }
}
