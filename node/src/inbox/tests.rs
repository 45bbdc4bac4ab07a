use std::sync::atomic::AtomicU64;
use std::time::Duration;

use peer_protocol::time::{Instant, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::mpsc;

use super::*;
use crate::handle::AgentKind;
use crate::model::{Content, IncomingKind};

fn inbox(head: u64) -> Inbox {
    Inbox::new(Arc::new(crate::room::tests::room()), head)
}

fn incoming(text: &str) -> Incoming {
    Incoming {
        message_id: text.to_owned(),
        inbox_number: None,
        durable: false,
        kind: IncomingKind::StatusReport,
        from: "bob".parse().unwrap(),
        from_peer_id: String::new(),
        trust: None,
        encrypted: true,
        received_at: Timestamp::default(),
        content: Content::default(),
        status: None,
        next_action: None,
        conversation: None,
        in_reply_to: None,
        done: None,
        forwarded: None,
        file: None,
        wake_nonce: None,
    }
}

fn kept(number: u64) -> Kept {
    let id = MessageId::random(&mut StdRng::seed_from_u64(number));
    let incoming = Arc::new(incoming(&format!("n{number}")));
    Kept { number, id, len: 10, incoming }
}

fn listen(inbox: &mut Inbox, left: Option<usize>) -> mpsc::Receiver<Incoming> {
    listen_after(inbox, left, None)
}

fn listen_after(
    inbox: &mut Inbox,
    left: Option<usize>,
    after: Option<u64>,
) -> mpsc::Receiver<Incoming> {
    let (messages, receiver) = mpsc::channel(1);
    let open = Arc::default();
    inbox.subscribe(Agent { messages, left, after, kind: AgentKind::Program, open });
    receiver
}

/// Reads what a listener needs from a disk that holds `disk`, and hands over what there is room for.
async fn settle(inbox: &mut Inbox, disk: &[u64]) {
    for wanted in inbox.wanted() {
        let there: Vec<_> = disk.iter().filter(|it| **it >= wanted.from).copied().collect();
        let read: Vec<_> = there.iter().take(3).map(|number| kept(*number)).collect();
        let last = read.last().map_or(wanted.from, |last| last.number + 1);
        inbox.loaded(&wanted, read, if there.len() > 3 { last } else { wanted.to });
    }
    while std::future::poll_fn(|cx| Poll::Ready(inbox.poll_hand_over(cx).is_ready())).await {}
}

async fn next(inbox: &mut Inbox, disk: &[u64], from: &mut mpsc::Receiver<Incoming>) -> String {
    for _ in 0..10 {
        if let Ok(incoming) = from.try_recv() {
            return incoming.message_id;
        }
        settle(inbox, disk).await;
    }
    "nothing".to_owned()
}

#[tokio::test]
async fn a_listener_gets_what_waits_from_the_oldest_on_and_then_what_comes() {
    let mut inbox = inbox(9);
    let disk = [0, 2, 3, 4, 7, 8];
    let mut agent = listen(&mut inbox, None);
    for number in disk {
        assert_eq!(next(&mut inbox, &disk, &mut agent).await, format!("n{number}"));
        assert!(inbox.was_handed(number) && !inbox.was_handed(number + 1));
    }
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "nothing");
    for number in 9..12 {
        inbox.stored(&kept(number));
        assert_eq!(next(&mut inbox, &[], &mut agent).await, format!("n{number}"), "from memory");
    }
    drop(agent);
    // One that did not acknowledge anything is followed by one that gets it all again.
    let disk = [0, 2, 10];
    let mut agent = listen(&mut inbox, Some(2));
    for number in [0, 2] {
        assert_eq!(next(&mut inbox, &disk, &mut agent).await, format!("n{number}"));
    }
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "nothing", "it wanted two");
    inbox.sweep();
    assert!(!inbox.has_agent() && !inbox.was_handed(0));
}

#[tokio::test]
async fn what_is_taken_or_claimed_is_not_handed_over_any_more() {
    let mut inbox = inbox(4);
    let disk = [0, 1, 2, 3];
    let mut agent = listen(&mut inbox, None);
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "n0");
    inbox.taken(2);
    inbox.claimed(4);
    inbox.stored(&kept(5));
    let disk = [0, 1, 3, 4, 5];
    for number in [1, 3, 5] {
        assert_eq!(next(&mut inbox, &disk, &mut agent).await, format!("n{number}"));
    }
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "nothing");
}

#[tokio::test]
async fn volatile_messages_go_to_every_listener_and_wait_for_one() {
    let mut inbox = inbox(3);
    let share = Share::Legacy;
    assert!(!inbox.push(incoming("first"), share, 1));
    let (mut one, mut other) = (listen(&mut inbox, None), listen(&mut inbox, None));
    assert_eq!(next(&mut inbox, &[], &mut one).await, "first");
    assert!(inbox.push(incoming("second"), share, 1));
    assert_eq!(next(&mut inbox, &[1], &mut one).await, "second", "before those on disk");
    assert_eq!(next(&mut inbox, &[1], &mut other).await, "second");
    assert!(inbox.push(incoming("third"), share, 1));
    assert!(inbox.push(incoming("fourth"), share, 1));
    drop(one);
    inbox.sweep();
    drop(other);
    inbox.sweep();
    assert!(inbox.waiting() >= 1, "it was handed to nobody");
}

/// A page of nothing but answers that went to their callers is not read again and again.
#[tokio::test]
async fn what_others_got_is_passed_over_however_much_it_is() {
    let mut inbox = inbox(0);
    let disk = [0, 1, 2, 3, 4];
    for number in 0..4 {
        inbox.claimed(number);
    }
    inbox.stored(&kept(4));
    let mut agent = listen(&mut inbox, None);
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "n4");
}

/// It was read before it was taken, and arrives afterwards.
#[tokio::test]
async fn what_was_taken_while_it_was_read_is_not_handed_over() {
    let mut inbox = inbox(2);
    let mut agent = listen(&mut inbox, None);
    let wanted = inbox.wanted();
    inbox.claimed(0);
    inbox.taken(0);
    inbox.loaded(&wanted[0], vec![kept(0), kept(1)], 2);
    assert_eq!(next(&mut inbox, &[1], &mut agent).await, "n1");
    assert_eq!(next(&mut inbox, &[1], &mut agent).await, "nothing");
}

fn key() -> Key {
    let id = peer_protocol::id::TransferId::random(&mut StdRng::seed_from_u64(1));
    Key::incoming([1; 32], id)
}

fn after(seconds: u64) -> Instant {
    Instant::from_start(Duration::from_secs(seconds))
}

/// The message of a file, and where it is told what became of it.
fn push_file(inbox: &mut Inbox) -> mpsc::UnboundedReceiver<(Key, bool)> {
    let (told, notices) = mpsc::unbounded_channel();
    inbox.push_file(incoming("file"), Share::Legacy, key(), told);
    notices
}

#[tokio::test]
async fn a_file_is_announced_again_if_the_agent_that_was_told_dies_at_once() {
    let mut inbox = inbox(0);
    let mut notices = push_file(&mut inbox);
    // One does not read it, one reads it and is gone.
    let unread = listen(&mut inbox, None);
    settle(&mut inbox, &[]).await;
    inbox.confirm(after(1));
    drop(unread);
    inbox.sweep();
    let mut read = listen(&mut inbox, None);
    assert_eq!(next(&mut inbox, &[], &mut read).await, "file");
    inbox.confirm(after(2));
    drop(read);
    inbox.confirm(after(9));
    inbox.sweep();
    assert!(notices.try_recv().is_err());
    let mut stays = listen(&mut inbox, None);
    assert_eq!(next(&mut inbox, &[], &mut stays).await, "file");
    inbox.confirm(after(10));
    inbox.confirm(after(11));
    assert!(notices.try_recv().is_err(), "not yet");
    inbox.confirm(after(12));
    assert_eq!(notices.try_recv(), Ok((key(), true)));
    let mut late = listen(&mut inbox, None);
    assert_eq!(next(&mut inbox, &[], &mut late).await, "nothing");
}

#[tokio::test]
async fn an_agent_that_got_as_many_as_it_wanted_has_heard_of_the_file() {
    let mut inbox = inbox(0);
    let mut notices = push_file(&mut inbox);
    let mut agent = listen(&mut inbox, Some(1));
    assert_eq!(next(&mut inbox, &[], &mut agent).await, "file");
    inbox.sweep();
    assert_eq!(notices.try_recv(), Ok((key(), true)));
}

/// Two are told: it is enough that one of them stays.
#[tokio::test]
async fn a_file_is_not_announced_again_while_another_agent_has_heard_of_it() {
    let mut inbox = inbox(0);
    let (mut one, mut other) = (listen(&mut inbox, None), listen(&mut inbox, None));
    let mut notices = push_file(&mut inbox);
    for agent in [&mut one, &mut other] {
        assert_eq!(next(&mut inbox, &[], agent).await, "file");
    }
    inbox.confirm(after(1));
    drop(one);
    inbox.sweep();
    inbox.confirm(after(3));
    assert_eq!(notices.try_recv(), Ok((key(), true)));
    assert_eq!(next(&mut inbox, &[], &mut other).await, "nothing");
}

#[tokio::test]
async fn a_listener_that_comes_back_is_not_handed_again_what_it_got() {
    let mut inbox = inbox(9);
    let disk = [0, 2, 3, 4, 7, 8];
    let mut agent = listen_after(&mut inbox, None, Some(3));
    assert!(inbox.was_handed(3) && !inbox.was_handed(4), "it has what it got before");
    for number in [4, 7, 8] {
        assert_eq!(next(&mut inbox, &disk, &mut agent).await, format!("n{number}"));
    }
    inbox.reload(9);
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "nothing");
    inbox.stored(&kept(9));
    assert_eq!(next(&mut inbox, &[], &mut agent).await, "n9");

    let mut last = listen_after(&mut inbox, None, Some(9));
    assert_eq!(next(&mut inbox, &disk, &mut last).await, "nothing");
    // A number of another inbox, as after the data directory was made anew.
    for after in [10, u64::MAX] {
        let mut other = listen_after(&mut inbox, None, Some(after));
        assert_eq!(next(&mut inbox, &disk, &mut other).await, "n0");
    }
}

/// An answer for somebody who has left while it was read is for the agent, whatever that got meanwhile.
#[tokio::test]
async fn what_nobody_else_took_is_handed_over_late() {
    let mut inbox = inbox(0);
    let (messages, mut agent) = mpsc::channel(1);
    let open = Arc::new(AtomicU64::default());
    let (kind, left, after) = (AgentKind::Program, None, None);
    inbox.subscribe(Agent { messages, left, after, kind, open: Arc::clone(&open) });
    inbox.stored(&kept(0));
    inbox.claimed(1);
    inbox.claimed(2);
    inbox.stored(&kept(3));
    let disk = [0, 1, 2, 3];
    for number in [0, 3] {
        assert_eq!(next(&mut inbox, &disk, &mut agent).await, format!("n{number}"));
        assert_eq!(open.load(Ordering::Relaxed), 1, "one may still come before it");
    }
    inbox.unclaimed(1);
    assert!(!inbox.was_handed(1) && inbox.was_handed(3));
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "n1");
    assert!(inbox.was_handed(1));
    // One that is taken before it is handed over is not handed over.
    inbox.unclaimed(2);
    inbox.taken(2);
    assert_eq!(next(&mut inbox, &[0, 1, 3], &mut agent).await, "nothing");
    inbox.stored(&kept(4));
    assert_eq!(next(&mut inbox, &disk, &mut agent).await, "n4");
    assert_eq!(open.load(Ordering::Relaxed), u64::MAX, "nothing may come before it");
    inbox.reload(5);
    assert_eq!(next(&mut inbox, &[0, 1, 3, 4], &mut agent).await, "nothing", "each came once");

    // It is not handed over twice where the listener had not come to it.
    inbox.claimed(5);
    inbox.unclaimed(5);
    assert_eq!(next(&mut inbox, &[5], &mut agent).await, "n5");
    assert_eq!(next(&mut inbox, &[5], &mut agent).await, "nothing");
}
