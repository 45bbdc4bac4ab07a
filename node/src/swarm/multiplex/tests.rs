//! Two ends in one process, on a paused clock. The other end is Yamux as it is.

use std::future::poll_fn;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::core::muxing::StreamMuxerExt as _;
use tokio::sync::{mpsc, oneshot};

use super::account::{FRAME, OWN};
use super::pipe::{Io, pipe};
use super::*;

/// What the pipe between both holds.
const PIPE: usize = 4 << 10;

/// A stream that has agreed on a protocol.
const BEGINS: &[u8] = b"\x13/multistream/1.0.0\n\x02x\n";

/// So many bytes of one.
fn begun(len: usize) -> Vec<u8> {
    let mut bytes = BEGINS.to_vec();
    bytes.resize(len, 7);
    bytes
}

/// A node's end of a connection: its streams come out unread.
struct End {
    account: Arc<Account>,
    streams: mpsc::UnboundedReceiver<Stream>,
    ended: oneshot::Receiver<io::Error>,
}

impl End {
    async fn stream(&mut self) -> Stream {
        self.streams.recv().await.unwrap()
    }
}

/// The other end: opens streams.
struct Other(mpsc::Sender<oneshot::Sender<yamux::Stream>>);

impl Other {
    async fn open(&self) -> yamux::Stream {
        let (reply, stream) = oneshot::channel();
        self.0.send(reply).await.unwrap();
        stream.await.unwrap()
    }

    /// Opens a stream on which so much is written as time goes by.
    async fn start(&self, len: usize) -> tokio::task::JoinHandle<()> {
        let mut stream = self.open().await;
        tokio::spawn(async move {
            // Nobody reads it.
            let _ = stream.write_all(&begun(len)).await;
            std::future::pending::<()>().await;
        })
    }

    /// Opens a stream and writes to it as much as goes, at most `most`; returns how much that was.
    async fn fill(&self, most: usize) -> (yamux::Stream, usize) {
        let mut stream = self.open().await;
        let mut written = 0;
        while written < most {
            let len = (most - written).min(16 << 10);
            let piece = if written == 0 { begun(len) } else { vec![7; len] };
            let writing = tokio::time::timeout(Duration::from_millis(100), stream.write(&piece));
            match writing.await {
                Ok(Ok(len)) => written += len,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), stream.flush()).await;
        // The clock goes on once all of it is where it can be.
        tokio::time::sleep(Duration::from_millis(1)).await;
        (stream, written)
    }
}

/// A connection of a node with this store.
fn connect(store: &Arc<Store>) -> (End, Other) {
    let (near, far) = pipe(PIPE);
    let mut muxer = Config::new(Arc::clone(store)).muxer(near, Mode::Server);
    let account = Arc::clone(&muxer.account);
    let (found, streams) = mpsc::unbounded_channel();
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        let error = poll_fn(|cx| {
            loop {
                match muxer.poll_inbound_unpin(cx) {
                    Poll::Ready(Ok(stream)) => drop(found.send(stream)),
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let _ = end.send(error.await);
    });
    let (wanted, mut asked) = mpsc::channel::<oneshot::Sender<yamux::Stream>>(64);
    let mut other = Connection::new(far, yamux::Config::default(), Mode::Client);
    tokio::spawn(poll_fn(move |cx| {
        while let Poll::Ready(asked) = asked.poll_recv(cx) {
            let Some(reply) = asked else { return Poll::Ready(()) };
            match other.poll_new_outbound(cx) {
                Poll::Ready(Ok(stream)) => drop(reply.send(stream)),
                _ => return Poll::Ready(()),
            }
        }
        other.poll_next_inbound(cx).map(drop)
    }));
    (End { account, streams, ended }, Other(wanted))
}

#[tokio::test(start_paused = true)]
async fn what_is_read_comes_through_whole_and_leaves_nothing_behind() {
    let store = Arc::new(Store::default());
    let (mut end, other) = connect(&store);
    let mut sent = other.open().await;
    let rest = (0..3_000_000_u32).map(|number| number as u8);
    let bytes: Vec<u8> = BEGINS.iter().copied().chain(rest).collect();
    let expected = bytes.clone();
    let sending = tokio::spawn(async move {
        sent.write_all(&bytes).await.unwrap();
        sent.close().await.unwrap();
        sent
    });
    let mut stream = end.stream().await;
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    assert!(read == expected);
    assert_eq!(end.account.held(), 0);
    assert_eq!(store.available(), ROOM);
    drop(sending.await.unwrap());
}

/// Without the account it would be 256 KiB for each of two streams of each of a hundred.
#[tokio::test(start_paused = true)]
async fn many_connections_with_unread_streams_take_no_more_than_the_store() {
    let store = Arc::new(Store::default());
    let (mut all, mut written) = (Vec::new(), 0);
    for _ in 0..100 {
        let (end, other) = connect(&store);
        // All within the second for which nobody has to give way.
        let streams = [other.start(256 << 10).await, other.start(256 << 10).await];
        tokio::time::sleep(Duration::from_millis(1)).await;
        written += end.account.held();
        all.push((end, other, streams));
        let held: usize = all.iter().map(|(end, ..)| end.account.held()).sum();
        assert!(held <= ROOM + all.len() * OWN, "{held}");
    }
    assert!(written >= ROOM * 3 / 4, "{written}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_read_goes_on_while_others_hold_the_store() {
    let store = Arc::new(Store::with_room(256 << 10));
    let mut greedy = Vec::new();
    for _ in 0..20 {
        let (end, other) = connect(&store);
        let stream = other.fill(256 << 10).await;
        // Streams of a connection that is gone are dropped.
        tokio::spawn(async move {
            let _ = end.ended.await;
            drop(end.streams);
        });
        greedy.push((other, stream));
    }
    let (mut end, other) = connect(&store);
    let mut sent = other.open().await;
    tokio::spawn(async move {
        sent.write_all(&begun(1 << 20)).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut read = vec![0; 1 << 20];
    let mut stream = end.stream().await;
    let begun = tokio::time::Instant::now();
    stream.read_exact(&mut read).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(end.ended.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_holds_most_and_is_not_read_gives_way() {
    let store = Arc::new(Store::with_room(512 << 10));
    let (greedy, first) = connect(&store);
    let _unread = first.fill(220 << 10).await;
    assert!(greedy.account.held() > 200 << 10);
    let (mut end, second) = connect(&store);
    let _also_unread = second.start(200 << 10).await;
    // Streams of a connection that is gone are dropped.
    let End { account, streams, ended } = greedy;
    let ended = tokio::spawn(async move {
        let error = ended.await;
        drop((account, streams));
        error
    });
    let error = tokio::time::timeout(Duration::from_secs(3), ended).await.unwrap().unwrap();
    assert_eq!(error.unwrap().kind(), io::ErrorKind::ConnectionAborted);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(end.ended.try_recv().is_err(), "there is room now");
    assert!(end.account.held() >= 200 << 10, "{}", end.account.held());
    drop((end, second));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.available(), 512 << 10);
}

/// Each costs more than its byte.
#[tokio::test(start_paused = true)]
async fn frames_of_a_byte_count_for_what_they_take() {
    let store = Arc::new(Store::with_room(0));
    let (end, other) = connect(&store);
    let mut stream = other.open().await;
    for _ in 0..10_000 {
        stream.write_all(&[7]).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(1), stream.flush()).await;
        if end.account.held() > OWN - 2 * FRAME {
            break;
        }
    }
    let frames = OWN / (FRAME + 1);
    assert!((frames - 3..=frames).contains(&(end.account.held() / (FRAME + 1))));
}

/// A name that is as long as may be, or the first bytes of a frame, are in the memory of whoever read them.
#[tokio::test(start_paused = true)]
async fn what_was_read_of_a_beginning_still_counts() {
    let store = Arc::new(Store::default());
    let (mut end, other) = connect(&store);
    let mut streams = Vec::new();
    for number in 1..=10 {
        let _sent = other.fill(10 << 10).await;
        let mut stream = end.stream().await;
        stream.read_exact(&mut vec![0; 10 << 10]).await.unwrap();
        assert_eq!(end.account.held(), number * (10 << 10));
        streams.push((stream, _sent));
    }
    let (_sent, mut more) = other.fill(17 << 10).await;
    let mut stream = end.stream().await;
    stream.read_exact(&mut vec![0; 17 << 10]).await.unwrap();
    assert_eq!(end.account.held(), 10 * (10 << 10), "whoever reads much has a budget for it");
    drop(streams);
    more += 1;
    assert!(more > 0);
    let _another = other.fill(1).await;
    assert!(end.account.held() <= FRAME + 1, "{}", end.account.held());
}

/// Whoever does not begin with the name of a protocol wants nothing of this node.
#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_with_something_else_ends_the_connection() {
    let long = [&BEGINS[..20], &[0xff, 0x7f]].concat();
    for (begins, stays) in [(BEGINS, true), (&[0; 100][..], false), (&long[..], false)] {
        let store = Arc::new(Store::default());
        let (mut end, other) = connect(&store);
        let mut sent = other.open().await;
        sent.write_all(begins).await.unwrap();
        sent.flush().await.unwrap();
        let mut stream = end.stream().await;
        let read = stream.read_exact(&mut vec![0; begins.len()]).await;
        assert_eq!(read.is_ok(), stays);
        // What comes next wakes the connection.
        let _ = sent.write_all(&[7]).await;
        let _ = sent.flush().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(end.ended.try_recv().is_err(), stays);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_longer_than_a_window_ends_the_connection() {
    let (near, mut far) = pipe(PIPE);
    let store = Arc::new(Store::default());
    let mut muxer = Config::new(store).muxer(near, Mode::Server);
    let len = u32::try_from(WINDOW + 1).unwrap().to_be_bytes();
    let head = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &len].concat();
    far.write_all(&head).await.unwrap();
    let ended = poll_fn(|cx| muxer.poll_inbound_unpin(cx)).await;
    assert!(ended.is_err());
}

/// The end of a connection below Noise, and what it has read of it.
async fn take(store: &Arc<Store>, sent: &[u8]) -> (Wire<Io>, Io, usize) {
    let (near, mut far) = pipe(1 << 20);
    far.write_all(sent).await.unwrap();
    let mut wire = Wire::new(near, Arc::clone(store));
    let mut read = 0;
    let mut piece = [0; 8 << 10];
    while let Ok(len) =
        tokio::time::timeout(Duration::from_millis(100), wire.read(&mut piece)).await
    {
        read += len.unwrap();
    }
    (wire, far, read)
}

const NAMES: &[u8] = b"\x13/multistream/1.0.0\n\x07/noise\n";

/// Without the account it would be 64 KiB for each of two hundred.
#[tokio::test(start_paused = true)]
async fn frames_of_noise_that_lack_a_byte_take_no_more_than_the_store() {
    let store = Arc::new(Store::with_room(1 << 20));
    let sent = [NAMES, &[0xff; 2 + 0xffff - 1]].concat();
    let (mut wires, mut read) = (Vec::new(), 0);
    for _ in 0..200 {
        let (wire, far, len) = take(&store, &sent).await;
        read += len;
        wires.push((wire, far));
    }
    assert!(read >= 512 << 10, "{read}");
    assert!(read <= (1 << 20) + 200 * (10 << 10), "{read}");
}

#[tokio::test(start_paused = true)]
async fn frames_of_noise_that_are_whole_come_through_one_after_the_other() {
    let store = Arc::new(Store::with_room(256 << 10));
    let frame = |len: u16| [&len.to_be_bytes()[..], &vec![7; len.into()]].concat();
    let frames: Vec<u8> = [32, 0, 0xffff, 1, 9_000, 0xffff].into_iter().flat_map(frame).collect();
    let other: &[u8] = b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\x07/noise\n";
    for names in [NAMES, other] {
        let sent = [names, &frames].concat();
        let (mut wire, far, read) = take(&store, &sent).await;
        assert_eq!(read, sent.len());
        drop(far);
        assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(store.available(), 256 << 10);
    }
    let endless = [b"\x02x\n".repeat(20), Vec::new()].concat();
    let (near, mut far) = pipe(PIPE);
    far.write_all(&endless).await.unwrap();
    assert!(Wire::new(near, store).read(&mut [0; 8 << 10]).await.is_err());
}
