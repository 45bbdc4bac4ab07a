//! Handshakes, right ones and wrong ones.

use std::sync::Arc;

use libp2p::identity::Keypair;
use peer_behaviours::{Clock as _, SystemClock};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind};
use peer_protocol::identity::Identity;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::session::Session;
use peer_tests::people::Trust;
use rand::RngExt as _;

use super::line::{Line, accepted, framed};
use super::{Attempt, Tasks};
use crate::Failure;
use crate::case::Attack;

/// Connections at once, each of a peer id of its own.
const LINES: usize = 64;
/// First steps on one connection before another takes its place.
const STEPS: usize = 100;

/// Somebody whom nobody knows.
pub(super) struct Stranger {
    pub(super) config: Config,
    pub(super) key: Keypair,
    trust: Trust,
    replay: ReplayGuard,
    pub(super) clock: SystemClock,
}

impl Stranger {
    pub(super) fn new() -> Result<Self, Failure> {
        let seed: [u8; 32] = rand::rng().random();
        let key = Keypair::ed25519_from_bytes(seed)?;
        let identity = Identity::new(None, Arc::new(Ed25519Authenticator::from_seed(&seed)))?;
        let config = Config::new(identity);
        let (trust, replay) = (Trust::default(), ReplayGuard::default());
        Ok(Self { config, key, trust, replay, clock: SystemClock::new() })
    }

    /// Begins a handshake with the holder of `key`.
    fn start(&mut self, key: PublicKey) -> Result<(Handshake, Vec<u8>), Failure> {
        let mut rng = rand::rng();
        let now = self.clock.now();
        let (config, trust) = (&self.config, &self.trust);
        let mut context = Context { config, trust, replay: &mut self.replay, rng: &mut rng, now };
        let expected = Expected::key(key);
        let (handshake, progress) =
            Handshake::start(HandshakeKind::SixStep, expected, &mut context)?;
        Ok((handshake, progress.reply.ok_or("no first step")?))
    }

    /// A session.
    pub(super) async fn session(
        &mut self,
        line: &Line,
        key: PublicKey,
    ) -> Result<Session, Failure> {
        let (mut handshake, mut next) = self.start(key)?;
        loop {
            let answer = Envelope::decode(line.ask(&next).await?)?;
            let mut rng = rand::rng();
            let now = self.clock.now();
            let (config, trust) = (&self.config, &self.trust);
            let mut context =
                Context { config, trust, replay: &mut self.replay, rng: &mut rng, now };
            let progress = handshake.handle(&answer, &mut context)?;
            if let Some(session) = progress.session {
                return Ok(session);
            }
            next = progress.reply.ok_or("the handshake ended")?;
        }
    }
}

/// The key of the peer id in an address.
pub(super) fn key_of(attempt: &Attempt) -> Result<PublicKey, Failure> {
    let peer = attempt.to.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
        _ => None,
    });
    let key = peer.and_then(|peer| peer_behaviours::secure::key_of(&peer));
    Ok(key.ok_or("the address names no peer")?)
}

pub(super) async fn begin(attack: Attack, attempt: &Attempt) -> Result<Tasks, Failure> {
    let key = key_of(attempt)?;
    let mut tasks = Tasks::new();
    let lines = if attack == Attack::Renewals { 1 } else { LINES };
    let replayed = Arc::new(Stranger::new()?.start(key)?.1);
    for _ in 0..lines {
        let (attempt, replayed) = (attempt.clone(), Arc::clone(&replayed));
        tasks.spawn(async move {
            loop {
                // A connection that is refused is the purpose of all this.
                let _ = flood(attack, &attempt, key, &replayed).await;
            }
        });
    }
    Ok(tasks)
}

/// Uses one connection up.
async fn flood(
    attack: Attack,
    attempt: &Attempt,
    key: PublicKey,
    replayed: &[u8],
) -> Result<(), Failure> {
    let mut stranger = Stranger::new()?;
    let line = Line::open(&attempt.source, &stranger.key).await?;
    if matches!(attack, Attack::Sessions | Attack::Renewals) {
        attempt.turn().await;
        let _session = stranger.session(&line, key).await?;
        if attack == Attack::Sessions {
            return Ok(());
        }
    }
    for _ in 0..STEPS {
        attempt.turn().await;
        let mut envelope = match attack {
            Attack::ReplayedInits => replayed.to_vec(),
            _ => stranger.start(key)?.1,
        };
        if attack == Attack::ForgedInits {
            forge(&mut envelope);
        }
        let mut stream = line.say("/peer/1.1.0", &framed(&envelope)).await?;
        tokio::spawn(async move {
            // The answer is read, so that its stream ends.
            if accepted(&mut stream).await.is_ok() {
                let mut sink = futures::io::sink();
                let _ = futures::io::copy(stream, &mut sink).await;
            }
        });
        // Reading has its turn too.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Makes the signature of an envelope wrong; everything else is as it was.
pub(super) fn forge(envelope: &mut [u8]) {
    const FIELD: &[u8] = b"signature";
    let found = envelope.windows(FIELD.len()).rposition(|window| window == FIELD);
    // Behind the name are two bytes of CBOR.
    if let Some(byte) = found.and_then(|at| envelope.get_mut(at + FIELD.len() + 10)) {
        *byte ^= 1;
    }
}
