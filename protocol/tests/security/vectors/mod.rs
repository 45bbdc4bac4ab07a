//! The committed vectors in `protocol/tests/vectors`, checked twice: the crate reproduces every byte
//! from the inputs, and the second implementation recomputes every value from the inputs.
//!
//! After a deliberate change of the protocol, `UPDATE_VECTORS=1 cargo test -p peer-protocol vectors`
//! writes them anew; the crate must still agree.

mod about;
mod errors;
mod format;
mod handshake;
mod inputs;
mod reproduce;
mod sealed;

use std::fmt::Debug;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::format::File;

/// The vectors in `name`, which must be what `fresh` recomputes from their inputs.
#[track_caller]
fn checked<T>(name: &str, about: &[&str], fresh: impl Fn() -> Vec<T>) -> Vec<T>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let about = about.iter().map(|line| (*line).to_owned()).collect();
        let file = File { about, vectors: fresh() };
        let text = serde_json::to_string_pretty(&file).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let file: File<T> = serde_json::from_str(&text).unwrap();
    assert_eq!(file.about, about);
    file.vectors
}
