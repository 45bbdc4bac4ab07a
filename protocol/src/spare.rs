//! Large buffers that are used again. An allocator gives memory of that size back to the system at once,
//! and each page of it costs a fault when it is next asked for: a quarter of the time of bulk.
//!
//! One store for the process, as an allocator is; it is bounded, and changes nothing but the time. What is not
//! asked for any more is given back by [`give_back`], which whoever has a clock calls now and then.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Smaller buffers are left to the allocator.
const LARGE: usize = 64 << 10;
/// What is kept at most, in bytes and in buffers.
const MOST_BYTES: usize = 8 << 20;
const MOST: usize = 32;

static KEPT: Mutex<Kept> = Mutex::new(Kept::new());

/// Buffers, the one kept longest first.
struct Kept {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The fewest that were here at once since unused ones were last given back.
    unused: usize,
}

impl Kept {
    const fn new() -> Self {
        Self { buffers: VecDeque::new(), bytes: 0, unused: 0 }
    }

    /// A buffer that holds `len` bytes, and not more than twice as many: what is accounted for by its
    /// length takes no more memory than that.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| (len..=2 * len).contains(&buffer.capacity());
        let place = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(place)?;
        self.bytes -= buffer.capacity();
        self.unused = self.unused.min(self.buffers.len());
        Some(buffer)
    }

    fn give(&mut self, buffer: Vec<u8>) {
        self.bytes += buffer.capacity();
        self.buffers.push_back(buffer);
        while (self.bytes > MOST_BYTES || self.buffers.len() > MOST)
            && let Some(oldest) = self.buffers.pop_front()
        {
            self.bytes -= oldest.capacity();
        }
        self.unused = self.unused.min(self.buffers.len());
    }

    /// Takes out as many as nobody has asked for since this was last called, the oldest.
    fn take_unused(&mut self) -> VecDeque<Vec<u8>> {
        let in_use = self.buffers.split_off(self.unused.min(self.buffers.len()));
        let unused = std::mem::replace(&mut self.buffers, in_use);
        self.bytes = self.buffers.iter().map(Vec::capacity).sum();
        self.unused = self.buffers.len();
        unused
    }
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(len: usize) -> Option<Vec<u8>> {
    if len < LARGE { None } else { kept().take(len) }
}

/// An empty buffer with room for `len` bytes.
#[must_use]
pub fn empty(len: usize) -> Vec<u8> {
    take(len).map_or_else(
        || Vec::with_capacity(len),
        |mut buffer| {
            buffer.clear();
            buffer
        },
    )
}

/// A buffer of `len` bytes that are all to be overwritten: they are zero, or what was there before.
#[must_use]
pub fn filled(len: usize) -> Vec<u8> {
    take(len).map_or_else(
        || vec![0; len],
        |mut buffer| {
            buffer.resize(len, 0);
            buffer
        },
    )
}

/// Gives a buffer back.
pub fn give(buffer: Vec<u8>) {
    if (LARGE..=MOST_BYTES).contains(&buffer.capacity()) {
        kept().give(buffer);
    }
}

/// Gives the memory of those back to the allocator that were not needed since this was last called.
pub fn give_back() {
    let unused = kept().take_unused();
    // Not while others wait for the lock.
    drop(unused);
}

/// Bytes of the buffers that are kept and in nobody's use.
#[must_use]
pub fn kept_bytes() -> usize {
    kept().bytes
}

/// Bytes whose buffer is given back when nobody needs them any more.
#[must_use]
pub fn bytes(buffer: Vec<u8>) -> Bytes {
    if buffer.capacity() < LARGE { buffer.into() } else { Bytes::from_owner(Lent(buffer)) }
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(len: usize) -> Vec<u8> {
        Vec::with_capacity(len)
    }

    #[test]
    fn a_buffer_serves_what_it_fits_and_what_is_kept_is_bounded() {
        let mut kept = Kept::new();
        kept.give(of(2 * LARGE));
        assert!(kept.take(LARGE - 1).is_none(), "it would take more than twice the memory");
        assert!(kept.take(2 * LARGE + 1).is_none());
        assert_eq!(kept.take(LARGE).map(|buffer| buffer.capacity()), Some(2 * LARGE));
        assert!(kept.take(LARGE).is_none(), "it is in use");
        for _ in 0..20 {
            kept.give(of(1 << 20));
        }
        assert_eq!((kept.bytes, kept.buffers.len()), (MOST_BYTES, 8));
        for _ in 0..100 {
            kept.give(of(LARGE));
        }
        assert_eq!((kept.bytes, kept.buffers.len()), (MOST * LARGE, MOST), "the oldest go");
    }

    #[test]
    fn what_nobody_needs_for_a_while_is_given_back_and_what_is_in_use_is_not() {
        let mut kept = Kept::new();
        for _ in 0..6 {
            kept.give(of(LARGE));
        }
        assert_eq!(kept.take_unused().len(), 0, "they have just come");
        for _ in 0..10 {
            // Two at once, again and again.
            let two = [kept.take(LARGE), kept.take(LARGE)];
            two.into_iter().flatten().for_each(|buffer| kept.give(buffer));
        }
        assert_eq!(kept.take_unused().len(), 4);
        assert_eq!((kept.bytes, kept.buffers.len()), (2 * LARGE, 2));
        assert_eq!(kept.take_unused().len(), 2, "nobody needed them");
        assert_eq!((kept.bytes, kept.buffers.len()), (0, 0));
        assert_eq!(kept.take_unused().len(), 0);
    }

    #[test]
    fn a_buffer_comes_back_from_its_bytes_and_small_ones_are_let_go() {
        // A length that no other test uses: the store is everybody's.
        const LEN: usize = 3 * LARGE + 12_345;
        let lent = bytes(vec![7; LEN]);
        let part = lent.slice(10..20);
        let place = lent.as_ptr();
        drop(lent);
        assert!(kept().buffers.iter().all(|buffer| buffer.as_ptr() != place), "a part is in use");
        assert_eq!(*part, [7; 10]);
        drop(part);
        let again = filled(LEN - 1);
        assert_eq!((again.as_ptr(), again.len()), (place, LEN - 1));
        give(again);
        let again = empty(LEN);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        drop(bytes(vec![0; LARGE - 1]));
        assert!(kept().buffers.iter().all(|buffer| buffer.capacity() >= LARGE));
        give(again);
        assert!(kept_bytes() >= LEN);
        // The second time it has not been needed since the first.
        give_back();
        give_back();
        assert!(kept().buffers.iter().all(|buffer| buffer.as_ptr() != place));
    }
}
