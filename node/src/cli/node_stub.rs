//! Stands in for `crate::node` until it is there.

use libp2p::Multiaddr;
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::EntityIdError;

use crate::config::NodeConfig;
use crate::handle::Handle;
use crate::trust_file::TrustFile;

pub(super) struct Node {
    handle: Handle,
}

#[derive(Debug, thiserror::Error)]
#[expect(dead_code, reason = "a stub")]
pub(super) enum StartError {
    #[error("cannot listen on {address}: {reason}")]
    Listen { address: Multiaddr, reason: String },
    #[error(transparent)]
    Identity(#[from] EntityIdError),
    #[error("{reason}")]
    Transport { reason: String },
}

impl Node {
    #[expect(clippy::unused_async, reason = "a stub")]
    pub(super) async fn start(
        _: NodeConfig,
        _: Ed25519Authenticator,
        _: TrustFile,
    ) -> Result<Self, StartError> {
        #[cfg(test)]
        {
            let (handle, _) = crate::api::fake::Fake::start();
            Ok(Self { handle })
        }
        #[cfg(not(test))]
        {
            let (commands, _) = tokio::sync::mpsc::channel(1);
            Ok(Self { handle: Handle::new(commands) })
        }
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub(super) async fn stopped(self) {
        while self.handle.status().await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
