//! The content that a command sends: an argument, standard input, or a file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use peer_protocol::limits::MAX_LONG_CONTENT_LEN;

use super::error::CliError;
use crate::model::Content;

/// How a message may be given, for help texts.
pub(super) const HELP: &str =
    "The message itself, `-` for standard input, or `@file` for a file; at most 64 MiB";

/// The content of an argument. Without one it comes from standard input, unless that is a terminal.
pub(super) fn read(argument: Option<&str>) -> Result<Content, CliError> {
    match argument {
        None if io::stdin().is_terminal() => Err(CliError::new(
            "invalid",
            "no message was given",
            "give it as an argument, as `-` for standard input, or as `@file`",
        )),
        None | Some("-") => from_reader(io::stdin().lock(), "standard input"),
        Some(argument) => match argument.strip_prefix('@') {
            Some(path) => from_file(Path::new(path)),
            None if argument.len() > MAX_LONG_CONTENT_LEN => {
                Err(too_large("the message", &argument.len().to_string()))
            }
            None => Ok(compact(argument.as_bytes())),
        },
    }
}

fn from_file(path: &Path) -> Result<Content, CliError> {
    let place = path.display().to_string();
    let unreadable = |reason: &str| {
        CliError::new(
            "bad_file",
            format!("cannot read {place}: {reason}"),
            "check the path; to send text that begins with @, pipe it in: `… | peer talk <peer> -`",
        )
    };
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(&error.to_string()))?;
    if metadata.is_dir() {
        return Err(unreadable("it is a directory"));
    }
    if metadata.len() > MAX_LONG_CONTENT_LEN as u64 {
        return Err(too_large(&place, &metadata.len().to_string()));
    }
    let file = File::open(path).map_err(|error| unreadable(&error.to_string()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Content { name, ..from_reader(file, &place)? })
}

fn from_reader(reader: impl Read, place: &str) -> Result<Content, CliError> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_LONG_CONTENT_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::system(&format!("cannot read {place}"), &error))?;
    if bytes.len() > MAX_LONG_CONTENT_LEN {
        return Err(too_large(place, &format!("more than {MAX_LONG_CONTENT_LEN}")));
    }
    Ok(Content::compact(bytes))
}

fn too_large(place: &str, size: &str) -> CliError {
    CliError::new(
        "too_large",
        format!(
            "{place} has {size} bytes, and one message carries at most {MAX_LONG_CONTENT_LEN} (64 MiB)"
        ),
        "send less, or split it",
    )
}

/// Content in whichever form is shorter as JSON.
pub(super) fn compact(bytes: &[u8]) -> Content {
    Content::compact(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: CliError) -> crate::model::Failure {
        match error {
            CliError::Failure(failure) => *failure,
            CliError::PipeClosed => panic!("no failure"),
        }
    }

    #[test]
    fn text_files_and_bytes() {
        assert_eq!(read(Some("hello")).unwrap(), Content::from_bytes(b"hello"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("図.bin");
        std::fs::write(&path, [0xff, 0]).unwrap();
        let content = read(Some(&format!("@{}", path.display()))).unwrap();
        assert_eq!(content.to_bytes().unwrap(), [0xff, 0]);
        assert_eq!(content.name.as_deref(), Some("図.bin"));
    }

    #[test]
    fn what_is_too_large_is_named_with_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        File::create(&path).unwrap().set_len(5 << 30).unwrap();
        let big = failure(read(Some(&format!("@{}", path.display()))).unwrap_err());
        assert_eq!(big.kind, "too_large");
        assert!(big.detail.contains("5368709120") && big.detail.contains("67108864"), "{big:?}");
        let endless = failure(from_reader(io::repeat(b'x'), "standard input").unwrap_err());
        assert!(endless.detail.contains("more than 67108864"), "{endless:?}");
        let most = from_reader(io::repeat(b'x').take(MAX_LONG_CONTENT_LEN as u64), "x").unwrap();
        assert_eq!(most.to_bytes().unwrap().len(), MAX_LONG_CONTENT_LEN);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = failure(read(Some(&format!("@{}/none", dir.path().display()))).unwrap_err());
        assert!(missing.detail.contains("/none"), "{missing:?}");
        let directory = failure(read(Some(&format!("@{}", dir.path().display()))).unwrap_err());
        assert!(directory.detail.contains("directory"), "{directory:?}");
    }

    #[test]
    fn any_content_of_full_size_fits_into_a_request() {
        for byte in [0, 0xff] {
            let content = compact(&vec![byte; MAX_LONG_CONTENT_LEN]);
            let json = serde_json::to_vec(&content).unwrap();
            assert!(json.len() + 16_384 < crate::api::MAX_BODY_LEN, "{byte}: {}", json.len());
            assert_eq!(content.to_bytes().unwrap().len(), MAX_LONG_CONTENT_LEN);
            let text = byte != 0xff;
            assert_eq!(content.media_type() == "text/plain", text);
        }
    }
}
