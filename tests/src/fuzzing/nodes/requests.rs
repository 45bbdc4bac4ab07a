//! Requests to everything that a node serves on its own machine: the API, tools for models, Agent2Agent.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use peer_node::a2a::{self, CardSigner};
use peer_node::api::{App, Client, Problem};
use peer_node::config::NodeConfig;
use peer_node::mcp::{self, Files};
use peer_node::paths::DataDir;
use peer_node::{Node, metrics};
use peer_protocol::crypto::Ed25519Authenticator;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Longest body of an answer that is read.
const MAX_ANSWER: usize = 8 << 20;
/// Nothing waits for anybody here.
const LONGEST: Duration = Duration::from_secs(10);

/// What a node serves. The node has stopped: whatever passes all checks ends there, and nothing that a
/// fuzzer writes is dialled, sent or started.
struct Faces {
    runtime: Runtime,
    router: Router,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// None of a stream, which does not end.
    body: Option<Vec<u8>>,
}

/// A request as text: a line with method and path, lines with headers, an empty one, and the body.
/// Whatever it is, it is answered as the specification says, and the same way a second time.
pub fn api(data: &[u8]) {
    static FACES: OnceLock<Faces> = OnceLock::new();
    let faces = FACES.get_or_init(Faces::start);
    let Some(request) = Asked::parse(data) else { return };
    let Some(answer) = faces.ask(&request) else { return };
    assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", answer.text());
    request.check(&answer);
    let again = faces.ask(&request).expect("it was a request before");
    assert_eq!(again.status, answer.status, "asked twice, answered differently");
}

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl<'a> Asked<'a> {
    fn parse(data: &'a [u8]) -> Option<Self> {
        let end = data.windows(2).position(|two| two == b"\n\n");
        let (head, body) = match end {
            Some(at) => (&data[..at], &data[at + 2..]),
            None => (data, &data[data.len()..]),
        };
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let (method, path) = lines.next()?.split_once(' ')?;
        let headers = lines.map(|line| line.split_once(": ")).collect::<Option<_>>()?;
        Some(Self { method, path, headers, body })
    }

    fn build(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(self.body.to_vec())).ok()
    }

    fn check(&self, answer: &Answer) {
        let path = self.path.split('?').next().unwrap_or_default();
        let failed = answer.status.is_client_error() || answer.status.is_server_error();
        if path.starts_with("/v1/") && failed && self.method != "HEAD" {
            let problem: Problem =
                serde_json::from_slice(answer.body.as_deref().unwrap_or_default())
                    .unwrap_or_else(|error| panic!("{error}: {}", answer.text()));
            assert_eq!(problem.status, answer.status.as_u16());
            assert!(!problem.detail.is_empty() && !problem.next.is_empty());
            assert_eq!(answer.header("content-type"), Some(Problem::CONTENT_TYPE));
        }
        if path.starts_with("/a2a") && self.method == "POST" && answer.status.is_success() {
            self.check_json_rpc(answer);
        }
    }

    /// An answer has the id of its request, and either a result or an error.
    fn check_json_rpc(&self, answer: &Answer) {
        let Some(body) = &answer.body else { return };
        let value: Value = serde_json::from_slice(body).expect("JSON-RPC is JSON");
        assert_eq!(value["jsonrpc"], "2.0");
        assert_ne!(value.get("result").is_some(), value.get("error").is_some(), "{value}");
        if let Ok(Value::Object(asked)) = serde_json::from_slice(self.body)
            && let Some(id @ (Value::String(_) | Value::Number(_))) = asked.get("id")
            && value.get("result").is_some()
        {
            assert_eq!(&value["id"], id);
        }
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn text(&self) -> String {
        let body = String::from_utf8_lossy(self.body.as_deref().unwrap_or_default());
        format!("{}: {body}", self.status)
    }
}

impl Faces {
    fn start() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let router = runtime.block_on(Self::router());
        Self { runtime, router }
    }

    async fn router() -> Router {
        let config =
            NodeConfig::default().with_listen(Vec::new()).with_mdns(false).with_upnp(false);
        let a2a = config.a2a().clone();
        let node = Node::builder().config(config).start().await.expect("a node without a network");
        let (handle, metrics) = (node.handle(), node.metrics());
        let signer = CardSigner::new(&Ed25519Authenticator::from_seed(&[1; 32]));
        let a2a = a2a::start(&handle, &a2a, signer, vec!["translate".to_owned()]);
        let a2a = a2a.expect("no agent needs no client");
        // Nobody serves there: tools find no node.
        let nowhere = std::env::temp_dir().join("peer-fuzz-no-node");
        let dir = DataDir::resolve(Some(nowhere)).expect("an absolute path");
        let files = Files::below(&[], &dir).expect("no directory is no bad one");
        let tools = mcp::http::router(mcp::Server::new(Client::new(&dir), files));
        handle.shutdown().await;
        node.stopped().await;
        App::new(handle)
            .mount(tools)
            .mount(metrics::router(metrics))
            .mount(a2a.guarded)
            .mount_public(a2a.public)
            .into_router()
    }

    /// What is answered; nothing if no HTTP request can be made of it.
    fn ask(&self, request: &Asked<'_>) -> Option<Answer> {
        let request = request.build()?;
        self.runtime.block_on(async {
            let asked = self.router.clone().oneshot(request);
            let response = tokio::time::timeout(LONGEST, asked).await.expect("it is answered");
            let response = response.unwrap_or_else(|never| match never {});
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.into_body();
            let body = match body.size_hint().upper() {
                Some(_) => Some(to_bytes(body, MAX_ANSWER).await.expect("within bounds").to_vec()),
                None => None,
            };
            Some(Answer { status, headers, body })
        })
    }
}

/// One request of each kind, as the documentation shows them.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let get = |path: &str| format!("GET {path}").into_bytes();
    let post = |path: &str, body: &str| {
        format!("POST {path}\ncontent-type: application/json\nidempotency-key: k1\n\n{body}")
            .into_bytes()
    };
    let rpc = |version: &str, method: &str, params: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        format!("POST /a2a/bob\ncontent-type: application/json\na2a-version: {version}\n\n{body}")
            .into_bytes()
    };
    let message = r#"{"message":{"messageId":"m","role":"ROLE_USER","parts":[{"text":"hi"}]}}"#;
    let old = r#"{"message":{"kind":"message","messageId":"m","role":"user","parts":[{"kind":"text","text":"hi"}]}}"#;
    let tool = |name: &str, arguments: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        );
        let accept = "accept: application/json, text/event-stream";
        format!("POST /mcp\ncontent-type: application/json\n{accept}\n\n{body}").into_bytes()
    };
    let fingerprint =
        peer_protocol::identity::Fingerprint::of(crate::people::identity(0).public_key());
    vec![
        get("/v1/status"),
        get("/v1/log?lines=20"),
        get("/v1/outbox?peer=bob&settled=true&limit=10&after=0"),
        get("/v1/inbox?taken=true&limit=5&after=n3"),
        get("/v1/inbox/n17"),
        get("/v1/messages/3f2a91c0/trace"),
        get("/v1/proof?nonce=00112233445566778899aabbccddeeff"),
        b"GET /v1/events?kinds=message,session_ready\nlast-event-id: 3f9c01d2-17".to_vec(),
        b"GET /v1/messages?limit=1&again=true\nlast-event-id: n17".to_vec(),
        get("/openapi.json"),
        get("/metrics"),
        get("/.well-known/agent-card.json"),
        post("/v1/connect", r#"{"address":"/ip4/127.0.0.1/tcp/1","timeout_ms":10}"#),
        post("/v1/talk", r#"{"peer":"bob","content":{"text":"hello","content_type":"text/plain"},"ttl_ms":5000}"#),
        post("/v1/report", r#"{"peer":"bob","status":"done","next_action":"rest","wait":"delivered"}"#),
        post("/v1/alive", r#"{"peer":"bob","timeout_ms":5}"#),
        post("/v1/wake", r#"{"peer":"bob","reason":"work"}"#),
        post("/v1/restart", r#"{"peer":"bob","attempts":2}"#),
        post("/v1/awake", r#"{"nonce":"00112233445566778899aabbccddeeff"}"#),
        post("/v1/answer", r#"{"message_id":"3f2a91c0","content":{"base64":"aGk="},"done":true}"#),
        post("/v1/inbox/ack", r#"{"messages":["n1","3f2a91c0"]}"#),
        post("/v1/outbox/retry", r#"{"peer":"bob"}"#),
        post("/v1/trust/pin", &format!(r#"{{"entity":"bob","fingerprint":"{fingerprint}"}}"#)),
        post("/v1/trust/revoke", r#"{"who":"bob"}"#),
        post("/v1/transfers", r#"{"peer":"bob","path":"/nowhere/a.bin","name":"a.bin"}"#),
        post("/v1/register", r#"{"capabilities":["translate"]}"#),
        post("/v1/lookup", r#"{"entity":"bob"}"#),
        post("/v1/discover", r#"{"capability":"translate","limit":3}"#),
        rpc("1.0", "SendMessage", message),
        rpc("1.0", "GetTask", r#"{"id":"t","historyLength":2}"#),
        rpc("1.0", "ListTasks", r#"{"pageSize":3,"status":"TASK_STATE_WORKING"}"#),
        rpc("1.0", "SubscribeToTask", r#"{"id":"t"}"#),
        rpc("0.3", "message/send", old),
        rpc("0.3", "tasks/get", r#"{"id":"t"}"#),
        rpc("0.3", "tasks/cancel", r#"{"id":"t"}"#),
        tool("talk_to_peer", r#"{"peer":"bob","message":"hello"}"#),
        tool("send_file", r#"{"peer":"bob","path":"a.txt"}"#),
        tool("read_inbox", r#"{"limit":3}"#),
        b"POST /mcp\ncontent-type: application/json\naccept: application/json, text/event-stream\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}".to_vec(),
    ]
}
