//! What a node does around its links: outbox, disk, inbox and application.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{
    Arrival, Effect, NotAccepted, Outbox, Outgoing, Resume, Status, Ticket, Write,
};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::MessageId;
use peer_protocol::link::Event;
use peer_protocol::message::{Message, ReceiptStatus};
use peer_protocol::time::{Instant, Now, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::disk::{Disk, Pending};
use super::shelves::transfer_of;
use super::{Book, Fate, Faults, Shelves};
use crate::people::identity;
use crate::simulation::Chance;

/// Most messages of one commit.
const GROUP: usize = 64;

/// Something for the link with a node.
#[derive(Debug)]
pub(crate) enum Call {
    Hand(Vec<Message>),
    Withdraw(Vec<MessageId>),
    Stored(Vec<MessageId>),
    NotStored(Vec<MessageId>),
    Processed(Vec<MessageId>),
    Resume(Resume),
}

/// What waits for the disk.
#[derive(Debug)]
enum Job {
    Outbox(Ticket, Vec<Write>),
    Arrive(usize, Box<Arrival>),
    Take(Vec<(PublicKey, MessageId)>, Timestamp),
    Told(PublicKey, Vec<MessageId>),
}

impl Job {
    fn writes(&self) -> Vec<Write> {
        match self {
            Self::Outbox(_, writes) => writes.clone(),
            Self::Arrive(_, arrival) => vec![Write::Arrive(Arrival::clone(arrival))],
            Self::Take(messages, at) => {
                vec![Write::Take { messages: messages.clone(), at: *at }]
            }
            Self::Told(peer, messages) => {
                vec![Write::Told { peer: *peer, messages: messages.clone() }]
            }
        }
    }
}

/// What the disk says of a job.
#[derive(Debug)]
enum Report {
    Outbox(Ticket, bool),
    Arrive(usize, MessageId, bool),
    Take(Vec<(PublicKey, MessageId)>, bool),
}

/// What happens at its time.
#[derive(Debug)]
enum Timed {
    Commits,
    Reports(Vec<Report>),
    Loaded(Ticket, Option<Vec<Outgoing>>),
    Recalled(PublicKey, Vec<(u64, MessageId, Status)>, ReceiptStatus),
    Resumed(usize, Resume),
    Acts,
    Acknowledges(Pending),
    Hands(usize, Message),
    Takes(Vec<(PublicKey, MessageId)>),
    /// More of a content has arrived, or the whole.
    Brings(MessageId),
    /// Its sender was told that it has.
    Brought(MessageId),
}

/// A content at its sender, as its disk has it.
#[derive(Debug, Clone, Copy)]
struct Content {
    to: usize,
    /// Whether the receiver said that it has it.
    sent: bool,
    tries: u32,
}

/// One node's delivery.
pub struct Station {
    node: usize,
    faults: Faults,
    chance: Chance,
    disk: Box<dyn Disk>,
    outbox: Outbox,
    /// Nothing can be written at the moment.
    pub full: bool,
    /// Commits that fail, in thousandths.
    pub flaky: usize,
    jobs: VecDeque<Job>,
    committing: Vec<Job>,
    schedule: BTreeMap<(Instant, u64), Timed>,
    next: u64,
    /// When the disk last reports.
    reported: Instant,
    /// Links that were told what is on disk, or will be.
    resuming: BTreeSet<usize>,
    /// Waits for the application, and is not with it.
    inbox: BTreeMap<u64, Pending>,
    acting: bool,
    /// Contents of messages that are not settled; on disk before their messages.
    contents: BTreeMap<MessageId, Content>,
    /// Where contents go.
    pub shelves: Arc<Shelves>,
    /// Contents that are on their way.
    bringing: BTreeSet<MessageId>,
    pub(crate) calls: VecDeque<(usize, Call)>,
    /// Commits so far.
    pub commits: u64,
}

fn number_of(key: &PublicKey, count: usize) -> usize {
    (0..count)
        .find(|number| identity(*number).public_key() == key)
        .unwrap_or_else(|| panic!("a message to nobody"))
}

impl Station {
    /// The station of `node` on an empty disk.
    #[must_use]
    pub fn new(node: usize, disk: Box<dyn Disk>, faults: Faults, mut chance: Chance) -> Self {
        let rng = Box::new(StdRng::seed_from_u64(chance.below(1 << 30) as u64));
        Self {
            node,
            faults,
            disk,
            outbox: Outbox::new(Vec::new(), rng, Timestamp::default()),
            full: false,
            flaky: 0,
            jobs: VecDeque::new(),
            committing: Vec::new(),
            schedule: BTreeMap::new(),
            next: 0,
            reported: Instant::default(),
            resuming: BTreeSet::new(),
            inbox: BTreeMap::new(),
            acting: false,
            contents: BTreeMap::new(),
            shelves: Arc::default(),
            bringing: BTreeSet::new(),
            calls: VecDeque::new(),
            commits: 0,
            chance,
        }
    }

    /// Accepts a message to node `to`.
    ///
    /// # Errors
    /// [`NotAccepted`] if the outbox does not take it.
    pub fn accept(
        &mut self,
        to: usize,
        message: Message,
        ttl: Duration,
        fate: Fate,
        now: Now,
        book: &mut Book,
    ) -> Result<(), NotAccepted> {
        let id = message.id;
        let peer = *identity(to).public_key();
        if transfer_of(&message).is_some() {
            if self.faults.forgets_holds {
                self.outbox.accept(peer, message, ttl, now)?;
            } else {
                self.outbox.accept_held(peer, message, ttl, now)?;
            }
            self.contents.insert(id, Content { to, sent: false, tries: 0 });
        } else {
            self.outbox.accept(peer, message, ttl, now)?;
        }
        book.sent(id, self.node, to, fate);
        if self.faults.accepts_early {
            book.accepted(id);
            book.told(id, &Status::Queued);
        }
        Ok(())
    }

    /// Cancels a message.
    pub fn cancel(&mut self, id: MessageId, now: Now, book: &mut Book) {
        if self.outbox.cancel(id, now) {
            book.may_end(id);
        }
    }

    /// All that waits may run out of time: the clock has jumped.
    pub fn may_all_end(&self, book: &mut Book) {
        let unsettled: Vec<_> = book
            .letters()
            .filter(|(_, letter)| letter.from == self.node)
            .map(|(id, _)| *id)
            .collect();
        for id in unsettled {
            book.may_end(id);
        }
    }

    /// The link with node `peer` takes messages.
    pub fn attach(&mut self, peer: usize) {
        self.outbox.attach(*identity(peer).public_key());
    }

    /// The link with node `peer` takes none.
    pub fn detach(&mut self, peer: usize) {
        self.outbox.detach(identity(peer).public_key());
    }

    /// Unsettled messages, and the bytes of their bodies.
    #[must_use]
    pub fn waiting(&self) -> (usize, u64) {
        self.outbox.len()
    }

    /// Everything in memory is lost. What was being written is on disk, or some of it, or nothing.
    pub(crate) fn crash(&mut self, now: Now, book: &mut Book) {
        self.shelves.crashed(self.node);
        let group = std::mem::take(&mut self.committing);
        if !self.full {
            let written = self.chance.below(group.len() + 1);
            for job in group.iter().take(written) {
                self.write(job, book);
            }
            let torn = group.get(written).map(Job::writes).unwrap_or_default();
            if self.disk.crash(&torn, &mut self.chance) {
                torn.iter().for_each(|write| self.note(write, book));
            }
        }
        book.crashed(self.node);
        self.start_again(now, book);
    }

    fn start_again(&mut self, now: Now, book: &mut Book) {
        self.jobs.clear();
        self.committing.clear();
        self.schedule.clear();
        self.resuming.clear();
        self.calls.clear();
        self.bringing.clear();
        self.acting = false;
        let saved = self.disk.saved();
        for head in saved.iter().flat_map(|saved| &saved.heads) {
            book.remembered(head.id);
        }
        self.read_statuses(book);
        let rng = Box::new(StdRng::seed_from_u64(self.chance.below(1 << 30) as u64));
        self.outbox = Outbox::new(saved, rng, now.timestamp);
        let outbox = &mut self.outbox;
        self.contents.retain(|id, _| outbox.status(*id).is_some());
        for (id, content) in &self.contents {
            if !content.sent && !self.faults.forgets_holds {
                outbox.hold(identity(content.to).public_key(), *id);
            }
        }
        self.inbox = self.disk.inbox().into_iter().map(|it| (it.number, it)).collect();
        self.wake_application(now.instant);
    }

    /// Whoever asks after a crash what became of messages is told what the disk says.
    fn read_statuses(&self, book: &mut Book) {
        let mine = book
            .letters()
            .filter(|(_, letter)| letter.from == self.node && letter.accepted && !letter.forgotten);
        let mine: Vec<_> = mine.map(|(id, letter)| (*id, letter.to)).collect();
        for (id, to) in mine {
            let found = self.disk.recall(identity(to).public_key(), &[id]);
            let Some((_, _, status)) = found.first() else { panic!("{id} is gone from its disk") };
            book.told(id, status);
        }
    }

    /// A copy of its disk, as it is now.
    #[must_use]
    pub fn copy_disk(&self) -> Box<dyn Disk> {
        self.disk.copy()
    }

    /// The disk is exchanged for another one.
    pub fn replace_disk(&mut self, disk: Box<dyn Disk>, now: Now, book: &mut Book) {
        self.disk = disk;
        book.forget(self.node);
        self.start_again(now, book);
    }

    /// The application dies and starts again: what it had not acknowledged comes again.
    pub fn application_dies(&mut self, now: Instant) {
        self.schedule.retain(|_, timed| !matches!(timed, Timed::Acts | Timed::Acknowledges(_)));
        self.acting = false;
        let taking = |job: &Job, id: &MessageId| match job {
            Job::Take(messages, _) => messages.iter().any(|(_, taken)| taken == id),
            Job::Outbox(..) | Job::Arrive(..) | Job::Told(..) => false,
        };
        for pending in self.disk.inbox() {
            let id = pending.message.id;
            let mut jobs = self.jobs.iter().chain(&self.committing);
            let reported = self.schedule.values().any(|timed| match timed {
                Timed::Takes(messages) => messages.iter().any(|(_, taken)| *taken == id),
                _ => false,
            });
            if !jobs.any(|job| taking(job, &id)) && !reported {
                self.inbox.insert(pending.number, pending);
            }
        }
        self.wake_application(now);
    }

    /// When [`Station::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self, now: Now) -> Option<Instant> {
        let scheduled = self.schedule.keys().next().map(|(at, _)| *at);
        [scheduled, self.outbox.poll_timeout(now)].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now, book: &mut Book) {
        while let Some(entry) = self.schedule.first_entry()
            && entry.key().0 <= now.instant
        {
            let timed = entry.remove();
            self.happen(timed, now, book);
        }
        self.outbox.handle_timeout(now);
        self.settle(now, book);
    }

    /// A link tells something; returns whether it was about ordered messages.
    pub(crate) fn on_event(
        &mut self,
        peer: usize,
        event: &Event,
        now: Now,
        book: &mut Book,
    ) -> bool {
        let key = *identity(peer).public_key();
        match event {
            Event::SessionReady(_) => {
                if self.resuming.insert(peer) {
                    self.resume(peer, now.instant);
                }
                return false;
            }
            Event::ResumeWanted => self.resume(peer, now.instant),
            Event::Ordered(arrival) => {
                if self.faults.acknowledges_early {
                    let ids = vec![arrival.message.id];
                    self.calls.push_back((peer, Call::Stored(ids)));
                }
                self.submit(Job::Arrive(peer, arrival.clone()), now.instant);
            }
            Event::Acknowledged { ids, status } => {
                for id in ids {
                    book.receipt(*id, self.node, *status);
                }
                self.outbox.acknowledged(&key, ids, *status, now);
            }
            Event::OutOfSequence { id, stream } => {
                self.outbox.out_of_sequence(&key, *id, *stream, now.instant);
            }
            Event::Told(ids) => self.submit(Job::Told(key, ids.clone()), now.instant),
            Event::Failed { id, why } if book.get(*id).is_some() => {
                if let peer_protocol::link::SendFailure::Refused { code, detail } = why {
                    if *code == ErrorCode::ChunkError && self.bring_again(peer, *id) {
                        return true;
                    }
                    self.outbox.refused(&key, *id, *code, detail.clone(), now);
                }
                return true;
            }
            _ => return false,
        }
        true
    }

    /// Carries out what the outbox wants.
    pub(crate) fn settle(&mut self, now: Now, book: &mut Book) {
        while let Some(effect) = self.outbox.poll_effect() {
            match effect {
                Effect::Write { ticket, mut writes } => {
                    if self.faults.skips_mark {
                        for write in &mut writes {
                            if let Write::Accept(outgoing) = write {
                                outgoing.may_be_sent = false;
                            }
                        }
                        writes.retain(|write| !matches!(write, Write::MaySend { .. }));
                    }
                    if self.faults.settles_early {
                        for write in &writes {
                            if let Write::Became { peer, id, .. } = write {
                                let call = Call::Withdraw(vec![*id]);
                                self.calls.push_back((number_of(peer, 8), call));
                            }
                        }
                    }
                    self.submit(Job::Outbox(ticket, writes), now.instant);
                }
                Effect::Load { ticket, peer, from, to } => {
                    let fails = self.chance.happens(self.flaky);
                    let found = (!fails).then(|| self.disk.window(&peer, from, to));
                    self.later(0, 20, Timed::Loaded(ticket, found), now.instant);
                }
                Effect::Hand { peer, messages } => {
                    let to = number_of(&peer, 8);
                    for message in &messages {
                        book.handed(message.id);
                    }
                    if self.faults.hands_out_of_order {
                        for message in messages {
                            self.later(0, 2_000, Timed::Hands(to, message), now.instant);
                        }
                    } else {
                        self.calls.push_back((to, Call::Hand(messages)));
                    }
                }
                Effect::Withdraw { peer, ids } => {
                    self.calls.push_back((number_of(&peer, 8), Call::Withdraw(ids)));
                }
                Effect::Ahead { id, .. } => self.bring(id, now.instant),
                Effect::NotAccepted { id, .. } => book.rejected(id),
                Effect::Tell { id, status, .. } => {
                    book.told(id, &status);
                    if status.is_settled() {
                        self.contents.remove(&id);
                    }
                }
                Effect::Recall { peer, ids, status } => {
                    let found = self.disk.recall(&peer, &ids);
                    self.later(0, 20, Timed::Recalled(peer, found, status), now.instant);
                }
            }
        }
    }

    fn happen(&mut self, timed: Timed, now: Now, book: &mut Book) {
        match timed {
            Timed::Commits => self.commit(now, book),
            Timed::Reports(reports) => self.report(reports, now),
            Timed::Loaded(ticket, found) => self.outbox.loaded(ticket, found, now),
            Timed::Recalled(peer, found, status) => {
                self.outbox.recalled(&peer, found, status, now);
            }
            Timed::Resumed(peer, resume) => self.calls.push_back((peer, Call::Resume(resume))),
            Timed::Hands(to, message) => self.calls.push_back((to, Call::Hand(vec![message]))),
            Timed::Brings(id) => self.brings(id, now),
            Timed::Brought(id) => {
                self.bringing.remove(&id);
                if let Some(content) = self.contents.get(&id) {
                    self.outbox.release(identity(content.to).public_key(), id);
                }
            }
            Timed::Acts => self.act(now.instant, book),
            Timed::Acknowledges(pending) => {
                let id = pending.message.id;
                book.acknowledged(id);
                if self.faults.processes_early {
                    let to = number_of(&pending.peer, 8);
                    self.calls.push_back((to, Call::Processed(vec![id])));
                }
                let take = Job::Take(vec![(pending.peer, id)], now.timestamp);
                self.submit(take, now.instant);
                self.acting = false;
                self.wake_application(now.instant);
            }
            Timed::Takes(messages) => {
                self.submit(Job::Take(messages, now.timestamp), now.instant);
            }
        }
        self.settle(now, book);
    }

    fn submit(&mut self, job: Job, now: Instant) {
        self.jobs.push_back(job);
        self.begin_commit(now);
    }

    fn begin_commit(&mut self, now: Instant) {
        if self.committing.is_empty() && !self.jobs.is_empty() {
            let most = self.jobs.len().min(GROUP);
            self.committing = self.jobs.drain(..most).collect();
            let slow = if self.chance.happens(20) { 3_000 } else { 20 };
            self.later(1, slow, Timed::Commits, now);
        }
    }

    /// The disk has written a group, or could not.
    fn commit(&mut self, now: Now, book: &mut Book) {
        self.commits += 1;
        let fails = self.full || self.chance.happens(self.flaky);
        let jobs = std::mem::take(&mut self.committing);
        let reports = jobs.into_iter().filter_map(|job| {
            let written = !fails && self.write(&job, book);
            match job {
                Job::Outbox(ticket, _) => Some(Report::Outbox(ticket, written)),
                Job::Arrive(peer, arrival) => {
                    Some(Report::Arrive(peer, arrival.message.id, written))
                }
                Job::Take(messages, _) => Some(Report::Take(messages, written)),
                Job::Told(..) => None,
            }
        });
        let reports = reports.collect();
        // In the order in which they were written.
        let pause = self.chance.between(Duration::ZERO, Duration::from_millis(5));
        self.reported = (now.instant + pause).max(self.reported);
        self.next += 1;
        self.schedule.insert((self.reported, self.next), Timed::Reports(reports));
        self.begin_commit(now.instant);
    }

    /// Writes one job, all or nothing; returns whether it is on disk.
    fn write(&mut self, job: &Job, book: &mut Book) -> bool {
        let writes = job.writes();
        let Ok(written) = self.disk.commit(&writes) else { return false };
        let all = written.iter().all(|written| *written);
        if all {
            for write in &writes {
                self.note(write, book);
            }
        }
        all
    }

    /// What is on disk is true from now on.
    fn note(&self, write: &Write, book: &mut Book) {
        match write {
            Write::Accept(outgoing) => book.accepted(outgoing.message.id),
            Write::Became { id, status, .. } => book.check(*id, status),
            Write::Arrive(arrival) => {
                let id = arrival.message.id;
                let inbox = self.disk.inbox();
                let number = inbox.iter().rev().find(|pending| pending.message.id == id);
                let number = number.unwrap_or_else(|| panic!("{id} is not in the inbox")).number;
                let long = transfer_of(&arrival.message).is_some();
                assert!(
                    !long || self.shelves.has(self.node, id),
                    "{id} arrived without its content"
                );
                book.arrived(id, self.node, number);
            }
            Write::Take { messages, .. } => {
                for (_, id) in messages {
                    book.taken(*id);
                    self.shelves.remove(self.node, *id);
                }
            }
            Write::Stream { .. }
            | Write::MaySend { .. }
            | Write::Told { .. }
            | Write::Step { .. } => {}
        }
    }

    fn report(&mut self, reports: Vec<Report>, now: Now) {
        for report in reports {
            match report {
                Report::Outbox(ticket, written) => self.outbox.written(ticket, written, now),
                Report::Arrive(peer, id, written) if written => {
                    if !self.faults.acknowledges_early {
                        self.calls.push_back((peer, Call::Stored(vec![id])));
                    }
                    let inbox = self.disk.inbox();
                    let pending = inbox.into_iter().find(|pending| pending.message.id == id);
                    if let Some(pending) = pending {
                        self.inbox.insert(pending.number, pending);
                        self.wake_application(now.instant);
                    }
                }
                Report::Arrive(peer, id, _) => {
                    self.calls.push_back((peer, Call::NotStored(vec![id])));
                }
                Report::Take(messages, written) if written => {
                    for (peer, id) in messages {
                        let call = Call::Processed(vec![id]);
                        self.calls.push_back((number_of(&peer, 8), call));
                    }
                }
                Report::Take(messages, _) => {
                    self.later(1_000, 2_000, Timed::Takes(messages), now.instant);
                }
            }
        }
    }

    /// Asks the disk what it knows of the messages of node `peer`.
    fn resume(&mut self, peer: usize, now: Instant) {
        let mut resume = self.disk.resume(identity(peer).public_key());
        if self.faults.forgets_ids {
            resume.taken.clear();
        }
        self.later(0, 20, Timed::Resumed(peer, resume), now);
    }

    fn wake_application(&mut self, now: Instant) {
        if !self.acting && !self.inbox.is_empty() {
            self.acting = true;
            self.later(0, 50, Timed::Acts, now);
        }
    }

    /// The application gets the oldest message. It acknowledges it after a while, unless it dies.
    fn act(&mut self, now: Instant, book: &mut Book) {
        let Some((number, pending)) = self.inbox.pop_first() else {
            self.acting = false;
            return;
        };
        book.offered(pending.message.id, self.node, number);
        self.later(0, 50, Timed::Acknowledges(pending), now);
    }

    /// Begins to send a content.
    fn bring(&mut self, id: MessageId, now: Instant) {
        if self.contents.contains_key(&id) && self.bringing.insert(id) {
            self.later(1, 3_000, Timed::Brings(id), now);
        }
    }

    /// Some of a content arrives, now and then the whole; its sender hears of that later.
    fn brings(&mut self, id: MessageId, now: Now) {
        let Some(content) = self.contents.get_mut(&id) else {
            self.bringing.remove(&id);
            return;
        };
        if self.chance.happens(300) {
            return self.later(100, 5_000, Timed::Brings(id), now.instant);
        }
        self.shelves.put(content.to, id);
        // Its row says so before the outbox is told.
        content.sent = true;
        self.later(0, 500, Timed::Brought(id), now.instant);
    }

    /// The receiver of a message does not have its content.
    fn bring_again(&mut self, peer: usize, id: MessageId) -> bool {
        let Some(content) = self.contents.get_mut(&id).filter(|content| content.tries < 4) else {
            return false;
        };
        content.tries += 1;
        content.sent = false;
        self.outbox.hold(identity(peer).public_key(), id)
    }

    /// A content that lies here, and whose message has not come, is lost.
    pub fn loses_a_content(&mut self, book: &Book) {
        let idle = self.shelves.idle(self.node);
        let unclaimed = idle
            .into_iter()
            .find(|id| book.get(*id).is_some_and(|letter| letter.arrived.is_none()));
        if let Some(id) = unclaimed {
            self.shelves.remove(self.node, id);
        }
    }

    fn later(&mut self, from: u64, to: u64, timed: Timed, now: Instant) {
        let pause = self.chance.between(Duration::from_millis(from), Duration::from_millis(to));
        self.next += 1;
        self.schedule.insert((now + pause, self.next), timed);
    }
}
