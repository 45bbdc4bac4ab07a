//! The token that proves to the local API that a program belongs to the node's operator.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::private_file::{self, ReadError};

/// Random bytes in a token.
const TOKEN_LEN: usize = 32;
/// Fewest and most characters of one that the operator chose.
const MIN_CHARS: usize = 32;
const MAX_CHARS: usize = 256;
/// Mode bits that its file must not have: anything for group and others.
const FORBIDDEN: u32 = 0o077;

/// The token: 64 hexadecimal digits, or what the operator put into its file.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Others may read or change the file.
    #[error("the token {} is exposed: {reason}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode, and what that allows.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read the token {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file holds no token.
    #[error(
        "{} holds no token: expected {MIN_CHARS} to {MAX_CHARS} letters, digits and `-._~+/=`",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the token {}: {reason}", path.display())]
    Unwritable {
        /// Where it should go.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl TokenError {
    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> String {
        match self {
            Self::Exposed { path, .. } => {
                format!("delete it, so that a new one is made: `rm {}`", path.display())
            }
            Self::Malformed { path } => {
                format!("delete it, so that one is made: `rm {}`", path.display())
            }
            Self::Unreadable { .. } => "check who owns the file and its directory".to_owned(),
            Self::Unwritable { .. } => {
                "make room, or repair the permissions of its directory".to_owned()
            }
        }
    }
}

impl Token {
    /// The token in the file at `path`. If there is none a new one is made, which appears there whole
    /// and for its owner's eyes only; of several programs that make one at once, all get the same.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        match Self::load(path)? {
            Some(token) => Ok(token),
            None => Self::create(path),
        }
    }

    fn load(path: &Path) -> Result<Option<Self>, TokenError> {
        let limit = MAX_CHARS as u64 + 2;
        let bytes = match private_file::read(path, FORBIDDEN, limit) {
            Ok(bytes) => bytes,
            Err(ReadError::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error @ ReadError::Exposed { .. }) => {
                let (path, reason) = (path.to_owned(), error.to_string());
                return Err(TokenError::Exposed { path, reason });
            }
            Err(ReadError::TooLong { .. }) => {
                return Err(TokenError::Malformed { path: path.to_owned() });
            }
            Err(error @ (ReadError::Io(_) | ReadError::NotAFile)) => {
                let (path, reason) = (path.to_owned(), error.to_string());
                return Err(TokenError::Unreadable { path, reason });
            }
        };
        let text = bytes.trim_ascii_end();
        let fits = |c: &u8| c.is_ascii_alphanumeric() || b"-._~+/=".contains(c);
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| (MIN_CHARS..=MAX_CHARS).contains(&text.len()))
            .filter(|text| text.as_bytes().iter().all(fits));
        let token = text.map(|text| Self(Zeroizing::new(text.to_owned())));
        token.map(Some).ok_or_else(|| TokenError::Malformed { path: path.to_owned() })
    }

    fn create(path: &Path) -> Result<Self, TokenError> {
        let bytes = Zeroizing::new(rand::random::<[u8; TOKEN_LEN]>());
        let token = Self(Zeroizing::new(hex::encode(*bytes)));
        let unwritable = |error: io::Error| TokenError::Unwritable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        match token.write(path) {
            Ok(()) => Ok(token),
            // Somebody else was quicker.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Self::load(path)?.ok_or_else(|| unwritable(error))
            }
            Err(error) => Err(unwritable(error)),
        }
    }

    /// Writes it beside `path` and links it there, which does not replace what is there.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}", rand::random::<u64>()));
        let new = path.with_file_name(name);
        let line = Zeroizing::new(format!("{}\n", *self.0));
        private_file::create(&new, line.as_bytes())?;
        let linked = std::fs::hard_link(&new, path);
        let removed = std::fs::remove_file(&new);
        linked.and(removed)
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token; how long that takes does not depend on where they differ.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_token_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        let made: Vec<Token> = std::thread::scope(|scope| {
            let make = || Token::load_or_create(&path).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|token| *token == made[0]), "all got the same");
        assert_eq!(made[0].as_str().len(), 2 * TOKEN_LEN);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else left behind");
        assert_eq!(Token::load_or_create(&path).unwrap(), made[0]);
        assert_eq!(format!("{:?}", made[0]), "Token(…)");

        let other = dir.path().join("other");
        assert_ne!(Token::load_or_create(&other).unwrap(), made[0]);
    }

    #[test]
    fn only_the_whole_token_counts() {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::load_or_create(&dir.path().join("t")).unwrap();
        let text = token.as_str().as_bytes();
        assert!(token.is(text));
        let mut other = text.to_vec();
        *other.last_mut().unwrap() ^= 1;
        for wrong in [&other[..], &text[..63], &[text, b"0"].concat(), b"", b" "] {
            assert!(!token.is(wrong));
        }
    }

    #[test]
    fn a_file_that_will_not_do_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        let own = "operators-own-token-of-good-length";
        std::fs::write(&path, format!("{own}\n")).unwrap();
        let refused = Token::load_or_create(&path).unwrap_err();
        assert!(matches!(refused, TokenError::Exposed { .. }), "{refused}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Token::load_or_create(&path).unwrap().as_str(), own);
        for bad in ["", "short", &"x".repeat(257), &"x".repeat(5000), &"é".repeat(40)] {
            std::fs::write(&path, bad).unwrap();
            let refused = Token::load_or_create(&path).unwrap_err();
            assert!(matches!(refused, TokenError::Malformed { .. }), "{bad}: {refused}");
        }
    }
}
