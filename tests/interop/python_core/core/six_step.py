"""The six-step handshake. §3"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from . import cbor, identity, kdf, shape
from .envelope import Draft, Envelope, Kind
from .errors import Code, Refused, require
from .handshake import (
    CHOICE,
    HASH,
    MAX_CHALLENGE_LIFETIME_MS,
    OFFER,
    SESSION_ID,
    Agreed,
    Entity,
    Handshake,
    check_lifetime,
)
from .suites import SUITES, TAG_LEN, aead_nonce


class State(Enum):
    """`ERROR` and `EXPIRED`, of which nothing comes any more, are an attempt that was dropped."""

    INITIAL = auto()
    HANDSHAKE_INIT_SENT = auto()
    HANDSHAKE_ACK_RECEIVED = auto()
    CHALLENGE_SENT = auto()
    SESSION_ESTABLISHED = auto()
    SESSION_CONFIRMED = auto()
    READY = auto()


_INIT_ACK = shape.a_map(
    {**CHOICE, "challenge": shape.bytes_of(32), "challenge_lifetime_ms": shape.unsigned()}
)
_CHALLENGE_RESPONSE = shape.a_map({"transcript": HASH, "challenge_signature": shape.bytes_of(64)})
_ESTABLISHED = shape.a_map(
    {"mac": HASH, "session_id": SESSION_ID, "transcript": HASH, "lifetime_ms": shape.unsigned()}
)
_CONFIRM = shape.a_map({"mac": HASH, "session_id": SESSION_ID, "transcript": HASH})
_READY = shape.a_map({"record": shape.bytes_of(32 + TAG_LEN), "session_id": SESSION_ID, "transcript": HASH})


def challenge_input(handshake_hash: bytes, challenge: bytes) -> bytes:
    return b"peer-v1.1-challenge" + handshake_hash + challenge


class SixStep(Handshake):
    KINDS = (
        Kind.HANDSHAKE_INIT, Kind.HANDSHAKE_INIT_ACK, Kind.CHALLENGE_RESPONSE,
        Kind.SESSION_ESTABLISHED, Kind.SESSION_CONFIRM, Kind.READY,
    )
    STATES = tuple(State)
    WITH_SESSION_ID = (4, 5, 6)

    def derived(self) -> kdf.SessionKeys:
        if self.keys is None:
            raise Refused(Code.INVALID_STATE, "no keys yet")
        return self.keys


class Initiator(SixStep):
    def __init__(self, me: Entity, carrier: bytes) -> None:
        super().__init__(me, carrier, initiator=True)
        self._ephemeral = b""

    def begin(self, recipient: str | None = None) -> bytes:
        """Step 1, for `recipient` if its name was told."""
        self._ephemeral = self.me.random(32)
        return self.send(self.draft(self.offer(self._ephemeral), recipient))

    def on_init_ack(self, envelope: Envelope) -> bytes:
        """Takes step 2, and gives step 3."""
        body = self.check_step(envelope, 2, _INIT_ACK)
        self.check_transcript(body["transcript"])
        self.check_key(body["public_key"], envelope.sender_id)
        believable = body["challenge_lifetime_ms"] <= MAX_CHALLENGE_LIFETIME_MS
        require(believable, Code.INVALID_VERSION, "a challenge that lives too long")
        self.check_choice(body)
        envelope.check_signature(self.carrier)
        shared = kdf.shared_secret(self._ephemeral, body["ephemeral_key"])
        self._ephemeral = b""
        self.accept(envelope)
        handshake_hash = self.transcript()
        self.keys = kdf.session_keys(shared, handshake_hash)
        self.suite, self.features = SUITES[body["suite"]], tuple(body["features"])
        signature = self.me.key.sign(challenge_input(handshake_hash, body["challenge"]))
        return self.send(self.draft({"transcript": handshake_hash, "challenge_signature": signature}))

    def on_established(self, envelope: Envelope) -> bytes:
        """Takes step 4, and gives step 5."""
        body = self.check_step(envelope, 4, _ESTABLISHED)
        require(body["session_id"] == envelope.session_id, Code.SESSION_NOT_FOUND, "two session ids")
        self.check_transcript(body["transcript"])
        check_lifetime(body["lifetime_ms"])
        envelope.check_signature(self.carrier)
        keys = self.derived()
        keys.responder.check_mac(body["mac"], self.transcript())
        self.accept(envelope)
        self.session_id, self.lifetime_ms = body["session_id"], body["lifetime_ms"]
        transcript = self.transcript()
        mac = keys.initiator.mac(transcript)
        return self.send(self.draft({"mac": mac, "session_id": self.session_id, "transcript": transcript}))

    def on_ready(self, envelope: Envelope) -> Agreed:
        """Takes step 6."""
        body = self.check_step(envelope, 6, _READY)
        require(body["session_id"] == self.session_id, Code.SESSION_NOT_FOUND, "another session id")
        self.check_transcript(body["transcript"])
        envelope.check_signature(self.carrier)
        keys = self.derived().responder
        opened = self.suite.open(keys.traffic_key, aead_nonce(keys.iv, 0), envelope.aad(), body["record"])
        require(opened == self.transcript(), Code.DECRYPTION_FAILED, "the first record seals something else")
        self.me.trust.record(envelope.sender_id, self.carrier)
        self.accept(envelope)
        # Number 0 of the responder was the record in `ready`.
        return self.agreed(next_own=0, next_peers=1)


class Responder(SixStep):
    def __init__(self, me: Entity, carrier: bytes) -> None:
        super().__init__(me, carrier, initiator=False)
        self.challenge = b""
        self.challenge_made_at = 0

    def on_init(self, envelope: Envelope) -> bytes:
        """Takes step 1, and gives step 2."""
        body = self.check_step(envelope, 1, OFFER)
        suite, features = self.check_offer(envelope, body)
        ephemeral = self.me.random(32)
        shared = kdf.shared_secret(ephemeral, body["ephemeral_key"])
        self.accept(envelope)
        self.suite, self.features = suite, features
        self.challenge, self.challenge_made_at = self.me.random(32), self.me.monotonic()
        raw = self.send(
            self.draft(
                {
                    "suite": suite.name,
                    "version": "1.1",
                    "features": list(features),
                    "challenge": self.challenge,
                    "public_key": self.me.key.public,
                    "transcript": self.transcript(),
                    "ephemeral_key": kdf.ephemeral_public(ephemeral),
                    "challenge_lifetime_ms": self.me.challenge_lifetime_ms,
                }
            )
        )
        self.keys = kdf.session_keys(shared, self.transcript())
        return raw

    def on_challenge_response(self, envelope: Envelope) -> bytes:
        """Takes step 3, and gives step 4."""
        body = self.check_step(envelope, 3, _CHALLENGE_RESPONSE)
        age = self.me.monotonic() - self.challenge_made_at
        require(age <= self.me.challenge_lifetime_ms, Code.CHALLENGE_EXPIRED, "the challenge is over")
        self.check_transcript(body["transcript"])
        envelope.check_signature(self.carrier)
        signed = challenge_input(self.transcript(), self.challenge)
        holds = identity.verify(self.carrier, signed, body["challenge_signature"])
        require(holds, Code.CHALLENGE_INVALID, "the challenge's signature does not hold")
        self.accept(envelope)
        self.session_id = self.me.draw_uuid()
        transcript = self.transcript()
        body = {
            "mac": self.derived().responder.mac(transcript),
            "session_id": self.session_id,
            "transcript": transcript,
            "lifetime_ms": self.lifetime_ms,
        }
        return self.send(self.draft(body))

    def on_confirm(self, envelope: Envelope) -> bytes:
        """Takes step 5, and gives step 6. The session is then there."""
        body = self.check_step(envelope, 5, _CONFIRM)
        require(body["session_id"] == self.session_id, Code.SESSION_NOT_FOUND, "another session id")
        self.check_transcript(body["transcript"])
        envelope.check_signature(self.carrier)
        self.derived().initiator.check_mac(body["mac"], self.transcript())
        self.me.trust.record(envelope.sender_id, self.carrier)
        self.accept(envelope)
        draft = self.draft({})
        record = self.first_record(draft)
        body = {"record": record, "session_id": self.session_id, "transcript": self.transcript()}
        return self.send(replace(draft, payload=cbor.encode(body)))

    def first_record(self, ready: Draft) -> bytes:
        """Seals T5 as number 0. The body of `ready` is not part of the associated data."""
        keys = self.derived().responder
        return self.suite.seal(keys.traffic_key, aead_nonce(keys.iv, 0), ready.aad(), self.transcript())

    def session(self) -> Agreed:
        """Once step 6 was sent."""
        return self.agreed(next_own=1, next_peers=0)
