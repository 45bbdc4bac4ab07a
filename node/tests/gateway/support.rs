//! A version 1.0 peer written without a line of the implementation: it builds its JSON by hand, signs it,
//! posts it over a bare socket, and takes what is posted to it. And nodes to try it on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peer_behaviours::{Clock, SystemClock};
use peer_node::config::{GatewayConfig, GatewayPeer, NodeConfig};
use peer_node::model::{Content, Incoming};
use peer_node::{Handle, Node, NodeBuilder};
use peer_protocol::crypto::{Ed25519Authenticator, PublicKey};
use peer_protocol::identity::Identity;
use peer_protocol::time::{Now, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of a refusal, which the gateway has signed.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.body["msg_type"], "error", "{self:?}");
        self.body["payload"]["code"].as_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn taken(&self) {
        assert_eq!((self.status, &self.body["status"]), (200, &json!("received")), "{self:?}");
    }
}

/// Sends bytes, and reads the answer to the end of the connection.
pub(crate) async fn raw(at: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    tokio::time::timeout(2 * LIMIT, read).await.unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_lowercase(),
        body: serde_json::from_str(body).unwrap_or_default(),
    }
}

pub(crate) async fn request(at: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw(at, [head.as_bytes(), body.as_bytes()].concat().as_slice()).await
}

pub(crate) async fn say(at: SocketAddr, message: &str) -> Answer {
    request(at, "POST", "/message", message).await
}

/// The peer.
pub(crate) struct Old {
    pub(crate) entity: String,
    identity: Identity,
}

/// What a message says beside its type; `payload` is canonical JSON already.
#[derive(Clone, Copy)]
pub(crate) struct Saying<'a> {
    pub(crate) to: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) session: Option<&'a str>,
    pub(crate) number: Option<u64>,
    /// Seconds after the clock's.
    pub(crate) after: i64,
}

impl Default for Saying<'_> {
    fn default() -> Self {
        Self { to: "new", payload: "{}", session: None, number: None, after: 0 }
    }
}

impl Old {
    pub(crate) fn new(entity: &str, seed: u8) -> Self {
        let key = Arc::new(Ed25519Authenticator::from_seed(&[seed; 32]));
        let identity = Identity::new(Some(entity.parse().unwrap()), key).unwrap();
        Self { entity: entity.to_owned(), identity }
    }

    pub(crate) fn key(&self) -> PublicKey {
        *self.identity.public_key()
    }

    pub(crate) fn key_hex(&self) -> String {
        hex(self.key().as_bytes())
    }

    pub(crate) fn named(&self, url: Option<String>) -> GatewayPeer {
        GatewayPeer {
            entity: self.entity.parse().unwrap(),
            key: self.key(),
            url: url.map(|url| url.parse().unwrap()),
            require_session: false,
        }
    }

    /// A task in plain words for the entity `to`.
    pub(crate) fn task(&self, to: &str, text: &str, id: &str) -> String {
        let payload = format!(
            r#"{{"message":"{text}","message_id":"{id}","msg_type":"direct_message","session_id":null}}"#
        );
        self.write("task_delegate", Saying { to, payload: &payload, ..Saying::default() })
    }

    pub(crate) fn report(&self, to: &str, status: &str) -> String {
        let payload = format!(
            r#"{{"metadata":{{}},"next_action":null,"report_type":"progress","session_id":null,"status":"{status}"}}"#
        );
        self.write("status_report", Saying { to, payload: &payload, ..Saying::default() })
    }

    /// A signed message, with everything ASCII.
    pub(crate) fn write(&self, msg_type: &str, saying: Saying<'_>) -> String {
        let Saying { to, payload, session, number, after } = saying;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seconds = i64::try_from(since.as_secs()).unwrap() + after;
        let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
        let entity = &self.entity;
        let signed = format!(
            r#"{{"msg_type":"{msg_type}","nonce":"{nonce}","payload":{payload},"sender_id":"{entity}","timestamp":{seconds}.25,"version":"1.0"}}"#
        );
        let signature = STANDARD.encode(self.sign(signed.as_bytes()));
        let session = session.map_or("null".to_owned(), |id| format!("\"{id}\""));
        let number = number.map_or("null".to_owned(), |number| number.to_string());
        format!(
            r#"{{"payload": {payload}, "timestamp": {seconds}.25, "nonce": "{nonce}", "signature": "{signature}", "encrypted_payload": null, "sender_public_key": null, "jwt_token": null, "sender_id": "{entity}", "recipient_id": "{to}", "session_id": {session}, "sequence_num": {number}, "version": "1.0", "msg_type": "{msg_type}"}}"#
        )
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.identity.sign(bytes)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a server answers.
type Reply = Box<dyn Fn(&Value) -> (u16, String) + Send + Sync>;

/// A server of a peer: everything that is posted to it, and what it answers.
pub(crate) struct Stub {
    pub(crate) url: String,
    pub(crate) posted: mpsc::Receiver<Value>,
}

impl Stub {
    /// Answers each message with `answer`.
    pub(crate) async fn start(
        answer: impl Fn(&Value) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, posted) = mpsc::channel(64);
        let shared = Arc::new((sender, Box::new(answer) as Reply));
        let take = |State(shared): State<Arc<(mpsc::Sender<Value>, Reply)>>, body: String| async move {
            let message: Value = serde_json::from_str(&body).unwrap();
            let (status, text) = (shared.1)(&message);
            shared.0.send(message).await.unwrap();
            (axum::http::StatusCode::from_u16(status).unwrap(), text)
        };
        let router = axum::Router::new().route("/message", post(take));
        let serving = axum::serve(listener, router.with_state(shared));
        tokio::spawn(async move { serving.await.unwrap() });
        Self { url, posted }
    }

    /// As the original may: it says that it has it.
    pub(crate) async fn receiving() -> Self {
        Self::start(|_| (200, r#"{"status": "ok"}"#.to_owned())).await
    }

    pub(crate) async fn next(&mut self) -> Value {
        tokio::time::timeout(LIMIT, self.posted.recv()).await.unwrap().unwrap()
    }
}

/// A clock that shows another date.
#[derive(Debug)]
pub(crate) struct At {
    start: Now,
    date: Timestamp,
    clock: SystemClock,
}

impl At {
    pub(crate) fn new(date: Timestamp) -> Self {
        let clock = SystemClock::new();
        Self { start: clock.now(), date, clock }
    }
}

impl Clock for At {
    fn now(&self) -> Now {
        let now = self.clock.now();
        let timestamp = self.date + now.instant.since(self.start.instant);
        Now { timestamp, ..now }
    }
}

/// A node with a gateway.
pub(crate) struct Gateway {
    pub(crate) handle: Handle,
    pub(crate) at: SocketAddr,
    /// Where it is dialled.
    pub(crate) address: String,
}

pub(crate) fn config(entity: &str) -> NodeConfig {
    NodeConfig::default()
        .with_entity(entity.parse().unwrap())
        .with_listen(vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()])
        .with_mdns(false)
        .with_upnp(false)
}

/// A node named `new`, and those of version 1.0 that it knows.
pub(crate) async fn gateway(peers: Vec<GatewayPeer>) -> Gateway {
    gateway_with(peers, &[], |config| config, None).await
}

pub(crate) async fn gateway_with(
    peers: Vec<GatewayPeer>,
    forward: &[&str],
    configure: impl FnOnce(NodeConfig) -> NodeConfig,
    clock: Option<Arc<dyn Clock>>,
) -> Gateway {
    let builder = match clock {
        Some(clock) => Node::builder().clock(clock),
        None => Node::builder(),
    };
    gateway_of(builder, peers, forward, configure).await
}

/// The same on what `builder` brings.
pub(crate) async fn gateway_of(
    builder: NodeBuilder,
    peers: Vec<GatewayPeer>,
    forward: &[&str],
    configure: impl FnOnce(NodeConfig) -> NodeConfig,
) -> Gateway {
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let forward = forward.iter().map(|entity| entity.parse().unwrap()).collect();
    let config = config("new").with_gateway(GatewayConfig { listen, peers, forward });
    let node = builder.config(configure(config)).start().await.unwrap();
    let handle = node.handle();
    let address = handle.status().await.unwrap().listen.remove(0);
    Gateway { handle, at: node.gateway().unwrap(), address }
}

/// An agent that answers every task with what it says in capitals, and shows what it got.
pub(crate) async fn agent(handle: &Handle) -> mpsc::Receiver<Incoming> {
    let mut messages = handle.subscribe(None).await.unwrap();
    let (sender, receiver) = mpsc::channel(64);
    let handle = handle.clone();
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            let said = message.content.text.clone().unwrap_or_default().to_uppercase();
            if message.kind == peer_node::model::IncomingKind::Task {
                let answer = Content::from_bytes(said.as_bytes());
                handle.answer(&message.message_id, answer, true).await.unwrap();
            }
            if sender.send(message).await.is_err() {
                return;
            }
        }
    });
    receiver
}

pub(crate) async fn next(messages: &mut mpsc::Receiver<Incoming>) -> Incoming {
    tokio::time::timeout(LIMIT, messages.recv()).await.unwrap().unwrap()
}
