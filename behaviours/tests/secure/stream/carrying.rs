//! What streams carry, and that nothing is lost with them.

use libp2p_core::upgrade::Version;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use peer_behaviours::secure::EventKind;
use peer_protocol::link::Event;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Pair;
use crate::common::{drive, listen, sessions};

#[tokio::test]
async fn thousands_of_messages_open_no_substreams() {
    for version in [Version::V1, Version::V1Lazy] {
        let mut pair = Pair::new(version).await;
        pair.move_to_stream().await;
        let before = pair.wire.opened();
        let arrived = pair.exchange(2_000, 64).await;
        assert_eq!(arrived.len(), 2_000);
        assert_eq!((pair.wire.opened(), pair.wire.sessions()), (before, 1), "{version:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_again_and_again_loses_and_doubles_nothing() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pair = Pair::new(Version::V1Lazy).await;
        pair.move_to_stream().await;
        let breaks = (0..8).map(|_| rng.random_range(150..6_000)).collect();
        pair.wire.break_after(breaks);
        let arrived = pair.exchange(1_000, 64).await;
        assert_eq!(arrived.len(), 1_000, "seed {seed}");
        assert!(arrived.values().all(|times| *times == 1), "seed {seed}");
        assert_eq!(pair.wire.breaks_left(), 0, "it broke as often as it was to");
        pair.move_to_stream().await;
    }
}

#[tokio::test]
async fn a_peer_without_streams_is_spoken_to_all_the_same() {
    for version in [Version::V1, Version::V1Lazy] {
        let mut pair = Pair::with(version, |b| b.without_streams()).await;
        let before = pair.wire.opened();
        assert_eq!(pair.exchange(20, 1).await.len(), 20);
        // Longer than the pause before a stream is asked for again where it might be had.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert_eq!(pair.exchange(20, 1).await.len(), 20);
        let opened = pair.wire.opened() - before;
        assert_eq!(opened, 41, "a substream each, and one in vain");
        assert_eq!(pair.wire.sessions(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn a_new_session_on_the_same_connection_gets_a_stream_again() {
    let mut pair = Pair::new(Version::V1Lazy).await;
    pair.move_to_stream().await;
    let peer = *pair.b.local_peer_id();
    for round in 2..5 {
        pair.a.behaviour_mut().close(&peer, "a pause");
        let mut ended = [false, false];
        drive(&mut pair.a, &mut pair.b, |side, _, event| {
            ended[side] |= matches!(event, EventKind::Link(Event::SessionEnded { .. }));
            ended.iter().all(|ended| *ended).then_some(())
        })
        .await;
        pair.a.behaviour_mut().open(peer).unwrap();
        sessions(&mut pair.a, &mut pair.b).await;
        pair.move_to_stream().await;
        assert_eq!(pair.wire.sessions(), round, "another one");
    }
}

#[tokio::test]
async fn a_connection_replaced_in_the_middle_loses_nothing() {
    let mut pair = Pair::new(Version::V1Lazy).await;
    pair.move_to_stream().await;
    let (address, peer) = (listen(&mut pair.b).await, *pair.b.local_peer_id());
    let mut arrived = std::collections::HashMap::new();
    for _ in 0..3 {
        let again = DialOpts::peer_id(peer)
            .addresses(vec![address.clone()])
            .condition(PeerCondition::Always)
            .build();
        pair.a.dial(again).unwrap();
        while pair.a.behaviour().connections(&peer).count() < 2 {
            arrived.extend(pair.exchange(10, 8).await);
        }
        // That with the stream.
        let oldest = pair.a.behaviour().connections(&peer).next().unwrap();
        pair.a.close_connection(oldest);
        arrived.extend(pair.exchange(200, 64).await);
    }
    assert!(arrived.len() > 600);
    assert!(arrived.values().all(|times| *times == 1));
    pair.move_to_stream().await;
    assert!(pair.wire.sessions() > 1);
}
