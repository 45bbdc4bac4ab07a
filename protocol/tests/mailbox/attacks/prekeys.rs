use std::time::Duration;

use peer_protocol::crypto::PrekeyPair;
use peer_protocol::id::PrekeyId;
use peer_protocol::limits::{LAST_RESORT_ROTATION, MAX_CLOCK_SKEW, MAX_ITEM_TTL, MAX_PREKEY_LIFE};
use peer_protocol::mailbox::{Change, Keyring, Prekey, PrekeyError};

use crate::people::{Disk, at, identity, key_of, rng};

#[test]
fn a_prekey_is_its_owners_and_no_part_of_it_can_be_changed() {
    let mut rng = rng(1);
    let owner = identity("owner", 1);
    let pair = PrekeyPair::generate(&mut rng);
    let now = at(0).timestamp;
    let expires = now + Duration::from_secs(100);
    let prekey = Prekey::sign(&owner, PrekeyId::random(&mut rng), *pair.public(), expires);
    assert_eq!(prekey.verify(&key_of(&owner), now), Ok(()));
    let other = key_of(&identity("other", 2));
    assert!(matches!(prekey.verify(&other, now), Err(PrekeyError::Signature(_))));
    let mut key = prekey.key;
    key[0] ^= 1;
    let mut signature = prekey.signature;
    signature[9] ^= 1;
    for changed in [
        Prekey { key, ..prekey },
        Prekey { signature, ..prekey },
        Prekey { id: PrekeyId::random(&mut rng), ..prekey },
        Prekey { expires: expires + Duration::from_secs(1), ..prekey },
    ] {
        assert!(matches!(changed.verify(&key_of(&owner), now), Err(PrekeyError::Signature(_))));
    }
}

#[test]
fn a_prekey_is_used_for_a_time_only() {
    let owner = identity("owner", 1);
    let now = at(0).timestamp;
    let until = |life| Prekey::sign(&owner, PrekeyId::random(&mut rng(1)), [7; 32], now + life);
    let over = until(Duration::ZERO).verify(&key_of(&owner), now);
    assert!(matches!(over, Err(PrekeyError::Expired { .. })));
    assert!(until(MAX_PREKEY_LIFE).verify(&key_of(&owner), now).is_ok());
    assert!(until(MAX_PREKEY_LIFE + MAX_CLOCK_SKEW).verify(&key_of(&owner), now).is_ok());
    let long = MAX_PREKEY_LIFE + MAX_CLOCK_SKEW + Duration::from_millis(1);
    let long = until(long).verify(&key_of(&owner), now);
    assert!(matches!(long, Err(PrekeyError::TooLong { .. })));
}

/// The private half goes when what was sealed to it was taken, when nothing sealed to it can arrive any
/// more, and never before. All of it on disk too.
#[test]
fn private_halves_are_deleted_when_they_are_spent_or_over() {
    let (owner, node) = (identity("owner", 1), key_of(&identity("node", 2)));
    let other = key_of(&identity("other", 3));
    let (mut rng, mut disk, mut ring) = (rng(1), Disk::default(), Keyring::default());
    let now = at(0).timestamp;
    let (batch, changes) = ring.make_batch(&owner, &node, 3, now, &mut rng);
    disk.apply(changes);
    let (first, changes) = ring.last_resort(&owner, now, &mut rng);
    disk.apply(changes);
    assert_eq!(ring.last_resort(&owner, now, &mut rng), (first, vec![]), "no new one yet");
    assert_eq!(disk.0.len(), 4);

    assert_eq!(ring.deletion(&other, batch[0].id), None, "left with another node");
    assert_eq!(ring.deletion(&node, first.id), None, "others may have used it as well");
    ring.forget(&node, first.id);
    ring.forget(&other, batch[0].id);
    disk.apply(ring.deletion(&node, batch[0].id).into_iter().collect());
    assert!(ring.has(batch[0].id), "until that is on disk");
    ring.forget(&node, batch[0].id);
    assert!(!ring.has(batch[0].id) && ring.has(batch[1].id) && ring.has(first.id));

    let mut again = Keyring::default();
    disk.rows().for_each(|row| again.restore(row));
    assert!(!again.has(batch[0].id) && again.has(batch[1].id) && again.has(first.id));
    assert_eq!(again.last_resort(&owner, now, &mut rng).0, first);

    let later = now + LAST_RESORT_ROTATION;
    let (second, changes) = again.last_resort(&owner, later, &mut rng);
    disk.apply(changes);
    assert_ne!(second, first);
    assert!(again.has(first.id), "what was sealed to it may still arrive");
    let over = first.expires + MAX_ITEM_TTL + MAX_CLOCK_SKEW * 2;
    disk.apply(again.tick(over - Duration::from_millis(1)));
    assert!(again.has(first.id));
    disk.apply(again.tick(over));
    assert!(!again.has(first.id) && again.has(batch[1].id));
    disk.apply(again.tick(batch[1].expires + MAX_ITEM_TTL + MAX_CLOCK_SKEW * 2));
    assert!(!again.has(batch[1].id) && !again.has(second.id));
    assert!(disk.0.is_empty());
}

/// A last-resort prekey that was made while the clock was years ahead is no one's to use, now or ever: it
/// is not the current one once the clock is right, nor after a restart.
#[test]
fn a_last_resort_prekey_from_the_future_is_not_handed_out() {
    let owner = identity("owner", 1);
    let (mut rng, mut disk, mut ring) = (rng(1), Disk::default(), Keyring::default());
    let now = at(0).timestamp;
    let (good, changes) = ring.last_resort(&owner, now, &mut rng);
    disk.apply(changes);
    let ahead = now + Duration::from_secs(5 * 365 * 86_400);
    let (future, changes) = ring.last_resort(&owner, ahead, &mut rng);
    assert_ne!(good, future);
    disk.apply(changes);
    assert_eq!(
        ring.last_resort(&owner, now, &mut rng),
        (good, vec![]),
        "the one before it still is"
    );
    let mut again = Keyring::default();
    disk.rows().for_each(|row| again.restore(row));
    let later = now + LAST_RESORT_ROTATION;
    let (next, changes) = again.last_resort(&owner, later, &mut rng);
    assert!(next != future && !changes.is_empty());
    assert_eq!(next.verify(&key_of(&owner), later), Ok(()));
    assert_eq!(again.last_resort(&owner, later, &mut rng), (next, vec![]));
    assert!(again.has(future.id), "what was sealed to it meanwhile may still come");
}

/// Whoever writes rows knows which of them hold private halves: those, and nothing else, stand between two
/// keys, so that they can be sealed and written anew.
#[test]
fn private_halves_stand_together() {
    let owner = identity("owner", 1);
    let (mut rng, mut ring) = (rng(1), Keyring::default());
    let (_, mut secret) = ring.make_batch(&owner, &key_of(&owner), 3, at(0).timestamp, &mut rng);
    secret.extend(ring.last_resort(&owner, at(0).timestamp, &mut rng).1);
    let [first, end] = Change::secrets();
    for change in &secret {
        assert!(Change::is_secret(&change.key) && !Change::is_body(&change.key));
        assert!(change.key >= first && change.key < end);
    }
    let mut others: Vec<Vec<u8>> = b"bplirxndos".iter().map(|kind| vec![*kind, 7]).collect();
    others.extend([Change::body_key(7), Vec::new()]);
    for key in &others {
        assert!(!Change::is_secret(key), "{key:?}");
        assert!(*key < first || *key >= end, "{key:?}");
        assert_eq!(Change::is_body(key), key.first() == Some(&b'x'));
    }
}

#[test]
fn secrets_do_not_show() {
    let owner = identity("owner", 1);
    let (mut rng, mut ring) = (rng(1), Keyring::default());
    let (_, changes) = ring.make_batch(&owner, &key_of(&owner), 1, at(0).timestamp, &mut rng);
    let pair = PrekeyPair::generate(&mut rng);
    let secret = hex::encode(pair.secret().expose());
    assert!(!format!("{pair:?}").contains(&secret));
    let text = format!("{ring:?} {changes:?}");
    let value = hex::encode(changes[0].value.as_ref().unwrap().as_slice());
    assert!(!text.contains(&value[value.len() - 64..]), "{text}");
}
