//! Ordered messages between two swarms, and what their links ask of a disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::future::{BoxFuture, ready};
use libp2p_swarm::Swarm;
use libp2p_swarm_test::SwarmExt as _;
use peer_behaviours::secure::{Behaviour, EventKind, GateConfig, Resumes, Unreadable};
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::{Order, Position, Resume};
use peer_protocol::id::{MessageId, StreamId};
use peer_protocol::link::Event;
use peer_protocol::message::{Message, ReceiptStatus};
use peer_protocol::rate_limit::RateProfile;

use crate::common::{behaviour, drive, swarm, task};

/// A disk that says what the test tells it to say.
#[derive(Debug, Default)]
struct Disk {
    answers: Mutex<VecDeque<Result<Resume, Unreadable>>>,
    asked: Mutex<usize>,
}

impl Resumes for Disk {
    fn resume(&self, _: &PublicKey) -> BoxFuture<'static, Result<Resume, Unreadable>> {
        *self.asked.lock().unwrap() += 1;
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(ready(answer.unwrap_or_else(|| Ok(Resume::default()))))
    }
}

fn ordered(count: u64) -> Vec<Message> {
    let stream = StreamId::random(&mut rand::rng());
    let order = |number| Some(Order { after: None, number, stream });
    (0..count).map(|number| Message { order: order(number), ..task("x") }).collect()
}

async fn pair(disk: &Arc<Disk>) -> [Swarm<Behaviour>; 2] {
    let generous = |config: &mut peer_protocol::link::LinkConfig| {
        config.rate = RateProfile::trusted();
    };
    let mut a = swarm("entity_a", GateConfig::default(), generous);
    let mut b = Swarm::new_ephemeral_tokio(|keypair| {
        behaviour("entity_b", keypair, GateConfig::default(), generous)
            .with_disk(Arc::clone(disk) as _)
    });
    b.listen().with_memory_addr_external().await;
    a.connect(&mut b).await;
    [a, b]
}

/// Lets `count` ordered messages arrive at `b`.
async fn arrive(
    a: &mut Swarm<Behaviour>,
    b: &mut Swarm<Behaviour>,
    count: usize,
) -> Vec<MessageId> {
    let mut ids = Vec::new();
    drive(a, b, |side, _, event| {
        if let (1, EventKind::Link(Event::Ordered(arrival))) = (side, event) {
            ids.push(arrival.message.id);
        }
        (ids.len() == count).then_some(())
    })
    .await;
    ids
}

/// Waits until all of `ids` are acknowledged to `a`.
async fn acknowledged(
    a: &mut Swarm<Behaviour>,
    b: &mut Swarm<Behaviour>,
    ids: &[MessageId],
    wanted: ReceiptStatus,
) {
    let mut left: Vec<_> = ids.to_vec();
    drive(a, b, |side, _, event| {
        if let (0, EventKind::Link(Event::Acknowledged { ids, status })) = (side, event)
            && status == wanted
        {
            left.retain(|id| !ids.contains(id));
        }
        left.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn ordered_messages_arrive_in_order_and_are_acknowledged_when_they_are_stored_and_taken() {
    let disk = Arc::new(Disk::default());
    let [mut a, mut b] = pair(&disk).await;
    let (at_a, at_b) = (*a.local_peer_id(), *b.local_peer_id());
    let messages = ordered(300);
    let sent: Vec<_> = messages.iter().map(|message| message.id).collect();
    a.behaviour_mut().hand(at_b, messages).unwrap();
    let ids = arrive(&mut a, &mut b, sent.len()).await;
    assert_eq!(ids, sent);
    b.behaviour_mut().stored(&at_a, ids.clone());
    acknowledged(&mut a, &mut b, &ids, ReceiptStatus::Delivered).await;
    b.behaviour_mut().processed(&at_a, ids.clone());
    let mut told = 0;
    let mut left = ids.len();
    drive(&mut a, &mut b, |side, _, event| {
        match (side, event) {
            (0, EventKind::Link(Event::Acknowledged { ids, status })) => {
                assert_eq!(status, ReceiptStatus::Processed);
                left -= ids.len();
            }
            (1, EventKind::Link(Event::Told(ids))) => told += ids.len(),
            _ => {}
        }
        (left == 0 && told == sent.len()).then_some(())
    })
    .await;
    assert_eq!(*disk.asked.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_knows_is_acknowledged_and_a_disk_that_cannot_be_read_is_asked_again() {
    let disk = Arc::new(Disk::default());
    let messages = ordered(2);
    let [known, new] = [messages[0].id, messages[1].id];
    let stream = messages[0].order.map(|order| order.stream);
    let position = Position { stream, next: 1, dead: Vec::new() };
    let resume = Resume { position, taken: vec![(known, false)], owed: Vec::new() };
    disk.answers.lock().unwrap().extend([Err(Unreadable), Ok(resume)]);
    let [mut a, mut b] = pair(&disk).await;
    let at_b = *b.local_peer_id();
    a.behaviour_mut().hand(at_b, messages).unwrap();
    assert_eq!(arrive(&mut a, &mut b, 1).await, [new]);
    acknowledged(&mut a, &mut b, &[known], ReceiptStatus::Delivered).await;
    assert_eq!(*disk.asked.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_write_the_disk_is_asked_and_the_message_comes_again() {
    let disk = Arc::new(Disk::default());
    let [mut a, mut b] = pair(&disk).await;
    let (at_a, at_b) = (*a.local_peer_id(), *b.local_peer_id());
    a.behaviour_mut().hand(at_b, ordered(1)).unwrap();
    let ids = arrive(&mut a, &mut b, 1).await;
    b.behaviour_mut().not_stored(&at_a, ids.clone());
    assert_eq!(arrive(&mut a, &mut b, 1).await, ids);
    assert_eq!(*disk.asked.lock().unwrap(), 2);
    b.behaviour_mut().stored(&at_a, ids.clone());
    acknowledged(&mut a, &mut b, &ids, ReceiptStatus::Delivered).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_does_not_arrive() {
    let disk = Arc::new(Disk::default());
    let [mut a, mut b] = pair(&disk).await;
    let at_b = *b.local_peer_id();
    let messages = ordered(2);
    let [first, second] = [messages[0].id, messages[1].id];
    a.behaviour_mut().hand(at_b, messages).unwrap();
    a.behaviour_mut().withdraw(&at_b, vec![first]);
    assert_eq!(arrive(&mut a, &mut b, 1).await, [second]);
}
