//! One call that streams both ways.

use bytes::Bytes;
use peer_contest::Failure;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::payload::Payload;
use crate::service::contest_client::ContestClient;

/// Messages between the caller and the connection: as many as are ever in flight.
const QUEUE: usize = 64;

/// The side that asks.
pub(crate) struct Client {
    out: mpsc::Sender<Payload>,
    back: Streaming<Payload>,
}

impl Client {
    pub(crate) async fn new(channel: Channel) -> Result<Self, Failure> {
        let (out, messages) = mpsc::channel(QUEUE);
        let mut client = ContestClient::new(channel);
        let back = client.exchange(ReceiverStream::new(messages)).await?.into_inner();
        Ok(Self { out, back })
    }

    async fn answer(&mut self) -> Result<Payload, Failure> {
        Ok(self.back.message().await?.ok_or("the call ended")?)
    }
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        self.out.send(Payload { acknowledge: false, bytes: payload.clone() }).await?;
        let whole = self.answer().await?.bytes.len() == payload.len();
        if whole { Ok(()) } else { Err("not the whole of it".into()) }
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let (mut sent, mut acknowledged) = (0, 0);
        while acknowledged < count {
            while sent < count && sent - acknowledged < window {
                self.out.send(Payload { acknowledge: true, bytes: payload.clone() }).await?;
                sent += 1;
            }
            if !self.answer().await?.acknowledge {
                return Err("no acknowledgement".into());
            }
            acknowledged += 1;
        }
        Ok(())
    }
}
