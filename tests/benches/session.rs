//! Sealing with a signature, and opening with its verification, in both suites.

#![expect(clippy::expect_used, reason = "a benchmark of what fails measures nothing")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use peer_protocol::crypto::SuiteRegistry;
use peer_protocol::envelope::Envelope;
use peer_protocol::handshake::HandshakeKind;
use peer_protocol::message::{Message, Task};
use peer_protocol::session::Session;
use peer_tests::pairs::{NOW, Pair};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

const SUITES: [&str; 2] = [SuiteRegistry::AES_256_GCM, SuiteRegistry::CHACHA20_POLY1305];

/// How many messages, and how many bytes each.
const BATCHES: [(&str, usize, usize); 3] =
    [("1 KiB", 1, 1 << 10), ("1 MiB", 1, 1 << 20), ("32 x 1 KiB", 32, 1 << 10)];

fn messages(count: usize, len: usize) -> Vec<Message> {
    let content = vec![b'x'; len];
    let task = Task { content: content.into(), ..Task::default() };
    let mut rng = StdRng::seed_from_u64(1);
    let message = |_| Message::new(&mut rng, &task.clone().into(), None).expect("a valid body");
    (0..count).map(message).collect()
}

fn seal(session: &mut Session, pair: &Pair, batch: &[Message], rng: &mut StdRng) -> Vec<u8> {
    session.seal(batch, pair.identity(0), rng, NOW).expect("a fresh session seals").bytes
}

fn open(session: &mut Session, pair: &Pair, bytes: Vec<u8>) -> usize {
    let envelope = Envelope::decode(bytes).expect("an envelope");
    let record = session.open(envelope, pair.identity(1), NOW).expect("the same keys");
    session.accept(record, NOW).expect("a good signature").messages.len()
}

fn sessions(criterion: &mut Criterion) {
    for suite in SUITES {
        let mut group = criterion.benchmark_group(suite);
        for (name, count, len) in BATCHES {
            let mut pair = Pair::new(suite);
            let [mut sender, mut receiver] = pair.shake_hands(HandshakeKind::SixStep);
            let mut rng = StdRng::seed_from_u64(2);
            let batch = messages(count, len);
            group.throughput(Throughput::Bytes((count * len) as u64));
            group.bench_function(format!("seal and sign {name}"), |bencher| {
                bencher.iter(|| seal(&mut sender, &pair, &batch, &mut rng));
            });
            let size = if len > 1 << 16 { BatchSize::LargeInput } else { BatchSize::SmallInput };
            group.bench_function(format!("open and verify {name}"), |bencher| {
                bencher.iter_batched(
                    || seal(&mut sender, &pair, &batch, &mut rng),
                    |bytes| open(&mut receiver, &pair, bytes),
                    size,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, sessions);
criterion_main!(benches);
