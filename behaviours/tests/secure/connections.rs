//! Several connections to the same peer become one.

use std::time::{Duration, Instant};

use libp2p_core::Multiaddr;
use libp2p_core::upgrade::Version;
use libp2p_identity::Keypair;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{Swarm, SwarmEvent};
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{self, Behaviour, EventKind, GateConfig};
use peer_protocol::link::Event;

use crate::common::{PATIENCE, behaviour, custom, drive, listen, sessions, task};

const FAR: peer_protocol::time::Instant =
    peer_protocol::time::Instant::from_start(Duration::from_secs(3600));

fn node(name: &str, keypair: &Keypair) -> Swarm<Behaviour> {
    let secure = behaviour(name, keypair.clone(), GateConfig::default(), |_| {});
    custom(keypair, Version::V1Lazy, secure)
}

fn established(swarm: &Swarm<Behaviour>) -> u32 {
    swarm.network_info().connection_counters().num_established()
}

fn dial(from: &mut Swarm<Behaviour>, to: &Swarm<Behaviour>, address: &Multiaddr) {
    let opts = DialOpts::peer_id(*to.local_peer_id())
        .addresses(vec![address.clone()])
        .condition(PeerCondition::Always)
        .build();
    from.dial(opts).unwrap();
}

/// Lets both run for a while, in which neither may lose its last connection or its session.
async fn run(a: &mut Swarm<Behaviour>, b: &mut Swarm<Behaviour>, time: Duration) {
    let end = tokio::time::sleep(time);
    tokio::pin!(end);
    loop {
        let event = tokio::select! {
            event = a.next_swarm_event() => event,
            event = b.next_swarm_event() => event,
            () = &mut end => return,
        };
        match event {
            SwarmEvent::ConnectionClosed { num_established, .. } => assert_ne!(num_established, 0),
            SwarmEvent::Behaviour(secure::Event {
                kind: EventKind::Link(event @ Event::SessionEnded { .. }),
                ..
            }) => panic!("{event:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn dials_that_cross_end_in_one_connection_again_and_again() {
    let (mut a, mut b) = (
        node("entity_a", &Keypair::generate_ed25519()),
        node("entity_b", &Keypair::generate_ed25519()),
    );
    let (at_a, at_b) = (listen(&mut a).await, listen(&mut b).await);
    let (id_a, id_b) = (*a.local_peer_id(), *b.local_peer_id());
    for round in 0..4 {
        dial(&mut a, &b, &at_b);
        dial(&mut b, &a, &at_a);
        a.behaviour_mut().open(id_b).unwrap();
        b.behaviour_mut().open(id_a).unwrap();
        if round == 0 {
            sessions(&mut a, &mut b).await;
        }
        run(&mut a, &mut b, Duration::from_millis(700)).await;
        assert!(established(&a) >= 2, "nothing is closed in a hurry");
        run(&mut a, &mut b, Duration::from_millis(1_500)).await;
        assert_eq!((established(&a), established(&b)), (1, 1), "round {round}");
        a.behaviour_mut().send(id_b, task("from a"), FAR).unwrap();
        b.behaviour_mut().send(id_a, task("from b"), FAR).unwrap();
        let mut receipts = 0;
        drive(&mut a, &mut b, |_, _, event| {
            match event {
                EventKind::Link(Event::SessionReady(info)) => panic!("a second session: {info:?}"),
                EventKind::Link(Event::Receipts { ids, .. }) => receipts += ids.len(),
                _ => {}
            }
            (receipts == 2).then_some(())
        })
        .await;
    }
}

/// The old instance still holds its connection, but nobody answers there any more.
#[tokio::test]
async fn after_a_restart_the_connection_to_the_old_instance_goes_at_once() {
    let keypair = Keypair::generate_ed25519();
    let mut a = node("entity_a", &Keypair::generate_ed25519());
    let mut before = node("entity_b", &keypair);
    let (address, id_a) = (listen(&mut a).await, *a.local_peer_id());
    dial(&mut before, &a, &address);
    before.behaviour_mut().open(id_a).unwrap();
    sessions(&mut a, &mut before).await;
    run(&mut a, &mut before, Duration::from_millis(2_100)).await;

    let mut after = node("entity_b", &keypair);
    dial(&mut after, &a, &address);
    after.behaviour_mut().open(id_a).unwrap();
    let mut since = None;
    let took = tokio::time::timeout(PATIENCE, async {
        loop {
            tokio::select! {
                event = a.next_swarm_event() => match event {
                    SwarmEvent::ConnectionEstablished { .. } => since = Some(Instant::now()),
                    SwarmEvent::ConnectionClosed { num_established, .. } => {
                        assert_eq!(num_established, 1);
                        return since.unwrap().elapsed();
                    }
                    _ => {}
                },
                _ = after.next_swarm_event() => {}
            }
        }
    })
    .await
    .unwrap();
    assert!(took < Duration::from_millis(900), "{took:?}");
    drop(before);
}

/// A peer whose one connection is dead, while another one works, is reached without delay.
#[tokio::test]
async fn a_connection_that_stays_silent_is_closed_although_this_side_does_not_choose() {
    // The side with the larger peer id leaves surplus connections to the other.
    let (small, large) = loop {
        let (one, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        if one.public().to_peer_id() < other.public().to_peer_id() {
            break (one, other);
        }
    };
    let mut a = node("entity_a", &large);
    let mut deaf = node("entity_b", &small);
    let mut b = node("entity_b", &small);
    let (address, id_b) = (listen(&mut a).await, *b.local_peer_id());
    // Both connections are new, so neither is known to be older than a restart.
    dial(&mut deaf, &a, &address);
    dial(&mut b, &a, &address);
    while established(&a) < 2 {
        tokio::select! {
            _ = a.next_swarm_event() => {}
            _ = deaf.next_swarm_event(), if established(&deaf) == 0 => {}
            _ = b.next_swarm_event() => {}
        }
    }
    a.behaviour_mut().send(id_b, task("which way?"), FAR).unwrap();
    let started = Instant::now();
    let (mut closed, mut done) = (false, false);
    tokio::time::timeout(PATIENCE, async {
        while !(closed && done) {
            tokio::select! {
                event = a.next_swarm_event() => match event {
                    SwarmEvent::ConnectionClosed { num_established, .. } => {
                        assert_eq!(num_established, 1);
                        closed = true;
                    }
                    SwarmEvent::Behaviour(event) => {
                        done |= matches!(event.kind, EventKind::Link(Event::Receipts { .. }));
                        if !closed && done {
                            // Something to ask, and to hear.
                            a.behaviour_mut().send(id_b, task("and again"), FAR).unwrap();
                        }
                    }
                    _ => {}
                },
                _ = b.next_swarm_event() => {}
                () = tokio::time::sleep(Duration::from_millis(200)), if !closed => {
                    a.behaviour_mut().send(id_b, task("and again"), FAR).unwrap();
                }
            }
        }
    })
    .await
    .unwrap();
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    drop(deaf);
}
