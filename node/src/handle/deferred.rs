//! Commands that wait until their peer is found.

use std::time::Duration;

use super::{Command, Outgoing};
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
            _ => None,
        }
    }

    /// The command, after its caller has waited for a while.
    pub(crate) fn after(mut self, waited: Duration) -> Self {
        match &mut self {
            Self::Talk(Outgoing { timeout, .. }, _)
            | Self::Report(Outgoing { timeout, .. }, _)
            | Self::Alive(Outgoing { timeout, .. }, _)
            | Self::Wake(Outgoing { timeout, .. }, _) => *timeout = timeout.saturating_sub(waited),
            _ => {}
        }
        self
    }

    /// Tells the caller that it cannot be done.
    pub(crate) fn fail(self, error: NodeError) {
        match self {
            Self::Talk(_, reply) => drop(reply.send(Err(error))),
            Self::Report(_, reply) => drop(reply.send(Err(error))),
            Self::Wake(_, reply) => drop(reply.send(Err(error))),
            Self::Alive(_, reply) => drop(reply.send(Life::failed(error))),
            _ => {}
        }
    }
}
