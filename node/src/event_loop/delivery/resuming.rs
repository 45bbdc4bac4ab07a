//! What is on disk of a peer's messages, for its link.

use futures::future::BoxFuture;
use peer_behaviours::secure::{Resumes, Unreadable};
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Resume;

use crate::store::Store;

/// Reads from the store on blocking threads.
#[derive(Debug, Clone)]
pub(crate) struct Resuming(pub(crate) Store);

impl Resumes for Resuming {
    fn resume(&self, peer: &PublicKey) -> BoxFuture<'static, Result<Resume, Unreadable>> {
        let (store, peer) = (self.0.clone(), *peer);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || store.resume(&peer)).await;
            match read {
                Ok(Ok(resume)) => Ok(resume),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "what a peer sent before cannot be read");
                    Err(Unreadable)
                }
                Err(_) => Err(Unreadable),
            }
        })
    }
}
