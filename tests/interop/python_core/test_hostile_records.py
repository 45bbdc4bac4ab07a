"""Wrong sealed envelopes: the code that a real node answers with, and that the session is as it was. §5.2"""

from __future__ import annotations

import time
import unittest

import forge
from core import batch, cbor
from core.bodies import Type
from core.envelope import Draft, Kind
from core.errors import Code
from core.identity import Key
from core.suites import BLAKE3, SHA256
from peer import PeerRefused
from setting import WithNode


class Records(WithNode):
    def setUp(self) -> None:
        self.one = self.connected()
        self.session = self.one.shake()
        self.key, self.prehash = self.one.key, self.session.agreed.suite.prehash
        self.addCleanup(lambda: self.serves(self.one, self.session))

    def sealed(self) -> bytes:
        return self.session.seal([self.one.message(Type.HEARTBEAT)])

    def changed(self, raw: bytes, **entries: object) -> bytes:
        return forge.changed(raw, self.key, self.prehash, **entries)

    def numbered(self, number: int, plaintext: bytes | None = None) -> Draft:
        """A record with this number, sealed as it should be."""
        beat = batch.encode([self.one.message(Type.HEARTBEAT)])
        draft = Draft(
            Kind.SEALED, self.one.me.random(16), self.one.me.now(), self.one.me.name, "node", number, self.session.id
        )
        return self.session.encrypt(draft, beat if plaintext is None else plaintext)

    def test_a_record_that_is_played_again(self) -> None:
        raw = self.sealed()
        self.session.open(self.one.exchange(raw))
        self.wrong(self.one, Code.REPLAY_DETECTED, raw)
        self.wrong(self.one, Code.SEQUENCE_ERROR, self.changed(raw, nonce=self.one.me.random(16)))

    def test_numbers_outside_the_window(self) -> None:
        self.session.number = 5_000
        self.serves(self.one, self.session)
        for number in (0, 100, 5_000 - 2_048):
            self.wrong(self.one, Code.SEQUENCE_ERROR, self.session.sign(self.numbered(number)))
        # The oldest that is still within.
        self.session.open(self.one.exchange(self.session.sign(self.numbered(5_000 - 2_047))))
        self.wrong(self.one, Code.SEQUENCE_ERROR, self.session.sign(self.numbered(5_000)))
        for number in (2**24, 2**64 - 1):
            self.wrong(self.one, Code.SEQUENCE_ERROR, self.session.sign(self.numbered(number)))

    def test_names_and_times(self) -> None:
        raw, now = self.sealed(), self.one.me.now()
        self.wrong(self.one, Code.INVALID_SIGNATURE, self.changed(raw, recipient_id="else"))
        self.wrong(self.one, Code.INVALID_SIGNATURE, self.changed(raw, sender_id="else"))
        self.wrong(self.one, Code.REPLAY_DETECTED, self.changed(raw, timestamp=now - 61_000))
        self.wrong(self.one, Code.REPLAY_DETECTED, self.changed(raw, timestamp=now + 600_000))
        self.session.open(self.one.exchange(raw))

    def test_sessions(self) -> None:
        raw = self.sealed()
        unknown = self.one.me.draw_uuid()
        self.wrong(self.one, Code.SESSION_NOT_FOUND, self.changed(raw, session_id=unknown))
        self.wrong(self.one, Code.SESSION_NOT_FOUND, self.changed(raw, session_id=None))
        other = self.connected("another peer")
        theirs = other.shake()
        stolen = forge.changed(raw, other.key, self.prehash, sender_id=other.me.name)
        self.wrong(other, Code.SESSION_NOT_FOUND, stolen)
        self.serves(other, theirs)
        self.session.open(self.one.exchange(raw))

    def test_ciphertexts(self) -> None:
        raw = self.sealed()
        payload = cbor.decode(raw)["payload"]
        self.wrong(self.one, Code.DECRYPTION_FAILED, self.changed(raw, payload=forge.flipped(payload)))
        self.wrong(self.one, Code.DECRYPTION_FAILED, self.changed(raw, payload=forge.flipped(payload, -1)))
        self.wrong(self.one, Code.DECRYPTION_FAILED, self.changed(raw, payload=b""))
        self.wrong(self.one, Code.DECRYPTION_FAILED, self.changed(raw, nonce=self.one.me.random(16)))
        self.wrong(self.one, Code.DECRYPTION_FAILED, self.changed(raw, timestamp=cbor.decode(raw)["timestamp"] + 1))
        self.session.open(self.one.exchange(raw))

    def test_signatures(self) -> None:
        """Looked at last; the number is free afterwards."""
        raw = self.sealed()
        self.wrong(self.one, Code.INVALID_SIGNATURE, forge.spoiled(raw))
        self.wrong(self.one, Code.INVALID_SIGNATURE, forge.changed(raw, Key(b"\x07" * 32), self.prehash))
        self.wrong(self.one, Code.INVALID_SIGNATURE, forge.changed(raw, self.key, SHA256))
        self.session.open(self.one.exchange(raw))

    def test_a_signature_over_blake3_where_the_suite_has_sha256(self) -> None:
        peer = self.connected("sha256", suites=("AES-256-GCM",))
        session = peer.shake()
        raw = session.seal([peer.message(Type.HEARTBEAT)])
        self.wrong(peer, Code.INVALID_SIGNATURE, forge.changed(raw, peer.key, BLAKE3))
        self.serves(peer, session)

    def test_what_is_no_batch(self) -> None:
        beat = self.one.message(Type.HEARTBEAT).to_map()
        wrong = {
            "nothing": b"",
            "no message": cbor.encode([]),
            "too many": cbor.encode([beat] * 257),
            "a map": cbor.encode(beat),
            "an unknown key": cbor.encode([{**beat, "more": 1}]),
            "a missing key": cbor.encode([{"id": beat["id"], "type": "heartbeat"}]),
            "a short id": cbor.encode([{**beat, "id": bytes(15)}]),
            "an id that is no UUID": cbor.encode([{**beat, "id": bytes(16)}]),
            "an indefinite length": b"\x9f" + cbor.encode(beat) + b"\xff",
            "bytes behind it": cbor.encode([beat]) + b"\x00",
        }
        for number, (what, plaintext) in enumerate(wrong.items()):
            with self.subTest(what):
                self.wrong(self.one, Code.INVALID_VERSION, self.session.sign(self.numbered(number, plaintext)))
        # None of the numbers was used up.
        for number in range(len(wrong)):
            self.session.number = number
            self.serves(self.one, self.session)


class ShortLives(WithNode):
    ARGUMENTS = ("--session-lifetime", "2s")

    def test_a_session_whose_life_is_over(self) -> None:
        peer = self.connected()
        session = peer.shake()
        self.assertEqual(session.agreed.lifetime_ms, 2_000)
        late = session.seal([peer.message(Type.HEARTBEAT)])
        time.sleep(2.1)
        with self.assertRaises(PeerRefused) as refused:
            peer.exchange(late)
        # The node forgets a session when its life is over; until it has, it says that.
        self.assertIn(refused.exception.code, (Code.SESSION_EXPIRED, Code.SESSION_NOT_FOUND))
        self.serves(peer, peer.shake())


if __name__ == "__main__":
    unittest.main()
