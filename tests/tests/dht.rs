//! The registry in small networks, some of whose nodes die or are hostile. `scripts/bench dht` does
//! the same with up to a thousand nodes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
#![cfg(feature = "nodes")]

use peer_tests::dht::{Network, Outcome, Scenario};
use peer_tests::simulation::for_each_seed;

/// Runs once, with the seed of the environment if there is one.
fn run(nodes: usize, hostile_percent: usize, churn_percent: usize) {
    for_each_seed(1, |seed| {
        let scenario = Scenario { nodes, hostile_percent, lookups: 60, searches: 8, seed };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(async {
            let mut network = Network::grow(scenario).await;
            if hostile_percent > 0 {
                assert!(network.hostile_peers > 10.0, "{} %", network.hostile_peers);
            }
            assert_eq!(network.unpublished, 0, "seed {seed}");
            network.ask(churn_percent).await
        });
        let Outcome { entities, searches, wrongs, .. } = outcome;
        println!(
            "seed {seed}, {nodes} nodes: {:.1} % of lookups and {:.1} % of searches right, with \
             {:.1} and {:.0} requests",
            entities.percent(),
            searches.percent(),
            entities.requests(),
            searches.requests()
        );
        assert_eq!((entities.all, searches.all), (60, 8));
        assert!(
            entities.percent() >= 99.0 && searches.percent() >= 99.0,
            "seed {seed}: {wrongs:?}"
        );
    });
}

#[test]
fn lookups_are_right_while_a_third_of_the_nodes_dies() {
    run(24, 0, 30);
}

#[test]
fn lookups_are_right_with_every_fifth_node_hostile() {
    run(25, 20, 0);
}
