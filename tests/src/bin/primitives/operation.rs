//! What is measured.

use std::hint::black_box;
use std::time::{Duration, Instant};

use peer_protocol::crypto::{
    Aead, Authenticator, Ed25519Authenticator, EphemeralKey, IV_LEN, Prehash, SuiteRegistry,
    TAG_LEN,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// How long one is measured in a round.
const LONG: Duration = Duration::from_millis(40);
/// Bytes in all buffers of an operation together, if one is not longer.
const BUFFERS: usize = 256 << 10;
const SIZES: [(&str, usize); 3] = [("1 KiB", 1 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)];
const IV: [u8; IV_LEN] = [0; IV_LEN];
/// A label and a hash: what the signature of an envelope covers.
const SIGNED: [u8; 50] = [7; 50];

/// Something that takes time.
pub(crate) struct Operation {
    pub(crate) name: String,
    /// Bytes that one goes through; zero where that says nothing.
    pub(crate) bytes: usize,
    /// Whether both backends do it with the same code.
    pub(crate) is_shared: bool,
    /// Does it some times, and says how often and how long it took.
    run: Box<dyn FnMut() -> (usize, Duration)>,
}

impl Operation {
    /// The mean of a round, in nanoseconds.
    pub(crate) fn nanoseconds(&mut self) -> f64 {
        (self.run)();
        let (mut count, mut took) = (0, Duration::ZERO);
        while took < LONG {
            let (more, longer) = (self.run)();
            (count, took) = (count + more, took + longer);
        }
        took.as_secs_f64() * 1e9 / count as f64
    }

    fn new(name: String, bytes: usize, run: impl FnMut() -> (usize, Duration) + 'static) -> Self {
        Self { name, bytes, is_shared: false, run: Box::new(run) }
    }

    /// One that leaves nothing behind.
    fn pure<T>(
        name: impl Into<String>,
        bytes: usize,
        mut run: impl FnMut() -> T + 'static,
    ) -> Self {
        let times = if bytes < 64 << 10 { 16 } else { 1 };
        Self::new(name.into(), bytes, move || {
            let begun = Instant::now();
            for _ in 0..times {
                black_box(run());
            }
            (times, begun.elapsed())
        })
    }
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Operation> {
    let mut all = curves();
    for suite in [SuiteRegistry::AES_256_GCM, SuiteRegistry::CHACHA20_POLY1305] {
        for (size, bytes) in SIZES {
            all.extend(ciphers(suite, size, bytes).into_iter().flatten());
        }
    }
    for (name, prehash) in [("SHA-256", Prehash::Sha256), ("BLAKE3", Prehash::Blake3)] {
        for (size, bytes) in SIZES {
            let input = vec![7; bytes];
            let hash = move || prehash.digest(&[black_box(input.as_slice())]);
            let operation = Operation::pure(format!("{name} {size}"), bytes, hash);
            all.push(Operation { is_shared: true, ..operation });
        }
    }
    all
}

fn curves() -> Vec<Operation> {
    let key = || Ed25519Authenticator::from_seed(&[1; 32]);
    let (signs, public) = (key(), key().public_key());
    let signature = signs.sign(&SIGNED);
    let mut rng = StdRng::seed_from_u64(1);
    let (ours, theirs) = (EphemeralKey::generate(&mut rng), EphemeralKey::generate(&mut rng));
    vec![
        Operation::pure("Ed25519 sign", 0, move || signs.sign(black_box(&SIGNED))),
        Operation::pure("Ed25519 verify, strictly", 0, move || {
            public.verify(black_box(&SIGNED), &signature).is_ok()
        }),
        Operation::pure("X25519 make a key pair", 0, move || EphemeralKey::generate(&mut rng)),
        Operation::pure("X25519 agree", 0, move || ours.agree(theirs.public()).is_ok()),
    ]
}

/// Sealing and opening, in as many buffers as there are between two looks at the clock.
fn ciphers(suite: &str, size: &str, bytes: usize) -> Option<[Operation; 2]> {
    let suites = SuiteRegistry::default();
    let cipher = || Some(suites.get(suite)?.aead(&[9; 32]));
    let (seals, opens) = (cipher()?, cipher()?);
    let mut buffers = vec![vec![7; bytes]; (BUFFERS / bytes).max(1)];
    let mut sealed = buffers.clone();
    let is_shared = suite == SuiteRegistry::CHACHA20_POLY1305;
    let seal = Operation::new(format!("{suite} seal {size}"), bytes, move || {
        let begun = Instant::now();
        for buffer in &mut buffers {
            let _ = black_box(seals.seal(&IV, &[], black_box(buffer.as_mut_slice())));
        }
        (buffers.len(), begun.elapsed())
    });
    let open = Operation::new(format!("{suite} open {size}"), bytes, move || {
        let tags: Vec<_> = sealed.iter_mut().map(|buffer| sealing(&*opens, buffer)).collect();
        let begun = Instant::now();
        for (buffer, tag) in sealed.iter_mut().zip(&tags) {
            let opened = opens.open(&IV, &[], black_box(buffer.as_mut_slice()), tag);
            assert!(opened.is_ok(), "what was sealed opens");
        }
        (sealed.len(), begun.elapsed())
    });
    Some([Operation { is_shared, ..seal }, Operation { is_shared, ..open }])
}

/// The tag; all zero if it could not be sealed, so that it does not open.
fn sealing(cipher: &dyn Aead, buffer: &mut [u8]) -> [u8; TAG_LEN] {
    cipher.seal(&IV, &[], buffer).unwrap_or_default()
}
