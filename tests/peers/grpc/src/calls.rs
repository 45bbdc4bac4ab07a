//! A call for each message.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use peer_contest::Failure;
use tonic::transport::Channel;

use crate::payload::Payload;
use crate::service::contest_client::ContestClient;

/// The side that asks.
pub(crate) struct Client(ContestClient<Channel>);

impl Client {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(ContestClient::new(channel))
    }
}

impl peer_contest::Client for Client {
    async fn ask(&mut self, payload: &Bytes) -> Result<(), Failure> {
        let asked = Payload { acknowledge: false, bytes: payload.clone() };
        let answer = self.0.call(asked).await?.into_inner();
        let whole = answer.bytes.len() == payload.len();
        if whole { Ok(()) } else { Err("not the whole of it".into()) }
    }

    async fn flow(&mut self, payload: &Bytes, window: usize, count: usize) -> Result<(), Failure> {
        let mut calls = FuturesUnordered::new();
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            while sent < count && sent - answered < window {
                let mut client = self.0.clone();
                let sending = Payload { acknowledge: true, bytes: payload.clone() };
                calls.push(async move { client.call(sending).await });
                sent += 1;
            }
            match calls.next().await.transpose()? {
                Some(answer) if answer.get_ref().acknowledge => answered += 1,
                _ => return Err("no acknowledgement".into()),
            }
        }
        Ok(())
    }
}
