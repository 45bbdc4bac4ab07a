//! Handshakes that the peer begins.

use peer_protocol::error::ErrorCode;
use peer_protocol::id::SessionId;
use peer_protocol::legacy::{Message, PeerCheck, Responder};
use peer_protocol::link::ExchangeId;
use peer_protocol::message::ErrorReport;
use peer_protocol::time::{Instant, Now};

use super::{Link, Sent};
use crate::legacy::event::EventKind;

/// How many confirmations of one handshake are looked at.
const MAX_CONFIRMS: u8 = 3;

/// The peer's handshake; there is at most one.
pub(super) struct Responding {
    responder: Responder,
    began: Instant,
    confirms: u8,
}

impl Responding {
    pub(super) fn deadline(&self) -> Instant {
        self.responder.deadline()
    }
}

impl Link {
    /// A peer begins a handshake. If it has begun one before, it has given that one up: the
    /// connection proves that it is the same peer.
    pub(super) fn on_handshake(&mut self, exchange: ExchangeId, message: &Message, now: Now) {
        let sender = &message.content().sender_id;
        if !self.yields_to_peer() {
            let detail = "another handshake with this peer is under way";
            let report = ErrorReport::new(ErrorCode::HandshakeInProgress, detail);
            return self.refuse(exchange, Some(sender), &report, now);
        }
        let me = &self.config.identity;
        let check = PeerCheck { trust: self.trust.as_ref(), expected_key: Some(&self.key) };
        match Responder::accept(me, message, check, &mut self.nonces, now, &mut self.rng) {
            Ok((responder, ack)) => {
                if matches!(self.under_way, Some((_, Sent::Handshake(_)))) {
                    self.under_way = None;
                }
                self.name = sender.clone();
                self.offered = SessionId::try_from(responder.session_id()).ok();
                self.responder = Some(Responding { responder, began: now.instant, confirms: 0 });
                self.answer(exchange, Some(&ack));
            }
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                let report = ErrorReport::new(code, detail.as_str());
                self.refuse(exchange, Some(sender), &report, now);
                self.events.push_back(EventKind::HandshakeFailed { code, detail, fatal: false });
            }
        }
    }

    /// Whether a handshake that the peer begins now may go on. Of two that begin at once the smaller
    /// key stays initiator.
    fn yields_to_peer(&self) -> bool {
        match &self.under_way {
            Some((_, Sent::Handshake(_))) => *self.config.identity.public_key() > self.key,
            Some((_, Sent::Confirm)) => self.session.as_ref().is_none_or(|live| live.ready),
            Some((_, Sent::Message { .. })) | None => true,
        }
    }

    /// The peer ends its handshake.
    pub(super) fn on_confirm(&mut self, exchange: ExchangeId, message: &Message, now: Now) {
        let sender = &message.content().sender_id;
        let Some(responding) = &mut self.responder else {
            let detail = "no handshake is under way that this handshake_confirm belongs to";
            let report = ErrorReport::new(ErrorCode::InvalidState, detail);
            return self.refuse(exchange, Some(sender), &report, now);
        };
        responding.confirms += 1;
        let last = responding.confirms >= MAX_CONFIRMS;
        match responding.responder.handle_confirm(message, self.trust.as_ref(), now) {
            Ok(session) => {
                let began = responding.began;
                self.responder = None;
                self.install(session, false, began);
                self.announce(now);
                self.answer(exchange, None);
            }
            Err(error) => {
                let (code, detail) = (error.code(), error.to_string());
                let report = ErrorReport::new(code, detail.as_str());
                self.refuse(exchange, Some(sender), &report, now);
                if last {
                    self.responder = None;
                }
                self.events.push_back(EventKind::HandshakeFailed { code, detail, fatal: false });
            }
        }
    }
}
