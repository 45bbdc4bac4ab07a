//! The unsettled messages to one peer.

use std::collections::BTreeMap;

use super::effect::Ticket;
use crate::crypto::PublicKey;
use crate::delivery::status::Status;
use crate::id::{MessageId, StreamId};
use crate::limits::{MAX_WINDOW_BYTES, MAX_WINDOW_MESSAGES};
use crate::message::Message;
use crate::time::Timestamp;

/// Where a message is.
#[derive(Debug)]
pub(super) enum Place {
    /// Being written for the first time; its body stays if the window has a place for it.
    Accepting(Option<Box<Message>>),
    /// On disk only.
    OnDisk,
    /// Asked for.
    Loading,
    /// To be handed over once its mark *may have been sent* is on disk.
    Marking(Box<Message>),
    /// To be handed to the link once all before it are.
    Ready(Box<Message>),
    /// With the link.
    Handed,
}

/// Why it is to be settled as soon as it is known whether it may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Expire,
    Cancel,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: MessageId,
    pub(super) len: usize,
    pub(super) expires: Timestamp,
    pub(super) may_be_sent: bool,
    /// Whether its mark is being written.
    pub(super) marking: bool,
    /// Whether it, and all after it, wait for its content to arrive ahead of it.
    pub(super) held: bool,
    pub(super) place: Place,
    pub(super) wanted: Option<Wanted>,
    /// What is known now, while the disk does not say so yet.
    pub(super) settled: Option<Status>,
}

/// Whether the stream is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamState {
    Saved,
    /// Each transaction with an accept writes it, until one is written.
    New,
    /// It takes the place of another one; nothing is handed over before it is written.
    Changing,
    /// The receiver refuses it, and it is not time for another one yet: nothing is handed over.
    Over,
}

/// The messages to one peer. Those below `edge` are in the window, if the queue is attached.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) peer: PublicKey,
    pub(super) stream: StreamId,
    pub(super) stream_state: StreamState,
    /// Streams in a row in which the receiver refused what it was sent.
    pub(super) refused_streams: u32,
    /// The transaction that last wrote it.
    pub(super) stream_in: Option<u64>,
    /// Whether the disk knows a stream to this peer, be it another one. No message is accepted without.
    pub(super) stream_known: bool,
    pub(super) next: u64,
    /// Whether anything was ever accepted for this peer, in this run or an earlier one.
    pub(super) used: bool,
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) bytes: u64,
    /// Whether its link takes messages.
    pub(super) attached: bool,
    pub(super) edge: u64,
    pub(super) window_len: usize,
    pub(super) window_bytes: usize,
    /// All below are handed over or gone.
    pub(super) hand_from: u64,
    pub(super) load: Option<Ticket>,
    /// Whether the budget of all windows kept it from loading.
    pub(super) starved: bool,
    /// The held message whose content its owner was told to send.
    pub(super) ahead: Option<u64>,
}

impl Queue {
    pub(super) const fn new(peer: PublicKey, stream: StreamId, state: StreamState) -> Self {
        Self {
            peer,
            stream,
            stream_state: state,
            refused_streams: 0,
            stream_in: None,
            stream_known: false,
            next: 0,
            used: false,
            entries: BTreeMap::new(),
            bytes: 0,
            attached: false,
            edge: 0,
            window_len: 0,
            window_bytes: 0,
            hand_from: 0,
            load: None,
            starved: false,
            ahead: None,
        }
    }

    /// Whether the window has a place for a body of `len` bytes.
    pub(super) const fn has_room(&self, len: usize) -> bool {
        let fits = self.window_bytes.saturating_add(len) <= MAX_WINDOW_BYTES;
        self.window_len < MAX_WINDOW_MESSAGES && (fits || self.window_len == 0)
    }

    /// Whether all that wait are in the window.
    pub(super) fn is_all_in_window(&self) -> bool {
        self.entries.last_key_value().is_none_or(|(number, _)| *number < self.edge)
    }

    /// The held message at the edge of the window, if the disk has it and nobody was told yet.
    pub(super) fn next_ahead(&mut self) -> Option<MessageId> {
        let (number, entry) = self.entries.range(self.edge..).next()?;
        let waits = entry.held && entry.settled.is_none() && matches!(entry.place, Place::OnDisk);
        if !self.attached || !waits || self.ahead == Some(*number) {
            return None;
        }
        self.ahead = Some(*number);
        Some(entry.id)
    }

    /// Whether it is worth asking the disk for more: not for every single message that is settled.
    pub(super) const fn has_gap(&self) -> bool {
        self.window_len <= MAX_WINDOW_MESSAGES / 2 && self.window_bytes <= MAX_WINDOW_BYTES / 2
    }

    /// Empties the window; returns the bytes that were in it, and the messages that are with the link.
    pub(super) fn rewind(&mut self) -> (usize, Vec<MessageId>) {
        let mut handed = Vec::new();
        for entry in self.entries.range_mut(..self.edge).map(|(_, entry)| entry) {
            match &mut entry.place {
                Place::Accepting(body) => *body = None,
                Place::Handed => {
                    handed.push(entry.id);
                    entry.place = Place::OnDisk;
                }
                Place::Loading | Place::Marking(_) | Place::Ready(_) => {
                    entry.place = Place::OnDisk;
                }
                Place::OnDisk => {}
            }
        }
        self.load = None;
        self.ahead = None;
        self.window_len = 0;
        self.edge = self.entries.first_key_value().map_or(self.next, |(number, _)| *number);
        self.hand_from = self.edge;
        (std::mem::take(&mut self.window_bytes), handed)
    }

    /// Takes a message out; returns it, and whether it was in the window.
    pub(super) fn remove(&mut self, number: u64) -> Option<(Entry, bool)> {
        let entry = self.entries.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(entry.len as u64);
        let in_window = self.attached && number < self.edge;
        if in_window {
            self.window_len = self.window_len.saturating_sub(1);
            self.window_bytes = self.window_bytes.saturating_sub(entry.len);
        }
        Some((entry, in_window))
    }
}
