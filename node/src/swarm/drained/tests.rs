//! A muxer in one process, on a paused clock. What a pipe holds stands for a window of QUIC.

use std::future::poll_fn;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::swarm::multiplex::ROOM;
use crate::swarm::multiplex::pipe::{Io, pipe};
use crate::swarm::pace::QUOTA;

const WINDOW: usize = 512 << 10;
/// A stream that has agreed on a protocol.
const NAMES: &[u8] = b"\x13/multistream/1.0.0\n\x02x\n";

/// Streams come from a channel.
#[derive(Debug)]
struct Inner(mpsc::UnboundedReceiver<Io>);

impl StreamMuxer for Inner {
    type Substream = Io;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Io>> {
        self.0.poll_recv(cx).map(|stream| stream.ok_or(io::ErrorKind::NotConnected.into()))
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Io>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Poll::Pending
    }
}

/// A node's end of a connection, which some task polls as the swarm does.
struct End {
    account: Arc<Account>,
    streams: mpsc::UnboundedReceiver<Stream<Io>>,
    ended: oneshot::Receiver<io::Error>,
    open: mpsc::UnboundedSender<Io>,
}

impl End {
    /// Opens a stream, on which so much is written as time goes by.
    async fn bring(&mut self, bytes: Vec<u8>) -> (Stream<Io>, JoinHandle<()>) {
        let (near, mut far) = pipe(WINDOW);
        assert!(self.open.send(near).is_ok(), "it was closed");
        let writing = tokio::spawn(async move {
            // Nobody may read it.
            let _ = far.write_all(&bytes).await;
            std::future::pending::<()>().await;
        });
        (self.streams.recv().await.unwrap(), writing)
    }

    fn has_ended(&mut self) -> bool {
        self.ended.try_recv().is_ok()
    }
}

fn connect(store: &Arc<Store>, stranger: Option<Stranger>) -> End {
    let (open, opened) = mpsc::unbounded_channel();
    let mut muxer = Drained::new(Inner(opened), stranger, Arc::clone(store));
    let account = Arc::clone(&muxer.account);
    let (found, streams) = mpsc::unbounded_channel();
    let (end, ended) = oneshot::channel();
    tokio::spawn(async move {
        let error = poll_fn(|cx| {
            loop {
                if let Poll::Ready(Err(error)) = muxer.poll_unpin(cx) {
                    return Poll::Ready(error);
                }
                match muxer.poll_inbound_unpin(cx) {
                    Poll::Ready(Ok(stream)) => drop(found.send(stream)),
                    Poll::Ready(Err(error)) => return Poll::Ready(error),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let _ = end.send(error.await);
    });
    End { account, streams, ended, open }
}

fn stranger(admitted: &Arc<Admitted>) -> (PeerId, Option<Stranger>) {
    let peer = PeerId::random();
    (peer, Stranger::new(peer, Arc::clone(admitted)))
}

async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Without the store it would be a window for each of two streams of each of a hundred.
#[tokio::test(start_paused = true)]
async fn what_strangers_leave_is_in_the_store_and_nowhere_else() {
    let (store, admitted) = (Arc::new(Store::default()), Arc::default());
    let (mut ends, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let mut end = connect(&store, stranger(&admitted).1);
        streams.push(end.bring(vec![7; WINDOW]).await);
        a_while().await;
        if !end.open.is_closed() {
            streams.push(end.bring(vec![7; WINDOW]).await);
            a_while().await;
        }
        ends.push(end);
        let held: usize = ends.iter().map(|end| end.account.held()).sum();
        assert!(held <= ROOM + ends.len() * OWN, "{held}");
    }
    let ended = ends.iter_mut().map(End::has_ended).filter(|ended| *ended).count();
    assert!(ended > 90, "{ended} were closed: the others may have all that there is room for");
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_session_has_the_window_and_stays() {
    let (store, admitted) = (Arc::new(Store::with_room(0)), Arc::default());
    let (peer, somebody) = stranger(&admitted);
    admitted.insert(peer);
    assert!(Stranger::new(peer, Arc::clone(&admitted)).is_none());
    for known in [None, somebody] {
        let mut end = connect(&store, known);
        let sent = [NAMES, &vec![7; 3 * WINDOW]].concat();
        let (mut stream, _writing) = end.bring(sent.clone()).await;
        a_while().await;
        assert!(!end.has_ended());
        assert_eq!(end.account.held(), 0);
        let mut read = vec![0; sent.len()];
        stream.read_exact(&mut read).await.unwrap();
        assert!(read == sent);
    }
}

/// It is read in turn by its owner and by the connection, before and after the peer has a session.
#[tokio::test(start_paused = true)]
async fn what_is_read_comes_through_whole_and_leaves_nothing_behind() {
    let (store, admitted) = (Arc::new(Store::default()), Arc::default());
    let (peer, somebody) = stranger(&admitted);
    let mut end = connect(&store, somebody);
    let rest: Vec<u8> = (0..400_000_u32).map(|number| number as u8).collect();
    let sent = [NAMES, &rest].concat();
    let (mut stream, _writing) = end.bring(sent.clone()).await;
    let mut read = Vec::new();
    for (number, len) in [1, 22, 100, 30_000, 200_000].into_iter().enumerate() {
        if number % 2 == 1 {
            a_while().await;
        }
        let mut piece = vec![0; len];
        stream.read_exact(&mut piece).await.unwrap();
        read.extend(piece);
    }
    admitted.insert(peer);
    let mut piece = vec![0; sent.len() - read.len()];
    stream.read_exact(&mut piece).await.unwrap();
    read.extend(piece);
    assert!(read == sent);
    assert_eq!(store.available(), ROOM);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_whether_the_connection_reads_or_not() {
    let (store, admitted) = (Arc::new(Store::default()), Arc::default());
    let (peer, somebody) = stranger(&admitted);
    let mut end = connect(&store, somebody);
    let (near, mut far) = pipe(WINDOW);
    end.open.send(near).unwrap();
    let mut stream = end.streams.recv().await.unwrap();
    far.write_all(NAMES).await.unwrap();
    stream.read_exact(&mut vec![0; NAMES.len()]).await.unwrap();
    let (heard, mut hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            heard.send(byte[0]).unwrap();
        }
    });
    for number in 0..4 {
        if number == 2 {
            admitted.insert(peer);
        }
        a_while().await;
        far.write_all(&[number]).await.unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(1), hears.recv()).await;
        assert_eq!(heard.unwrap(), Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_stranger_that_come_too_fast_are_refused_and_others_wait() {
    for is_stranger in [true, false] {
        let (store, admitted) = (Arc::new(Store::default()), Arc::default());
        let somebody = stranger(&admitted).1.filter(|_| is_stranger);
        let mut end = connect(&store, somebody);
        let mut far = Vec::new();
        for _ in 0..QUOTA.burst + 100 {
            let (near, other) = pipe(1);
            end.open.send(near).unwrap();
            far.push(other);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut taken = 0;
        while end.streams.try_recv().is_ok() {
            taken += 1;
        }
        assert!(!end.has_ended());
        if is_stranger {
            assert!(taken <= QUOTA.burst + 1, "{taken}");
        } else {
            assert_eq!(taken, QUOTA.burst + 100);
        }
    }
}
