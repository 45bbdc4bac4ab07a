//! Long contents in memory: few at a time (`docs/PROTOCOL.md` §9.4).

use tokio::sync::Semaphore;

use crate::model::Content;

/// Contents that are read at once; each takes a few times its length while it becomes JSON.
static READING: Semaphore = Semaphore::const_new(2);

/// A content with its bytes in memory, read from its file if it is a long one; none if that is gone.
pub(crate) async fn load(content: Content) -> Option<Content> {
    if content.stored.is_none() {
        return Some(content);
    }
    let _permit = READING.acquire().await.ok()?;
    let loaded = tokio::task::spawn_blocking(move || content.loaded()).await.ok()?;
    loaded.inspect_err(|_| tracing::error!("a content cannot be read")).ok()
}
