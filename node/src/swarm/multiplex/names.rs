//! Names of protocols, with which every stream begins. multistream-select lets one have 16 KiB, and whoever
//! reads it keeps what is there of it until the last byte has come.

use std::io;

/// The longest name that may be proposed, with the byte that ends it: as far as one byte tells the length.
const LONGEST: u8 = 127;
/// The length of what both sides say first, with the byte that tells it, and how a listener refuses a name.
const HEADER: u8 = 20;
const REFUSED: &[u8; 4] = b"\x03na\n";

/// Why a connection is closed on which something else comes first.
pub(in crate::swarm) const NO_NAME: &str = "a stream begins with no name of a protocol";

/// Follows both sides of a stream until a protocol is agreed upon.
#[derive(Debug)]
pub(in crate::swarm) struct Names {
    /// Words that the other side has yet to say: what comes first, and a name.
    words: u8,
    /// Bytes that are missing of the one under way.
    missing: u8,
    /// Bytes that this side has said, as long as they were nothing but refusals.
    said: Option<usize>,
}

impl Default for Names {
    fn default() -> Self {
        Self { words: 2, missing: 0, said: Some(0) }
    }
}

impl Names {
    /// Follows what the other side says.
    ///
    /// # Errors
    /// It is not how any program begins, or a name is too long.
    pub(in crate::swarm) fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while self.words > 0
            && let Some((first, behind)) = rest.split_first()
        {
            if self.missing == 0 {
                let may_be = if self.words == 2 { HEADER - 1..=HEADER - 1 } else { 1..=LONGEST };
                if !may_be.contains(first) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, NO_NAME));
                }
                self.missing = *first;
            } else {
                self.missing -= 1;
            }
            if self.missing == 0 {
                self.words -= 1;
            }
            rest = behind;
        }
        Ok(())
    }

    /// Follows what this side says. After a refusal comes another name; anything else ends the search.
    pub(in crate::swarm) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let Some(said) = self.said else { return };
            self.said = Some(said + 1);
            let Some(at) = said.checked_sub(HEADER.into()) else { continue };
            if REFUSED.get(at % REFUSED.len()) != Some(byte) {
                self.said = None;
            } else if at % REFUSED.len() == REFUSED.len() - 1 {
                self.words = 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"\x13/multistream/1.0.0\n";

    #[test]
    fn a_name_of_any_length_that_is_in_use_passes_and_what_follows_is_not_looked_at() {
        for len in [1, 20, LONGEST] {
            let name = [&[len][..], &vec![b'/'; len.into()]].concat();
            let sent = [HELLO, &name, &[0xff; 300]].concat();
            assert!(Names::default().read(&sent).is_ok(), "{len}");
            let mut names = Names::default();
            assert!(sent.iter().all(|byte| names.read(&[*byte]).is_ok()), "{len}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_be_it_the_first_or_a_later_one() {
        let too_long = [LONGEST + 1, 1];
        for first in [&too_long[..], &[0], &[HEADER]] {
            assert!(Names::default().read(first).is_err());
        }
        let mut names = Names::default();
        names.read(HELLO).unwrap();
        assert!(names.read(&[0]).is_err());
        assert!(names.read(&too_long).is_err());
        let mut names = Names::default();
        names.read(HELLO).unwrap();
        names.write(HELLO);
        for _ in 0..3 {
            names.read(b"\x02x\n").unwrap();
            names.write(&REFUSED[..1]);
            names.write(&REFUSED[1..]);
        }
        assert!(names.read(&too_long).is_err());
    }

    #[test]
    fn whoever_has_agreed_may_say_anything() {
        let mut names = Names::default();
        names.read(&[HELLO, b"\x02x\n"].concat()).unwrap();
        names.write(&[HELLO, b"\x02x\n", REFUSED].concat());
        assert!(names.read(&[0xff; 300]).is_ok());
        let mut dialer = Names::default();
        dialer.write(&[HELLO, b"\x02x\n", REFUSED].concat());
        dialer.read(&[HELLO, b"\x02x\n", &[0xff; 300]].concat()).unwrap();
    }
}
