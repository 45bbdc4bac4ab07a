//! Requests about files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::NodeError;
use crate::model::FileToSend;

/// Send a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// Entity id, peer id, fingerprint or multiaddress.
    pub peer: String,
    /// The file, as an absolute path. The node reads it.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// A directory, as an absolute path, below which the file has to lie: whenever the node opens it, no link is
    /// followed on the way from there, and one in its place is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub root: Option<PathBuf>,
    /// The name that the receiver is told; that of the path if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether it lies in the node's spool, and is deleted once it was sent.
    #[serde(default)]
    pub spooled: bool,
    /// How long to look for the peer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl Send {
    pub(in crate::api) fn file(self) -> Result<FileToSend, NodeError> {
        let Self { path, root, name, content_type, spooled, .. } = self;
        if let Some(relative) =
            [Some(&path), root.as_ref()].into_iter().flatten().find(|it| !it.is_absolute())
        {
            let detail = format!("{} is no absolute path", relative.display());
            return Err(NodeError::Invalid { detail });
        }
        Ok(FileToSend { path, root, name, content_type, spooled })
    }
}
