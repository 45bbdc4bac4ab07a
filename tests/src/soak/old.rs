//! A version 1.0 peer that posts to the hub's gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peer_protocol::crypto::Ed25519Authenticator;
use peer_protocol::identity::Identity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The peer.
#[derive(Debug)]
pub(super) struct Old(Identity);

impl Old {
    pub(super) fn new() -> Result<Self, String> {
        let key = Arc::new(Ed25519Authenticator::from_seed(&[0x1d; 32]));
        let name = "old".parse().map_err(|_| "no entity id".to_owned())?;
        Identity::new(Some(name), key).map(Self).map_err(|error| error.to_string())
    }

    pub(super) fn entity(&self) -> String {
        self.0.entity().to_string()
    }

    pub(super) fn key_hex(&self) -> String {
        self.0.public_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A signed status report for the hub.
    pub(super) fn report(&self, status: &str) -> String {
        let payload = format!(
            r#"{{"metadata":{{}},"next_action":null,"report_type":"progress","session_id":null,"status":"{status}"}}"#
        );
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
        let entity = self.entity();
        let signed = format!(
            r#"{{"msg_type":"status_report","nonce":"{nonce}","payload":{payload},"sender_id":"{entity}","timestamp":{seconds}.25,"version":"1.0"}}"#
        );
        let signature = STANDARD.encode(self.0.sign(signed.as_bytes()));
        format!(
            r#"{{"payload": {payload}, "timestamp": {seconds}.25, "nonce": "{nonce}", "signature": "{signature}", "encrypted_payload": null, "sender_public_key": null, "jwt_token": null, "sender_id": "{entity}", "recipient_id": "hub", "session_id": null, "sequence_num": null, "version": "1.0", "msg_type": "status_report"}}"#
        )
    }
}

/// Posts `body`, and says whether it was taken.
pub(super) async fn post(at: SocketAddr, body: &str) -> bool {
    let asking = async {
        let mut stream = TcpStream::connect(at).await.ok()?;
        let head = format!(
            "POST /message HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        Some(answer.starts_with(b"HTTP/1.1 200"))
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten().unwrap_or(false)
}

/// Sends a part of a request, and goes.
pub(super) async fn break_off(at: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(at).await else { return false };
    let head = "POST /message HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"payload\"";
    stream.write_all(head.as_bytes()).await.is_ok()
}
