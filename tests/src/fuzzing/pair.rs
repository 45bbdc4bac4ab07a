//! Handshakes between two parties that go as they should, and the sessions that come of them.

use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind, Progress};
use peer_protocol::identity::Identity;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::session::Session;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::people::{Trust, identity};

/// When everything begins.
pub(super) const START: Now = Now {
    instant: Instant::from_start(std::time::Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

/// One of two parties, who trust each other's keys alone.
pub(super) struct Party {
    config: Config,
    trust: Trust,
    replay: ReplayGuard,
    rng: StdRng,
    pub(super) machine: Option<Handshake>,
    pub(super) session: Option<Session>,
}

impl Party {
    /// Parties number 0 and 1; the seed chooses their randomness.
    pub(super) fn both(seed: u64) -> [Self; 2] {
        [0, 1].map(|number: usize| {
            let mut config = Config::new(identity(number));
            config.accept_three_way = true;
            Self {
                config,
                trust: Trust::pinning(1 - number),
                replay: ReplayGuard::default(),
                rng: StdRng::seed_from_u64(seed * 2 + number as u64),
                machine: None,
                session: None,
            }
        })
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.config.identity
    }

    /// Begins a handshake with the other one; returns the first message.
    pub(super) fn start(&mut self, kind: HandshakeKind, peer: usize, now: Now) -> Vec<u8> {
        let expected = Expected::key(*identity(peer).public_key());
        let (machine, progress) =
            Handshake::start(kind, expected, &mut self.context(now)).expect("somebody to address");
        self.machine = Some(machine);
        progress.reply.expect("a first message")
    }

    /// Takes a message, if it is one for it, as from `peer`; returns the reply, if there is one.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        peer: usize,
        now: Now,
    ) -> Result<Option<Vec<u8>>, String> {
        let envelope = Envelope::decode(bytes.to_vec()).map_err(|error| error.to_string())?;
        let refused = |error: peer_protocol::handshake::HandshakeError| error.to_string();
        let Progress { reply, session, .. } = match self.machine.take() {
            Some(mut machine) => {
                let before = machine.phase();
                let handled = machine.handle(&envelope, &mut self.context(now));
                if handled.is_err() {
                    assert_eq!(machine.phase(), before, "a refused message changed the state");
                }
                self.machine = Some(machine);
                handled.map_err(refused)?
            }
            None => {
                let expected = Expected::key(*identity(peer).public_key());
                let accepted = Handshake::accept(&envelope, &expected, &mut self.context(now));
                let (machine, progress) = accepted.map_err(refused)?;
                self.machine = Some(machine);
                progress
            }
        };
        if session.is_some() {
            self.session = session;
        }
        Ok(reply)
    }

    fn context(&mut self, now: Now) -> Context<'_> {
        let Self { config, trust, replay, rng, .. } = self;
        Context { config, trust, replay, rng, now }
    }
}

/// All messages of a handshake in which nothing goes wrong, and the parties after it.
pub(super) fn agree(kind: HandshakeKind, seed: u64) -> ([Party; 2], Vec<Vec<u8>>) {
    let mut parties = Party::both(seed);
    let mut next = Some(parties[0].start(kind, 1, START));
    let (mut messages, mut to) = (Vec::new(), 1);
    while let Some(bytes) = next.take() {
        next = parties[to].take(&bytes, 1 - to, START).expect("an honest handshake");
        messages.push(bytes);
        to = 1 - to;
    }
    (parties, messages)
}
