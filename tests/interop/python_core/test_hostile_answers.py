"""A real node begins, and is answered wrongly: it opens no such session, and goes on. §3.8, §3.9, §4.5"""

from __future__ import annotations

import json
import subprocess
import unittest
from collections.abc import Callable

from nodes import PROGRAM

import forge
from core.envelope import Envelope, Kind
from core.errors import Code
from core.identity import Key
from forge import ANOTHER_SESSION
from peer import Peer
from setting import WithNode

OTHER = Key(b"\x07" * 32)
Make = Callable[[bytes, Key], bytes]


def body(**changes: object) -> Make:
    return lambda raw, key: forge.body(raw, key, **changes)


def entries(**changes: object) -> Make:
    return lambda raw, key: forge.changed(raw, key, **changes)


def spoiled(raw: bytes, key: Key) -> bytes:
    return forge.spoiled(raw)


class Answers(WithNode):
    def spoiling(self, kind: Kind, what: str, make: Make, times: int) -> Peer:
        """A peer whose first answers of this kind are wrong."""
        peer = self.peer(f"{kind}, {what}", three_way=True)
        left = times

        def spoil(raw: bytes) -> bytes:
            nonlocal left
            if left == 0 or Envelope.decode(raw).msg_type is not kind:
                return raw
            left -= 1
            # Forgotten, so that the next attempt need not wait until this one was left alone for long enough.
            for known in peer.endpoint.known.values():
                known.peers = None
            return make(raw, peer.key)

        peer.spoil = spoil
        return peer

    def final(self, kind: Kind, wrong: dict[str, tuple[Code, Make]]) -> None:
        """The node gives up, and says why. Asked again, it opens a session."""
        for what, (code, make) in wrong.items():
            with self.subTest(what):
                peer = self.spoiling(kind, what, make, times=1)
                command = [PROGRAM, "--json", "--data-dir", str(self.node.dir), "connect", peer.bridge.address]
                failed = subprocess.run(command, capture_output=True, text=True, timeout=60)
                self.assertEqual(failed.returncode, 6, failed.stdout)
                self.assertEqual(json.loads(failed.stdout or failed.stderr)["error"]["code"], code)
                self.meets(peer, 2)

    def passing(self, kind: Kind, wrong: dict[str, Make]) -> None:
        """The node tries again by itself."""
        for what, make in wrong.items():
            with self.subTest(what):
                self.meets(self.spoiling(kind, what, make, times=1), 2)

    def meets(self, peer: Peer, attempts: int) -> None:
        met = self.node.run("connect", peer.bridge.address)
        self.assertIn(met["session"]["state"], ("READY", "ACTIVE"))
        begun = [kind for kind in peer.requests if kind in (Kind.HANDSHAKE_INIT, Kind.HANDSHAKE)]
        self.assertEqual(len(begun), attempts)


class SixStep(Answers):
    def test_step_2(self) -> None:
        wrong = {
            "another suite": (Code.INVALID_VERSION, body(suite="x")),
            "another version": (Code.INVALID_VERSION, body(version="1.0")),
            "a feature that was not offered": (Code.INVALID_VERSION, body(features=["x"])),
            "a challenge that lives too long": (Code.INVALID_VERSION, body(challenge_lifetime_ms=300_001)),
            "another key": (Code.INVALID_SIGNATURE, body(public_key=OTHER.public)),
            "another's derived id": (Code.INVALID_SIGNATURE, entries(sender_id="ent-" + "a" * 16)),
            "another recipient": (Code.INVALID_SIGNATURE, entries(recipient_id="else")),
            "a low-order ephemeral key": (Code.INVALID_SIGNATURE, body(ephemeral_key=bytes(32))),
        }
        self.final(Kind.HANDSHAKE_INIT_ACK, wrong)
        passing = {
            "another transcript": body(transcript=bytes(32)),
            "a signature": spoiled,
            "an old one": entries(timestamp=1),
            "another number": entries(sequence_num=0),
        }
        self.passing(Kind.HANDSHAKE_INIT_ACK, passing)

    def test_step_4(self) -> None:
        wrong = {
            "another MAC": (Code.DECRYPTION_FAILED, body(mac=bytes(32))),
            "a short life": (Code.INVALID_VERSION, body(lifetime_ms=999)),
            "a long life": (Code.INVALID_VERSION, body(lifetime_ms=86_400_001)),
        }
        self.final(Kind.SESSION_ESTABLISHED, wrong)
        passing = {
            "another session id": body(session_id=ANOTHER_SESSION),
            "no session id": entries(session_id=None),
            "a signature": spoiled,
        }
        self.passing(Kind.SESSION_ESTABLISHED, passing)

    def test_step_6(self) -> None:
        self.final(Kind.READY, {"another record": (Code.DECRYPTION_FAILED, body(record=bytes(48)))})
        passing = {
            "another transcript": body(transcript=bytes(32)),
            "another session id": entries(session_id=ANOTHER_SESSION),
            "a signature": spoiled,
        }
        self.passing(Kind.READY, passing)


class ThreeWay(Answers):
    ARGUMENTS = ("--three-way",)

    def test_message_2(self) -> None:
        wrong = {
            "another MAC": (Code.DECRYPTION_FAILED, body(mac=bytes(32))),
            "a short MAC": (Code.INVALID_VERSION, body(mac=bytes(31))),
            "another suite": (Code.INVALID_VERSION, body(suite="x")),
            "another key": (Code.INVALID_SIGNATURE, body(public_key=OTHER.public)),
            "a short life": (Code.INVALID_VERSION, body(lifetime_ms=999)),
        }
        self.final(Kind.HANDSHAKE_ACK, wrong)
        passing = {
            "another transcript": body(transcript=bytes(32)),
            "another session id": body(session_id=ANOTHER_SESSION),
            "a signature": spoiled,
        }
        self.passing(Kind.HANDSHAKE_ACK, passing)


if __name__ == "__main__":
    unittest.main()
