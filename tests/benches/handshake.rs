//! Handshakes, both sides, beside the floor that their signatures and key exchanges set.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use peer_protocol::crypto::{Authenticator, Ed25519Authenticator, EphemeralKey, SuiteRegistry};
use peer_protocol::handshake::HandshakeKind;
use peer_tests::pairs::Pair;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// What no implementation of a handshake with `signatures` signatures can do without.
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

/// The handshakes, and how many signatures each has: one for each envelope, and the answer to the
/// challenge.
const HANDSHAKES: [(&str, HandshakeKind, &[usize]); 2] =
    [("six-step", HandshakeKind::SixStep, &[6, 7]), ("three-way", HandshakeKind::ThreeWay, &[3])];

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for (name, kind, floors) in HANDSHAKES {
        let mut pair = Pair::new(SuiteRegistry::AES_256_GCM);
        group.bench_function(name, |bencher| bencher.iter(|| pair.shake_hands(kind)));
        for signatures in floors {
            let mut floor = Floor::new(*signatures);
            let name = format!("floor of {signatures} signatures");
            group.bench_function(name, |bencher| bencher.iter(|| floor.run()));
        }
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
    for (name, kind, floors) in HANDSHAKES {
        for signatures in floors {
            let mut pair = Pair::new(SuiteRegistry::AES_256_GCM);
            let mut floor = Floor::new(*signatures);
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                times[0].push(time(|| drop(black_box(pair.shake_hands(kind)))));
                times[1].push(time(|| floor.run()));
            }
            let [whole, floor] = times.map(median);
            let ratio = whole.as_secs_f64() / floor.as_secs_f64();
            println!(
                "ratio {name}: {ratio:.3} ({whole:.1?} against {floor:.1?} for {signatures} \
                 signatures, {signatures} verifications, 2 key generations and 2 key agreements)"
            );
        }
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
