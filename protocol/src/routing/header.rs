//! A packet: what carriers see, and the envelope that they do not look into (§12.2).

use std::fmt;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use rand_core::CryptoRng;
use serde::Deserialize;

use super::HopError;
use crate::cbor::{self, push_bytes, push_head, push_text};
use crate::crypto::{Digest, PublicKey, Sha256};
use crate::limits::{
    MAX_CLOCK_SKEW, MAX_ENVELOPE_LEN, MAX_HOP_HEAD_LEN, MAX_HOPS, MAX_PACKET_LIFE,
};
use crate::time::Timestamp;

/// A packet's id: 16 random bytes, the same on all its paths. Each attempt of the origin has its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId([u8; 16]);

impl PacketId {
    /// A fresh id.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The id of these bytes.
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

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketId({})", HEXLOWER.encode(&self.0))
    }
}

/// All that a carrier sees of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The packet's id; `message_id` on the wire.
    pub id: PacketId,
    /// Who it comes from. A claim: only the envelope's signature proves it, to the destination.
    pub origin: PublicKey,
    /// Whom it is for.
    pub destination: PublicKey,
    /// How many hops it may still make, the one that brings it included; 1 to [`MAX_HOPS`].
    pub hop_limit: u8,
    /// When nobody needs the answer any more, by the origin's clock.
    pub expiry: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    expiry: u64,
    #[serde(with = "serde_bytes")]
    origin: [u8; 32],
    hop_limit: u64,
    #[serde(with = "serde_bytes")]
    message_id: [u8; 16],
    #[serde(with = "serde_bytes")]
    destination: [u8; 32],
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`HopError`] if the bytes are not exactly one header within all limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, HopError> {
        if bytes.len() > MAX_HOP_HEAD_LEN {
            return Err(HopError::HeadTooLong { len: bytes.len() });
        }
        let wire: Wire = cbor::decode(bytes)?;
        if wire.origin == wire.destination {
            return Err(HopError::Circular);
        }
        Ok(Self {
            id: PacketId(wire.message_id),
            origin: PublicKey::from_bytes(&wire.origin)?,
            destination: PublicKey::from_bytes(&wire.destination)?,
            hop_limit: hops(wire.hop_limit)?,
            expiry: Timestamp::from_millis(wire.expiry),
        })
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_HOP_HEAD_LEN);
        push_head(&mut out, 5, 5);
        push_text(&mut out, "expiry");
        push_head(&mut out, 0, self.expiry.as_millis());
        push_text(&mut out, "origin");
        push_bytes(&mut out, self.origin.as_bytes());
        push_text(&mut out, "hop_limit");
        push_head(&mut out, 0, u64::from(self.hop_limit));
        push_text(&mut out, "message_id");
        push_bytes(&mut out, self.id.as_bytes());
        push_text(&mut out, "destination");
        push_bytes(&mut out, self.destination.as_bytes());
        out
    }

    /// Whether somebody may still wait for the answer: the packet's time is not over by any clock that
    /// §2.6 allows, and it does not claim to live for longer than any may.
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expiry + MAX_CLOCK_SKEW && self.expiry <= now + MAX_PACKET_LIFE + MAX_CLOCK_SKEW
    }
}

/// A number of hops, if any packet can make so many.
pub(super) fn hops(hops: u64) -> Result<u8, HopError> {
    let small = u8::try_from(hops).ok().filter(|hops| (1..=MAX_HOPS).contains(hops));
    small.ok_or(HopError::Hops { hops })
}

/// A packet. Cheap to clone: the envelope is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What carriers see.
    pub header: Header,
    /// The end-to-end envelope, or whatever the origin put in its place.
    pub envelope: Bytes,
}

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`HopError`] if the bytes are not exactly one packet within all limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, HopError> {
        let (head, envelope) = frames(bytes)?;
        let envelope = Bytes::copy_from_slice(envelope);
        Ok(Self { header: Header::decode(head)?, envelope })
    }

    /// What tells it from all others.
    pub(super) fn mark(&self) -> Mark {
        let Header { id, origin, destination, hop_limit: _, expiry: _ } = &self.header;
        let mut hash = Sha256::new();
        for part in [id.as_bytes().as_slice(), origin.as_bytes(), destination.as_bytes()] {
            hash.update(part);
        }
        hash.update(&self.envelope);
        Mark(hash.finish())
    }

    /// The packet's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        two_frames(&self.header.encode(), &self.envelope)
    }
}

/// By what a packet is known when it comes again (§12.6): the SHA-256 of its id, origin, destination
/// and envelope. The header alone would do for honest carriers; anybody else could send it ahead with
/// another envelope, and have the true one taken for a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark(Digest);

/// Splits what consists of two frames, each its length as 32 bits, big-endian, and so many bytes.
pub(super) fn frames(bytes: &[u8]) -> Result<(&[u8], &[u8]), HopError> {
    let (head, rest) = frame(bytes, MAX_HOP_HEAD_LEN, |len| HopError::HeadTooLong { len })?;
    let (envelope, rest) = frame(rest, MAX_ENVELOPE_LEN, |len| HopError::TooLong { len })?;
    match rest.len() {
        0 => Ok((head, envelope)),
        len => Err(HopError::Trailing { len }),
    }
}

fn frame(
    bytes: &[u8],
    most: usize,
    too_long: impl Fn(usize) -> HopError,
) -> Result<(&[u8], &[u8]), HopError> {
    let (len, rest) = bytes.split_first_chunk().ok_or(HopError::Truncated)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
    if len > most {
        return Err(too_long(len));
    }
    rest.split_at_checked(len).ok_or(HopError::Truncated)
}

/// The opposite of [`frames`].
pub(super) fn two_frames(head: &[u8], envelope: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + head.len() + envelope.len());
    for part in [head, envelope] {
        let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
