//! A body that has to come in time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use http_body_util::LengthLimitError;
use hyper::body::{Bytes, Frame, SizeHint};
use thiserror::Error;
use tokio::time::Sleep;

/// The body took too long to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it did not come whole within {} s", within.as_secs())]
pub(super) struct TooSlow {
    within: Duration,
}

/// What goes wrong with a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that fails with [`TooSlow`] unless all of it has come in time.
pub(super) struct Timed<B> {
    body: Pin<Box<B>>,
    within: Duration,
    over: Pin<Box<Sleep>>,
}

impl<B> Timed<B> {
    pub(super) fn new(body: B, within: Duration) -> Self {
        Self { body: Box::pin(body), within, over: Box::pin(tokio::time::sleep(within)) }
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
            return Poll::Ready(frame);
        }
        let within = self.within;
        self.over.as_mut().poll(cx).map(|()| Some(Err(TooSlow { within }.into())))
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
