//! The memory of nonces.

use super::*;
use crate::legacy::ReplayError;

const T: Timestamp = NOW.timestamp;

#[test]
fn a_nonce_is_taken_once() {
    let mut nonces = NonceMemory::default();
    assert_eq!(nonces.check(&[1; 16], T), Ok(()));
    assert_eq!(nonces.check(&[1; 16], T), Ok(()), "checking remembers nothing");
    nonces.record([1; 16], T, T).unwrap();
    assert_eq!(nonces.check(&[1; 16], T), Err(ReplayError::Seen));
    assert_eq!(nonces.record([1; 16], T, T), Err(ReplayError::Seen));
    assert_eq!(nonces.check(&[1; 16], T + seconds(1)), Err(ReplayError::Seen));
    nonces.record([2; 16], T, T).unwrap();
    assert_eq!(nonces.len(), 2);
}

#[test]
fn nonces_expire_and_their_time_does_not_come_back() {
    let mut nonces = NonceMemory::default();
    nonces.record([1; 16], T, T).unwrap();
    nonces.record([2; 16], T + seconds(300), T + seconds(300)).unwrap();
    assert_eq!(nonces.len(), 2, "five minutes are remembered");
    let later = T + seconds(300) + MILLISECOND;
    nonces.record([3; 16], later, later).unwrap();
    assert_eq!(nonces.len(), 2);
    // The clock may have been set back by now; the old message still does not pass.
    assert_eq!(nonces.check(&[1; 16], T), Err(ReplayError::Forgotten));
    assert_eq!(nonces.check(&[4; 16], T), Err(ReplayError::Forgotten));
    assert_eq!(nonces.check(&[4; 16], T + MILLISECOND), Ok(()));
}

#[test]
fn a_flood_crowds_out_old_messages_only() {
    let mut nonces = NonceMemory::new(4);
    let nonce = |number: u64| {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        nonce
    };
    for number in 0..1000 {
        nonces.record(nonce(number), T + Duration::from_millis(number), T).unwrap();
        assert!(nonces.len() <= 4);
    }
    for number in 0..1000 {
        let sent = T + Duration::from_millis(number);
        let expected = if number < 996 { ReplayError::Forgotten } else { ReplayError::Seen };
        assert_eq!(nonces.check(&nonce(number), sent), Err(expected));
        assert_eq!(nonces.record(nonce(number), sent, T), Err(expected));
    }
    assert_eq!(
        nonces.check(&nonce(1000), T + Duration::from_millis(995)),
        Err(ReplayError::Forgotten)
    );
    nonces.record(nonce(1000), T + Duration::from_millis(996), T).unwrap();
    // The oldest of five went at once, be it the newest to arrive.
    assert_eq!(nonces.len(), 4);
    assert!(nonces.check(&nonce(1000), T + Duration::from_millis(996)).is_err());
}

#[test]
fn the_floor_never_sinks() {
    let mut nonces = NonceMemory::new(1);
    nonces.record([1; 16], T + seconds(5), T).unwrap();
    nonces.record([2; 16], T + seconds(9), T).unwrap();
    nonces.record([3; 16], T + seconds(6), T).unwrap();
    assert_eq!(nonces.check(&[4; 16], T + seconds(6)), Err(ReplayError::Forgotten));
    assert_eq!(nonces.check(&[2; 16], T + seconds(9)), Err(ReplayError::Seen));
    assert_eq!(nonces.check(&[4; 16], T + seconds(7)), Ok(()));
}
