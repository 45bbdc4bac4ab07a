//! The gateway for version 1.0 peers that know only HTTP (`docs/PROTOCOL.md` §13.8).

use std::net::SocketAddr;

use axum::http::Uri;
use peer_protocol::crypto::PublicKey;
use peer_protocol::identity::EntityId;
use serde::{Deserialize, Serialize};

use super::{BadAddress, InvalidSetting, NodeConfig};

/// Most peers that can be named, and most entities to which messages are passed on.
const MOST: usize = 256;

/// What the gateway does; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Where it listens, if anywhere.
    pub listen: Option<SocketAddr>,
    /// Version 1.0 peers whose keys the operator knows.
    pub peers: Vec<GatewayPeer>,
    /// Entities of version 1.1 to which messages of version 1.0 peers are passed on, and whose messages to
    /// `peers` are. A name counts with the key to which it is pinned, or from which it is derived.
    pub forward: Vec<EntityId>,
}

/// A version 1.0 peer whose key the operator knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayPeer {
    /// Its entity id.
    pub entity: EntityId,
    /// Its key.
    pub key: PublicKey,
    /// Where it takes messages; without one it has to ask for them.
    pub url: Option<HttpUrl>,
    /// Whether a session must be opened first. The original cannot open one (§13.3).
    pub require_session: bool,
}

/// `http://`, a host, perhaps a port and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path to which messages are posted; it ends in `/message`.
    pub path: String,
    text: String,
}

impl HttpUrl {
    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for HttpUrl {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| bad(text, reason);
        let uri: Uri = text.parse().map_err(|_| bad("it is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(bad("version 1.0 peers are reached by http:// only")),
            _ => return Err(bad("expected http://<host>:<port>")),
        }
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad("it has a user or a query, which do not belong there"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        let base = uri.path().trim_end_matches('/');
        let path =
            if base.ends_with("/message") { base.to_owned() } else { format!("{base}/message") };
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { host: host.to_owned(), port, path, text: text.to_owned() })
    }
}

/// The table `[gateway]`; what is `None` keeps its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// An IP address and a port, such as `127.0.0.1:8080`; empty for nowhere.
    pub listen: Option<String>,
    /// Entities of version 1.1 to which messages of old peers are passed on, and whose messages to them are.
    pub forward: Option<Vec<String>>,
    /// Peers whose keys the operator knows: one table each, of at most 256.
    pub peer: Option<Vec<GatewayPeerSettings>>,
}

/// One table `[[gateway.peer]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GatewayPeerSettings {
    /// Its entity id; has to be there.
    pub entity: String,
    /// Its Ed25519 key, 64 hexadecimal digits; has to be there.
    pub public_key: String,
    /// Where it takes messages, such as `http://192.0.2.7:8000`; without it, it gets them when it posts.
    pub url: Option<String>,
    /// Whether a session must be opened first, which the original cannot; by default not.
    pub require_session: Option<bool>,
}

impl GatewaySettings {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What these settings make of `base`.
    ///
    /// # Errors
    /// The key at fault, and what is wrong with its value.
    pub(super) fn over(
        &self,
        base: GatewayConfig,
    ) -> Result<GatewayConfig, (&'static str, InvalidSetting)> {
        let listen = self.listen.as_ref().map_or(Ok(base.listen), |text| listen(text));
        let forward = self.forward.as_ref().map_or(Ok(base.forward), |all| entities(all));
        Ok(GatewayConfig {
            listen: listen.map_err(|error| ("listen", error.into()))?,
            forward: forward.map_err(|error| ("forward", error))?,
            peers: self.peer.as_ref().map_or(Ok(base.peers), |all| peers(all))?,
        })
    }
}

fn bad(text: &str, reason: &str) -> BadAddress {
    BadAddress { address: text.to_owned(), reason: reason.to_owned() }
}

fn listen(text: &str) -> Result<Option<SocketAddr>, BadAddress> {
    if text.is_empty() {
        return Ok(None);
    }
    let expected = "expected an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080";
    text.parse().map(Some).map_err(|_| bad(text, expected))
}

fn within(given: usize) -> Result<(), InvalidSetting> {
    if given > MOST { Err(InvalidSetting::TooMany { given, most: MOST }) } else { Ok(()) }
}

fn entities(all: &[String]) -> Result<Vec<EntityId>, InvalidSetting> {
    within(all.len())?;
    let mut entities = Vec::new();
    for text in all {
        let entity: EntityId = text.parse()?;
        if entities.contains(&entity) {
            return Err(InvalidSetting::Twice { given: text.clone() });
        }
        entities.push(entity);
    }
    Ok(entities)
}

fn peers(all: &[GatewayPeerSettings]) -> Result<Vec<GatewayPeer>, (&'static str, InvalidSetting)> {
    within(all.len()).map_err(|error| ("peer", error))?;
    let mut peers: Vec<GatewayPeer> = Vec::new();
    for settings in all {
        let peer = settings.read()?;
        if peers.iter().any(|other| other.entity == peer.entity) {
            return Err(("entity", InvalidSetting::Twice { given: settings.entity.clone() }));
        }
        if peers.iter().any(|other| other.key == peer.key) {
            return Err((
                "public_key",
                InvalidSetting::Twice { given: settings.public_key.clone() },
            ));
        }
        peers.push(peer);
    }
    Ok(peers)
}

impl GatewayPeerSettings {
    fn read(&self) -> Result<GatewayPeer, (&'static str, InvalidSetting)> {
        let entity = self.entity.parse::<EntityId>().map_err(|error| ("entity", error.into()))?;
        let mut bytes = [0; 32];
        let key = hex::decode_to_slice(&self.public_key, &mut bytes).ok();
        let key = key.and_then(|()| PublicKey::from_bytes(&bytes).ok());
        let unusable = || InvalidSetting::PublicKey { given: self.public_key.clone() };
        let key = key.ok_or_else(unusable).map_err(|error| ("public_key", error))?;
        entity.check_key(&key).map_err(|error| ("entity", error.into()))?;
        let url = self.url.as_ref().map(|url| url.parse()).transpose();
        Ok(GatewayPeer {
            entity,
            key,
            url: url.map_err(|error: BadAddress| ("url", error.into()))?,
            require_session: self.require_session.unwrap_or_default(),
        })
    }
}

impl NodeConfig {
    /// The gateway for version 1.0 peers that know only HTTP.
    #[must_use]
    pub const fn gateway(&self) -> &GatewayConfig {
        &self.gateway
    }

    /// Sets the gateway for version 1.0 peers that know only HTTP.
    #[must_use]
    pub fn with_gateway(mut self, gateway: GatewayConfig) -> Self {
        self.gateway = gateway;
        self
    }

    /// Whether the gateway's settings go with the others.
    pub(super) fn check_gateway(&self) -> Result<(), InvalidSetting> {
        let used = self.gateway.listen.is_some() || !self.gateway.peers.is_empty();
        if used && !self.legacy {
            return Err(InvalidSetting::GatewayWithoutLegacy);
        }
        let own = |peer: &&GatewayPeer| self.entity.as_ref() == Some(&peer.entity);
        match self.gateway.peers.iter().find(own) {
            Some(peer) => Err(InvalidSetting::OwnName { given: peer.entity.to_string() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_messages_are_posted() {
        for (text, host, port, path) in [
            ("http://old.example", "old.example", 80, "/message"),
            ("http://192.0.2.7:8000/", "192.0.2.7", 8000, "/message"),
            ("http://[::1]:8000/peer/", "::1", 8000, "/peer/message"),
            ("http://old/message", "old", 80, "/message"),
        ] {
            let url: HttpUrl = text.parse().unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path));
        }
        for text in
            ["", "old:8000", "https://old", "http://", "http://a@b/", "http://b/?x=1", "ftp://b"]
        {
            assert!(text.parse::<HttpUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_peer_is_named_once_and_has_a_key() {
        let named = |entity: &str, public_key: &str| GatewayPeerSettings {
            entity: entity.to_owned(),
            public_key: public_key.to_owned(),
            ..GatewayPeerSettings::default()
        };
        let read = |all: Vec<GatewayPeerSettings>| {
            let settings = GatewaySettings { peer: Some(all), ..GatewaySettings::default() };
            settings.over(GatewayConfig::default()).map(|it| it.peers.len()).map_err(|(key, _)| key)
        };
        let usable = "917cc3f700754b6985c05862e1fa3ce3554b8e50887963d960fa754e745369bd";
        assert_eq!(read(vec![named("old", usable)]), Ok(1));
        assert_eq!(read(vec![named("old", "abc")]), Err("public_key"));
        assert_eq!(read(vec![named("", usable)]), Err("entity"));
        assert_eq!(read(vec![named("old", usable), named("old", usable)]), Err("entity"));
        assert_eq!(read(vec![named("old", usable), named("other", usable)]), Err("public_key"));
    }
}
