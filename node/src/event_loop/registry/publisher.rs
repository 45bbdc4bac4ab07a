//! When to tell the registry about this entity, and what (`docs/PROTOCOL.md` §11.7). Decides only:
//! the event loop carries it out.

use std::collections::BTreeSet;
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::Identity;
use peer_protocol::limits::{MAX_CLOCK_SKEW, RECORD_REFRESH, RECORD_TTL};
use peer_protocol::mailbox::Prekey;
use peer_protocol::registry::{Capability, Record};
use peer_protocol::time::{Instant, Now, Timestamp};

/// Whoever has come may not be the only one.
const SETTLE: Duration = Duration::from_secs(1);
/// First pause after a publication that no node took.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Longest such pause.
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// What is said of this entity, and when it is said again.
#[derive(Debug)]
pub(super) struct Publisher {
    capabilities: BTreeSet<Capability>,
    /// Given up since the last publication: their keys must be told.
    dropped: BTreeSet<Capability>,
    addresses: Vec<String>,
    /// Where messages wait for this entity, and its last-resort prekey.
    mailboxes: (Vec<PublicKey>, Option<Prekey>),
    /// Whether it has mailboxes, and is not to be published without them.
    awaits_mailboxes: bool,
    last_seen: Timestamp,
    /// When to publish next; `None` while a publication is under way.
    due: Option<Instant>,
    failures: u32,
    /// What the publication under way, or the last one, said.
    record: Option<Record>,
    /// How many keys of it another node took, and when that was known.
    outcome: Option<Outcome>,
}

/// How a publication ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) keys: usize,
    pub(super) stored: usize,
    pub(super) at: Timestamp,
}

impl Publisher {
    /// Nothing is published before the first tick. `last_seen` is the latest ever used.
    pub(super) fn new(capabilities: BTreeSet<Capability>, last_seen: Option<Timestamp>) -> Self {
        Self {
            capabilities,
            dropped: BTreeSet::new(),
            addresses: Vec::new(),
            mailboxes: Default::default(),
            awaits_mailboxes: false,
            last_seen: last_seen.unwrap_or_default(),
            due: Some(Instant::default()),
            failures: 0,
            record: None,
            outcome: None,
        }
    }

    pub(super) const fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    pub(super) const fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub(super) const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The latest `last_seen` that was used, to be remembered.
    pub(super) const fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// The addresses have changed. Their order counts, since it is one of preference.
    pub(super) fn set_addresses(&mut self, addresses: Vec<String>, now: Instant) {
        if self.addresses != addresses {
            self.addresses = addresses;
            self.hasten(now);
        }
    }

    /// Publishes nothing before it is known where its mailboxes are.
    pub(super) const fn await_mailboxes(&mut self) {
        self.awaits_mailboxes = true;
    }

    /// The mailbox nodes, or the prekey that goes with them, have changed.
    pub(super) fn set_mailboxes(&mut self, nodes: Vec<PublicKey>, prekey: Prekey, now: Instant) {
        self.mailboxes = (nodes, Some(prekey));
        self.awaits_mailboxes = false;
        self.hasten(now);
    }

    /// Adds and removes capabilities; publishes soon, in any case.
    pub(super) fn change(
        &mut self,
        add: impl IntoIterator<Item = Capability>,
        remove: impl IntoIterator<Item = Capability>,
        now: Instant,
    ) {
        for name in remove {
            if self.capabilities.remove(&name) {
                self.dropped.insert(name);
            }
        }
        for name in add {
            self.dropped.remove(&name);
            self.capabilities.insert(name);
        }
        self.hasten(now);
    }

    /// There was nobody to tell, and now there is.
    pub(super) fn somebody_came(&mut self, now: Instant) {
        if self.outcome.is_none_or(|outcome| outcome.stored == 0) {
            self.hasten(now + SETTLE);
        }
    }

    /// Whether a publication is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.awaits_mailboxes && self.due.is_some_and(|due| due <= now)
    }

    /// The records to publish now, in this order: where capabilities were given up, first the
    /// withdrawal from their keys, then what holds.
    pub(super) fn next(&mut self, identity: &Identity, now: Now) -> Vec<Record> {
        let mut records = Vec::new();
        if !self.dropped.is_empty() {
            let dropped = std::mem::take(&mut self.dropped).into_iter().collect();
            records.push(Record::withdrawal(identity, dropped, self.tick(now.timestamp)));
        }
        let capabilities = self.capabilities.iter().cloned().collect();
        let seen = self.tick(now.timestamp);
        let record = Record::new(identity, self.addresses.clone(), capabilities, seen, RECORD_TTL);
        let (nodes, prekey) = self.mailboxes.clone();
        let record = record.with_mailboxes(nodes, prekey);
        self.record = Some(record.clone());
        records.push(record);
        self.due = None;
        records
    }

    /// The record that takes everything back. Who has mailboxes takes back its addresses only: they say
    /// where messages wait for it while it is away.
    pub(super) fn withdrawal(&mut self, identity: &Identity, now: Timestamp) -> Record {
        if !self.mailboxes.0.is_empty() {
            let names = self.capabilities.iter().cloned().collect();
            let record = Record::new(identity, Vec::new(), names, self.tick(now), RECORD_TTL);
            let (nodes, prekey) = self.mailboxes.clone();
            return record.with_mailboxes(nodes, prekey);
        }
        let all = self.capabilities.union(&self.dropped).cloned().collect();
        Record::withdrawal(identity, all, self.tick(now))
    }

    /// The publication is over: of its `keys`, `stored` were taken by another node.
    pub(super) fn published(&mut self, keys: usize, stored: usize, now: Now) {
        self.outcome = Some(Outcome { keys, stored, at: now.timestamp });
        let pause = if stored > 0 {
            self.failures = 0;
            RECORD_REFRESH
        } else {
            let pause = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_RETRY);
            self.failures = self.failures.saturating_add(1);
            pause
        };
        let next = now.instant + pause;
        self.due = Some(self.due.map_or(next, |due| due.min(next)));
    }

    fn hasten(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// A time that this entity has not used. A clock that was far ahead once is not followed for
    /// ever: others refuse records from the future.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        let next = self.last_seen + Duration::from_millis(1);
        self.last_seen = if next > now + MAX_CLOCK_SKEW { now } else { now.max(next) };
        self.last_seen
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peer_protocol::crypto::Ed25519Authenticator;

    use super::*;

    fn identity() -> Identity {
        let key = Arc::new(Ed25519Authenticator::from_seed(&[1; 32]));
        Identity::new(Some("bob".parse().unwrap()), key).unwrap()
    }

    fn names(list: &[&str]) -> Vec<Capability> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn at(secs: u64) -> Now {
        let since = Duration::from_secs(secs);
        let start = Timestamp::from_millis(1_800_000_000_000);
        Now { instant: Instant::from_start(since), timestamp: start + since }
    }

    fn publisher() -> Publisher {
        Publisher::new(names(&["ocr", "translate"]).into_iter().collect(), None)
    }

    #[test]
    fn it_is_published_at_once_and_every_hour() {
        let mut publisher = publisher();
        assert!(publisher.is_due(at(0).instant));
        let records = publisher.next(&identity(), at(0));
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].capabilities, names(&["ocr", "translate"]));
        assert!(!publisher.is_due(at(100_000).instant), "one is under way");
        publisher.published(4, 4, at(2));
        assert!(!publisher.is_due(at(3_601).instant));
        assert!(publisher.is_due(at(3_602).instant));
    }

    #[test]
    fn while_nobody_takes_it_pauses_grow_and_whoever_comes_is_told() {
        let mut publisher = publisher();
        let mut now = 0;
        for pause in [5, 10, 20, 40, 80, 160, 300, 300] {
            publisher.next(&identity(), at(now));
            publisher.published(4, 0, at(now));
            assert!(!publisher.is_due(at(now + pause - 1).instant));
            now += pause;
            assert!(publisher.is_due(at(now).instant));
        }
        publisher.next(&identity(), at(now));
        publisher.published(4, 0, at(now));
        publisher.somebody_came(at(now).instant);
        assert!(publisher.is_due(at(now + 1).instant));
    }

    #[test]
    fn changes_of_address_are_told_and_what_does_not_change_is_not() {
        let mut publisher = publisher();
        publisher.next(&identity(), at(0));
        publisher.published(4, 4, at(0));
        let addresses = vec!["/ip4/192.0.2.7/tcp/1".to_owned()];
        publisher.set_addresses(addresses.clone(), at(10).instant);
        assert!(publisher.is_due(at(10).instant));
        assert_eq!(publisher.next(&identity(), at(11))[0].addresses, addresses);
        publisher.published(4, 4, at(11));
        publisher.set_addresses(addresses, at(12).instant);
        assert!(!publisher.is_due(at(20).instant), "nothing has changed");
    }

    #[test]
    fn a_change_during_a_publication_is_published_after_it() {
        let mut publisher = publisher();
        publisher.next(&identity(), at(0));
        publisher.change(names(&["draw"]), [], at(1).instant);
        publisher.published(4, 4, at(2));
        assert!(publisher.is_due(at(2).instant));
    }

    #[test]
    fn a_capability_given_up_is_withdrawn_and_then_the_rest_holds() {
        let mut publisher = publisher();
        publisher.next(&identity(), at(0));
        publisher.published(4, 4, at(0));
        publisher.change([], names(&["ocr", "unknown"]), at(5).instant);
        let records = publisher.next(&identity(), at(5));
        let [withdrawal, rest] = records.as_slice() else { panic!("{records:?}") };
        assert!(withdrawal.is_withdrawal() && !rest.is_withdrawal());
        assert_eq!(withdrawal.capabilities, names(&["ocr"]));
        assert_eq!(rest.capabilities, names(&["translate"]));
        assert!(rest.last_seen > withdrawal.last_seen);
        publisher.published(3, 3, at(6));
        assert_eq!(publisher.next(&identity(), at(4_000)).len(), 1, "it is withdrawn once");
    }

    #[test]
    fn no_time_is_used_twice_even_if_the_clock_goes_back() {
        let late = at(30).timestamp;
        let mut publisher = Publisher::new(BTreeSet::new(), Some(late));
        let first = publisher.next(&identity(), at(0))[0].last_seen;
        assert!(first > late);
        let second = publisher.withdrawal(&identity(), at(0).timestamp).last_seen;
        assert!(second > first);
    }

    #[test]
    fn a_clock_that_was_once_far_ahead_is_not_followed() {
        let mut publisher = Publisher::new(BTreeSet::new(), Some(at(1_000_000).timestamp));
        let record = &publisher.next(&identity(), at(0))[0];
        assert_eq!(record.last_seen, at(0).timestamp);
        assert_eq!(record.check_fresh(at(0).timestamp), Ok(()));
    }
}
