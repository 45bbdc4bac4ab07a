//! One stream for all: frames written together, and acknowledged by a byte each.

use bytes::Bytes;
use iroh::endpoint::{Connection, RecvStream, SendStream};
use peer_contest::{ACKNOWLEDGE, BUFFER, ECHO, Failure, Responder, push};

/// Answers on the stream that the other side opens.
pub(crate) async fn serve(connection: Connection) -> Result<(), Failure> {
    let (mut send, mut receive) = connection.accept_bi().await?;
    let mut responder = Responder::default();
    while let Some(read) = receive.read(responder.space()).await? {
        let answers = responder.answers(read)?;
        if !answers.is_empty() {
            send.write_all(answers).await?;
        }
    }
    Ok(())
}

/// The side that asks.
pub(crate) struct Client {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn new(connection: Connection) -> Result<Self, Failure> {
        let (send, receive) = connection.open_bi().await?;
        Ok(Self { connection, send, receive, buffer: vec![0; BUFFER] })
    }

    async fn read(&mut self) -> Result<usize, Failure> {
        Ok(self.receive.read(&mut self.buffer).await?.ok_or("the stream ended")?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.close(0_u32.into(), b"");
    }
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let mut frame = Vec::new();
        push(&mut frame, ECHO, payload)?;
        self.send.write_all(&frame).await?;
        let mut have = 0;
        while have < frame.len() {
            have += self.read().await?;
        }
        Ok(())
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let (mut sent, mut acknowledged) = (0, 0);
        let mut frames = Vec::new();
        while acknowledged < count {
            frames.clear();
            while sent < count && sent - acknowledged < window {
                push(&mut frames, ACKNOWLEDGE, payload)?;
                sent += 1;
            }
            self.send.write_all(&frames).await?;
            acknowledged += self.read().await?;
        }
        Ok(())
    }
}
