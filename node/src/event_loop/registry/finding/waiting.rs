//! Who waits for lookups, and what they are told.

use std::time::Duration;

use peer_protocol::identity::Fingerprint;
use peer_protocol::time::Instant;

use crate::error::NodeError;
use crate::event_loop::EventLoop;
use crate::event_loop::registry::publishing::millis;
use crate::handle::{Command, Reply};
use crate::model::{Found, Listing};

pub(super) struct Waiter {
    pub(super) name: String,
    pub(super) deadline: Instant,
    pub(super) since: Instant,
    pub(super) what: Waiting,
}

pub(super) enum Waiting {
    /// To carry on with a command.
    Command(Box<Command>),
    /// To show what was found.
    Lookup(Reply<Found>),
    /// To dial a peer where it is now.
    Addresses,
}

impl EventLoop {
    /// Tells everybody who waited.
    pub(super) fn settle(
        &mut self,
        waiting: Vec<Waiter>,
        outcome: &Result<(Listing, Vec<Fingerprint>), NodeError>,
        asked: usize,
        took: Duration,
    ) {
        for waiter in waiting {
            let wanted = self.wanted(&waiter.name).and_then(|wanted| wanted.fingerprint);
            match outcome {
                Ok((listing, _)) if wanted.is_some_and(|it| it != listing.fingerprint) => {
                    let peer = waiter.name.clone();
                    let detail = "its record is not there".to_owned();
                    self.found_nobody(waiter, NodeError::NotFound { peer, detail });
                }
                Ok((listing, rivals)) => {
                    let found = Found {
                        listing: listing.clone(),
                        rivals: rivals.clone(),
                        asked,
                        took_ms: millis(took),
                    };
                    self.found_somebody(waiter, found);
                }
                Err(error) => self.found_nobody(waiter, error.clone()),
            }
        }
    }

    fn found_somebody(&mut self, waiter: Waiter, found: Found) {
        match waiter.what {
            Waiting::Lookup(reply) => drop(reply.send(Ok(found))),
            Waiting::Command(command) => {
                let waited = self.clock.now().instant.since(waiter.since);
                self.carry_out(command.after(waited, &found.listing.peer_id));
            }
            Waiting::Addresses => {
                if let Ok(id) = found.listing.peer_id.parse() {
                    self.dial_listed(id);
                }
            }
        }
    }

    pub(super) fn found_nobody(&mut self, waiter: Waiter, error: NodeError) {
        match waiter.what {
            Waiting::Lookup(reply) => drop(reply.send(Err(error))),
            Waiting::Command(command) => command.fail(error),
            Waiting::Addresses => {
                tracing::debug!(peer = waiter.name, %error, "not found in the registry");
                if let Ok(id) = waiter.name.parse() {
                    self.not_found_anywhere(id);
                }
            }
        }
    }

    pub(in crate::event_loop::registry) fn tick_finding(&mut self, now: Instant) {
        let mut over = Vec::new();
        let finding = &mut self.registry.finding;
        for walk in finding.walks.values_mut() {
            let (late, waiting) = std::mem::take(&mut walk.waiting)
                .into_iter()
                .partition(|waiter: &Waiter| waiter.deadline <= now);
            walk.waiting = waiting;
            over.extend::<Vec<_>>(late);
        }
        finding.waiting -= over.len();
        for waiter in over {
            let waited = now.since(waiter.since);
            let progress = "it is still being looked up in the registry".to_owned();
            let error = NodeError::Timeout { peer: waiter.name.clone(), waited, progress };
            self.found_nobody(waiter, error);
        }
    }
}
