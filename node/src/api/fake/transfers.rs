//! Transfers of a node that is none.

use peer_protocol::message::Purpose;
use peer_protocol::time::Timestamp;

use super::{Fake, entity};
use crate::error::NodeError;
use crate::handle::{Outgoing, TransferCommand};
use crate::model::{FileToSend, TransferDirection, TransferState, TransferStatus};
use crate::transfer::TransferFailure;

/// A transfer that runs.
pub(crate) const RUNNING: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

/// One that goes to `entity_b`.
pub(crate) fn transfer(name: &str, state: TransferState) -> TransferStatus {
    TransferStatus {
        id: RUNNING.to_owned(),
        direction: TransferDirection::Outgoing,
        peer: entity("entity_b"),
        peer_id: "12D3KooWExample".to_owned(),
        purpose: Purpose::File,
        name: Some(name.to_owned()),
        path: Some(format!("/tmp/{name}")),
        size: 3 << 20,
        done: if state.is_over() { 3 << 20 } else { 1 << 20 },
        rate: if state.is_over() { 0 } else { 512 << 10 },
        state,
        code: None,
        detail: None,
        digest: None,
        created: Timestamp::from_millis(1_700_000_000_000),
        updated: Timestamp::from_millis(1_700_000_002_000),
    }
}

fn unknown(id: String) -> NodeError {
    TransferFailure::Unknown { id }.into()
}

impl Fake {
    pub(super) fn obey_transfer(&self, command: TransferCommand) {
        let running = transfer("a.bin", TransferState::Running);
        match command {
            TransferCommand::Send(Outgoing { peer, what, .. }, reply) => {
                let FileToSend { path, name, .. } = &what;
                let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let name = name.clone().unwrap_or(own);
                self.look(|memory| memory.files.push(what.clone()));
                let queued = transfer(&name, TransferState::Queued);
                let _ = reply.send(super::judge(&peer).map(|()| queued));
            }
            TransferCommand::List(reply) => {
                let _ = reply.send(vec![running]);
            }
            TransferCommand::Show(id, reply) => {
                let done = transfer("a.bin", TransferState::Complete);
                let _ =
                    reply.send(if RUNNING.starts_with(&id) { Ok(done) } else { Err(unknown(id)) });
            }
            TransferCommand::Cancel(id, reply) | TransferCommand::Retry(id, reply) => {
                let _ = reply.send(if RUNNING.starts_with(&id) {
                    Ok(running)
                } else {
                    Err(unknown(id))
                });
            }
        }
    }
}
