//! What language models may do through the node (`docs/mcp.md`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::NodeConfig;

/// The table `[mcp]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct McpSettings {
    /// Directories whose files a language model that uses `/mcp` may send to peers.
    pub files: Option<Vec<PathBuf>>,
}

impl NodeConfig {
    /// Directories whose files a model that uses `/mcp` may send to peers; none by default.
    #[must_use]
    pub fn mcp_files(&self) -> &[PathBuf] {
        &self.mcp_files
    }

    /// Sets the directories whose files a model that uses `/mcp` may send to peers.
    #[must_use]
    pub fn with_mcp_files(mut self, directories: Vec<PathBuf>) -> Self {
        self.mcp_files = directories;
        self
    }
}
