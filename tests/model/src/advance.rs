//! What a run does with a message that it takes (§3, §4, §5).

use crate::config::{Handshake, Target};
use crate::message::{
    FEATURES, LIFETIME, Message, NO_FEATURES, NONE, OTHER_SUITE, SUITE, SUITES, Side,
};
use crate::model::Model;
use crate::receive::Origin;
use crate::run::{Fact, Run, Stage};
use crate::term::{Id, RunNumber, Term, Value};
use crate::wire::{Field, Kind};

impl Model {
    /// Begins a handshake.
    pub fn start(&mut self, number: RunNumber, handshake: Handshake, target: Target) -> Run {
        let mut run = Run::idle();
        run.initiator = true;
        run.handshake = Some(handshake);
        run.target = Some(target);
        let (kind, stage) = match handshake {
            Handshake::SixStep => (Kind::HandshakeInit, Stage::AwaitInitAck),
            Handshake::ThreeWay => (Kind::Handshake, Stage::AwaitAck),
        };
        run.stage = stage;
        let name = match target {
            Target::Key(agent) => Term::Derived(agent),
            Target::Name(agent) => Term::Name(agent),
        };
        let name = self.terms.id(name);
        let (suites, features) = (self.terms.text(SUITES), self.terms.text(FEATURES));
        run.set(Fact::Suites, suites);
        run.set(Fact::Offered, features);
        let message = self.write(number, &run, kind, name, 0, &[]);
        self.send(&mut run, &message);
        self.hear(&mut run, &message);
        run
    }

    /// The run after `message`, and what it sends; `None` if it does not take it after all.
    pub fn advance(
        &mut self,
        run: &Run,
        origin: Origin,
        message: &Message,
    ) -> Option<(Run, Vec<Message>)> {
        let number = RunNumber::try_from(origin.place).ok()?;
        let mut run = run.clone();
        let mut sent = Vec::new();
        run.peer = Some(origin.peer);
        run.set(Fact::PeerName, origin.name);
        match message.kind {
            Kind::HandshakeInit | Kind::Handshake => {
                self.read_offer(&mut run, message)?;
                let shared = self.shared(number, message)?;
                if message.kind == Kind::HandshakeInit {
                    run.handshake = Some(Handshake::SixStep);
                    run.stage = Stage::AwaitResponse;
                    let challenge = self.draw(number, Value::Challenge);
                    run.set(Fact::Challenge, challenge);
                    sent.push(self.reply(number, &mut run, Kind::HandshakeInitAck));
                    let key = self.session_key(shared, run.fact(Fact::Transcript)?);
                    run.set(Fact::Key, key);
                } else {
                    run.handshake = Some(Handshake::ThreeWay);
                    run.stage = Stage::AwaitHandshakeConfirm;
                    self.open_session(number, &mut run);
                    sent.push(self.acknowledge(number, &mut run, shared)?);
                }
            }
            Kind::HandshakeInitAck => {
                self.read_choice(&mut run, message)?;
                run.set(Fact::Challenge, message.get(Field::Challenge)?);
                let shared = self.shared(number, message)?;
                self.hear(&mut run, message);
                let key = self.session_key(shared, run.fact(Fact::Transcript)?);
                run.set(Fact::Key, key);
                run.stage = Stage::AwaitEstablished;
                sent.push(self.reply(number, &mut run, Kind::ChallengeResponse));
            }
            Kind::ChallengeResponse => {
                self.hear(&mut run, message);
                self.open_session(number, &mut run);
                run.stage = Stage::AwaitConfirm;
                sent.push(self.reply(number, &mut run, Kind::SessionEstablished));
            }
            Kind::SessionEstablished => {
                run.set(Fact::Session, message.get(Field::SessionId)?);
                run.set(Fact::Lifetime, message.get(Field::Lifetime)?);
                self.hear(&mut run, message);
                run.stage = Stage::AwaitReady;
                sent.push(self.reply(number, &mut run, Kind::SessionConfirm));
            }
            Kind::SessionConfirm => {
                self.hear(&mut run, message);
                run.stage = Stage::Done;
                // `ready` ends the handshake: nothing hashes it.
                let name = run.fact(Fact::PeerName)?;
                let ready = self.write(number, &run, Kind::Ready, name, 0, &[]);
                self.send(&mut run, &ready);
                sent.push(ready);
                sent.push(self.say(number, &mut run, 1)?);
            }
            Kind::Ready => {
                run.stage = Stage::Done;
                let text = run.fact(Fact::Transcript)?;
                run.received.push((0, text));
                sent.push(self.say(number, &mut run, 0)?);
            }
            Kind::HandshakeAck => {
                self.read_choice(&mut run, message)?;
                let (key, _) = self.keys_of_ack(origin.place, message)?;
                run.set(Fact::Key, key);
                run.set(Fact::PeerShare, message.get(Field::EphemeralKey)?);
                run.set(Fact::Session, message.get(Field::SessionId)?);
                run.set(Fact::Lifetime, message.get(Field::Lifetime)?);
                self.hear(&mut run, message);
                run.stage = Stage::AwaitRecord;
                // Nothing hashes `handshake_confirm`.
                sent.push(self.reply(number, &mut run, Kind::HandshakeConfirm));
            }
            Kind::HandshakeConfirm => {
                run.stage = Stage::Done;
                sent.push(self.say(number, &mut run, 0)?);
            }
            Kind::Sealed => {
                let begins = run.stage == Stage::AwaitRecord;
                run.received.push((origin.number, self.text_of(message.get(Field::Record)?)?));
                if begins {
                    run.stage = Stage::Done;
                    sent.push(self.say(number, &mut run, 0)?);
                }
            }
        }
        Some((run, sent))
    }

    fn read_offer(&mut self, run: &mut Run, message: &Message) -> Option<()> {
        let (suites, features) = (message.get(Field::CipherSuites)?, message.get(Field::Features)?);
        run.set(Fact::Suites, suites);
        run.set(Fact::Offered, features);
        run.set(Fact::First, message.get(Field::Nonce)?);
        let best = *self.terms.get(suites) == Term::Text(SUITES);
        let suite = self.terms.text(if best { SUITE } else { OTHER_SUITE });
        run.set(Fact::Suite, suite);
        let both = *self.terms.get(features) == Term::Text(FEATURES);
        let features = self.terms.text(if both { FEATURES } else { NO_FEATURES });
        run.set(Fact::Features, features);
        run.set(Fact::PeerShare, message.get(Field::EphemeralKey)?);
        self.hear(run, message);
        Some(())
    }

    fn read_choice(&self, run: &mut Run, message: &Message) -> Option<()> {
        run.set(Fact::Suite, message.get(Field::Suite)?);
        run.set(Fact::Features, message.get(Field::Features)?);
        run.set(Fact::PeerShare, message.get(Field::EphemeralKey)?);
        Some(())
    }

    fn shared(&mut self, number: RunNumber, message: &Message) -> Option<Id> {
        let exponent = self.exponent(number);
        self.terms.raise(message.get(Field::EphemeralKey)?, exponent)
    }

    fn open_session(&mut self, number: RunNumber, run: &mut Run) {
        let session = self.draw(number, Value::Session);
        run.set(Fact::Session, session);
        let lifetime = self.terms.text(LIFETIME);
        run.set(Fact::Lifetime, lifetime);
    }

    /// Puts a message into the transcript.
    fn hear(&mut self, run: &mut Run, message: &Message) {
        let hash = self.transcript(run.fact(Fact::Transcript), message);
        run.set(Fact::Transcript, hash);
    }

    fn send(&mut self, run: &mut Run, message: &Message) {
        let whole = self.whole(message);
        run.sent.push(whole);
    }

    fn reply(&mut self, number: RunNumber, run: &mut Run, kind: Kind) -> Message {
        let name = run.fact(Fact::PeerName).unwrap_or_else(|| self.terms.text(NONE));
        let message = self.write(number, run, kind, name, 0, &[]);
        self.send(run, &message);
        if kind != Kind::HandshakeConfirm {
            self.hear(run, &message);
        }
        message
    }

    /// `handshake_ack`, whose MAC and keys cover its provisional form (§4.4).
    fn acknowledge(&mut self, number: RunNumber, run: &mut Run, shared: Id) -> Option<Message> {
        let name = run.fact(Fact::PeerName)?;
        let zero = self.terms.text("zero");
        let blank = self.write(number, run, Kind::HandshakeAck, name, 0, &[(Field::Mac, zero)]);
        let hash = self.provisional(run.fact(Fact::Transcript), &blank);
        let key = self.session_key(shared, hash);
        run.set(Fact::Key, key);
        let mac = self.confirmation(key, Side::Responder, hash);
        let message = self.write(number, run, Kind::HandshakeAck, name, 0, &[(Field::Mac, mac)]);
        self.send(run, &message);
        self.hear(run, &message);
        Some(message)
    }

    /// The first thing that a run says in its session: a secret of its own.
    fn say(&mut self, number: RunNumber, run: &mut Run, record: u8) -> Option<Message> {
        let name = run.fact(Fact::PeerName)?;
        let message = self.write(number, run, Kind::Sealed, name, record, &[]);
        self.send(run, &message);
        Some(message)
    }

    /// The plaintext of a record.
    #[must_use]
    pub fn text_of(&self, record: Id) -> Option<Id> {
        match self.terms.get(record) {
            Term::Node(_, parts) => parts.last().copied(),
            _ => None,
        }
    }
}
