"""Who may pass. §1.4"""

from __future__ import annotations

from enum import Enum

from . import identity
from .errors import Code, require

MAX_ENTITIES = 65_536


class Level(Enum):
    PINNED = "pinned"
    SEEN = "seen"
    REVOKED = "revoked"


class TrustStore:
    def __init__(self, pinned_only: bool = False) -> None:
        self.pinned_only = pinned_only
        self.known: dict[str, tuple[bytes, Level]] = {}

    def pin(self, entity_id: str, public: bytes) -> None:
        revoked = [name for name, (key, level) in self.known.items() if key == public and level is Level.REVOKED]
        for name in revoked:
            del self.known[name]
        self.known[entity_id] = public, Level.PINNED

    def revoke(self, entity_id: str, public: bytes) -> None:
        self.known[entity_id] = public, Level.REVOKED

    def check(self, entity_id: str, public: bytes) -> None:
        """Whether this entity with this key may pass. Raises Refused."""
        on_record = self.known.get(entity_id)
        revoked = any(key == public and level is Level.REVOKED for key, level in self.known.values())
        pinned = on_record == (public, Level.PINNED)
        require(identity.may_use(entity_id, public), Code.INVALID_SIGNATURE, "a reserved id")
        require(not revoked, Code.INVALID_SIGNATURE, "the key is revoked")
        if on_record and on_record[0] != public:
            both = f"{identity.fingerprint(on_record[0])}, not {identity.fingerprint(public)}"
            require(False, Code.INVALID_SIGNATURE, f"{entity_id} is known with another key: {both}")
        require(pinned or not self.pinned_only, Code.INVALID_SIGNATURE, "not pinned")

    def record(self, entity_id: str, public: bytes) -> None:
        """Asks again, and remembers who has proved to hold the key. Raises Refused."""
        self.check(entity_id, public)
        if entity_id not in self.known and len(self.known) < MAX_ENTITIES:
            self.known[entity_id] = public, Level.SEEN
