//! The message of all calls.

use bytes::Bytes;

/// What is sent, and what comes back.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    /// Whether only an acknowledgement is to come back.
    #[prost(bool, tag = "1")]
    pub(crate) acknowledge: bool,
    /// Any bytes; none in an acknowledgement.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) bytes: Bytes,
}

impl Payload {
    /// The answer to this.
    pub(crate) fn answer(self) -> Self {
        if self.acknowledge { Self { acknowledge: true, bytes: Bytes::new() } } else { self }
    }
}
