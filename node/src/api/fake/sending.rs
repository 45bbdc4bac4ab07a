//! How far the fake gets with what it is told to send: the receiver's name decides.

use peer_protocol::error::ErrorCode;
use peer_protocol::time::Timestamp;

use super::{Fake, delivery, entity, judge};
use crate::error::NodeError;
use crate::handle::{Outgoing, Report, Talk};
use crate::model::{Answer, Content, Delivery, ReportOptions, Reported, TalkOptions, Wait, Weight};

/// How a task or a report was to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Options {
    Talk(TalkOptions),
    Report(ReportOptions),
}

impl Fake {
    pub(super) fn talk(&self, ask: Outgoing<Talk>) -> Result<Answer, NodeError> {
        let Outgoing { peer, timeout, what: Talk { content, ttl, volatile, .. } } = ask;
        self.look(|memory| {
            memory.talks.push(Content { weight: Weight::default(), ..content.clone() });
            memory.options.push(Options::Talk(TalkOptions { ttl, volatile, timeout }));
        });
        match judge(&peer) {
            Ok(()) => Ok(Answer {
                message_id: "m-1".to_owned(),
                entity: entity("entity_b"),
                done: peer != "unable",
                content,
                round_trip_us: 3_210,
            }),
            Err(NodeError::Timeout { peer, waited, progress }) if !volatile => {
                let message_id = delivery::SENT.to_owned();
                Err(NodeError::Unanswered { peer, message_id, waited, progress })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn report(&self, ask: Outgoing<Report>) -> Result<Reported, NodeError> {
        let Outgoing { peer, timeout, what } = ask;
        let Report { status, next_action, content, ttl, wait, .. } = what;
        self.look(|memory| {
            memory.options.push(Options::Report(ReportOptions { ttl, wait, timeout }));
            memory.reports.push((status, next_action, content));
        });
        judge(&peer).map(|()| reported(&peer, wait))
    }
}

fn reported(peer: &str, wait: Wait) -> Reported {
    let (status, waits_for) = match peer {
        "away" => (Delivery::Queued, Some("no connection: connection refused")),
        "silent" => (Delivery::Sent, Some("sent, no receipt yet")),
        "gone" => (Delivery::Expired, None),
        "lost" => (Delivery::Unknown, None),
        "never" => {
            let detail = "no reports, please".to_owned();
            (Delivery::Failed { code: ErrorCode::InvalidState, detail }, None)
        }
        "old" => (Delivery::Received, None),
        _ if wait == Wait::Processed => (Delivery::Processed, None),
        _ => (Delivery::Delivered, None),
    };
    let expires = Some(Timestamp::from_millis(32_503_680_000_000)).filter(|_| peer != "old");
    let waits_for = waits_for.map(str::to_owned);
    Reported { message_id: delivery::QUEUED.to_owned(), status, expires, waits_for }
}
