//! Handshakes, both sides, beside the floor that their signatures and key exchanges set.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use peer_protocol::crypto::{Authenticator, Ed25519Authenticator, EphemeralKey, SuiteRegistry};
use peer_protocol::handshake::HandshakeKind;
use peer_tests::pairs::{Pair, signatures};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// What no implementation of a handshake with that many signatures can do without, by the same backend:
/// to sign and to verify, strictly and with a key that is parsed already, and to make two ephemeral keys
/// and agree on both sides. Hashes, MACs, key schedules and encoding are not in it.
struct Floor {
    key: Ed25519Authenticator,
    rng: StdRng,
    signatures: usize,
}

impl Floor {
    fn new(signatures: usize) -> Self {
        let key = Ed25519Authenticator::from_seed(&[1; 32]);
        Self { key, rng: StdRng::seed_from_u64(1), signatures }
    }

    fn run(&mut self) {
        // A label and a hash: what the signature of an envelope covers.
        let message = [7; 50];
        let public = self.key.public_key();
        for _ in 0..self.signatures {
            let signature = self.key.sign(black_box(&message));
            black_box(public.verify(black_box(&message), &signature).is_ok());
        }
        let ours = EphemeralKey::generate(&mut self.rng);
        let theirs = EphemeralKey::generate(&mut self.rng);
        black_box(ours.agree(theirs.public()).is_ok());
        black_box(theirs.agree(ours.public()).is_ok());
    }
}

const HANDSHAKES: [(&str, HandshakeKind); 2] =
    [("six-step", HandshakeKind::SixStep), ("three-way", HandshakeKind::ThreeWay)];

/// What a handshake may cost, of its floor.
const GOAL: f64 = 1.15;

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for (name, kind) in HANDSHAKES {
        let mut pair = Pair::new(SuiteRegistry::AES_256_GCM);
        group.bench_function(name, |bencher| bencher.iter(|| pair.shake_hands(kind)));
        let mut floor = Floor::new(signatures(kind));
        group.bench_function(format!("floor of {name}"), |bencher| bencher.iter(|| floor.run()));
    }
    group.finish();
}

/// Ratios drift less than times if both sides of them are measured in turn.
#[expect(clippy::print_stdout, reason = "this is a program for people")]
fn ratios(_: &mut Criterion) {
    const ROUNDS: usize = 400;
    if !is_asked_for() {
        return;
    }
    let backend = if cfg!(feature = "fast-crypto") { "AWS-LC" } else { "Rust" };
    for (name, kind) in HANDSHAKES {
        let signatures = signatures(kind);
        let mut pair = Pair::new(SuiteRegistry::AES_256_GCM);
        let mut floor = Floor::new(signatures);
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            times[0].push(time(|| drop(black_box(pair.shake_hands(kind)))));
            times[1].push(time(|| floor.run()));
        }
        let [whole, floor] = times.map(median);
        let ratio = whole.as_secs_f64() / floor.as_secs_f64();
        let verdict = if ratio <= GOAL { "met" } else { "not met" };
        println!(
            "ratio {backend}, {name}: {ratio:.3}, goal ≤ {GOAL}: {verdict} ({whole:.1?} against \
             {floor:.1?} for {signatures} signatures, {signatures} verifications, 2 key \
             generations and 2 key agreements)"
        );
    }
}

/// Whether this is a benchmark, not a test of one, and the filter lets it through.
fn is_asked_for() -> bool {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let is_filter = |word: &&String| !word.starts_with('-') && word.parse::<f64>().is_err();
    let filter = arguments.iter().find(is_filter);
    let names = ["handshake/six-step", "handshake/three-way", "ratio"];
    arguments.iter().any(|argument| argument == "--bench")
        && filter.is_none_or(|filter| names.iter().any(|name| name.contains(filter.as_str())))
}

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

criterion_group!(benches, handshakes, ratios);
criterion_main!(benches);
