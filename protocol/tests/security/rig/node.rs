//! One entity with everything that it remembers.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{Config, Context, Expected, Handshake, HandshakeKind, Progress};
use peer_protocol::identity::{
    Admission, EntityId, Fingerprint, Identity, TrustError, TrustLevel, TrustStore, TrustView,
};
use peer_protocol::replay::ReplayGuard;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_core::{Rng as _, TryCryptoRng, TryRng};

use super::{Refusal, START};

/// A random number generator that keeps what was drawn from it, draw by draw.
pub(crate) struct Recorder<R = StdRng> {
    source: R,
    pub(crate) drawn: Vec<Vec<u8>>,
}

impl<R> Recorder<R> {
    pub(crate) const fn new(source: R) -> Self {
        Self { source, drawn: Vec::new() }
    }
}

impl<R: TryRng<Error = Infallible>> TryRng for Recorder<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.source.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.source.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.source.fill_bytes(out);
        self.drawn.push(out.to_vec());
        Ok(())
    }
}

impl<R: TryRng<Error = Infallible>> TryCryptoRng for Recorder<R> {}

/// A trust store that handshakes share with the test.
#[derive(Clone, Default)]
pub(crate) struct Trust(Arc<Mutex<TrustStore>>);

impl Trust {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut TrustStore) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(crate) fn snapshot(&self) -> TrustStore {
        self.with(|store| store.clone())
    }
}

impl TrustView for Trust {
    fn judge(&self, entity: &EntityId, key: &PublicKey) -> Result<(), TrustError> {
        self.with(|store| store.judge(entity, key))
    }

    fn admit(
        &self,
        entity: &EntityId,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Admission, TrustError> {
        self.with(|store| store.admit(entity, key, now))
    }

    fn level(&self, entity: &EntityId, key: &PublicKey) -> Option<TrustLevel> {
        self.with(|store| store.level(entity, key))
    }
}

/// One entity. Its private key is at hand, so that tests can misuse it.
pub(crate) struct Node {
    pub(crate) signing: SigningKey,
    pub(crate) config: Config,
    pub(crate) trust: Trust,
    pub(crate) replay: ReplayGuard,
    pub(crate) rng: Recorder,
    pub(crate) now: Now,
}

impl Node {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let key = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
        let identity = Identity::new(Some(name.parse().unwrap()), key).unwrap();
        let mut config = Config::new(identity);
        config.accept_three_way = true;
        config.features = vec!["alpha".to_owned(), "beta".to_owned()];
        Self {
            signing: SigningKey::from_bytes(&[seed; 32]),
            replay: ReplayGuard::new(config.max_skew),
            config,
            trust: Trust::default(),
            rng: Recorder::new(StdRng::seed_from_u64(seed.into())),
            now: Now {
                instant: Instant::from_start(Duration::from_secs(1000)),
                timestamp: Timestamp::from_millis(START),
            },
        }
    }

    pub(crate) fn entity(&self) -> EntityId {
        self.config.identity.entity().clone()
    }

    pub(crate) fn key(&self) -> PublicKey {
        *self.config.identity.public_key()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.config.identity.fingerprint()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn context(&mut self) -> Context<'_> {
        Context {
            config: &self.config,
            trust: &self.trust,
            replay: &mut self.replay,
            rng: &mut self.rng,
            now: self.now,
        }
    }

    pub(crate) fn begin(
        &mut self,
        kind: HandshakeKind,
        expected: Expected,
    ) -> (Handshake, Vec<u8>) {
        let (machine, progress) = Handshake::start(kind, expected, &mut self.context()).unwrap();
        (machine, progress.reply.unwrap())
    }

    pub(crate) fn answer(
        &mut self,
        bytes: &[u8],
        expected: &Expected,
    ) -> Result<(Handshake, Vec<u8>), Refusal> {
        let envelope = Envelope::decode(bytes.to_vec())?;
        let (machine, progress) = Handshake::accept(&envelope, expected, &mut self.context())?;
        Ok((machine, progress.reply.unwrap()))
    }

    pub(crate) fn go_on(
        &mut self,
        machine: &mut Handshake,
        bytes: &[u8],
    ) -> Result<Progress, Refusal> {
        let envelope = Envelope::decode(bytes.to_vec())?;
        Ok(machine.handle(&envelope, &mut self.context())?)
    }
}
