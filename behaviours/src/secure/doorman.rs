//! Checking who sent what came over hops, before a link is made or asked (`docs/PROTOCOL.md` §12.8).
//!
//! A claimed origin costs nothing to make up. So the signature is checked here, in one task of its
//! own, and only what holds gets as far as a link.

use std::task::{Context, Poll};

use libp2p_core::PeerId;
use peer_protocol::crypto::PublicKey;
use peer_protocol::envelope::Envelope;
use tokio::sync::mpsc;

use super::hops::RoutedId;

/// Requests that wait to be checked.
const WAITING: usize = 64;

/// A request that came over hops.
pub(super) struct Knock {
    pub(super) id: RoutedId,
    pub(super) origin: PeerId,
    pub(super) key: PublicKey,
    pub(super) envelope: Envelope,
}

/// The ends of the task's channels. The task is started by the first request, since making a
/// behaviour needs no runtime.
#[derive(Default)]
pub(super) struct Doorman {
    ends: Option<Ends>,
}

struct Ends {
    knocks: mpsc::Sender<Knock>,
    results: mpsc::Receiver<(Knock, bool)>,
}

impl Doorman {
    /// Has a request checked; returns whether there is room for it.
    pub(super) fn ask(&mut self, knock: Knock) -> bool {
        let ends = self.ends.get_or_insert_with(|| {
            let (knocks, waiting) = mpsc::channel(WAITING);
            let (checked, results) = mpsc::channel(WAITING);
            tokio::spawn(run(waiting, checked));
            Ends { knocks, results }
        });
        ends.knocks.try_send(knock).is_ok()
    }

    /// A request that was checked, and whether its origin signed it. Wakes the task for more only once
    /// a request was asked about.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Knock, bool)> {
        match self.ends.as_mut().map(|ends| ends.results.poll_recv(cx)) {
            Some(Poll::Ready(Some(result))) => Poll::Ready(result),
            Some(Poll::Ready(None) | Poll::Pending) | None => Poll::Pending,
        }
    }
}

async fn run(mut waiting: mpsc::Receiver<Knock>, checked: mpsc::Sender<(Knock, bool)>) {
    while let Some(knock) = waiting.recv().await {
        let signed = knock.envelope.verify(&knock.key).is_ok();
        if checked.send((knock, signed)).await.is_err() {
            return;
        }
    }
}
