//! The sessions with one peer: the newest to send with, older ones that drain.

use std::time::Duration;

use crate::handshake::Role;
use crate::id::SessionId;
use crate::limits::MAX_SESSIONS_PER_PEER;
use crate::session::Session;
use crate::time::Instant;

/// How long a session still receives after a newer one is in use.
const DRAIN: Duration = Duration::from_secs(30);
/// How long a responder waits for the initiator's first record before it sends in a new session, if
/// an older one still serves, and if none does. The initiator may not have seen `ready` yet.
const WAIT_WITH_OLDER: Duration = Duration::from_secs(1);
const WAIT_ALONE: Duration = Duration::from_millis(50);

struct Held {
    session: Session,
    /// Whether it is certain that the peer has this session too.
    confirmed: bool,
    send_from: Instant,
    until: Instant,
}

impl Held {
    fn may_send(&self, now: Instant) -> bool {
        self.send_from <= now && self.session.can_send(now)
    }
}

/// Newest last.
#[derive(Default)]
pub(super) struct Sessions {
    held: Vec<Held>,
}

impl Sessions {
    /// Takes a session into use; returns the one that has to go for it, if there are too many.
    pub(super) fn install(&mut self, session: Session, now: Instant) -> Option<SessionId> {
        let usable = self.held.iter().filter(|held| held.session.can_send(now));
        let older = usable.map(|held| held.until).max();
        let send_from = match (session.role(), older) {
            (Role::Initiator, _) => now,
            (Role::Responder, Some(until)) => {
                until.min(now + WAIT_WITH_OLDER).max(now + WAIT_ALONE)
            }
            (Role::Responder, None) => now + WAIT_ALONE,
        };
        let until = session.expires();
        let confirmed = session.role() == Role::Initiator;
        // Mostly there is one, and a vector that grows by itself makes room for four.
        self.held.reserve_exact(1);
        self.held.push(Held { session, confirmed, send_from, until });
        if confirmed {
            self.retire_older(now);
        }
        if self.held.len() <= MAX_SESSIONS_PER_PEER {
            return None;
        }
        // An older one that the peer never used is one that it does not have: its handshake broke off
        // at the last step. Those go before the one in use.
        let newest = self.held.len() - 1;
        let unused = self.held.iter().take(newest).position(|held| !held.confirmed);
        Some(self.held.remove(unused.unwrap_or(0)).session.id())
    }

    /// The peer used this session: it is ready there too.
    pub(super) fn confirmed(&mut self, id: SessionId, now: Instant) {
        if let Some(held) = self.held.iter_mut().find(|held| held.session.id() == id) {
            held.confirmed = true;
            held.send_from = held.send_from.min(now);
        }
        if self.held.last().is_some_and(|held| held.confirmed) {
            self.retire_older(now);
        }
    }

    pub(super) fn get(&mut self, id: SessionId) -> Option<&mut Session> {
        self.held.iter_mut().map(|held| &mut held.session).find(|session| session.id() == id)
    }

    /// The newest session.
    pub(super) fn newest(&self) -> Option<&Session> {
        self.held.last().map(|held| &held.session)
    }

    /// The newest session that may send now.
    pub(super) fn sendable(&mut self, now: Instant) -> Option<&mut Session> {
        let sendable = |held: &&mut Held| held.may_send(now);
        self.held.iter_mut().rev().find(sendable).map(|held| &mut held.session)
    }

    /// Whether any session may send now.
    pub(super) fn has_sendable(&self, now: Instant) -> bool {
        self.held.iter().any(|held| held.may_send(now))
    }

    /// When a session that may not send yet will; `None` if nothing waits for that.
    pub(super) fn sendable_at(&self, now: Instant) -> Option<Instant> {
        let usable = |held: &&Held| held.session.can_send(now) && held.send_from > now;
        self.held.iter().filter(usable).map(|held| held.send_from).min()
    }

    pub(super) fn remove(&mut self, id: SessionId) -> bool {
        let before = self.held.len();
        self.held.retain(|held| held.session.id() != id);
        self.held.len() < before
    }

    /// Takes out sessions whose time is over.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<SessionId> {
        let over = self.held.iter().filter(|held| held.until <= now);
        let ids = over.map(|held| held.session.id()).collect();
        self.held.retain(|held| held.until > now);
        ids
    }

    /// When [`Sessions::tick`] has something to do.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.until).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes out all sessions.
    pub(super) fn clear(&mut self) -> Vec<SessionId> {
        self.held.drain(..).map(|held| held.session.id()).collect()
    }

    /// Older sessions only receive what is still under way.
    fn retire_older(&mut self, now: Instant) {
        if let Some((_, older)) = self.held.split_last_mut() {
            for held in older {
                held.until = held.until.min(now + DRAIN);
            }
        }
    }
}
