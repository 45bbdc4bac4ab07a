//! Messages that a gateway passes on between version 1.0 and version 1.1 (`docs/PROTOCOL.md` §13.9).

use peer_protocol::identity::{EntityId, Fingerprint};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Content;

/// Who wrote what a gateway brings. The gateway alone says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forwarded {
    /// The writer's entity id.
    #[schema(value_type = String)]
    pub entity: EntityId,
    /// The fingerprint of the key under which the gateway verified the writer's signature.
    #[schema(value_type = String)]
    pub fingerprint: Fingerprint,
    /// The version that the writer speaks.
    pub version: String,
    /// Whether it was encrypted from end to end, which it never was.
    pub encrypted: bool,
}

/// The content of a message that a gateway brings from a version 1.0 peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedContent {
    /// Who wrote it.
    pub forwarded: Forwarded,
    /// What it says.
    pub message: String,
    /// The version 1.0 message as it came, signature and all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
}

impl ForwardedContent {
    /// Its media type.
    pub const CONTENT_TYPE: &str = "application/vnd.peer.forwarded+json";

    /// Reads a content that a gateway brings; none if it is another one.
    #[must_use]
    pub fn read(content: &Content) -> Option<Self> {
        let text = content.text.as_deref()?;
        Self::is_type_of(content).then(|| serde_json::from_str(text).ok()).flatten()
    }

    /// Whether a content says that a gateway brings it.
    #[must_use]
    pub fn is_type_of(content: &Content) -> bool {
        content.content_type.as_deref() == Some(Self::CONTENT_TYPE)
    }

    /// The content.
    #[must_use]
    pub fn to_content(&self) -> Content {
        // Plain data always becomes JSON.
        let text = serde_json::to_string(self).unwrap_or_default();
        let content_type = Some(Self::CONTENT_TYPE.to_owned());
        Content { text: Some(text), content_type, ..Content::default() }
    }
}

/// The content of a message that a gateway is to bring to a version 1.0 peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToForward {
    /// The peer.
    pub to: EntityId,
    /// What to say.
    pub message: String,
}

impl ToForward {
    /// Its media type.
    pub const CONTENT_TYPE: &str = "application/vnd.peer.forward+json";

    /// The content.
    #[must_use]
    pub fn to_content(&self) -> Content {
        let text = serde_json::to_string(self).unwrap_or_default();
        let content_type = Some(Self::CONTENT_TYPE.to_owned());
        Content { text: Some(text), content_type, ..Content::default() }
    }
}
