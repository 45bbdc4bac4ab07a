//! Everything about every ordered message of a simulation, and what must be true of it at any time.

use std::collections::{BTreeMap, BTreeSet};

use peer_protocol::delivery::Status;
use peer_protocol::id::MessageId;
use peer_protocol::message::ReceiptStatus;

/// What may become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, sooner or later.
    Arrives,
    /// It may run out of time, or be cancelled.
    MayEnd,
    /// Its receiver refuses it for good.
    Refused,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The node that sent it.
    pub from: usize,
    /// The node it is for.
    pub to: usize,
    /// Its place among all that the one sent the other.
    pub place: u64,
    /// What may become of it.
    pub fate: Fate,
    /// Whether it may run out of time, or be cancelled.
    pub may_end: bool,
    /// Whether it is on its sender's disk, or was.
    pub accepted: bool,
    /// Whether its sender was told that it is not accepted.
    pub rejected: bool,
    /// Whether it was given to a link.
    pub handed: bool,
    /// Its inbox number at the receiver, once it is on disk there.
    pub arrived: Option<u64>,
    /// Whether the application has written down that it took it.
    pub acknowledged: bool,
    /// Whether the receiver's disk knows that.
    pub taken: bool,
    /// What its sender was told last.
    pub told: Option<Status>,
    /// Whether its sender has lost what it knew of it, in a crash or with its disk.
    pub forgotten: bool,
}

/// All messages.
#[derive(Debug, Default)]
pub struct Book {
    letters: BTreeMap<MessageId, Letter>,
    places: u64,
    /// The place of the last message that arrived, by sender and receiver.
    last: BTreeMap<(usize, usize), u64>,
    applied: BTreeSet<MessageId>,
}

impl Book {
    pub(super) fn sent(&mut self, id: MessageId, from: usize, to: usize, fate: Fate) {
        self.places += 1;
        let letter = Letter {
            from,
            to,
            place: self.places,
            fate,
            may_end: fate == Fate::MayEnd,
            accepted: false,
            rejected: false,
            handed: false,
            arrived: None,
            acknowledged: false,
            taken: false,
            told: None,
            forgotten: false,
        };
        assert!(self.letters.insert(id, letter).is_none(), "{id} was sent before");
    }

    /// All messages, with their ids.
    pub fn letters(&self) -> impl Iterator<Item = (&MessageId, &Letter)> {
        self.letters.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&Letter> {
        self.letters.get(&id)
    }

    fn of(&mut self, id: MessageId) -> &mut Letter {
        self.letters.get_mut(&id).unwrap_or_else(|| panic!("nobody sent {id}"))
    }

    pub(super) fn may_end(&mut self, id: MessageId) {
        self.of(id).may_end = true;
    }

    /// It is on its sender's disk.
    pub(super) fn accepted(&mut self, id: MessageId) {
        self.of(id).accepted = true;
    }

    pub(super) fn rejected(&mut self, id: MessageId) {
        let letter = self.of(id);
        assert!(!letter.accepted, "{id} is on disk, and its sender is told that it is not");
        letter.rejected = true;
    }

    /// Its sender's disk went back to a time before it.
    pub(super) fn forget(&mut self, node: usize) {
        for letter in self.letters.values_mut().filter(|letter| letter.from == node) {
            letter.forgotten = true;
            letter.told = None;
        }
    }

    /// Node `node` has crashed: what was not on its disk is gone, and its sender was told nothing.
    pub(super) fn crashed(&mut self, node: usize) {
        for letter in self.letters.values_mut() {
            letter.forgotten |= letter.from == node && !letter.accepted;
        }
    }

    /// Its sender's disk knows it after all.
    pub(super) fn remembered(&mut self, id: MessageId) {
        let letter = self.of(id);
        letter.forgotten = false;
        letter.accepted = true;
    }

    pub(super) fn handed(&mut self, id: MessageId) {
        let letter = self.of(id);
        assert!(letter.accepted, "{id} is sent, but not on disk");
        letter.handed = true;
    }

    /// It is on its receiver's disk.
    pub(super) fn arrived(&mut self, id: MessageId, at: usize, inbox: u64) {
        let letter = self.of(id).clone();
        assert_eq!(letter.to, at, "{id} went astray");
        assert!(self.applied.insert(id), "{id} arrived twice");
        assert_ne!(letter.fate, Fate::Refused, "{id} is refused, and arrived");
        assert!(letter.handed, "{id} arrived, but was never sent");
        // What its sender has forgotten has no place among what it sends now.
        if !letter.forgotten {
            let last = self.last.entry((letter.from, letter.to)).or_default();
            assert!(letter.place > *last, "{id} arrived after one that was sent later");
            *last = letter.place;
        }
        self.of(id).arrived = Some(inbox);
    }

    /// It is given to the application.
    pub(super) fn offered(&mut self, id: MessageId, at: usize, inbox: u64) {
        let letter = self.of(id);
        assert_eq!(letter.to, at, "{id} went astray");
        assert_eq!(letter.arrived, Some(inbox), "{id} has another number on disk");
        assert!(!letter.taken, "{id} is handed over again although it was taken");
    }

    /// The application has written down that it took it; returns whether it had before.
    pub(super) fn acknowledged(&mut self, id: MessageId) -> bool {
        std::mem::replace(&mut self.of(id).acknowledged, true)
    }

    /// Its receiver's disk knows that it was taken.
    pub(super) fn taken(&mut self, id: MessageId) {
        let letter = self.of(id);
        assert!(letter.acknowledged, "{id} is taken, but no application took it");
        letter.taken = true;
    }

    /// A receipt came to `node`.
    pub(super) fn receipt(&mut self, id: MessageId, node: usize, status: ReceiptStatus) {
        let letter = self.of(id);
        assert_eq!(letter.from, node, "{id} is acknowledged to a stranger");
        match status {
            ReceiptStatus::Received => panic!("{id} is ordered; `received` says nothing"),
            ReceiptStatus::Delivered => {
                assert!(letter.arrived.is_some(), "{id} is not on disk, but acknowledged");
            }
            ReceiptStatus::Processed => {
                assert!(letter.taken, "{id} is not taken, but its sender is told so");
            }
        }
    }

    /// Its sender is told what became of it.
    pub(super) fn told(&mut self, id: MessageId, status: &Status) {
        let letter = self.of(id);
        assert!(letter.accepted, "{id} is not on disk, and its sender is told {status:?}");
        assert!(!letter.rejected, "{id} was not accepted, and its sender is told {status:?}");
        if let Some(before) = &letter.told {
            let forward = before == status || before.may_become(status);
            assert!(forward, "{id} was {before:?}, and is {status:?}");
        }
        self.check(id, status);
        self.of(id).told = Some(status.clone());
    }

    /// Whether what is said of a message is so.
    pub(super) fn check(&self, id: MessageId, status: &Status) {
        let letter = &self.letters[&id];
        let why = |true_now: bool| assert!(true_now, "{id} is said to be {status:?}: {letter:?}");
        match status {
            Status::Queued => {}
            Status::Sent => why(letter.accepted),
            Status::Delivered => why(letter.arrived.is_some()),
            Status::Processed => why(letter.taken),
            Status::Expired | Status::Cancelled => {
                why(!letter.handed && letter.arrived.is_none() && letter.may_end);
            }
            Status::Unknown => why(letter.may_end),
            Status::Failed { .. } => why(letter.fate == Fate::Refused && letter.arrived.is_none()),
        }
    }

    /// Whether all that is to come has come.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.open().next().is_none()
    }

    /// The messages of which more is to come.
    pub(super) fn open(&self) -> impl Iterator<Item = (&MessageId, &Letter)> {
        self.letters.iter().filter(|(_, letter)| {
            let told = letter.told.as_ref().is_some_and(Status::is_settled);
            let expected = !letter.rejected && !letter.forgotten;
            (expected && !told) || (letter.arrived.is_some() && !letter.taken)
        })
    }

    /// What must be true in the end, when everything had its time.
    ///
    /// # Panics
    /// If it is not.
    pub fn check_end(&self) {
        for (id, letter) in &self.letters {
            let must = letter.fate == Fate::Arrives && !letter.may_end;
            if letter.accepted && !letter.forgotten && must {
                assert!(letter.arrived.is_some(), "{id} is lost: {letter:?}");
                assert!(letter.taken, "{id} was not taken: {letter:?}");
                let told = matches!(letter.told, Some(Status::Delivered | Status::Processed));
                assert!(told, "{id} arrived, and its sender does not know: {letter:?}");
            }
            assert!(letter.arrived.is_none() || letter.taken, "{id} was not taken: {letter:?}");
            if letter.rejected {
                assert!(letter.arrived.is_none(), "{id} was not accepted, and arrived");
            }
        }
    }
}
