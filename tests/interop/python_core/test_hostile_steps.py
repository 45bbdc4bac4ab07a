"""Wrong steps of both handshakes: what a real node answers, and that the attempt stands as it stood. §3.8"""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable

import forge
from core import identity, six_step, three_way
from core.bodies import Type
from core.envelope import Kind
from core.errors import Code
from core.identity import Key
from core.session import Session
from core.suites import BLAKE3
from forge import ANOTHER_SESSION
from peer import Peer, PeerRefused, key_of
from setting import WithNode

# Points of order 1, 2 and 4, as keys of X25519 and of Ed25519.
LOW_ORDER_X25519 = bytes(32), bytes([1]) + bytes(31)
SMALL_ORDER_ED25519 = bytes([1]) + bytes(31), bytes(32), bytes([0xEC]) + b"\xff" * 30 + b"\x7f"
OTHER = Key(b"\x07" * 32)

Wrong = tuple[Code, Callable[[bytes, Key], bytes]]
"""What is made of the right step, and how it is refused."""


def entries(code: Code, **changes: object) -> Wrong:
    """Other entries in the envelope."""
    return code, lambda raw, key: forge.changed(raw, key, **changes)


def body(code: Code, **changes: object) -> Wrong:
    """Other entries in the body."""
    return code, lambda raw, key: forge.body(raw, key, **changes)


def any_step(step: int) -> dict[str, Wrong]:
    """What is wrong in each; where two things are, the one that is looked at first counts."""
    now = time.time_ns() // 1_000_000
    old = now - 61_000
    return {
        "a signature": (Code.INVALID_SIGNATURE, lambda raw, key: forge.spoiled(raw)),
        "another's signature": (Code.INVALID_SIGNATURE, lambda raw, key: forge.changed(raw, OTHER)),
        "a signature over BLAKE3": (Code.INVALID_SIGNATURE, lambda raw, key: forge.changed(raw, key, BLAKE3)),
        "the recipient": entries(Code.INVALID_SIGNATURE, recipient_id="else"),
        "the number": entries(Code.SEQUENCE_ERROR, sequence_num=step),
        "a session id": entries(Code.SESSION_NOT_FOUND, session_id=ANOTHER_SESSION),
        "too old": entries(Code.REPLAY_DETECTED, timestamp=old),
        "too new": entries(Code.REPLAY_DETECTED, timestamp=now + 600_000),
        "no body": entries(Code.INVALID_VERSION, payload=b""),
        "an unknown key": body(Code.INVALID_VERSION, more=1),
        "number, then recipient": entries(Code.SEQUENCE_ERROR, sequence_num=99, recipient_id="else"),
        "recipient, then session id": entries(
            Code.INVALID_SIGNATURE, recipient_id="else", session_id=ANOTHER_SESSION
        ),
        "session id, then time": entries(Code.SESSION_NOT_FOUND, session_id=ANOTHER_SESSION, timestamp=old),
        "time, then body": entries(Code.REPLAY_DETECTED, timestamp=old, payload=b""),
        "an answer as a request": entries(Code.INVALID_STATE, msg_type="ready"),
        "an error as a request": entries(Code.INVALID_STATE, msg_type="error"),
    }


class Steps(WithNode):
    def to_step(self, step: int, peer: Peer) -> tuple[six_step.Initiator, bytes]:
        """An attempt, and its step 1, 3 or 5, which was not sent yet."""
        attempt = six_step.Initiator(peer.me, key_of(peer.peer_id))
        raw = attempt.begin()
        if step > 1:
            raw = attempt.on_init_ack(peer.exchange(raw))
        if step > 3:
            raw = attempt.on_established(peer.exchange(raw))
        return attempt, raw

    def finish(self, peer: Peer, attempt: six_step.Initiator, raw: bytes) -> None:
        """The attempt was not disturbed."""
        answer = peer.exchange(raw)
        if answer.msg_type is Kind.HANDSHAKE_INIT_ACK:
            answer = peer.exchange(attempt.on_init_ack(answer))
        if answer.msg_type is Kind.SESSION_ESTABLISHED:
            answer = peer.exchange(attempt.on_established(answer))
        self.serves(peer, Session(peer.me, attempt.on_ready(answer)))

    def each(self, step: int, wrong: dict[str, Wrong], name: str = "") -> None:
        peer = self.connected(name)
        attempt, raw = self.to_step(step, peer)
        for what, (code, make) in wrong.items():
            with self.subTest(what):
                self.wrong(peer, code, make(raw, peer.key))
        self.finish(peer, attempt, raw)

    def test_step_1(self) -> None:
        node = key_of(self.node.address.rpartition("/")[2])
        wrong = {
            **any_step(1),
            "no common version": body(Code.INVALID_VERSION, versions=["1.0", "2"]),
            "no common suite": body(Code.INVALID_VERSION, cipher_suites=["x"]),
            "too many features": body(Code.INVALID_VERSION, features=[f"f{number}" for number in range(65)]),
            "a long name": body(Code.INVALID_VERSION, features=["f" * 65]),
            "another key": body(Code.INVALID_SIGNATURE, public_key=OTHER.public),
            "the node's own key": body(Code.INVALID_SIGNATURE, public_key=node),
            "another's derived id": entries(Code.INVALID_SIGNATURE, sender_id=identity.derived_id(OTHER.public)),
        }
        for at, point in enumerate(SMALL_ORDER_ED25519):
            wrong[f"a key of small order {at}"] = body(Code.INVALID_SIGNATURE, public_key=point)
        for at, point in enumerate(LOW_ORDER_X25519):
            wrong[f"a low-order ephemeral key {at}"] = body(Code.INVALID_SIGNATURE, ephemeral_key=point)
        # A peer may begin ten times at once; so several share what there is to try.
        names = list(wrong)
        for at in range(0, len(names), 8):
            self.each(1, {what: wrong[what] for what in names[at : at + 8]}, f"step 1, {at}")

    def test_step_3(self) -> None:
        signed = Key(b"\x08" * 32).sign(b"something else")
        wrong = {
            **any_step(3),
            "the sender": entries(Code.INVALID_SIGNATURE, sender_id="else"),
            "the transcript": body(Code.INVALID_SIGNATURE, transcript=bytes(32)),
            "the challenge's signature": body(Code.CHALLENGE_INVALID, challenge_signature=signed),
            "both signatures": (
                Code.INVALID_SIGNATURE,
                lambda raw, key: forge.spoiled(forge.body(raw, key, challenge_signature=signed)),
            ),
        }
        self.each(3, wrong)

    def test_step_5(self) -> None:
        wrong = {
            **any_step(5),
            "no session id": entries(Code.SESSION_NOT_FOUND, session_id=None),
            "the transcript": body(Code.INVALID_SIGNATURE, transcript=bytes(32)),
            "the MAC": body(Code.DECRYPTION_FAILED, mac=bytes(32)),
            "the body's session id": body(Code.SESSION_NOT_FOUND, session_id=ANOTHER_SESSION),
            "a session id that is no UUID": body(Code.INVALID_VERSION, session_id=bytes(16)),
        }
        self.each(5, wrong)

    def test_steps_out_of_order(self) -> None:
        peer = self.connected()
        attempt, third = self.to_step(3, peer)
        fifth = forge.changed(third, peer.key, msg_type="session_confirm", sequence_num=4)
        self.wrong(peer, Code.INVALID_STATE, fifth)
        fourth = peer.exchange(third)
        self.wrong(peer, Code.INVALID_STATE, third)
        sixth = peer.exchange(attempt.on_established(fourth))
        session = Session(peer.me, attempt.on_ready(sixth))
        self.wrong(peer, Code.INVALID_STATE, third)
        self.serves(peer, session)

    def test_a_first_step_that_is_played_again(self) -> None:
        peer = self.connected()
        sent: list[bytes] = []
        session = peer.shake(sent.append)
        self.wrong(peer, Code.REPLAY_DETECTED, sent[0])
        self.wrong(peer, Code.INVALID_STATE, sent[1])
        self.wrong(peer, Code.INVALID_STATE, sent[2])
        self.serves(peer, session)

    def test_another_peers_first_step(self) -> None:
        """Its key is not the connection's."""
        honest, thief = self.connected("honest"), self.connected("thief")
        _, stolen = self.to_step(1, honest)
        self.wrong(thief, Code.INVALID_SIGNATURE, stolen)
        self.serves(honest, honest.shake())
        self.serves(thief, thief.shake())

    def test_a_name_that_is_taken(self) -> None:
        first, second = self.connected("the name"), self.connected("the name")
        session = first.shake()
        refused = self.refused(Code.INVALID_SIGNATURE, second.shake)
        for peer in (first, second):
            self.assertIn(identity.fingerprint(peer.key.public), refused.body.detail)
        self.serves(first, session)

    def test_a_second_handshake_within_two_seconds(self) -> None:
        peer = self.connected()
        attempt, raw = self.to_step(3, peer)
        other = six_step.Initiator(peer.me, key_of(peer.peer_id))
        self.wrong(peer, Code.HANDSHAKE_IN_PROGRESS, other.begin())
        self.finish(peer, attempt, raw)

    def test_a_session_that_is_still_being_opened(self) -> None:
        peer = self.connected()
        attempt, fifth = self.to_step(5, peer)
        early = Session(peer.me, attempt.agreed(next_own=0, next_peers=1))
        self.refused(Code.ENCRYPTION_NOT_READY, lambda: peer.ask(early, [peer.message(Type.HEARTBEAT)]))
        self.finish(peer, attempt, fifth)

    def test_too_many_handshakes(self) -> None:
        peer = self.connected()
        session = peer.shake()
        for _ in range(9):
            self.wrong(peer, Code.REPLAY_DETECTED, self.old_first_step(peer))
        with self.assertRaises(PeerRefused) as limited:
            # Where it takes long there is another token now and then.
            for _ in range(20):
                self.replayed(peer)
        self.assertEqual(limited.exception.code, Code.RATE_LIMITED)
        later = limited.exception.body.retry_after_ms
        assert later is not None
        self.assertTrue(0 < later <= 12_001, "five a minute")
        self.serves(peer, session)

    def replayed(self, peer: Peer) -> None:
        try:
            peer.exchange(self.old_first_step(peer))
        except PeerRefused as refused:
            if refused.code is not Code.REPLAY_DETECTED:
                raise

    def old_first_step(self, peer: Peer) -> bytes:
        _, raw = self.to_step(1, peer)
        return forge.changed(raw, peer.key, timestamp=0)


class ThreeWaySteps(WithNode):
    ARGUMENTS = ("--three-way",)

    def test_wrong_confirmations(self) -> None:
        peer = self.connected()
        attempt = three_way.Initiator(peer.me, key_of(peer.peer_id))
        first = attempt.begin()
        third = attempt.on_ack(peer.exchange(first))
        key = peer.key
        wrong = {
            "a signature": (Code.INVALID_SIGNATURE, forge.spoiled(third)),
            "the transcript": (Code.INVALID_SIGNATURE, forge.body(third, key, transcript=bytes(32))),
            "the MAC": (Code.DECRYPTION_FAILED, forge.body(third, key, mac=bytes(32))),
            "the body's session id": (Code.SESSION_NOT_FOUND, forge.body(third, key, session_id=ANOTHER_SESSION)),
            "no session id": (Code.SESSION_NOT_FOUND, forge.changed(third, key, session_id=None)),
            "the number": (Code.SEQUENCE_ERROR, forge.changed(third, key, sequence_num=4)),
            "a step of the other handshake": (
                Code.INVALID_STATE,
                forge.changed(third, key, msg_type="session_confirm", sequence_num=4),
            ),
        }
        for what, (code, raw) in wrong.items():
            with self.subTest(what):
                self.wrong(peer, code, raw)
        session = Session(peer.me, attempt.session())
        session.open(peer.exchange(third))
        self.serves(peer, session)
        self.wrong(peer, Code.INVALID_STATE, third)
        self.wrong(peer, Code.REPLAY_DETECTED, first)


if __name__ == "__main__":
    unittest.main()
