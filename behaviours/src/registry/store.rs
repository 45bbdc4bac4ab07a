//! libp2p's view of the stores in `peer-protocol`: it checks what is put, knows who puts it, and
//! serves nothing that has expired.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use libp2p_core::multiaddr::Protocol;
use libp2p_core::{Multiaddr, PeerId};
use libp2p_kad::store::{Error, RecordStore as KadStore, Result};
use libp2p_kad::{ProviderRecord, Record, RecordKey};
use peer_protocol::limits::MAX_ENTRIES_PER_NETWORK;
use peer_protocol::rate_limit::{KeyedLimiter, Quota};
use peer_protocol::registry::{
    Key, Origin, Place, Provider, ProviderStore, Reason, RecordStore, Refusal,
};
use peer_protocol::time::Timestamp;

use super::config::Config;
use super::saved::Space;
use super::source::Source;
use crate::clock::Clock;

/// What one peer may put: with every capability that it may have, and their providers' keys, an
/// entity has fewer than three hundred.
const RATE: Quota = Quota { per_minute: 120, burst: 900 };
/// Most peers whose rates are remembered.
const MAX_PEERS: usize = 4_096;

/// What this node keeps.
pub(super) struct Store {
    clock: Arc<dyn Clock>,
    own: PeerId,
    /// Whose request is being handled; nobody's while this node itself puts something. libp2p does
    /// not tell its store, but calls it while it handles an event of one connection.
    source: Option<Source>,
    /// Why the request that is being handled was refused, and of which space it was.
    refused: Option<(Space, Reason)>,
    /// What each peer may put: each entry may cost a signature check, here in the swarm's task.
    rates: KeyedLimiter<PeerId>,
    pub(super) records: RecordStore<Source>,
    pub(super) providers: ProviderStore<Source>,
}

impl Store {
    pub(super) fn new(own: PeerId, config: &Config) -> Self {
        let place = Place::of(&own.to_bytes());
        let limit = MAX_ENTRIES_PER_NETWORK;
        Self {
            clock: Arc::clone(&config.clock),
            own,
            source: None,
            refused: None,
            rates: KeyedLimiter::new(RATE, MAX_PEERS),
            records: RecordStore::new(place, config.salt, config.record_limits)
                .with_groups(Source::network, limit),
            providers: ProviderStore::new(place, config.provider_limits)
                .with_groups(Source::network, limit),
        }
    }

    /// What follows is put by `source`.
    pub(super) fn begin(&mut self, source: Source) {
        self.source = Some(source);
        self.refused = None;
    }

    /// Ends what [`Store::begin`] began; says why something was refused, if it was.
    pub(super) fn end(&mut self) -> Option<(Space, Reason)> {
        self.source = None;
        self.refused.take()
    }

    pub(super) fn sweep(&mut self) {
        let now = self.now();
        self.records.sweep(now);
        self.providers.sweep(now);
    }

    fn now(&self) -> Timestamp {
        self.clock.now().timestamp
    }

    fn origin(&self) -> Origin<Source> {
        self.source.clone().map_or(Origin::Own, Origin::Peer)
    }

    /// Whether the peer whose request is being handled may put one more entry now.
    fn check_rate(&mut self) -> std::result::Result<(), Refusal> {
        let now = self.clock.now().instant;
        match self.source.as_ref().and_then(Source::peer) {
            Some(peer) => self.rates.take(peer, now).map_err(|_| Refusal::SourceFull),
            None => Ok(()),
        }
    }

    fn refuse(&mut self, space: Space, refusal: &Refusal) -> Error {
        self.refused = Some((space, Reason::from(refusal)));
        tracing::debug!(%refusal, source = ?self.source, "an entry is refused");
        // The peer sees that its request fails, and not why.
        Error::MaxRecords
    }
}

impl KadStore for Store {
    // Nothing is spread by libp2p's jobs.
    type RecordsIter<'a> = std::iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let value = self.records.get(&Key::from_bytes(key.as_ref()).ok()?, self.now())?;
        // Who published it does not matter, and could be forged: the value is signed.
        Some(Cow::Owned(Record::new(key.clone(), value.to_vec())))
    }

    fn put(&mut self, record: Record) -> Result<()> {
        let (origin, now) = (self.origin(), self.now());
        let put = self
            .check_rate()
            .and_then(|()| self.records.put(origin, record.key.as_ref(), &record.value, now));
        put.map(drop).map_err(|refusal| self.refuse(Space::Records, &refusal))
    }

    /// Only what has expired goes, and [`Store::get`] never shows that.
    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    /// libp2p has checked that a provider that comes from the network is the peer that sent it.
    fn add_provider(&mut self, record: ProviderRecord) -> Result<()> {
        let (origin, now) = (self.origin(), self.now());
        let bytes = |address: Multiaddr| Bytes::from(address.to_vec());
        let provider = Provider::new(
            Bytes::from(record.provider.to_bytes()),
            record.addresses.into_iter().map(bytes),
        );
        let put = self
            .check_rate()
            .and_then(|()| provider.map_err(Refusal::from))
            .and_then(|provider| self.providers.put(origin, record.key.as_ref(), provider, now));
        put.map(drop).map_err(|refusal| self.refuse(Space::Providers, &refusal))
    }

    fn providers(&self, key: &RecordKey) -> Vec<ProviderRecord> {
        let Ok(id) = Key::from_bytes(key.as_ref()) else { return Vec::new() };
        let provider = |provider: &Provider| {
            let peer = PeerId::from_bytes(provider.peer()).ok()?;
            let address = |bytes: &Bytes| Multiaddr::try_from(bytes.to_vec()).ok();
            let mut addresses: Vec<_> = provider.addresses().iter().filter_map(address).collect();
            if addresses.is_empty() && peer != self.own {
                // libp2p would leave it out, unless it is in the routing table by chance.
                addresses.push(Protocol::P2p(peer).into());
            }
            Some(ProviderRecord::new(key.clone(), peer, addresses))
        };
        self.providers.get(&id, self.now()).filter_map(provider).collect()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, key: &RecordKey, provider: &PeerId) {
        if *provider == self.own
            && let Ok(key) = Key::from_bytes(key.as_ref())
        {
            self.providers.remove(&key, &provider.to_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peer_protocol::crypto::Ed25519Authenticator;
    use peer_protocol::identity::Identity;
    use peer_protocol::registry;

    use super::*;
    use crate::SystemClock;
    use crate::prefix::Prefix;

    fn prefix(address: &str) -> Prefix {
        Prefix::of(&address.parse().unwrap())
    }

    /// Puts one entity's record under all of its keys; returns how many were taken.
    fn put(store: &mut Store, number: u16, network: Prefix) -> usize {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let key = Arc::new(Ed25519Authenticator::from_seed(&seed));
        let identity = Identity::new(None, key).unwrap();
        let names = (0..32).map(|name| format!("capability-{name}").parse().unwrap()).collect();
        let (now, ttl) = (store.now(), Duration::from_secs(600));
        let record = registry::Record::new(&identity, Vec::new(), names, now, ttl);
        let value = record.sign(&identity).unwrap().to_vec();
        store.begin(Source::new(PeerId::random(), network));
        let keys = record.keys().into_iter().chain(record.mirrors());
        let taken = keys
            .filter(|key| store.put(Record::new(key.as_bytes().to_vec(), value.clone())).is_ok())
            .count();
        store.end();
        taken
    }

    #[test]
    fn one_public_network_fills_no_more_than_its_share_whatever_its_peers_are_called() {
        let config = Config::new(Arc::new(SystemClock::new()), [0; 32]);
        let mut store = Store::new(PeerId::random(), &config);
        let (one, other) = (prefix("/ip4/198.51.100.1/tcp/1"), prefix("/ip4/203.0.113.1/tcp/1"));
        let local = prefix("/ip4/192.168.0.1/tcp/1");
        let taken: usize = (0..62).map(|number| put(&mut store, number, one)).sum();
        assert_eq!(taken, MAX_ENTRIES_PER_NETWORK);
        assert!(store.records.refusals().get(Reason::SourceFull) > 0);
        assert_eq!(put(&mut store, 900, other), 35);
        let taken: usize = (1_000..1_062).map(|number| put(&mut store, number, local)).sum();
        assert_eq!(taken, 62 * 35, "many peers may share one local network");
    }

    #[test]
    fn nothing_that_has_expired_is_served() {
        let config = Config::new(Arc::new(SystemClock::new()), [0; 32]);
        let mut store = Store::new(PeerId::random(), &config);
        assert_eq!(put(&mut store, 1, prefix("/memory/1")), 35);
        let key = store.records.iter().next().unwrap().key;
        let get = |store: &Store| KadStore::get(store, &RecordKey::new(key.as_bytes())).is_some();
        assert!(get(&store));
        let later = store.now() + Duration::from_secs(600);
        store.clock = Arc::new(Fixed(later));
        assert!(!get(&store));
        store.sweep();
        assert!(store.records.is_empty());
    }

    #[derive(Debug)]
    struct Fixed(Timestamp);

    impl Clock for Fixed {
        fn now(&self) -> peer_protocol::time::Now {
            peer_protocol::time::Now { timestamp: self.0, ..Default::default() }
        }
    }

    #[test]
    fn a_peer_that_puts_without_pause_is_refused_before_anything_is_verified() {
        let config = Config::new(Arc::new(SystemClock::new()), [0; 32]);
        let mut store = Store::new(PeerId::random(), &config);
        let source = Source::new(PeerId::random(), prefix("/ip4/198.51.100.1/tcp/1"));
        store.begin(source);
        let junk = || Record::new(vec![1; 32], vec![0; 8]);
        for _ in 0..RATE.burst {
            assert!(store.put(junk()).is_err());
        }
        let refused = store.records.refusals().total();
        assert!(store.put(junk()).is_err());
        assert_eq!(store.records.refusals().total(), refused, "nobody has looked at it");
        assert_eq!(store.end(), Some((Space::Records, Reason::SourceFull)));
        store.begin(Source::new(PeerId::random(), prefix("/ip4/198.51.100.1/tcp/1")));
        assert!(store.put(junk()).is_err());
        assert_eq!(store.records.refusals().total(), refused + 1, "others have rates of their own");
        store.end();
    }
}
