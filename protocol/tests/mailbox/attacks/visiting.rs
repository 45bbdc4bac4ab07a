//! When a receiver visits its mailbox nodes, and what it leaves there (`docs/PROTOCOL.md` §18.6).

use peer_protocol::crypto::{PublicKey, SuiteRegistry};
use peer_protocol::error::ErrorCode;
use peer_protocol::limits::MAX_DEPOSIT;
use peer_protocol::mailbox::{Output, Receiver, ReceiverConfig};
use peer_protocol::message::{
    Deposited, ErrorReport, Fetch, Mailbox, MailboxResult, Page, PageItem, Stored,
};
use peer_protocol::time::Instant;
use rand::rngs::StdRng;
use serde_bytes::ByteBuf;

use crate::people::{at, identity, key_of, rng};

struct Rig {
    rng: StdRng,
    receiver: Receiver,
    node: PublicKey,
    now: u64,
}

impl Rig {
    fn new(prekeys: usize) -> Self {
        let node = key_of(&identity("node", 10));
        let config = ReceiverConfig { nodes: vec![node], prekeys, ..ReceiverConfig::default() };
        let suites = SuiteRegistry::default();
        let receiver = Receiver::new(config, identity("receiver", 2), suites, []);
        Self { rng: rng(1), receiver, node, now: 0 }
    }

    fn asked(&mut self) -> Option<Mailbox> {
        let outputs = self.receiver.poll(at(self.now), &mut self.rng, |_| true);
        let mut asked = outputs.into_iter().filter_map(|output| match output {
            Output::Ask { request, .. } => Some(*request),
            Output::Save(_) => None,
        });
        let first = asked.next();
        assert_eq!(asked.next(), None, "one request at a time");
        first
    }

    fn answer(&mut self, answer: &MailboxResult) {
        self.receiver.on_answer(&self.node, answer, at(self.now));
    }

    /// How many prekeys are left with the node now; `None` if something else is asked.
    fn deposited(&mut self) -> Option<usize> {
        match self.asked() {
            Some(Mailbox::Deposit(deposit)) => Some(deposit.keys.len()),
            _ => None,
        }
    }

    fn has(&mut self, left: u64) {
        self.answer(&MailboxResult::Deposited(Deposited { left, items: 3 }));
    }

    /// The node has nothing: the visit is over.
    fn fetches_nothing(&mut self) {
        assert_eq!(self.asked(), Some(Mailbox::Fetch(Fetch { after: None })));
        self.answer(&MailboxResult::Page(Page { more: false, items: Vec::new() }));
    }

    /// Milliseconds until it wants to do something.
    fn due(&self) -> Option<u64> {
        let due = self.receiver.due()?.since(Instant::default()).as_millis() as u64;
        Some(due.saturating_sub(self.now))
    }
}

#[test]
fn prekeys_are_topped_up_when_half_of_them_are_gone() {
    let mut rig = Rig::new(10);
    assert!(!rig.receiver.is_busy(&rig.node));
    // The first time in a run the node only says how many it has.
    assert_eq!(rig.deposited(), Some(0));
    assert!(rig.receiver.is_busy(&rig.node) && rig.asked().is_none());
    rig.has(0);
    assert_eq!(rig.deposited(), Some(10));
    rig.has(10);
    rig.fetches_nothing();
    assert!(!rig.receiver.is_busy(&rig.node));
    assert_eq!(rig.receiver.nodes().next(), Some((&rig.node, Some(10), Some(3))));
    for (left, made) in [(6, 0), (5, 0), (5, 5), (9, 5), (0, 0), (0, 10), (0, 10)] {
        assert_eq!(rig.due(), Some(60_000));
        rig.now += 59_999;
        assert_eq!(rig.asked(), None);
        rig.now += 1;
        let deposited = rig.deposited().unwrap();
        assert_eq!(deposited, made, "before {left} were left");
        rig.has(left);
        rig.fetches_nothing();
    }
}

#[test]
fn as_long_as_a_node_takes_more_it_is_given_more() {
    let mut rig = Rig::new(300);
    assert_eq!(rig.deposited(), Some(0));
    rig.has(0);
    assert_eq!(rig.deposited(), Some(MAX_DEPOSIT));
    rig.has(MAX_DEPOSIT as u64);
    assert_eq!(rig.deposited(), Some(MAX_DEPOSIT));
    // It has room for no more: that is not tried again during this visit.
    rig.has(MAX_DEPOSIT as u64);
    rig.fetches_nothing();
}

#[test]
fn a_node_that_does_not_answer_or_refuses_is_left_alone_for_a_while() {
    let refused = |wait: Option<u64>| {
        let report = ErrorReport::new(ErrorCode::RateLimited, "not now");
        Some(MailboxResult::Refused(ErrorReport { retry_after_ms: wait, ..report }))
    };
    let senseless = MailboxResult::Stored(Stored { items: Vec::new(), waiting: 0 });
    for (answer, pause) in [
        (None, 15_000),
        (refused(None), 60_000),
        (refused(Some(5_000)), 15_000),
        (refused(Some(100_000)), 100_000),
        (Some(senseless), 60_000),
    ] {
        let mut rig = Rig::new(10);
        assert_eq!(rig.due(), Some(0));
        assert_eq!(rig.deposited(), Some(0));
        assert_eq!(rig.due(), None, "an answer is awaited");
        match &answer {
            Some(answer) => rig.answer(answer),
            None => rig.receiver.on_failure(&rig.node.clone(), at(rig.now)),
        }
        assert_eq!(rig.due(), Some(pause), "{answer:?}");
        rig.receiver.hasten(&rig.node.clone(), at(rig.now));
        rig.now += pause - 1;
        assert_eq!(rig.asked(), None);
        rig.now += 1;
        assert_eq!(rig.deposited(), Some(0), "it says how many it has");
        // What nobody waits for any more is no answer.
        rig.has(10);
        rig.receiver.on_failure(&rig.node.clone(), at(rig.now));
        rig.has(0);
        rig.fetches_nothing();
    }
}

#[test]
fn a_visit_can_be_had_at_once() {
    let mut rig = Rig::new(10);
    rig.deposited();
    rig.has(10);
    rig.fetches_nothing();
    rig.now += 1_000;
    assert_eq!(rig.asked(), None);
    rig.receiver.hasten(&rig.node.clone(), at(rig.now));
    assert_eq!(rig.due(), Some(0));
    assert_eq!(rig.deposited(), Some(0));
    assert!(rig.receiver.poll(at(rig.now), &mut rig.rng, |_| true).is_empty());
    rig.receiver.on_failure(&rig.node.clone(), at(rig.now));
    rig.now += 15_000;
    assert!(rig.receiver.poll(at(rig.now), &mut rig.rng, |_| false).is_empty(), "out of reach");
    assert_eq!(rig.deposited(), Some(0));
}

#[test]
fn pages_are_read_as_long_as_their_numbers_rise() {
    let mut rig = Rig::new(10);
    rig.deposited();
    rig.has(10);
    let junk = |number| PageItem { number, item: ByteBuf::from(vec![0; 9]) };
    let page = |numbers: &[u64]| {
        let items = numbers.iter().map(|number| junk(*number)).collect();
        MailboxResult::Page(Page { more: true, items })
    };
    let mut fetched = Vec::new();
    for numbers in [&[3, 5][..], &[7], &[7, 6]] {
        match rig.asked() {
            Some(Mailbox::Fetch(fetch)) => fetched.push(fetch.after),
            // What will never open is done with: its node need not keep it.
            Some(Mailbox::Settle(settle)) => {
                assert!(!settle.items.is_empty() && settle.receipts.is_empty());
                let settled = peer_protocol::message::Settled { items: 0, receipts: 0 };
                rig.answer(&MailboxResult::Settled(settled));
                match rig.asked() {
                    Some(Mailbox::Fetch(fetch)) => fetched.push(fetch.after),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
        rig.answer(&page(numbers));
    }
    assert_eq!(fetched, [None, Some(5), Some(7)]);
    assert!(rig.due() > Some(0), "the visit is over");
}
