"""Sealing and opening. §2.4, §5"""

from __future__ import annotations

from collections.abc import Sequence

from . import batch
from .batch import Message
from .envelope import Draft, Envelope, Kind
from .errors import Code, require
from .handshake import Agreed, Entity
from .replay import ReplayGuard
from .suites import aead_nonce

WINDOW = 2048
MAX_RECORDS = 2**24
MAX_SEALED_BYTES = 2**36


class Window:
    """Which of the newest numbers were received."""

    def __init__(self, first: int = 0) -> None:
        self.next = first
        self.marked = set(range(first))

    def check(self, number: int) -> None:
        """Raises Refused; marks nothing."""
        require(number < MAX_RECORDS, Code.SEQUENCE_ERROR, "no key seals that many")
        require(self.next - number <= WINDOW, Code.SEQUENCE_ERROR, "too old")
        require(number not in self.marked, Code.SEQUENCE_ERROR, "repeated")

    def mark(self, number: int) -> None:
        self.marked.add(number)
        if number >= self.next:
            self.next = number + 1
            self.marked = {kept for kept in self.marked if self.next - kept <= WINDOW}


class Session:
    """One session with a peer. Not yet to be used while `opening`: §4.1, §5.3"""

    def __init__(self, me: Entity, agreed: Agreed, opening: bool = False) -> None:
        self.me, self.agreed, self.opening = me, agreed, opening
        keys = agreed.keys
        both = keys.initiator, keys.responder
        self._own, self._peers = both if agreed.initiator else both[::-1]
        self.number, self.sealed_bytes = agreed.next_own, 0
        self.window = Window(agreed.next_peers)
        self.guard = ReplayGuard(floor=False)
        self.ends_at = me.monotonic() + agreed.lifetime_ms

    @property
    def id(self) -> bytes:
        return self.agreed.session_id

    def is_over(self) -> bool:
        return self.me.monotonic() >= self.ends_at

    def seal(self, messages: Sequence[Message]) -> bytes:
        """One envelope with the next number. Raises Refused at the key's limits, or if the session's life is over."""
        plaintext = batch.encode(messages)
        require(not self.is_over(), Code.SESSION_EXPIRED, "the session's life is over")
        room = self.number < MAX_RECORDS and self.sealed_bytes + len(plaintext) <= MAX_SEALED_BYTES
        require(room, Code.SESSION_EXPIRED, "the key has sealed all that it may")
        draft = Draft(
            msg_type=Kind.SEALED,
            nonce=self.me.random(16),
            timestamp=self.me.now(),
            sender_id=self.me.name,
            recipient_id=self.agreed.peer_id,
            sequence_num=self.number,
            session_id=self.id,
        )
        self.number += 1
        self.sealed_bytes += len(plaintext)
        return self.sign(self.encrypt(draft, plaintext))

    def encrypt(self, draft: Draft, plaintext: bytes) -> Draft:
        nonce = aead_nonce(self._own.iv, draft.sequence_num)
        sealed = self.agreed.suite.seal(self._own.traffic_key, nonce, draft.aad(), plaintext)
        return Draft(**{**draft.__dict__, "payload": sealed})

    def sign(self, draft: Draft) -> bytes:
        return draft.sign(self.me.key, self.agreed.suite.prehash)

    def open_request(self, envelope: Envelope) -> list[Message]:
        """Checks 2 to 12 of §5.2, without rates. Raises Refused."""
        require(not self.opening, Code.ENCRYPTION_NOT_READY, "the session is still being opened")
        return self.open(envelope)

    def open(self, envelope: Envelope) -> list[Message]:
        """The same for an answer. Raises Refused, and then nothing has changed."""
        require(envelope.msg_type is Kind.SEALED, Code.INVALID_STATE, "not sealed")
        require(envelope.session_id == self.id, Code.SESSION_NOT_FOUND, "another session")
        require(not self.is_over(), Code.SESSION_EXPIRED, "the session's life is over")
        right = envelope.sender_id == self.agreed.peer_id and self.me.answers_to(envelope.recipient_id)
        require(right, Code.INVALID_SIGNATURE, "another sender or recipient")
        now = self.me.now()
        self.guard.check(envelope.nonce, envelope.timestamp, now)
        self.window.check(envelope.sequence_num)
        nonce = aead_nonce(self._peers.iv, envelope.sequence_num)
        suite = self.agreed.suite
        messages = batch.decode(suite.open(self._peers.traffic_key, nonce, envelope.aad(), envelope.payload))
        envelope.check_signature(self.agreed.peer_key, suite.prehash)
        self.window.mark(envelope.sequence_num)
        self.guard.remember(envelope.nonce, envelope.timestamp, now)
        return messages
