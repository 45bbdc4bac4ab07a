"""What answers which request, and errors outside sessions. §2.7, §3.9, §14.2"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from . import identity, six_step, three_way
from .batch import Message
from .bodies import Type
from .cbor import Malformed
from .envelope import Draft, Envelope, Kind
from .errors import Code, ErrorBody, Refused, require
from .handshake import Entity, Handshake
from .inbox import Inbox
from .session import Session

MAX_SESSIONS = 4
LEFT_ALONE_MS = 2_000


@dataclass
class Known:
    """What is known of one peer key."""

    inbox: Inbox
    own: Handshake | None = None
    """The handshake under way that this side began."""
    peers: Handshake | None = None
    """The one that the peer began."""
    answered_at: int = 0
    sessions: list[Session] = field(default_factory=list)

    def add(self, session: Session) -> Session:
        self.sessions = [*self.sessions, session][-MAX_SESSIONS:]
        return session


Respond = Callable[[Session, list[Message]], list[Message]]
"""What rides in the answer, given what was taken."""


class Endpoint:
    """Answers the requests of all peers, one after the other."""

    def __init__(self, me: Entity, respond: Respond) -> None:
        self.me, self.respond = me, respond
        self.known: dict[bytes, Known] = {}

    def peer(self, carrier: bytes) -> Known:
        return self.known.setdefault(carrier, Known(Inbox(self.me.draw_uuid)))

    def error(self, carrier: bytes, refused: Refused, in_reply_to: bytes | None) -> bytes:
        body = ErrorBody(refused.code, refused.detail, in_reply_to, refused.retry_after_ms).encode()
        recipient = identity.derived_id(carrier)
        nonce, now = self.me.random(16), self.me.now()
        return Draft(Kind.ERROR, nonce, now, self.me.name, recipient, 0, None, body).sign(self.me.key)

    def read_error(self, answer: Envelope, request: Envelope, carrier: bytes) -> ErrorBody | None:
        """What a request was refused with; None if the request counts as unanswered."""
        step = request.msg_type is not Kind.SEALED
        guard = self.me.guard(carrier)
        too_far = False
        try:
            require(self.me.answers_to(answer.recipient_id), Code.INVALID_SIGNATURE, "for somebody else")
            try:
                guard.check(answer.nonce, answer.timestamp, self.me.now())
            except Refused:
                # Only the timestamp is at fault: the clocks differ too much.
                too_far = step and answer.nonce not in guard.nonces
                if not too_far:
                    return None
            body = ErrorBody.decode(answer.payload)
            names_it = body.in_reply_to == request.nonce or (step and body.in_reply_to is None)
            require(names_it, Code.INVALID_SIGNATURE, "about another request")
            answer.check_signature(carrier)
        except (Refused, Malformed):
            return None
        if too_far:
            return ErrorBody(Code.REPLAY_DETECTED, "the clocks differ too much")
        guard.remember(answer.nonce, answer.timestamp, self.me.now())
        return body

    def answer(self, frame: bytes | None, carrier: bytes) -> bytes:
        """To a request; None is one that was too long to be read."""
        try:
            require(frame is not None, Code.INVALID_VERSION, "longer than an envelope may be")
            envelope = Envelope.decode(frame or b"")
        except Refused as refused:
            return self.error(carrier, refused, None)
        try:
            return self._answer(envelope, self.peer(carrier), carrier)
        except Refused as refused:
            return self.error(carrier, refused, envelope.nonce)

    def _answer(self, envelope: Envelope, known: Known, carrier: bytes) -> bytes:
        kind = envelope.msg_type
        if kind in (Kind.HANDSHAKE_INIT, Kind.HANDSHAKE):
            return self._begin(envelope, known, carrier)
        if kind is Kind.SEALED:
            return self._sealed(envelope, known)
        under_way = known.peers
        if kind is Kind.CHALLENGE_RESPONSE and isinstance(under_way, six_step.Responder):
            raw = under_way.on_challenge_response(envelope)
            known.answered_at = self.me.monotonic()
            return raw
        if kind is Kind.SESSION_CONFIRM and isinstance(under_way, six_step.Responder):
            raw = under_way.on_confirm(envelope)
            known.peers = None
            known.add(Session(self.me, under_way.session()))
            return raw
        if kind is Kind.HANDSHAKE_CONFIRM and isinstance(under_way, three_way.Responder):
            session = Session(self.me, under_way.on_confirm(envelope))
            known.peers = None
            known.add(session)
            return session.seal([known.inbox.receipt("received", [])])
        raise Refused(Code.INVALID_STATE, f"{kind} is not due")

    def _begin(self, envelope: Envelope, known: Known, carrier: bytes) -> bytes:
        """A first step, with the question whether another handshake is under way."""
        own, peers = known.own, known.peers
        if own is not None and not own.is_over_time():
            heard = own.steps > 1
            smaller = self.me.key.public < carrier
            require(not (heard or smaller), Code.HANDSHAKE_IN_PROGRESS, "one of ours is under way")
        if peers is not None and not peers.is_over_time():
            alone = self.me.monotonic() - known.answered_at >= LEFT_ALONE_MS
            require(alone, Code.HANDSHAKE_IN_PROGRESS, "one of yours is under way")
        if envelope.msg_type is Kind.HANDSHAKE_INIT:
            six = six_step.Responder(self.me, carrier)
            raw, known.peers = six.on_init(envelope), six
        else:
            three = three_way.Responder(self.me, carrier)
            raw, known.peers = three.on_handshake(envelope), three
        known.own, known.answered_at = None, self.me.monotonic()
        return raw

    def _sealed(self, envelope: Envelope, known: Known) -> bytes:
        require(envelope.session_id is not None, Code.SESSION_NOT_FOUND, "no session id")
        opening = known.peers is not None and known.peers.session_id == envelope.session_id
        require(not opening, Code.ENCRYPTION_NOT_READY, "the session is still being opened")
        session = next((one for one in known.sessions if one.id == envelope.session_id), None)
        if session is None:
            raise Refused(Code.SESSION_NOT_FOUND, "an unknown session")
        taken = known.inbox.receive(session.open_request(envelope))
        riding = self.respond(session, taken.messages)
        if any(message.type == Type.SESSION_CLOSE for message in taken.messages):
            known.sessions.remove(session)
        # Refusals ride alone.
        return session.seal(taken.answers if taken.refused else [*taken.answers, *riding])
