use libp2p_core::ConnectedPoint;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, ListenFailure};
use libp2p_swarm::{ConnectionId, ListenError};

use super::*;

/// A behaviour and what the swarm would tell it.
struct Rig {
    limits: Behaviour,
    next: usize,
}

fn rig() -> Rig {
    Rig {
        limits: Behaviour::new(Config { established: 3, relayed: 5, pending: 2, strangers: 1_000 }),
        next: 0,
    }
}

fn local() -> Multiaddr {
    "/ip4/198.51.100.1/tcp/1".parse().unwrap()
}

fn endpoint(remote: &Multiaddr) -> ConnectedPoint {
    ConnectedPoint::Listener { local_addr: local(), send_back_addr: remote.clone() }
}

fn cause(denied: ConnectionDenied) -> Exceeded {
    denied.downcast().unwrap()
}

impl Rig {
    fn pend(&mut self, remote: &Multiaddr) -> Result<ConnectionId, Exceeded> {
        let id = ConnectionId::new_unchecked(self.next);
        self.next += 1;
        let taken = self.limits.handle_pending_inbound_connection(id, &local(), remote);
        if taken.is_err() {
            self.fail(id, remote);
        }
        taken.map(|()| id).map_err(cause)
    }

    fn fail(&mut self, connection_id: ConnectionId, remote: &Multiaddr) {
        self.limits.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
            local_addr: &local(),
            send_back_addr: remote,
            error: &ListenError::Aborted,
            connection_id,
            peer_id: None,
        }));
    }

    fn establish(&mut self, id: ConnectionId, remote: &Multiaddr) -> Result<(), Exceeded> {
        let peer = PeerId::random();
        let taken = self.limits.handle_established_inbound_connection(id, peer, &local(), remote);
        if let Err(denied) = taken {
            self.fail(id, remote);
            return Err(cause(denied));
        }
        let endpoint = endpoint(remote);
        self.limits.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        }));
        Ok(())
    }

    fn close(&mut self, connection_id: ConnectionId, remote: &Multiaddr) {
        let endpoint = endpoint(remote);
        self.limits.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id: PeerId::random(),
            connection_id,
            endpoint: &endpoint,
            cause: None,
            remaining_established: 0,
        }));
    }

    fn connect(&mut self, remote: &Multiaddr) -> Result<ConnectionId, Exceeded> {
        let id = self.pend(remote)?;
        self.establish(id, remote)?;
        Ok(id)
    }

    fn is_empty(&self) -> bool {
        [&self.limits.pending, &self.limits.established]
            .iter()
            .all(|counted| counted.prefixes.is_empty() && counted.counts.is_empty())
    }
}

fn neighbour(last: u8) -> Multiaddr {
    format!("/ip4/192.0.2.{last}/tcp/1").parse().unwrap()
}

#[test]
fn one_network_holds_no_more_than_its_share() {
    let mut rig = rig();
    let held: Vec<_> = (0..3).map(|last| rig.connect(&neighbour(last)).unwrap()).collect();
    assert_eq!(rig.connect(&neighbour(9)), Err(Exceeded::Established(3)));
    assert!(rig.connect(&"/ip4/192.0.3.1/tcp/1".parse().unwrap()).is_ok());
    rig.close(held[0], &neighbour(0));
    assert!(rig.connect(&neighbour(9)).is_ok());
    assert_eq!(rig.connect(&neighbour(10)), Err(Exceeded::Established(3)));
}

#[test]
fn half_open_connections_are_limited_and_forgotten_when_they_fail() {
    let mut rig = rig();
    let first = rig.pend(&neighbour(1)).unwrap();
    let second = rig.pend(&neighbour(2)).unwrap();
    assert_eq!(rig.pend(&neighbour(3)), Err(Exceeded::Pending(2)));
    rig.fail(first, &neighbour(1));
    let third = rig.pend(&neighbour(3)).unwrap();
    rig.establish(second, &neighbour(2)).unwrap();
    rig.establish(third, &neighbour(3)).unwrap();
    rig.close(second, &neighbour(2));
    rig.close(third, &neighbour(3));
    assert!(rig.is_empty());
}

#[test]
fn those_that_were_pending_at_once_are_counted_when_they_are_established() {
    let mut rig = rig();
    rig.connect(&neighbour(0)).unwrap();
    rig.connect(&neighbour(1)).unwrap();
    let first = rig.pend(&neighbour(2)).unwrap();
    let second = rig.pend(&neighbour(3)).unwrap();
    rig.establish(first, &neighbour(2)).unwrap();
    assert_eq!(rig.establish(second, &neighbour(3)), Err(Exceeded::Established(3)));
    assert_eq!(rig.limits.pending.held(Prefix::V4([192, 0, 2])), 0);
}

#[test]
fn local_networks_are_not_limited() {
    let mut rig = rig();
    for remote in ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.7/tcp/1", "/ip6/::1/tcp/1", "/memory/1"] {
        let remote = remote.parse().unwrap();
        assert!((0..100).all(|_| rig.connect(&remote).is_ok()));
    }
    assert!(rig.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_too_many_strangers_one_is_closed_for_each_that_comes() {
    let mut rig = rig();
    rig.limits.config.strangers = 2;
    let local: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    rig.connect(&local).unwrap();
    let second = rig.connect(&local).unwrap();
    assert_eq!(rig.connect(&local), Err(Exceeded::Strangers(2)));
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert!(rig.connect(&local).is_ok());
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(ToSwarm::CloseConnection { connection, .. }) = rig.limits.poll(&mut cx) else {
        panic!("nobody gives way");
    };
    assert!(matches!(connection, CloseConnection::One(closed) if closed == second));
    assert!(rig.limits.poll(&mut cx).is_pending());
}

#[tokio::test(start_paused = true)]
async fn so_many_may_come_in_a_second_and_from_one_network_fewer() {
    let mut rig = rig();
    let come = |rig: &mut Rig, remote: &Multiaddr, many: usize| {
        let taken = (0..many).filter(|_| {
            let id = rig.pend(remote);
            id.map(|id| rig.fail(id, remote)).is_ok()
        });
        taken.count()
    };
    assert_eq!(come(&mut rig, &neighbour(1), 1_000), 256);
    let local: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    assert_eq!(come(&mut rig, &local, 2_000), 1_024 - 256);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(come(&mut rig, &neighbour(1), 1_000), 20);
    assert_eq!(come(&mut rig, &local, 2_000), 500 - 20);
}

/// While strangers have all their places, few connections are opened at once for the sake of others.
#[tokio::test(start_paused = true)]
async fn without_a_strangers_place_few_may_be_opening() {
    let mut rig = rig();
    rig.limits.config.strangers = 1;
    let local: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    rig.connect(&local).unwrap();
    let opening = (0..100).filter(|_| rig.pend(&local).is_ok());
    assert_eq!(opening.count(), OPENING);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert!(rig.pend(&local).is_ok(), "one can give way now");
}

/// Clients of a relay are not limited as if they were its neighbours, nor together with them.
#[test]
fn those_behind_a_relay_have_a_share_of_their_own() {
    let mut limits = rig().limits;
    let (over, remote) = (PeerId::random(), PeerId::random());
    let local: Multiaddr = format!("/ip4/192.0.2.1/tcp/1/p2p/{over}/p2p-circuit").parse().unwrap();
    let remote: Multiaddr = format!("/p2p/{remote}").parse().unwrap();
    let endpoint =
        ConnectedPoint::Listener { local_addr: local.clone(), send_back_addr: remote.clone() };
    let mut taken = 0;
    for number in 0..100 {
        let id = ConnectionId::new_unchecked(number);
        let peer = PeerId::random();
        if limits.handle_established_inbound_connection(id, peer, &local, &remote).is_ok() {
            taken += 1;
            limits.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: id,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
        }
    }
    assert_eq!(taken, 5);
    let mut rig = Rig { limits, next: 1_000 };
    assert!(rig.connect(&neighbour(7)).is_ok());
}
