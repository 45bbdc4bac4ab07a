"""Timestamps and nonces. §2.6"""

from __future__ import annotations

from .errors import Code, require

MAX_SKEW_MS = 60_000
NONCE_LIFE_MS = 300_000
MAX_NONCES = 4096


class ReplayGuard:
    """For one peer key, with a floor; or for one session, without."""

    def __init__(self, floor: bool = True) -> None:
        self.nonces: dict[bytes, int] = {}
        self.has_floor, self.floor = floor, -1

    def check(self, nonce: bytes, timestamp: int, now: int) -> None:
        """Raises Refused; remembers nothing."""
        require(abs(timestamp - now) <= MAX_SKEW_MS, Code.REPLAY_DETECTED, "the timestamp is too old or too new")
        require(nonce not in self.nonces, Code.REPLAY_DETECTED, "the nonce was seen")
        # A floor from a clock that was far wrong would lock the peer out until the clock gets there again.
        if self.has_floor and self.floor <= now + MAX_SKEW_MS + NONCE_LIFE_MS:
            require(timestamp > self.floor, Code.REPLAY_DETECTED, "the timestamp is below the floor")

    def remember(self, nonce: bytes, timestamp: int, now: int) -> None:
        """After all other checks have passed."""
        for old in [old for old, at in self.nonces.items() if at < now - NONCE_LIFE_MS]:
            self._forget(old)
        if len(self.nonces) >= MAX_NONCES:
            self._forget(min(self.nonces, key=self.nonces.__getitem__))
        self.nonces[nonce] = timestamp

    def _forget(self, nonce: bytes) -> None:
        self.floor = max(self.floor, self.nonces.pop(nonce))
