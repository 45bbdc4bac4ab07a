//! `peer id`

use std::path::Path;
use std::sync::Arc;

use libp2p::PeerId;
use libp2p::identity::{PublicKey, ed25519};
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::{EntityId, Fingerprint, Identity};
use serde::Serialize;

use super::error::CliError;
use super::exit::Exit;
use super::output::Output;
use super::text::pairs;
use crate::config::{NodeConfig, Settings};
use crate::keystore;
use crate::paths::DataDir;

/// Print this entity's id, fingerprint and peer id; needs no running node
///
/// Others compare the fingerprint before they pin it: `peer trust pin <entity> <fingerprint>`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Who this entity is.
#[derive(Debug, Serialize)]
pub(super) struct Id {
    pub(super) entity: EntityId,
    pub(super) fingerprint: Fingerprint,
    pub(super) peer_id: String,
}

impl Id {
    /// The id of `key` under `config`.
    pub(super) fn of(key: Ed25519Authenticator, config: &NodeConfig) -> Result<Self, CliError> {
        let identity = Identity::new(config.entity().cloned(), Arc::new(key)).map_err(|error| {
            CliError::new("config", error.to_string(), "choose another entity id, or leave it out")
        })?;
        let key = ed25519::PublicKey::try_from_bytes(identity.public_key().as_bytes());
        let key = key.map_err(|error| {
            CliError::new("bad_key", format!("the key has no peer id: {error}"), "make a new one")
        })?;
        Ok(Self {
            entity: identity.entity().clone(),
            fingerprint: identity.fingerprint(),
            peer_id: PeerId::from_public_key(&PublicKey::from(key)).to_string(),
        })
    }

    pub(super) fn describe(&self) -> String {
        identity(&self.entity, &self.fingerprint, &self.peer_id)
    }
}

/// Lines for people; the fingerprint has its own, so that it fits in 80 columns.
pub(super) fn identity(entity: &EntityId, fingerprint: &Fingerprint, peer_id: &str) -> String {
    let pairs = pairs(&[("entity", entity.to_string()), ("peer id", peer_id.to_owned())]);
    format!("{pairs}fingerprint\n  {fingerprint}\n")
}

pub(super) fn execute(_: &Args, dir: &DataDir, output: &mut Output) -> Result<Exit, CliError> {
    let config = super::configuration(dir, Settings::default())?;
    let id = Id::of(keystore::load(Path::new(&dir.key()))?, &config)?;
    output.show(&id, Id::describe)?;
    Ok(Exit::Ok)
}
