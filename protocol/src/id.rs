//! Identifiers as types of their own, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The bytes or the text are not a UUID v4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a UUID v4")]
pub struct NotUuidV4;

macro_rules! uuid_id {
    ($(#[$doc:meta])+ $name:ident) => {
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "Uuid", try_from = "Uuid")]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh UUID v4.
            #[must_use]
            pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Self::from_random(bytes)
            }

            /// The UUID v4 that random bytes make, or bytes that are as good, such as those of a digest.
            #[must_use]
            pub const fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The id of these 16 bytes, if they are a UUID v4.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
                Self::try_from(Uuid::from_bytes(bytes)).ok()
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl TryFrom<Uuid> for $name {
            type Error = NotUuidV4;

            fn try_from(uuid: Uuid) -> Result<Self, Self::Error> {
                let random = uuid.get_version() == Some(uuid::Version::Random);
                let rfc = uuid.get_variant() == uuid::Variant::RFC4122;
                if random && rfc { Ok(Self(uuid)) } else { Err(NotUuidV4) }
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotUuidV4;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map_err(|_| NotUuidV4)?.try_into()
            }
        }
    };
}

uuid_id! {
    /// A session's id: UUID v4 (`docs/PROTOCOL.md` §5.1).
    SessionId
}

uuid_id! {
    /// A message's id: UUID v4, chosen by its sender, the same on every retransmission (§7.1).
    MessageId
}

uuid_id! {
    /// A stream of ordered messages: UUID v4, drawn by their sender (§8.2).
    StreamId
}

uuid_id! {
    /// A transfer's id: UUID v4, drawn by its sender (§9).
    TransferId
}

uuid_id! {
    /// A prekey's id: UUID v4, drawn by its owner (§18.2).
    PrekeyId
}

uuid_id! {
    /// An item's id in a mailbox: UUID v4, drawn by its sender (§18.3).
    ItemId
}

/// An envelope's nonce: 16 random bytes, never used twice (§2.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A fresh nonce.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The nonce of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}
