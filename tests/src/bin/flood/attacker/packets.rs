//! Requests of other protocols: the registry, and packets over several hops.

use futures::AsyncReadExt as _;
use libp2p::identity::Keypair;
use peer_behaviours::Clock as _;
use peer_protocol::crypto::PublicKey;
use peer_protocol::limits::MAX_HOPS;
use peer_protocol::routing::{Header, PacketId};
use peer_protocol::time::Timestamp;
use rand::RngExt as _;

use super::handshakes::Stranger;
use super::line::{Line, accepted, framed};
use super::{Attempt, Tasks};
use crate::Failure;
use crate::case::Attack;

const LINES: usize = 8;
/// Requests of one connection at once.
const AT_ONCE: usize = 8;

pub(super) async fn begin(attack: Attack, attempt: &Attempt) -> Result<Tasks, Failure> {
    let mut tasks = Tasks::new();
    for _ in 0..LINES {
        let line = Line::open(&attempt.source, &Keypair::generate_ed25519()).await?;
        for _ in 0..AT_ONCE {
            let (attempt, line) = (attempt.clone(), line.clone());
            tasks.spawn(async move {
                while line.is_open() {
                    attempt.turn().await;
                    let (protocol, request) = match attack {
                        Attack::Registry => ("/peer/kad/1.0.0", query()),
                        _ => ("/peer/1.1.0/hop", packet().unwrap_or_default()),
                    };
                    let Ok(mut stream) = line.say(protocol, &request).await else { continue };
                    if accepted(&mut stream).await.is_ok() {
                        // Some of the answer is enough to know that there is one.
                        let _ = stream.read(&mut [0; 64]).await;
                    }
                }
            });
        }
    }
    Ok(tasks)
}

/// One of two of Kademlia's requests: who is near a key, or a record to keep that nobody signed.
fn query() -> Vec<u8> {
    let key: [u8; 32] = rand::rng().random();
    let field = |tag: u8, bytes: &[u8]| {
        let len = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        [&[tag, len], bytes].concat()
    };
    let (kind, record) = if rand::rng().random() {
        (4, Vec::new())
    } else {
        let record = [field(0x0a, &key), field(0x12, &[7; 64])].concat();
        (0, field(0x1a, &record))
    };
    let message = [vec![0x08, kind], field(0x12, &key), record].concat();
    // Its length takes two bytes from 128 on.
    let len = message.len();
    let prefix = match u8::try_from(len) {
        Ok(short) if short < 0x80 => vec![short],
        _ => vec![(len & 0x7f) as u8 | 0x80, (len >> 7) as u8],
    };
    [prefix, message].concat()
}

/// A packet from somebody, for somebody.
fn packet() -> Result<Vec<u8>, Failure> {
    let key =
        || -> Result<PublicKey, Failure> { Ok(*Stranger::new()?.config.identity.public_key()) };
    let now = peer_behaviours::SystemClock::new().now().timestamp;
    let header = Header {
        id: PacketId::random(&mut rand::rng()),
        origin: key()?,
        destination: key()?,
        hop_limit: MAX_HOPS,
        expiry: Timestamp::from_millis(now.as_millis() + 5_000),
    };
    Ok([framed(&header.encode()), framed(&[7; 256])].concat())
}
