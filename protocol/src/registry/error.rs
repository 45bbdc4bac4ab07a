//! Why a record is not believed.

use std::time::Duration;

use thiserror::Error;

use super::CapabilityError;
use crate::cbor::CborError;
use crate::crypto::{BadPublicKey, BadSignature};
use crate::identity::{EntityId, EntityIdError, Fingerprint, TrustError};
use crate::limits::{MAX_CLOCK_SKEW, MAX_LOOKUP_KEYS, MAX_RECORD_LEN, RECORD_TTL};

/// Why bytes from the registry are not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// A key that does not have 32 bytes.
    #[error("a key of the registry has 32 bytes")]
    Key,
    /// Longer than any record may be.
    #[error("the record has {len} bytes; at most {MAX_RECORD_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Not deterministic CBOR, or not of a record's shape.
    #[error("not a record: {0}")]
    Cbor(#[from] CborError),
    /// A field is over its limit.
    #[error("`{field}` has {len} {unit}; at most {limit} are allowed")]
    Limit {
        /// The field.
        field: &'static str,
        /// Its size.
        len: usize,
        /// The most it may have.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A field is not of its form.
    #[error("`{field}` {what}")]
    Form {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A capability's name that is none.
    #[error("not a capability: {0}")]
    Capability(#[from] CapabilityError),
    /// A life longer than any record may have.
    #[error("the record wants to live for {secs} s; at most {} s are allowed", RECORD_TTL.as_secs())]
    Ttl {
        /// What it wants, in seconds.
        secs: u64,
    },
    /// The record does not belong under the key that it was found under.
    #[error("the record of {entity} does not belong under this key")]
    WrongKey {
        /// Whose record it is.
        entity: EntityId,
    },
    /// Made in the future.
    #[error(
        "the record is from {} ms in the future; at most {} ms are allowed, so check both clocks",
        ahead.as_millis(),
        MAX_CLOCK_SKEW.as_millis()
    )]
    Future {
        /// How far ahead of this node's clock it is.
        ahead: Duration,
    },
    /// Its life is over.
    #[error("the record's life was over {} ms ago", ago.as_millis())]
    Expired {
        /// How long ago.
        ago: Duration,
    },
    /// The entity id is none, or is reserved for another key.
    #[error("not this entity's id: {0}")]
    Entity(#[from] EntityIdError),
    /// The public key is none.
    #[error(transparent)]
    PublicKey(#[from] BadPublicKey),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// The key that signs is not the one that the record names.
    #[error("the record names the key {named}, but {signer} signs")]
    Signer {
        /// The key that the record names.
        named: Fingerprint,
        /// The key that signs.
        signer: Fingerprint,
    },
    /// The trust list refuses the entity under this key.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Two keys claim an entity that this node does not know yet.
    #[error(
        "{entity} is claimed by two keys, {first} and {second}; \
         compare the fingerprints with its operator and pin the right one"
    )]
    Contested {
        /// The entity.
        entity: EntityId,
        /// One key.
        first: Fingerprint,
        /// Another one.
        second: Fingerprint,
    },
    /// More keys than a lookup weighs.
    #[error("more than {MAX_LOOKUP_KEYS} keys claim one entity")]
    TooManyKeys,
}
