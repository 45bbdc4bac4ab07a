//! A peer with a session, which nobody has pinned, and what it sends on its session stream.

use std::borrow::Cow;
use std::sync::Arc;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use peer_behaviours::Clock as _;
use peer_protocol::id::{MessageId, TransferId};
use peer_protocol::message::{
    Body, CapabilityQuery, Chunk, Discovery, Fetch, Heartbeat, Mailbox, Message, Receipt,
    ReceiptStatus, StatusReport, Take, Task, WakeUp,
};
use peer_protocol::session::Session;
use peer_protocol::stream::{FrameId, HEAD_LEN, Head, Kind};
use tokio::sync::Semaphore;

use super::handshakes::{Stranger, forge, key_of};
use super::line::{Line, Stream};
use super::{Attempt, Tasks};
use crate::Failure;
use crate::case::Attack;

/// What a node grants on a stream (§14.4).
const REQUESTS: usize = 32;
/// Requests after which the attacker takes another session, before the node would renew it.
const SMALL: usize = 64;
const LARGE: usize = 1 << 20;

pub(super) async fn begin(attack: Attack, attempt: &Attempt) -> Result<Tasks, Failure> {
    let key = key_of(attempt)?;
    let mut stranger = Stranger::new()?;
    let line = Line::open(&attempt.source, &stranger.key).await?;
    let session = stranger.session(&line, key).await?;
    let mut tasks = Tasks::new();
    let attempt = attempt.clone();
    tasks.spawn(async move {
        let mut session = session;
        loop {
            let flooded = match attack {
                Attack::SlowReader => starve(&line, &stranger, &mut session, &attempt).await,
                _ => flood(attack, &line, &stranger, &mut session, &attempt).await,
            };
            if flooded.is_err() && !line.is_open() {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
        }
    });
    Ok(tasks)
}

/// Fills one session stream until it ends.
async fn flood(
    attack: Attack,
    line: &Line,
    stranger: &Stranger,
    session: &mut Session,
    attempt: &Attempt,
) -> Result<(), Failure> {
    let stream = line.speak("/peer/1.1.0/session").await?;
    let (mut read, mut write) = stream.split();
    let credit = Arc::new(Semaphore::new(0));
    let granted = Arc::clone(&credit);
    let reading = tokio::spawn(async move {
        while let Ok((head, _)) = frame(&mut read).await {
            granted.add_permits(if head.kind == Kind::Credit { REQUESTS } else { 1 });
        }
        granted.close();
    });
    let mut id = 0;
    let filled = async {
        loop {
            // Eight of the longest are what a node grants.
            let share = if attack == Attack::Batches { REQUESTS as u32 / 7 } else { 1 };
            credit.acquire_many(share).await?.forget();
            if share > 1 {
                credit.add_permits(share as usize - 1);
            }
            let messages = messages(attack)?;
            let now = stranger.clock.now();
            let identity = &stranger.config.identity;
            let mut sealed = session.seal(&messages, identity, &mut rand::rng(), now)?;
            if attack == Attack::BadSignatures {
                forge(&mut sealed.bytes);
            }
            write_frame(&mut write, id, &sealed.bytes).await?;
            id += 1;
            attempt.count();
        }
    };
    let ended: Result<(), Failure> = filled.await;
    reading.abort();
    ended
}

/// Asks on one stream after the other and reads nothing.
async fn starve(
    line: &Line,
    stranger: &Stranger,
    session: &mut Session,
    attempt: &Attempt,
) -> Result<(), Failure> {
    let mut left = Vec::new();
    for _ in 0..64 {
        let (_read, mut write) = line.speak("/peer/1.1.0/session").await?.split();
        for id in 0..REQUESTS as u32 {
            let messages = messages(Attack::Heartbeats)?;
            let now = stranger.clock.now();
            let identity = &stranger.config.identity;
            let sealed = session.seal(&messages, identity, &mut rand::rng(), now)?;
            write_frame(&mut write, id, &sealed.bytes).await?;
            attempt.count();
        }
        left.push((_read, write));
    }
    std::future::pending().await
}

async fn write_frame(
    write: &mut futures::io::WriteHalf<Stream>,
    id: u32,
    body: &[u8],
) -> Result<(), Failure> {
    let head = Head { len: u32::try_from(body.len())?, kind: Kind::Request, id: FrameId(id) };
    write.write_all(&head.encode()).await?;
    write.write_all(body).await?;
    write.flush().await?;
    Ok(())
}

async fn frame(read: &mut futures::io::ReadHalf<Stream>) -> Result<(Head, Vec<u8>), Failure> {
    let mut head = [0; HEAD_LEN];
    read.read_exact(&mut head).await?;
    let head = Head::decode(head)?;
    let mut body = vec![0; head.len as usize];
    read.read_exact(&mut body).await?;
    Ok((head, body))
}

/// What goes into one sealed request.
fn messages(attack: Attack) -> Result<Vec<Message>, Failure> {
    let mut rng = rand::rng();
    let small = Cow::Borrowed(&[7; SMALL][..]);
    let (owner, name) = ([7; 32], "flood".to_owned());
    let bodies: Vec<Body<'_>> = match attack {
        Attack::Tasks | Attack::BadSignatures => {
            vec![Task { content: small, ..Task::default() }.into()]
        }
        Attack::Reports => vec![StatusReport { content: small, ..StatusReport::default() }.into()],
        Attack::WakeUps => vec![WakeUp { reason: name, attempt: 1 }.into()],
        Attack::Discovery => vec![
            Discovery { entity_id: None, capability: Some(name.clone()) }.into(),
            CapabilityQuery { names: vec![name] }.into(),
        ],
        Attack::Chunks => vec![
            Chunk {
                data: small,
                offer: None,
                total: 1 << 30,
                cancel: None,
                offset: 0,
                transfer: TransferId::random(&mut rng),
            }
            .into(),
        ],
        Attack::Mailbox => vec![
            Mailbox::Take(Take { count: 1, owner }).into(),
            Mailbox::Fetch(Fetch::default()).into(),
        ],
        Attack::Receipts => vec![
            Receipt {
                status: ReceiptStatus::Received,
                message_ids: (0..256).map(|_| MessageId::random(&mut rng)).collect(),
            }
            .into(),
        ],
        Attack::Batches => {
            let content = Cow::Owned(vec![7; LARGE - (8 << 10)]);
            vec![Task { content, ..Task::default() }.into()]
        }
        _ => vec![Body::from(Heartbeat {}); 16],
    };
    let mut messages = Vec::with_capacity(bodies.len());
    for body in &bodies {
        messages.push(Message::new(&mut rng, body, None)?);
    }
    Ok(messages)
}
