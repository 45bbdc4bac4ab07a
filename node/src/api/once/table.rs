//! Which requests were carried out, and what came of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Answer, Hasher};

/// Most keys that are remembered, and most bytes of answers; the oldest are forgotten first.
const MAX_KEYS: usize = 1024;
const MAX_BYTES: usize = 16 << 20;
/// How long a key is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Where the answer to a request will be; its sender is gone without one if the request was cut off.
pub(super) type Awaited = watch::Receiver<Option<Arc<Answer>>>;

/// What there is of a request.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is the first with its key: it is to be carried out.
    Now(Awaited),
    /// It was sent before.
    Before(Awaited),
    /// Its key was sent with another one.
    Other,
    /// No more can be under way.
    Full,
}

/// Keys of requests.
#[derive(Debug, Default)]
pub(in crate::api) struct Table {
    hasher: Hasher,
    keys: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    all: HashMap<Arc<str>, Key>,
    /// Those that are done with, the oldest first.
    done: VecDeque<(Instant, Arc<str>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Key {
    request: u64,
    answer: watch::Sender<Option<Arc<Answer>>>,
}

impl Table {
    pub(super) const fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Notes that a request has come.
    pub(super) fn begin(&self, key: &str, request: u64, now: Instant) -> Begun {
        let mut keys = self.lock();
        keys.forget(now);
        if let Some(known) = keys.all.get(key) {
            let same = known.request == request;
            return if same { Begun::Before(known.answer.subscribe()) } else { Begun::Other };
        }
        if keys.all.len() >= MAX_KEYS && !keys.forget_oldest() {
            return Begun::Full;
        }
        let (answer, awaited) = watch::channel(None);
        keys.all.insert(key.into(), Key { request, answer });
        Begun::Now(awaited)
    }

    /// Notes what came of it, for those who wait and, if it is final, for those who repeat it.
    pub(super) fn end(&self, key: &str, answer: Answer, now: Instant) {
        let mut keys = self.lock();
        let (len, is_final) = (answer.len(), answer.is_final());
        let Some((name, known)) = keys.all.get_key_value(key) else { return };
        let name = Arc::clone(name);
        known.answer.send_replace(Some(Arc::new(answer)));
        if !is_final || len > MAX_BYTES {
            keys.all.remove(key);
            return;
        }
        keys.done.push_back((now, name));
        keys.bytes += len;
        while keys.bytes > MAX_BYTES && keys.forget_oldest() {}
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// Forgets what is too old.
    fn forget(&mut self, now: Instant) {
        let old = |(then, _): &(Instant, Arc<str>)| now.duration_since(*then) >= REMEMBERED;
        while self.done.front().is_some_and(old) {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest that is done with; returns whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.done.pop_front() else { return false };
        if let Some(Key { answer, .. }) = self.all.remove(&key) {
            self.bytes -= answer.borrow().as_ref().map_or(0, |answer| answer.len());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use hyper::body::Bytes;

    use super::*;

    fn answer(status: u16, len: usize) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, content_type: None, body: Bytes::from(vec![b'x'; len]) }
    }

    fn begin(table: &Table, key: &str, request: u64) -> Begun {
        table.begin(key, request, Instant::now())
    }

    fn done(table: &Table, key: &str, len: usize) {
        assert!(matches!(begin(table, key, 1), Begun::Now(_)), "{key}");
        table.end(key, answer(200, len), Instant::now());
    }

    #[test]
    fn keys_are_remembered_for_a_day() {
        let table = Table::default();
        let begun = Instant::now();
        let later = begun + REMEMBERED;
        assert!(matches!(table.begin("a", 1, begun), Begun::Now(_)));
        table.end("a", answer(200, 10), begun);
        let before = later.checked_sub(Duration::from_secs(1)).unwrap();
        assert!(matches!(table.begin("a", 1, before), Begun::Before(_)));
        assert!(matches!(table.begin("a", 2, before), Begun::Other));
        assert!(matches!(table.begin("a", 2, later), Begun::Now(_)));
        assert_eq!(table.lock().bytes, 0);
    }

    #[tokio::test]
    async fn the_oldest_give_way_and_those_under_way_do_not() {
        let table = Table::default();
        for number in 0..MAX_KEYS {
            done(&table, &number.to_string(), 1);
        }
        done(&table, "one more", 1);
        assert!(matches!(begin(&table, "1", 1), Begun::Before(_)));
        assert!(matches!(begin(&table, "0", 1), Begun::Now(_)), "it was forgotten");
        assert_eq!(table.lock().all.len(), MAX_KEYS);

        let table = Table::default();
        for number in 0..MAX_KEYS {
            assert!(matches!(begin(&table, &number.to_string(), 1), Begun::Now(_)));
        }
        assert!(matches!(begin(&table, "one more", 1), Begun::Full));
        assert!(matches!(begin(&table, "0", 1), Begun::Before(_)));
    }

    #[tokio::test]
    async fn answers_are_remembered_within_bounds() {
        let table = Table::default();
        for number in 0..20 {
            done(&table, &number.to_string(), MAX_BYTES / 8);
        }
        let keys = table.lock();
        assert_eq!((keys.all.len(), keys.bytes), (8, MAX_BYTES));
        drop(keys);
        done(&table, "huge", MAX_BYTES + 1);
        assert!(matches!(begin(&table, "huge", 1), Begun::Now(_)));
        assert_eq!(table.lock().all.len(), 9, "the others are still there");
    }

    #[tokio::test]
    async fn what_may_be_tried_again_is_not_remembered() {
        for (status, kept) in [(200, true), (502, true), (504, true), (403, true)] {
            let table = Table::default();
            assert!(matches!(begin(&table, "a", 1), Begun::Now(_)));
            table.end("a", answer(status, 3), Instant::now());
            assert_eq!(matches!(begin(&table, "a", 1), Begun::Before(_)), kept, "{status}");
        }
        for status in [400, 404, 409, 413, 429, 500, 503, 507] {
            let table = Table::default();
            let Begun::Now(mut first) = begin(&table, "a", 1) else { panic!("new") };
            let Begun::Before(second) = begin(&table, "a", 1) else { panic!("repeated") };
            table.end("a", answer(status, 3), Instant::now());
            assert!(matches!(begin(&table, "a", 1), Begun::Now(_)), "{status}");
            assert!(first.wait_for(Option::is_some).await.is_ok());
            assert!(second.borrow().is_some(), "who waited gets the answer");
        }
    }
}
