//! Frames on one stream, for contestants that have nothing of the kind: a length, a kind, bytes.

use crate::Failure;

/// The kind of frames that come back.
pub const ECHO: u8 = 0;
/// The kind of frames that a byte acknowledges.
pub const ACKNOWLEDGE: u8 = 1;
/// Length (4 bytes, big-endian), then the kind.
pub const HEAD_LEN: usize = 5;
/// Bytes that are read at once.
pub const BUFFER: usize = 64 << 10;

/// Appends a frame to `buffer`.
///
/// # Errors
/// If the payload is longer than a length can say.
pub fn push(buffer: &mut Vec<u8>, kind: u8, payload: &[u8]) -> Result<(), Failure> {
    buffer.extend_from_slice(&u32::try_from(payload.len())?.to_be_bytes());
    buffer.push(kind);
    buffer.extend_from_slice(payload);
    Ok(())
}

/// The side that answers. Frames that come back fit into [`BUFFER`]; others are not kept.
#[derive(Debug)]
pub struct Responder {
    buffer: Vec<u8>,
    have: usize,
    skip: usize,
    answers: Vec<u8>,
}

impl Default for Responder {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER], have: 0, skip: 0, answers: Vec::new() }
    }
}

impl Responder {
    /// Where to read to.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.have..]
    }

    /// The answers to what was read: `read` bytes.
    ///
    /// # Errors
    /// If a frame that is to come back is longer than the buffer.
    pub fn answers(&mut self, read: usize) -> Result<&[u8], Failure> {
        self.answers.clear();
        self.have += read;
        let have = self.have;
        let mut start = 0;
        loop {
            if self.skip > 0 {
                let now = self.skip.min(have - start);
                (start, self.skip) = (start + now, self.skip - now);
                if self.skip > 0 {
                    break;
                }
                self.answers.push(ACKNOWLEDGE);
            }
            let Some(&[a, b, c, d, kind]) = self.buffer[start..have].first_chunk() else { break };
            let len = u32::from_be_bytes([a, b, c, d]) as usize;
            if kind == ACKNOWLEDGE {
                (start, self.skip) = (start + HEAD_LEN, len);
                continue;
            }
            if HEAD_LEN + len > BUFFER {
                return Err(format!("a frame of {len} bytes cannot come back").into());
            }
            let Some(frame) = self.buffer[start..have].get(..HEAD_LEN + len) else { break };
            self.answers.extend_from_slice(frame);
            start += HEAD_LEN + len;
        }
        self.buffer.copy_within(start..have, 0);
        self.have = have - start;
        Ok(&self.answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `bytes` in pieces of `piece`.
    fn answers(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut responder = Responder::default();
        let mut all = Vec::new();
        for part in bytes.chunks(piece) {
            responder.space()[..part.len()].copy_from_slice(part);
            all.extend_from_slice(responder.answers(part.len()).unwrap());
        }
        all
    }

    #[test]
    fn frames_are_answered_however_they_are_cut() {
        let mut bytes = Vec::new();
        push(&mut bytes, ACKNOWLEDGE, &[1; 100_000]).unwrap();
        push(&mut bytes, ECHO, b"here").unwrap();
        push(&mut bytes, ACKNOWLEDGE, b"x").unwrap();
        push(&mut bytes, ECHO, &[3; 1024]).unwrap();
        let mut expected = vec![ACKNOWLEDGE];
        push(&mut expected, ECHO, b"here").unwrap();
        expected.push(ACKNOWLEDGE);
        push(&mut expected, ECHO, &[3; 1024]).unwrap();
        for piece in [1, 3, 5, 1000, BUFFER / 2] {
            assert_eq!(answers(&bytes, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut bytes = Vec::new();
        push(&mut bytes, ECHO, &vec![0; BUFFER]).unwrap();
        let mut responder = Responder::default();
        responder.space()[..HEAD_LEN].copy_from_slice(&bytes[..HEAD_LEN]);
        assert!(responder.answers(HEAD_LEN).is_err());
    }
}
