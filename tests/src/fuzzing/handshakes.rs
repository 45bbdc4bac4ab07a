//! Handshakes: bodies under good signatures, and schedules of machines and of links.

use peer_protocol::envelope::{Envelope, EnvelopeKind, Header, plain};
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind};
use peer_protocol::id::Nonce;
use peer_protocol::identity::EntityId;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::people::{Trust, identity};
use crate::simulation::arena::Arena;
use crate::simulation::{Chance, Storm};

/// A handshake body under a good signature, for a party that waits for just this message. The first
/// byte chooses which; the rest is the body.
pub fn handshake_body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let kind = EnvelopeKind::ALL[usize::from(*first) % EnvelopeKind::ALL.len()];
    let mut stage = Stage::new();
    match kind {
        EnvelopeKind::HandshakeInitAck => stage.answer(HandshakeKind::SixStep, kind, body),
        EnvelopeKind::HandshakeAck => stage.answer(HandshakeKind::ThreeWay, kind, body),
        EnvelopeKind::ChallengeResponse => stage.go_on(HandshakeKind::SixStep, kind, body),
        EnvelopeKind::HandshakeConfirm => stage.go_on(HandshakeKind::ThreeWay, kind, body),
        _ => {
            let bytes = stage.sign(kind, 0, body);
            let Ok(envelope) = Envelope::decode(bytes) else { return };
            let expected = Expected::default();
            // An offer in good order is accepted, by right.
            let _ = stage.with(1, |cx| Handshake::accept(&envelope, &expected, cx));
        }
    }
}

/// A schedule of raw machines.
pub fn handshake(data: &[u8]) {
    const MOST_ACTIONS: usize = 80;
    Arena::new(Chance::scripted(data), 3).run(MOST_ACTIONS);
}

/// A schedule of two links in a hostile network.
pub fn links(data: &[u8]) {
    let storm = Storm { actions: 24, restarts: true, hostile: true, clock_jumps: 100_000 };
    storm.run(Chance::scripted(data), 2);
}

/// Two parties: number 0, whose messages the fuzzer writes, and number 1, who handles them.
struct Stage {
    configs: [Config; 2],
    trust: Trust,
    replay: ReplayGuard,
    rng: StdRng,
}

impl Stage {
    fn new() -> Self {
        let configs = [0, 1].map(|number| {
            let mut config = Config::new(identity(number));
            config.accept_three_way = true;
            config
        });
        let rng = StdRng::seed_from_u64(1);
        Self { configs, trust: Trust::default(), replay: ReplayGuard::default(), rng }
    }

    const fn now() -> Now {
        Now {
            instant: Instant::from_start(std::time::Duration::from_secs(1)),
            timestamp: Timestamp::from_millis(1_800_000_000_000),
        }
    }

    fn with<T>(&mut self, party: usize, run: impl FnOnce(&mut Context<'_>) -> T) -> T {
        run(&mut Context {
            config: &self.configs[party],
            trust: &self.trust,
            replay: &mut self.replay,
            rng: &mut self.rng,
            now: Self::now(),
        })
    }

    /// What party 0 sends, signed with its key.
    fn sign(&mut self, kind: EnvelopeKind, sequence: u64, body: &[u8]) -> Vec<u8> {
        let recipient: EntityId = identity(1).entity().clone();
        let header = Header {
            kind,
            sender: identity(0).entity().clone(),
            recipient,
            session: None,
            sequence,
            timestamp: Self::now().timestamp,
            nonce: Nonce::random(&mut self.rng),
        };
        plain(&header, body, &self.configs[0].identity)
    }

    /// Party 1 begins; the fuzzer answers.
    fn answer(&mut self, handshake: HandshakeKind, kind: EnvelopeKind, body: &[u8]) {
        let expected = Expected::key(*identity(0).public_key());
        let (mut machine, _) = self
            .with(1, |cx| Handshake::start(handshake, expected, cx))
            .expect("it is known whom to address");
        let bytes = self.sign(kind, 1, body);
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        let before = machine.phase();
        if self.with(1, |cx| machine.handle(&envelope, cx)).is_err() {
            assert_eq!(machine.phase(), before);
        }
    }

    /// Party 0 begins, party 1 answers, the fuzzer goes on.
    fn go_on(&mut self, handshake: HandshakeKind, kind: EnvelopeKind, body: &[u8]) {
        let expected = Expected::key(*identity(1).public_key());
        let (_, first) = self
            .with(0, |cx| Handshake::start(handshake, expected, cx))
            .expect("it is known whom to address");
        let first = Envelope::decode(first.reply.expect("a first message")).expect("an envelope");
        let (mut machine, _) = self
            .with(1, |cx| Handshake::accept(&first, &Expected::default(), cx))
            .expect("an honest offer");
        let bytes = self.sign(kind, 2, body);
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        // It would have to hold the hash of messages with fresh keys, and a MAC under their secret.
        assert!(self.with(1, |cx| machine.handle(&envelope, cx)).is_err());
    }
}
