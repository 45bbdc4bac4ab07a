//! What a sender puts, to the byte; what it has on disk before; and what it asks for when little is left
//! (`docs/PROTOCOL.md` §18.7).

use peer_protocol::crypto::{Authenticator as _, Ed25519Authenticator, SuiteRegistry};
use peer_protocol::error::ErrorCode;
use peer_protocol::id::PrekeyId;
use peer_protocol::limits::{ITEM_TARGET_LEN, MAX_PUT_BYTES, MAX_SPENT_PREKEYS};
use peer_protocol::mailbox::{Item, Letter, MailReceipt, MailStatus, Output, Sender, SenderConfig};
use peer_protocol::message::{
    Collect, ErrorReport, Mailbox, MailboxResult, NumberedReceipt, Put, PutOutcome, Stored,
};
use serde_bytes::ByteBuf;

use super::sending::{DAY, MINUTE, Rig, items, receipts, stored};
use crate::people::{at, identity, key_of};

/// Most pairs of a receiver and a node that are looked after.
const MOST: u64 = 4_096;

impl Rig {
    /// One prekey is taken for each item; what is put then.
    fn puts(&mut self) -> Put {
        let node = self.nodes[0];
        loop {
            match self.one_asked() {
                Some(Mailbox::Take(take)) => {
                    let keys = self.prekeys(node, take.count as usize);
                    self.answer(node, &keys);
                }
                Some(Mailbox::Put(put)) => return put,
                Some(Mailbox::Collect(_)) => self.answer(node, &receipts(Vec::new())),
                other => panic!("{other:?}"),
            }
        }
    }

    fn is_stored(&mut self, put: &Put) {
        let all = stored(put.items.iter().map(|_| PutOutcome::Stored));
        self.answer(self.nodes[0], &all);
    }

    fn letter(&self, item: &Item) -> Letter {
        let (own, suites) = (key_of(&self.receiver), SuiteRegistry::default());
        let now = at(self.now).timestamp;
        self.ring.open(&self.nodes[0], item, &own, &suites, now).unwrap()
    }

    fn restart(&mut self) {
        let (own, suites) = (identity("sender", 1), SuiteRegistry::default());
        self.sender = Sender::new(SenderConfig::default(), own, suites, self.disk.rows());
    }
}

/// What lies where is on disk before it is put, and only what has changed is written.
#[test]
fn what_is_put_is_on_disk_before() {
    let mut rig = Rig::new(1);
    rig.write(1, DAY);
    rig.put();
    assert!(matches!(rig.one_asked(), Some(Mailbox::Take(_))));
    let before = rig.disk.0.clone();
    let keys = rig.prekeys(rig.nodes[0], 1);
    rig.answer(rig.nodes[0], &keys);
    let put = match &rig.sender.poll(at(rig.now), &mut rig.rng, |_| true)[..] {
        [Output::Save(changes), Output::Ask { request, .. }] => {
            rig.disk.apply(changes.clone());
            (**request).clone()
        }
        other => panic!("{other:?}"),
    };
    let Mailbox::Put(put) = put else { panic!() };
    assert_ne!(before, rig.disk.0);
    // It is not known whether it came there: it is put again, in its own place.
    rig.restart();
    assert_eq!(rig.lying(), 0);
    rig.put();
    let again = rig.puts();
    let [first, second] = [&put, &again].map(|put| items(put).remove(0));
    assert_eq!(first.header().id, second.header().id);
    assert_eq!(rig.letter(&second).spent, [first.header().prekey]);
    rig.is_stored(&again);
    let disk = rig.disk.clone();
    // Asking for prekeys or receipts changes nothing that would be written.
    let asked = rig.sender.poll(at(rig.now), &mut rig.rng, |_| true);
    assert!(matches!(&asked[..], [Output::Ask { .. }]), "{asked:?}");
    rig.answer(rig.nodes[0], &receipts(Vec::new()));
    rig.write(1, 10 * DAY);
    rig.put();
    let asked = rig.sender.poll(at(rig.now), &mut rig.rng, |_| true);
    let [Output::Ask { request, .. }] = &asked[..] else { panic!("{asked:?}") };
    assert!(matches!(**request, Mailbox::Take(_)));
    rig.disk = disk;
    rig.restart();
    rig.put();
    assert_eq!(rig.lying(), 1);
}

/// An item names the prekeys of the 32 forms before it, of which the receiver forgets the private halves.
#[test]
fn an_item_names_the_prekeys_of_its_last_forms() {
    let mut rig = Rig::new(1);
    rig.write(1, 14 * DAY);
    rig.put();
    let mut forms: Vec<PrekeyId> = Vec::new();
    for _ in 0..MAX_SPENT_PREKEYS + 4 {
        let item = items(&rig.puts()).remove(0);
        let least = forms.len().saturating_sub(MAX_SPENT_PREKEYS);
        assert_eq!(rig.letter(&item).spent, forms[least..]);
        forms.push(item.header().prekey);
        rig.answer(rig.nodes[0], &stored([PutOutcome::Full]));
        rig.now += 60 * MINUTE;
    }
}

#[test]
fn an_item_is_closed_before_it_exceeds_so_many_bytes() {
    for (more, parts) in [(0, &[2][..]), (1, &[1, 1])] {
        let mut rig = Rig::new(1);
        rig.write(30 << 10, DAY);
        let body = rig.waiting.messages[0].message.body.len();
        let overhead = body - (30 << 10);
        rig.write(ITEM_TARGET_LEN - body - overhead + more, DAY);
        let both: usize = rig.waiting.messages.iter().map(|one| one.message.body.len()).sum();
        assert_eq!(both, ITEM_TARGET_LEN + more);
        rig.put();
        let lens: Vec<_> = rig.run().concat().iter().map(|item| rig.numbers(item).len()).collect();
        assert_eq!(lens, parts);
    }
}

/// Sixteen items of 64 KiB go together, and one byte more does not.
#[test]
fn a_request_holds_a_mebibyte() {
    let each = MAX_PUT_BYTES / 16;
    let lens_of = |contents: &[usize]| {
        let mut rig = Rig::new(1);
        contents.iter().for_each(|len| rig.write(*len, DAY));
        rig.put();
        let puts = rig.run();
        let lens: Vec<_> = puts.iter().flatten().map(|item| item.as_bytes().len()).collect();
        (puts.iter().map(Vec::len).collect::<Vec<_>>(), lens)
    };
    let guess = vec![each - 1_000; 16];
    let (_, lens) = lens_of(&guess);
    let mut exact: Vec<_> = lens.iter().map(|len| each + guess[0] - len).collect();
    assert_eq!(lens_of(&exact), (vec![16], vec![each; 16]));
    exact[15] += 1;
    assert_eq!(lens_of(&exact).0, [15, 1]);
}

#[test]
fn as_many_prekeys_are_taken_as_are_missing() {
    let mut rig = Rig::new(1);
    (0..10).for_each(|_| rig.write(40 << 10, DAY));
    rig.put();
    for (missing, given) in [(10, 3), (7, 6), (1, 1)] {
        match rig.one_asked() {
            Some(Mailbox::Take(take)) => assert_eq!(take.count, missing),
            other => panic!("{other:?}"),
        }
        let keys = rig.prekeys(rig.nodes[0], given);
        rig.answer(rig.nodes[0], &keys);
    }
    let Some(Mailbox::Put(put)) = rig.one_asked() else { panic!() };
    assert_eq!(put.items.len(), 10);
}

/// Nothing is asked for what nobody needs any more from now on.
#[test]
fn a_message_whose_time_is_over_is_not_put_again() {
    for held in [false, true] {
        let mut rig = Rig::new(1);
        rig.write(1, DAY);
        rig.put();
        let put = rig.puts();
        rig.is_stored(&put);
        if held {
            rig.sender.hold(&key_of(&rig.receiver));
        }
        let end = DAY.as_millis() as u64;
        rig.now = end - 1;
        assert!(rig.sender.tick(at(rig.now).timestamp).is_empty());
        assert_eq!(rig.lying(), 1);
        rig.now = end;
        let asked = rig.one_asked();
        assert!(matches!(asked, None | Some(Mailbox::Collect(_))), "{asked:?}");
        rig.sender.tick(at(rig.now).timestamp);
        assert_eq!(rig.sender.places().map(|(.., count)| count).sum::<usize>(), 0);
    }
}

/// What waits and lies nowhere yet is not forgotten, nor is a node where something lies.
#[test]
fn what_waits_is_not_forgotten() {
    let mut rig = Rig::new(1);
    rig.write(1, DAY);
    rig.put();
    assert!(rig.sender.tick(at(0).timestamp).is_empty());
    let put = rig.puts();
    rig.is_stored(&put);
    assert!(rig.sender.tick(at(0).timestamp).is_empty());
    assert_eq!(rig.one_asked(), Some(Mailbox::Collect(Collect { done: None })));
}

#[test]
fn two_receivers_at_one_node_are_told_apart() {
    let mut rig = Rig::new(1);
    rig.write(1, DAY);
    rig.put();
    let node = rig.nodes[0];
    let first = rig.puts();
    rig.is_stored(&first);
    let mut other = Rig::new(1);
    for seed in [3, 4, 5] {
        other.receiver = identity("another", seed);
        let peer = key_of(&other.receiver);
        other.write(1, DAY);
        rig.sender.put(&peer, &[node], None, &other.waiting);
        let Some(Mailbox::Take(take)) = rig.one_asked() else { panic!() };
        assert_eq!(take.owner, *peer.as_bytes());
        let keys = other.prekeys(node, take.count as usize);
        rig.answer(node, &keys);
        let Some(Mailbox::Put(put)) = rig.one_asked() else { panic!() };
        rig.is_stored(&put);
        assert_eq!((rig.sender.lying(&peer, &node), rig.lying()), (seed as usize - 2, 1));
    }
}

/// Beyond so many receivers' nodes none is taken in; those that are there go on.
#[test]
fn so_many_receivers_are_looked_after() {
    let mut rig = Rig::new(1);
    rig.write(1, DAY);
    let nodes = rig.nodes.clone();
    let peer = |number: u64| {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        Ed25519Authenticator::from_seed(&seed).public_key()
    };
    let peers: Vec<_> = (0..=MOST).map(peer).collect();
    for peer in &peers {
        rig.sender.put(peer, &nodes, None, &rig.waiting);
    }
    assert_eq!(rig.sender.places().count() as u64, MOST);
    assert!(rig.sender.places().all(|(peer, ..)| *peer != peers[MOST as usize]));
    // Of one that is known the news is taken: something waits for it again.
    for peer in &peers {
        rig.sender.hold(peer);
    }
    assert_eq!(rig.one_asked(), None);
    rig.sender.put(&peers[0], &nodes, None, &rig.waiting);
    assert!(matches!(rig.one_asked(), Some(Mailbox::Take(_))));
}

/// That receipts were read is told, also when nothing lies there any more; then nothing is asked.
#[test]
fn that_receipts_were_read_is_told_in_any_case() {
    let mut rig = Rig::new(1);
    rig.write(1, DAY);
    rig.put();
    let put = rig.puts();
    rig.is_stored(&put);
    let collect = |done| Some(Mailbox::Collect(Collect { done }));
    assert_eq!(rig.one_asked(), collect(None));
    let node = rig.nodes[0];
    // What is no answer to it is none: later again.
    let report = ErrorReport::new(ErrorCode::RateLimited, "not now");
    rig.answer(node, &MailboxResult::Refused(report));
    assert_eq!(rig.silence(), (MINUTE, collect(None)));
    let ids = [rig.waiting.messages[0].message.id];
    let (to, what) = (key_of(&identity("sender", 1)), (MailStatus::Delivered, None));
    let receipt = MailReceipt::sign(&rig.receiver, &to, &ids, what, at(0).timestamp);
    let receipt = NumberedReceipt { number: 7, receipt: ByteBuf::from(receipt.to_vec()) };
    rig.answer(node, &receipts(vec![receipt]));
    rig.sender.settled(&key_of(&rig.receiver), &ids, true);
    assert!(rig.sender.is_idle());
    assert_eq!(rig.one_asked(), collect(Some(7)));
    rig.answer(node, &receipts(Vec::new()));
    assert_eq!(rig.silence().1, None);
}

/// Receipts are asked for at once if the node says that some wait, and else in their time.
#[test]
fn nobody_asks_for_receipts_of_which_there_are_none() {
    for (waiting, pause) in [(0, MINUTE), (1, 0)] {
        let mut rig = Rig::new(1);
        rig.write(1, DAY);
        rig.put();
        let put = rig.puts();
        rig.is_stored(&put);
        assert!(matches!(rig.one_asked(), Some(Mailbox::Collect(_))));
        rig.answer(rig.nodes[0], &receipts(Vec::new()));
        rig.write(1, 10 * DAY);
        rig.put();
        rig.puts();
        let told = Stored { items: vec![PutOutcome::Stored], waiting };
        rig.answer(rig.nodes[0], &MailboxResult::Stored(told));
        assert_eq!(rig.silence(), (pause, Some(Mailbox::Collect(Collect { done: None }))));
    }
}
