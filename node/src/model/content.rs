//! Contents that are too long to be kept in memory (`docs/PROTOCOL.md` §9.4).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{BadContent, Content};

/// Where a long content lies, until its message was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredContent {
    /// A file for its owner's eyes only.
    pub path: PathBuf,
    /// Bytes in it.
    pub size: u64,
}

impl StoredContent {
    /// Reads it; blocks.
    ///
    /// # Errors
    /// It is gone, or not of the size that it had.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let room = usize::try_from(self.size).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(room);
        File::open(&self.path)?.take(self.size).read_to_end(&mut bytes)?;
        if bytes.len() == room { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Content {
    /// Content in whichever form is shorter as JSON: text full of escapes is longer than base64.
    #[must_use]
    pub fn compact(bytes: Vec<u8>) -> Self {
        let escaped = |text: &str| -> usize {
            let len = |byte| match byte {
                b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
                0..0x20 => 6,
                _ => 1,
            };
            text.bytes().map(len).sum()
        };
        let (len, bytes) = (bytes.len(), String::from_utf8(bytes));
        match bytes {
            Ok(text) if escaped(&text) <= len.div_ceil(3) * 4 => {
                Self { text: Some(text), ..Self::default() }
            }
            Ok(text) => Self {
                base64: Some(STANDARD.encode(text)),
                content_type: Some("text/plain".to_owned()),
                ..Self::default()
            },
            Err(error) => {
                Self { base64: Some(STANDARD.encode(error.as_bytes())), ..Self::default() }
            }
        }
    }

    /// The same, with a long content in memory; blocks.
    ///
    /// # Errors
    /// [`BadContent`] if its file cannot be read.
    pub fn loaded(self) -> Result<Self, BadContent> {
        let Some(stored) = &self.stored else { return Ok(self) };
        let read = Self::compact(stored.read().map_err(|_| BadContent)?);
        let content_type = self.content_type.or(read.content_type);
        Ok(Self { content_type, name: self.name, ..read })
    }

    /// About how many bytes it has, at least as many as there are.
    #[must_use]
    pub fn len_hint(&self) -> usize {
        let base64 = self.base64.as_ref().map_or(0, |base64| base64.len() / 4 * 3);
        let padding = self
            .base64
            .as_ref()
            .map_or(0, |it| it.bytes().rev().take(2).filter(|byte| *byte == b'=').count());
        let stored =
            self.stored.as_ref().map_or(0, |it| usize::try_from(it.size).unwrap_or(usize::MAX));
        self.text.as_ref().map_or(0, String::len) + base64.saturating_sub(padding) + stored
    }
}
