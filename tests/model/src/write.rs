//! The messages that a run sends.

use crate::config::Target;
use crate::message::{Message, NONE, Side, VERSION};
use crate::model::Model;
use crate::run::{Fact, Run};
use crate::term::{Id, RunNumber, Term, Value};
use crate::variant::Flaw;
use crate::wire::{Field, Kind};

impl Model {
    /// A message of a run, signed. `given` are fields that the run's facts do not say.
    pub fn write(
        &mut self,
        number: RunNumber,
        run: &Run,
        kind: Kind,
        recipient: Id,
        record: u8,
        given: &[(Field, Id)],
    ) -> Message {
        let owner = self.owner(usize::from(number));
        let own = Side::of(run.initiator);
        let mut message = Message { kind, fields: Vec::new() };
        for field in kind.fields() {
            let given = given.iter().find(|(name, _)| *name == field).map(|(_, id)| *id);
            let fact = |fact: Fact| run.fact(fact);
            let content = given.or_else(|| match field {
                Field::Suite => fact(Fact::Suite),
                Field::CipherSuites => fact(Fact::Suites),
                Field::Features if matches!(kind, Kind::HandshakeInit | Kind::Handshake) => {
                    fact(Fact::Offered)
                }
                Field::Features => fact(Fact::Features),
                Field::Challenge => fact(Fact::Challenge),
                Field::Transcript => fact(Fact::Transcript),
                Field::SessionId | Field::BodySessionId => fact(Fact::Session),
                Field::Lifetime => fact(Fact::Lifetime),
                _ => None,
            });
            let content = content.unwrap_or_else(|| match field {
                Field::Nonce => self.draw(number, Value::Nonce(kind)),
                Field::Version | Field::Versions | Field::ChosenVersion => self.terms.text(VERSION),
                Field::MsgType => self.terms.text(kind.name()),
                Field::Encrypted => self.terms.text("true"),
                Field::Timestamp => self.terms.text("now"),
                Field::ChallengeLifetime => self.terms.text("30 s"),
                Field::SequenceNum if kind == Kind::Sealed => self.number(record),
                Field::SequenceNum => self.terms.text(kind.sequence()),
                Field::SenderId => self.terms.id(Term::Name(owner)),
                Field::RecipientId => recipient,
                Field::PublicKey => self.terms.id(Term::Identity(owner)),
                Field::EphemeralKey => {
                    let exponent = self.exponent(number);
                    self.terms.power(&[exponent])
                }
                _ => self.terms.text(NONE),
            });
            message.fields.push((field, content));
        }
        self.prove(number, run, own, record, &mut message);
        message
    }

    /// Fills in what needs keys: MAC, record, answer to the challenge, and the signature last.
    fn prove(
        &mut self,
        number: RunNumber,
        run: &Run,
        own: Side,
        record: u8,
        message: &mut Message,
    ) {
        let owner = self.owner(usize::from(number));
        let peer = run.peer.or(match run.target {
            Some(Target::Key(agent) | Target::Name(agent)) => Some(agent),
            None => None,
        });
        let peer = peer.unwrap_or(owner);
        if let (Some(key), Some(hash)) = (run.fact(Fact::Key), run.fact(Fact::Transcript)) {
            match message.kind {
                Kind::SessionEstablished | Kind::SessionConfirm | Kind::HandshakeConfirm => {
                    let mac = self.confirmation(key, own, hash);
                    message.set(Field::Mac, mac);
                }
                Kind::ChallengeResponse => {
                    if let Some(challenge) = run.fact(Fact::Challenge) {
                        let answer = self.answer_to_challenge(hash, challenge, owner, peer);
                        message.set(Field::ChallengeSignature, answer);
                    }
                }
                Kind::Ready if !self.variant.has(Flaw::NoConfirmation) => {
                    let sealed = self.seal(key, own, 0, message, hash);
                    message.set(Field::Record, sealed);
                }
                Kind::Sealed => {
                    let text = self.draw(number, Value::Data);
                    let sealed = self.seal(key, own, record, message, text);
                    message.set(Field::Record, sealed);
                }
                _ => {}
            }
        }
        let signature = self.signature(message, owner, peer);
        message.set(Field::Signature, signature);
    }
}
