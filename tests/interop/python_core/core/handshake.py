"""What both handshakes have in common: who takes part, the common checks, the offer. §3.2, §3.8, §4.5"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import cbor, identity, kdf, shape
from .cbor import Malformed
from .envelope import VERSION, Draft, Envelope, Kind
from .errors import Code, Refused, require
from .identity import Key
from .replay import ReplayGuard
from .suites import SUITES, Suite
from .trust import TrustStore

TIME_LIMIT_MS = 10_000
MAX_CHALLENGE_LIFETIME_MS = 300_000
MIN_LIFETIME_MS, MAX_LIFETIME_MS = 1_000, 86_400_000
MAX_LIST = 64

KEY = shape.bytes_of(32)
HASH = shape.bytes_of(32)
SESSION_ID = shape.uuid
_WORD = shape.text(64)
# The bound of the lists is a check of its own, after those of the key.
_LIST = shape.array(shape.text(cbor.MAX_ENTRIES), cbor.MAX_ENTRIES)
OFFER = shape.a_map(
    {"features": _LIST, "versions": _LIST, "public_key": KEY, "cipher_suites": _LIST, "ephemeral_key": KEY}
)
CHOICE = {
    "suite": _WORD,
    "version": _WORD,
    "features": shape.array(_WORD, MAX_LIST),
    "public_key": KEY,
    "transcript": HASH,
    "ephemeral_key": KEY,
}


@dataclass
class Entity:
    """One's own side: keys, names, what it offers, and whom it trusts."""

    name: str
    key: Key
    now: Callable[[], int]
    """Milliseconds since the Unix epoch."""
    monotonic: Callable[[], int]
    """Milliseconds since whenever, for lifetimes."""
    random: Callable[[int], bytes]
    suites: Sequence[str] = tuple(SUITES)
    features: Sequence[str] = ()
    trust: TrustStore = field(default_factory=TrustStore)
    three_way: bool = False
    lifetime_ms: int = 1_800_000
    challenge_lifetime_ms: int = 30_000
    guards: dict[bytes, ReplayGuard] = field(default_factory=dict)

    def answers_to(self, name: str) -> bool:
        return name in identity.names(self.name, self.key.public)

    def guard(self, public: bytes) -> ReplayGuard:
        """Of handshake and error envelopes of this key."""
        return self.guards.setdefault(public, ReplayGuard())

    def draw_uuid(self) -> bytes:
        """16 random bytes with version and variant set."""
        drawn = bytearray(self.random(16))
        drawn[6] = drawn[6] & 0x0F | 0x40
        drawn[8] = drawn[8] & 0x3F | 0x80
        return bytes(drawn)


@dataclass(frozen=True)
class Agreed:
    """What a finished handshake makes."""

    initiator: bool
    suite: Suite
    features: tuple[str, ...]
    session_id: bytes
    lifetime_ms: int
    keys: kdf.SessionKeys
    peer_id: str
    peer_key: bytes
    next_own: int
    """The number of the first record of this side."""
    next_peers: int
    """The same of the peer."""


class Handshake:
    """One side of an attempt with the peer whose key the carrier has proved. §1.5

    A step that was sent or accepted moves `state`; a check that fails changes nothing.
    """

    KINDS: Sequence[Kind]
    STATES: Sequence[Any]
    """After each number of steps."""
    WITH_SESSION_ID: Sequence[int]
    """Steps whose envelope has the agreed session id."""

    def __init__(self, me: Entity, carrier: bytes, initiator: bool) -> None:
        self.me, self.carrier, self.initiator = me, carrier, initiator
        self.steps = 0
        self.envelopes: list[bytes] = []
        self.begun_at = 0
        self.peer_id: str | None = None
        self.session_id: bytes | None = None
        self.suite = SUITES["AES-256-GCM"]
        self.features: tuple[str, ...] = ()
        self.keys: kdf.SessionKeys | None = None
        self.lifetime_ms = me.lifetime_ms

    @property
    def state(self) -> Any:
        return self.STATES[self.steps]

    def transcript(self) -> bytes:
        return kdf.transcript(self.envelopes)

    def is_over_time(self) -> bool:
        return self.steps > 0 and self.me.monotonic() - self.begun_at > TIME_LIMIT_MS

    def check_step(self, envelope: Envelope, step: int, body: shape.Check) -> dict[str, Any]:
        """The eight common checks. Gives the body. Raises Refused."""
        due = self.steps == step - 1 and envelope.msg_type is self.KINDS[step - 1]
        require(due, Code.INVALID_STATE, f"{envelope.msg_type} is not due")
        require(not self.is_over_time(), Code.SESSION_EXPIRED, "the handshake took too long")
        require(envelope.sequence_num == step - 1, Code.SEQUENCE_ERROR, "another step's number")
        require(self.me.answers_to(envelope.recipient_id), Code.INVALID_SIGNATURE, "for somebody else")
        known = self.peer_id is None or envelope.sender_id == self.peer_id
        require(known, Code.INVALID_SIGNATURE, "from somebody else")
        expected = self.session_id if step in self.WITH_SESSION_ID else None
        if step in self.WITH_SESSION_ID and expected is None:
            # The step that brings it.
            right = envelope.session_id is not None
        else:
            right = envelope.session_id == expected
        require(right, Code.SESSION_NOT_FOUND, "another session id")
        self.me.guard(self.carrier).check(envelope.nonce, envelope.timestamp, self.me.now())
        try:
            decoded: dict[str, Any] = shape.decode(envelope.payload, body)
        except Malformed as error:
            raise Refused(Code.INVALID_VERSION, str(error)) from error
        return decoded

    def check_transcript(self, claimed: bytes) -> None:
        require(claimed == self.transcript(), Code.INVALID_SIGNATURE, "the transcripts differ")

    def check_key(self, public: bytes, peer_id: str) -> None:
        own = public == self.me.key.public
        require(identity.usable(public) and not own, Code.INVALID_SIGNATURE, "not a usable key")
        require(public == self.carrier, Code.INVALID_SIGNATURE, "not the connection's key")
        self.me.trust.check(peer_id, public)

    def accept(self, envelope: Envelope) -> None:
        """After the last check of a received step."""
        if self.steps == 0:
            self.begun_at = self.me.monotonic()
        self.me.guard(self.carrier).remember(envelope.nonce, envelope.timestamp, self.me.now())
        self.envelopes.append(envelope.raw)
        self.peer_id = envelope.sender_id
        self.steps += 1

    def draft(self, body: dict[str, Any], recipient: str | None = None) -> Draft:
        """The next step, with this body."""
        step = self.steps + 1
        return Draft(
            msg_type=self.KINDS[step - 1],
            nonce=self.me.random(16),
            timestamp=self.me.now(),
            sender_id=self.me.name,
            recipient_id=recipient or self.peer_id or identity.derived_id(self.carrier),
            sequence_num=step - 1,
            session_id=self.session_id if step in self.WITH_SESSION_ID else None,
            payload=cbor.encode(body),
        )

    def send(self, draft: Draft) -> bytes:
        if self.steps == 0:
            self.begun_at = self.me.monotonic()
        raw = draft.sign(self.me.key)
        self.envelopes.append(raw)
        self.steps += 1
        return raw

    def agreed(self, next_own: int, next_peers: int) -> Agreed:
        """Once the last step is complete."""
        if self.peer_id is None or self.session_id is None or self.keys is None:
            raise Refused(Code.INVALID_STATE, "not ready")
        return Agreed(
            self.initiator, self.suite, self.features, self.session_id, self.lifetime_ms, self.keys, self.peer_id,
            self.carrier, next_own, next_peers,
        )

    # What step 1 and its answer say is the same in both handshakes.

    def offer(self, ephemeral: bytes) -> dict[str, Any]:
        return {
            "features": list(self.me.features),
            "versions": [VERSION],
            "public_key": self.me.key.public,
            "cipher_suites": list(self.me.suites),
            "ephemeral_key": kdf.ephemeral_public(ephemeral),
        }

    def check_offer(self, envelope: Envelope, body: dict[str, Any]) -> tuple[Suite, tuple[str, ...]]:
        """By the responder. Gives what it chooses. Raises Refused."""
        self.check_key(body["public_key"], envelope.sender_id)
        lists = body["features"], body["versions"], body["cipher_suites"]
        bounded = all(len(entries) <= MAX_LIST and all(len(e.encode()) <= 64 for e in entries) for entries in lists)
        require(bounded, Code.INVALID_VERSION, "too much is offered")
        require(VERSION in body["versions"], Code.INVALID_VERSION, "no common version")
        common = [name for name in body["cipher_suites"] if name in self.me.suites]
        require(bool(common), Code.INVALID_VERSION, "no common suite")
        envelope.check_signature(body["public_key"])
        return SUITES[common[0]], tuple(name for name in body["features"] if name in self.me.features)

    def check_choice(self, body: dict[str, Any]) -> None:
        """By the initiator. Raises Refused."""
        offered = (
            body["version"] == VERSION
            and body["suite"] in self.me.suites
            and all(name in self.me.features for name in body["features"])
        )
        require(offered, Code.INVALID_VERSION, "a choice that was not offered")


def check_lifetime(lifetime_ms: int) -> None:
    require(MIN_LIFETIME_MS <= lifetime_ms <= MAX_LIFETIME_MS, Code.INVALID_VERSION, "a lifetime out of bounds")
