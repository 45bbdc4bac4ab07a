//! Requests of the peer.

use peer_protocol::error::ErrorCode;
use peer_protocol::identity::{EntityId, TrustError};
use peer_protocol::legacy::{Message, MessageError};
use peer_protocol::link::ExchangeId;
use peer_protocol::message::ErrorReport;
use peer_protocol::time::Now;

use super::{Link, Way, refusal};
use crate::legacy::event::EventKind;

impl Link {
    /// A request came in. It is answered exactly once.
    pub(in crate::legacy) fn handle_request(
        &mut self,
        exchange: ExchangeId,
        way: Way,
        message: Result<Box<Message>, MessageError>,
        now: Now,
    ) {
        match message {
            Ok(message) => self.on_request(exchange, way, &message, now),
            Err(error) => {
                let report = ErrorReport::new(error.code(), error.to_string());
                self.refuse(exchange, None, &report, now);
            }
        }
        self.advance(now);
    }

    fn on_request(&mut self, exchange: ExchangeId, way: Way, message: &Message, now: Now) {
        let sender = &message.content().sender_id;
        match message.content().msg_type.as_str() {
            "handshake" => {
                // Before anything that costs: no signature has been looked at yet.
                let profile = self.rate_profile();
                match self.limiter.take(&profile, "handshake", now.instant) {
                    Ok(()) => self.on_handshake(exchange, message, now),
                    Err(limited) => {
                        self.refuse(exchange, Some(sender), &refusal::rate_limited(limited), now);
                    }
                }
            }
            "handshake_confirm" => self.on_confirm(exchange, message, now),
            "handshake_ack" => {
                let detail = "a handshake_ack only comes as the answer to a handshake";
                let report = ErrorReport::new(ErrorCode::InvalidState, detail);
                self.refuse(exchange, Some(sender), &report, now);
            }
            // Errors are never answered with errors.
            refusal::ERROR => self.answer(exchange, None),
            msg_type => match self.take_in(message, way, now) {
                Ok(()) if way == Way::Call => self.answer_later(exchange, msg_type, now),
                Ok(()) => self.answer(exchange, None),
                Err(report) => self.refuse(exchange, Some(sender), &report, now),
            },
        }
    }

    /// Takes in a message of the session, or says why not.
    pub(super) fn take_in(
        &mut self,
        message: &Message,
        way: Way,
        now: Now,
    ) -> Result<(), ErrorReport> {
        let content = message.content();
        // Before the signature is looked at.
        let profile = self.rate_profile();
        self.limiter
            .take(&profile, &content.msg_type, now.instant)
            .map_err(refusal::rate_limited)?;
        let others = |recipient: &EntityId| self.config.others.contains(recipient);
        let Some(live) = &mut self.session else {
            if let Some(sessionless) = self.sessionless().filter(|_| way == Way::Call) {
                self.trust.judge(&content.sender_id, &self.key).map_err(|error| refused(&error))?;
                sessionless
                    .accept(message, &others, &mut self.nonces, now)
                    .map_err(|error| ErrorReport::new(error.code(), error.to_string()))?;
                return self.hand_over(message);
            }
            let (code, detail) = match content.session_id {
                Some(_) => (ErrorCode::SessionNotFound, "no session of this id is known here"),
                None => (ErrorCode::InvalidState, "a handshake comes first"),
            };
            return Err(ErrorReport::new(code, detail));
        };
        live.session
            .accept_for(message, &others, &mut self.nonces, now)
            .map_err(|error| ErrorReport::new(error.code(), error.to_string()))?;
        self.announce(now);
        self.hand_over(message)
    }

    /// Hands a message that passed every check to the owner, if that takes it.
    fn hand_over(&mut self, message: &Message) -> Result<(), ErrorReport> {
        let content = message.content();
        self.config.admission.admit(content)?;
        let me = &self.config.identity;
        let own = content.recipient_id.as_ref().is_none_or(|recipient| me.answers_to(recipient));
        self.events.push_back(if own {
            EventKind::Message {
                msg_type: content.msg_type.clone(),
                payload: content.payload.clone(),
            }
        } else {
            EventKind::ForOther { message: Box::new(message.clone()) }
        });
        Ok(())
    }
}

/// What is told to a peer that the trust list refuses.
fn refused(error: &TrustError) -> ErrorReport {
    ErrorReport::new(ErrorCode::InvalidSignature, error.to_string())
}
