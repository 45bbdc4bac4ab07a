//! Ordered delivery under everything that can go wrong, many seeds each. What must hold is in the
//! simulation: nothing lost, nothing twice, nothing out of order, no false receipt.

use peer_tests::simulation::durable::Gale;
use peer_tests::simulation::{Chance, for_each_seed};

#[test]
fn everything_accepted_arrives_once_and_in_order_and_nobody_is_told_what_is_not_so() {
    for_each_seed(300, |seed| {
        let _ = Gale::default().run(Chance::seeded(seed), 2);
    });
}
