//! What the fuzz targets of `tests/` reach and programs do not. It is no part of the API.

use std::path::Path;

use crate::model::{IdPrefix, InboxId};
use crate::registry_file::RegistryFile;
use crate::store::{Store, StoreError};
use crate::transfer::InStore;
use crate::wake::{AgentKey, Nonce};

/// The entries of a registry file, as the operator would write them; or what is wrong with it.
///
/// # Errors
/// What the operator is told.
pub fn registry_file(text: &str) -> Result<Vec<String>, String> {
    let file = RegistryFile::parse(Path::new("registry.toml"), text);
    let file = file.map_err(|error| error.to_string())?;
    Ok(file.able(&[]).map(|listed| listed.entity.to_string()).collect())
}

/// Reads what a node reads of a store when it starts; returns how many rows it could not read.
///
/// # Errors
/// [`StoreError`].
pub fn read_all(store: &Store) -> Result<usize, StoreError> {
    let loaded = store.load()?;
    let transfers = InStore::load(store)?;
    Ok(loaded.broken + transfers.broken)
}

/// A text as each kind of name that clients use, written again by those that take it.
#[must_use]
pub fn names(text: &str) -> [Option<String>; 4] {
    [
        text.parse().ok().map(|id: InboxId| id.to_string()),
        text.parse().ok().map(|key: AgentKey| key.to_string()),
        text.parse().ok().map(|nonce: Nonce| nonce.to_string()),
        text.parse().ok().map(|_: IdPrefix| text.to_owned()),
    ]
}
