//! Open streams: what comes in on them, and what goes out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{PeerId, Stream};
use tokio::sync::mpsc;

use crate::behaviour::FromHandler;
use crate::records::Event;

/// Streams at once; one more is dropped.
const MAX_STREAMS: usize = 1024;
/// Records that wait to be written to one stream. The one after these holds up standard input.
const WAITING: usize = 64;
const CHUNK: usize = 64 << 10;
/// Streams that peers open are named from here on.
const INCOMING: u32 = 1 << 31;

/// What is written to a stream.
#[derive(Debug)]
pub(crate) enum ToStream {
    Data(Vec<u8>),
    Finish,
}

#[derive(Debug, Default)]
struct Table {
    streams: HashMap<u32, mpsc::Sender<ToStream>>,
    incoming: u32,
}

/// The streams that are open, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Open(Arc<Mutex<Table>>);

impl Open {
    fn table<T>(&self, with: impl FnOnce(&mut Table) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands something to a stream, and waits until there is room. Nothing happens if it is gone.
    pub(crate) async fn pass(&self, id: u32, what: ToStream) {
        let stream = self.table(|table| table.streams.get(&id).cloned());
        if let Some(stream) = stream {
            let _ = stream.send(what).await;
        }
    }

    /// Ends a stream at once.
    pub(crate) fn end(&self, id: u32) {
        self.table(|table| table.streams.remove(&id));
    }

    fn add(&self, id: u32) -> Option<mpsc::Receiver<ToStream>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        self.table(|table| {
            let room = table.streams.len() < MAX_STREAMS && !table.streams.contains_key(&id);
            room.then(|| table.streams.insert(id, sender)).map(|_| receiver)
        })
    }

    fn next_incoming(&self) -> u32 {
        self.table(|table| {
            table.incoming = (table.incoming + 1) % INCOMING;
            INCOMING + table.incoming
        })
    }
}

/// Begins to carry a stream. Gives what is told of it; nothing if there is no room for it.
pub(crate) fn begin(
    (peer, event): (PeerId, FromHandler),
    open: &Open,
    events: &mpsc::Sender<Event>,
) -> Option<Event> {
    let (id, stream, told) = match event {
        FromHandler::Refused { id, why } => return Some(Event::Refused { id, why }),
        FromHandler::Opened { id, stream } => (id, stream, Event::Opened { id }),
        FromHandler::Incoming { protocol, stream } => {
            let id = open.next_incoming();
            (id, stream, Event::Incoming { id, peer, protocol })
        }
    };
    let Some(written) = open.add(id) else {
        return (id < INCOMING).then(|| Event::Refused { id, why: "too many streams".to_owned() });
    };
    tokio::spawn(carry(id, stream, written, open.clone(), events.clone()));
    Some(told)
}

/// Carries both directions until both have ended, or either broke, or the stream is dropped.
async fn carry(
    id: u32,
    stream: Stream,
    mut written: mpsc::Receiver<ToStream>,
    open: Open,
    events: mpsc::Sender<Event>,
) {
    let (mut reader, mut writer) = stream.split();
    let read = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => return events.send(Event::Finished { id }).await.is_ok(),
                Ok(len) => {
                    let bytes = buffer.iter().take(len).copied().collect();
                    if events.send(Event::Data { id, bytes }).await.is_err() {
                        return false;
                    }
                }
                Err(error) => {
                    let _ = events.send(Event::Broken { id, why: error.to_string() }).await;
                    return false;
                }
            }
        }
    };
    let write = async {
        while let Some(what) = written.recv().await {
            // What breaks is told by the reading half.
            let done = match what {
                ToStream::Data(bytes) => match writer.write_all(&bytes).await {
                    Ok(()) => writer.flush().await,
                    Err(error) => Err(error),
                },
                ToStream::Finish => return writer.close().await.is_ok(),
            };
            if done.is_err() {
                return true;
            }
        }
        false
    };
    let mut read = std::pin::pin!(read);
    let mut write = std::pin::pin!(write);
    tokio::select! {
        on = &mut read => if on { write.await; },
        on = &mut write => if on { read.await; },
    }
    open.end(id);
}
