//! Places for messages that are passed on: bounded, and no sender gets all of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peer_protocol::error::ErrorCode;
use peer_protocol::identity::EntityId;
use peer_protocol::message::ErrorReport;

/// Most messages under way, and most of one sender.
pub(super) const PLACES: usize = 256;
const PER_SENDER: usize = 32;
/// When to try again, in milliseconds.
const RETRY_AFTER_MS: u64 = 5_000;

/// The places that are taken, by sender.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<EntityId, usize>>);

impl Places {
    /// Takes a place, until [`Places::leave`].
    ///
    /// # Errors
    /// What the sender is told.
    pub(crate) fn take(&self, sender: &EntityId) -> Result<(), ErrorReport> {
        let mut places = self.places();
        let own = places.get(sender).copied().unwrap_or_default();
        if own >= PER_SENDER || places.values().sum::<usize>() >= PLACES {
            let detail = "too many messages wait to be passed on, or for an answer";
            let mut report = ErrorReport::new(ErrorCode::RateLimited, detail);
            report.retry_after_ms = Some(RETRY_AFTER_MS);
            return Err(report);
        }
        places.insert(sender.clone(), own + 1);
        Ok(())
    }

    pub(super) fn leave(&self, sender: &EntityId) {
        let mut places = self.places();
        if let Some(own) = places.get_mut(sender) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                places.remove(sender);
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<EntityId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: usize) -> EntityId {
        format!("entity_{name}").parse().unwrap()
    }

    #[test]
    fn one_sender_leaves_room_for_others_and_all_together_are_bounded() {
        let places = Places::default();
        let taken = (0..100).filter(|_| places.take(&entity(0)).is_ok()).count();
        assert_eq!(taken, PER_SENDER);
        let others = (1..1000).filter(|name| places.take(&entity(*name)).is_ok()).count();
        assert_eq!(others, PLACES - PER_SENDER);
        places.leave(&entity(0));
        assert_eq!(places.take(&entity(5000)), Ok(()));
        let error = places.take(&entity(5001)).unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::RateLimited, Some(5_000)));
        for _ in 0..PER_SENDER {
            places.leave(&entity(0));
        }
        assert!(!places.places().contains_key(&entity(0)));
    }
}
