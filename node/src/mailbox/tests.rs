use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator, PublicKey};
use peer_protocol::delivery::Order;
use peer_protocol::id::{ItemId, MessageId, StreamId};
use peer_protocol::limits::{MAX_RECORD_LEN, RECORD_TTL};
use peer_protocol::mailbox::{Change, Draft, Keyring, Prekey, Row};
use peer_protocol::message::{Deposit, Fetch, Mailbox as Request, Message, Put, StatusReport};
use peer_protocol::registry::Record;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;
use tempfile::TempDir;

use super::disk::Rows;
use super::known::Known;
use super::vault::Vault;
use super::*;
use crate::store::{Store, StoreError};

#[derive(Debug, Default)]
struct Hands(Mutex<Duration>);

impl Clock for Hands {
    fn now(&self) -> Now {
        let since = *self.0.lock().unwrap();
        let start = Timestamp::from_millis(1_800_000_000_000);
        Now { instant: Instant::from_start(since), timestamp: start + since }
    }
}

/// A disk in memory that fails when it is told to.
#[derive(Clone, Default)]
struct Shaky {
    rows: Arc<Mutex<std::collections::BTreeMap<Vec<u8>, Vec<u8>>>>,
    fails: Arc<AtomicBool>,
}

impl Disk for Shaky {
    fn rows(&self) -> Result<Rows, StoreError> {
        let rows = self.rows.lock().unwrap();
        let rows = rows.iter().filter(|(key, _)| !Change::is_body(key));
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn body(&self, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.lock().unwrap().get(&Change::body_key(number)).cloned())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::unusable(Path::new("shaky"), &"it fails"));
        }
        let mut rows = self.rows.lock().unwrap();
        for Change { key, value } in changes {
            match value {
                Some(value) => drop(rows.insert(key.clone(), value.to_vec())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(())
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn key(seed: u8) -> PublicKey {
    Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
}

fn identity(seed: u8) -> Identity {
    Identity::new(None, Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]))).unwrap()
}

fn worker(
    config: MailboxConfig,
    disk: &Shaky,
) -> (Worker, mpsc::UnboundedReceiver<Output>, Arc<Hands>) {
    let clock = Arc::new(Hands::default());
    let (outputs, told) = mpsc::unbounded_channel();
    let parts = Parts {
        config,
        identity: identity(1),
        suites: SuiteRegistry::default(),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        disk: Box::new(disk.clone()),
    };
    (Worker::new(parts, outputs).unwrap(), told, clock)
}

fn told(outputs: &mut mpsc::UnboundedReceiver<Output>) -> Vec<Output> {
    std::iter::from_fn(|| outputs.try_recv().ok()).collect()
}

fn request(from: u8, request: Request, rng: &mut StdRng) -> Input {
    let id = MessageId::random(rng);
    let share = Budget::default().take(&request, 1_000).unwrap();
    Input::Request { from: key(from), id, request: Box::new(request), serve: true, share }
}

fn answers(outputs: &[Output]) -> Vec<&MailboxResult> {
    let mut answers = Vec::new();
    for output in outputs {
        if let Output::Reply { answer, .. } = output {
            answers.push(answer.as_ref());
        }
    }
    answers
}

#[test]
fn nobody_is_told_what_is_not_on_disk() {
    let mut rng = StdRng::seed_from_u64(1);
    let disk = Shaky::default();
    let config = MailboxConfig { serve: ServeMailbox::All, ..MailboxConfig::default() };
    let (mut worker, mut outputs, _) = worker(config, &disk);
    disk.fails.store(true, Ordering::Relaxed);
    worker.take(request(7, Request::Deposit(Deposit::default()), &mut rng));
    worker.flush();
    let first = told(&mut outputs);
    assert!(
        matches!(answers(&first)[..], [MailboxResult::Refused(report)]
            if report.code == ErrorCode::RateLimited && report.retry_after_ms.is_some()),
        "{first:?}"
    );
    assert!(disk.rows().unwrap().is_empty());
    disk.fails.store(false, Ordering::Relaxed);
    worker.take(request(7, Request::Fetch(Fetch::default()), &mut rng));
    worker.flush();
    let second = told(&mut outputs);
    assert!(matches!(answers(&second)[..], [MailboxResult::Page(_)]), "{second:?}");
    assert_eq!(disk.rows().unwrap().len(), 1, "what could not be written is, as soon as it can be");
}

/// No prekey is given away whose private half could be lost.
#[test]
fn no_prekey_leaves_before_its_private_half_is_on_disk() {
    let disk = Shaky::default();
    let node = peer_behaviours::secure::peer_id_of(&key(9)).unwrap();
    let at = vec![format!("/p2p/{node}").parse().unwrap()];
    let config = MailboxConfig { at, ..MailboxConfig::default() };
    let (mut worker, mut outputs, clock) = worker(config, &disk);
    let asks = |outputs: &[Output]| {
        outputs.iter().filter(|output| matches!(output, Output::Ask { .. })).count()
    };
    disk.fails.store(true, Ordering::Relaxed);
    worker.tick();
    worker.flush();
    assert_eq!(asks(&told(&mut outputs)), 0);
    disk.fails.store(false, Ordering::Relaxed);
    *clock.0.lock().unwrap() = Duration::from_secs(60);
    worker.tick();
    worker.flush();
    let said = told(&mut outputs);
    assert_eq!(asks(&said), 1, "{said:?}");
    let published = said.iter().find_map(|output| match output {
        Output::Publish(prekey) => Some(prekey.id),
        _ => None,
    });
    let mut ring = Keyring::default();
    let rows = disk.rows().unwrap();
    rows.iter().for_each(|(key, value)| ring.restore(Row { key, value }));
    assert!(ring.has(published.unwrap()));
}

fn raw_prekeys(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = store.mailbox().unwrap();
    rows.retain(|(key, _)| Change::is_secret(key));
    rows
}

/// What a database deletes stays in its file for a while. Whoever gets that file later, with every key
/// there is, still opens nothing: the key that these rows were under is overwritten.
#[test]
fn of_deleted_prekeys_nothing_on_disk_can_be_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("state.redb");
    let (owner, node) = (identity(1), key(2));
    let mut rng = StdRng::seed_from_u64(1);
    let mut ring = Keyring::default();
    let mut disk = StoredRows::open(Store::open(&path).unwrap()).unwrap();
    let now = Timestamp::from_millis(1_800_000_000_000);
    let (batch, changes) = ring.make_batch(&owner, &node, 8, now, &mut rng);
    let plain: Vec<_> = changes.iter().map(|change| change.value.clone().unwrap()).collect();
    disk.commit(&changes).unwrap();
    let store = disk.store_for_tests();
    let sealed = raw_prekeys(&store);
    let keys = path.with_extension("prekeys");
    let before = std::fs::read(&keys).unwrap();

    let spent: Vec<_> =
        batch[..5].iter().map(|prekey: &Prekey| ring.deletion(&node, prekey.id).unwrap()).collect();
    disk.commit(&spent).unwrap();
    disk.wipe().unwrap();
    let file = std::fs::read(&path).unwrap();
    let holds = |bytes: &[u8]| file.windows(bytes.len()).any(|part| part == bytes);
    assert!(plain.iter().all(|secret| !holds(&secret[secret.len() - 32..])), "never in the clear");
    let left = sealed.iter().filter(|(_, value)| holds(value)).count();
    eprintln!("{left} of {} deleted or rewritten rows are still in the file", sealed.len());

    let vault = Vault::open(Some(&keys)).unwrap();
    assert!(sealed.iter().all(|(key, value)| vault.open_row(key, value).is_none()));
    // Under the key that was there before, all of them open.
    let copy = dir.path().join("copy.prekeys");
    std::fs::write(&copy, &before).unwrap();
    let old = Vault::open(Some(&copy)).unwrap();
    assert!(sealed.iter().all(|(key, value)| old.open_row(key, value).is_some()));
    let after = std::fs::read(&keys).unwrap();
    assert!(
        before
            .chunks(32)
            .filter(|key| *key != [0; 32])
            .all(|key| !after.windows(32).any(|it| it == key))
    );

    // What was not spent is there as before, also for the next run.
    drop((disk, store));
    let disk = StoredRows::open(Store::open(&path).unwrap()).unwrap();
    let mut again = Keyring::default();
    disk.rows().unwrap().iter().for_each(|(key, value)| again.restore(Row { key, value }));
    assert!(batch[..5].iter().all(|prekey| !again.has(prekey.id)));
    assert!(batch[5..].iter().all(|prekey| again.has(prekey.id)));
}

/// A crash at any point of a change of keys loses no row.
#[test]
fn a_change_of_keys_may_end_anywhere() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.prekeys");
    let row = b"k-some-id".as_slice();
    let sealed = |vault: &Vault| {
        let change = Change { key: row.to_vec(), value: Some(b"secret".to_vec().into()) };
        vault.seal(&change).value.unwrap()
    };
    let mut vault = Vault::open(Some(&path)).unwrap();
    let first = sealed(&vault);
    vault.renew().unwrap();
    let second = vault.reseal(row, &first).unwrap();
    // Before the rows were rewritten, and after.
    let mut vault = Vault::open(Some(&path)).unwrap();
    for value in [&first, &second] {
        assert_eq!(vault.open_row(row, value).unwrap().as_slice(), b"secret");
    }
    assert!(vault.open_row(b"k-another", &first).is_none(), "a value belongs to its row");
    vault.renew().unwrap();
    let third = vault.reseal(row, &first).unwrap();
    vault.forget_old().unwrap();
    let vault = Vault::open(Some(&path)).unwrap();
    assert_eq!(vault.open_row(row, &third).unwrap().as_slice(), b"secret");
    assert!(vault.open_row(row, &first).is_none());
}

#[test]
fn what_a_record_says_of_mailboxes_outlives_it() {
    let owner = identity(1);
    let made = Timestamp::from_millis(1_800_000_000_000);
    let record = |nodes: Vec<PublicKey>, at| {
        let record = Record::new(&owner, Vec::new(), Vec::new(), at, RECORD_TTL);
        record.with_mailboxes(nodes, None).sign(&owner).unwrap()
    };
    let (mut known, _) = Known::load(std::iter::empty(), made);
    let (peer, changes) = known.learn(&record(vec![key(7), key(8)], made)).unwrap();
    assert_eq!(peer, *owner.public_key());
    let [change] = &changes[..] else { panic!("{changes:?}") };
    assert!(change.value.as_ref().unwrap().len() <= MAX_RECORD_LEN);
    let later = made + Duration::from_secs(27 * 86_400);
    assert_eq!(known.place(&peer, later).unwrap().nodes, [key(7), key(8)]);
    assert!(known.place(&peer, made + Duration::from_secs(29 * 86_400)).is_none(), "not for ever");
    assert!(known.learn(&record(vec![key(9)], made)).is_none(), "an older one changes nothing");
    let (row, value) = (change.key.clone(), change.value.clone().unwrap());
    let (mut again, gone) = Known::load([(row.as_slice(), value.as_slice())].into_iter(), made);
    assert_eq!(again.place(&peer, made).unwrap().nodes.len(), 2);
    assert!(gone.is_empty());
    let second = Duration::from_secs(1);
    let withdrawn = Record::withdrawal(&owner, Vec::new(), made + second).sign(&owner).unwrap();
    assert!(known.learn(&withdrawn).is_none());
    assert!(known.place(&peer, made).is_some(), "who stops has them still");
    let [gone] = &known.learn(&record(Vec::new(), made + second * 2)).unwrap().1[..] else {
        panic!()
    };
    assert!(gone.value.is_none());
    assert!(known.place(&peer, made).is_none());
}

/// Rows of those who give way, who are over, or who are no records, are deleted: a disk that was filled
/// once does not stay so.
#[test]
fn what_is_known_of_mailboxes_is_bounded_on_disk_too() {
    let made = Timestamp::from_millis(1_800_000_000_000);
    let signed = |number: u16| {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let owner = Arc::new(Ed25519Authenticator::from_seed(&seed));
        let owner = Identity::new(None, owner).unwrap();
        let record = Record::new(&owner, Vec::new(), Vec::new(), made, RECORD_TTL);
        record.with_mailboxes(vec![key(7)], None).sign(&owner).unwrap()
    };
    let (mut known, mut disk) = (Known::load(std::iter::empty(), made).0, Shaky::default());
    for number in 0..4_200 {
        let (_, changes) = known.learn(&signed(number)).unwrap();
        disk.commit(&changes).unwrap();
    }
    assert_eq!(disk.rows().unwrap().len(), 4_096);

    // More than there is room for, as an earlier version left them, and one that is no record.
    for number in 0..10 {
        let record = signed(number);
        let (_, changes) = Known::load(std::iter::empty(), made).0.learn(&record).unwrap();
        disk.commit(&changes).unwrap();
    }
    let broken = Change { key: b"m-broken".to_vec(), value: Some(vec![1, 2, 3].into()) };
    disk.commit(&[broken]).unwrap();
    let load = |disk: &Shaky, now| {
        let rows = disk.rows().unwrap();
        let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        Known::load(rows, now)
    };
    let (_, gone) = load(&disk, made);
    disk.commit(&gone).unwrap();
    assert_eq!(disk.rows().unwrap().len(), 4_096);
    let (mut known, gone) = load(&disk, made);
    assert!(gone.is_empty());
    let over = made + Duration::from_secs(28 * 86_400);
    disk.commit(&known.tick(over)).unwrap();
    assert!(disk.rows().unwrap().is_empty());
}

/// However few requests there are: what they bring is bounded in bytes while the disk fails.
#[test]
fn what_waits_for_a_disk_that_fails_is_bounded_in_bytes() {
    let mut rng = StdRng::seed_from_u64(1);
    let disk = Shaky::default();
    let config = MailboxConfig { serve: ServeMailbox::All, ..MailboxConfig::default() };
    let (mut worker, mut outputs, _) = worker(config, &disk);
    worker.take(request(1, Request::Deposit(Deposit::default()), &mut rng));
    worker.flush();
    told(&mut outputs);
    disk.fails.store(true, Ordering::Relaxed);
    let mut taken = 0;
    loop {
        let items = (0..8).map(|_| item_of(100_000, &mut rng)).collect();
        let owner = *key(1).as_bytes();
        worker.take(request(7, Request::Put(Put { items, owner }), &mut rng));
        let Some(Output::Reply { answer, .. }) = worker.told.pop_back() else { panic!() };
        match *answer {
            MailboxResult::Stored(_) => taken += 8 * 100_000,
            MailboxResult::Refused(report) => {
                assert_eq!(report.code, ErrorCode::RateLimited);
                break;
            }
            other => panic!("{other:?}"),
        }
        assert!(taken < 64 << 20, "{taken} bytes wait");
    }
    assert!(((15 << 20)..(20 << 20)).contains(&taken), "{taken}");
    disk.fails.store(false, Ordering::Relaxed);
    worker.flush();
    worker.take(request(1, Request::Fetch(Fetch::default()), &mut rng));
    worker.flush();
    let said = told(&mut outputs);
    assert!(matches!(answers(&said)[..], [MailboxResult::Page(page)] if page.more), "{said:?}");
}

/// An item of about so many bytes for the owner whose key has the seed 1.
fn item_of(len: usize, rng: &mut StdRng) -> ByteBuf {
    let now = Hands::default().now().timestamp;
    let owner = identity(1);
    let (prekey, _) = Keyring::default().last_resort(&owner, now, rng);
    let report = StatusReport { status: "x".repeat(len.min(200)), ..StatusReport::default() };
    let content = vec![7; len].into();
    let report = StatusReport { content, ..report };
    let message = Message::new(rng, &report.into(), None).unwrap();
    let order = Order { after: None, number: 0, stream: StreamId::random(rng) };
    let draft = Draft {
        id: ItemId::random(rng),
        recipient: owner.public_key(),
        prekey: &prekey,
        expires: now + Duration::from_secs(86_400),
        messages: &[Message { order: Some(order), ..message }],
        spent: &[],
    };
    let suites = SuiteRegistry::default();
    let suite = suites.get(SuiteRegistry::AES_256_GCM).unwrap();
    let item = draft.seal(&identity(2), suite, now, rng).unwrap();
    ByteBuf::from(item.as_bytes().to_vec())
}
