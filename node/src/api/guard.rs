//! What every request passes before anything is done for it: from where it came, that it is meant for
//! this node, that no foreign page sent it, who sent it, and how large and how slow it may be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::Limited;

use super::body::Timed;
use super::extract::too_large;
use super::server::Shown;
use super::{MAX_BODY_LEN, Problem, Token};

/// Over what requests come.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// The Unix socket, which nobody but the operator can open.
    Socket,
    /// A loopback port, which all users of this machine and all pages in its browsers can reach.
    Port { address: SocketAddr, token: Arc<Token> },
}

/// What a guard lets pass.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) access: Access,
    /// How long the body of a request may take to come.
    pub(super) body_time: Duration,
}

/// For all requests.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Err(problem) = guard.access.check_origin(request.uri(), request.headers()) {
        return (*problem).into_response();
    }
    let announced = request.body().size_hint().lower();
    if announced > MAX_BODY_LEN as u64 {
        return too_large(&format!("{announced} bytes"), MAX_BODY_LEN).into_response();
    }
    let bound = |body| Body::new(Timed::new(Limited::new(body, MAX_BODY_LEN), guard.body_time));
    next.run(request.map(bound)).await
}

/// For all requests but those for public files.
pub(super) async fn check_token(
    State(access): State<Access>,
    request: Request,
    next: Next,
) -> Response {
    match access.check_token(request.headers()) {
        Ok(()) => {
            if let Some(shown) = request.extensions().get::<Shown>() {
                shown.set();
            }
            next.run(request).await
        }
        Err(problem) => {
            let challenge = HeaderValue::from_static("Bearer realm=\"peer\"");
            ([(WWW_AUTHENTICATE, challenge)], *problem).into_response()
        }
    }
}

impl Access {
    /// Refuses what a page of another site sends. Its scripts can send requests to a loopback port under
    /// a name of their own (DNS rebinding), and forms without asking.
    fn check_origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Box<Problem>> {
        let host = single(headers, &HOST);
        if let Self::Port { address, .. } = self {
            let named = uri.authority().map(|authority| authority.as_str());
            let own = |name: &str| is_own(address, name);
            if !host.is_some_and(own) || !named.is_none_or(own) {
                return Err(Box::new(misdirected(address, named.or(host))));
            }
        }
        if !headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let origin = single(headers, &ORIGIN);
        let from = origin.and_then(|origin| origin.strip_prefix("http://"));
        match (from, host) {
            (Some(from), Some(host)) if from.eq_ignore_ascii_case(host) => Ok(()),
            _ => Err(Box::new(foreign(origin))),
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Box<Problem>> {
        let Self::Port { token, .. } = self else { return Ok(()) };
        let given = single(headers, &AUTHORIZATION).and_then(bearer);
        match given {
            Some(given) if token.is(given.as_bytes()) => Ok(()),
            Some(_) => Err(Box::new(unauthorized("the token of the request is not this node's"))),
            None => Err(Box::new(unauthorized("the request has no token"))),
        }
    }
}

/// A header that is there once, as text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok()
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a host, as requests name it, is a loopback address at the port `address`.
fn is_own(address: &SocketAddr, host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The colon may be one of an IPv6 address.
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    let ip = address.ip();
    let own = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    let known = ["localhost", "127.0.0.1", "[::1]", &own];
    port == Some(address.port()) && known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn misdirected(address: &SocketAddr, host: Option<&str>) -> Problem {
    let host = host.map_or_else(|| "no host".to_owned(), |host| format!("the host {host:?}"));
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "wrong_host",
        format!("the request names {host}, and this is {address}"),
        "send it to the address that `peer api url` prints",
    )
}

fn foreign(origin: Option<&str>) -> Problem {
    let origin = origin.unwrap_or("an unreadable origin");
    Problem::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        format!("a page of another site sent the request: {origin:?}"),
        "use the node's own page, whose address `peer api url` prints",
    )
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        detail.to_owned(),
        "send the header `Authorization: Bearer <token>` with what `peer api token` prints",
    )
}

#[cfg(test)]
mod tests;
