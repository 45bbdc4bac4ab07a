//! The messages of AutoNAT v2, as its specification has them
//! (<https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md>), each behind its length.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest message from a server, in bytes. All of theirs are small.
const MAX_LEN: usize = 1024;

/// What travels on a dial request's stream.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Envelope {
    #[prost(oneof = "Message", tags = "1, 2, 3, 4")]
    pub(crate) message: Option<Message>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Message {
    #[prost(message, tag = "1")]
    Request(DialRequest),
    #[prost(message, tag = "2")]
    Response(DialResponse),
    #[prost(message, tag = "3")]
    DataRequest(DialDataRequest),
    #[prost(message, tag = "4")]
    DataResponse(DialDataResponse),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DialRequest {
    /// Multiaddresses in binary.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) addresses: Vec<Vec<u8>>,
    #[prost(fixed64, tag = "2")]
    pub(super) nonce: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct DialResponse {
    /// 200 is fine, everything else is not.
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
    #[prost(uint32, tag = "2")]
    pub(super) address: u32,
    /// What came of the dial.
    #[prost(int32, tag = "3")]
    pub(super) dial: i32,
}

impl DialResponse {
    pub(super) const OK: i32 = 200;
    /// Nobody could be dialled there.
    pub(super) const DIAL_ERROR: i32 = 100;
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct DialDataRequest {
    #[prost(uint32, tag = "1")]
    pub(super) address: u32,
    #[prost(uint64, tag = "2")]
    pub(super) bytes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DialDataResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) data: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct DialBack {
    #[prost(fixed64, tag = "1")]
    pub(super) nonce: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct DialBackResponse {
    /// 0: the nonce is known.
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

pub(super) async fn write<M: prost::Message>(
    io: &mut (impl AsyncWrite + Unpin),
    message: &M,
) -> io::Result<()> {
    io.write_all(&message.encode_length_delimited_to_vec()).await?;
    io.flush().await
}

pub(super) async fn write_envelope(
    io: &mut (impl AsyncWrite + Unpin),
    message: Message,
) -> io::Result<()> {
    write(io, &Envelope { message: Some(message) }).await
}

/// Reads one message.
///
/// # Errors
/// The stream's, or `InvalidData` if it is too long or none.
pub(crate) async fn read<M: prost::Message + Default>(
    io: &mut (impl AsyncRead + Unpin),
) -> io::Result<M> {
    let len = read_len(io).await?;
    let mut bytes = vec![0; len];
    io.read_exact(&mut bytes).await?;
    M::decode(bytes.as_slice()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// A length of at most [`MAX_LEN`], which has at most two bytes of seven bits.
async fn read_len(io: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let mut len = 0;
    for shift in [0, 7] {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        let [byte] = byte;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 && len <= MAX_LEN {
            return Ok(len);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"))
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    /// Bytes put down by hand from the specification's .proto file.
    #[test]
    fn messages_have_the_bytes_of_the_specification() {
        let request = DialRequest { addresses: vec![vec![4, 1, 2, 3, 4]], nonce: 0x0102 };
        let mut bytes = Vec::new();
        block_on(write_envelope(&mut bytes, Message::Request(request))).unwrap();
        let inner = [0x0a, 5, 4, 1, 2, 3, 4, 0x11, 2, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes, [&[18, 0x0a, 16], &inner[..]].concat());
        let response = [10, 0x12, 8, 0x08, 0xc8, 1, 0x10, 1, 0x18, 0xc8, 1];
        let read: Envelope = block_on(read(&mut Cursor::new(response))).unwrap();
        let expected = DialResponse { status: 200, address: 1, dial: 200 };
        assert_eq!(read.message, Some(Message::Response(expected)));
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_read() {
        for head in [[0xff, 0xff], [0x81, 0x08], [0xff, 0x7f]] {
            let error = block_on(read::<Envelope>(&mut Cursor::new(head))).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{head:?}");
        }
        let error = block_on(read::<Envelope>(&mut Cursor::new([3, 1]))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
