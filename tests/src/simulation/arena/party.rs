//! One party of an arena: an identity and the handshakes that it has a part in.

use std::sync::Arc;

use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::{
    Config, Context, Expected, Handshake, HandshakeError, HandshakeKind, Progress,
};
use peer_protocol::identity::Identity;
use peer_protocol::replay::ReplayGuard;
use peer_protocol::time::Now;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::Chance;
use crate::people::{Trust, identity};

pub(super) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(super) struct Party {
    config: Config,
    trust: Arc<Trust>,
    replay: ReplayGuard,
    rng: StdRng,
    pub(super) machines: Vec<Handshake>,
}

impl Party {
    pub(super) fn new(number: usize, chance: &mut Chance) -> Self {
        let mut config = Config::new(identity(number));
        config.accept_three_way = !chance.happens(200);
        config.features = vec!["a".to_owned(), format!("only-{number}")];
        let suites = [SuiteRegistry::CHACHA20_POLY1305, SuiteRegistry::AES_256_GCM];
        config.suites = SuiteRegistry::named(suites.into_iter().skip(chance.below(2)));
        let seed = chance.below(1 << 16) as u64 * 16 + number as u64;
        let (trust, replay) = (Arc::default(), ReplayGuard::default());
        Self { config, trust, replay, rng: rng(seed), machines: Vec::new() }
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.config.identity
    }

    pub(super) fn start(
        &mut self,
        kind: HandshakeKind,
        peer: usize,
        now: Now,
        chance: &mut Chance,
    ) -> (usize, Vec<u8>) {
        let peer = identity(peer);
        // On a direct connection the key is known; over several hops only the entity's name.
        let expected = if chance.flip() {
            Expected::key(*peer.public_key())
        } else {
            Expected { entity: Some(peer.entity().clone()), key: None }
        };
        let (machine, progress) = Handshake::start(kind, expected, &mut self.context(now))
            .expect("it is known whom to address");
        self.machines.push(machine);
        (self.machines.len() - 1, progress.reply.expect("a first message"))
    }

    pub(super) fn accept(
        &mut self,
        envelope: &Envelope,
        sender: usize,
        now: Now,
        chance: &mut Chance,
    ) -> Result<(usize, Progress), HandshakeError> {
        let key = *identity(sender).public_key();
        let expected = if chance.flip() { Expected::key(key) } else { Expected::default() };
        let (machine, progress) = Handshake::accept(envelope, &expected, &mut self.context(now))?;
        self.machines.push(machine);
        Ok((self.machines.len() - 1, progress))
    }

    pub(super) fn handle(
        &mut self,
        machine: usize,
        envelope: &Envelope,
        now: Now,
    ) -> Result<Progress, HandshakeError> {
        let Self { config, trust, replay, rng, machines } = self;
        let machine = machines.get_mut(machine).expect("machines are never removed");
        machine.handle(envelope, &mut Context { config, trust: &**trust, replay, rng, now })
    }

    fn context(&mut self, now: Now) -> Context<'_> {
        let Self { config, trust, replay, rng, .. } = self;
        Context { config, trust: &**trust, replay, rng, now }
    }
}
