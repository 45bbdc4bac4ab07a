//! The bytes of rows that are written for every message: fields of fixed width one after another, in
//! network order, and texts after their length.

use peer_protocol::time::Timestamp;

/// A row makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// Writes a row.
#[derive(Debug, Default)]
pub(super) struct Put(Vec<u8>);

impl Put {
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(super) fn time(&mut self, time: Timestamp) -> &mut Self {
        self.number(time.as_millis())
    }

    /// Nothing is the first moment of 1970.
    pub(super) fn maybe_time(&mut self, time: Option<Timestamp>) -> &mut Self {
        self.time(time.unwrap_or_default())
    }

    /// Sixteen bytes behind a byte that says whether they are there.
    pub(super) fn maybe_id(&mut self, id: Option<&[u8; 16]>) -> &mut Self {
        match id {
            Some(id) => self.byte(1).bytes(id),
            None => self.byte(0),
        }
    }

    /// At most 65,535 bytes of it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let len = u16::try_from(end).unwrap_or(u16::MAX);
        self.bytes(&len.to_be_bytes()).bytes(text.get(..end).unwrap_or_default().as_bytes())
    }

    pub(super) fn done(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads a row.
#[derive(Debug)]
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Broken)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Broken> {
        self.number().map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(&mut self) -> Result<Option<Timestamp>, Broken> {
        Ok(Some(self.time()?).filter(|time| *time != Timestamp::default()))
    }

    /// An id that `parse` accepts, if there is one.
    pub(super) fn maybe_id<T>(
        &mut self,
        parse: fn([u8; 16]) -> Option<T>,
    ) -> Result<Option<T>, Broken> {
        match self.byte()? {
            0 => Ok(None),
            1 => self.id(parse).map(Some),
            _ => Err(Broken),
        }
    }

    pub(super) fn id<T>(&mut self, parse: fn([u8; 16]) -> Option<T>) -> Result<T, Broken> {
        parse(self.array()?).ok_or(Broken)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Broken> {
        let len = u16::from_be_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(len.into()).ok_or(Broken)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Broken)
    }

    /// There must be nothing left.
    pub(super) const fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() { Ok(()) } else { Err(Broken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken() {
        let mut put = Put::default();
        put.byte(7).number(1 << 40).maybe_id(None).maybe_id(Some(&[3; 16])).text("häuser");
        let bytes = put.maybe_time(None).time(Timestamp::from_millis(5)).done();
        let mut take = Take(&bytes);
        assert_eq!((take.byte(), take.number()), (Ok(7), Ok(1 << 40)));
        assert_eq!(take.maybe_id(Some), Ok(None));
        assert_eq!(take.maybe_id(Some), Ok(Some([3; 16])));
        assert_eq!((take.text(), take.end()), (Ok("häuser"), Err(Broken)));
        assert_eq!(take.maybe_time(), Ok(None));
        assert_eq!(take.time(), Ok(Timestamp::from_millis(5)));
        assert_eq!((take.end(), take.byte()), (Ok(()), Err(Broken)));
    }

    #[test]
    fn long_texts_end_between_characters() {
        let bytes = Put::default().text(&"ä".repeat(40_000)).done();
        assert_eq!(Take(&bytes).text().map(str::len), Ok(65_534));
    }
}
