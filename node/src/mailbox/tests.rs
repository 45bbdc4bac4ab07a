use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator, PublicKey};
use peer_protocol::id::MessageId;
use peer_protocol::limits::{MAX_RECORD_LEN, RECORD_TTL};
use peer_protocol::mailbox::{Change, Keyring, Prekey, Row};
use peer_protocol::message::{Deposit, Fetch, Mailbox as Request};
use peer_protocol::registry::Record;
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
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
    (Worker::new(parts, outputs, Arc::new(AtomicUsize::new(9))).unwrap(), told, clock)
}

fn told(outputs: &mut mpsc::UnboundedReceiver<Output>) -> Vec<Output> {
    std::iter::from_fn(|| outputs.try_recv().ok()).collect()
}

fn request(from: u8, request: Request, rng: &mut StdRng) -> Input {
    let id = MessageId::random(rng);
    Input::Request { from: key(from), id, request: Box::new(request), serve: true }
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
    let mut known = Known::load(std::iter::empty());
    let (peer, change) = known.learn(&record(vec![key(7), key(8)], made)).unwrap();
    assert_eq!(peer, *owner.public_key());
    assert!(change.value.as_ref().unwrap().len() <= MAX_RECORD_LEN);
    let later = made + Duration::from_secs(27 * 86_400);
    assert_eq!(known.place(&peer, later).unwrap().nodes, [key(7), key(8)]);
    assert!(known.place(&peer, made + Duration::from_secs(29 * 86_400)).is_none(), "not for ever");
    assert!(known.learn(&record(vec![key(9)], made)).is_none(), "an older one changes nothing");
    let (row, value) = (change.key, change.value.unwrap());
    let mut again = Known::load([(row.as_slice(), value.as_slice())].into_iter());
    assert_eq!(again.place(&peer, made).unwrap().nodes.len(), 2);
    let second = Duration::from_secs(1);
    let withdrawn = Record::withdrawal(&owner, Vec::new(), made + second).sign(&owner).unwrap();
    assert!(known.learn(&withdrawn).is_none());
    assert!(known.place(&peer, made).is_some(), "who stops has them still");
    assert!(known.learn(&record(Vec::new(), made + second * 2)).unwrap().1.value.is_none());
    assert!(known.place(&peer, made).is_none());
}
