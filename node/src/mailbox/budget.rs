//! How much memory requests of others, and answers to them, take at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use peer_protocol::limits::MAX_PUT_BYTES;
use peer_protocol::message::Mailbox as Request;

/// Most requests of others that wait for the disk.
const MAX_REQUESTS: usize = 256;
/// Most bytes of them and of their answers.
const MAX_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
struct Used {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// What is in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget(Arc<Used>);

/// One request's part of it, until its answer is on its way.
#[derive(Debug)]
pub(crate) struct Share {
    used: Arc<Used>,
    bytes: usize,
}

impl Budget {
    /// The part of a request of `len` bytes and of its answer, if there is that much.
    pub(crate) fn take(&self, request: &Request, len: usize) -> Option<Share> {
        let answer = match request {
            // How long the pages are is known only when they were read.
            Request::Fetch(_) | Request::Collect(_) => MAX_PUT_BYTES,
            Request::Put(_) | Request::Take(_) | Request::Settle(_) | Request::Deposit(_) => 0,
        };
        let bytes = len.saturating_add(answer);
        let share = Share { used: Arc::clone(&self.0), bytes };
        let requests = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let used = self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
        // What was refused is given back with the share.
        (requests < MAX_REQUESTS && used.saturating_add(bytes) <= MAX_BYTES).then_some(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.used.requests.fetch_sub(1, Ordering::Relaxed);
        self.used.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use peer_protocol::message::{Fetch, Put};

    use super::*;

    fn put() -> Request {
        Request::Put(Put { items: Vec::new(), owner: [0; 32] })
    }

    #[test]
    fn requests_are_bounded_in_number_and_in_bytes() {
        let budget = Budget::default();
        for (request, len, most) in [
            (put(), 1 << 20, 64),
            (put(), 100, 256),
            (Request::Fetch(Fetch::default()), 100, 63),
            (put(), usize::MAX, 0),
        ] {
            let shares: Vec<_> = (0..300).map_while(|_| budget.take(&request, len)).collect();
            assert_eq!(shares.len(), most, "{request:?} of {len} bytes");
            drop(shares);
        }
        assert!(budget.take(&put(), 64 << 20).is_some(), "all of it was given back");
    }
}
