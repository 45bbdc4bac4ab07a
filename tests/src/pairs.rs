//! Two parties that run whole handshakes, one message after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use peer_protocol::crypto::{
    Authenticator, Ed25519Authenticator, PublicKey, Signature, SuiteId, SuiteRegistry,
};
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind, Progress};
use peer_protocol::identity::Identity;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::session::Session;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::people::{Trust, identity};

/// The clocks of everything here.
pub const NOW: Now = Now {
    instant: Instant::from_start(Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

/// Party 0, who begins, and party 1, who answers.
pub struct Pair {
    configs: [Config; 2],
    trust: [Trust; 2],
    replay: [ReplayGuard; 2],
    rng: StdRng,
}

impl Pair {
    /// Two parties that speak `suite` only, and both handshakes.
    #[must_use]
    pub fn new(suite: SuiteId) -> Self {
        Self::of(suite, [0, 1].map(identity))
    }

    fn of(suite: SuiteId, identities: [Identity; 2]) -> Self {
        let configs = identities.map(|identity| {
            let mut config = Config::new(identity);
            config.suites = SuiteRegistry::named([suite]);
            config.accept_three_way = true;
            config
        });
        let (trust, replay) = (Default::default(), Default::default());
        Self { configs, trust, replay, rng: StdRng::seed_from_u64(1) }
    }

    /// One of the two.
    #[must_use]
    pub const fn identity(&self, party: usize) -> &Identity {
        &self.configs[party].identity
    }

    /// A whole handshake, both sides.
    ///
    /// # Panics
    /// If it fails, which it cannot.
    pub fn shake_hands(&mut self, kind: HandshakeKind) -> [Session; 2] {
        // Nonces of earlier handshakes would make this one look like a flood.
        self.replay = Default::default();
        let expected = Expected::key(*self.configs[1].identity.public_key());
        let (initiator, progress) =
            Handshake::start(kind, expected, &mut self.context(0)).expect("a first message");
        let mut machines = [Some(initiator), None];
        let mut sessions = [None, None];
        let mut next = progress.reply;
        let mut party = 1;
        while let Some(bytes) = next {
            let envelope = Envelope::decode(bytes).expect("an envelope");
            let Progress { reply, session, .. } = match &mut machines[party] {
                Some(machine) => {
                    machine.handle(&envelope, &mut self.context(party)).expect("an honest step")
                }
                empty => {
                    let expected = Expected::key(*self.configs[0].identity.public_key());
                    let accepted =
                        Handshake::accept(&envelope, &expected, &mut self.context(party));
                    let (machine, progress) = accepted.expect("an honest offer");
                    *empty = Some(machine);
                    progress
                }
            };
            sessions[party] = sessions[party].take().or(session);
            next = reply;
            party = 1 - party;
        }
        sessions.map(|session| session.expect("both sides have a session"))
    }

    fn context(&mut self, party: usize) -> Context<'_> {
        Context {
            config: &self.configs[party],
            trust: &self.trust[party],
            replay: &mut self.replay[party],
            rng: &mut self.rng,
            now: NOW,
        }
    }
}

/// How many signatures a handshake has, of both sides; each is verified once.
///
/// # Panics
/// If the handshake fails, which it cannot.
#[must_use]
pub fn signatures(kind: HandshakeKind) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let identities = [1, 2].map(|seed| {
        let key = Ed25519Authenticator::from_seed(&[seed; 32]);
        let counting = Counting { key, count: Arc::clone(&count) };
        Identity::new(None, Arc::new(counting)).expect("no reserved name")
    });
    Pair::of(SuiteRegistry::AES_256_GCM, identities).shake_hands(kind);
    count.load(Ordering::Relaxed)
}

/// Counts what it signs.
struct Counting {
    key: Ed25519Authenticator,
    count: Arc<AtomicUsize>,
}

impl Authenticator for Counting {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.key.sign(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One an envelope, and in the six-step handshake the answer to the challenge: the floor of
    /// `scripts/bench handshake`.
    #[test]
    fn handshakes_sign_no_more_than_their_flow_says() {
        assert_eq!(signatures(HandshakeKind::SixStep), 7);
        assert_eq!(signatures(HandshakeKind::ThreeWay), 3);
    }
}
