//! Peers that this node has had to do with: after a restart they can be named, and messages for them
//! are taken in, though they are away.

use redb::{ReadableTable as _, ReadableTableMetadata as _, TableDefinition, WriteTransaction};

use super::error::Failed;
use super::row::{Contact, decode};
use super::transaction::bytes;

/// By key: [`Contact`].
pub(super) const CONTACTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("contacts");

/// Most that are kept.
const MAX_CONTACTS: u64 = 4_096;
/// How many go when there are more: those seen least recently.
const GOING: usize = 256;

pub(super) fn write(
    transaction: &WriteTransaction,
    key: &[u8; 32],
    contact: &Contact,
) -> Result<(), Failed> {
    let mut table = transaction.open_table(CONTACTS)?;
    table.insert(key, bytes(contact)?.as_slice())?;
    if table.len()? <= MAX_CONTACTS {
        return Ok(());
    }
    let mut seen = Vec::new();
    for row in table.iter()? {
        let (key, row) = row?;
        let seen_at = decode::<Contact>(row.value()).map_or(0, |contact| contact.seen);
        seen.push((seen_at, *key.value()));
    }
    seen.sort_unstable();
    for (_, key) in seen.iter().take(GOING) {
        table.remove(key)?;
    }
    Ok(())
}
