//! An outbox, its disk and its links, each of which does what the test says.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::{Authenticator as _, Ed25519Authenticator};
use crate::error::ErrorCode;
use crate::limits::{MAX_WINDOW_BYTES, MAX_WINDOW_MESSAGES};
use crate::message::{MessageKind, ReceiptStatus};

mod hold;
mod state;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn peer(seed: u8) -> PublicKey {
    Ed25519Authenticator::from_seed(&[seed; 32]).public_key()
}

struct Rig {
    outbox: Outbox,
    rng: StdRng,
    now: Now,
    /// What is on disk, and not settled.
    disk: BTreeMap<u64, Outgoing>,
    streams: Vec<StreamId>,
    written: Vec<Write>,
    handed: Vec<Message>,
    withdrawn: Vec<MessageId>,
    /// Whose contents are to go ahead.
    ahead: Vec<MessageId>,
    /// What the link has, in the order in which it was given.
    link: Vec<Message>,
    told: Vec<(MessageId, Status)>,
    not_accepted: Vec<MessageId>,
    loads: Vec<(u64, u64)>,
    /// Whether the disk works.
    works: bool,
}

impl Rig {
    fn new() -> Self {
        let now = Now {
            instant: Instant::from_start(Duration::from_secs(1)),
            timestamp: Timestamp::from_millis(1_800_000_000_000),
        };
        let rng = Box::new(StdRng::seed_from_u64(1));
        Self {
            outbox: Outbox::new(Vec::new(), rng, now.timestamp),
            rng: StdRng::seed_from_u64(2),
            now,
            disk: BTreeMap::new(),
            streams: Vec::new(),
            written: Vec::new(),
            handed: Vec::new(),
            withdrawn: Vec::new(),
            ahead: Vec::new(),
            link: Vec::new(),
            told: Vec::new(),
            not_accepted: Vec::new(),
            loads: Vec::new(),
            works: true,
        }
    }

    fn message(&mut self, len: usize) -> Message {
        let id = MessageId::random(&mut self.rng);
        let body = vec![0; len].into();
        Message { id, kind: MessageKind::Task, in_reply_to: None, order: None, body }
    }

    fn accept(&mut self, len: usize, ttl: Duration) -> MessageId {
        let message = self.message(len);
        let id = message.id;
        self.outbox.accept(peer(1), message, ttl, self.now).unwrap();
        id
    }

    fn settle(&mut self) {
        self.some_effects(usize::MAX);
    }

    /// Carries out as many effects.
    fn some_effects(&mut self, most: usize) {
        for _ in 0..most {
            let Some(effect) = self.outbox.poll_effect() else { return };
            match effect {
                Effect::Write { ticket, writes } => {
                    if self.works {
                        writes.into_iter().for_each(|write| self.apply(write));
                    }
                    self.outbox.written(ticket, self.works, self.now);
                }
                Effect::Load { ticket, from, to, .. } => {
                    self.loads.push((from, to));
                    let found = self.disk.range(from..=to).map(|(_, it)| it.clone()).collect();
                    self.outbox.loaded(ticket, Some(found), self.now);
                }
                Effect::Hand { messages, .. } => {
                    self.link.extend(messages.iter().cloned());
                    self.handed.extend(messages);
                }
                Effect::Withdraw { ids, .. } => {
                    self.link.retain(|message| !ids.contains(&message.id));
                    self.withdrawn.extend(ids);
                }
                Effect::Ahead { id, .. } => self.ahead.push(id),
                Effect::NotAccepted { id, .. } => self.not_accepted.push(id),
                Effect::Tell { id, status, .. } => self.told.push((id, status)),
                Effect::Recall { .. } => {}
            }
        }
    }

    fn apply(&mut self, write: Write) {
        match &write {
            Write::Stream { stream, .. } => self.streams.push(*stream),
            Write::Accept(outgoing) => {
                self.disk.insert(outgoing.number, outgoing.clone());
            }
            Write::MaySend { numbers, .. } => {
                for number in numbers {
                    self.disk.get_mut(number).unwrap().may_be_sent = true;
                }
            }
            Write::Became { number, .. } => {
                self.disk.remove(number);
            }
            _ => {}
        }
        self.written.push(write);
    }

    /// The node starts again.
    fn restart(&mut self) {
        let head = |outgoing: &Outgoing| Head {
            number: outgoing.number,
            id: outgoing.message.id,
            len: outgoing.message.body.len(),
            expires: outgoing.expires,
            may_be_sent: outgoing.may_be_sent,
        };
        let heads: Vec<_> = self.disk.values().map(head).collect();
        let number = |write: &Write| match write {
            Write::Accept(outgoing) => Some(outgoing.number + 1),
            _ => None,
        };
        let next = self.written.iter().filter_map(number).max().unwrap_or(0);
        let saved = Saved { peer: peer(1), stream: *self.streams.last().unwrap(), next, heads };
        let rng = Box::new(StdRng::seed_from_u64(3));
        self.link.clear();
        self.ahead.clear();
        self.outbox = Outbox::new(vec![saved], rng, self.now.timestamp);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.outbox.handle_timeout(self.now);
        self.settle();
    }

    /// The receiver answers with `SEQUENCE_ERROR`.
    fn refuse(&mut self, id: MessageId, stream: StreamId) {
        self.outbox.out_of_sequence(&peer(1), id, stream, self.now.instant);
    }

    fn numbers(&self) -> Vec<u64> {
        self.handed.iter().map(|message| message.order.unwrap().number).collect()
    }

    fn last(&self, id: MessageId) -> Option<Status> {
        self.told.iter().rev().find(|(of, _)| *of == id).map(|(_, status)| status.clone())
    }

    /// The messages that the link has, each once.
    fn link(&self) -> Vec<MessageId> {
        let numbers: Vec<_> = self.link.iter().map(|it| it.order.unwrap().number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        self.link.iter().map(|message| message.id).collect()
    }

    fn acknowledge(&mut self, ids: &[MessageId], status: ReceiptStatus) {
        self.link.retain(|message| !ids.contains(&message.id));
        self.outbox.acknowledged(&peer(1), ids, status, self.now);
        self.settle();
    }
}

#[test]
fn a_message_is_accepted_once_it_is_on_disk_and_handed_over_with_one_write() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    assert!(rig.told.is_empty() && rig.handed.is_empty());
    rig.settle();
    assert_eq!(rig.told, [(id, Status::Queued), (id, Status::Sent)]);
    assert_eq!(rig.numbers(), [0]);
    let [Write::Stream { .. }, Write::Accept(outgoing)] = &rig.written[..] else {
        panic!("{:?}", rig.written)
    };
    assert!(outgoing.may_be_sent);
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    rig.acknowledge(&[id], ReceiptStatus::Processed);
    assert_eq!(rig.last(id), Some(Status::Processed));
    assert!(rig.outbox.is_empty() && rig.withdrawn.is_empty());
}

#[test]
fn what_cannot_be_written_is_not_accepted_and_its_number_hurts_nobody() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    rig.works = false;
    let lost = rig.accept(10, WEEK);
    rig.settle();
    assert_eq!(rig.not_accepted, [lost]);
    assert!(rig.told.is_empty() && rig.handed.is_empty() && rig.outbox.is_empty());
    rig.works = true;
    let id = rig.accept(10, WEEK);
    rig.settle();
    assert!(matches!(rig.written[0], Write::Stream { .. }), "the stream is still to be written");
    assert_eq!(rig.numbers(), [1]);
    assert_eq!(rig.last(id), Some(Status::Sent));
}

#[test]
fn no_message_is_written_before_a_stream_to_its_peer() {
    let mut rig = Rig::new();
    rig.works = false;
    rig.accept(10, WEEK);
    // Which begins the stream by itself, beside the message that is on its way to the disk.
    rig.outbox.attach(peer(1));
    rig.settle();
    rig.works = true;
    let id = rig.accept(10, WEEK);
    rig.settle();
    assert!(matches!(rig.written[0], Write::Stream { .. }), "{:?}", rig.written);
    assert_eq!(rig.last(id), Some(Status::Sent));
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.numbers(), [1]);
}

#[test]
fn nobody_is_handed_anything_before_somebody_takes_it() {
    let mut rig = Rig::new();
    let id = rig.accept(10, WEEK);
    rig.settle();
    assert_eq!(rig.told, [(id, Status::Queued)]);
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.numbers(), [0]);
    assert!(matches!(rig.written.last(), Some(Write::MaySend { .. })));
    assert_eq!(rig.last(id), Some(Status::Sent));
}

#[test]
fn what_was_never_sent_expires_and_what_may_have_been_is_unknown() {
    for attached in [false, true] {
        for restarts in [false, true] {
            let mut rig = Rig::new();
            if attached {
                rig.outbox.attach(peer(1));
            }
            let id = rig.accept(10, Duration::from_secs(60));
            rig.settle();
            if restarts {
                rig.restart();
            }
            rig.pass(Duration::from_secs(59));
            assert!(!rig.outbox.is_empty());
            rig.pass(Duration::from_secs(1));
            let expected = if attached { Status::Unknown } else { Status::Expired };
            assert_eq!(rig.last(id), Some(expected), "attached {attached}, restarts {restarts}");
            let at_the_link = attached;
            assert_eq!(rig.withdrawn.contains(&id), at_the_link);
        }
    }
}

#[test]
fn a_message_is_withdrawn_only_once_the_disk_knows_why() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.works = false;
    assert!(rig.outbox.cancel(id, rig.now));
    rig.settle();
    assert!(rig.withdrawn.is_empty());
    assert_eq!(rig.last(id), Some(Status::Sent), "nobody is told what the disk does not know");
    rig.works = true;
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.last(id), Some(Status::Unknown));
    assert_eq!(rig.withdrawn, [id]);
    assert!(!rig.outbox.cancel(id, rig.now));
}

#[test]
fn what_is_cancelled_while_it_is_written_waits_for_the_disk() {
    let mut rig = Rig::new();
    let id = rig.accept(10, WEEK);
    assert!(rig.outbox.cancel(id, rig.now));
    rig.settle();
    assert_eq!(rig.told, [(id, Status::Queued), (id, Status::Cancelled)]);
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    assert!(rig.outbox.cancel(id, rig.now));
    rig.settle();
    assert_eq!(rig.last(id), Some(Status::Unknown), "its mark was written with it");
}

#[test]
fn later_messages_are_not_handed_over_before_an_earlier_one_is_settled_on_disk() {
    let mut rig = Rig::new();
    let first = rig.accept(10, Duration::from_secs(60));
    rig.accept(10, WEEK);
    rig.settle();
    rig.now = rig.now + Duration::from_secs(60);
    rig.works = false;
    rig.outbox.handle_timeout(rig.now);
    rig.settle();
    rig.outbox.attach(peer(1));
    rig.settle();
    assert!(rig.handed.is_empty());
    rig.works = true;
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.last(first), Some(Status::Expired));
    assert_eq!(rig.numbers(), [1]);
}

#[test]
fn receipts_count_from_the_receiver_only_and_only_for_what_was_sent() {
    let mut rig = Rig::new();
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    assert_eq!(rig.last(id), Some(Status::Queued), "it was never sent");
    rig.outbox.attach(peer(1));
    rig.outbox.attach(peer(2));
    rig.settle();
    rig.outbox.acknowledged(&peer(2), &[id], ReceiptStatus::Delivered, rig.now);
    rig.outbox.refused(&peer(2), id, ErrorCode::ChunkError, String::new(), rig.now);
    rig.acknowledge(&[id], ReceiptStatus::Received);
    assert_eq!(rig.last(id), Some(Status::Sent));
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    assert_eq!(rig.last(id), Some(Status::Delivered));
}

#[test]
fn a_late_receipt_turns_unknown_into_what_it_was() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, Duration::from_secs(1));
    rig.settle();
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.last(id), Some(Status::Unknown));
    rig.acknowledge(&[id], ReceiptStatus::Processed);
    assert_eq!(rig.last(id), Some(Status::Processed));
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    assert_eq!(rig.last(id), Some(Status::Processed), "a status never goes back");
}

#[test]
fn a_receipt_for_what_only_the_disk_remembers_is_looked_up() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    rig.restart();
    rig.outbox.acknowledged(&peer(1), &[id], ReceiptStatus::Processed, rig.now);
    let Some(Effect::Recall { ids, status, .. }) = rig.outbox.poll_effect() else {
        panic!("nobody is asked")
    };
    assert_eq!((ids, status), (vec![id], ReceiptStatus::Processed));
    let found = vec![(0, id, Status::Delivered)];
    rig.outbox.recalled(&peer(1), found, status, rig.now);
    rig.settle();
    assert_eq!(rig.last(id), Some(Status::Processed));
}

#[test]
fn a_receipt_that_is_repeated_for_what_is_final_asks_the_disk_once() {
    let final_ones = [
        Status::Processed,
        Status::Expired,
        Status::Cancelled,
        Status::Failed { code: ErrorCode::InvalidState, detail: String::new() },
    ];
    for known in final_ones {
        let mut rig = Rig::new();
        rig.outbox.attach(peer(1));
        let id = rig.accept(10, WEEK);
        rig.settle();
        rig.acknowledge(&[id], ReceiptStatus::Delivered);
        rig.restart();
        rig.outbox.acknowledged(&peer(1), &[id], ReceiptStatus::Processed, rig.now);
        let Some(Effect::Recall { status, .. }) = rig.outbox.poll_effect() else {
            panic!("nobody is asked")
        };
        rig.outbox.recalled(&peer(1), vec![(0, id, known.clone())], status, rig.now);
        assert_eq!(rig.outbox.poll_effect(), None, "{known:?}");
    }
}

#[test]
fn receipts_of_unknown_messages_ask_the_disk_one_bounded_question_at_a_time() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    rig.settle();
    let mut rng = StdRng::seed_from_u64(1);
    let mut flood = |rig: &mut Rig| {
        for _ in 0..100 {
            let ids: Vec<_> = (0..512).map(|_| MessageId::random(&mut rng)).collect();
            rig.outbox.acknowledged(&peer(1), &ids, ReceiptStatus::Delivered, rig.now);
        }
    };
    flood(&mut rig);
    assert_eq!(rig.outbox.poll_effect(), None, "nothing was ever accepted for this peer");
    rig.accept(10, WEEK);
    rig.settle();
    flood(&mut rig);
    let mut asked = 0;
    while let Some(Effect::Recall { ids, status, .. }) = rig.outbox.poll_effect() {
        assert!(ids.len() <= 512);
        asked += ids.len();
        assert_eq!(rig.outbox.poll_effect(), None, "one question at a time");
        rig.outbox.recalled(&peer(1), Vec::new(), status, rig.now);
    }
    assert_eq!(asked, 512 + 4_096);
}

#[test]
fn only_a_window_is_in_memory_and_it_slides() {
    let mut rig = Rig::new();
    let many: Vec<_> = (0..3 * MAX_WINDOW_MESSAGES).map(|_| rig.accept(10, WEEK)).collect();
    rig.settle();
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.handed.len(), MAX_WINDOW_MESSAGES);
    for chunk in many.chunks(100) {
        rig.acknowledge(chunk, ReceiptStatus::Delivered);
        let open = rig.outbox.len().0;
        assert!(rig.handed.len() + open <= many.len() + MAX_WINDOW_MESSAGES);
    }
    assert_eq!(rig.numbers(), (0..many.len() as u64).collect::<Vec<_>>());
    assert!(rig.loads.len() < 10, "not one read a message: {:?}", rig.loads);
}

#[test]
fn the_window_is_bounded_in_bytes_and_a_larger_message_goes_alone() {
    let mut rig = Rig::new();
    for _ in 0..20 {
        rig.accept(1 << 20, WEEK);
    }
    rig.settle();
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.handed.len(), MAX_WINDOW_BYTES >> 20);
}

#[test]
fn windows_of_all_peers_share_a_budget_and_nobody_starves() {
    let mut rig = Rig::new();
    let mut all = Vec::new();
    for seed in 1..=20 {
        for _ in 0..8 {
            let message = rig.message(1 << 20);
            all.push((seed, message.id));
            rig.outbox.accept(peer(seed), message, WEEK, rig.now).unwrap();
            // Each on a disk of its own, as far as this rig is concerned.
            while let Some(effect) = rig.outbox.poll_effect() {
                if let Effect::Write { ticket, writes } = effect {
                    for write in writes {
                        if let Write::Accept(outgoing) = write {
                            let key = u64::from(seed) << 32 | outgoing.number;
                            rig.disk.insert(key, outgoing);
                        }
                    }
                    rig.outbox.written(ticket, true, rig.now);
                }
            }
        }
    }
    for seed in 1..=20 {
        rig.outbox.attach(peer(seed));
    }
    let mut delivered = 0;
    let mut handed: Vec<(PublicKey, MessageId)> = Vec::new();
    for _ in 0..1_000 {
        while let Some(effect) = rig.outbox.poll_effect() {
            match effect {
                Effect::Write { ticket, .. } => rig.outbox.written(ticket, true, rig.now),
                Effect::Load { ticket, peer: of, from, to } => {
                    let seed = (1..=20).find(|seed| peer(*seed) == of).unwrap();
                    let key = |number| u64::from(seed) << 32 | number;
                    let range = rig.disk.range(key(from)..=key(to));
                    let found = range.map(|(_, outgoing)| outgoing.clone()).collect();
                    rig.outbox.loaded(ticket, Some(found), rig.now);
                }
                Effect::Hand { peer, messages } => {
                    handed.extend(messages.into_iter().map(|message| (peer, message.id)));
                }
                _ => {}
            }
        }
        assert!(handed.len() <= (MAX_WINDOWS_BYTES >> 20) + 20);
        let Some((peer, id)) = handed.pop() else { break };
        delivered += 1;
        rig.outbox.acknowledged(&peer, &[id], ReceiptStatus::Delivered, rig.now);
    }
    assert_eq!(delivered, all.len());
}

#[test]
fn a_new_stream_carries_everything_unsettled_with_the_same_numbers() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let ids: Vec<_> = (0..3).map(|_| rig.accept(10, WEEK)).collect();
    rig.settle();
    rig.acknowledge(&ids[..1], ReceiptStatus::Delivered);
    let stream = rig.streams[0];
    rig.handed.clear();
    rig.refuse(ids[1], stream);
    rig.settle();
    assert_eq!(rig.streams.len(), 2);
    assert_eq!(rig.withdrawn, ids[1..]);
    assert_eq!(rig.numbers(), [1, 2]);
    assert!(rig.handed.iter().all(|message| message.order.unwrap().stream == rig.streams[1]));
    // What is said of the former stream, or of what is settled, changes nothing.
    rig.refuse(ids[1], stream);
    rig.refuse(ids[0], rig.streams[1]);
    rig.settle();
    assert_eq!(rig.streams.len(), 2);
}

/// What it costs is bounded: an hour of refusals is some ten streams, and nothing is handed over in between.
#[test]
fn a_receiver_that_refuses_every_stream_is_sent_little() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    let end = rig.now.instant + Duration::from_secs(3_600);
    while rig.now.instant < end {
        if !rig.handed.is_empty() {
            rig.handed.clear();
            rig.refuse(id, *rig.streams.last().unwrap());
            rig.settle();
        }
        let due = rig.outbox.poll_timeout(rig.now).unwrap();
        rig.pass(due.since(rig.now.instant).max(Duration::from_millis(1)));
    }
    assert!((10..40).contains(&rig.streams.len()), "{}", rig.streams.len());
    // Neither what is accepted meanwhile nor another link gets it to go on, but whoever asks for it does.
    rig.pass(Duration::from_secs(300));
    rig.refuse(id, *rig.streams.last().unwrap());
    rig.settle();
    rig.handed.clear();
    rig.accept(10, WEEK);
    rig.outbox.detach(&peer(1));
    rig.outbox.attach(peer(1));
    rig.settle();
    assert!(rig.handed.is_empty());
    rig.outbox.again(&peer(1));
    rig.settle();
    assert_eq!(rig.numbers(), [0, 1]);
    // Once something was taken, the next refusal is answered at once.
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    rig.handed.clear();
    let streams = rig.streams.len();
    let second = *rig.outbox.ids.keys().next().unwrap();
    rig.refuse(second, *rig.streams.last().unwrap());
    rig.settle();
    assert_eq!((rig.streams.len(), rig.numbers()), (streams + 1, vec![1]));
}

#[test]
fn nothing_is_sent_in_a_stream_that_is_not_on_disk() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.handed.clear();
    rig.works = false;
    rig.refuse(id, rig.streams[0]);
    rig.settle();
    assert!(rig.handed.is_empty());
    rig.works = true;
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.numbers(), [0]);
    assert_eq!(rig.handed[0].order.unwrap().stream, *rig.streams.last().unwrap());
}

#[test]
fn what_a_lost_link_had_goes_to_the_next_one() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let ids: Vec<_> = (0..3).map(|_| rig.accept(10, WEEK)).collect();
    rig.settle();
    rig.loads.clear();
    rig.outbox.detach(&peer(1));
    rig.settle();
    assert_eq!(rig.withdrawn, ids, "it is not sent any more");
    assert!(rig.loads.is_empty(), "nobody is there to read for");
    rig.acknowledge(&ids[..1], ReceiptStatus::Delivered);
    rig.handed.clear();
    rig.outbox.attach(peer(1));
    rig.settle();
    assert_eq!(rig.numbers(), [1, 2]);
}

#[test]
fn a_body_that_the_disk_has_lost_is_told_and_holds_nobody_up() {
    let mut rig = Rig::new();
    let ids: Vec<_> = (0..2).map(|_| rig.accept(10, WEEK)).collect();
    rig.settle();
    rig.disk.remove(&0);
    rig.outbox.attach(peer(1));
    rig.settle();
    assert!(matches!(rig.last(ids[0]), Some(Status::Failed { .. })));
    assert_eq!(rig.numbers(), [1]);
}

#[test]
fn a_full_outbox_refuses_before_it_accepts() {
    let mut rig = Rig::new();
    for _ in 0..MAX_OUTBOX_MESSAGES_PER_PEER {
        rig.accept(0, WEEK);
    }
    rig.settle();
    let message = rig.message(0);
    let refused = rig.outbox.accept(peer(1), message.clone(), WEEK, rig.now);
    assert_eq!(refused, Err(NotAccepted::PeerMessages));
    for _ in MAX_OUTBOX_MESSAGES_PER_PEER..MAX_OUTBOX_MESSAGES {
        let message = rig.message(0);
        rig.outbox.accept(peer(2), message, WEEK, rig.now).unwrap();
    }
    let refused = rig.outbox.accept(peer(2), message, WEEK, rig.now);
    assert_eq!(refused, Err(NotAccepted::Messages));
    let heartbeat = Message { kind: MessageKind::Heartbeat, ..rig.message(0) };
    let refused = rig.outbox.accept(peer(3), heartbeat, WEEK, rig.now);
    assert_eq!(refused, Err(NotAccepted::Kind(MessageKind::Heartbeat)));
}

#[test]
fn what_waits_for_the_disk_and_what_is_on_it_is_bounded_in_bytes() {
    let mut rig = Rig::new();
    let one = 1 << 20;
    for _ in 0..MAX_UNWRITTEN_BYTES >> 20 {
        rig.accept(one, WEEK);
    }
    let message = rig.message(one);
    let refused = rig.outbox.accept(peer(1), message.clone(), WEEK, rig.now);
    assert_eq!(refused, Err(NotAccepted::Unwritten));
    rig.settle();
    // From here on only the lengths matter.
    rig.disk.clear();
    for _ in MAX_UNWRITTEN_BYTES >> 20..MAX_OUTBOX_BYTES_PER_PEER >> 20 {
        rig.accept(one, WEEK);
        rig.settle();
        rig.disk.clear();
    }
    let refused = rig.outbox.accept(peer(1), message.clone(), WEEK, rig.now);
    assert_eq!(refused, Err(NotAccepted::PeerBytes));
    for _ in MAX_OUTBOX_BYTES_PER_PEER >> 20..MAX_OUTBOX_BYTES >> 20 {
        let body = message.body.clone();
        let message = Message { body, ..rig.message(0) };
        rig.outbox.accept(peer(2), message, WEEK, rig.now).unwrap();
        rig.settle();
        rig.disk.clear();
    }
    let message = rig.message(1);
    let refused = rig.outbox.accept(peer(3), message, WEEK, rig.now);
    assert_eq!(refused, Err(NotAccepted::Bytes));
}

#[test]
fn a_clock_that_goes_back_makes_messages_live_longer_but_not_for_ever() {
    let mut rig = Rig::new();
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.now.timestamp = rig.now.timestamp - Duration::from_secs(365 * 86_400);
    rig.pass(Duration::ZERO);
    rig.pass(MAX_MESSAGE_TTL - Duration::from_secs(1));
    assert!(!rig.outbox.is_empty());
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.last(id), Some(Status::Expired));
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.now.timestamp = rig.now.timestamp + 2 * WEEK;
    rig.pass(Duration::ZERO);
    assert_eq!(rig.last(id), Some(Status::Expired), "and one that leaps ahead ends them early");
}

#[test]
fn timers_are_due_when_there_is_something_to_do_and_never_before() {
    let mut rig = Rig::new();
    assert_eq!(rig.outbox.poll_timeout(rig.now), None);
    rig.accept(10, Duration::from_secs(10));
    rig.settle();
    let due = rig.outbox.poll_timeout(rig.now).unwrap();
    assert_eq!(due, rig.now.instant + Duration::from_secs(10));
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.outbox.poll_timeout(rig.now), None);
}

/// What was saved of a peer may begin where new streams do.
#[test]
fn a_peer_of_an_earlier_run_is_known_after_its_link_is_gone() {
    let mut rig = Rig::new();
    rig.outbox.attach(peer(1));
    let id = rig.accept(10, WEEK);
    rig.settle();
    rig.acknowledge(&[id], ReceiptStatus::Delivered);
    rig.restart();
    rig.outbox = std::mem::replace(&mut rig.outbox, Rig::new().outbox).beginning_at(1);
    rig.outbox.attach(peer(1));
    rig.outbox.detach(&peer(1));
    rig.outbox.acknowledged(&peer(1), &[id], ReceiptStatus::Processed, rig.now);
    let asked = rig.outbox.poll_effect();
    assert!(matches!(asked, Some(Effect::Recall { .. })), "{asked:?}");
}

#[test]
fn of_a_peer_that_was_sent_nothing_the_disk_is_not_asked_and_nothing_is_left() {
    let mut rig = Rig::new();
    rig.outbox = std::mem::replace(&mut rig.outbox, Rig::new().outbox).beginning_at(7);
    let stranger = peer(9);
    rig.outbox.attach(stranger);
    let slot = rig.outbox.slots[&stranger];
    let id = MessageId::random(&mut rig.rng);
    rig.outbox.acknowledged(&stranger, &[id], ReceiptStatus::Delivered, rig.now);
    assert_eq!(rig.outbox.poll_effect(), None);
    rig.outbox.detach(&stranger);
    assert!(rig.outbox.queues.is_empty() && rig.outbox.recalls.is_empty());
    // The next one is not taken for it.
    rig.outbox.attach(peer(1));
    assert_ne!(rig.outbox.slots[&peer(1)], slot);
    let own = rig.accept(10, WEEK);
    rig.settle();
    rig.acknowledge(&[own], ReceiptStatus::Delivered);
    rig.outbox.acknowledged(&peer(1), &[id], ReceiptStatus::Delivered, rig.now);
    let asked = rig.outbox.poll_effect();
    assert!(matches!(asked, Some(Effect::Recall { .. })), "{asked:?}");
}
