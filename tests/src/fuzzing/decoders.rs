//! Decoders of version 1.1: what they accept has exactly one encoding.

use bytes::Bytes;
use peer_protocol::envelope::{Envelope, EnvelopeKind, plain};
use peer_protocol::identity::{EntityId, TrustStore};
use peer_protocol::limits::{MAX_BATCH, MAX_ENVELOPE_LEN};
use peer_protocol::message::{Body, MessageKind, decode_batch};

use crate::people::identity;

/// Bytes in a signature.
const SIGNATURE: usize = 64;

/// An envelope: one that is not sealed, built again from its parts, differs in its signature only.
pub fn envelope(data: &[u8]) {
    let Ok(envelope) = Envelope::decode(data.to_vec()) else { return };
    assert!(data.len() <= MAX_ENVELOPE_LEN);
    assert_eq!(envelope.as_bytes(), data);
    let author = identity(0);
    // Nobody else signs for this key; a corpus may hold what it signed.
    let _ = envelope.verify(author.public_key());
    if envelope.header().kind == EnvelopeKind::Sealed {
        return;
    }
    let again = plain(envelope.header(), envelope.payload(), &author);
    assert_eq!(again.len(), data.len());
    let different = |(at, (a, b)): (usize, (&u8, &u8))| (a != b).then_some(at);
    let mut places = again.iter().zip(data).enumerate().filter_map(different);
    if let Some(first) = places.next() {
        let last = places.next_back().unwrap_or(first);
        assert!(last - first < SIGNATURE, "two encodings of one envelope");
    }
}

/// The plaintext of a sealed envelope, and every body in it.
pub fn batch(data: &[u8]) {
    let plaintext = Bytes::copy_from_slice(data);
    let Ok(messages) = decode_batch(&plaintext) else { return };
    assert!((1..=MAX_BATCH).contains(&messages.len()));
    let bodies: usize = messages.iter().flatten().map(|message| message.body.len()).sum();
    assert!(bodies < data.len(), "bodies are slices of the plaintext");
    for message in messages.iter().flatten() {
        if let Ok(body) = message.decode() {
            assert_eq!(body.encode().as_deref(), Ok(&*message.body));
        }
    }
}

/// One body; the first byte chooses its kind.
pub fn body(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let kind = MessageKind::ALL[usize::from(*first) % MessageKind::ALL.len()];
    if let Ok(body) = Body::decode(kind, bytes) {
        assert_eq!(body.kind(), kind);
        assert_eq!(body.encode().as_deref(), Ok(bytes), "two encodings of one {kind}");
    }
}

/// A trust store as it is kept on disk.
pub fn trust_store(data: &[u8]) {
    let Ok(mut store) = serde_json::from_slice::<TrustStore>(data) else { return };
    let text = serde_json::to_vec(&store).expect("a store can always be written");
    let again: TrustStore = serde_json::from_slice(&text).expect("what was written can be read");
    assert_eq!(store, again);
    let known: Vec<EntityId> = store.iter().map(|(entity, _)| entity.clone()).collect();
    let key = *identity(0).public_key();
    for entity in known.iter().chain([identity(0).entity()]) {
        let judged = store.judge(entity, &key);
        let admitted = store.admit(entity, &key, Default::default());
        assert_eq!(judged.is_ok(), admitted.is_ok());
    }
    for entity in known {
        let fingerprint = store.get(&entity).expect("nothing was taken out").fingerprint;
        assert!(store.revoke(fingerprint).contains(&entity));
    }
}
