//! Contents of messages that are too large for one (§9.4).
//!
//! The outbox calls [`Transfers::send_content`], and sends the message once [`Output::ContentSent`] says
//! that the receiver has the content. The inbox asks [`Transfers::content`] before it takes the message,
//! reads the file that is named, and calls [`Transfers::drop_content`] when the message was taken.

use std::path::PathBuf;

use bytes::Bytes;
use libp2p::PeerId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::id::TransferId;
use peer_protocol::identity::EntityId;
use peer_protocol::message::{Offer, Purpose};

use super::error::TransferFailure;
use super::intake::MAX_CONTENT;
use super::row::{Key, Source, Stage};
use super::service::{Transfers, blocking};

#[cfg(doc)]
use super::service::Output;

/// A content that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Where it lies until it is dropped.
    pub(crate) path: PathBuf,
    /// Bytes in it.
    pub(crate) size: u64,
    /// Its media type, as its sender says.
    pub(crate) content_type: String,
}

impl Transfers {
    /// Sends a content ahead of its message. Returns its transfer once all of that is on disk; what
    /// becomes of it follows as [`Output::ContentSent`], also after a restart.
    ///
    /// # Errors
    /// [`TransferFailure`] if it cannot be kept.
    pub(crate) async fn send_content(
        &self,
        peer: PeerId,
        entity: EntityId,
        content: Bytes,
        content_type: String,
    ) -> Result<TransferId, TransferFailure> {
        let spool = self.shared.places().ok_or(TransferFailure::Off)?.spool();
        let size = content.len() as u64;
        let path = spool.join(TransferId::random(&mut rand::rng()).to_string());
        if size > MAX_CONTENT {
            return Err(TransferFailure::TooLarge { path, size });
        }
        let (source, digest) = blocking(move || {
            crate::private_file::create(&path, &content)?;
            let mut hash = peer_protocol::crypto::Blake3::new();
            hash.update(&content);
            Ok(Source::look(&path, true).map(|source| (source, hash.finish())))
        })
        .await??;
        let purpose = Purpose::Content;
        let offer = Offer { name: None, digest, purpose, content_type };
        self.begin(peer, entity, source, offer, true).await
    }

    /// The content that came from the holder of `peer` as transfer `id`, if it is there.
    pub(crate) fn content(&self, peer: &PublicKey, id: TransferId) -> Option<Taken> {
        let row = self.shared.kept_row(&Key::incoming(*peer.as_bytes(), id))?;
        let usable = row.stage == Stage::Complete && row.offer.purpose == Purpose::Content;
        let path = row.path.filter(|_| usable && !row.announced)?;
        Some(Taken { path, size: row.total, content_type: row.offer.content_type })
    }

    /// A content was taken, and is on disk elsewhere: it is deleted. That it came is remembered.
    pub(crate) async fn drop_content(&self, peer: &PublicKey, id: TransferId) {
        let key = Key::incoming(*peer.as_bytes(), id);
        if self.content(peer, id).is_some() {
            self.shared.drop_kept(&key).await;
        }
    }
}
