//! Mail draws on the rates of its sender, as what comes directly does.

use super::*;
use crate::delivery::{Order, Resume};
use crate::id::StreamId;
use crate::message::StatusReport;

struct Post {
    link: Link,
    now: Now,
    sender: EntityId,
    messages: Vec<Message>,
}

/// A link without any session, at default rates (30 a minute, 60 at once), and a hundred messages in order.
fn post(pinned: bool) -> Post {
    post_with(pinned, |_| {})
}

fn post_with(pinned: bool, adjust: impl FnOnce(&mut LinkConfig)) -> Post {
    let (own, peer) = (identity("entity_a", 1), identity("entity_b", 2));
    let now = Now {
        instant: Instant::from_start(Duration::from_secs(3_600)),
        timestamp: Timestamp::from_millis(1_800_000_000_000),
    };
    let (sender, key) = (peer.entity().clone(), *peer.public_key());
    let trust = Trust::default();
    if pinned {
        let fingerprint = Fingerprint::of(&key);
        trust.0.lock().unwrap().pin(sender.clone(), fingerprint, now.timestamp);
    }
    let mut ids = StdRng::seed_from_u64(3);
    let stream = StreamId::random(&mut ids);
    let message = |number: u64| {
        let body = StatusReport { status: format!("{number}"), ..StatusReport::default() };
        let message = Message::new(&mut ids, &body.into(), None).unwrap();
        let order = Order { after: number.checked_sub(1), number, stream };
        Message { order: Some(order), ..message }
    };
    let messages = (0..100).map(message).collect();
    let mut config = LinkConfig::new(Config::new(own));
    adjust(&mut config);
    let mut link =
        Link::new(Arc::new(config), Arc::new(trust), key, Box::new(StdRng::seed_from_u64(4)));
    link.resume(&Resume::default(), now);
    Post { link, now, sender, messages }
}

impl Post {
    /// How many are taken of these, and how many are to come again. What is taken is stored.
    fn take(&mut self, messages: Vec<Message>) -> (usize, usize) {
        self.link.take_mail(&self.sender, messages, self.now);
        let (mut stored, mut later) = (Vec::new(), 0);
        while let Some(event) = self.link.poll_event() {
            match event {
                Event::Ordered(arrival) => stored.push(arrival.message.id),
                Event::Mail { verdict: MailVerdict::Later, .. } => later += 1,
                _ => {}
            }
        }
        self.link.stored(&stored, self.now);
        (stored.len(), later)
    }
}

#[test]
fn mail_costs_its_sender_tokens_and_what_was_taken_costs_none_again() {
    let mut post = post(false);
    let all = post.messages.clone();
    assert_eq!(post.take(all.clone()), (60, 40));
    assert_eq!(post.take(all.clone()), (0, 40), "nothing is left, and nothing was charged twice");
    post.now.instant = post.now.instant + Duration::from_secs(60);
    assert_eq!(post.take(all.clone()), (30, 10));
    post.now.instant = post.now.instant + Duration::from_secs(20);
    assert_eq!(post.take(all), (10, 0));
}

/// Messages that wait for a predecessor are taken at once when it comes: they have paid before.
#[test]
fn mail_that_comes_in_the_wrong_order_costs_the_same() {
    let mut post = post(false);
    let late = post.messages.split_off(1);
    let first = post.messages.clone();
    assert_eq!(post.take(late.clone()), (0, 99));
    assert_eq!(post.take(late.clone()), (0, 99));
    post.now.instant = post.now.instant + Duration::from_secs(2);
    assert_eq!(post.take(first), (61, 0), "the first, and the sixty that were paid for");
    assert_eq!(post.take(late), (0, 39));
}

#[test]
fn mail_of_a_pinned_sender_has_the_rates_of_pinned_peers() {
    let mut post = post(true);
    let all = post.messages.clone();
    assert_eq!(post.take(all), (100, 0));
}

/// Takes nothing, and says why.
#[derive(Debug)]
struct Says(ErrorCode);

impl Admission for Says {
    fn admit(&self, _: &PublicKey, _: &Message) -> Result<(), ErrorReport> {
        Err(ErrorReport::new(self.0, "no"))
    }
}

/// What there is no room for now comes again with the next visit; what is never taken is refused for good.
#[test]
fn mail_is_refused_only_for_what_stays_so() {
    let verdicts = [
        (ErrorCode::RateLimited, MailVerdict::Later),
        (ErrorCode::InvalidState, MailVerdict::Refused(ErrorCode::InvalidState)),
    ];
    for (code, expected) in verdicts {
        let mut post = post_with(false, |config| config.admission = Arc::new(Says(code)));
        let first = post.messages.remove(0);
        let id = first.id;
        post.link.take_mail(&post.sender, vec![first], post.now);
        let told = |event: Event| match event {
            Event::Mail { id, verdict } => Some((id, verdict)),
            _ => None,
        };
        let told: Vec<_> = std::iter::from_fn(|| post.link.poll_event()).filter_map(told).collect();
        assert_eq!(told, [(id, expected)]);
    }
}

/// One that names no predecessor says that all before it is settled: what is held from before goes ahead.
#[test]
fn what_is_held_goes_before_a_later_one_that_waits_for_nothing() {
    let mut post = post(false);
    let mut later = post.messages[5].clone();
    let held = [3, 4].map(|number: usize| post.messages[number].clone()).to_vec();
    let mut expected: Vec<_> = held.iter().map(|message| message.id).collect();
    expected.push(later.id);
    assert_eq!(post.take(held), (0, 2));
    later.order = later.order.map(|order| Order { after: None, ..order });
    post.link.take_mail(&post.sender, vec![later], post.now);
    let taken = |event: Event| match event {
        Event::Ordered(arrival) => Some(arrival.message.id),
        _ => None,
    };
    let taken: Vec<_> = std::iter::from_fn(|| post.link.poll_event()).filter_map(taken).collect();
    assert_eq!(taken, expected);
}
