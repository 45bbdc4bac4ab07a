//! The description of the API for programs (OpenAPI 3.1), made from the code.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Info, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::Problem;

/// What every answer that is no success says.
const FAILURES: [(&str, &str); 6] = [
    ("401", "Over TCP: the token is missing or wrong"),
    ("403", "A foreign page sent it, or the peer refused"),
    ("408", "Its body did not come in time"),
    ("413", "Its body or its content is too large"),
    ("421", "Over TCP: it names another host"),
    ("default", "It failed; `type` says how, `detail` what happened, `next` what to do"),
];

/// The document before there are requests in it.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("Local API of a peer node", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Over the Unix socket in the data directory, or over a loopback port with the token that \
         `peer api token` prints."
            .to_owned(),
    );
    OpenApi::new(info, utoipa::openapi::Paths::new())
}

/// The document as it is sent: as a tree it takes twenty times the memory.
#[derive(Clone)]
pub(super) struct Document(Bytes);

/// The document with what holds for every request.
pub(super) fn complete(mut document: OpenApi) -> Document {
    let components = document.components.get_or_insert_default();
    components.schemas.insert(Problem::name().into_owned(), Problem::schema());
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("token", bearer);
    for path in document.paths.paths.values_mut() {
        for operation in operations(path) {
            for (status, description) in FAILURES {
                let responses = &mut operation.responses.responses;
                responses.insert(status.to_owned(), RefOr::T(failure(description)));
            }
        }
    }
    document.security = Some(vec![
        SecurityRequirement::new::<_, [&str; 0], &str>("token", []),
        SecurityRequirement::default(),
    ]);
    // Its keys are text: there is nothing in it that JSON does not have.
    let json = document
        .to_json()
        .inspect_err(|error| tracing::error!(%error, "no description of the API"));
    Document(json.unwrap_or_default().into())
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    path.get.iter_mut().chain(path.post.iter_mut())
}

fn failure(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
    ResponseBuilder::new()
        .description(description)
        .content(Problem::CONTENT_TYPE, content.build())
        .build()
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "node",
    responses((status = 200, description = "An OpenAPI document", body = Object))
)]
pub(super) async fn document(Extension(Document(json)): Extension<Document>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], json)
}
