//! Ordered messages on their way, without links around them: when each goes again.

use super::*;
use crate::delivery::Order;
use crate::id::{SessionId, StreamId};
use crate::link::batch::Batch;
use crate::link::lane::Lane;
use crate::link::pace::Pacer;
use crate::message::StatusReport;

const NOW: Instant = Instant::from_start(Duration::from_secs(100));
const MILLI: Duration = Duration::from_millis(1);

/// A lane with the messages 0 to `count`, and their ids.
fn lane(count: u64) -> (Lane, Vec<MessageId>) {
    let mut rng = StdRng::seed_from_u64(1);
    let stream = StreamId::random(&mut rng);
    let mut lane = Lane::default();
    let ids = (0..count).map(|number| {
        let message = Message::new(&mut rng, &StatusReport::default().into(), None).unwrap();
        let order = Some(Order { after: None, number, stream });
        lane.push(Message { order, ..message.clone() });
        message.id
    });
    let ids = ids.collect();
    (lane, ids)
}

/// The numbers of those that go now, each with its predecessor.
fn sent(lane: &mut Lane, most: usize, now: Instant) -> Vec<(Option<u64>, u64)> {
    let mut batch = Batch::new(most);
    lane.fill(&mut batch, &mut Pacer::default(), now);
    let order = |message: Message| message.order.map(|order| (order.after, order.number));
    batch.into_messages().into_iter().filter_map(order).collect()
}

#[test]
fn each_goes_behind_the_one_before_it() {
    let (mut lane, ids) = lane(4);
    assert_eq!(sent(&mut lane, 2, NOW), [(None, 0), (Some(0), 1)]);
    assert_eq!((lane.due(), lane.len()), (2, 4));
    assert_eq!(lane.due_lens().count(), 2);
    lane.remove(ids[1]);
    assert_eq!(sent(&mut lane, 9, NOW), [(Some(0), 2), (Some(2), 3)]);
    assert_eq!(lane.kind(ids[1]), None);
    assert_eq!(lane.kind(ids[2]), Some(MessageKind::StatusReport));
    assert!(!lane.wants_to_send() && !lane.has_due(NOW));
    assert_eq!(lane.next_tick(), None);
}

/// At once the first time, then after 100 ms, doubling to 5 s; whatever fails meanwhile counts for nothing.
#[test]
fn requests_that_fail_go_again_later_and_later() {
    let (mut lane, ids) = lane(2);
    let mut now = NOW;
    for millis in [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
        assert_eq!(sent(&mut lane, 9, now).len(), 2);
        lane.lost(&[MessageId::random(&mut StdRng::seed_from_u64(9))], now);
        assert_eq!(lane.next_tick(), None, "nothing of that was here");
        let at_once = millis == 0;
        lane.lost(if at_once { &ids } else { &ids[..1] }, now);
        lane.lost(&ids, now);
        let until = now + Duration::from_millis(millis);
        assert_eq!(lane.next_tick(), Some(until).filter(|_| !at_once));
        if !at_once {
            lane.tick(until - MILLI);
            assert!(!lane.has_due(until - MILLI), "the pause is not over");
            assert!(sent(&mut lane, 9, until - MILLI).is_empty());
        }
        now = until;
        assert!(lane.has_due(now) && lane.wants_to_send());
        lane.tick(now);
        assert_eq!(lane.next_tick(), None, "nothing is to be waited for");
    }
    // The peer answers: it begins anew.
    sent(&mut lane, 9, now);
    lane.answered();
    lane.lost(&ids, now);
    assert!(lane.has_due(now));
}

#[test]
fn what_is_not_mentioned_goes_again_later_and_later() {
    let (mut lane, ids) = lane(1);
    let mut now = NOW;
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(sent(&mut lane, 9, now), [(None, 0)]);
        lane.unmentioned(&ids, 0.0, now);
        lane.unmentioned(&ids, 0.0, now);
        let until = now + Duration::from_secs(seconds);
        assert_eq!(lane.next_tick(), Some(until));
        assert!(lane.wants_to_send() && !lane.has_due(now));
        now = until;
        lane.tick(now);
    }
    // Not all at once: up to a quarter earlier.
    for (jitter, millis) in [(1.0, 1_500), (0.5, 1_750)] {
        let (mut lane, ids) = self::lane(1);
        sent(&mut lane, 9, NOW);
        lane.unmentioned(&ids, jitter, NOW);
        assert_eq!(lane.next_tick(), Some(NOW + Duration::from_millis(millis)));
    }
}

#[test]
fn with_a_session_goes_what_was_sealed_in_it_and_with_a_connection_everything() {
    let (mut lane, ids) = lane(3);
    let mut rng = StdRng::seed_from_u64(2);
    let [first, second] = [0, 1].map(|_| SessionId::random(&mut rng));
    sent(&mut lane, 9, NOW);
    lane.sealed(&ids[..2], first);
    lane.sealed(&ids[2..], second);
    lane.unmentioned(&ids, 0.0, NOW);
    lane.session_lost(first);
    assert_eq!(sent(&mut lane, 9, NOW), [(None, 0), (Some(0), 1)]);
    lane.session_lost(first);
    assert!(!lane.has_due(NOW), "they are under way");
    lane.connected();
    assert_eq!(sent(&mut lane, 9, NOW), [(Some(1), 2)]);
}

/// As the peer asks for it: its place is the first, and what comes after it must not go before.
#[test]
fn what_is_taken_again_later_holds_back_the_rest() {
    let (mut lane, ids) = lane(3);
    sent(&mut lane, 2, NOW);
    let at = NOW + Duration::from_secs(3);
    lane.delay(ids[0], at);
    lane.delay(ids[1], NOW + MILLI);
    assert_eq!(lane.next_tick(), Some(at));
    lane.tick(at - MILLI);
    assert!(sent(&mut lane, 9, NOW + MILLI).is_empty());
    assert_eq!(lane.next_tick(), Some(at));
    lane.tick(at);
    assert_eq!(lane.next_tick(), None);
    assert_eq!(sent(&mut lane, 9, at).len(), 3);
}

#[test]
fn what_is_refused_stays_until_it_is_written_down_and_does_not_go_again() {
    let (mut lane, ids) = lane(2);
    sent(&mut lane, 9, NOW);
    assert!(lane.refuse(ids[0]));
    assert!(!lane.refuse(ids[0]), "it was told before");
    assert!(!lane.refuse(MessageId::random(&mut StdRng::seed_from_u64(9))));
    lane.lost(&ids, NOW);
    lane.delay(ids[0], NOW);
    lane.unmentioned(&ids[..1], 0.0, NOW);
    assert_eq!(sent(&mut lane, 9, NOW), [(Some(0), 1)], "still behind it");
    assert_eq!(lane.len(), 2);
    assert!(lane.remove(ids[0]).is_some() && lane.remove(ids[0]).is_none());
    assert_eq!(lane.len(), 1);
}

#[test]
fn what_waited_for_a_message_that_is_taken_back_goes_at_once() {
    let (mut lane, ids) = lane(3);
    sent(&mut lane, 9, NOW);
    lane.unmentioned(&ids, 0.0, NOW);
    lane.withdraw(ids[0]);
    assert_eq!(sent(&mut lane, 9, NOW), [(None, 1)], "the next one, which knew it as predecessor");
    lane.withdraw(ids[2]);
    assert_eq!((lane.len(), lane.next_tick()), (1, None));
}

#[test]
fn another_stream_begins_anew() {
    let (mut lane, ids) = lane(2);
    let (other, _) = self::lane(0);
    assert_eq!(other.stream(), None);
    let mut rng = StdRng::seed_from_u64(5);
    let message = Message::new(&mut rng, &StatusReport::default().into(), None).unwrap();
    lane.push(message.clone());
    assert_eq!(lane.len(), 2, "without an order it has no place here");
    let stream = StreamId::random(&mut rng);
    let again = Message { order: Some(Order { after: None, number: 7, stream }), ..message };
    lane.push(again.clone());
    lane.push(again);
    assert_eq!((lane.len(), lane.stream()), (1, Some(stream)));
    assert_eq!(lane.kind(ids[0]), None);
    assert_eq!(sent(&mut lane, 9, NOW), [(None, 7)]);
}
