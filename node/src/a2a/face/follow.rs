//! What happens to the node's messages, as far as it is about tasks that were asked for here.

use std::sync::Arc;

use super::Face;
use crate::a2a::content::{self, Updates};
use crate::events::NodeEvent;
use crate::model::{InboxFilter, IncomingKind};

impl Face {
    /// Follows what happens, until the node has stopped.
    pub(in crate::a2a) async fn follow(self: Arc<Self>) {
        let mut events = self.handle.events();
        self.take_reports().await;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = self.handle.stopped() => return,
            };
            match event {
                Some(NodeEvent::Outbox { message_id, peer_id, status, .. }) => {
                    self.table.delivery(&message_id, &peer_id, &status);
                }
                Some(NodeEvent::Message {
                    message_id, kind: IncomingKind::StatusReport, ..
                }) => self.take_report(&message_id).await,
                Some(NodeEvent::Missed { .. }) => self.look_around().await,
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Some events were missed.
    async fn look_around(&self) {
        for turn in self.table.open() {
            if let Ok(trace) = self.handle.trace(&turn).await {
                self.table.delivery(&turn, &trace.peer_id, &trace.status);
            }
        }
        self.take_reports().await;
    }

    /// Takes all reports out of the inbox that are for this side.
    async fn take_reports(&self) {
        let limit = InboxFilter::MAX_LIMIT;
        let Ok(page) = self.handle.inbox(InboxFilter { limit, ..InboxFilter::default() }).await
        else {
            return;
        };
        for line in page.items.iter().filter(|line| line.kind == IncomingKind::StatusReport) {
            self.take_report(&line.message_id).await;
        }
    }

    /// Takes a report if it is one for this side.
    async fn take_report(&self, id: &str) {
        let Ok(report) = self.handle.inbox_message(id).await else { return };
        if !content::is(&report.content, content::UPDATES) {
            return;
        }
        let bytes = report.content.to_bytes().unwrap_or_default();
        match serde_json::from_slice::<Updates>(&bytes) {
            Ok(Updates { task, events }) => {
                for event in events {
                    if self.table.apply(&task, Some(&report.from_peer_id), event) {
                        self.table.bridged(&task);
                    }
                }
            }
            Err(error) => tracing::debug!(%id, %error, "updates of a task make no sense"),
        }
        // Nobody else can do anything with it.
        let _ = self.handle.acknowledge(vec![id.to_owned()]).await;
    }
}
