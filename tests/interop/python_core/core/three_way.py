"""The three-way handshake. §4"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from . import cbor, kdf, shape
from .envelope import Draft, Envelope, Kind
from .errors import Code, require
from .handshake import CHOICE, HASH, OFFER, SESSION_ID, Agreed, Entity, Handshake, check_lifetime
from .suites import SUITES

MAC_LEN = 32


class State(Enum):
    """`CLOSED`, of which nothing comes any more, is an attempt that was dropped."""

    INIT = auto()
    HANDSHAKE_SENT = auto()
    ACTIVE = auto()


_ACK = shape.a_map(
    # That the MAC has 32 bytes is a check of its own.
    {**CHOICE, "mac": shape.bytes_to(cbor.MAX_ENTRIES), "session_id": SESSION_ID, "lifetime_ms": shape.unsigned()}
)
_CONFIRM = shape.a_map({"mac": HASH, "session_id": SESSION_ID, "transcript": HASH})


class ThreeWay(Handshake):
    KINDS = (Kind.HANDSHAKE, Kind.HANDSHAKE_ACK, Kind.HANDSHAKE_CONFIRM)
    WITH_SESSION_ID = (2, 3)


def provisional(ack: Draft, body: dict[str, object]) -> bytes:
    """Message 2 unsigned, and with a MAC of zeros."""
    return replace(ack, payload=cbor.encode({**body, "mac": bytes(MAC_LEN)})).unsigned()


class Initiator(ThreeWay):
    STATES = (State.INIT, State.HANDSHAKE_SENT, State.ACTIVE, State.ACTIVE)

    def __init__(self, me: Entity, carrier: bytes) -> None:
        super().__init__(me, carrier, initiator=True)
        self._ephemeral = b""

    def begin(self, recipient: str | None = None) -> bytes:
        """Message 1."""
        self._ephemeral = self.me.random(32)
        return self.send(self.draft(self.offer(self._ephemeral), recipient))

    def on_ack(self, envelope: Envelope) -> bytes:
        """Takes message 2, and gives message 3."""
        body = self.check_step(envelope, 2, _ACK)
        require(body["session_id"] == envelope.session_id, Code.SESSION_NOT_FOUND, "two session ids")
        require(len(body["mac"]) == MAC_LEN, Code.INVALID_VERSION, "not a MAC")
        self.check_transcript(body["transcript"])
        self.check_key(body["public_key"], envelope.sender_id)
        check_lifetime(body["lifetime_ms"])
        self.check_choice(body)
        envelope.check_signature(self.carrier)
        shared = kdf.shared_secret(self._ephemeral, body["ephemeral_key"])
        unsigned = cbor.decode(envelope.unsigned())
        unsigned["payload"] = cbor.encode({**body, "mac": bytes(MAC_LEN)})
        handshake_hash = kdf.transcript([*self.envelopes, cbor.encode(unsigned)])
        keys = kdf.session_keys(shared, handshake_hash)
        keys.responder.check_mac(body["mac"], handshake_hash)
        self.me.trust.record(envelope.sender_id, self.carrier)
        self._ephemeral = b""
        self.accept(envelope)
        self.keys, self.session_id, self.lifetime_ms = keys, body["session_id"], body["lifetime_ms"]
        self.suite, self.features = SUITES[body["suite"]], tuple(body["features"])
        transcript = self.transcript()
        mac = keys.initiator.mac(transcript)
        return self.send(self.draft({"mac": mac, "session_id": self.session_id, "transcript": transcript}))

    def session(self) -> Agreed:
        """After message 3. It may be used once the answer to that, a sealed envelope, has been opened in it."""
        return self.agreed(next_own=0, next_peers=0)


class Responder(ThreeWay):
    STATES = (State.INIT, State.HANDSHAKE_SENT, State.HANDSHAKE_SENT, State.ACTIVE)

    def __init__(self, me: Entity, carrier: bytes) -> None:
        super().__init__(me, carrier, initiator=False)
        self.handshake_hash = b""

    def on_handshake(self, envelope: Envelope) -> bytes:
        """Takes message 1, and gives message 2."""
        require(self.me.three_way, Code.INVALID_STATE, "the three-way handshake is not enabled")
        body = self.check_step(envelope, 1, OFFER)
        suite, features = self.check_offer(envelope, body)
        ephemeral = self.me.random(32)
        shared = kdf.shared_secret(ephemeral, body["ephemeral_key"])
        self.accept(envelope)
        self.suite, self.features = suite, features
        self.session_id = self.me.draw_uuid()
        ack: dict[str, object] = {
            "suite": suite.name,
            "version": "1.1",
            "features": list(features),
            "public_key": self.me.key.public,
            "session_id": self.session_id,
            "transcript": self.transcript(),
            "lifetime_ms": self.lifetime_ms,
            "ephemeral_key": kdf.ephemeral_public(ephemeral),
        }
        draft = self.draft({})
        self.handshake_hash = kdf.transcript([*self.envelopes, provisional(draft, ack)])
        self.keys = kdf.session_keys(shared, self.handshake_hash)
        mac = self.keys.responder.mac(self.handshake_hash)
        return self.send(replace(draft, payload=cbor.encode({**ack, "mac": mac})))

    def on_confirm(self, envelope: Envelope) -> Agreed:
        """Takes message 3. What answers it is a sealed envelope in the session."""
        body = self.check_step(envelope, 3, _CONFIRM)
        require(body["session_id"] == self.session_id, Code.SESSION_NOT_FOUND, "another session id")
        self.check_transcript(body["transcript"])
        envelope.check_signature(self.carrier)
        if self.keys is not None:
            self.keys.initiator.check_mac(body["mac"], self.transcript())
        self.me.trust.record(envelope.sender_id, self.carrier)
        self.accept(envelope)
        return self.agreed(next_own=0, next_peers=0)
