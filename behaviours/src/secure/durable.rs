//! What a link needs of a disk (`docs/PROTOCOL.md` §8): what is known there of the peer's messages, and
//! what became of writes.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use peer_protocol::crypto::PublicKey;
use peer_protocol::delivery::Resume;
use peer_protocol::id::MessageId;
use peer_protocol::identity::EntityId;
use peer_protocol::link::Link;
use peer_protocol::message::Message;
use peer_protocol::time::Now;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::Sleep;

/// Pause before a disk is asked again that did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// The disk could not be read. It is asked again after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("what is on disk cannot be read")]
pub struct Unreadable;

/// Knows what is on disk of the messages that came from a peer. Asked once there is a session, and again
/// after a write failed.
pub trait Resumes: Send + Sync {
    /// What is known of the holder of `peer`. Everything that was reported as written is in it.
    fn resume(&self, peer: &PublicKey) -> BoxFuture<'static, Result<Resume, Unreadable>>;
}

/// There is no disk: nothing is known of anybody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDisk;

impl Resumes for NoDisk {
    fn resume(&self, _: &PublicKey) -> BoxFuture<'static, Result<Resume, Unreadable>> {
        Box::pin(ready(Ok(Resume::default())))
    }
}

/// What must neither be lost nor overtaken. There are never more of them than messages in a window and
/// messages being written. Each peer's channel has room for 32 of them from the start, so that they are small.
#[derive(Debug)]
pub(super) enum Notice {
    Hand(Vec<Message>),
    Withdraw(Vec<MessageId>),
    Stored(Vec<MessageId>),
    NotStored(Vec<MessageId>),
    Processed(Vec<MessageId>),
    Mail(Box<(EntityId, Vec<Message>)>),
}

/// What is to be told to the link.
pub(super) enum Word {
    Notice(Notice),
    Resumed(Resume),
}

impl Word {
    pub(super) fn tell(self, link: &mut Link, now: Now) {
        match self {
            Self::Notice(Notice::Hand(messages)) => link.hand(messages, now),
            Self::Notice(Notice::Withdraw(ids)) => link.withdraw(&ids, now),
            Self::Notice(Notice::Stored(ids)) => link.stored(&ids, now),
            Self::Notice(Notice::NotStored(ids)) => link.not_stored(&ids, now),
            Self::Notice(Notice::Processed(ids)) => link.processed(&ids, now),
            Self::Notice(Notice::Mail(mail)) => {
                let (sender, messages) = *mail;
                link.take_mail(&sender, messages, now);
            }
            Self::Resumed(resume) => link.resume(&resume, now),
        }
    }
}

/// Where the disk's answer is.
enum Asked {
    No,
    Under(BoxFuture<'static, Result<Resume, Unreadable>>),
    Later(Pin<Box<Sleep>>),
    Answered,
}

/// A link's way to the disk.
pub(super) struct Durable {
    peer: PublicKey,
    source: Arc<dyn Resumes>,
    notices: mpsc::UnboundedReceiver<Notice>,
    asked: Asked,
}

impl Durable {
    pub(super) fn new(
        peer: PublicKey,
        source: Arc<dyn Resumes>,
        notices: mpsc::UnboundedReceiver<Notice>,
    ) -> Self {
        Self { peer, source, notices, asked: Asked::No }
    }

    /// There is a session: ordered messages may come.
    pub(super) fn session_ready(&mut self) {
        if matches!(self.asked, Asked::No) {
            self.ask();
        }
    }

    /// Asks what is on disk; the answer follows.
    pub(super) fn ask(&mut self) {
        self.asked = Asked::Under(self.source.resume(&self.peer));
    }

    /// What is to be told to the link next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Word> {
        // The behaviour's end may be gone; its inputs say so as well.
        if let Poll::Ready(Some(notice)) = self.notices.poll_recv(cx) {
            // Mail comes without a session.
            if matches!(notice, Notice::Mail(..)) {
                self.session_ready();
            }
            return Poll::Ready(Word::Notice(notice));
        }
        loop {
            match &mut self.asked {
                Asked::No | Asked::Answered => return Poll::Pending,
                Asked::Under(answer) => match answer.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(resume)) => {
                        self.asked = Asked::Answered;
                        return Poll::Ready(Word::Resumed(resume));
                    }
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(%error, "ordered messages have to wait");
                        self.asked = Asked::Later(Box::pin(tokio::time::sleep(RETRY)));
                    }
                },
                Asked::Later(pause) => match pause.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.ask(),
                },
            }
        }
    }
}
