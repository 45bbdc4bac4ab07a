//! The registry, through a handle.

use std::time::Duration;

use peer_protocol::registry::Capability;

use super::{Command, Handle, Reply};
use crate::error::NodeError;
use crate::model::{DhtStatus, Discovered, Found, Registered};

/// What the registry is asked.
#[derive(Debug)]
pub(crate) enum Registry {
    Register {
        add: Vec<Capability>,
        remove: Vec<Capability>,
        reply: Reply<Registered>,
    },
    Lookup {
        name: String,
        fresh: bool,
        timeout: Duration,
        reply: Reply<Found>,
    },
    Discover {
        capabilities: Vec<Capability>,
        most: usize,
        timeout: Duration,
        reply: Reply<Discovered>,
    },
    Dht(tokio::sync::oneshot::Sender<DhtStatus>),
}

impl Handle {
    /// Registers this entity anew, with capabilities added to or removed from those it has. What
    /// changes here is remembered.
    ///
    /// # Errors
    /// [`NodeError::Registry`] if the registry is off, [`NodeError::Invalid`] if there would be too
    /// many capabilities. That no other node took it is no error: it is tried again.
    pub async fn register(
        &self,
        add: Vec<Capability>,
        remove: Vec<Capability>,
    ) -> Result<Registered, NodeError> {
        let register = |reply| Registry::Register { add, remove, reply };
        self.ask(|reply| Command::Registry(register(reply))).await?
    }

    /// Looks up an entity by id, peer id or fingerprint. `fresh` asks the registry even if it was
    /// asked a moment ago.
    ///
    /// # Errors
    /// [`NodeError::NotFound`]; [`NodeError::Refused`], with all fingerprints, if the name is claimed
    /// by keys that the trust list refuses, or by several.
    pub async fn lookup(
        &self,
        name: &str,
        fresh: bool,
        timeout: Duration,
    ) -> Result<Found, NodeError> {
        let name = name.to_owned();
        let lookup = |reply| Registry::Lookup { name, fresh, timeout, reply };
        self.ask(|reply| Command::Registry(lookup(reply))).await?
    }

    /// Searches for entities that have all of `capabilities`: at most `most`, or as many as are found
    /// within `timeout`.
    ///
    /// # Errors
    /// [`NodeError::Registry`] if the registry is off and no registry file is there.
    pub async fn discover(
        &self,
        capabilities: Vec<Capability>,
        most: usize,
        timeout: Duration,
    ) -> Result<Discovered, NodeError> {
        let discover = |reply| Registry::Discover { capabilities, most, timeout, reply };
        self.ask(|reply| Command::Registry(discover(reply))).await?
    }

    /// How this node takes part in the registry.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn dht(&self) -> Result<DhtStatus, NodeError> {
        self.ask(|reply| Command::Registry(Registry::Dht(reply))).await
    }
}
