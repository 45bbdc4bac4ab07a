//! The committed corpora of all fuzz targets, replayed on stable Rust.

use std::fs;
use std::path::{Path, PathBuf};

use peer_tests::fuzzing::{TARGETS, Target, seeds};

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
