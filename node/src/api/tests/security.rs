//! Who gets in, and how much of the node anybody may take.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpStream;

use super::*;

struct Port {
    rig: Rig,
    address: SocketAddr,
    token: Token,
}

/// Everything on a loopback port too, with one guarded route and one public route of another face.
async fn port(limits: Limits) -> Port {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::resolve(Some(temp.path().to_owned())).unwrap();
    let (handle, fake) = Fake::start();
    let echo = Router::new().route("/face", post(async |body: String| body));
    let page = Router::new()
        .route("/page", get(async || "a page"))
        .route("/large", get(async || vec![b'x'; 8 << 20]));
    let app = App::with_limits(handle, limits).mount(echo).mount_public(page);
    let mut server = Server::start(&dir.socket(), app).await.unwrap();
    let token = Token::load_or_create(&dir.api_token()).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let address = server.listen(address, token.clone()).await.unwrap();
    let rig = Rig { _temp: temp, client: Client::new(&dir), dir, fake, server };
    Port { rig, address, token }
}

impl Port {
    /// Sends a head, with the right host unless it has one, and a body; returns the whole answer.
    async fn send(&self, line: &str, headers: &[&str], body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("host:")) {
            head += &format!("host: {}\r\n", self.address);
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(body).await;
        answer(&mut stream).await
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}", self.token.as_str())
    }
}

/// Reads an answer to its end; status 0 if the connection was closed without one.
async fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    (status, answer)
}

#[tokio::test]
async fn over_tcp_nothing_is_said_without_the_token() {
    let port = port(Limits::default()).await;
    let bearer = port.bearer();
    let (status, answer) = port.send("GET /v1/status", &[&bearer], b"").await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("entity_a"));

    let other = bearer.replace('0', "1").replace('f', "e");
    for headers in [&[][..], &[other.as_str()], &["authorization: Basic x"], &["cookie: token=x"]] {
        for path in ["/v1/status", "/v1/events", "/v1/nothing", "/face", "/"] {
            let (status, answer) = port.send(&format!("GET {path}"), headers, b"").await;
            assert_eq!(status, 401, "{path} {headers:?}: {answer}");
            assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
            assert!(answer.contains("urn:peer:unauthorized") && answer.contains("peer api token"));
            assert!(!answer.contains("entity_a") && !answer.contains(port.token.as_str()));
        }
    }
    // Not in the query either, which ends up in logs.
    let query = format!("GET /v1/status?token={}", port.token.as_str());
    assert_eq!(port.send(&query, &[], b"").await.0, 401);
    assert_eq!(port.rig.fake.look(|memory| memory.talks.len()), 0);
}

#[tokio::test]
async fn the_node_proves_that_it_knows_the_token_before_it_is_sent() {
    let port = port(Limits::default()).await;
    let nonce = "0123456789abcdef".repeat(2);
    let (status, answer) = port.send(&format!("GET /v1/proof?nonce={nonce}"), &[], b"").await;
    assert_eq!(status, 200, "{answer}");
    let text = format!("peer-api-proof:{}:{nonce}", port.address.port());
    let mac = peer_protocol::crypto::text_mac(port.token.as_str().as_bytes(), text.as_bytes());
    assert!(answer.ends_with(&format!("{{\"proof\":\"{}\"}}", hex::encode(mac))), "{answer}");
    assert!(!answer.contains(port.token.as_str()));

    for nonce in [String::new(), "0123".to_owned(), "xy".repeat(20), "0".repeat(65)] {
        let (status, answer) = port.send(&format!("GET /v1/proof?nonce={nonce}"), &[], b"").await;
        assert_eq!(status, 400, "{nonce}: {answer}");
    }
    // Pages of other sites learn nothing.
    let asked = format!("GET /v1/proof?nonce={nonce}");
    assert_eq!(port.send(&asked, &["host: evil.example"], b"").await.0, 421);
    assert_eq!(port.send(&asked, &["origin: http://evil.example"], b"").await.0, 403);
}

#[tokio::test]
async fn other_faces_are_behind_the_same_guard() {
    let port = port(Limits::default()).await;
    let bearer = port.bearer();
    let (status, answer) = port.send("POST /face", &[&bearer], b"hello").await;
    assert!(status == 200 && answer.ends_with("hello"), "{answer}");
    assert_eq!(port.send("POST /face", &[], b"hello").await.0, 401);
    let large = vec![b'x'; MAX_BODY_LEN + 1];
    assert_eq!(port.send("POST /face", &[&bearer], &large).await.0, 413);
    let (status, answer) = port.send("DELETE /face", &[&bearer], b"").await;
    assert!(status == 405 && answer.contains("urn:peer:method_not_allowed"), "{answer}");

    let (status, answer) = port.send("GET /page", &[], b"").await;
    assert!(status == 200 && answer.ends_with("a page"), "{answer}");
    assert_eq!(port.send("GET /page", &["host: evil.example"], b"").await.0, 421);
    assert_eq!(port.send("GET /page", &["origin: http://evil.example"], b"").await.0, 403);
    assert_eq!(port.send("POST /page", &[], b"").await.0, 405);
}

#[tokio::test]
async fn foreign_hosts_and_pages_are_refused_whatever_they_know() {
    let port = port(Limits::default()).await;
    let bearer = port.bearer();
    let rebound = format!("host: evil.example:{}", port.address.port());
    let (status, answer) = port.send("GET /v1/status", &[&bearer, &rebound], b"").await;
    assert!(status == 421 && answer.contains("urn:peer:wrong_host"), "{answer}");
    let origin = format!("origin: http://evil.example:{}", port.address.port());
    let (status, answer) = port.send("POST /v1/shutdown", &[&bearer, &origin], b"").await;
    assert!(status == 403 && answer.contains("urn:peer:foreign_origin"), "{answer}");
    let own = format!("origin: http://{}", port.address);
    assert_eq!(port.send("GET /v1/status", &[&bearer, &own], b"").await.0, 200);
    // Nothing invites other pages.
    let preflight = ["origin: http://evil.example", "access-control-request-method: POST"];
    let (status, answer) = port.send("OPTIONS /v1/talk", &preflight, b"").await;
    assert!(status == 403 && !answer.contains("access-control-allow"), "{answer}");

    let head = b"GET /v1/status HTTP/1.1\r\nhost: a\r\norigin: http://evil.example\r\n\
        connection: close\r\n\r\n";
    let mut stream = UnixStream::connect(port.rig.dir.socket()).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn ids_are_no_paths() {
    let port = port(Limits::default()).await;
    let bearer = port.bearer();
    for path in [
        "/v1/outbox/..%2f..%2fkey",
        "/v1/inbox/..%2Fapi.token",
        "/v1/transfers/%2e%2e%2f%2e%2e%2fkey",
        "/v1/messages/..%5c..%5ckey/trace",
        "/v1/outbox/%00",
        "/v1/outbox/%ff%fe",
        "/v1/../key",
        "/../../etc/passwd",
        "/page/../key",
        "/page%2f..%2fkey",
        "//etc/passwd",
    ] {
        let (status, answer) = port.send(&format!("GET {path}"), &[&bearer], b"").await;
        assert!((400..500).contains(&status), "{path}: {answer}");
        assert!(!answer.contains(port.token.as_str()) && !answer.contains("root:"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let port = port(Limits::default()).await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let head = format!(
        "POST /v1/talk HTTP/1.1\r\nhost: {}\r\n{}\r\ncontent-length: 109951162777600\r\n\r\n",
        port.address,
        port.bearer()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (status, answer) = answer(&mut stream).await;
    assert!(status == 413 && answer.contains("109951162777600 bytes"), "{answer}");
}

fn hurried() -> Limits {
    let (head, body) = (Duration::from_millis(300), Duration::from_millis(300));
    let write = Duration::from_millis(300);
    Limits { head, body, write, connections: 16, strangers: 8, streams: 2 }
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let port = port(hurried()).await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let begun = Instant::now();
    let head = format!("GET /v1/status HTTP/1.1\r\nhost: {}\r\nx-slow: ", port.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut byte = [0];
    loop {
        tokio::select! {
            read = stream.read(&mut byte) => match read {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            },
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                let _ = stream.write_all(b"x").await;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still open");
    }
    assert!(begun.elapsed() >= hurried().head);
    assert!(port.rig.client.status().await.is_ok());
}

#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let port = port(hurried()).await;
    for path in ["/v1/talk", "/face"] {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{}\r\ncontent-length: 1000\r\n\r\n",
            port.address,
            port.bearer()
        );
        let begun = Instant::now();
        stream.write_all(head.as_bytes()).await.unwrap();
        let trickle = async {
            for _ in 0..100 {
                if stream.write_all(b" ").await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                let mut part = [0; 64];
                if let Ok(1..) = stream.try_read(&mut part) {
                    return String::from_utf8_lossy(&part).into_owned();
                }
            }
            String::new()
        };
        let answer = trickle.await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{path}: it is still read");
        let expected = if path == "/face" { "HTTP/1.1 4" } else { "HTTP/1.1 408" };
        assert!(answer.starts_with(expected), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_thousand_idle_connections_lock_nobody_out() {
    let patient = Duration::from_secs(600);
    let limits = Limits { head: patient, body: patient, ..hurried() };
    let port = port(limits).await;
    let bearer = port.bearer();
    // One that has shown the token, and stays.
    let mut known = TcpStream::connect(port.address).await.unwrap();
    let head = format!("GET /v1/status HTTP/1.1\r\nhost: {}\r\n{bearer}\r\n\r\n", port.address);
    known.write_all(head.as_bytes()).await.unwrap();
    assert!(known.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(port.address).await.unwrap());
    }
    // Whoever has the token gets in though they all stay, and the socket has places of its own.
    assert_eq!(port.send("GET /v1/status", &[&bearer], b"").await.0, 200);
    assert!(port.rig.client.status().await.is_ok());
    // The oldest were closed for the newer ones; a few are open.
    for stream in idle.iter_mut().take(1000 - limits.strangers) {
        tokio::time::timeout(Duration::from_secs(5), answer(stream)).await.unwrap();
    }
    let newest = idle.last_mut().unwrap();
    let ended = tokio::time::timeout(Duration::from_millis(100), newest.read(&mut [0])).await;
    assert!(ended.is_err(), "the newest is still open: {ended:?}");
    // The one with the token was never in question.
    known.write_all(head.as_bytes()).await.unwrap();
    assert!(known.read(&mut [0; 4096]).await.unwrap() > 0);
}

#[tokio::test]
async fn connections_with_the_token_are_bounded_too() {
    let patient = Duration::from_secs(600);
    let limits = Limits { head: patient, connections: 4, strangers: 2, ..hurried() };
    let port = port(limits).await;
    let line = format!("GET /v1/status HTTP/1.1\r\nhost: {}\r\n", port.address);
    let head = format!("{line}{}\r\n\r\n", port.bearer());
    let mut known = Vec::new();
    for _ in 0..limits.connections {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        known.push(stream);
    }
    let mut refused = TcpStream::connect(port.address).await.unwrap();
    let (status, said) = answer(&mut refused).await;
    assert!(status == 503 && said.contains("urn:peer:busy"), "{said}");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let port = port(hurried()).await;
    let stream = TcpStream::connect(port.address).await.unwrap();
    // Far more answers than fit into the buffers of both ends.
    let head = format!("GET /large HTTP/1.1\r\nhost: {}\r\n\r\n", port.address);
    let begun = Instant::now();
    let (mut reads, mut writes) = stream.into_split();
    let asking = async {
        while writes.write_all(head.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap();
    assert!(begun.elapsed() >= hurried().write);
    // Nothing more is to come than what lay in the buffers.
    let mut rest = Vec::new();
    let rest = reads.read_to_end(&mut rest);
    drop(tokio::time::timeout(Duration::from_secs(5), rest).await.unwrap());
}

#[tokio::test]
async fn streams_of_events_are_bounded() {
    let port = port(hurried()).await;
    let client = &port.rig.client;
    let first = client.messages(None).await.unwrap();
    let _second = client.messages(None).await.unwrap();
    let refused = client.messages(None).await.unwrap_err().into_failure();
    assert_eq!(refused.kind, "too_many_streams", "{refused:?}");
    assert!(client.status().await.is_ok());
    drop(first);
    for _ in 0..200 {
        if client.messages(None).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place of a stream that is closed stays taken");
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let mut port = port(Limits::default()).await;
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let token = port.token.clone();
        let refused = port.rig.server.listen(address.parse().unwrap(), token).await.unwrap_err();
        assert!(refused.to_string().contains("other machines"), "{refused}");
    }
    let refused = port.rig.server.listen(port.address, port.token.clone()).await.unwrap_err();
    assert!(matches!(refused, ServerError::Port { .. }), "{refused}");
    assert_eq!(port.rig.client.api().await.unwrap().listen, Some(port.address.to_string()));
}

/// Another user of the machine. Without root nobody can act as one.
#[tokio::test]
async fn another_user_cannot_open_the_socket() {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can act as another user");
        return;
    }
    let rig = rig().await;
    // The directory is open, so that it is the socket's own mode that counts.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(rig.dir.root(), open).unwrap();
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\n\
        try: s.connect(sys.argv[1])\nexcept PermissionError: sys.exit(13)\n";
    let connect = |uid: u32| {
        let mut command = std::process::Command::new("python3");
        command.args(["-c", script]).arg(rig.dir.socket()).uid(uid).gid(uid);
        command.status()
    };
    let Ok(own) = connect(0) else {
        eprintln!("skipped: no python3 to connect with");
        return;
    };
    assert_eq!(own.code(), Some(0));
    assert_eq!(connect(65_534).unwrap().code(), Some(13), "nobody is refused");
}
