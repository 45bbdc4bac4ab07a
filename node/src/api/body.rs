//! A body that has to come in time.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use http_body_util::LengthLimitError;
use hyper::body::{Bytes, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

/// The body took too long to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it did not come whole within {} s", within.as_secs())]
pub(super) struct TooSlow {
    within: Duration,
}

/// What goes wrong with a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that fails with [`TooSlow`] once it was waited for too long, all pauses together. While nobody
/// reads it, as while there is no room for a long one, its time stands still.
pub(super) struct Timed<B> {
    body: Pin<Box<B>>,
    within: Duration,
    left: Duration,
    /// Since when it is waited for, and until when that may last.
    pause: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, within: Duration) -> Self {
        Self { body: Box::pin(body), within, left: within, pause: None }
    }
}

impl<B: HttpBody<Data = Bytes, Error = BoxError>> HttpBody for Timed<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(cx) {
            if let Some((since, _)) = self.pause.take() {
                self.left = self.left.saturating_sub(since.elapsed());
            }
            return Poll::Ready(frame);
        }
        let (within, left) = (self.within, self.left);
        let sleep = || (Instant::now(), Box::pin(tokio::time::sleep(left)));
        let (_, over) = self.pause.get_or_insert_with(sleep);
        over.as_mut().poll(cx).map(|()| Some(Err(TooSlow { within }.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body could not be read.
pub(super) enum Broken {
    TooLarge,
    TooSlow(TooSlow),
    Otherwise,
}

impl Broken {
    /// What an error says, or one behind it.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return Self::TooLarge;
            }
            if let Some(slow) = error.downcast_ref::<TooSlow>() {
                return Self::TooSlow(*slow);
            }
            cause = error.source();
        }
        Self::Otherwise
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::sync::mpsc;

    use super::*;

    /// What is sent as it is sent.
    struct Piecemeal(mpsc::Receiver<Bytes>);

    impl HttpBody for Piecemeal {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn the_time_of_a_body_passes_only_while_it_is_waited_for() {
        let within = Duration::from_millis(200);
        let (sender, pieces) = mpsc::channel(4);
        let mut body = Timed::new(Piecemeal(pieces), within);
        tokio::time::sleep(2 * within).await;
        sender.send(Bytes::from_static(b"a")).await.unwrap();
        assert!(body.frame().await.unwrap().is_ok(), "nobody has read it so far");

        // A client that sends a little now and then has no more time in all.
        let dripping = async {
            while sender.send(Bytes::from_static(b"b")).await.is_ok() {
                tokio::time::sleep(within / 4).await;
            }
        };
        let reading = async {
            loop {
                if let Err(error) = body.frame().await.unwrap() {
                    return error;
                }
            }
        };
        tokio::select! {
            error = reading => assert!(error.is::<TooSlow>(), "{error}"),
            () = dripping => panic!("it was read for ever"),
            () = tokio::time::sleep(20 * within) => panic!("its time did not pass"),
        }
    }
}
