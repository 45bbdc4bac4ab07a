//! Files, and what may happen to them on the way.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use peer_protocol::error::ErrorCode;
use peer_protocol::limits::TRANSFER_WINDOW;

use super::wire::Tap;
use super::*;
use crate::model::TransferState;
use crate::transfer::TransferFailure;

#[tokio::test]
async fn a_file_arrives_once_whole_and_private() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let bytes = noise(9_000_001);
    let path = wire.alice.write("a.bin", &bytes);
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
    assert_eq!(wire.bob.show(&sent.id).state, TransferState::Complete);
    let landed = wire.bob.dir.join("received/alice/a.bin");
    assert!(fs::read(&landed).unwrap() == bytes);
    assert_eq!(fs::metadata(&landed).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((wire.bytes(), wire.received.len()), (9_000_001, 1));
    assert_eq!(wire.received[0].path, landed);
    assert_eq!(wire.bob.parts(), [""; 0]);
}

#[tokio::test]
async fn names_never_collide_and_lead_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a", b"1");
    for name in ["n.txt", "n.txt", "NUL.txt", ".hidden", "evil\u{202e}gpj.exe"] {
        let sent = wire.alice.send_as(&wire.bob, &path, Some(name)).await;
        wire.over(&sent.id).await;
        assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete, "{name}");
    }
    assert_eq!(
        wire.bob.names("received/alice"),
        [".hidden", "_NUL.txt", "evil_gpj.exe", "n (1).txt", "n.txt"]
    );
    for name in ["../../x", "/etc/passwd", "..", "", "a\0b", "a\nb", "c:\\x", &"x".repeat(256)] {
        let file = FileToSend {
            path: path.clone(),
            root: None,
            name: Some(name.to_owned()),
            content_type: None,
            spooled: false,
        };
        let bob = (wire.bob.peer, wire.bob.entity.clone());
        let refused = wire.alice.transfers().send_file(bob.0, bob.1, file).await.unwrap_err();
        assert!(matches!(refused, TransferFailure::Name { .. }), "{name:?}: {refused}");
    }
}

#[tokio::test]
async fn both_sides_go_on_after_restarts_and_little_is_sent_again() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let total = 40 << 20;
    let bytes = noise(total);
    let path = wire.alice.write("a.bin", &bytes);
    let sent = wire.alice.send(&wire.bob, &path).await;
    let mut restarts = 0;
    for (at, restart_bob) in [(5, true), (13, false), (22, true), (31, false)] {
        wire.until(|wire| wire.bytes() >= at << 20).await;
        if restart_bob {
            wire.bob.restart().await;
            wire.alice.transfers().interrupted(&wire.bob.key);
        } else {
            wire.alice.restart().await;
        }
        restarts += 1;
    }
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
    assert!(fs::read(wire.bob.dir.join("received/alice/a.bin")).unwrap() == bytes);
    let again = wire.bytes() - total as u64;
    assert!(again <= restarts * TRANSFER_WINDOW, "{again} bytes were sent again");
    assert_eq!(wire.received.len(), 1, "announced once");
    // After the end, too: what is complete stays complete, and is not announced again.
    wire.bob.restart().await;
    wire.alice.restart().await;
    let _ = tokio::time::timeout(Duration::from_millis(200), wire.forever()).await;
    assert_eq!(wire.received.len(), 1);
    assert_eq!(wire.bob.show(&sent.id).state, TransferState::Complete);
    assert_eq!(wire.alice.show(&sent.id).done, total as u64);
}

#[tokio::test]
async fn a_sender_that_missed_the_end_is_told_when_it_asks_again() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(300_000));
    let sent = wire.alice.send(&wire.bob, &path).await;
    // Bob has it whole; alice is killed before she hears of it.
    wire.until(|wire| wire.bytes() >= 300_000).await;
    let begun = std::time::Instant::now();
    while wire.bob.show(&sent.id).state != TransferState::Complete {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    wire.alice.restart().await;
    wire.bob.restart().await;
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
    assert_eq!((wire.bytes(), wire.received.len()), (300_000, 1));
}

#[tokio::test]
async fn what_was_received_and_then_lost_is_sent_again() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let bytes = noise(20 << 20);
    let path = wire.alice.write("a.bin", &bytes);
    let sent = wire.alice.send(&wire.bob, &path).await;
    let done = |wire: &Wire| wire.bob.transfers().show(&sent.id).map_or(0, |line| line.done);
    wire.until(|wire| done(wire) >= 8 << 20).await;
    let part = wire.bob.dir.join("received/.parts").join(&wire.bob.parts()[0]);
    fs::remove_file(part).unwrap();
    wire.bob.restart().await;
    wire.alice.transfers().interrupted(&wire.bob.key);
    wire.over(&sent.id).await;
    assert!(fs::read(wire.bob.dir.join("received/alice/a.bin")).unwrap() == bytes);
}

#[tokio::test]
async fn either_side_may_cancel() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(30 << 20));
    for by_sender in [true, false] {
        let sent = wire.alice.send(&wire.bob, &path).await;
        wire.until(|wire| wire.bob.transfers().show(&sent.id).is_ok_and(|line| line.done > 0))
            .await;
        if by_sender {
            wire.alice.transfers().cancel(&sent.id).unwrap();
        } else {
            wire.bob.transfers().cancel(&sent.id).unwrap();
        }
        wire.over(&sent.id).await;
        let (at_alice, at_bob) = (wire.alice.show(&sent.id), wire.bob.show(&sent.id));
        assert_eq!(at_bob.state, TransferState::Cancelled, "{at_bob:?}");
        if by_sender {
            assert_eq!(at_alice.state, TransferState::Cancelled);
            assert!(at_bob.detail.unwrap().contains("its sender gave it up"));
        } else {
            assert_eq!(at_alice.state, TransferState::Failed);
            assert_eq!(at_alice.code, Some(ErrorCode::ChunkError));
            assert_eq!(at_alice.detail.unwrap(), "the receiver cancelled it");
        }
        let over = wire.alice.transfers().cancel(&sent.id).unwrap_err();
        assert!(matches!(over, TransferFailure::Over { .. }), "{over}");
    }
    assert_eq!(wire.bob.parts(), [""; 0], "what had arrived is deleted");
    assert!(wire.received.is_empty());
    // The same file again: the quota was given back.
    let id = wire.alice.transfers().list().last().unwrap().id.clone();
    let again = wire.alice.transfers().retry(&id).await.unwrap();
    wire.over(&again.id).await;
    assert_eq!(wire.alice.show(&again.id).state, TransferState::Complete);
}

#[tokio::test]
async fn what_is_tried_again_still_has_to_lie_where_it_was_allowed() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let open = wire.alice.dir.canonicalize().unwrap().join("open");
    fs::create_dir(&open).unwrap();
    let (secret, path) = (wire.alice.write("secret", b"secret"), open.join("a"));
    fs::write(&path, noise(30 << 20)).unwrap();
    let file = FileToSend {
        path: path.clone(),
        root: Some(open),
        name: None,
        content_type: None,
        spooled: false,
    };
    let bob = (wire.bob.peer, wire.bob.entity.clone());
    let sent = wire.alice.transfers().send_file(bob.0, bob.1, file).await.unwrap();
    wire.until(|wire| wire.bytes() > 5 << 20).await;
    wire.alice.transfers().cancel(&sent.id).unwrap();
    wire.over(&sent.id).await;
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&secret, &path).unwrap();
    let refused = wire.alice.transfers().retry(&sent.id).await.unwrap_err();
    assert!(refused.to_string().contains("a link on the way"), "{refused}");
}

#[tokio::test]
async fn a_file_that_changes_or_vanishes_is_not_sent_as_another() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(30 << 20));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.until(|wire| wire.bytes() > 5 << 20).await;
    wire.alice.write("a.bin", &noise(29 << 20));
    wire.over(&sent.id).await;
    let at_alice = wire.alice.show(&sent.id);
    assert_eq!(at_alice.state, TransferState::Failed);
    assert!(at_alice.detail.unwrap().ends_with("a.bin changed while it was sent"));
    let at_bob = wire.bob.show(&sent.id);
    assert_eq!(at_bob.state, TransferState::Cancelled);
    let told = at_bob.detail.unwrap();
    assert!(told.ends_with("the file changed while it was sent"), "{told}");
    assert!(!told.contains(root.path().to_str().unwrap()), "paths are nobody's business");
    assert_eq!(wire.bob.parts(), [""; 0]);

    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.until(|wire| wire.alice.show(&sent.id).done > 0).await;
    fs::remove_file(&path).unwrap();
    wire.alice.restart().await;
    wire.until(|wire| wire.alice.show(&sent.id).state.is_over()).await;
    let detail = wire.alice.show(&sent.id).detail.unwrap();
    assert!(detail.contains("cannot read") && detail.contains("No such file"), "{detail}");
}

#[tokio::test]
async fn lost_messages_are_made_up_for() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let bytes = noise(12 << 20);
    let path = wire.alice.write("a.bin", &bytes);
    let mut count = 0;
    wire.tap = Some(Box::new(move |message| {
        count += 1;
        // Offers have a pause of ten seconds behind them.
        let offer = matches!(message.decode(), Ok(peer_protocol::message::Body::Chunk(c)) if c.offer.is_some());
        if count % 7 == 3 && !offer { Tap::Lose } else { Tap::Pass(message) }
    }));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
    assert!(fs::read(wire.bob.dir.join("received/alice/a.bin")).unwrap() == bytes);
}

#[tokio::test]
async fn few_files_go_at_once_and_the_others_follow() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let mut ids = Vec::new();
    for number in 0..12 {
        let path = wire.alice.write(&format!("f{number}"), &noise(200_000 + number));
        ids.push(wire.alice.send(&wire.bob, &path).await.id);
    }
    let queued = |wire: &Wire| {
        let all = wire.alice.transfers().list();
        all.iter().filter(|line| line.state == TransferState::Queued).count()
    };
    assert!(queued(&wire) >= 10, "{}", queued(&wire));
    wire.until(|wire| ids.iter().all(|id| wire.alice.show(id).state.is_over())).await;
    assert_eq!(wire.bob.names("received/alice").len(), 12);
}

#[tokio::test]
async fn nothing_is_sent_from_a_spool_that_is_none() {
    let root = tempfile::tempdir().unwrap();
    let wire = pair(root.path());
    let path = wire.alice.write("mine", b"precious");
    let file = FileToSend {
        path: path.clone(),
        root: None,
        name: None,
        content_type: None,
        spooled: true,
    };
    let (peer, entity) = (wire.bob.peer, wire.bob.entity.clone());
    let refused = wire.alice.transfers().send_file(peer, entity, file).await.unwrap_err();
    assert!(refused.to_string().contains("does not lie in the spool"), "{refused}");
    assert!(path.exists());
}

#[tokio::test]
async fn what_a_failed_sync_may_have_lost_comes_again() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let bytes = noise(24 << 20);
    let path = wire.alice.write("a.bin", &bytes);
    let sent = wire.alice.send(&wire.bob, &path).await;
    let done = |wire: &Wire| wire.bob.transfers().show(&sent.id).map_or(0, |line| line.done);
    wire.until(|wire| done(wire) >= 5 << 20).await;
    // The next sync fails, and everything since the last is lost though it can be read: as zeros.
    let part = wire.bob.dir.join("received/.parts").join(&wire.bob.parts()[0]);
    fs::write(part.with_extension("fails"), "").unwrap();
    wire.over(&sent.id).await;
    assert!(!part.with_extension("fails").exists(), "no sync has failed");
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
    assert!(fs::read(wire.bob.dir.join("received/alice/a.bin")).unwrap() == bytes);
    let again = wire.bytes() - bytes.len() as u64;
    assert!(again > 0 && again <= 2 * TRANSFER_WINDOW, "{again}");
}

#[tokio::test]
async fn a_disk_that_fails_for_a_moment_at_the_end_costs_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(300_000));
    // A file stands where the directory is to be.
    let in_the_way = wire.bob.write("received/alice", b"");
    let sent = wire.alice.send(&wire.bob, &path).await;
    let waits = |wire: &Wire| {
        let shown = wire.bob.transfers().show(&sent.id);
        shown.is_ok_and(|line| line.detail.is_some_and(|it| it.contains("the disk fails")))
    };
    wire.until(waits).await;
    fs::remove_file(in_the_way).unwrap();
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
    assert_eq!(
        (wire.bytes(), wire.bob.names("received/alice")),
        (300_000, vec!["a.bin".to_owned()])
    );
}

#[tokio::test]
async fn a_file_that_was_cancelled_stays_cancelled_over_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair(root.path());
    let path = wire.alice.write("a.bin", &noise(30 << 20));
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.until(|wire| wire.bytes() > 4 << 20).await;
    wire.bob.transfers().cancel(&sent.id).unwrap();
    let begun = std::time::Instant::now();
    while wire.bob.show(&sent.id).state != TransferState::Cancelled {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Alice has not heard of it, and offers again after bob was started anew.
    wire.bob.restart().await;
    wire.alice.restart().await;
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Failed);
    assert!(wire.alice.show(&sent.id).detail.unwrap().contains("the receiver cancelled it"));
    assert!(wire.received.is_empty() && wire.bob.names("received/alice").is_empty());
}

#[tokio::test]
async fn the_quota_counts_what_lies_here_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let mut wire = pair_with(root.path(), |config| config.per_peer = 1_000);
    // More than are listed once they are over.
    for number in 0..12 {
        let path = wire.alice.write(&format!("f{number}"), &[7; 80]);
        let sent = wire.alice.send(&wire.bob, &path).await;
        wire.until(|wire| wire.alice.show(&sent.id).state == TransferState::Complete).await;
    }
    let path = wire.alice.write("more", &[7; 100]);
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.over(&sent.id).await;
    let detail = wire.alice.show(&sent.id).detail.unwrap();
    assert!(detail.contains("100 bytes do not fit the quota any more: 40 are left"), "{detail}");
    for name in wire.bob.names("received/alice") {
        fs::remove_file(wire.bob.dir.join("received/alice").join(name)).unwrap();
    }
    wire.bob.transfers().sweep().await;
    let path = wire.alice.write("all", &[7; 1_000]);
    let sent = wire.alice.send(&wire.bob, &path).await;
    wire.over(&sent.id).await;
    assert_eq!(wire.alice.show(&sent.id).state, TransferState::Complete);
}
