//! The tables.

use redb::{TableDefinition, TableError, WriteTransaction};

use super::contacts::CONTACTS;
use super::delivery;
use super::mailbox::MAILBOX;
use super::transfers::TRANSFERS;

/// Single values, by name.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Registry records kept for others and of this node's own, by key: a list of [`super::Entry`].
pub(super) const RECORDS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("records");
/// Provider entries, in the same way.
pub(super) const PROVIDERS: TableDefinition<'_, &[u8; 32], &[u8]> =
    TableDefinition::new("providers");
/// Peers that were reached, by the order of their remembering: [`super::Remembered`].
pub(super) const PEERS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("peers");

/// The name of the tables' version in [`META`].
pub(super) const SCHEMA: &str = "schema";
/// The tables' version.
pub(super) const SCHEMA_VERSION: &[u8] = b"3";
/// The versions before: without contacts and ordered messages; and without the ages of peers.
pub(super) const FORMER_VERSIONS: [&[u8]; 2] = [b"1", b"2"];
/// The name of the secret that orders rival records (§11.5).
pub(super) const SALT: &str = "registry_salt";
/// The name of the latest `last_seen` that this entity used (§11.2).
pub(super) const LAST_SEEN: &str = "last_seen";
/// The name of the capabilities that were registered at run time.
pub(super) const CAPABILITIES: &str = "capabilities";

/// Makes every table, so that reading them later finds them.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), TableError> {
    transaction.open_table(META)?;
    transaction.open_table(RECORDS)?;
    transaction.open_table(PROVIDERS)?;
    transaction.open_table(PEERS)?;
    transaction.open_table(CONTACTS)?;
    transaction.open_table(TRANSFERS)?;
    transaction.open_table(MAILBOX)?;
    delivery::create(transaction)
}
