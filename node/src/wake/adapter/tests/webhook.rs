//! Requests to a server on this machine.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::post;

use super::*;

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A server, and the requests to `/wake`.
async fn serve(elsewhere: &str) -> (String, Seen) {
    let seen = Seen::default();
    let recorded = Arc::clone(&seen);
    let moved = [(header::LOCATION, format!("{elsewhere}/wake"))];
    let again = moved.clone();
    let app = Router::new()
        .route(
            "/wake",
            post(async move |headers: HeaderMap, body: Bytes| {
                recorded.lock().unwrap().push((headers, body));
            }),
        )
        .route("/moved", post(async move || (StatusCode::FOUND, moved)))
        .route("/kept", post(async move || (StatusCode::PERMANENT_REDIRECT, again)))
        .route("/refused", post(async || StatusCode::FORBIDDEN))
        .route("/hangs", post(async || std::future::pending::<()>().await))
        .route(
            "/flood",
            post(async || {
                let part = || Ok::<_, Infallible>(Bytes::from(vec![b'x'; 1 << 16]));
                Body::from_stream(futures::stream::repeat_with(part)).into_response()
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, seen)
}

fn hook(url: &str, token_file: Option<PathBuf>) -> Adapter {
    Adapter::Webhook { url: url.parse().unwrap(), token_file }
}

fn token(dir: &Path, text: &str, mode: u32) -> PathBuf {
    let path = dir.join("token");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn the_wake_up_is_json_and_nothing_else_is_the_peers() {
    let (url, seen) = serve("http://127.0.0.1:1").await;
    let mut rig = Rig::new(|dir| hook(&format!("{url}/wake"), Some(token(dir, "s3cret\n", 0o600))));
    for reason in HOSTILE {
        rig.start(1, reason, false);
        assert_eq!(rig.ended().await, Ok(()), "{reason:?}");
        let (headers, body) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(headers[header::AUTHORIZATION], "Bearer s3cret");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        let mut names: Vec<_> = headers.keys().map(header::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "authorization", "content-length", "content-type", "host"]);
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&document["reason"], &document["nonce"]), (&reason.into(), &NONCE.into()));
        assert_eq!(document["from"], "bob");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, seen) = serve("http://127.0.0.1:1").await;
    let (url, _) = serve(&elsewhere).await;
    for (path, status) in [("moved", 302), ("kept", 308)] {
        let mut rig =
            Rig::new(|dir| hook(&format!("{url}/{path}"), Some(token(dir, "s3cret", 0o600))));
        rig.start(1, "", false);
        assert_eq!(rig.ended().await, Err(AdapterError::Answer { status }));
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refusals_silence_and_floods_do_no_harm() {
    let (url, _) = serve("http://127.0.0.1:1").await;
    let mut rig = Rig::new(|_| hook(&format!("{url}/refused"), None));
    rig.start(1, "", false);
    assert_eq!(rig.ended().await, Err(AdapterError::Answer { status: 403 }));
    let mut rig = Rig::new(|_| hook(&format!("{url}/hangs"), None));
    rig.timeout = Duration::from_millis(300);
    rig.start(1, "", false);
    assert_eq!(rig.ended().await, Err(AdapterError::TimedOut { after: rig.timeout }));
    let mut rig = Rig::new(|_| hook(&format!("{url}/flood"), None));
    rig.start(1, "", false);
    assert_eq!(rig.ended().await, Ok(()));
    let mut rig = Rig::new(|_| hook("http://127.0.0.1:1/", None));
    rig.start(1, "", false);
    let error = rig.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "the request could not be made");
    assert!(error.reason().contains("refused"), "{}", error.reason());
}

#[tokio::test]
async fn a_token_that_others_may_read_is_not_used() {
    let (url, seen) = serve("http://127.0.0.1:1").await;
    for (text, mode) in [("s3cret", 0o644), ("a\nb", 0o600), (&*"x".repeat(5000), 0o600)] {
        let mut rig = Rig::new(|dir| hook(&format!("{url}/wake"), Some(token(dir, text, mode))));
        rig.start(1, "", false);
        assert!(matches!(rig.ended().await, Err(AdapterError::File { .. })), "{mode:o}");
    }
    assert!(seen.lock().unwrap().is_empty());
}
