//! Answers that are held back for what may ride in them.

use super::*;
use crate::limits::MAX_REMEMBERED_IDS;
use crate::link::recent::RecentIds;

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn each_answer_is_held_back_for_so_long_and_no_longer() {
    let mut pair = Pair::new(|_| {});
    pair.links[0].open(pair.now);
    pair.settle();
    let hold = pair.links[1].config.answer_hold;
    for held in 1..=2 {
        pair.send(0, task("and?"), None);
        pair.settle();
        assert_eq!(pair.answers.len(), held);
    }
    pair.pass(hold - MILLI);
    assert_eq!(pair.answers.len(), 2);
    pair.pass(MILLI);
    assert_eq!(pair.answers.len(), 0, "each of them is answered");
}

#[test]
fn what_rode_in_an_answer_is_sent_again_if_nothing_is_heard_of_it() {
    let mut pair = Pair::new(|_| {});
    let id = pair.send(0, task("how are you?"), None);
    pair.settle();
    pair.send(1, result("well"), Some(id));
    let timeout = pair.links[1].config.answer_timeout;
    assert_eq!(pair.links[1].outbox.next_tick(), Some(pair.now.instant + timeout));
    pair.settle();
    assert_eq!((pair.messages(0).len(), pair.requests), (1, 4));
}

#[test]
fn the_times_at_which_things_are_sent_again_are_spread() {
    let mut pair = Pair::new(|_| {});
    let jitter: Vec<_> = (0..200).map(|_| pair.links[0].jitter()).collect();
    assert!(jitter.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
    assert!(jitter.iter().any(|jitter| *jitter < 0.1) && jitter.iter().any(|jitter| *jitter > 0.9));
}

#[test]
fn what_is_sent_as_volatile_has_no_place_in_a_stream() {
    let mut pair = Pair::new(|_| {});
    let stream = crate::id::StreamId::random(&mut pair.ids);
    let message = Message::new(&mut pair.ids, &task("hello").into(), None).unwrap();
    let order = Some(crate::delivery::Order { after: None, number: 3, stream });
    let deadline = pair.now.instant + Duration::from_secs(60);
    pair.links[0].send(Message { order, ..message }, deadline, pair.now).unwrap();
    pair.settle();
    assert_eq!(pair.messages(1).iter().map(|message| message.order).collect::<Vec<_>>(), [None]);
}

/// Takes nothing.
#[derive(Debug)]
struct AdmitNone;

impl Admission for AdmitNone {
    fn admit(&self, _: &PublicKey, _: &Message) -> Result<(), ErrorReport> {
        Err(ErrorReport::new(ErrorCode::InvalidState, "no"))
    }
}

#[test]
fn each_message_of_a_large_batch_is_refused_by_its_name() {
    let mut pair = Pair::new(|config| {
        config.admission = Arc::new(AdmitNone);
        config.rate = crate::rate_limit::RateProfile::trusted();
    });
    pair.links[0].open(pair.now);
    pair.settle();
    let before = pair.requests;
    let deadline = pair.now.instant + Duration::from_secs(60);
    for _ in 0..200 {
        let message = Message::new(&mut pair.ids, &task("hello").into(), None).unwrap();
        pair.links[0].queue(message, deadline).unwrap();
    }
    pair.links[0].flush(pair.now);
    pair.settle();
    let failed = pair.events[0].iter().filter(|event| matches!(event, Event::Failed { .. }));
    assert_eq!((failed.count(), pair.requests - before), (200, 2), "half of them in each");
}

#[test]
fn the_newest_ids_are_remembered() {
    let mut rng = StdRng::seed_from_u64(1);
    let ids: Vec<_> = (0..=MAX_REMEMBERED_IDS).map(|_| MessageId::random(&mut rng)).collect();
    let mut recent = RecentIds::default();
    for id in &ids[..MAX_REMEMBERED_IDS] {
        assert!(recent.insert(*id));
    }
    assert!(recent.contains(ids[0]) && !recent.insert(ids[0]));
    // Said again, it counts as the newest.
    assert!(recent.insert(ids[MAX_REMEMBERED_IDS]));
    assert!(!recent.contains(ids[1]) && recent.contains(ids[2]) && recent.contains(ids[0]));
}
