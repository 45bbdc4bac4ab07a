//! Ordered messages between three nodes whose disks fail and who crash, as a schedule of the fuzzer's.

use crate::simulation::Chance;
use crate::simulation::durable::Gale;

/// A schedule of a gale: outboxes and receivers keep their promises (§8), whatever is lost and repeated.
pub fn delivery(data: &[u8]) {
    const ACTIONS: usize = 16;
    let gale = Gale { actions: ACTIONS, ..Gale::default() };
    let outcome = gale.run(Chance::scripted(data), 2);
    assert!(outcome.arrived <= outcome.sent);
}
