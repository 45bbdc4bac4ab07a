//! Several hops on a virtual clock, many seeds each. What must hold all the time is in the
//! simulation: nothing delivered twice, no loops, bounded copies, one end for each packet, in time.

use std::time::Duration;

use bytes::Bytes;
use peer_protocol::limits::MAX_HOPS;
use peer_protocol::routing::{Header, Packet, PacketId, Reason};
use peer_protocol::time::Timestamp;
use peer_tests::people::identity;
use peer_tests::simulation::for_each_seed;
use peer_tests::simulation::hops::{Conduct, Net, Roads};

/// Nodes of which only neighbours are connected.
fn line(count: usize, seed: u64) -> Net {
    let mut net = Net::new(count, Roads::calm(), seed);
    (1..count).for_each(|node| net.connect(node - 1, node));
    net
}

fn ring(count: usize, seed: u64) -> Net {
    let mut net = line(count, seed);
    net.connect(0, count - 1);
    net
}

/// A connected graph with about `degree` connections a node.
fn graph(count: usize, degree: usize, roads: Roads, seed: u64) -> Net {
    let mut net = Net::new(count, roads, seed);
    for node in 1..count {
        let to = net.chance().below(node);
        net.connect(node, to);
    }
    for _ in 0..count * degree.saturating_sub(2) / 2 {
        let (a, b) = (net.chance().below(count), net.chance().below(count));
        net.connect(a, b);
    }
    net
}

#[test]
fn six_in_a_line() {
    for_each_seed(20, |seed| {
        let mut net = line(6, seed);
        for (from, to) in [(0, 5), (5, 0), (1, 4), (0, 5)] {
            let hops = net.insist(from, to, 1);
            assert_eq!(hops, Some(u8::try_from(from.abs_diff(to)).unwrap()));
        }
        assert_eq!(net.packets, 5 + 5 + 3 + 5, "a line has one way only");
        net.finish();
    });
}

/// Ten hops arrive, eleven do not.
#[test]
fn a_packet_travels_as_far_as_its_hop_limit() {
    for_each_seed(5, |seed| {
        let mut net = line(12, seed);
        assert_eq!(net.insist(0, 10, 1), Some(MAX_HOPS));
        let far = net.send(0, 11);
        net.finish();
        assert_eq!(net.ended(0, far), Some(Err(Reason::HopLimit)));
    });
}

#[test]
fn when_a_carrier_falls_silent_a_new_route_is_found_within_three_seconds() {
    for_each_seed(100, |seed| {
        let size = 4 + net_size(seed);
        let mut net = ring(size, seed);
        let target = 1 + net.chance().below(size - 1);
        assert!(net.insist(0, target, 1).is_some());
        // Whoever is on the way that was learnt.
        let before: Vec<_> = (1..size).map(|node| net.stats(node).carried).collect();
        assert!(net.insist(0, target, 1).is_some());
        let carriers = (1..size).filter(|node| net.stats(*node).carried > before[node - 1]);
        let carriers: Vec<_> = carriers.collect();
        let Some(&dead) = carriers.get(net.chance().below(carriers.len())) else { return };
        net.set_conduct(dead, Conduct::Silent);
        let started = net.now();
        assert!(net.insist(0, target, 1).is_some(), "node {dead} of {carriers:?} is dead");
        let took = net.now().since(started);
        assert!(took < Duration::from_secs(3), "{took:?}");
        // It is remembered: the next packet goes there at once.
        let started = net.now();
        assert!(net.insist(0, target, 1).is_some());
        assert!(net.now().since(started) < Duration::from_millis(500));
        net.finish();
    });
}

fn net_size(seed: u64) -> usize {
    usize::try_from(seed % 6).unwrap_or(0)
}

/// A packet that comes back to a node that had it is refused there, whoever brings it.
#[test]
fn a_loop_ends_where_it_began() {
    for_each_seed(20, |seed| {
        let mut net = ring(5, seed);
        net.set_conduct(0, Conduct::Flooding);
        // The destination is not there, so that everybody tries everybody.
        let header = Header {
            id: PacketId::from_bytes([7; 16]),
            origin: *identity(0).public_key(),
            destination: *identity(200).public_key(),
            hop_limit: MAX_HOPS,
            expiry: Timestamp::from_millis(1_800_000_010_000),
        };
        let packet = Packet { header, envelope: Bytes::from_static(b"round and round") };
        for _ in 0..10 {
            net.inject(0, 1, packet.clone());
            net.inject(0, 4, packet.clone());
            net.run(Duration::from_millis(200));
        }
        for node in 1..5 {
            assert!(net.handed_on(node, header.id) <= 1, "node {node} has one other neighbour");
        }
        net.finish();
    });
}

#[test]
fn in_honest_networks_everything_arrives() {
    for_each_seed(60, |seed| {
        let count = 10 + usize::try_from(seed % 30).unwrap();
        let mut net = graph(count, 4, Roads::calm(), seed);
        let mut sent = 0;
        for _ in 0..20 {
            let (from, to) = (net.chance().below(count), net.chance().below(count));
            if from == to || !net.is_reachable(from, to) {
                continue;
            }
            sent += 1;
            assert!(net.insist(from, to, 5).is_some(), "from {from} to {to}");
        }
        // Each search visits each node once at most, and each has three tries.
        let bound = sent * 5 * (8 + 3 * u64::try_from(count).unwrap());
        assert!(net.packets < bound, "{} packets", net.packets);
        net.finish();
    });
}

#[test]
fn loss_delays_but_neither_doubles_nor_loses() {
    for_each_seed(40, |seed| {
        let roads =
            Roads { delay: (Duration::from_millis(1), Duration::from_millis(150)), lost: 100 };
        let mut net = graph(15, 4, roads, seed);
        for _ in 0..10 {
            let (from, to) = (net.chance().below(15), net.chance().below(15));
            if from != to && net.is_reachable(from, to) {
                assert!(net.insist(from, to, 8).is_some(), "from {from} to {to}");
            }
        }
        net.finish();
    });
}

/// A quarter of the nodes does whatever it likes. What is honest stays within its bounds, and most
/// packets with an honest way get through.
#[test]
fn liars_can_delay_but_neither_loop_nor_double_nor_flood_through_honest_nodes() {
    let (mut wanted, mut arrived) = (0, 0);
    let counts = std::cell::RefCell::new((&mut wanted, &mut arrived));
    for_each_seed(60, |seed| {
        let count = 20;
        let mut net = graph(count, 5, Roads { lost: 20, ..Roads::calm() }, seed);
        for _ in 0..count / 4 {
            let (node, conduct) = (net.chance().below(count), net.chance().of(Conduct::FOUL));
            net.set_conduct(node, conduct);
        }
        for _ in 0..15 {
            let (from, to) = (net.chance().below(count), net.chance().below(count));
            if from != to && net.is_reachable(from, to) {
                let got_there = net.insist(from, to, 6).is_some();
                let mut counts = counts.borrow_mut();
                *counts.0 += 1;
                *counts.1 += usize::from(got_there);
            }
            if net.chance().happens(300) {
                let (a, b) = (net.chance().below(count), net.chance().below(count));
                net.disconnect(a, b);
            }
        }
        net.finish();
    });
    assert!(arrived * 100 >= wanted * 90, "{arrived} of {wanted}");
    assert!(wanted > 0);
}
