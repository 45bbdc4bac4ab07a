//! What became of a packet, as the next hop tells it (§12.3).

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::HopError;
use super::header::{frames, hops, two_frames};
use crate::cbor::{self, push_head, push_text, text_enum};
use crate::limits::{MAX_HOP_HEAD_LEN, MAX_RETRY_AFTER};

/// Why a packet was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No neighbour is left that might bring it on.
    NoRoute,
    /// It was here before: a loop, or another path that joins this one.
    Seen,
    /// It is too old, or claims to live too long.
    Expired,
    /// It may not travel any further.
    HopLimit,
    /// The neighbour that brought it is over its rate.
    RateLimited,
    /// This node carries nothing for others.
    NotCarrying,
    /// Its head or its envelope is too long.
    TooLarge,
    /// Too much is under way here.
    Busy,
    /// The destination, or the way to it, did not answer.
    Unanswered,
    /// It is no packet.
    Malformed,
}

text_enum!(Reason {
    NoRoute = "no_route",
    Seen = "seen",
    Expired = "expired",
    HopLimit = "hop_limit",
    RateLimited = "rate_limited",
    NotCarrying = "not_carrying",
    TooLarge = "too_large",
    Busy = "busy",
    Unanswered = "unanswered",
    Malformed = "malformed",
});

/// Why a packet was not answered, and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// When there will be a token again; only with [`Reason::RateLimited`].
    pub retry_after: Option<Duration>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after: None }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The destination answered.
    Answered {
        /// How many hops the packet made, 1 to [`MAX_HOPS`](crate::limits::MAX_HOPS), as seen by
        /// whoever gets this.
        hops: u8,
        /// The destination's envelope.
        envelope: Bytes,
    },
    /// It came to nothing.
    Refused(Refusal),
}

/// The head of an outcome; an envelope follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The envelope is the destination's answer.
    Answered {
        /// As in [`Outcome::Answered`].
        hops: u8,
    },
    /// The envelope is empty.
    Refused(Refusal),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(default)]
    hops: Option<u64>,
    #[serde(default)]
    reason: Option<Reason>,
    outcome: &'a str,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// [`HopError`] if the bytes are not exactly one head within all limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, HopError> {
        if bytes.len() > MAX_HOP_HEAD_LEN {
            return Err(HopError::HeadTooLong { len: bytes.len() });
        }
        let wire: Wire<'_> = cbor::decode(bytes)?;
        match (wire.outcome, wire.hops, wire.reason, wire.retry_after_ms) {
            ("answered", Some(count), None, None) => Ok(Self::Answered { hops: hops(count)? }),
            ("refused", None, Some(Reason::RateLimited), Some(millis)) => {
                let retry_after = Duration::from_millis(millis).min(MAX_RETRY_AFTER);
                let retry_after = Some(retry_after);
                Ok(Self::Refused(Refusal { reason: Reason::RateLimited, retry_after }))
            }
            ("refused", None, Some(reason), None) if reason != Reason::RateLimited => {
                Ok(Self::Refused(reason.into()))
            }
            _ => Err(HopError::Mixed),
        }
    }

    /// The outcome with this head.
    ///
    /// # Errors
    /// [`HopError::Mixed`] if an answer is empty, or a refusal is not.
    pub fn with(self, envelope: Bytes) -> Result<Outcome, HopError> {
        match self {
            Self::Answered { hops } if !envelope.is_empty() => {
                Ok(Outcome::Answered { hops, envelope })
            }
            Self::Refused(refusal) if envelope.is_empty() => Ok(Outcome::Refused(refusal)),
            Self::Answered { .. } | Self::Refused(_) => Err(HopError::Mixed),
        }
    }
}

impl Outcome {
    /// The outcome's head as bytes.
    #[must_use]
    pub fn encode_head(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        match self {
            Self::Answered { hops, .. } => {
                push_head(&mut out, 5, 2);
                push_text(&mut out, "hops");
                push_head(&mut out, 0, u64::from(*hops));
                push_text(&mut out, "outcome");
                push_text(&mut out, "answered");
            }
            Self::Refused(Refusal { reason, retry_after }) => {
                let limited = *reason == Reason::RateLimited;
                push_head(&mut out, 5, if limited { 3 } else { 2 });
                push_text(&mut out, "reason");
                push_text(&mut out, reason.as_str());
                push_text(&mut out, "outcome");
                push_text(&mut out, "refused");
                if limited {
                    let wait = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
                    push_text(&mut out, "retry_after_ms");
                    // Rounded up, so that the announced time is not too short.
                    let millis = wait.as_nanos().div_ceil(1_000_000);
                    push_head(&mut out, 0, u64::try_from(millis).unwrap_or(u64::MAX));
                }
            }
        }
        out
    }

    /// The envelope; empty for a refusal.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        match self {
            Self::Answered { envelope, .. } => envelope,
            Self::Refused(_) => &[],
        }
    }

    /// Reads an outcome.
    ///
    /// # Errors
    /// [`HopError`] if the bytes are not exactly one outcome within all limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, HopError> {
        let (head, envelope) = frames(bytes)?;
        Head::decode(head)?.with(Bytes::copy_from_slice(envelope))
    }

    /// The outcome's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        two_frames(&self.encode_head(), self.envelope())
    }
}
