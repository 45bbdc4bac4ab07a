//! Server-sent events, as far as this API uses them.

use thiserror::Error;

/// Longest event that is held, in bytes: the largest content in base64, and more.
const MAX_EVENT_LEN: usize = 96 << 20;

/// An event is longer than any message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an event has more than {MAX_EVENT_LEN} bytes")]
pub(crate) struct EventTooLong;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// `message` unless it says otherwise.
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
}

/// Longest name or id of an event that is kept, in bytes.
const MAX_NAME_LEN: usize = 256;

/// Puts a stream of bytes together to events.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    data: Vec<u8>,
    has_data: bool,
    name: Option<String>,
    id: Option<String>,
}

impl Decoder {
    /// Takes what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() + self.data.len() > MAX_EVENT_LEN {
            return Err(EventTooLong);
        }
        Ok(())
    }

    /// The last id that came, with an event or without one.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The next event that is complete.
    pub(crate) fn next(&mut self) -> Option<Event> {
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
                let name = self.name.take().unwrap_or_else(|| "message".to_owned());
                if std::mem::take(&mut self.has_data) {
                    return Some(Event { name, data: std::mem::take(&mut self.data) });
                }
            } else if let Some(name) = field(line, b"event:") {
                self.name = Some(name);
            } else if let Some(id) = field(line, b"id:") {
                self.id = Some(id);
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

/// What a short field holds.
fn field(line: &[u8], name: &[u8]) -> Option<String> {
    let value = line.strip_prefix(name)?;
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= MAX_NAME_LEN)?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_they_come_in() {
        let stream =
            b": hello\n\nevent: reset\nid: 7\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nid: 9\n\n";
        for size in 1..stream.len() {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            for part in stream.chunks(size) {
                decoder.push(part).unwrap();
                while let Some(event) = decoder.next() {
                    events.push(event);
                }
            }
            let event =
                |name: &str, data: &[u8]| Event { name: name.to_owned(), data: data.to_vec() };
            let expected = [event("reset", b"{\"a\":1}"), event("message", b"x\ny")];
            assert_eq!(events, expected, "{size}");
            assert_eq!(decoder.last_id(), Some("9"), "also without an event");
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
