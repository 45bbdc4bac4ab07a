//! A stream for each call: the kind and the payload there, the answer back.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use peer_contest::{ACKNOWLEDGE, ECHO, Failure};

/// The longest payload.
const LONGEST: usize = (1 << 20) + 1;

/// Answers until the connection ends.
pub(crate) async fn serve(connection: Connection) -> Result<(), Failure> {
    loop {
        let (send, receive) = connection.accept_bi().await?;
        tokio::spawn(answer(send, receive));
    }
}

async fn answer(mut send: SendStream, mut receive: RecvStream) -> Result<(), Failure> {
    let asked = receive.read_to_end(LONGEST).await?;
    match asked.split_first() {
        Some((&ECHO, payload)) => send.write_all(payload).await?,
        _ => send.write_all(&[ACKNOWLEDGE]).await?,
    }
    Ok(send.finish()?)
}

/// The side that asks.
pub(crate) struct Client(Connection);

impl Client {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self(connection)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.close(0_u32.into(), b"");
    }
}

/// Sends `payload`, and returns the length of the answer.
async fn call(connection: &Connection, kind: u8, payload: &Bytes) -> Result<usize, Failure> {
    let (mut send, mut receive) = connection.open_bi().await?;
    let mut chunks = [Bytes::copy_from_slice(&[kind]), payload.clone()];
    send.write_all_chunks(&mut chunks).await?;
    send.finish()?;
    Ok(receive.read_to_end(LONGEST).await?.len())
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let len = call(&self.0, ECHO, payload).await?;
        if len == payload.len() { Ok(()) } else { Err("not the whole of it".into()) }
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let mut calls = FuturesUnordered::new();
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            while sent < count && sent - answered < window {
                calls.push(call(&self.0, ACKNOWLEDGE, payload));
                sent += 1;
            }
            if calls.next().await.transpose()? != Some(1) {
                return Err("no acknowledgement".into());
            }
            answered += 1;
        }
        Ok(())
    }
}
