//! What takes 2⁶⁴ messages to reach.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::Ed25519Authenticator;

#[test]
fn numbers_run_out_and_never_wrap() {
    let authenticator = Arc::new(Ed25519Authenticator::from_seed(&[1; 32]));
    let me = Identity::new(None, authenticator).unwrap();
    let peer = "peer".parse().unwrap();
    let (key, now) = (*me.public_key(), Now::default());
    let mut session = Session::new(&me, &peer, key, Uuid::nil(), Timestamp::default(), now);
    let mut rng = StdRng::seed_from_u64(1);
    session.next_out = Some(u64::MAX);
    let last = session.seal("task", Object::new(), now, &mut rng).unwrap();
    assert_eq!(last.content().sequence_num, Some(u64::MAX));
    for _ in 0..2 {
        let error = session.seal("task", Object::new(), now, &mut rng).unwrap_err();
        assert_eq!(error, SessionError::Exhausted);
    }
}
