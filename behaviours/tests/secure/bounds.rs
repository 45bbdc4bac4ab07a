//! How many peers are remembered, and who is forgotten.

use std::time::Duration;

use libp2p_core::PeerId;
use libp2p_identity::Keypair;
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{EventKind, GateConfig, SendError};
use peer_protocol::link::{Ended, Event, SendFailure};
use peer_protocol::time::Instant;

use crate::common::{PATIENCE, drive, forgetful, sessions, swarm, task};

fn after(millis: u64) -> Instant {
    Instant::from_start(Duration::from_millis(millis))
}

fn absent() -> PeerId {
    Keypair::generate_ed25519().public().to_peer_id()
}

#[tokio::test]
async fn a_peer_that_only_connects_takes_nobodys_place() {
    let mut node = forgetful("node", 1);
    node.listen().with_memory_addr_external().await;
    let mut idle = swarm("idle", GateConfig::default(), |_| {});
    idle.connect(&mut node).await;
    let mut busy = swarm("busy", GateConfig::default(), |_| {});
    busy.connect(&mut node).await;
    busy.behaviour_mut().open(*node.local_peer_id()).unwrap();
    sessions(&mut busy, &mut node).await;
    assert!(node.behaviour().is_connected(idle.local_peer_id()));
}

/// Tasks of the runtime.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Strangers come, have a session, and go for good: nothing is left of them but their places in lists. Time
/// is virtual.
#[tokio::test(start_paused = true)]
async fn of_strangers_that_have_gone_no_link_is_left() {
    const LIFE: Duration = Duration::from_secs(60);
    let mut node =
        swarm("node", GateConfig::default(), |config| config.handshake.session_lifetime = LIFE);
    node.listen().with_memory_addr_external().await;
    let before = tasks();
    let mut gone = Vec::new();
    for number in 0..20 {
        let mut guest = swarm(&format!("guest{number}"), GateConfig::default(), |_| {});
        guest.connect(&mut node).await;
        guest.behaviour_mut().open(*node.local_peer_id()).unwrap();
        sessions(&mut guest, &mut node).await;
        gone.push(*guest.local_peer_id());
    }
    let mut stays = swarm("stays", GateConfig::default(), |_| {});
    stays.connect(&mut node).await;
    stays.behaviour_mut().open(*node.local_peer_id()).unwrap();
    sessions(&mut stays, &mut node).await;
    let (there, stays_id) = (tasks(), *stays.local_peer_id());
    assert!(there >= before + gone.len(), "{there} tasks after {before}: none is of a link");
    let mut forgotten = Vec::new();
    let end = tokio::time::Instant::now() + LIFE + Duration::from_secs(11 * 60);
    while tokio::time::Instant::now() < end {
        tokio::select! {
            event = node.next_swarm_event() => {
                if let Ok(event) = event.try_into_behaviour_event()
                    && event.kind == EventKind::Forgotten
                {
                    forgotten.push(event.peer);
                }
            }
            _ = stays.next_swarm_event() => {}
            () = tokio::time::sleep_until(end) => {}
        }
    }
    assert!(node.behaviour().has_link(&stays_id), "it is connected");
    assert!(gone.iter().all(|id| !node.behaviour().has_link(id)));
    forgotten.sort();
    gone.sort();
    assert_eq!(forgotten, gone, "each is told once");
    assert!(tasks() <= there - gone.len(), "{} tasks of {there} are left", tasks());
}

#[tokio::test]
async fn a_peer_for_whom_a_message_waits_is_not_forgotten_before_its_fate_is_told() {
    let mut node = forgetful("node", 1);
    let (first, second) = (absent(), absent());
    node.behaviour_mut().send(first, task("waits"), after(300)).unwrap();
    let refused = node.behaviour_mut().send(second, task("too many"), after(60_000));
    assert_eq!(refused, Err(SendError::Busy));
    tokio::time::timeout(PATIENCE, async {
        loop {
            let event = node.next_behaviour_event().await;
            if let EventKind::Link(Event::Failed { why, .. }) = event.kind {
                assert_eq!((event.peer, why), (first, SendFailure::Expired));
                break;
            }
        }
    })
    .await
    .unwrap();
    node.behaviour_mut().send(second, task("there is room"), after(60_000)).unwrap();
}

#[tokio::test]
async fn the_sessions_of_a_forgotten_peer_are_reported_as_ended() {
    let mut node = forgetful("node", 1);
    let mut peer = swarm("entity_b", GateConfig::default(), |_| {});
    peer.listen().with_memory_addr_external().await;
    node.connect(&mut peer).await;
    let id = *peer.local_peer_id();
    node.behaviour_mut().open(id).unwrap();
    let [session, _] = sessions(&mut node, &mut peer).await;
    assert_eq!(node.behaviour_mut().open(absent()), Err(SendError::Busy), "it is connected");

    node.disconnect_peer_id(id).unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        while node.is_connected(&id) || node.behaviour_mut().open(absent()).is_err() {
            tokio::select! {
                _ = node.next_swarm_event() => {}
                _ = peer.next_swarm_event() => {}
            }
        }
        drive(&mut node, &mut peer, |side, from, event| match event {
            EventKind::Link(Event::SessionEnded { id, why }) if side == 0 => Some((from, id, why)),
            _ => None,
        })
        .await
    })
    .await
    .unwrap();
    assert_eq!(ended, (id, session.id, Ended::Closed));
}
