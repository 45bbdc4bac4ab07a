//! Where a store is, and how it is opened there: at the start, and again after a failure.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, ReadableDatabase as _, StorageBackend};

use super::StoreError;
use super::check::{self, Whole};
use super::delivery;
use super::error::Failed;
use super::tables::{self, FORMER_VERSIONS, META, SCHEMA, SCHEMA_VERSION};
use super::watched::{self, Doubt, Watched};

/// Bytes of the file that are kept in memory.
const CACHE_LEN: usize = 8 << 20;

/// Smaller files are not compacted.
const MIN_COMPACTED: u64 = 64 << 20;

type Open = dyn Fn(&Path, &Doubt) -> Result<Database, StoreError> + Send + Sync;
type Check = dyn Fn(&Path) -> Result<Whole, StoreError> + Send + Sync;

/// Where a store is.
pub(super) struct Place {
    path: PathBuf,
    open: Box<Open>,
    check: Box<Check>,
    doubt: Doubt,
}

impl Place {
    /// The file at `path`, which is made if it is not there.
    pub(super) fn file(path: &Path) -> Self {
        let (open, check) = (Box::new(open_file), Box::new(check_file));
        Self { path: path.to_owned(), open, check, doubt: Doubt::default() }
    }

    /// Memory, which is empty each time that it is opened.
    pub(super) fn memory() -> Self {
        Self::backend(InMemoryBackend::new)
    }

    /// What `backend` gives each time that the store is opened.
    pub(super) fn backend<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
    ) -> Self {
        let open = move |path: &Path, doubt: &Doubt| {
            let opened = builder().create_with_backend(Watched::new(backend(), doubt.clone()));
            opened.map_err(|error| StoreError::opening(path, error))
        };
        let path = PathBuf::from(":memory:");
        let check = Box::new(|_: &Path| Ok(Whole::Yes));
        Self { path, open: Box::new(open), check, doubt: Doubt::default() }
    }

    /// Opens it for the first time: what is damaged is refused, and left as it is.
    pub(super) fn open_first(&self) -> Result<Database, StoreError> {
        let whole = (self.check)(&self.path)?;
        let mut database = self.open()?;
        if whole == Whole::Untidy {
            let tidied = quietly(|| database.check_integrity());
            let tidied = tidied.map_err(|reason| StoreError::damaged(&self.path, &reason))?;
            tidied.map_err(|error| StoreError::opening(&self.path, error))?;
        }
        self.make_smaller(&mut database);
        Ok(database)
    }

    /// Opens it, with every table in it.
    pub(super) fn open(&self) -> Result<Database, StoreError> {
        let database = (self.open)(&self.path, &self.doubt)?;
        check_schema(&database).map_err(|failed| self.error(failed))?;
        Ok(database)
    }

    /// # Errors
    /// [`StoreError::Unsynced`] once nobody knows any more what is on disk.
    pub(super) fn check_doubt(&self) -> Result<(), StoreError> {
        match self.doubt.reason() {
            Some(reason) => {
                let (path, reason) = (self.path.clone(), reason.to_owned());
                Err(StoreError::Unsynced { path, reason })
            }
            None => Ok(()),
        }
    }

    /// What it means that something failed here.
    pub(super) fn error(&self, failed: Failed) -> StoreError {
        self.check_doubt().err().unwrap_or_else(|| failed.at(&self.path))
    }

    /// Gives back what most of a large file does not use any more. That takes as long as writing what is
    /// left of it.
    fn make_smaller(&self, database: &mut Database) {
        let len = fs::metadata(&self.path).map_or(0, |data| data.len());
        let used = match delivery::used_bytes(database) {
            Ok(used) => used,
            Err(failed) => {
                let error = failed.at(&self.path);
                return tracing::warn!(%error, "nobody knows how much of the store is in use");
            }
        };
        if len < MIN_COMPACTED.saturating_add(used.saturating_mul(4)) {
            return;
        }
        match database.compact() {
            Ok(_) => {
                let now = fs::metadata(&self.path).map_or(0, |data| data.len());
                tracing::info!(before = len, now, "the store's file was made smaller");
            }
            Err(error) => tracing::warn!(%error, "the store's file could not be made smaller"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.path).finish()
    }
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_LEN);
    builder
}

fn open_file(path: &Path, doubt: &Doubt) -> Result<Database, StoreError> {
    if !path.exists() {
        make_file(path)?;
    }
    open_existing(path, doubt)
}

fn check_file(path: &Path) -> Result<Whole, StoreError> {
    if !path.exists() {
        return Ok(Whole::Yes);
    }
    watched::forget_cached(path);
    check::check(path)
}

fn open_existing(path: &Path, doubt: &Doubt) -> Result<Database, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| StoreError::unusable(path, &error))?;
    let opened = quietly(|| {
        let file = Watched::new(FileBackend::new(file)?, doubt.clone());
        builder().create_with_backend(file)
    });
    let opened = opened.map_err(|reason| StoreError::Damaged { path: path.to_owned(), reason })?;
    opened.map_err(|error| StoreError::opening(path, error))
}

/// Makes an empty store beside its place and puts it there when it is whole: one that was not finished
/// would be taken for a damaged one ever after.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let unusable = |error: std::io::Error| StoreError::unusable(path, &error);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = Path::new(&beside);
    match fs::remove_file(beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    let database = open_existing(beside, &Doubt::default())?;
    check_schema(&database).map_err(|failed| failed.at(path))?;
    drop(database);
    // Another process may have been faster; some file systems have no links.
    match fs::hard_link(beside, path) {
        Ok(()) => fs::remove_file(beside),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(beside),
        Err(_) => fs::rename(beside, path),
    }
    .map_err(unusable)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::File::open(directory.unwrap_or(Path::new("."))).map_err(unusable)?;
    directory.sync_all().map_err(unusable)
}

/// Runs something that panics if a file is not what its head says, as redb does where one was cut short;
/// returns what it said. Nobody is helped by a backtrace of that.
pub(super) fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done = panic::catch_unwind(AssertUnwindSafe(run));
    panic::set_hook(hook);
    done.map_err(|said| {
        let text = said.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| said.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "it contradicts itself".to_owned())
    })
}

/// Makes the tables of a new file, or those that an older one lacks, and refuses files of versions that
/// are not known.
fn check_schema(database: &Database) -> Result<(), Failed> {
    let found = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta.get(SCHEMA)?.map(|version| version.value().to_vec()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match found.as_deref() {
        Some(SCHEMA_VERSION) => Ok(()),
        Some(version) if !FORMER_VERSIONS.contains(&version) => {
            Err(Failed::Schema(String::from_utf8_lossy(version).into_owned()))
        }
        None | Some(_) => {
            let transaction = database.begin_write()?;
            tables::create(&transaction)?;
            transaction.open_table(META)?.insert(SCHEMA, SCHEMA_VERSION)?;
            Ok(transaction.commit()?)
        }
    }
}
