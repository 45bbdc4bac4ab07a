//! What is refused, and what becomes of those who go on.

use peer_protocol::error::ErrorCode;
use peer_protocol::id::TransferId;
use peer_protocol::message::{Body, Chunk, ErrorReport, Message, Offer, Purpose};

use super::wire::{Tap, changed};
use super::*;
use crate::model::TransferState;

fn offer(name: &str) -> Offer {
    Offer {
        name: Some(name.to_owned()),
        digest: [1; 32],
        purpose: Purpose::File,
        content_type: "text/plain".to_owned(),
    }
}

pub(super) fn chunk(transfer: TransferId, total: u64) -> Chunk<'static> {
    Chunk { data: Vec::new().into(), offer: None, total, cancel: None, offset: 0, transfer }
}

pub(super) fn message(chunk: Chunk<'_>) -> Message {
    Message::new(&mut rand::rng(), &Body::from(chunk), None).unwrap()
}

pub(super) fn offering(transfer: TransferId, offer: Offer, total: u64) -> Message {
    message(Chunk { offer: Some(offer), ..chunk(transfer, total) })
}

pub(super) fn piece(transfer: TransferId, offset: u64, len: usize, total: u64) -> Message {
    message(Chunk { data: vec![7; len].into(), offset, ..chunk(transfer, total) })
}

fn id() -> TransferId {
    TransferId::random(&mut rand::rng())
}

impl Side {
    /// What a stranger's message meets with.
    fn meets(&self, seed: u8, message: &Message) -> Result<(), ErrorReport> {
        let key = Ed25519Authenticator::from_seed(&[seed; 32]).public_key();
        self.intake().admit(&key, message)
    }

    #[track_caller]
    fn refuses(&self, seed: u8, message: &Message, why: &str) {
        let report = self.meets(seed, message).unwrap_err();
        assert_eq!(report.code, ErrorCode::ChunkError);
        assert!(report.detail.contains(why), "{}", report.detail);
    }
}

#[tokio::test]
async fn the_policy_says_whose_files_are_taken() {
    let root = tempfile::tempdir().unwrap();
    for (policy, stranger, seen, pinned) in [
        (AcceptFiles::None, false, false, false),
        (AcceptFiles::Pinned, false, false, true),
        (AcceptFiles::Known, false, true, true),
        (AcceptFiles::All, true, true, true),
    ] {
        let dir = root.path().join(policy.as_str());
        let bob = Side::new(&dir, "bob", 2, |config| config.accept = policy);
        let friend = Ed25519Authenticator::from_seed(&[11; 32]).public_key();
        let fingerprint = Fingerprint::of(&friend);
        drop(bob.trust.pin("friend".parse().unwrap(), fingerprint, Timestamp::default()));
        let acquaintance = Ed25519Authenticator::from_seed(&[12; 32]).public_key();
        use peer_protocol::identity::TrustView as _;
        let name: EntityId = "acquaintance".parse().unwrap();
        bob.trust.admit(&name, &acquaintance, Timestamp::default()).unwrap();
        for (seed, taken) in [(10, stranger), (12, seen), (11, pinned)] {
            let met = bob.meets(seed, &offering(id(), offer("a"), 5));
            assert_eq!(met.is_ok(), taken, "{policy:?}, {seed}: {met:?}");
            if let Err(report) = met {
                assert_eq!(report.code, ErrorCode::ChunkError);
                let helps = policy != AcceptFiles::None;
                assert_eq!(report.detail.contains("pins"), helps, "{}", report.detail);
            }
            // Contents of messages are another matter.
            let content = Offer { name: None, purpose: Purpose::Content, ..offer("") };
            assert!(bob.meets(seed, &offering(id(), content, 100_000)).is_ok());
        }
    }
}

#[tokio::test]
async fn sizes_quotas_and_numbers_are_bounded_and_come_free_again() {
    let root = tempfile::tempdir().unwrap();
    let bob = Side::new(root.path(), "bob", 2, |config| {
        config.max_file = 1_000;
        config.per_peer = 1_500;
        config.total = 2_285; // an eighth is for pinned peers
        config.open_per_peer = 3;
        config.open = 5;
    });
    bob.refuses(1, &offering(id(), offer("a"), 1_001), "1001 bytes are too many: at most 1000");
    let first = id();
    bob.meets(1, &offering(first, offer("a"), 1_000)).unwrap();
    bob.refuses(
        1,
        &offering(id(), offer("a"), 501),
        "501 bytes do not fit the quota any more: 500",
    );
    bob.meets(1, &offering(id(), offer("a"), 0)).unwrap();
    bob.meets(1, &offering(id(), offer("a"), 0)).unwrap();
    bob.refuses(1, &offering(id(), offer("a"), 0), "3 transfers are open already");
    bob.meets(3, &offering(id(), offer("a"), 1_000)).unwrap();
    bob.refuses(4, &offering(id(), offer("a"), 1), "do not fit the quota any more: 0 are left");
    bob.meets(4, &offering(id(), offer("a"), 0)).unwrap();
    bob.refuses(5, &offering(id(), offer("a"), 0), "5 transfers are open already");
    let withdrawn = message(Chunk { cancel: Some("never mind".to_owned()), ..chunk(first, 1_000) });
    bob.meets(1, &withdrawn).unwrap();
    bob.meets(1, &offering(id(), offer("a"), 500)).unwrap();
    // Contents have limits of their own.
    let content = Offer { name: None, purpose: Purpose::Content, ..offer("") };
    bob.refuses(5, &offering(id(), content.clone(), (64 << 20) + 1), "too many");
    // A message carries them.
    bob.refuses(5, &offering(id(), content.clone(), 0), "too few");
    bob.refuses(5, &offering(id(), content.clone(), 65_536), "too few");
    bob.meets(5, &offering(id(), content, 65_537)).unwrap();
}

#[tokio::test]
async fn thousands_of_offers_and_garbage_leave_little_behind() {
    let root = tempfile::tempdir().unwrap();
    let bob = Side::new(root.path(), "bob", 2, |_| {});
    let mut taken = 0;
    for number in 0..6_000 {
        let transfer = id();
        taken += u32::from(bob.meets(1, &offering(transfer, offer("a"), 1 << 20)).is_ok());
        bob.refuses(1, &piece(id(), 0, 10, 10), "no such transfer");
        if number > 8 {
            let gone = message(Chunk { cancel: Some(String::new()), ..chunk(transfer, 1 << 20) });
            bob.meets(1, &gone).unwrap();
        }
    }
    assert_eq!(taken, 6_000, "those that were withdrawn make room");
    assert!(bob.intake().remembered() <= 4_096 + 16, "{}", bob.intake().remembered());
    for _ in 0..100 {
        taken += u32::from(bob.meets(1, &offering(id(), offer("a"), 1 << 20)).is_ok());
    }
    assert_eq!(taken, 6_007, "the others fill what one peer may have open");
}

#[tokio::test]
async fn a_transfer_whose_sender_cheats_is_over() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let total = 20 << 20;
    let mib = 1_u64 << 20;
    type Cheat = Box<dyn Fn(TransferId) -> Message>;
    let cheats: Vec<(Cheat, &str)> = vec![
        (Box::new(move |t| piece(t, total, 1 << 16, total)), "does not lie within"),
        (Box::new(move |t| piece(t, u64::MAX - 5, 1 << 16, total)), "does not lie within"),
        (Box::new(move |t| piece(t, 0, 1_000, total)), "and it is not the last"),
        (Box::new(move |t| piece(t, mib / 2, 1 << 20, total)), "overlaps others"),
        (Box::new(move |t| piece(t, 0, 1 << 20, total + 1)), "were offered, and now it is"),
        (Box::new(move |t| offering(t, offer("b"), total)), "offered as something else"),
        (Box::new(move |t| offering(t, offer("a"), total + 1)), "were offered, and now it is"),
    ];
    for (cheat, why) in cheats {
        let transfer = id();
        let key = wire.alice.key;
        let first = offering(transfer, offer("a"), total);
        wire.bob.intake().admit(&key, &first).unwrap();
        let (peer, entity) = (wire.alice.peer, wire.alice.entity.clone());
        wire.bob.transfers().on_offer(peer, &key, entity, transfer, first.id);
        wire.bob.intake().admit(&key, &piece(transfer, 0, 1 << 20, total)).unwrap();
        let report = wire.bob.intake().admit(&key, &cheat(transfer)).unwrap_err();
        assert_eq!(report.code, ErrorCode::ChunkError);
        assert!(report.detail.contains(why), "{}", report.detail);
        // Whatever comes next is told the same.
        let next =
            wire.bob.intake().admit(&key, &piece(transfer, mib, 1 << 20, total)).unwrap_err();
        assert!(next.detail.contains(why), "{}", next.detail);
        let again = wire.bob.intake().admit(&key, &first).unwrap_err();
        assert!(again.detail.contains(why), "{}", again.detail);
        let shown = transfer.to_string();
        wire.until(|wire| wire.bob.show(&shown).state == TransferState::Failed).await;
    }
    wire.until(|wire| wire.bob.parts().is_empty()).await;
}

#[tokio::test]
async fn the_window_bounds_what_waits_for_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let bob = Side::new(root.path(), "bob", 2, |_| {});
    let transfer = id();
    let total = 100 << 20;
    bob.meets(1, &offering(transfer, offer("a"), total)).unwrap();
    // Its task has not begun, so that nothing is written.
    let taken =
        (0..100).filter(|n| bob.meets(1, &piece(transfer, n << 20, 1 << 20, total)).is_ok());
    assert_eq!(taken.count(), 8);
    bob.refuses(1, &piece(transfer, 8 << 20, 1 << 16, total), "and the window at 8388608");
    // However many transfers there are, memory has a bound.
    let mut all = 8;
    for seed in 3..60 {
        let transfer = id();
        bob.meets(seed, &offering(transfer, offer("a"), total)).unwrap();
        let met = (0..8).map(|n| bob.meets(seed, &piece(transfer, n << 20, 1 << 20, total)));
        all += met.filter(Result::is_ok).count();
    }
    assert_eq!(all, 64);
    let busy = bob.meets(1, &piece(transfer, 7 << 20, 1 << 20, total));
    assert_eq!(busy.unwrap_err().retry_after_ms, Some(100));
}

#[tokio::test]
async fn what_is_not_what_was_offered_is_thrown_away() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(3_000_000));
    wire.tap = Some(Box::new(|message| {
        let Ok(Body::Chunk(chunk)) = message.decode() else { return Tap::Pass(message) };
        if chunk.offset != 1 << 20 {
            return Tap::Pass(message);
        }
        Tap::Pass(changed(&message, |chunk| chunk.data.to_mut()[5] ^= 1))
    }));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.over(&sent.id).await;
    let (at_alice, at_bob) = (wire.alice.show(&sent.id), wire.bob.show(&sent.id));
    assert_eq!((at_alice.state, at_bob.state), (TransferState::Failed, TransferState::Failed));
    assert_eq!(at_alice.code, Some(ErrorCode::ChunkError));
    assert!(at_alice.detail.unwrap().contains("its digest is another"));
    assert_eq!((wire.bob.parts(), wire.bob.names("received/alice")), (vec![], vec![]));
    assert!(wire.received.is_empty());
}

#[tokio::test]
async fn another_peer_cannot_touch_a_transfer() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(6 << 20));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.until(|wire| wire.bytes() >= 2 << 20).await;
    let transfer: TransferId = sent.id.parse().unwrap();
    wire.bob.refuses(9, &piece(transfer, 4 << 20, 1 << 20, 6 << 20), "no such transfer");
    let cancel = message(Chunk { cancel: Some("mine".to_owned()), ..chunk(transfer, 6 << 20) });
    wire.bob.meets(9, &cancel).unwrap();
    let stranger = Ed25519Authenticator::from_seed(&[9; 32]).public_key();
    let lie = peer_protocol::message::ChunkAck { window: 0, received: 6 << 20, transfer };
    wire.alice.transfers().on_ack(&stranger, None, lie);
    wire.over(&sent.id).await;
    assert_eq!(wire.bob.show(&sent.id).state, TransferState::Complete);
    assert_eq!(wire.bytes(), 6 << 20);
}

#[tokio::test]
async fn without_room_on_the_disk_nothing_is_begun() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.reserve = 1 << 60);
    let path = wire.alice.write("a.bin", &noise(3_000_000));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.over(&sent.id).await;
    let at_alice = wire.alice.show(&sent.id);
    assert_eq!(at_alice.state, TransferState::Failed);
    assert!(at_alice.detail.unwrap().contains("has no room for it"));
    assert_eq!(wire.bytes(), 0);
    assert_eq!(wire.bob.parts(), [""; 0]);
}

#[tokio::test]
async fn a_receiver_cannot_say_that_it_has_more_than_there_is() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(3_000_000));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.until(|wire| wire.bytes() > 0).await;
    let transfer = sent.id.parse().unwrap();
    let lie = peer_protocol::message::ChunkAck { window: 0, received: 3_000_001, transfer };
    wire.alice.transfers().on_ack(&wire.bob.key, None, lie);
    wire.until(|wire| wire.alice.show(&sent.id).state.is_over()).await;
    let detail = wire.alice.show(&sent.id).detail.unwrap();
    assert!(detail.contains("has 3000001 of 3000000 bytes"), "{detail}");
}

#[tokio::test]
async fn a_flood_of_acknowledgements_does_not_drown_what_counts() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(10 << 20));
    let sent = wire.alice.send(&wire.bob, &path).await;
    let transfer = sent.id.parse().unwrap();
    for _ in 0..20 {
        for _ in 0..2_000 {
            let empty = peer_protocol::message::ChunkAck { window: 8 << 20, received: 0, transfer };
            wire.alice.transfers().on_ack(&wire.bob.key, None, empty);
        }
        let _ = tokio::time::timeout(Duration::from_millis(5), wire.forever()).await;
    }
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
}

#[tokio::test]
async fn bare_offers_do_not_keep_others_out() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.open_per_peer = 4);
    let (peer, key, entity) = (wire.alice.peer, wire.alice.key, wire.alice.entity.clone());
    let mut offered = Vec::new();
    for _ in 0..4 {
        let transfer = id();
        let bare = offering(transfer, offer("a"), 1 << 20);
        wire.bob.intake().admit(&key, &bare).unwrap();
        wire.bob.transfers().on_offer(peer, &key, entity.clone(), transfer, bare.id);
        offered.push(bare);
    }
    let another = offering(id(), offer("a"), 1);
    assert!(wire.bob.intake().admit(&key, &another).is_err());
    wire.until(|wire| wire.bob.intake().remembered() == 0).await;
    wire.bob.intake().admit(&key, &another).unwrap();
    // They were not refused: whoever was only slow offers again.
    wire.bob.intake().admit(&key, &offered[0]).unwrap();
    wire.until(|wire| wire.bob.parts().is_empty()).await;
}
