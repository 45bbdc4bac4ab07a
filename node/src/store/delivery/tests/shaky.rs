//! A disk that forgets what was not synced, or has no room for a while.

use std::io;
use std::sync::{Arc, Mutex};

use rand::RngExt as _;
use rand::rngs::StdRng;
use redb::StorageBackend;

use crate::store::{Store, StoreError};

/// What happens when a disk has done so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The power is gone.
    Crash,
    /// So many writes and syncs fail.
    Full(usize),
}

#[derive(Debug)]
enum Op {
    Write(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug, Default)]
struct Inner {
    synced: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Op>,
    /// Writes and syncs so far.
    done: usize,
    fate: Option<(usize, Fate)>,
}

/// Stores on clones are on the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Shaky(Arc<Mutex<Inner>>);

impl Shaky {
    pub(super) fn open(&self) -> Result<Store, StoreError> {
        let disk = self.clone();
        Store::on(move || disk.clone())
    }

    pub(super) fn done(&self) -> usize {
        self.0.lock().unwrap().done
    }

    /// After so many writes and syncs from now on.
    pub(super) fn doom(&self, after: usize, fate: Fate) {
        let mut inner = self.0.lock().unwrap();
        inner.fate = Some((inner.done + after, fate));
    }

    /// What is left when the power comes back: what was synced, and any part of what was not.
    pub(super) fn after_crash(&self, rng: &mut StdRng) -> Self {
        let inner = self.0.lock().unwrap();
        let mut bytes = inner.synced.clone();
        let most = rng.random_range(0..=100);
        for op in &inner.unsynced {
            if rng.random_range(0..100) >= most {
                continue;
            }
            match op {
                Op::Len(len) => bytes.resize(*len, 0),
                Op::Write(offset, data) => {
                    // A page of the disk is whole, a page of redb need not be.
                    let torn = rng.random_bool(0.2);
                    let len = if torn { data.len() / 2 } else { data.len() };
                    if bytes.len() < offset + len {
                        bytes.resize(offset + len, 0);
                    }
                    bytes[*offset..offset + len].copy_from_slice(&data[..len]);
                }
            }
        }
        let inner = Inner { synced: bytes.clone(), current: bytes, ..Inner::default() };
        Self(Arc::new(Mutex::new(inner)))
    }

    fn touch<T>(&self, counts: bool, run: impl FnOnce(&mut Inner) -> T) -> io::Result<T> {
        let mut inner = self.0.lock().unwrap();
        let failing = match inner.fate {
            Some((from, Fate::Crash)) => inner.done >= from,
            Some((from, Fate::Full(for_))) => counts && (from..from + for_).contains(&inner.done),
            None => false,
        };
        inner.done += usize::from(counts);
        if failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(run(&mut inner)) }
    }
}

impl StorageBackend for Shaky {
    fn len(&self) -> io::Result<u64> {
        self.touch(false, |inner| inner.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.touch(false, |inner| {
            let offset = usize::try_from(offset).unwrap();
            let bytes = inner.current.get(offset..offset + out.len());
            bytes.map(|bytes| out.copy_from_slice(bytes))
        })?
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.touch(true, |inner| {
            let len = usize::try_from(len).unwrap();
            inner.current.resize(len, 0);
            inner.unsynced.push(Op::Len(len));
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.touch(true, |inner| {
            inner.synced = inner.current.clone();
            inner.unsynced.clear();
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.touch(true, |inner| {
            let offset = usize::try_from(offset).unwrap();
            inner.current[offset..offset + data.len()].copy_from_slice(data);
            inner.unsynced.push(Op::Write(offset, data.to_vec()));
        })
    }
}
