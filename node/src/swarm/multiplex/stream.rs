//! A stream that tells its connection's account how far it was read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

use super::account::Account;
use super::names::{NO_NAME, Names};

/// The stream.
#[derive(Debug)]
pub(in crate::swarm) struct Stream {
    inner: yamux::Stream,
    id: u32,
    account: Arc<Account>,
    names: Names,
}

impl Stream {
    pub(super) fn new(inner: yamux::Stream, account: Arc<Account>) -> Self {
        let id = inner.id().val();
        account.opened(id);
        Self { inner, id, account, names: Names::default() }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if let Poll::Ready(Ok(len @ 1..)) = read {
            self.account.read(self.id, len);
            let names = self.names.read(buffer.get(..len).unwrap_or_default());
            names.inspect_err(|_| self.account.end(NO_NAME))?;
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buffer);
        if let Poll::Ready(Ok(len)) = written {
            self.names.write(buffer.get(..len).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.account.dropped(self.id);
    }
}
