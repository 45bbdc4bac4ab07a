//! `docs/SECURITY.md` names tests, models, fuzz targets and commands. Here they are looked for, so that the
//! page cannot go on citing what is not there any more.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the workspace is.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names of all tests in the Rust files below a directory.
fn tests_below(directory: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                tests_below(&path, names);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(tests_in(&fs::read_to_string(path).unwrap()));
        }
    }
}

/// The names of the functions that have a test's attribute.
fn tests_in(source: &str) -> impl Iterator<Item = String> {
    let mut is_test = false;
    source.lines().map(str::trim_start).filter_map(move |line| {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        std::mem::take(&mut is_test).then(|| name.split(['(', '<']).next().unwrap().to_owned())
    })
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of a row of a table.
fn cells(line: &str) -> Vec<&str> {
    let row = line.trim().trim_matches('|');
    row.split('|').map(str::trim).collect()
}

/// Whether a model of Verifpal has a variant of this name.
fn has_variant(root: &Path, model: &str, variant: &str) -> bool {
    let Ok(text) = fs::read_to_string(root.join(format!("tests/verifpal/{model}.vp"))) else {
        return false;
    };
    let declares = |line: &str| {
        ["// variant ", "// broken "].into_iter().any(|kind| {
            let name = line.strip_prefix(kind).and_then(|rest| rest.split([',', ':']).next());
            name == Some(variant)
        })
    };
    variant == "as-it-is" || text.lines().any(declares)
}

fn is_there(root: &Path, tests: &HashSet<String>, cited: &str) -> bool {
    let first = cited.split(' ').next().unwrap();
    match first.split_once('/') {
        None => tests.contains(cited),
        Some(("fuzz", target)) => {
            root.join(format!("tests/fuzz/fuzz_targets/{target}.rs")).is_file()
        }
        Some(("model", property)) => {
            let declared = fs::read_to_string(root.join("tests/model/src/property.rs"));
            declared.is_ok_and(|source| source.contains(&format!("\"{property}\"")))
        }
        Some(("scripts" | "tests", _)) => root.join(first).exists(),
        Some((model, variant)) => has_variant(root, model, variant),
    }
}

#[test]
fn security_md_cites_what_exists() {
    let root = root();
    let mut tests = HashSet::new();
    for part in ["protocol", "behaviours", "node", "tests"] {
        tests_below(&root.join(part), &mut tests);
    }
    let page = fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let (_, threats) = page.split_once("\n## Threats\n").unwrap();
    let (threats, _) = threats.split_once("\n## What is not protected\n").unwrap();
    let rows: Vec<_> = threats.lines().filter(|line| line.starts_with('|')).map(cells).collect();
    let rows: Vec<_> =
        rows.into_iter().filter(|row| !row.contains(&"evidence") && row[0] != "---").collect();
    let mut cited = 0;
    for row in &rows {
        let [threat, _, _, evidence, _] = row[..] else { panic!("five cells: {row:?}") };
        assert!(!evidence.is_empty(), "{threat}: nothing is said of evidence");
        for name in code(evidence) {
            assert!(is_there(&root, &tests, name), "{threat}: there is no `{name}`");
            cited += 1;
        }
    }
    assert!(rows.len() > 50 && cited > 200, "{cited} in {} rows", rows.len());
}

#[test]
fn what_is_not_there_is_noticed() {
    let source = "#[test]\nfn one() {}\nfn two() {}\n    #[tokio::test]\n    async fn three() {}\n";
    assert!(tests_in(source).eq(["one", "three"]));
    let (root, tests) = (root(), tests_in(source).collect());
    for cited in ["one", "six_step/kci-a", "fuzz/cbor", "model/binding", "scripts/test lint"] {
        assert!(is_there(&root, &tests, cited), "{cited}");
    }
    for cited in
        ["two", "six_step/kci", "a/as-it-is", "fuzz/nothing", "model/nothing", "scripts/nothing"]
    {
        assert!(!is_there(&root, &tests, cited), "{cited}");
    }
}
