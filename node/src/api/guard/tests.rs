use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn port() -> (Access, tempfile::TempDir) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, TOKEN.as_bytes()).unwrap();
    let token = Arc::new(Token::load_or_create(&path).unwrap());
    (Access::Port { address: "127.0.0.1:4780".parse().unwrap(), token }, dir)
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn status(result: Result<(), Box<Problem>>) -> u16 {
    result.map_or_else(|problem| problem.status, |()| 200)
}

#[test]
fn a_port_answers_only_to_its_own_name() {
    let (access, _dir) = port();
    let path = Uri::from_static("/v1/status");
    for (host, expected) in [
        ("127.0.0.1:4780", 200),
        ("localhost:4780", 200),
        ("LOCALHOST:4780", 200),
        ("[::1]:4780", 200),
        ("127.0.0.1", 421),
        ("127.0.0.1:80", 421),
        ("localhost:47800", 421),
        ("evil.example:4780", 421),
        ("localhost.evil.example:4780", 421),
        ("127.0.0.1.nip.io:4780", 421),
        ("127.0.0.1:4780@evil.example", 421),
        ("[::1]", 421),
        ("", 421),
        (":4780", 421),
    ] {
        let found = status(access.check_origin(&path, &headers(&[("host", host)])));
        assert_eq!(found, expected, "{host:?}");
    }
    assert_eq!(status(access.check_origin(&path, &HeaderMap::new())), 421);
    let twice = headers(&[("host", "127.0.0.1:4780"), ("host", "evil.example")]);
    assert_eq!(status(access.check_origin(&path, &twice)), 421);
    let absolute = Uri::from_static("http://evil.example:4780/v1/status");
    let host = headers(&[("host", "127.0.0.1:4780")]);
    assert_eq!(status(access.check_origin(&absolute, &host)), 421);
}

#[test]
fn a_port_of_80_may_go_without_saying() {
    assert!(is_own(&"127.0.0.1:80".parse().unwrap(), "localhost"));
    assert!(is_own(&"[::1]:80".parse().unwrap(), "[::1]"));
    assert!(is_own(&"127.0.0.9:80".parse().unwrap(), "127.0.0.9:80"));
    assert!(!is_own(&"127.0.0.1:81".parse().unwrap(), "localhost"));
}

#[test]
fn foreign_pages_are_refused_everywhere() {
    let (access, _dir) = port();
    let path = Uri::from_static("/v1/status");
    for (origin, expected) in [
        ("http://127.0.0.1:4780", 200),
        ("http://localhost:4780", 403),
        ("https://127.0.0.1:4780", 403),
        ("http://127.0.0.1:80", 403),
        ("http://127.0.0.1", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
    ] {
        let headers = headers(&[("host", "127.0.0.1:4780"), ("origin", origin)]);
        for access in [&access, &Access::Socket] {
            let found = status(access.check_origin(&path, &headers));
            assert_eq!(found, expected, "{access:?} {origin:?}");
        }
    }
    let own = "http://127.0.0.1:4780";
    let twice = headers(&[("host", "127.0.0.1:4780"), ("origin", own), ("origin", own)]);
    assert_eq!(status(access.check_origin(&path, &twice)), 403);
}

#[test]
fn the_socket_takes_any_host_and_no_token() {
    let path = Uri::from_static("/v1/status");
    for host in ["localhost", "whatever", ""] {
        assert_eq!(status(Access::Socket.check_origin(&path, &headers(&[("host", host)]))), 200);
    }
    assert_eq!(status(Access::Socket.check_origin(&path, &HeaderMap::new())), 200);
    assert_eq!(status(Access::Socket.check_token(&HeaderMap::new())), 200);
}

#[test]
fn a_port_wants_the_token() {
    let (access, _dir) = port();
    for (value, expected) in [
        ("Bearer 0123456789abcdef0123456789abcdef", 200),
        ("bearer  0123456789abcdef0123456789abcdef", 200),
        ("Bearer 0123456789abcdef0123456789abcdee", 401),
        ("Bearer 0123456789abcdef0123456789abcde", 401),
        ("Bearer 0123456789abcdef0123456789abcdef0", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Basic 0123456789abcdef0123456789abcdef", 401),
        ("0123456789abcdef0123456789abcdef", 401),
        ("", 401),
    ] {
        let found = status(access.check_token(&headers(&[("authorization", value)])));
        assert_eq!(found, expected, "{value:?}");
    }
    assert_eq!(status(access.check_token(&HeaderMap::new())), 401);
    let good = "Bearer 0123456789abcdef0123456789abcdef";
    let twice = headers(&[("authorization", good), ("authorization", good)]);
    assert_eq!(status(access.check_token(&twice)), 401);
}
