//! What a handshake is given to work with.

/// A handshake's view of a link; a macro, so that the borrow leaves the other fields free.
macro_rules! context {
    ($link:expr, $now:expr) => {
        $crate::handshake::Context {
            config: &$link.config.handshake,
            trust: $link.trust.as_ref(),
            replay: &mut $link.replay,
            rng: $link.rng.as_mut(),
            now: $now,
        }
    };
}
