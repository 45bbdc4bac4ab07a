//! The local agent that speaks Agent2Agent (`docs/a2a.md`).

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{InvalidSetting, NodeConfig, is_loopback};

/// What the A2A face does besides serving clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct A2aConfig {
    /// The agent that tasks of peers are handed to: `http://` and a loopback address. None by default.
    pub agent: Option<Url>,
}

/// The table `[a2a]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct A2aSettings {
    /// Where an agent runs on this machine, such as `http://127.0.0.1:9999`; empty for none.
    pub agent: Option<String>,
}

impl A2aSettings {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What these settings make of `base`.
    ///
    /// # Errors
    /// The key at fault, and what is wrong with its value.
    pub(super) fn over(
        &self,
        base: A2aConfig,
    ) -> Result<A2aConfig, (&'static str, InvalidSetting)> {
        let agent = self.agent.as_deref().map_or(Ok(base.agent), agent);
        Ok(A2aConfig { agent: agent.map_err(|error| ("agent", error))? })
    }
}

/// An agent on this machine: what peers wrote in secret does not leave it in the clear.
fn agent(text: &str) -> Result<Option<Url>, InvalidSetting> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || InvalidSetting::LocalAgent { given: text.to_owned() };
    let url: Url = text.parse().map_err(|_| wrong())?;
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.scheme() == "http" && url.host_str().is_some_and(is_loopback) && is_plain {
        Ok(Some(url))
    } else {
        Err(wrong())
    }
}

impl NodeConfig {
    /// The local agent that speaks Agent2Agent.
    #[must_use]
    pub const fn a2a(&self) -> &A2aConfig {
        &self.a2a
    }

    /// Sets the local agent that speaks Agent2Agent.
    #[must_use]
    pub fn with_a2a(mut self, a2a: A2aConfig) -> Self {
        self.a2a = a2a;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_on_this_machine() {
        for text in ["http://127.0.0.1:9999", "http://localhost:1/x/", "http://[::1]:80"] {
            assert!(agent(text).unwrap().is_some(), "{text}");
        }
        assert_eq!(agent(""), Ok(None));
        for text in [
            "9999",
            "https://127.0.0.1",
            "http://192.0.2.1:80",
            "http://example.org",
            "http://a@localhost",
            "http://localhost/?a",
        ] {
            let refused = agent(text).unwrap_err().to_string();
            assert!(refused.contains("such as http://127.0.0.1:9999"), "{text}: {refused}");
        }
    }
}
