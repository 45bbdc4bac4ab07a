//! Decoding arbitrary bytes never panics and never allocates beyond its bound: memory in proportion
//! to the bytes that are really there, whatever lengths they claim.
//!
//! One test, so that nothing else allocates meanwhile.

use std::alloc::System;

use bytes::Bytes;
use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait as _};
use peer_protocol::envelope::{Envelope, EnvelopeKind, Header, plain};
use peer_protocol::handshake::{Config, Context, Expected, Handshake};
use peer_protocol::id::Nonce;
use peer_protocol::identity::TrustStore;
use peer_protocol::legacy::{MAX_MESSAGE_LEN, Message, Value};
use peer_protocol::limits::{MAX_BODY_LEN, MAX_ENVELOPE_LEN};
use peer_protocol::message::{Body, MessageKind, decode_batch};
use peer_protocol::replay::ReplayGuard;
use peer_protocol::time::{Now, Timestamp};
use peer_tests::fuzzing::seeds;
use peer_tests::people::{Trust, identity};
use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

#[global_allocator]
static ALLOCATOR: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: Now = Now {
    instant: peer_protocol::time::Instant::from_start(std::time::Duration::from_secs(1)),
    timestamp: Timestamp::from_millis(1_800_000_000_000),
};

/// A decoder, and how much it may hold at its peak: so much for each byte of input, and so much
/// besides.
struct Decoder {
    name: &'static str,
    per_byte: usize,
    besides: usize,
    run: Box<dyn Fn(Vec<u8>)>,
}

fn decoders() -> Vec<Decoder> {
    let mut decoders = vec![
        Decoder {
            name: "envelope",
            per_byte: 0,
            besides: 4 << 10,
            run: Box::new(|bytes| drop(Envelope::decode(bytes))),
        },
        // The decoder makes room for as many messages as there are entries: 256 at most, 112 bytes
        // each, before the first of them turns out to be none.
        Decoder {
            name: "batch",
            per_byte: 8,
            besides: 32 << 10,
            run: Box::new(|bytes| drop(decode_batch(&Bytes::from(bytes)))),
        },
        // A list entry of one byte is a `String` of 24.
        Decoder {
            name: "handshake offer",
            per_byte: 100,
            besides: 64 << 10,
            run: Box::new(|bytes| accept_offer(&bytes)),
        },
        Decoder {
            name: "version 1.0 value",
            per_byte: 300,
            besides: 64 << 10,
            run: Box::new(|bytes| drop(Value::parse(&bytes, MAX_MESSAGE_LEN))),
        },
        Decoder {
            name: "version 1.0 message",
            per_byte: 300,
            besides: 64 << 10,
            run: Box::new(|bytes| drop(Message::parse(&bytes))),
        },
        Decoder {
            name: "trust store",
            per_byte: 20,
            besides: 4 << 10,
            run: Box::new(|bytes| drop(serde_json::from_slice::<TrustStore>(&bytes))),
        },
    ];
    decoders.extend(MessageKind::ALL.map(|kind| Decoder {
        name: kind.as_str(),
        per_byte: 100,
        besides: 4 << 10,
        run: Box::new(move |bytes| drop(Body::decode(kind, &bytes))),
    }));
    decoders
}

/// `bytes` as the first message of a handshake, under a good signature.
fn accept_offer(bytes: &[u8]) {
    let header = Header {
        kind: EnvelopeKind::HandshakeInit,
        sender: identity(0).entity().clone(),
        recipient: identity(1).entity().clone(),
        session: None,
        sequence: 0,
        timestamp: NOW.timestamp,
        nonce: Nonce::from_bytes([1; 16]),
    };
    let Ok(envelope) = Envelope::decode(plain(&header, bytes, &identity(0))) else { return };
    let mut cx = Context {
        config: &Config::new(identity(1)),
        trust: &Trust::default(),
        replay: &mut ReplayGuard::default(),
        rng: &mut StdRng::seed_from_u64(1),
        now: NOW,
    };
    drop(Handshake::accept(&envelope, &Expected::default(), &mut cx));
}

impl Decoder {
    fn check(&self, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        let bound = bytes.len() * self.per_byte + self.besides;
        let start = bytes.clone();
        ALLOCATOR.reset_peak_memory();
        (self.run)(bytes);
        let peak = ALLOCATOR.get_peak_memory();
        assert!(
            peak <= bound,
            "{}: {peak} bytes for an input of {} that begins with {:02x?}",
            self.name,
            start.len(),
            &start[..start.len().min(40)]
        );
    }
}

/// Bytes that claim more than they hold.
fn boasts() -> Vec<Vec<u8>> {
    let mut boasts = Vec::new();
    for major in [0x40_u8, 0x60, 0x80, 0xa0] {
        for (info, len) in [(24_u8, 1_usize), (25, 2), (26, 4), (27, 8)] {
            for filler in [0x00_u8, 0x10, 0x7f, 0xff] {
                let mut bytes = vec![major | info];
                bytes.extend(std::iter::repeat_n(filler, len));
                boasts.push(bytes.clone());
                bytes.extend_from_slice(&[0xa1; 64]);
                boasts.push(bytes.clone());
                // The same inside a map that looks like an envelope's, and inside an array.
                boasts.push([b"\xa9\x65nonce".as_slice(), &bytes].concat());
                boasts.push([b"\x82".as_slice(), &bytes].concat());
            }
        }
    }
    boasts
}

/// Bytes that hold as much as they may, in the form that costs a reader most.
fn burdens() -> Vec<Vec<u8>> {
    let mut burdens = Vec::new();
    // The largest array of the smallest items; of empty maps; of arrays of arrays.
    for item in [0x00_u8, 0x60, 0x40, 0xa0, 0x80] {
        let mut bytes = vec![0x99, 0x10, 0x00];
        bytes.extend(std::iter::repeat_n(item, 4096));
        burdens.push(bytes.clone());
        burdens.push([b"\xa1\x65names".as_slice(), &bytes].concat());
        burdens.push([b"\xa1\x6ccapabilities".as_slice(), &bytes].concat());
        burdens.push([b"\xa1\x68entities".as_slice(), &bytes].concat());
        burdens.push([b"\xa1\x68features".as_slice(), &bytes].concat());
        let mut nested = vec![0x99, 0x10, 0x00];
        for _ in 0..256 {
            nested.extend_from_slice(&bytes);
        }
        burdens.push(nested);
    }
    burdens.push(vec![0x81; MAX_BODY_LEN]);
    burdens.push(vec![b'['; MAX_MESSAGE_LEN]);
    burdens.push(format!("[{}0]", "0,".repeat(8_000)).into_bytes());
    burdens.push(format!("[{}0]", "[],".repeat(8_000)).into_bytes());
    burdens.push(format!("[{}{{}}]", "{},".repeat(8_000)).into_bytes());
    burdens.push(format!("\"{}\"", "\\u0061".repeat(10_000)).into_bytes());
    burdens.push("9".repeat(MAX_MESSAGE_LEN).into_bytes());
    let keys: Vec<_> = (0..6_000).map(|key| format!("\"{key}\":0")).collect();
    burdens.push(format!("{{{}}}", keys.join(",")).into_bytes());
    for len in [MAX_ENVELOPE_LEN, MAX_ENVELOPE_LEN + 1, MAX_BODY_LEN] {
        burdens.push(vec![0xff; len]);
        let mut text = vec![0x5a, 0, 0x10, 0, 0];
        text.resize(len, 0);
        burdens.push(text);
    }
    burdens
}

#[test]
fn decoding_never_allocates_beyond_its_bound() {
    let decoders = decoders();
    let check_all = |bytes: &[u8]| decoders.iter().for_each(|decoder| decoder.check(bytes));
    check_all(&[]);
    boasts().iter().chain(&burdens()).for_each(|bytes| check_all(bytes));
    let targets = ["batch", "body", "cbor", "envelope", "legacy_message", "legacy_value"];
    let valid: Vec<_> = targets.into_iter().flat_map(seeds).map(|(_, bytes)| bytes).collect();
    valid.iter().for_each(|bytes| check_all(bytes));

    // Random bytes, and valid inputs with some bytes replaced.
    let random = proptest::collection::vec(any::<u8>(), 0..300);
    let places = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    let changed = (prop::sample::select(valid), places).prop_map(|(mut bytes, places)| {
        for (at, byte) in places {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    });
    let runs = Runs { cases: 500, failure_persistence: None, ..Runs::default() };
    let mut runner = TestRunner::new(runs);
    runner
        .run(&prop_oneof![random, changed], |bytes| {
            check_all(&bytes);
            Ok(())
        })
        .unwrap();
}
