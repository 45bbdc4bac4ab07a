//! Contents of messages that are too long for one (§9.4). Their transfers have the ids of their messages.
//!
//! The sender [spools](Transfers::spool_content) a content before its message is accepted,
//! [begins](Transfers::begin_content) it when it is the message's turn, sends the message once
//! [`Output::ContentSent`] says that the receiver has it, and is [done](Transfers::end_content) with it when
//! the message is settled. The receiver [claims](Transfers::claim) a content in the transaction that stores
//! its message, and [takes](Transfers::taken) it in the one that notes that the message was taken.

use std::path::PathBuf;
use std::time::Duration;

use peer_behaviours::secure;
use peer_protocol::crypto::{Blake3, PublicKey};
use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::identity::EntityId;
use peer_protocol::message::{Offer, Purpose};

use super::doubts::Doubt;
use super::error::TransferFailure;
use super::intake::MAX_CONTENT;
use super::ledger::write_of;
use super::row::{IncomingRow, Key, Row, Source, Stage};
use super::service::{Transfers, blocking};
use crate::model::StoredContent;
use crate::store::TransferWrite;

#[cfg(doc)]
use super::service::Output;

/// The transfer that brings the content of a message.
pub(crate) fn transfer_of(id: MessageId) -> Option<TransferId> {
    TransferId::from_bytes(*id.as_bytes())
}

fn outgoing(peer: &PublicKey, id: MessageId) -> Option<Key> {
    transfer_of(id).map(|id| Key::outgoing(*peer.as_bytes(), id))
}

fn incoming(peer: &PublicKey, id: MessageId) -> Option<Key> {
    transfer_of(id).map(|id| Key::incoming(*peer.as_bytes(), id))
}

/// What is sent.
impl Transfers {
    /// Puts the content of a message on disk, from where it is sent.
    ///
    /// # Errors
    /// [`TransferFailure`] if it cannot be kept; then nothing of it is.
    pub(crate) async fn spool_content(
        &self,
        peer: &PublicKey,
        entity: EntityId,
        id: MessageId,
        content: Vec<u8>,
        content_type: String,
    ) -> Result<(), TransferFailure> {
        let spool = self.shared.places().ok_or(TransferFailure::Off)?.spool();
        let (path, size) = (spool.join(id.to_string()), content.len() as u64);
        if size > MAX_CONTENT {
            return Err(TransferFailure::TooLarge { path, size });
        }
        let unusable = || TransferFailure::Full { detail: "its id is none".to_owned() };
        let key = outgoing(peer, id).ok_or_else(unusable)?;
        self.shared.contents().reserve(key, size)?;
        let reserve = self.shared.config.reserve;
        let written = blocking(move || {
            if !super::part::has_room(&spool, size, reserve)? {
                let detail = "the disk has no room for it".to_owned();
                return Ok(Err(TransferFailure::Full { detail }));
            }
            crate::private_file::create(&path, &content)?;
            let mut hash = Blake3::new();
            hash.update(&content);
            Ok(Source::look(&path, None, true).map(|source| (source, hash.finish())))
        });
        let kept = async {
            let (source, digest) = written.await??;
            let offer = Offer { name: None, digest, purpose: Purpose::Content, content_type };
            let row = self.new_row(key.id, peer, entity, source, offer);
            self.keep_row(&row).await.map(|()| row)
        };
        match kept.await {
            Ok(row) => {
                self.shared.contents().kept(row);
                Ok(())
            }
            Err(failure) => {
                // A file that is left is found at the next start.
                self.shared.contents().remove(&key);
                Err(failure)
            }
        }
    }

    /// Sends the content of a message, unless it is on its way. Returns whether there is one.
    pub(crate) fn begin_content(&self, peer: &PublicKey, id: MessageId) -> bool {
        let (Some(key), Some(to)) = (outgoing(peer, id), secure::peer_id_of(peer)) else {
            return false;
        };
        let now = self.shared.clock.now().instant;
        let mut contents = self.shared.contents();
        let row = contents.begin(&key, now);
        let known = contents.is_kept(&key);
        drop(contents);
        if let Some(row) = row {
            self.shared.start_sending(to, row);
        }
        known
    }

    /// The receiver of a message does not have its content: whether it is to be sent anew, and after which
    /// pause.
    pub(crate) fn content_again(&self, peer: &PublicKey, id: MessageId) -> Option<Duration> {
        let now = self.shared.clock.now().instant;
        self.shared.contents().again(&outgoing(peer, id)?, now)
    }

    /// A message is settled; `arrived` says whether its receiver has it. Its content is deleted.
    pub(crate) fn end_content(&self, peer: &PublicKey, id: MessageId, arrived: bool) {
        let Some(key) = outgoing(peer, id) else { return };
        let removed = self.shared.contents().remove(&key);
        let Some((row, running)) = removed else { return };
        if running {
            // Its task cleans up.
            return self.shared.cancel_sender(&key);
        }
        let Some(row) = row else { return };
        let shared = self.shared.clone();
        let withdrawn = !arrived && row.stage == Stage::Complete;
        self.shared.spawn(async move {
            shared.drop_content(&row).await;
            if withdrawn {
                shared.withdraw_content(&row).await;
            }
        });
    }

    /// A message that is kept has a content of its own, which lies here.
    pub(crate) fn spooled(&self, peer: &PublicKey, id: MessageId) -> Option<StoredContent> {
        let contents = self.shared.contents();
        let source = &contents.row(&outgoing(peer, id)?)?.source;
        Some(StoredContent { path: source.path.clone(), size: source.size })
    }

    /// How much of a content has arrived, in percent.
    pub(crate) fn content_percent(&self, peer: &PublicKey, id: MessageId) -> Option<u8> {
        let now = self.shared.clock.now().instant;
        let line = self.shared.book.one(&outgoing(peer, id)?, now)?;
        u8::try_from(line.done.saturating_mul(100) / line.size.max(1)).ok()
    }

    /// Contents of an earlier run: their receivers, their messages, and how they stand.
    pub(crate) fn spooled_contents(&self) -> Vec<(PublicKey, MessageId, Stage)> {
        let contents = self.shared.contents();
        let of = |row: &super::row::OutgoingRow| {
            let peer = PublicKey::from_bytes(&row.peer).ok()?;
            let id = MessageId::from_bytes(*row.id.as_bytes())?;
            Some((peer, id, row.stage.clone()))
        };
        contents.rows().filter_map(of).collect()
    }
}

/// What comes in.
impl Transfers {
    /// The content of a message of the holder of `peer`, if it is here.
    pub(crate) fn content(&self, peer: &PublicKey, id: MessageId) -> Option<StoredContent> {
        let row = self.shared.kept_row(&incoming(peer, id)?).filter(is_content)?;
        let path: PathBuf = row.path?;
        Some(StoredContent { path, size: row.total })
    }

    /// Keeps the content of a message that is being stored; returns what is to be written with it. None if
    /// it has none, or that was kept before for certain.
    pub(crate) fn claim(&self, peer: &PublicKey, id: MessageId) -> Option<TransferWrite> {
        let key = incoming(peer, id)?;
        let row = self.shared.kept_row(&key).filter(is_content)?;
        let doubtful = self.shared.doubts().contains(&key);
        if row.claimed && !doubtful {
            return None;
        }
        let claimed = IncomingRow { claimed: true, ..row };
        let write = write_of(&Row::Incoming(claimed)).ok()?;
        self.shared.change_kept(&key, |row| row.claimed = true)?;
        if doubtful {
            self.shared.doubts().write(key);
        }
        Some(write)
    }

    /// A message is on disk, and its claim with it.
    pub(crate) fn claimed(&self, peer: &PublicKey, id: MessageId) {
        if let Some(key) = incoming(peer, id) {
            self.shared.doubts().remove(&key);
            self.shared.change_kept(&key, |row| row.claimed = true);
        }
    }

    /// The message of a content that was claimed was not stored. A claim that was doubtful before stays that.
    pub(crate) fn unclaim(&self, peer: &PublicKey, id: MessageId) {
        let Some(key) = incoming(peer, id) else { return };
        if self.shared.doubts().contains(&key) {
            return self.shared.doubts().arise(key);
        }
        self.shared.change_kept(&key, |row| row.claimed = false);
    }

    /// Nobody knows whether the message of a content that was claimed is on disk.
    pub(crate) fn doubt(&self, peer: &PublicKey, id: MessageId) {
        if let Some(key) = incoming(peer, id)
            && self.shared.kept_row(&key).is_some_and(|row| row.claimed)
        {
            self.shared.doubts().arise(key);
        }
    }

    /// The claims of which the disk is to say whether they are on it.
    pub(crate) fn doubts(&self) -> Vec<Doubt> {
        self.shared.doubts().all()
    }

    /// What the disk says of a claim.
    pub(crate) fn resolve(&self, doubt: &Doubt, claimed: bool) {
        let ended = self.shared.doubts().end(doubt);
        if ended && !claimed {
            self.shared.change_kept(&doubt.key, |row| row.claimed = false);
        }
    }

    /// What is to be written when a message is taken, if it has a content.
    pub(crate) fn taking(&self, peer: &PublicKey, id: MessageId) -> Option<TransferWrite> {
        let row = self.shared.kept_row(&incoming(peer, id)?).filter(is_content)?;
        write_of(&Row::Incoming(IncomingRow { announced: true, ..row })).ok()
    }

    /// It is on disk that a message was taken: its content is deleted. That it came is remembered.
    pub(crate) fn taken(&self, peer: &PublicKey, id: MessageId) {
        let Some(key) = incoming(peer, id) else { return };
        if self.shared.kept_row(&key).filter(is_content).is_some() {
            let shared = self.shared.clone();
            self.shared.spawn(async move {
                shared.drop_kept(&key).await;
            });
        }
    }

    /// A message whose content came is not stored, and never will be.
    pub(crate) fn withdrawn_message(&self, peer: &PublicKey, id: MessageId) {
        if let Some(transfer) = transfer_of(id) {
            self.withdrawn(peer, transfer);
        }
    }

    /// A sender withdrew a content. One whose message is here stays.
    pub(crate) fn withdrawn(&self, peer: &PublicKey, transfer: TransferId) {
        let key = Key::incoming(*peer.as_bytes(), transfer);
        let row = self.shared.kept_row(&key).filter(is_content);
        if row.is_some_and(|row| !row.claimed) {
            let shared = self.shared.clone();
            self.shared.spawn(async move { shared.forget_content(&key).await });
        }
    }
}

fn is_content(row: &IncomingRow) -> bool {
    row.stage == Stage::Complete && row.offer.purpose == Purpose::Content && !row.announced
}

#[cfg(test)]
impl Transfers {
    /// Spools a content and sends it at once.
    pub(in crate::transfer) async fn send_content(
        &self,
        peer: libp2p::PeerId,
        entity: EntityId,
        content: Vec<u8>,
    ) -> Result<MessageId, TransferFailure> {
        let (key, id) = (secure::key_of(&peer).unwrap(), MessageId::random(&mut rand::rng()));
        self.spool_content(&key, entity, id, content, "text/html".to_owned()).await?;
        assert!(self.begin_content(&key, id));
        Ok(id)
    }
}
