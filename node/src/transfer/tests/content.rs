//! Contents that go ahead of their messages.

use peer_protocol::delivery::Order;
use peer_protocol::error::ErrorCode;
use peer_protocol::id::{MessageId, StreamId, TransferId};
use peer_protocol::link::Admission as _;
use peer_protocol::message::{Body, Chunk, Message, Offer, Purpose, StatusReport};

use super::*;
use crate::room::Room;
use crate::transfer::Stage;

async fn send(wire: &Wire, bytes: &[u8]) -> MessageId {
    let (peer, entity) = (wire.bob.peer, wire.bob.entity.clone());
    wire.alice.transfers().send_content(peer, entity, bytes.to_vec()).await.unwrap()
}

#[tokio::test]
async fn a_content_is_there_until_its_message_was_taken() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.accept = AcceptFiles::None);
    let bytes = noise(700_000);
    let id = send(&wire, &bytes).await;
    let key = wire.alice.key;
    assert_eq!(wire.bob.transfers().content(&key, id), None);
    assert!(!wire.bob.intake().has_content(&key, crate::transfer::transfer_of(id).unwrap()));
    wire.until(|wire| !wire.contents.is_empty()).await;
    assert_eq!(wire.contents, [(id, Stage::Complete)]);
    let stored = wire.bob.transfers().content(&key, id).unwrap();
    assert_eq!(stored.size, 700_000);
    assert!(stored.read().unwrap() == bytes);
    assert_eq!(wire.bob.transfers().content(&wire.bob.key, id), None, "another's is another");
    // It waits for its message across restarts.
    wire.bob.restart().await;
    assert_eq!(wire.bob.transfers().content(&key, id), Some(stored.clone()));
    assert!(wire.bob.transfers().claim(&key, id).is_some());
    assert!(wire.bob.transfers().claim(&key, id).is_none(), "it has one message");
    // What was claimed is not its sender's to withdraw.
    wire.alice.transfers().end_content(&wire.bob.key, id, false);
    let _ = tokio::time::timeout(Duration::from_millis(100), wire.forever()).await;
    assert!(stored.path.exists());
    assert!(wire.bob.transfers().taking(&key, id).is_some());
    wire.bob.transfers().taken(&key, id);
    wire.until(|_| !stored.path.exists()).await;
    assert_eq!(wire.bob.transfers().content(&key, id), None);
    wire.bob.restart().await;
    assert_eq!(wire.bob.transfers().content(&key, id), None);
}

#[tokio::test]
async fn a_content_stays_at_its_sender_until_its_message_is_settled() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let id = send(&wire, &noise(200_000)).await;
    wire.until(|wire| !wire.contents.is_empty()).await;
    let to = wire.bob.key;
    wire.alice.restart().await;
    let spooled = wire.alice.transfers().spooled(&to, id).unwrap();
    assert_eq!(spooled.read().unwrap(), noise(200_000));
    let stages = wire.alice.transfers().spooled_contents();
    assert_eq!(stages, [(to, id, Stage::Complete)]);
    // The receiver has lost it: it is sent anew, so often and no more.
    for _ in 0..4 {
        assert!(wire.alice.transfers().content_again(&to, id).is_some());
    }
    assert_eq!(wire.alice.transfers().content_again(&to, id), None);
    wire.alice.transfers().end_content(&to, id, true);
    wire.until(|_| !spooled.path.exists()).await;
    wire.alice.restart().await;
    assert_eq!(wire.alice.transfers().spooled_contents(), []);
}

#[tokio::test]
async fn what_is_withdrawn_makes_room() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    // All that one peer may have here.
    let first = send(&wire, &noise(64 << 20)).await;
    wire.until(|wire| !wire.contents.is_empty()).await;
    let stored = wire.bob.transfers().content(&wire.alice.key, first).unwrap();
    let offer = Offer {
        name: None,
        digest: [0; 32],
        purpose: Purpose::Content,
        content_type: String::new(),
    };
    let chunk = Chunk {
        data: Vec::new().into(),
        offer: Some(offer),
        total: 65_537,
        cancel: None,
        offset: 0,
        transfer: TransferId::random(&mut rand::rng()),
    };
    let offer = Message::new(&mut rand::rng(), &Body::from(chunk), None).unwrap();
    let full = wire.bob.intake().admit(&wire.alice.key, &offer).unwrap_err();
    assert_eq!(full.code, ErrorCode::RateLimited, "it waits for room: {full:?}");
    wire.alice.transfers().end_content(&wire.bob.key, first, false);
    wire.until(|_| !stored.path.exists()).await;
    wire.bob.intake().admit(&wire.alice.key, &offer).unwrap();
}

#[tokio::test]
async fn contents_at_the_sender_are_bounded() {
    let root = tempfile::tempdir().unwrap();
    let wire = pair(root.path());
    let entity = wire.bob.entity.clone();
    let send = |len: usize| {
        let entity = entity.clone();
        let transfers = wire.alice.transfers().clone();
        let (key, id) = (wire.bob.key, MessageId::random(&mut rand::rng()));
        async move {
            let spooled = transfers.spool_content(&key, entity, id, vec![0; len], String::new());
            (id, spooled.await)
        }
    };
    let (_, refused) = send((64 << 20) + 1).await;
    assert_eq!(refused.unwrap_err().kind(), "too_large");
    for _ in 0..8 {
        send(64 << 20).await.1.unwrap();
    }
    let (id, refused) = send(65_537).await;
    assert_eq!(refused.unwrap_err().kind(), "queue_full");
    assert_eq!(wire.alice.transfers().spooled(&wire.bob.key, id), None);
    assert_eq!(wire.alice.names("transfers/spool").len(), 8);
}

#[tokio::test]
async fn a_content_survives_a_crash_of_its_sender() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let bytes = noise(9 << 20);
    let id = send(&wire, &bytes).await;
    wire.until(|wire| wire.bytes() > 2 << 20).await;
    wire.alice.restart().await;
    assert!(wire.alice.transfers().begin_content(&wire.bob.key, id));
    wire.until(|wire| !wire.contents.is_empty()).await;
    let stored = wire.bob.transfers().content(&wire.alice.key, id).unwrap();
    assert!(stored.read().unwrap() == bytes);
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

/// A message that names a content is taken only with that content, whole and right.
#[tokio::test]
async fn a_message_is_taken_with_its_own_content_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let run = wire.bob.run.as_ref().unwrap();
    let room = Room::new(Arc::clone(&wire.bob.trust), Arc::clone(&run.intake));
    let key = wire.alice.key;
    let naming = |id: MessageId, transfer: TransferId| {
        let report = StatusReport { transfer: Some(transfer), ..StatusReport::default() };
        let message = Message::new(&mut rand::rng(), &Body::from(report), None).unwrap();
        let stream = StreamId::random(&mut rand::rng());
        Message { id, order: Some(Order { after: None, number: 0, stream }), ..message }
    };
    let own = |id: MessageId| naming(id, crate::transfer::transfer_of(id).unwrap());
    let refused = |from: &PublicKey, message: &Message| {
        let refused = room.admit(from, message).unwrap_err();
        assert_eq!(refused.code, ErrorCode::ChunkError, "{refused:?}");
    };
    // One that is not what was offered, and one that never ends.
    let (false_one, total) = (MessageId::random(&mut rand::rng()), 100_000);
    let transfer = crate::transfer::transfer_of(false_one).unwrap();
    let content_type = String::new();
    let offer = Offer { name: None, digest: [1; 32], purpose: Purpose::Content, content_type };
    let offered = hostile::offering(transfer, offer.clone(), total);
    room.admit(&key, &offered).unwrap();
    let (peer, entity) = (wire.alice.peer, wire.alice.entity.clone());
    wire.bob.transfers().on_offer(peer, &key, entity, transfer, offered.id);
    refused(&key, &own(false_one));
    room.admit(&key, &hostile::piece(transfer, 0, 100_000, total)).unwrap();
    let shown = transfer.to_string();
    wire.until(|wire| wire.bob.show(&shown).state.is_over()).await;
    refused(&key, &own(false_one));
    refused(&key, &offered);
    let endless = TransferId::random(&mut rand::rng());
    refused(&key, &hostile::offering(endless, offer.clone(), 1 << 53));
    refused(&key, &hostile::piece(endless, 0, 100_000, 1 << 53));
    // One that is right.
    let id = send(&wire, &noise(100_000)).await;
    refused(&key, &own(id));
    wire.until(|wire| !wire.contents.is_empty()).await;
    let transfer = crate::transfer::transfer_of(id).unwrap();
    refused(&key, &naming(MessageId::random(&mut rand::rng()), transfer));
    refused(&key, &Message { order: None, ..own(id) });
    refused(&wire.bob.key, &own(id));
    room.admit(&key, &own(id)).unwrap();
    assert!(wire.bob.transfers().claim(&key, id).is_some());
    wire.bob.transfers().taken(&key, id);
    wire.until(|wire| wire.bob.transfers().content(&key, id).is_none()).await;
    refused(&key, &own(id));
}
