//! What is remembered across restarts, and what is done with files whose rows are not there.

use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::message::{Offer, Purpose};

use super::super::intake::Begin;
use super::super::ledger::{Ledger as _, durable};
use super::super::row::{IncomingRow, Key, OutgoingRow, Row, Source, Stage};
use super::super::transfer_of;
use super::*;
use crate::store::{Durable, TransferWrite};

const LEN: u64 = 100_000;
const DAY: Duration = Duration::from_secs(86_400);

fn alice() -> PublicKey {
    Ed25519Authenticator::from_seed(&[1; 32]).public_key()
}

fn offer(purpose: Purpose) -> Offer {
    let name = (purpose == Purpose::File).then(|| "a.bin".to_owned());
    Offer { name, digest: [1; 32], purpose, content_type: String::new() }
}

/// Ids in the order in which their rows are read.
fn ids(count: usize) -> Vec<MessageId> {
    let mut ids: Vec<_> = (0..count).map(|_| MessageId::random(&mut rand::rng())).collect();
    ids.sort_unstable_by_key(|id| *id.as_bytes());
    ids
}

fn key_of(id: MessageId) -> Key {
    Key::incoming(*alice().as_bytes(), transfer_of(id).unwrap())
}

impl Side {
    fn ledger(&self) -> InStore {
        InStore(self.run.as_ref().unwrap().writer.submitter())
    }

    /// A complete transfer of so long ago, with its file.
    fn complete(&self, id: MessageId, purpose: Purpose, age: Duration) -> IncomingRow {
        let places = self.transfers().shared.places().unwrap();
        let path = match purpose {
            Purpose::Content => places.part(&key_of(id), purpose),
            Purpose::File => self.dir.join(id.to_string()),
        };
        std::fs::write(&path, vec![7; LEN as usize]).unwrap();
        let at = ago(age);
        IncomingRow {
            id: transfer_of(id).unwrap(),
            peer: *alice().as_bytes(),
            entity: "alice".parse().unwrap(),
            offer: offer(purpose),
            total: LEN,
            received: LEN,
            path: Some(path),
            announced: false,
            claimed: false,
            stage: Stage::Complete,
            created: at,
            updated: at,
        }
    }

    /// A content that its receiver has, and whose message is not settled.
    fn sent(&self, id: MessageId, age: Duration) -> OutgoingRow {
        let path = self.dir.join("transfers/spool").join(id.to_string());
        std::fs::write(&path, vec![7; LEN as usize]).unwrap();
        let at = ago(age);
        OutgoingRow {
            id: transfer_of(id).unwrap(),
            peer: *alice().as_bytes(),
            entity: "alice".parse().unwrap(),
            source: Source { path, root: None, spooled: true, size: LEN, modified: (0, 0) },
            offer: offer(Purpose::Content),
            hashed: true,
            piece_len: 1 << 20,
            received: LEN,
            stage: Stage::Complete,
            created: at,
            updated: at,
        }
    }

    async fn save(&self, row: Row) {
        durable(self.ledger().save(&row)).await.unwrap();
    }

    fn stored(&self, id: MessageId) -> bool {
        self.transfers().content(&alice(), id).is_some_and(|content| content.path.exists())
    }
}

fn ago(age: Duration) -> Timestamp {
    let now = SystemClock::new().now().timestamp;
    Timestamp::from_millis(now.as_millis() - u64::try_from(age.as_millis()).unwrap())
}

fn bob(root: &Path) -> Side {
    Side::new(root, "bob", 2, |_| {})
}

/// More than are listed, the oldest read last.
#[tokio::test]
async fn what_is_needed_is_there_after_restarts_however_much_and_however_old() {
    for age in [DAY, 40 * DAY] {
        let root = tempfile::tempdir().unwrap();
        let mut bob = bob(root.path());
        let [contents, files, sent] = [(); 3].map(|()| ids(12));
        for number in 0..12 {
            let age = age + Duration::from_secs(u64::try_from(number).unwrap());
            let content = bob.complete(contents[number], Purpose::Content, age);
            bob.save(Row::Incoming(IncomingRow { claimed: true, ..content })).await;
            let file = bob.complete(files[number], Purpose::File, age);
            bob.save(Row::Incoming(file)).await;
            bob.save(Row::Outgoing(bob.sent(sent[number], age))).await;
        }
        for _ in 0..2 {
            bob.restart().await;
            for number in 0..12 {
                assert!(bob.stored(contents[number]), "content {number}, {age:?}");
                let told = bob.transfers().received(&key_of(files[number]));
                assert!(told.is_some(), "file {number}, {age:?}");
                let spooled = bob.transfers().spooled(&alice(), sent[number]);
                assert!(spooled.is_some_and(|it| it.path.exists()), "sent {number}, {age:?}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_cleared_up_while_rows_are_missing() {
    let root = tempfile::tempdir().unwrap();
    let mut bob = bob(root.path());
    let stray = bob.write("transfers/contents/x", b"whose?");
    let broken = TransferWrite { key: [9; 49], row: Some(vec![0xff]) };
    let write = |bob: &Side, write| bob.ledger().0.submit_alone(vec![Durable::Transfer(write)]);
    write(&bob, broken).unwrap().await.unwrap().unwrap();
    bob.restart().await;
    assert!(stray.exists(), "one cannot be read");
    write(&bob, TransferWrite { key: [9; 49], row: None }).unwrap().await.unwrap().unwrap();
    for id in ids(80) {
        let row = bob.complete(id, Purpose::File, DAY);
        let stage = Stage::Cancelled { detail: "x".repeat(1_024) };
        bob.save(Row::Incoming(IncomingRow { stage, ..row })).await;
    }
    bob.restart().await;
    assert!(stray.exists(), "there are more than are read");
    // The oldest were forgotten when the rest was listed.
    bob.restart().await;
    assert!(!stray.exists());
}

#[tokio::test]
async fn no_peer_pushes_out_what_another_left_here() {
    let root = tempfile::tempdir().unwrap();
    let bob = bob(root.path());
    let id = ids(1)[0];
    let content = offer(Purpose::Content);
    bob.intake().recall(key_of(id), &content, LEN, 0, true);
    for number in 0..10_000 {
        let key = Key::incoming([8; 32], TransferId::random(&mut rand::rng()));
        bob.intake().recall(key, &content, LEN, 0, number % 2 == 0);
    }
    assert_eq!(bob.intake().remembered(), 1 + 5_000 + 4_096);
    let transfer = transfer_of(id).unwrap();
    assert!(bob.intake().has_content(&alice(), transfer));
    bob.intake().admit(&alice(), &hostile::offering(transfer, content, LEN)).unwrap();
    assert!(matches!(bob.intake().begin(&key_of(id)), Begin::Complete(LEN)));
}

#[tokio::test]
async fn a_doubtful_claim_is_kept_and_made_again_until_the_disk_has_said() {
    let root = tempfile::tempdir().unwrap();
    let mut bob = bob(root.path());
    let ids = ids(2);
    for id in &ids {
        bob.save(Row::Incoming(bob.complete(*id, Purpose::Content, Duration::ZERO))).await;
    }
    bob.restart().await;
    let (transfers, key) = (bob.transfers().clone(), alice());
    let withdraw = async |id| {
        transfers.withdrawn_message(&key, id);
        tokio::time::sleep(Duration::from_millis(30)).await;
    };
    for id in &ids {
        assert!(transfers.claim(&key, *id).is_some());
        transfers.doubt(&key, *id);
        withdraw(*id).await;
        assert!(bob.stored(*id), "its message may be on disk");
        let old = transfers.doubts().into_iter().find(|doubt| doubt.key == key_of(*id)).unwrap();
        assert!(transfers.claim(&key, *id).is_some(), "it is written once more");
        assert!(transfers.doubts().iter().all(|doubt| doubt.key != key_of(*id)));
        // Not this time, which says nothing of the last; nor does what was read before.
        transfers.unclaim(&key, *id);
        transfers.resolve(&old, false);
        withdraw(*id).await;
        assert!(bob.stored(*id));
    }
    for doubt in transfers.doubts() {
        transfers.resolve(&doubt, doubt.key == key_of(ids[0]));
    }
    assert!(transfers.claim(&key, ids[0]).is_none(), "it is certain");
    for id in &ids {
        withdraw(*id).await;
    }
    let begun = std::time::Instant::now();
    while bob.stored(ids[1]) {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(bob.stored(ids[0]));
}

#[tokio::test]
async fn the_disk_says_what_was_claimed() {
    let root = tempfile::tempdir().unwrap();
    let bob = bob(root.path());
    let store = Store::in_memory().unwrap();
    let writer = Writer::start(store.clone(), Arc::new(SystemClock::new())).unwrap();
    let id = ids(1)[0];
    assert_eq!(InStore::is_claimed(&store, &key_of(id)), Ok(false));
    let row = bob.complete(id, Purpose::Content, Duration::ZERO);
    for claimed in [false, true] {
        let row = Row::Incoming(IncomingRow { claimed, ..row.clone() });
        durable(InStore(writer.submitter()).save(&row)).await.unwrap();
        assert_eq!(InStore::is_claimed(&store, &key_of(id)), Ok(claimed));
    }
}

/// Its file and its row have the names that those of the next one would have.
#[test]
fn a_content_begins_again_only_once_the_last_one_is_deleted() {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let root = tempfile::tempdir().unwrap();
        let mut bob = bob(root.path());
        let id = ids(1)[0];
        bob.save(Row::Incoming(bob.complete(id, Purpose::Content, Duration::ZERO))).await;
        bob.restart().await;
        // Nothing is deleted while this goes on.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || wait.recv());
        let transfer = transfer_of(id).unwrap();
        bob.transfers().withdrawn(&alice(), transfer);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let again = hostile::offering(transfer, offer(Purpose::Content), LEN);
        bob.intake().admit(&alice(), &again).unwrap();
        assert!(matches!(bob.intake().begin(&key_of(id)), Begin::Complete(LEN)));
        drop(go);
        let _ = busy.await.unwrap();
        let begun = std::time::Instant::now();
        while bob.intake().remembered() > 0 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bob.intake().admit(&alice(), &again).unwrap();
        assert!(matches!(bob.intake().begin(&key_of(id)), Begin::Task(..)));
        // What is left of the last one is gone by now, and takes nothing of this.
        assert!(bob.names("transfers/contents").is_empty());
    });
}
