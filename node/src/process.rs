//! Programs that this one starts: what belongs to them, and what they say.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;

/// A program that leads a process group, and all that it started there; killed when dropped, unless it
/// was let go or spared.
#[derive(Debug)]
pub(crate) struct Group {
    id: Option<Pid>,
    spared: bool,
}

impl Group {
    /// The group of a child that was started to lead one.
    pub(crate) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Self { id, spared: false }
    }

    pub(crate) fn kill(&self) {
        if let Some(group) = self.id {
            // A group that has ended by itself needs no killing.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }

    /// Whether any process of the group is left.
    pub(crate) fn is_there(&self) -> bool {
        self.id.is_some_and(|group| killpg(group, None).is_ok())
    }

    /// It outlives this value, though it can still be killed.
    pub(crate) const fn spare(&mut self) {
        self.spared = true;
    }

    /// It is not killed any more: it has ended, or lives on.
    pub(crate) const fn let_go(&mut self) {
        self.id = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.spared {
            self.kill();
        }
    }
}

/// Reads everything and keeps the last `LEN` bytes.
pub(crate) async fn read_tail<const LEN: usize>(
    from: Option<impl AsyncRead + Unpin>,
    tail: &mut Vec<u8>,
) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; LEN];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        tail.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let surplus = tail.len().saturating_sub(LEN);
        tail.drain(..surplus);
    }
}
