//! Writes about this entity's own messages.

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Outgoing, Status};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::message::MessageKind;
use peer_protocol::time::Timestamp;
use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::apply::{Delivery, Written};
use super::rows::{Head, Sent};
use super::tables::{Numbered, numbered, parts};
use crate::store::error::Failed;

/// Most unanswered tasks that are remembered; of others the records tell whether there was such a task.
pub(super) const MAX_ASKED: u64 = 200_000;

impl Delivery<'_> {
    pub(super) fn begin_stream(
        &mut self,
        peer: &PublicKey,
        stream: StreamId,
    ) -> Result<(), Failed> {
        self.stream(peer.as_bytes())?.stream = Some(stream);
        Ok(())
    }

    pub(super) fn accept(&mut self, outgoing: &Outgoing) -> Result<Written, Failed> {
        let Outgoing { peer, number, message, created, expires, may_be_sent } = outgoing;
        let key = numbered(peer.as_bytes(), *number);
        let head = Head::of(message);
        if self.sent.get(&key)?.is_some() || self.sent_ids.get(head.id.as_bytes())?.is_some() {
            return Ok(Written::Stale);
        }
        let len = head.len;
        self.sent_ids.insert(head.id.as_bytes(), &key)?;
        self.out_bodies.insert(&key, message.body.as_ref())?;
        let row = Sent {
            head,
            created: *created,
            expires: *expires,
            status: if *may_be_sent { Status::Sent } else { Status::Queued },
            may_be_sent: *may_be_sent,
            sent: None,
            ended: None,
            delivered: None,
            processed: None,
        };
        self.sent.insert(&key, row.encode().as_slice())?;
        let stream = self.stream(peer.as_bytes())?;
        stream.next = stream.next.max(number.saturating_add(1));
        stream.waiting.add(len);
        if message.kind == MessageKind::Task && self.asked.len()? < MAX_ASKED {
            self.asked.insert(message.id.as_bytes(), peer.as_bytes())?;
        }
        if let (MessageKind::TaskResult, Some(task)) = (message.kind, &message.in_reply_to) {
            self.answered(peer, task)?;
        }
        self.accepted.push(key);
        self.names(*created);
        Ok(Written::Done)
    }

    pub(super) fn may_send(&mut self, peer: &PublicKey, numbers: &[u64]) -> Result<(), Failed> {
        for number in numbers {
            let key = numbered(peer.as_bytes(), *number);
            let Some(mut row) = self.sent_row(&key)? else { continue };
            if row.status == Status::Queued {
                row.status = Status::Sent;
                row.may_be_sent = true;
                self.sent.insert(&key, row.encode().as_slice())?;
            }
        }
        Ok(())
    }

    pub(super) fn became(
        &mut self,
        peer: &PublicKey,
        number: u64,
        id: MessageId,
        status: &Status,
        at: Timestamp,
    ) -> Result<(), Failed> {
        self.names(at);
        let mut key = numbered(peer.as_bytes(), number);
        let mut row = self.sent_row(&key)?.filter(|row| row.head.id == id);
        if row.is_none() {
            // A receipt that comes when the message is settled long since names nothing but its id.
            let Some(known) = self.sent_ids.get(id.as_bytes())?.map(|key| *key.value()) else {
                return Ok(());
            };
            if parts(&known).0 != *peer.as_bytes() {
                return Ok(());
            }
            key = known;
            row = self.sent_row(&key)?;
        }
        let Some(mut row) = row else { return Ok(()) };
        let was_settled = row.status.is_settled();
        if !row.become_status(status.clone(), at) {
            return Ok(());
        }
        self.sent.insert(&key, row.encode().as_slice())?;
        if row.status.is_settled() && !was_settled {
            self.out_bodies.remove(&key)?;
            self.stream(peer.as_bytes())?.waiting.subtract(row.head.len);
            self.settle_sent(&key)?;
        }
        Ok(())
    }

    /// Forgets a message of which its caller was told that it was not accepted.
    pub(super) fn forget_accepted(&mut self, key: &Numbered) -> Result<(), Failed> {
        if self.out_bodies.remove(key)?.is_none() {
            return Ok(());
        }
        let Some(row) = self.sent_row(key)? else { return Ok(()) };
        self.sent.remove(key)?;
        self.sent_ids.remove(row.head.id.as_bytes())?;
        self.stream(&parts(key).0)?.waiting.subtract(row.head.len);
        Ok(())
    }

    pub(super) fn sent_row(&self, key: &Numbered) -> Result<Option<Sent>, Failed> {
        match self.sent.get(key)? {
            Some(row) => Ok(Some(Sent::decode(row.value())?)),
            None => Ok(None),
        }
    }
}
