//! Contents that go ahead of their messages.

use bytes::Bytes;
use peer_protocol::id::TransferId;

use super::*;
use crate::transfer::row::Stage;

async fn send(wire: &Wire, bytes: &[u8]) -> TransferId {
    let (peer, entity) = (wire.bob.peer, wire.bob.entity.clone());
    let content = Bytes::copy_from_slice(bytes);
    let sent =
        wire.alice.transfers().send_content(peer, entity, content, "text/html".to_owned()).await;
    sent.unwrap()
}

#[tokio::test]
async fn a_content_is_there_until_it_was_taken() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.accept = AcceptFiles::None);
    let bytes = noise(700_000);
    let id = send(&wire, &bytes).await;
    let key = wire.alice.key;
    assert_eq!(wire.bob.transfers().content(&key, id), None);
    wire.until(|wire| !wire.contents.is_empty()).await;
    assert_eq!(wire.contents, [(id, Stage::Complete)]);
    let taken = wire.bob.transfers().content(&key, id).unwrap();
    assert_eq!((taken.size, taken.content_type.as_str()), (700_000, "text/html"));
    assert!(std::fs::read(&taken.path).unwrap() == bytes);
    assert_eq!(wire.bob.transfers().content(&wire.bob.key, id), None, "another's is another");
    // It waits for its message across restarts; and whoever waits for it is told again.
    wire.bob.restart().await;
    wire.alice.restart().await;
    wire.until(|wire| wire.contents.len() == 2).await;
    assert_eq!(wire.bob.transfers().content(&key, id), Some(taken.clone()));
    wire.bob.transfers().drop_content(&key, id).await;
    assert!(!taken.path.exists());
    assert_eq!(wire.bob.transfers().content(&key, id), None);
    wire.bob.restart().await;
    assert_eq!(wire.bob.transfers().content(&key, id), None);
    assert_eq!(wire.alice.names("transfers/spool"), [""; 0], "nothing is left at the sender");
}

#[tokio::test]
async fn a_content_survives_a_crash_of_its_sender() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let bytes = noise(9 << 20);
    let id = send(&wire, &bytes).await;
    wire.until(|wire| wire.bytes() > 2 << 20).await;
    wire.alice.restart().await;
    wire.until(|wire| !wire.contents.is_empty()).await;
    let taken = wire.bob.transfers().content(&wire.alice.key, id).unwrap();
    assert!(std::fs::read(taken.path).unwrap() == bytes);
}

#[tokio::test]
async fn a_content_that_is_refused_is_told() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.open_per_peer = 1);
    let alice = Side::new(root.path(), "other", 1, |_| {});
    drop(alice);
    let first = send(&wire, &noise(20 << 20)).await;
    wire.until(|wire| wire.bytes() > 0).await;
    let second = send(&wire, &noise(100_000)).await;
    wire.until(|wire| wire.contents.len() == 2).await;
    let of = |id| wire.contents.iter().find(|(sent, _)| *sent == id).unwrap().1.clone();
    assert_eq!(of(first), Stage::Complete);
    let Stage::Failed { detail, .. } = of(second) else { panic!("{:?}", of(second)) };
    assert!(detail.contains("1 transfers are open already"), "{detail}");
}

#[tokio::test]
async fn what_nobody_needs_is_cleared_up_at_the_start() {
    let root = tempfile::tempdir().unwrap();
    let mut bob = Side::new(root.path(), "bob", 2, |_| {});
    for stray in ["received/.parts/x.part", "transfers/contents/x", "transfers/spool/fresh"] {
        bob.write(stray, b"stray");
    }
    bob.restart().await;
    assert_eq!((bob.parts(), bob.names("transfers/contents")), (vec![], vec![]));
    assert_eq!(bob.names("transfers/spool"), ["fresh"], "somebody may just be writing it");
}

#[tokio::test]
async fn where_nobody_asks_for_contents_none_are_taken() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.contents = false);
    let id = send(&wire, &noise(100_000)).await;
    wire.until(|wire| !wire.contents.is_empty()).await;
    let (told, Stage::Failed { detail, .. }) = &wire.contents[0] else {
        panic!("{:?}", wire.contents)
    };
    assert_eq!((*told, wire.bytes()), (id, 0));
    assert!(detail.contains("nothing of the kind is taken"), "{detail}");
}
