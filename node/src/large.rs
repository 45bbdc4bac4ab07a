//! Long contents in memory: few at a time (`docs/PROTOCOL.md` §9.4).

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::Content;

/// Contents that are read at once; each takes a few times its length while it becomes JSON.
static READING: Semaphore = Semaphore::const_new(2);
/// Long contents of requests that are in memory at once; the others wait on their sockets.
static ASKING: Semaphore = Semaphore::const_new(2);

/// What a long content of a request takes of the room that there is for them in memory, until the last clone
/// of this is dropped. All are equal: it says nothing about the content.
#[derive(Debug, Clone, Default)]
pub struct Weight(
    #[expect(dead_code, reason = "dropping it makes room")] Option<Arc<SemaphorePermit<'static>>>,
);

impl Weight {
    /// Waits for room.
    pub(crate) async fn take() -> Self {
        Self(ASKING.acquire().await.ok().map(Arc::new))
    }
}

impl PartialEq for Weight {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Weight {}

/// A content with its bytes in memory, read from its file if it is a long one; none if that is gone.
pub(crate) async fn load(content: Content) -> Option<Content> {
    if content.stored.is_none() {
        return Some(content);
    }
    let _permit = READING.acquire().await.ok()?;
    let loaded = tokio::task::spawn_blocking(move || content.loaded()).await.ok()?;
    loaded.inspect_err(|_| tracing::error!("a content cannot be read")).ok()
}
