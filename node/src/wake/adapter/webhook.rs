//! An HTTP request that wakes the agent.

use std::path::Path;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::config::is_loopback;
use crate::private_file;
use crate::wake::AdapterError;
use crate::wake::runner::Start;

/// Mode bits that a token's file must not have: anything for others.
const FORBIDDEN: u32 = 0o007;
/// Longest token, in bytes.
const MAX_TOKEN: u64 = 4096;

/// Posts the wake-up as JSON. Any answer but 2xx is a refusal; redirects are not followed, since they would
/// take nonce and token where the operator did not send them.
pub(super) async fn run(
    url: Url,
    token_file: Option<&Path>,
    start: &Start,
) -> Result<(), AdapterError> {
    let refused = |error: reqwest::Error| AdapterError::Request { reason: chain(&error) };
    let token = match token_file {
        Some(path) => {
            let path = path.to_owned();
            let read = tokio::task::spawn_blocking(move || token(&path)).await;
            Some(
                read.unwrap_or_else(|error| Err(AdapterError::File { reason: error.to_string() }))?,
            )
        }
        None => None,
    };
    // Whoever was first has set it for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder().redirect(Policy::none()).timeout(start.timeout);
    if url.host_str().is_some_and(is_loopback) {
        client = client.no_proxy();
    }
    let client = client.build().map_err(refused)?;
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(start.call.json());
    let request = match token {
        Some(token) => request.header(AUTHORIZATION, token),
        None => request,
    };
    let answer = request.send().await.map_err(|error| {
        if error.is_timeout() {
            AdapterError::TimedOut { after: start.timeout }
        } else {
            refused(error)
        }
    })?;
    // What else the answer says is nobody's business: it is not read.
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(AdapterError::Answer { status: status.as_u16() }) }
}

/// The header for the token in a file.
fn token(path: &Path) -> Result<HeaderValue, AdapterError> {
    let wrong =
        |reason: String| AdapterError::File { reason: format!("{}: {reason}", path.display()) };
    let bytes = private_file::read(path, FORBIDDEN, MAX_TOKEN);
    let bytes = bytes.map_err(|error| wrong(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
    let mut header = HeaderValue::from_str(&format!("Bearer {}", text.trim()))
        .map_err(|_| wrong("it holds no token".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// An error and its causes; without the URL, which may hold a secret.
fn chain(error: &reqwest::Error) -> String {
    let mut text = match error {
        error if error.is_connect() => "no connection".to_owned(),
        _ => "no answer".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
