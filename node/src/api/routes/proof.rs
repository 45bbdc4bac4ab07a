//! That the token's node is the one that answers here: what a client should see before it sends the token,
//! since while no node runs anybody on this machine can listen at its port.

use axum::extract::State;
use peer_protocol::crypto::text_mac;
use serde::Serialize;
use utoipa::ToSchema;

use super::Result;
use crate::api::extract::Query;
use crate::api::guard::Access;
use crate::api::request::Prove;
use crate::error::NodeError;

/// Fewest and most digits of a nonce.
const MIN_DIGITS: usize = 32;
const MAX_DIGITS: usize = 64;

/// The proof.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Proof {
    /// HMAC-SHA256, in hexadecimal, under the token, of the text `peer-api-proof:<port>:<nonce>`. The port, at
    /// which the node listens, keeps others from passing on what another port says.
    proof: String,
}

/// Proves that it knows the token. Needs none itself; only over TCP.
#[utoipa::path(
    get,
    path = "/v1/proof",
    operation_id = "proof",
    tag = "node",
    params(Prove),
    security(()),
    responses((status = 200, description = "Done", body = Proof))
)]
pub(in crate::api) async fn proof(
    State(access): State<Access>,
    Query(asked): Query<Prove>,
) -> Result<Proof> {
    let Access::Port { address, token } = &access else {
        let detail = "over the socket there is no token, and nothing to be proved".to_owned();
        return Err(NodeError::Invalid { detail }.into());
    };
    let nonce = &asked.nonce;
    let fits = (MIN_DIGITS..=MAX_DIGITS).contains(&nonce.len());
    if !fits || !nonce.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let detail = format!("nonce: expected {MIN_DIGITS} to {MAX_DIGITS} hexadecimal digits");
        return Err(NodeError::Invalid { detail }.into());
    }
    let text = format!("peer-api-proof:{}:{nonce}", address.port());
    let proof = hex::encode(text_mac(token.as_str().as_bytes(), text.as_bytes()));
    Ok(axum::Json(Proof { proof }))
}
