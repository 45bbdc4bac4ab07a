//! Whether a file is whole, found out without writing to it: what does not hold is refused as it is, and
//! not repaired into something else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::StoreError;
use super::place::{builder, quietly};

/// Larger files are not read as a whole at the start; that would take seconds.
const MAX_CHECKED: u64 = 128 << 20;
const BLOCK: usize = 4_096;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// Nothing is wrong.
    Yes,
    /// All rows are whole. Which pages are free has to be found out anew.
    Untidy,
}

/// Reads the file at `path` as a whole, if it is not too large.
///
/// One that was not closed properly is checked as redb does it: it goes back to the last commit that is
/// whole. One that was closed has to be whole as it is.
pub(super) fn check(path: &Path) -> Result<Whole, StoreError> {
    let file = File::open(path).map_err(|error| StoreError::unusable(path, &error))?;
    let len = file.metadata().map_err(|error| StoreError::unusable(path, &error))?.len();
    if len == 0 || len > MAX_CHECKED {
        return Ok(Whole::Yes);
    }
    let file = FileBackend::new(file).map_err(|error| StoreError::opening(path, error))?;
    let repaired = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&repaired);
    let checked = quietly(|| {
        let mut builder = builder();
        builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
        let mut database = builder.create_with_backend(Overlay::over(file, len))?;
        Ok(repaired.load(Ordering::Relaxed) || database.check_integrity()?)
    });
    match checked {
        Ok(Ok(true)) => Ok(Whole::Yes),
        // Check sums are right, or it would be an error.
        Ok(Ok(false)) => Ok(Whole::Untidy),
        Ok(Err(error)) => Err(StoreError::opening(path, error)),
        Err(reason) => Err(StoreError::damaged(path, &reason)),
    }
}

/// A file, and what would be written to it.
#[derive(Debug)]
struct Overlay {
    file: FileBackend,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    /// Of the file, as it seems.
    len: u64,
    /// Of it what is still the file's own.
    own: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl Overlay {
    const fn over(file: FileBackend, len: u64) -> Self {
        let written = Written { len, own: len, blocks: BTreeMap::new() };
        Self { file, written: Mutex::new(written) }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of the file itself, with zeros where it has ended.
    fn original(&self, written: &Written, block: u64) -> io::Result<Box<[u8]>> {
        let mut bytes = vec![0; BLOCK].into_boxed_slice();
        let start = block * BLOCK as u64;
        let there = written.own.saturating_sub(start).min(BLOCK as u64);
        let there = usize::try_from(there).unwrap_or(BLOCK);
        if let Some(there) = bytes.get_mut(..there).filter(|there| !there.is_empty()) {
            self.file.read(start, there)?;
        }
        Ok(bytes)
    }

    /// Calls `run` with each piece of a range: its block, where it begins in that, and where in the
    /// range.
    fn pieces(
        offset: u64,
        len: usize,
        mut run: impl FnMut(u64, usize, usize, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let start = usize::try_from(at % BLOCK as u64).unwrap_or_default();
            let piece = (BLOCK - start).min(len - done);
            run(at / BLOCK as u64, start, done, piece)?;
            done += piece;
        }
        Ok(())
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.lock();
        if offset + out.len() as u64 > written.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Self::pieces(offset, out.len(), |block, start, done, len| {
            let original;
            let bytes = match written.blocks.get(&block) {
                Some(bytes) => bytes,
                None => {
                    original = self.original(&written, block)?;
                    &original
                }
            };
            if let (Some(to), Some(from)) =
                (out.get_mut(done..done + len), bytes.get(start..start + len))
            {
                to.copy_from_slice(from);
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.lock();
        written.own = written.own.min(len);
        written.len = len;
        written.blocks.retain(|block, _| block * (BLOCK as u64) < len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.lock();
        Self::pieces(offset, data.len(), |block, start, done, len| {
            let mut bytes = match written.blocks.remove(&block) {
                Some(bytes) => bytes,
                None => self.original(&written, block)?,
            };
            if let (Some(to), Some(from)) =
                (bytes.get_mut(start..start + len), data.get(done..done + len))
            {
                to.copy_from_slice(from);
            }
            written.blocks.insert(block, bytes);
            Ok(())
        })
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}
