//! The committed corpora of all fuzz targets, replayed on stable Rust.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peer_tests::fuzzing::{TARGETS, Target, seeds};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

#[cfg(feature = "nodes")]
const NODE_TARGETS: &[Target] = &peer_tests::fuzzing::NODE_TARGETS;
#[cfg(not(feature = "nodes"))]
const NODE_TARGETS: &[Target] = &[];

fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().chain(NODE_TARGETS)
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

#[test]
fn every_input_of_every_corpus_is_harmless() {
    for (name, run) in targets() {
        let files: Vec<_> = fs::read_dir(corpus(name))
            .unwrap_or_else(|error| panic!("the corpus of {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= 3, "the corpus of {name} has {} inputs", files.len());
        for file in files {
            let data = fs::read(&file).unwrap();
            let outcome = std::panic::catch_unwind(|| run(&data));
            assert!(outcome.is_ok(), "{name} fails on {}", file.display());
        }
    }
}

#[test]
fn every_target_has_its_file() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for (name, _) in targets() {
        assert!(directory.join(name).with_extension("rs").is_file(), "{name} has no fuzz target");
    }
    if cfg!(feature = "nodes") {
        assert_eq!(fs::read_dir(directory).unwrap().count(), targets().count());
    }
}

/// Without nightly Rust, and without a look at what is reached: inputs of the corpora, cut, changed and put
/// together at random. `TARGETS=api,words SECONDS=60 cargo test -p peer-tests --test corpora -- --ignored
/// at_random --nocapture`; `SEED` repeats a run.
#[test]
#[ignore = "takes as long as it is told to"]
fn at_random() {
    let set = |name: &str| std::env::var(name).ok();
    let number = |name: &str| set(name).map(|text| text.parse::<u64>().unwrap());
    let seed = number("SEED").unwrap_or_else(rand::random);
    let time = Duration::from_secs(number("SECONDS").unwrap_or(10));
    let wanted = set("TARGETS");
    let is_wanted =
        |name: &str| wanted.as_ref().is_none_or(|all| all.split(',').any(|it| it == name));
    for (name, run) in targets().filter(|(name, _)| is_wanted(name)) {
        let mut rng = StdRng::seed_from_u64(seed);
        let inputs: Vec<Vec<u8>> = fs::read_dir(corpus(name))
            .unwrap()
            .map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .collect();
        let (begun, mut runs) = (Instant::now(), 0);
        while begun.elapsed() < time {
            let input = mutated(&inputs, &mut rng);
            let outcome = std::panic::catch_unwind(|| run(&input));
            assert!(outcome.is_ok(), "{name} fails on {input:?}, seed {seed}, run {runs}");
            runs += 1;
        }
        println!("{name}: {runs} inputs, seed {seed}");
    }
}

fn mutated(inputs: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let below = |rng: &mut StdRng, most: usize| (rng.next_u64() % most.max(1) as u64) as usize;
    let pick = |rng: &mut StdRng| inputs[below(rng, inputs.len())].clone();
    let mut input = pick(rng);
    for _ in 0..=below(rng, 6) {
        let (at, other) = (below(rng, input.len()), pick(rng));
        let (from, len) = (below(rng, other.len()), below(rng, 24));
        let piece = other.iter().skip(from).take(len).copied();
        match below(rng, 6) {
            0 => input.truncate(at),
            1 => drop(input.splice(at..at, piece).count()),
            2 => drop(input.splice(at..(at + len).min(input.len()), piece).count()),
            3 => drop(input.splice(at..(at + len).min(input.len()), []).count()),
            _ if input.is_empty() => {}
            4 => input[at] = rng.next_u64() as u8,
            _ => input[at] ^= 1 << below(rng, 8),
        }
    }
    input
}

/// After a change of the wire format: `cargo test -p peer-tests --test corpora -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    for (name, _) in targets() {
        let directory = corpus(name);
        fs::create_dir_all(&directory).unwrap();
        for (seed, bytes) in seeds(name) {
            fs::write(directory.join(seed), bytes).unwrap();
        }
    }
}
