//! Contents that were claimed in transactions of which nobody knows whether they are on disk.
//!
//! A commit that fails may be there all the same. Until the disk has said, the content of its message is
//! kept as if it were, and claimed once more when the message comes again.

use std::collections::HashMap;

use super::row::Key;

/// Names one doubt; a newer one about the same content is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    pub(crate) key: Key,
    number: u64,
}

/// Which claims are doubtful. Each is of a content that lies here, which quotas bound.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Their numbers; none while the claim is being written once more, since what is read then may be older.
    of: HashMap<Key, Option<u64>>,
    next: u64,
}

impl Doubts {
    /// From now on nobody knows; what was read before does not tell.
    pub(super) fn arise(&mut self, key: Key) {
        self.of.insert(key, Some(self.next));
        self.next += 1;
    }

    /// A doubtful claim is being written once more.
    pub(super) fn write(&mut self, key: Key) {
        self.of.insert(key, None);
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.of.contains_key(key)
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.of.remove(key);
    }

    /// Those about which the disk can be asked.
    pub(super) fn all(&self) -> Vec<Doubt> {
        let of =
            |(key, number): (&Key, &Option<u64>)| number.map(|number| Doubt { key: *key, number });
        self.of.iter().filter_map(of).collect()
    }

    /// Ends a doubt, unless there is a newer one. Returns whether it did.
    pub(super) fn end(&mut self, doubt: &Doubt) -> bool {
        let same = self.of.get(&doubt.key) == Some(&Some(doubt.number));
        if same {
            self.remove(&doubt.key);
        }
        same
    }
}
