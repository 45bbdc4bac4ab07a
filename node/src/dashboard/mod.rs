//! The dashboard: a page that shows a node in the browser and acts through its HTTP API, which the page
//! is one more client of. What is served here is the same for every node and needs no token; the page
//! asks for the token (or takes it out of the address that `peer api url` prints) before it asks the API
//! for anything. Everything is in the program: no other host is asked for a font, a script or a picture,
//! and the headers let none in.

mod assets;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use assets::Asset;

/// Scripts, styles, pictures and requests from and to the node alone; nothing inline, no frames around
/// it, and no text that becomes markup or script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The page at `/`, and its files below `/dashboard/`. To be mounted where no token is needed.
pub fn router() -> Router {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { serve("index.html", &headers) }))
        .route(
            "/dashboard/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move {
                serve(&path, &headers)
            }),
        )
}

/// The file called `path`: a name in the table of all there are, never a path on disk.
fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = Asset::named(path) else {
        let text = "the dashboard has no such file\n";
        return (StatusCode::NOT_FOUND, guards(), [(CACHE_CONTROL, "no-store")], text)
            .into_response();
    };
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // A browser keeps a file and asks each time whether it is still right: another version of the
    // program never meets scripts of this one.
    let cached = [(ETAG, asset.etag.clone()), (CACHE_CONTROL, "no-cache".to_owned())];
    if known.flat_map(|tags| tags.split(',')).any(|tag| asset.is(tag)) {
        return (StatusCode::NOT_MODIFIED, guards(), cached).into_response();
    }
    (guards(), cached, [(CONTENT_TYPE, asset.content_type)], asset.body).into_response()
}

/// What all answers say of who may do what with them.
const fn guards() -> [(HeaderName, &'static str); 7] {
    [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
    ]
}
