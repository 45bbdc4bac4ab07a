//! Streams as strangers fill them: frames of every protocol, in pieces, cut short, with any length in front.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use futures::AsyncRead;
use peer_behaviours::fuzzing;
use peer_protocol::envelope::Envelope;
use peer_protocol::legacy::Message;
use peer_protocol::limits::MAX_ENVELOPE_LEN;
use peer_protocol::stream::{FrameId, HEAD_LEN, Head, Kind};
use tokio::runtime::Runtime;

use crate::fuzzing::seeds::{handshake_steps, hops, legacy_messages};

/// The first byte says which protocol it is and in pieces of which length the bytes come. What is read is
/// what was sent, and never more than was sent.
pub fn frames(data: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().expect("a runtime")
    });
    let Some((first, rest)) = data.split_first() else { return };
    let mut io = Pieces { bytes: rest.to_vec(), at: 0, most: usize::from(first / 8) + 1 };
    runtime.block_on(async {
        match first % 8 {
            0 => {
                let read = fuzzing::request(&mut io).await;
                let direct = behind_len(rest).and_then(|it| Envelope::decode(it.to_vec()).ok());
                assert_eq!(read.map(Envelope::into_bytes), direct.map(Envelope::into_bytes));
            }
            1 => {
                let read = fuzzing::answer(&mut io).await;
                let direct = behind_len(rest).filter(|bytes| bytes.len() <= MAX_ENVELOPE_LEN);
                assert_eq!(read.as_deref(), direct);
            }
            2 => {
                if let Some(packet) = fuzzing::packet(&mut io).await {
                    let head = packet.header.encode();
                    assert_eq!(behind_len(rest), Some(&head[..]));
                    assert_eq!(behind_len(&rest[4 + head.len()..]), Some(&packet.envelope[..]));
                }
            }
            3 => {
                if let Some(outcome) = fuzzing::outcome(&mut io).await {
                    assert!(outcome.envelope().is_empty(), "nobody has signed that answer");
                }
            }
            4 => {
                let read = fuzzing::legacy_request(&mut io).await;
                let direct = behind_len(rest).and_then(|bytes| Message::parse(bytes).ok());
                assert_eq!(read, direct);
            }
            5 => session_stream(rest, io).await,
            6 => {
                if let Some(again) = fuzzing::provider(rest) {
                    assert_eq!(&again[..], rest, "two encodings of one provider");
                }
            }
            _ => drop(fuzzing::autonat(&mut io).await),
        }
    });
}

/// The frames are those that stand there, up to the first that breaks the rules.
async fn session_stream(bytes: &[u8], io: Pieces) {
    let asks = bytes.len().is_multiple_of(2);
    let read = fuzzing::session_stream(io, asks).await;
    let mut rest = bytes;
    for (head, body) in read {
        let start: [u8; HEAD_LEN] = rest[..HEAD_LEN].try_into().expect("a head was read");
        assert_eq!(Head::decode(start).as_ref(), Ok(&head));
        assert_eq!(head.kind.asks(), asks);
        assert_eq!(body, rest[HEAD_LEN..HEAD_LEN + head.len as usize]);
        rest = &rest[HEAD_LEN + body.len()..];
    }
    let next = rest.first_chunk::<HEAD_LEN>().map(|start| Head::decode(*start));
    if let Some(Ok(head)) = next {
        let is_there = rest.len() - HEAD_LEN >= head.len as usize;
        assert!(!is_there || head.kind.asks() != asks, "a frame was not read");
    }
}

/// What stands behind its length.
fn behind_len(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.get(..u32::from_be_bytes(*len) as usize)
}

/// A stream that gives its bytes in pieces.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    most: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let len = (self.bytes.len() - self.at).min(self.most).min(out.len());
        out[..len].copy_from_slice(&self.bytes[self.at..self.at + len]);
        self.at += len;
        Poll::Ready(Ok(len))
    }
}

/// A frame of each protocol.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short").to_be_bytes();
    let frame = |bytes: &[u8]| [&len(bytes)[..], bytes].concat();
    let behind = |first: u8, bytes: &[u8]| [&[first], bytes].concat();
    let envelope = handshake_steps().swap_remove(0);
    let packet = hops().swap_remove(0);
    let packet = peer_protocol::routing::Packet::decode(&packet).expect("a packet");
    let on_stream = [frame(&packet.header.encode()), frame(&packet.envelope)].concat();
    let refused =
        peer_protocol::routing::Outcome::Refused(peer_protocol::routing::Reason::NoRoute.into());
    let ask = |id| {
        let head = Head { len: 5, kind: Kind::Request, id: FrameId(id) };
        [&head.encode()[..], b"hello"].concat()
    };
    vec![
        behind(0, &frame(&envelope)),
        behind(9, &frame(&envelope)),
        behind(2 + 16, &on_stream),
        behind(3, &[frame(&refused.encode_head()), frame(b"")].concat()),
        behind(4 + 64, &frame(&legacy_messages().swap_remove(0))),
        behind(5 + 32, &[ask(0), ask(1)].concat()),
        behind(6, &[0, 3, 1, 2, 3, 0, 2, b'/', b'a']),
        behind(7, &[10, 0x12, 8, 0x08, 0xc8, 1, 0x10, 1, 0x18, 0xc8, 1]),
    ]
}
