//! Stopping: no new work, a limited time for what is under way, sessions closed, then
//! connections, and what is to be remembered on disk.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;

use super::EventLoop;

/// Time for withdrawing from the registry, beyond that for what is under way.
const WITHDRAWING: Duration = Duration::from_secs(4);
/// Time for closing sessions and connections once everything else is done.
const CLOSING: Duration = Duration::from_millis(500);
/// Time for the disk to take what is to be remembered, and for the trust list.
const SAVING: Duration = Duration::from_secs(3);

impl EventLoop {
    pub(super) async fn shut_down(&mut self) {
        tracing::info!(unsettled = self.unsettled.len(), "stopping");
        self.stopping = true;
        self.commands.close();
        self.inbox.close();
        self.stop_waking();
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        self.withdraw();
        self.drain().await;
        self.stop_transfers();
        self.stop_mailbox().await;
        self.run_for(WITHDRAWING, |this| !this.is_publishing()).await;
        self.take_good_peers();
        let waiting = self.inbox.waiting();
        if waiting > 0 {
            tracing::warn!(waiting, "volatile messages that no agent took are lost");
        }
        let (queued, _) = self.delivery.queued();
        if queued > 0 {
            tracing::info!(queued, "messages wait on disk; they are sent after the next start");
        }
        let behaviour = self.swarm.behaviour_mut();
        behaviour.secure.close_all("the node is shutting down");
        if let Some(legacy) = behaviour.legacy.as_mut() {
            legacy.close_all();
        }
        self.run_for(CLOSING, |this| !this.has_sessions()).await;
        let connected: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in connected {
            // It may have left by itself a moment ago.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        self.run_for(CLOSING, |this| this.swarm.connected_peers().next().is_none()).await;
        // The last, since a disk may hang: nobody else waits for it then.
        self.finish_writing(SAVING).await;
        self.remember_all(SAVING).await;
        match tokio::time::timeout(SAVING, self.trust.save()).await {
            Ok(Ok(Err(error))) => tracing::error!(%error, "the trust list could not be saved"),
            Ok(_) => {}
            Err(_) => tracing::error!("the disk is too slow: the trust list may not be saved"),
        }
    }

    /// Waits for messages that were accepted, within the configured grace.
    async fn drain(&mut self) {
        let grace = self.config.shutdown_grace();
        self.run_for(grace, |this| this.unsettled.is_empty()).await;
        if !self.unsettled.is_empty() {
            let lost = self.unsettled.len();
            tracing::warn!(lost, "stopped before all volatile messages were delivered");
        }
    }

    pub(super) async fn run_for(&mut self, time: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + time;
        let mut tick = tokio::time::interval(super::TICK);
        while !done(self) {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(deadline) => return,
                due = tick.tick() => self.tick(due),
                news = self.delivery.news() => self.on_news(news),
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
            }
        }
    }

    fn has_sessions(&self) -> bool {
        self.directory.iter().any(|(_, peer)| !peer.sessions.is_empty())
    }
}
