//! Where the local API listens besides its socket.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{InvalidSetting, NodeConfig};

/// Where the local API listens besides its socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApiConfig {
    /// A loopback address and a port; port 0 is any free one. Nowhere by default.
    pub listen: Option<SocketAddr>,
}

/// The table `[api]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// A loopback address and a port such as `127.0.0.1:4780`, or `off`. Requests there need the token that
    /// `peer api token` prints.
    pub listen: Option<String>,
}

impl ApiSettings {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What these settings make of `base`.
    ///
    /// # Errors
    /// The key at fault, and what is wrong with its value.
    pub(super) fn over(
        &self,
        base: ApiConfig,
    ) -> Result<ApiConfig, (&'static str, InvalidSetting)> {
        let listen = self.listen.as_deref().map_or(Ok(base.listen), loopback);
        Ok(ApiConfig { listen: listen.map_err(|error| ("listen", error))? })
    }
}

/// An address that only this machine can reach; none for `off`.
fn loopback(text: &str) -> Result<Option<SocketAddr>, InvalidSetting> {
    if text == "off" {
        return Ok(None);
    }
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = local.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let address: SocketAddr = match local {
        Some(address) => address,
        None => {
            text.parse().map_err(|_| InvalidSetting::LocalAddress { given: text.to_owned() })?
        }
    };
    if address.ip().is_loopback() {
        Ok(Some(address))
    } else {
        Err(InvalidSetting::NotLocal { given: address })
    }
}

impl NodeConfig {
    /// Where the local API listens besides its socket.
    #[must_use]
    pub const fn api(&self) -> &ApiConfig {
        &self.api
    }

    /// Sets where the local API listens besides its socket.
    #[must_use]
    pub fn with_api(mut self, api: ApiConfig) -> Self {
        self.api = api;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_reach_the_api() {
        for (text, address) in [
            ("127.0.0.1:4780", "127.0.0.1:4780"),
            ("localhost:0", "127.0.0.1:0"),
            ("[::1]:80", "[::1]:80"),
            ("127.9.9.9:1", "127.9.9.9:1"),
        ] {
            assert_eq!(loopback(text), Ok(Some(address.parse().unwrap())), "{text}");
        }
        assert_eq!(loopback("off"), Ok(None));
        for text in ["0.0.0.0:4780", "192.0.2.1:80", "[::]:1", "[::ffff:127.0.0.1]:1"] {
            let refused = loopback(text).unwrap_err().to_string();
            assert!(refused.contains("other machines"), "{text}: {refused}");
        }
        for text in ["", "4780", "127.0.0.1", "localhost", "localhost:", "example.org:80"] {
            let refused = loopback(text).unwrap_err().to_string();
            assert!(refused.contains("such as 127.0.0.1:4780"), "{text}: {refused}");
        }
    }
}
