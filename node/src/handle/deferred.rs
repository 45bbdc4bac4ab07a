//! Commands that wait until their peer is found.

use std::time::Duration;

use super::{Command, Outgoing, TransferCommand};
use crate::error::NodeError;
use crate::model::Life;

impl Command {
    /// The peer that a command is for, as its caller names it, and how long the caller waits.
    pub(crate) fn peer(&self) -> Option<(&str, Duration)> {
        match self {
            Self::Talk(Outgoing { peer, timeout, .. }, _) => Some((peer, *timeout)),
            Self::Report(Outgoing { peer, timeout, .. }, _) => Some((peer, *timeout)),
            Self::Alive(Outgoing { peer, timeout, .. }, _) => Some((peer, *timeout)),
            Self::Wake(Outgoing { peer, timeout, .. }, _) => Some((peer, *timeout)),
            Self::Transfer(TransferCommand::Send(Outgoing { peer, timeout, .. }, _)) => {
                Some((peer, *timeout))
            }
            _ => None,
        }
    }

    /// The command, after its caller has waited for a while, for the peer that was found.
    pub(crate) fn after(mut self, waited: Duration, found: &str) -> Self {
        let (peer, timeout) = match &mut self {
            Self::Talk(Outgoing { peer, timeout, .. }, _) => (peer, timeout),
            Self::Report(Outgoing { peer, timeout, .. }, _) => (peer, timeout),
            Self::Alive(Outgoing { peer, timeout, .. }, _) => (peer, timeout),
            Self::Wake(Outgoing { peer, timeout, .. }, _) => (peer, timeout),
            Self::Transfer(TransferCommand::Send(Outgoing { peer, timeout, .. }, _)) => {
                (peer, timeout)
            }
            _ => return self,
        };
        found.clone_into(peer);
        *timeout = timeout.saturating_sub(waited);
        self
    }

    /// Tells the caller that it cannot be done.
    pub(crate) fn fail(self, error: NodeError) {
        match self {
            Self::Talk(_, reply) => drop(reply.send(Err(error))),
            Self::Report(_, reply) => drop(reply.send(Err(error))),
            Self::Wake(_, reply) => drop(reply.send(Err(error))),
            Self::Transfer(TransferCommand::Send(_, reply)) => drop(reply.send(Err(error))),
            Self::Alive(_, reply) => drop(reply.send(Life::failed(error))),
            _ => {}
        }
    }
}
