//! What other programs hold of a running node: cheap to clone, safe to share.

mod deferred;
mod delivery;
mod gateway;
mod life;
mod mailbox;
mod registry;
mod transfers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::Multiaddr;
use peer_protocol::id::MessageId;
use peer_protocol::identity::{EntityId, Fingerprint};
use tokio::sync::{mpsc, oneshot};

use crate::error::NodeError;
use crate::events::{EventSource, Events};
use crate::large;
use crate::model::{
    Answer, Awoken, Content, Incoming, Life, MAX_TTL, MailboxStatus, Netcheck, PeerStatus,
    ReportOptions, Reported, SessionLine, Status, TalkOptions, TrustLine, Wait, Woken,
};
use crate::wake::AgentKey;

pub(crate) use delivery::DeliveryCommand;
pub(crate) use gateway::{Asked, GatewayCommand, Said, WeakHandle};
pub(crate) use registry::Registry;
pub(crate) use transfers::TransferCommand;

/// What the event loop is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    Status(oneshot::Sender<Status>),
    Peers(oneshot::Sender<Vec<PeerStatus>>),
    Sessions(oneshot::Sender<Vec<SessionLine>>),
    Connect(Multiaddr, Reply<PeerStatus>),
    Talk(Outgoing<Talk>, Reply<Answer>),
    Report(Outgoing<Report>, Reply<Reported>),
    Alive(Outgoing<()>, Reply<Life>),
    Wake(Outgoing<Wake>, Reply<Woken>),
    /// An agent gives a nonce back.
    Awake(String, Reply<Awoken>),
    /// An agent waits to be asked whether it is there, and answers the last question.
    Probe {
        agent: AgentKey,
        answer: Option<u64>,
        question: oneshot::Sender<u64>,
    },
    Answer {
        message_id: String,
        content: Content,
        done: bool,
        reply: Reply<()>,
    },
    Subscribe(Agent, oneshot::Sender<()>),
    TrustList(oneshot::Sender<Vec<TrustLine>>),
    Pin(EntityId, Fingerprint, Reply<TrustLine>),
    Revoke(String, Reply<Vec<TrustLine>>),
    Registry(Registry),
    Delivery(DeliveryCommand),
    Transfer(TransferCommand),
    Netcheck(oneshot::Sender<Netcheck>),
    Mailbox {
        visit: bool,
        reply: Reply<MailboxStatus>,
    },
    Gateway(GatewayCommand),
    Shutdown(oneshot::Sender<()>),
}

/// Where the answer to a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, NodeError>>;

/// Somebody who takes messages for the agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) messages: mpsc::Sender<Incoming>,
    /// How many more it takes; `None` for all.
    pub(crate) left: Option<usize>,
    /// Messages up to this inbox number it was handed before, and needs no more.
    pub(crate) after: Option<u64>,
    pub(crate) kind: AgentKind,
    /// The least inbox number that it may be handed though it was handed later ones, as it stood when it was
    /// handed the last message.
    pub(crate) open: Arc<AtomicU64>,
}

/// How it is known whether an agent is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentKind {
    /// It is a part of this program.
    Program,
    /// It is another program, and cannot be asked.
    Client,
    /// It is another program, and can be asked under this name.
    Probed(AgentKey),
}

/// Something for a peer, and how long the caller waits.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    pub(crate) peer: String,
    pub(crate) timeout: Duration,
    pub(crate) what: T,
}

#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) content: Content,
    pub(crate) conversation: Option<String>,
    /// How long to keep trying, at most [`MAX_TTL`]; `None` as configured.
    pub(crate) ttl: Option<Duration>,
    /// Kept in memory only, and given up when its caller waits no longer.
    pub(crate) volatile: bool,
    /// Its id, if it is not to be sent again should it have been already.
    pub(crate) id: Option<MessageId>,
}

#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) status: String,
    pub(crate) next_action: Option<String>,
    pub(crate) content: Content,
    /// How long to keep trying, at most [`MAX_TTL`]; `None` as configured.
    pub(crate) ttl: Option<Duration>,
    /// What its caller waits for.
    pub(crate) wait: Wait,
    /// Its id, if it is not to be sent again should it have been already.
    pub(crate) id: Option<MessageId>,
}

#[derive(Debug)]
pub(crate) struct Wake {
    pub(crate) reason: String,
    pub(crate) attempt: u32,
}

/// A handle to a running node. Peers are named by entity id, peer id, fingerprint, or a multiaddress
/// that ends in `/p2p/<peer id>`.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    events: EventSource,
}

impl Handle {
    pub(crate) const fn new(commands: mpsc::Sender<Command>, events: EventSource) -> Self {
        Self { commands, events }
    }

    /// What happens in the node from now on: connections, handshakes step by step, sessions, messages,
    /// transfers.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.listen()
    }

    /// The node itself.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn status(&self) -> Result<Status, NodeError> {
        self.ask(Command::Status).await
    }

    /// How the node stands in the network.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn netcheck(&self) -> Result<Netcheck, NodeError> {
        self.ask(Command::Netcheck).await
    }

    /// Connected peers, and those with a session.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, NodeError> {
        self.ask(Command::Peers).await
    }

    /// Sessions, and handshakes that would open one.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn sessions(&self) -> Result<Vec<SessionLine>, NodeError> {
        self.ask(Command::Sessions).await
    }

    /// Dials `address` and opens a session; returns once it is `READY`.
    ///
    /// # Errors
    /// [`NodeError`] if nobody answers there, or the handshake fails.
    pub async fn connect(&self, address: Multiaddr) -> Result<PeerStatus, NodeError> {
        self.ask(|reply| Command::Connect(address, reply)).await?
    }

    /// Asks `peer` and waits for the answer (`talk_to_peer`); `options` may be just a timeout. When it
    /// passes the node goes on trying, unless the task is volatile, and the answer comes to the inbox.
    ///
    /// # Errors
    /// [`NodeError::Unanswered`] with the message's id, or [`NodeError::Timeout`] if it is volatile: both say
    /// how far it got. [`NodeError`] if the peer is unknown or refuses.
    pub async fn talk(
        &self,
        peer: &str,
        content: Content,
        conversation: Option<String>,
        options: impl Into<TalkOptions>,
    ) -> Result<Answer, NodeError> {
        self.talk_once(None, peer, content, conversation, options.into()).await
    }

    /// The same under the id `id`. If the outbox has a message of that id already nothing more is sent, and
    /// the caller waits for that one; unless it is volatile.
    ///
    /// # Errors
    /// [`NodeError::KeyReused`] if that is another message, [`NodeError::Settled`] if it was processed.
    pub(crate) async fn talk_once(
        &self,
        id: Option<MessageId>,
        peer: &str,
        content: Content,
        conversation: Option<String>,
        options: TalkOptions,
    ) -> Result<Answer, NodeError> {
        let TalkOptions { ttl, volatile, timeout } = options;
        check_ttl(ttl)?;
        let content = large::weighed(content).await;
        let talk = outgoing(peer, timeout, Talk { content, conversation, ttl, volatile, id });
        self.ask(|reply| Command::Talk(talk, reply)).await?
    }

    /// Tells `peer` how things stand (`report_to_peer`); `options` may be just a timeout. Returns once the
    /// report has come as far as the options say, is settled, or the timeout has passed, with what is known
    /// by then. The node goes on trying until the time to live is over: a peer that is away is no error.
    ///
    /// # Errors
    /// [`NodeError`] if nobody is known by that name, or the report cannot be accepted.
    pub async fn report(
        &self,
        peer: &str,
        status: String,
        next_action: Option<String>,
        content: Content,
        options: impl Into<ReportOptions>,
    ) -> Result<Reported, NodeError> {
        let report = (status, next_action, content);
        self.report_once(None, peer, report, options.into()).await
    }

    /// The same, status, next action and content, under the id `id`, as in [`Self::talk_once`].
    pub(crate) async fn report_once(
        &self,
        id: Option<MessageId>,
        peer: &str,
        (status, next_action, content): (String, Option<String>, Content),
        options: ReportOptions,
    ) -> Result<Reported, NodeError> {
        let ReportOptions { ttl, wait, timeout } = options;
        check_ttl(ttl)?;
        let content = large::weighed(content).await;
        let report = Report { status, next_action, content, ttl, wait, id };
        let report = outgoing(peer, timeout, report);
        self.ask(|reply| Command::Report(report, reply)).await?
    }

    /// Messages for the agent, those that waited first; the stream ends after `limit` of them if there
    /// is one. While any subscriber is there the node counts as having an agent, which lives as long as this
    /// program does; each message goes to every subscriber once.
    ///
    /// A message with an inbox number stays in the inbox until somebody [acknowledges](Self::acknowledge)
    /// it, by its number or id. Until then the next subscriber is handed it again, under the same id and
    /// number.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn subscribe(
        &self,
        limit: Option<usize>,
    ) -> Result<mpsc::Receiver<Incoming>, NodeError> {
        self.subscribe_after(limit, None).await
    }

    /// The same for a subscriber that comes back: messages of the inbox up to the number `after`, which it
    /// was handed before, are not handed to it again. They stay in the inbox until they are acknowledged.
    /// A number that the inbox has not reached counts as none.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn subscribe_after(
        &self,
        limit: Option<usize>,
        after: Option<u64>,
    ) -> Result<mpsc::Receiver<Incoming>, NodeError> {
        self.attach(limit, after, AgentKind::Program).await
    }

    /// The same for another program.
    pub(crate) async fn attach(
        &self,
        limit: Option<usize>,
        after: Option<u64>,
        kind: AgentKind,
    ) -> Result<mpsc::Receiver<Incoming>, NodeError> {
        self.attach_with(limit, after, kind, Arc::default()).await
    }

    /// The same, and `open` becomes the least number that may still come after later ones: whoever comes
    /// back after a later one would miss it.
    pub(crate) async fn attach_with(
        &self,
        limit: Option<usize>,
        after: Option<u64>,
        kind: AgentKind,
        open: Arc<AtomicU64>,
    ) -> Result<mpsc::Receiver<Incoming>, NodeError> {
        // What lies in this channel is lost if the subscriber dies, so that little may.
        let (messages, receiver) = mpsc::channel(1);
        open.store(u64::MAX, Ordering::Release);
        let agent = Agent { messages, left: limit, after, kind, open };
        self.ask(|reply| Command::Subscribe(agent, reply)).await?;
        Ok(receiver)
    }

    /// Answers a task that came in, which acknowledges it; `done` is false if the agent could not do it.
    ///
    /// # Errors
    /// [`NodeError::NoSuchTask`] if no such task waits, for instance because it was answered.
    pub async fn answer(
        &self,
        message_id: &str,
        content: Content,
        done: bool,
    ) -> Result<(), NodeError> {
        let message_id = message_id.to_owned();
        let content = large::weighed(content).await;
        self.ask(|reply| Command::Answer { message_id, content, done, reply }).await?
    }

    /// The trust list.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn trust_list(&self) -> Result<Vec<TrustLine>, NodeError> {
        self.ask(Command::TrustList).await
    }

    /// Pins `entity` to a key whose fingerprint the operator has compared.
    ///
    /// # Errors
    /// [`NodeError::Storage`] if it cannot be saved.
    pub async fn pin(
        &self,
        entity: EntityId,
        fingerprint: Fingerprint,
    ) -> Result<TrustLine, NodeError> {
        self.ask(|reply| Command::Pin(entity, fingerprint, reply)).await?
    }

    /// Revokes the key of an entity, or of a fingerprint, and closes its sessions.
    ///
    /// # Errors
    /// [`NodeError::UnknownPeer`] if nothing of that name is on record.
    pub async fn revoke(&self, who: &str) -> Result<Vec<TrustLine>, NodeError> {
        let who = who.to_owned();
        self.ask(|reply| Command::Revoke(who, reply)).await?
    }

    /// Waits until the node has stopped, whoever stopped it.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }

    /// Stops the node: no new work, a short time for what is under way, sessions closed.
    pub async fn shutdown(&self) {
        // A node that has stopped already is what the caller wants.
        let _ = self.ask(Command::Shutdown).await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| NodeError::Stopped)?;
        answer.await.map_err(|_| NodeError::Stopped)
    }
}

fn outgoing<T>(peer: &str, timeout: Duration, what: T) -> Outgoing<T> {
    Outgoing { peer: peer.to_owned(), timeout, what }
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), NodeError> {
    match ttl {
        Some(ttl) if ttl.is_zero() || ttl > MAX_TTL => {
            let most = MAX_TTL.as_secs() / 86_400;
            let detail =
                format!("a time to live of {} ms: expected 1 ms to {most} days", ttl.as_millis());
            Err(NodeError::Invalid { detail })
        }
        _ => Ok(()),
    }
}
