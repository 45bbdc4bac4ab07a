//! Encoding and decoding alone: neither signature nor cipher, but the hash that is signed.

#![expect(clippy::expect_used, reason = "a benchmark of what fails measures nothing")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use peer_protocol::crypto::{
    Aead, AeadError, Authenticator, Ed25519Authenticator, IV_LEN, Prehash, PublicKey,
    SIGNATURE_LEN, Signature, TAG_LEN,
};
use peer_protocol::envelope::{Envelope, EnvelopeKind, Header, sealed};
use peer_protocol::id::{Nonce, SessionId};
use peer_protocol::identity::Identity;
use peer_protocol::message::{Body, MessageKind, Task};
use peer_tests::pairs::NOW;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Signs nothing, at no cost.
struct NoSignature(PublicKey);

impl Authenticator for NoSignature {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, _: &[u8]) -> Signature {
        [0; SIGNATURE_LEN]
    }
}

/// Encrypts nothing, at no cost.
struct NoCipher;

impl Aead for NoCipher {
    fn seal(&self, _: &[u8; IV_LEN], _: &[u8], _: &mut [u8]) -> Result<[u8; TAG_LEN], AeadError> {
        Ok([0; TAG_LEN])
    }

    fn open(
        &self,
        _: &[u8; IV_LEN],
        _: &[u8],
        _: &mut [u8],
        _: &[u8; TAG_LEN],
    ) -> Result<(), AeadError> {
        Ok(())
    }
}

fn envelopes(criterion: &mut Criterion) {
    let key = Ed25519Authenticator::from_seed(&[1; 32]).public_key();
    let identity = Identity::new(None, Arc::new(NoSignature(key))).expect("no reserved name");
    let header = Header {
        kind: EnvelopeKind::Sealed,
        sender: identity.entity().clone(),
        recipient: identity.entity().clone(),
        session: Some(SessionId::random(&mut StdRng::seed_from_u64(1))),
        sequence: 1_000,
        timestamp: NOW.timestamp,
        nonce: Nonce::from_bytes([1; 16]),
    };
    let mut group = criterion.benchmark_group("envelope");
    for (name, len) in [("1 KiB", 1 << 10), ("1 MiB", 1 << 20)] {
        let payload = vec![b'x'; len];
        let encode = || {
            let fill = |out: &mut Vec<u8>| out.extend_from_slice(&payload);
            let prehash = Prehash::Sha256;
            sealed(&header, len, fill, &NoCipher, &[0; IV_LEN], prehash, &identity)
                .expect("it fits")
        };
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("encode {name}"), |bencher| bencher.iter(encode));
        let bytes = encode();
        group.bench_function(format!("decode {name}"), |bencher| {
            let decode = |bytes| Envelope::decode(bytes).expect("an envelope");
            bencher.iter_batched(|| bytes.clone(), decode, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("body");
    let content = vec![b'x'; 1 << 10];
    let task = Task { content: content.into(), ..Task::default() };
    let body = Body::from(task);
    let bytes = body.encode().expect("a valid body");
    group.bench_function("encode task of 1 KiB", |bencher| bencher.iter(|| body.encode()));
    group.bench_function("decode task of 1 KiB", |bencher| {
        bencher.iter(|| Body::decode(MessageKind::Task, &bytes).is_ok());
    });
    group.finish();
}

criterion_group!(benches, envelopes, bodies);
criterion_main!(benches);
