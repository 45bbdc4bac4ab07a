//! The open file. A write that fails leaves redb unable to go on, so that the file is then closed, and
//! opened anew for whoever comes next. After a sync that failed it is not: see `watched`.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::StoreError;
use super::delivery::Mark;
use super::error::Failed;
use super::place::Place;
use super::transaction::Tables;

/// Where the store is, and the file if it is open.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) place: Place,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// None once it has failed, until it is opened again.
    database: Option<Database>,
    /// What failed last: the disk may hold it nevertheless, if it failed at the very end.
    uncertain: Option<Mark>,
    closed: bool,
}

impl Inner {
    pub(super) fn open(place: Place) -> Result<Self, StoreError> {
        let database = Some(place.open_first()?);
        let state = RwLock::new(State { database, uncertain: None, closed: false });
        Ok(Self { place, state })
    }

    /// Closes the file; it is not opened again.
    pub(super) fn close(&self) {
        let mut state = self.exclusive();
        state.closed = true;
        state.database = None;
    }

    /// Does all of `apply` in one transaction, or nothing.
    pub(super) fn commit<T>(
        &self,
        apply: impl FnOnce(&mut Tables<'_>) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        self.make_ready()?;
        let mut mark = Mark::default();
        let done = {
            let state = self.shared();
            let Some(database) = &state.database else { return Err(self.is_closed()) };
            guarded(|| {
                let transaction = database.begin_write()?;
                let mut tables = Tables::new(&transaction);
                let done = apply(&mut tables)?;
                mark = tables.finish()?;
                transaction.commit()?;
                Ok(done)
            })
        };
        done.map_err(|failed| {
            let mut state = self.exclusive();
            state.database = None;
            state.uncertain = Some(mark);
            self.place.error(failed)
        })
    }

    /// Reads what was committed last; writes go on meanwhile.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        self.make_ready()?;
        let state = self.shared();
        let Some(database) = &state.database else { return Err(self.is_closed()) };
        let done = guarded(|| read(&database.begin_read()?));
        done.map_err(|failed| self.place.error(failed))
    }

    /// Bytes of the file that are in memory.
    pub(super) fn cached_bytes(&self) -> usize {
        let state = self.shared();
        state.database.as_ref().map_or(0, |database| database.cache_stats().used_bytes())
    }

    /// Opens the file if it is not open, unless nobody knows any more what is on disk. Whoever was told that a write failed relies on that: what is on
    /// disk of it nevertheless is taken back first.
    fn make_ready(&self) -> Result<(), StoreError> {
        self.place.check_doubt()?;
        {
            let state = self.shared();
            if state.database.is_some() || state.closed {
                return Ok(());
            }
        }
        let mut state = self.exclusive();
        if state.database.is_some() || state.closed {
            return Ok(());
        }
        let database = self.place.open()?;
        if let Some(mark) = &state.uncertain {
            withdraw(&database, mark).map_err(|failed| self.place.error(failed))?;
        }
        state.uncertain = None;
        state.database = Some(database);
        Ok(())
    }

    fn is_closed(&self) -> StoreError {
        StoreError::unusable(self.place.path(), &"it is closed")
    }

    fn shared(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn withdraw(database: &Database, mark: &Mark) -> Result<(), Failed> {
    guarded(|| {
        let transaction = database.begin_write()?;
        let mut tables = Tables::new(&transaction);
        tables.delivery()?.withdraw(mark)?;
        tables.finish()?;
        Ok(transaction.commit()?)
    })
}

/// redb asserts what a file should hold, and one that lies makes it panic.
fn guarded<T>(run: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(Failed::Row))
}
