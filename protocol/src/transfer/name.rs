//! Names of files that travel in offers (§9.3).

use thiserror::Error;

use crate::limits::MAX_FILE_NAME_LEN;

/// Why a text is not the name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadName {
    /// There is none.
    #[error("a file has a name")]
    Missing,
    /// It names a directory.
    #[error("it names a directory")]
    Directory,
    /// It is too long.
    #[error("it has {len} bytes; at most {MAX_FILE_NAME_LEN} are allowed")]
    TooLong {
        /// Its bytes.
        len: usize,
    },
    /// It leads elsewhere, or holds what no name holds.
    #[error("it holds {character:?}")]
    Character {
        /// The first character of that kind.
        character: char,
    },
}

/// Checks that `name` is the name of a file, and nothing but a name.
///
/// # Errors
/// [`BadName`] says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), BadName> {
    match name {
        "" => return Err(BadName::Missing),
        "." | ".." => return Err(BadName::Directory),
        _ => {}
    }
    if name.len() > MAX_FILE_NAME_LEN {
        return Err(BadName::TooLong { len: name.len() });
    }
    match name.chars().find(|c| matches!(c, '/' | '\\') || c.is_control()) {
        Some(character) => Err(BadName::Character { character }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        let long = "x".repeat(MAX_FILE_NAME_LEN);
        for good in ["a", "a b.tar.gz", ".hidden", "...", "ファイル.txt", "-rf", &long] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn paths_and_control_characters_are_not() {
        assert_eq!(check_name(""), Err(BadName::Missing));
        assert_eq!(check_name("."), Err(BadName::Directory));
        assert_eq!(check_name(".."), Err(BadName::Directory));
        let long = "x".repeat(MAX_FILE_NAME_LEN + 1);
        assert_eq!(check_name(&long), Err(BadName::TooLong { len: 256 }));
        for (bad, character) in [
            ("../../x", '/'),
            ("/etc/passwd", '/'),
            ("..\\x", '\\'),
            ("a\0b", '\0'),
            ("a\nb", '\n'),
            ("a\u{85}", '\u{85}'),
            ("\u{1b}[2J", '\u{1b}'),
        ] {
            assert_eq!(check_name(bad), Err(BadName::Character { character }), "{bad:?}");
        }
    }
}
