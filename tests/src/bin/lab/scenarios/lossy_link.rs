//! Bad lines.

use std::time::Duration;

use super::Scenario;
use crate::actor::Actor;
use crate::finding::{Finding, expect};
use crate::network::{Family, PORT};
use crate::proxy::Weather;
use crate::stage::Stage;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lossy-link",
    shows: "every message arrives once and in order over QUIC with delay, reordering, loss and duplicates, \
            and over TCP with loss",
    short: true,
    needs: &[],
    play,
};

const WEATHER: Weather = Weather { delay: 20, jitter: 30, loss: 5, twice: 2, seed: 11 };
/// Frames of a hundred that the switch drops, each way.
const LOSS: u8 = 5;
const MESSAGES: usize = 40;

fn play(stage: &Stage) -> Result<(), Finding> {
    let alice = stage.public("alice", &[])?;
    let bob = stage.public("bob", &[])?;
    let carol = stage.public("carol", &[])?;
    let relay = stage.network().public("relay", Family::Both)?;
    bob.attach("cat")?;
    // The good line is cut: only the bad one is left.
    stage.network().cut("alice", "bob")?;
    stage.relay(&relay, bob.host(), WEATHER)?;
    let address = format!("{}/udp/{PORT}/quic-v1/p2p/{}", relay.multiaddr(), bob.peer_id());
    stage.timed("QUIC: session in", || alice.connect(&address))?;
    stage.timed("told in", || all_arrive(&alice, &bob))?;

    stage.network().lose("carol", "bob", LOSS)?;
    stage.network().lose("bob", "carol", LOSS)?;
    stage.timed("TCP: session in", || carol.connect(&bob.address()))?;
    stage.timed("told in", || all_arrive(&carol, &bob))?;
    let lost = stage.network().lost()?;
    stage.note(format!("{lost} frames lost ({LOSS} % each way)"));
    expect(lost > 0, "the switch loses frames", || format!("{lost} lost"))
}

fn all_arrive(from: &Actor, to: &Actor) -> Result<(), Finding> {
    let told: Vec<String> = (0..MESSAGES).map(|n| format!("{} tells {n}", from.name())).collect();
    for text in &told {
        from.run(&["report", to.name(), text])?;
    }
    from.says(to.name(), "that was all", Duration::from_secs(30))?;
    let heard = || {
        let from = |heard: &serde_json::Value| heard["from"] == from.name();
        let status = |heard: serde_json::Value| heard["status"].as_str().map(str::to_owned);
        to.heard().into_iter().filter(from).filter_map(status).collect::<Vec<_>>()
    };
    peer_tests::processes::eventually(Duration::from_secs(10), || heard().len() >= told.len());
    let heard = heard();
    expect(heard == told, "all arrive once, in order", || format!("{heard:?}"))
}
