//! The crate, fed with a vector's inputs, says the same byte for byte.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use peer_protocol::crypto::{
    Ed25519Authenticator, EphemeralKey, KeySchedule, Secret, SessionKey, SuiteRegistry, Transcript,
    confirmation_mac, verify_confirmation,
};
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind, Progress};
use peer_protocol::identity::Identity;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::session::Session;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand_core::{TryCryptoRng, TryRng};

use super::format::{self, Hex, Party};
use crate::rig::Trust;

/// Random bytes that are none: exactly those on the tape, and no more.
#[derive(Default)]
pub(crate) struct Tape(VecDeque<u8>);

impl Tape {
    pub(crate) fn new<'a>(bytes: impl IntoIterator<Item = &'a Hex>) -> Self {
        Self(bytes.into_iter().flat_map(|bytes| bytes.0.clone()).collect())
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

impl TryRng for Tape {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("the vectors draw bytes only")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("the vectors draw bytes only")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill_with(|| self.0.pop_front().expect("the tape is long enough"));
        Ok(())
    }
}

impl TryCryptoRng for Tape {}

/// One side of a vector.
pub(crate) struct Player {
    pub(crate) config: Config,
    pub(crate) rng: Tape,
    trust: Trust,
    replay: ReplayGuard,
}

impl Player {
    fn new(party: &Party, vector: &format::Handshake) -> Self {
        let key = Arc::new(Ed25519Authenticator::from_seed(&party.identity_seed.array()));
        let identity = Identity::new(Some(party.entity_id.parse().unwrap()), key).unwrap();
        assert_eq!(Hex::of(identity.public_key().as_bytes()), party.identity_public_key);
        assert_eq!(identity.fingerprint().to_string(), party.fingerprint);
        let mut config = Config::new(identity);
        config.suites = SuiteRegistry::named(party.cipher_suites.iter().map(String::as_str));
        config.features.clone_from(&party.features);
        config.session_lifetime = Duration::from_millis(vector.session_lifetime_ms);
        if let Some(millis) = vector.challenge_lifetime_ms {
            config.challenge_lifetime = Duration::from_millis(millis);
        }
        config.accept_three_way = true;
        let rng = Tape::new(party.random.iter().map(|draw| &draw.bytes));
        Self { replay: ReplayGuard::new(config.max_skew), config, rng, trust: Trust::default() }
    }

    fn context(&mut self, timestamp: u64) -> Context<'_> {
        Context {
            config: &self.config,
            trust: &self.trust,
            replay: &mut self.replay,
            rng: &mut self.rng,
            now: now(timestamp),
        }
    }
}

pub(crate) fn now(timestamp: u64) -> Now {
    let instant = Instant::from_start(Duration::from_millis(timestamp % 1_000_000));
    Now { instant, timestamp: Timestamp::from_millis(timestamp) }
}

/// Runs the vector's handshake; both sides' sessions come out.
pub(crate) fn handshake(
    kind: HandshakeKind,
    vector: &format::Handshake,
) -> ([Player; 2], [Session; 2]) {
    schedule(vector);
    let mut players =
        [&vector.initiator, &vector.responder].map(|party| Player::new(party, vector));
    let expected = Expected {
        entity: Some(vector.responder.entity_id.parse().unwrap()),
        key: Some(*players[1].config.identity.public_key()),
    };
    let times: Vec<_> = vector.messages.iter().map(|message| message.timestamp).collect();
    let mut machines = [None, None];
    let mut sessions = [None, None];
    let started = Handshake::start(kind, expected, &mut players[0].context(times[0])).unwrap();
    let (machine, mut progress) = started;
    machines[0] = Some(machine);
    for (index, message) in vector.messages.iter().enumerate() {
        let envelope = progress.reply.take().expect("a message");
        assert_eq!(Hex::of(&envelope), message.envelope, "{}: {}", vector.name, message.number);
        let envelope = Envelope::decode(envelope).unwrap();
        assert_eq!(Hex::of(envelope.payload()), message.body);
        let side = (index + 1) % 2;
        let time = times.get(index + 1).copied().unwrap_or(message.timestamp);
        let mut context = players[side].context(time);
        progress = match &mut machines[side] {
            Some(machine) => machine.handle(&envelope, &mut context).unwrap(),
            empty => {
                let accepted = Handshake::accept(&envelope, &Expected::default(), &mut context);
                let (machine, progress) = accepted.unwrap();
                *empty = Some(machine);
                progress
            }
        };
        let Progress { session, .. } = &mut progress;
        sessions[side] = session.take().or(sessions[side].take());
    }
    assert!(players.iter().all(|player| player.rng.0.is_empty()), "all random bytes are used");
    let sessions = sessions.map(Option::unwrap);
    for session in &sessions {
        assert_eq!(Hex::of(session.id().as_bytes()), vector.session_id);
        assert_eq!((session.suite(), session.features()), (&*vector.suite, &*vector.features));
    }
    (players, sessions)
}

/// The key schedule, with the crate's own functions.
fn schedule(vector: &format::Handshake) {
    let mut tape = Tape::new([&vector.initiator.ephemeral_private_key]);
    let ephemeral = EphemeralKey::generate(&mut tape);
    assert_eq!(Hex::of(ephemeral.public()), vector.initiator.ephemeral_public_key);
    let shared = ephemeral.agree(&vector.responder.ephemeral_public_key.array()).unwrap();
    assert_eq!(Hex::of(shared.expose()), vector.shared_secret);
    let session_key = SessionKey::derive(&shared, &vector.handshake_hash.array());
    assert_eq!(Hex::of(session_key.expose()), vector.session_key);
    let keys = KeySchedule::expand(&session_key);
    for (own, expected) in
        [(&keys.initiator, &vector.initiator_keys), (&keys.responder, &vector.responder_keys)]
    {
        assert_eq!(Hex::of(own.traffic.key), expected.traffic_key);
        assert_eq!(Hex::of(own.traffic.iv), expected.iv);
        assert_eq!(Hex::of(own.confirm.expose()), expected.confirm_key);
    }
    for confirmation in &vector.confirmations {
        let keys = if confirmation.by == "initiator" { &keys.initiator } else { &keys.responder };
        let history = confirmation.transcript.array();
        assert_eq!(Hex::of(confirmation_mac(&keys.confirm, &history)), confirmation.mac);
        let mac = confirmation.mac.array();
        verify_confirmation(&keys.confirm, &history, &mac).unwrap();
        let other = Secret::new([0; 32]);
        assert!(verify_confirmation(&other, &history, &mac).is_err());
    }
    let mut transcript = Transcript::new();
    for message in &vector.messages {
        transcript = transcript.with(&message.envelope.0);
        assert_eq!(Hex::of(transcript.hash()), message.transcript_after);
    }
}
