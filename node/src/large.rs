//! Long contents in memory: few at a time (`docs/PROTOCOL.md` §9.4).

use std::sync::Arc;

use peer_protocol::limits::MAX_CONTENT_LEN;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::Content;

/// Contents that are read at once; each takes a few times its length while it becomes JSON.
static READING: Semaphore = Semaphore::const_new(2);
/// Long contents of requests that are in memory at once; the others wait on their sockets.
static ASKING: Semaphore = Semaphore::const_new(2);

/// What a long content of a request takes of the room that there is for them in memory, until the last clone
/// of this is dropped. All are equal: it says nothing about the content.
#[derive(Debug, Clone, Default)]
pub struct Weight(Option<Arc<SemaphorePermit<'static>>>);

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

/// A content of a program that embeds the node, with room taken for it if it is a long one and has none.
pub(crate) async fn weighed(mut content: Content) -> Content {
    if content.weight.0.is_none() && content.len_hint() > MAX_CONTENT_LEN {
        content.weight = Weight::take().await;
    }
    content
}

/// A content with its bytes in memory, read from its file if it is a long one; none if that is gone.
pub(crate) async fn load(content: Content) -> Option<Content> {
    if content.stored.is_none() {
        return Some(content);
    }
    let _permit = READING.acquire().await.ok()?;
    let loaded = tokio::task::spawn_blocking(move || content.loaded()).await.ok()?;
    loaded.inspect_err(|_| tracing::error!("a content cannot be read")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn few_long_contents_are_taken_at_once_and_short_ones_always() {
        let of = |len: usize| Content { text: Some("x".repeat(len)), ..Content::default() };
        let long = || weighed(of(MAX_CONTENT_LEN + 1));
        let first = long().await;
        // One that has room takes no more.
        let first = weighed(first).await;
        let _second = long().await;
        let third = tokio::time::timeout(Duration::from_millis(50), long());
        assert!(third.await.is_err(), "there is no room for a third");
        assert!(tokio::time::timeout(Duration::from_secs(5), weighed(of(9))).await.is_ok());
        drop(first);
        assert!(tokio::time::timeout(Duration::from_secs(5), long()).await.is_ok());
    }
}
