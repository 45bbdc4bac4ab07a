//! Server-sent events, as far as this API uses them.

use thiserror::Error;

/// Longest event that is held, in bytes: the largest content in base64, and more.
const MAX_EVENT_LEN: usize = 96 << 20;

/// An event is longer than any message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event has more than {MAX_EVENT_LEN} bytes")]
pub(super) struct EventTooLong;

/// Puts a stream of bytes together to events.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    data: Vec<u8>,
    has_data: bool,
}

impl Decoder {
    /// Takes what came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() + self.data.len() > MAX_EVENT_LEN {
            return Err(EventTooLong);
        }
        Ok(())
    }

    /// The data of the next event that is complete.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return None;
            };
            let end = self.searched + end;
            self.searched = 0;
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                if std::mem::take(&mut self.has_data) {
                    return Some(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
            // Other fields, and comments, which keep the connection alive, mean nothing here.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_they_come_in() {
        let stream =
            b": hello\n\nevent: message\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nid: 1\n\n";
        for size in 1..stream.len() {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            for part in stream.chunks(size) {
                decoder.push(part).unwrap();
                while let Some(event) = decoder.next() {
                    events.push(event);
                }
            }
            assert_eq!(events, [b"{\"a\":1}".to_vec(), b"x\ny".to_vec()], "{size}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut decoder = Decoder::default();
        let part = vec![b'x'; 1 << 20];
        let pushed = (0..97).try_for_each(|_| decoder.push(&part));
        assert_eq!(pushed, Err(EventTooLong));
    }
}
