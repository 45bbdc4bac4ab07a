"""What a real node answers to what is wrong, in which order it looks, and that it goes on serving. §2.5, §3.8, §5.2, §15"""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable

import forge
from bridge import NoStream
from core import batch, cbor, identity, kdf, six_step, three_way
from core.bodies import Type
from core.envelope import MAX_ENVELOPE, Draft, Envelope, Kind
from core.errors import Code, ErrorBody
from core.framing import SESSION_PROTOCOL, Frame, FrameKind, Violation, frame
from core.identity import Key
from core.session import Session
from core.suites import BLAKE3, SHA256
from peer import Peer, PeerRefused, SessionStream, Unanswered, key_of
from setting import WithNode

# Points of order 1, 2 and 4, as keys of X25519 and of Ed25519.
LOW_ORDER_X25519 = (bytes(32), bytes([1]) + bytes(31))
SMALL_ORDER_ED25519 = (bytes([1]) + bytes(31), bytes(32), bytes([0xEC]) + b"\xff" * 30 + b"\x7f")
ANOTHER_SESSION = bytes.fromhex("0123456789ab4def8123456789abcdef")


class Hostile(WithNode):
    def in_reply_to_nothing(self, code: Code, answer: bytes, peer: Peer) -> None:
        """An error for bytes of which not even the nonce could be read."""
        envelope = Envelope.decode(answer)
        self.assertEqual(envelope.msg_type, Kind.ERROR)
        envelope.check_signature(identity_of(peer))
        self.assertEqual(envelope.recipient_id, identity.derived_id(peer.key.public))
        body = ErrorBody.decode(envelope.payload)
        self.assertEqual((body.code, body.in_reply_to), (code, None), body.detail)


def identity_of(peer: Peer) -> bytes:
    """The key of the node that it is connected to."""
    return key_of(peer.peer_id)


class Steps(Hostile):
    """Wrong steps of the six-step handshake. After each the right one is still accepted."""

    def to_step(self, step: int, peer: Peer) -> tuple[six_step.Initiator, bytes]:
        """An attempt, and its step 1, 3 or 5, which was not sent yet."""
        attempt = six_step.Initiator(peer.me, identity_of(peer))
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

    def each(self, step: int, wrong: dict[str, tuple[Code, Callable[[bytes, Key], bytes]]]) -> None:
        peer = self.connected()
        attempt, raw = self.to_step(step, peer)
        for what, (code, make) in wrong.items():
            with self.subTest(what):
                self.refused(code, lambda: peer.exchange(make(raw, peer.key)))
        self.finish(peer, attempt, raw)

    def any_step(self, step: int, kind: Kind) -> dict[str, tuple[Code, Callable[[bytes, Key], bytes]]]:
        """What is wrong in any step, by the codes that are looked for first."""
        now = time.time_ns() // 1_000_000
        other = Key(b"\x07" * 32)
        return {
            "a signature": (Code.INVALID_SIGNATURE, lambda raw, key: forge.spoiled(raw)),
            "another's signature": (Code.INVALID_SIGNATURE, lambda raw, key: forge.changed(raw, other)),
            "a signature over BLAKE3": (Code.INVALID_SIGNATURE, lambda raw, key: forge.changed(raw, key, BLAKE3)),
            "the recipient": (Code.INVALID_SIGNATURE, lambda raw, key: forge.changed(raw, key, recipient_id="else")),
            "the number": (Code.SEQUENCE_ERROR, lambda raw, key: forge.changed(raw, key, sequence_num=step)),
            "a session id": (Code.SESSION_NOT_FOUND, lambda raw, key: forge.changed(raw, key, session_id=ANOTHER_SESSION)),
            "too old": (Code.REPLAY_DETECTED, lambda raw, key: forge.changed(raw, key, timestamp=now - 61_000)),
            "too new": (Code.REPLAY_DETECTED, lambda raw, key: forge.changed(raw, key, timestamp=now + 75_000)),
            "no body": (Code.INVALID_VERSION, lambda raw, key: forge.changed(raw, key, payload=b"")),
            "an unknown key": (Code.INVALID_VERSION, lambda raw, key: forge.body(raw, key, more=1)),
            "number before recipient": (
                Code.SEQUENCE_ERROR,
                lambda raw, key: forge.changed(raw, key, sequence_num=99, recipient_id="else"),
            ),
            "recipient before time": (
                Code.INVALID_SIGNATURE,
                lambda raw, key: forge.changed(raw, key, recipient_id="else", timestamp=now - 61_000),
            ),
            "time before body": (
                Code.REPLAY_DETECTED,
                lambda raw, key: forge.changed(raw, key, timestamp=now - 61_000, payload=b""),
            ),
            "an answer as a request": (Code.INVALID_STATE, lambda raw, key: forge.changed(raw, key, msg_type="ready")),
            "an error as a request": (Code.INVALID_STATE, lambda raw, key: forge.changed(raw, key, msg_type="error")),
        }

    def test_step_1(self) -> None:
        many = [f"f{number}" for number in range(65)]
        # Five first steps a minute, ten at once: three peers share what there is to try.
        wrong = {
            **self.any_step(1, Kind.HANDSHAKE_INIT),
            "no common version": (Code.INVALID_VERSION, lambda raw, key: forge.body(raw, key, versions=["1.0", "2"])),
            "no common suite": (Code.INVALID_VERSION, lambda raw, key: forge.body(raw, key, cipher_suites=["x"])),
            "too many features": (Code.INVALID_VERSION, lambda raw, key: forge.body(raw, key, features=many)),
            "a long name": (Code.INVALID_VERSION, lambda raw, key: forge.body(raw, key, features=["f" * 65])),
            "another key": (
                Code.INVALID_SIGNATURE,
                lambda raw, key: forge.body(raw, key, public_key=Key(b"\x08" * 32).public),
            ),
            "the node's own key": (
                Code.INVALID_SIGNATURE,
                lambda raw, key: forge.body(raw, key, public_key=self.node_key()),
            ),
            **{
                f"a key of small order {at}": (
                    Code.INVALID_SIGNATURE,
                    lambda raw, key, point=point: forge.body(raw, key, public_key=point),
                )
                for at, point in enumerate(SMALL_ORDER_ED25519)
            },
            **{
                f"a low-order ephemeral key {at}": (
                    Code.INVALID_SIGNATURE,
                    lambda raw, key, point=point: forge.body(raw, key, ephemeral_key=point),
                )
                for at, point in enumerate(LOW_ORDER_X25519)
            },
            "another's derived id": (
                Code.INVALID_SIGNATURE,
                lambda raw, key: forge.changed(raw, key, sender_id=identity.derived_id(b"\x01" * 32)),
            ),
        }
        names = list(wrong)
        for at in range(0, len(names), 8):
            with self.subTest(part=at):
                peer = self.connected(f"step 1, {at}")
                attempt, raw = self.to_step(1, peer)
                for what in names[at : at + 8]:
                    code, make = wrong[what]
                    with self.subTest(what):
                        self.refused(code, lambda: peer.exchange(make(raw, peer.key)))
                self.finish(peer, attempt, raw)

    def node_key(self) -> bytes:
        return key_of(self.node.address.rpartition("/")[2])

    def test_step_3(self) -> None:
        self.each(
            3,
            {
                **self.any_step(3, Kind.CHALLENGE_RESPONSE),
                "the sender": (Code.INVALID_SIGNATURE, lambda raw, key: forge.changed(raw, key, sender_id="else")),
                "the transcript": (
                    Code.INVALID_SIGNATURE,
                    lambda raw, key: forge.body(raw, key, transcript=bytes(32)),
                ),
                "the challenge's signature": (
                    Code.CHALLENGE_INVALID,
                    lambda raw, key: forge.body(raw, key, challenge_signature=key.sign(b"something else")),
                ),
                "both signatures": (
                    Code.INVALID_SIGNATURE,
                    lambda raw, key: forge.spoiled(forge.body(raw, key, challenge_signature=bytes(64))),
                ),
            },
        )

    def test_step_5(self) -> None:
        self.each(
            5,
            {
                **self.any_step(5, Kind.SESSION_CONFIRM),
                "no session id": (
                    Code.SESSION_NOT_FOUND,
                    lambda raw, key: forge.changed(raw, key, session_id=None),
                ),
                "the transcript": (
                    Code.INVALID_SIGNATURE,
                    lambda raw, key: forge.body(raw, key, transcript=bytes(32)),
                ),
                "the MAC": (Code.DECRYPTION_FAILED, lambda raw, key: forge.body(raw, key, mac=bytes(32))),
                "the body's session id": (
                    Code.SESSION_NOT_FOUND,
                    lambda raw, key: forge.body(raw, key, session_id=ANOTHER_SESSION),
                ),
                "a session id that is no UUID": (
                    Code.INVALID_VERSION,
                    lambda raw, key: forge.body(raw, key, session_id=bytes(16)),
                ),
            },
        )

    def test_steps_out_of_order(self) -> None:
        peer = self.connected()
        attempt, third = self.to_step(3, peer)
        fifth = forge.changed(third, peer.key, msg_type="session_confirm", sequence_num=4)
        self.refused(Code.INVALID_STATE, lambda: peer.exchange(fifth))
        fourth = peer.exchange(third)
        self.refused(Code.INVALID_STATE, lambda: peer.exchange(third))
        sixth = peer.exchange(attempt.on_established(fourth))
        session = Session(peer.me, attempt.on_ready(sixth))
        self.refused(Code.INVALID_STATE, lambda: peer.exchange(third))
        self.serves(peer, session)

    def test_a_first_step_that_is_played_again(self) -> None:
        peer = self.connected()
        sent: list[bytes] = []
        session = peer.shake(lambda raw: sent.append(raw) or raw)
        self.refused(Code.REPLAY_DETECTED, lambda: peer.exchange(sent[0]))
        self.refused(Code.INVALID_STATE, lambda: peer.exchange(sent[1]))
        self.refused(Code.INVALID_STATE, lambda: peer.exchange(sent[2]))
        self.serves(peer, session)

    def test_another_peers_first_step(self) -> None:
        """Its key is not the connection's."""
        honest, thief = self.connected("honest"), self.connected("thief")
        _, stolen = self.to_step(1, honest)
        self.refused(Code.INVALID_SIGNATURE, lambda: thief.exchange(stolen))
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
        other = six_step.Initiator(peer.me, identity_of(peer))
        self.refused(Code.HANDSHAKE_IN_PROGRESS, lambda: peer.exchange(other.begin()))
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
            self.refused(Code.REPLAY_DETECTED, lambda: peer.exchange(self.old_first_step(peer)))
        limited = self.refused(Code.RATE_LIMITED, lambda: peer.exchange(self.old_first_step(peer)))
        later = limited.body.retry_after_ms
        assert later is not None
        self.assertTrue(0 < later <= 12_001, "five a minute")
        self.serves(peer, session)

    def old_first_step(self, peer: Peer) -> bytes:
        _, raw = self.to_step(1, peer)
        return forge.changed(raw, peer.key, timestamp=0)


class ThreeWaySteps(Hostile):
    ARGUMENTS = ("--three-way",)

    def test_wrong_confirmations(self) -> None:
        peer = self.connected()
        attempt = three_way.Initiator(peer.me, identity_of(peer))
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
                self.refused(code, lambda: peer.exchange(raw))
        session = Session(peer.me, attempt.session())
        session.open(peer.exchange(third))
        self.serves(peer, session)
        self.refused(Code.INVALID_STATE, lambda: peer.exchange(third))
        self.refused(Code.REPLAY_DETECTED, lambda: peer.exchange(first))


class Records(Hostile):
    """Wrong sealed envelopes. After each the session is as it was."""

    def setUp(self) -> None:
        self.one = self.connected()
        self.session = self.one.shake()
        self.key, self.prehash = self.one.key, self.session.agreed.suite.prehash
        self.addCleanup(lambda: self.serves(self.one, self.session))

    def sealed(self) -> bytes:
        return self.session.seal([self.one.message(Type.HEARTBEAT)])

    def wrong(self, code: Code, raw: bytes) -> None:
        self.refused(code, lambda: self.one.exchange(raw))

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
        self.wrong(Code.REPLAY_DETECTED, raw)
        self.wrong(Code.SEQUENCE_ERROR, self.changed(raw, nonce=self.one.me.random(16)))

    def test_numbers_outside_the_window(self) -> None:
        self.session.number = 5_000
        self.serves(self.one, self.session)
        for number in (0, 100, 5_000 - 2_048):
            self.wrong(Code.SEQUENCE_ERROR, self.session.sign(self.numbered(number)))
        # The oldest that is still within.
        self.session.open(self.one.exchange(self.session.sign(self.numbered(5_000 - 2_047))))
        self.wrong(Code.SEQUENCE_ERROR, self.session.sign(self.numbered(5_000)))
        for number in (2**24, 2**64 - 1):
            self.wrong(Code.SEQUENCE_ERROR, self.session.sign(self.numbered(number)))

    def test_names_and_times(self) -> None:
        raw, now = self.sealed(), self.one.me.now()
        self.wrong(Code.INVALID_SIGNATURE, self.changed(raw, recipient_id="else"))
        self.wrong(Code.INVALID_SIGNATURE, self.changed(raw, sender_id="else"))
        self.wrong(Code.REPLAY_DETECTED, self.changed(raw, timestamp=now - 61_000))
        self.wrong(Code.REPLAY_DETECTED, self.changed(raw, timestamp=now + 75_000))
        self.session.open(self.one.exchange(raw))

    def test_sessions(self) -> None:
        raw = self.sealed()
        unknown = self.one.me.draw_uuid()
        self.wrong(Code.SESSION_NOT_FOUND, self.changed(raw, session_id=unknown))
        self.wrong(Code.SESSION_NOT_FOUND, self.changed(raw, session_id=None))
        other = self.connected("another peer")
        theirs = other.shake()
        stolen = forge.changed(raw, other.key, self.prehash, sender_id=other.me.name)
        self.refused(Code.SESSION_NOT_FOUND, lambda: other.exchange(stolen))
        self.serves(other, theirs)
        self.session.open(self.one.exchange(raw))

    def test_ciphertexts(self) -> None:
        raw = self.sealed()
        payload = cbor.decode(raw)["payload"]
        self.wrong(Code.DECRYPTION_FAILED, self.changed(raw, payload=forge.flipped(payload)))
        self.wrong(Code.DECRYPTION_FAILED, self.changed(raw, payload=forge.flipped(payload, -1)))
        self.wrong(Code.DECRYPTION_FAILED, self.changed(raw, payload=b""))
        self.wrong(Code.DECRYPTION_FAILED, self.changed(raw, nonce=self.one.me.random(16)))
        self.wrong(Code.DECRYPTION_FAILED, self.changed(raw, timestamp=cbor.decode(raw)["timestamp"] + 1))
        self.session.open(self.one.exchange(raw))

    def test_signatures(self) -> None:
        """Looked at last; the number is free afterwards."""
        raw = self.sealed()
        self.wrong(Code.INVALID_SIGNATURE, forge.spoiled(raw))
        self.wrong(Code.INVALID_SIGNATURE, forge.changed(raw, Key(b"\x07" * 32), self.prehash))
        self.wrong(Code.INVALID_SIGNATURE, forge.changed(raw, self.key, SHA256))
        self.session.open(self.one.exchange(raw))

    def test_a_signature_over_blake3_where_the_suite_has_sha256(self) -> None:
        peer = self.connected("sha256", suites=("AES-256-GCM",))
        session = peer.shake()
        raw = session.seal([peer.message(Type.HEARTBEAT)])
        self.refused(Code.INVALID_SIGNATURE, lambda: peer.exchange(forge.changed(raw, peer.key, BLAKE3)))
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
                self.wrong(Code.INVALID_VERSION, self.session.sign(self.numbered(number, plaintext)))
        # None of the numbers was used up.
        for number in range(len(wrong)):
            self.session.number = number
            self.serves(self.one, self.session)


class ShortLives(Hostile):
    ARGUMENTS = ("--session-lifetime", "1s")

    def test_a_session_whose_life_is_over(self) -> None:
        peer = self.connected()
        session = peer.shake()
        self.assertEqual(session.agreed.lifetime_ms, 1_000)
        late = session.seal([peer.message(Type.HEARTBEAT)])
        time.sleep(1.1)
        with self.assertRaises(PeerRefused) as refused:
            peer.exchange(late)
        # The node forgets a session when its life is over; until it has, it says that.
        self.assertIn(refused.exception.code, (Code.SESSION_EXPIRED, Code.SESSION_NOT_FOUND))
        self.serves(peer, peer.shake())


class Bytes(Hostile):
    """What is no envelope, and no frame. Errors name nothing, since nothing could be read."""

    def setUp(self) -> None:
        self.one = self.connected()
        self.session = self.one.shake()
        self.addCleanup(lambda: self.serves(self.one, self.session))

    def no_envelope(self, data: bytes, code: Code = Code.INVALID_VERSION) -> None:
        self.in_reply_to_nothing(code, self.one.raw(frame(data)), self.one)

    def test_frames(self) -> None:
        raw = self.session.seal([self.one.message(Type.HEARTBEAT)])
        for cut in (b"", b"\x00", frame(raw)[:3], frame(raw)[:4], frame(raw)[:-1]):
            with self.subTest(cut=len(cut)), self.assertRaises(Unanswered):
                self.one.raw(cut)
        self.no_envelope(b"")
        self.no_envelope(raw[:-1])
        self.no_envelope(raw + b"\x00")
        self.session.open(self.one.exchange(raw))

    def test_frames_that_are_too_long(self) -> None:
        longer = frame(bytes(MAX_ENVELOPE + 1))
        self.in_reply_to_nothing(Code.INVALID_VERSION, self.one.raw(longer), self.one)
        # What is announced is neither waited for nor set aside.
        self.in_reply_to_nothing(Code.INVALID_VERSION, self.one.raw(b"\xff\xff\xff\xff" + bytes(1000)), self.one)

    def test_encodings(self) -> None:
        """The same envelope in other bytes. §2.2"""
        raw = self.session.seal([self.one.message(Type.HEARTBEAT)])
        entries = cbor.decode(raw)
        count, rest = raw[0] & 31, raw[1:]
        pairs = [(cbor.encode(key), cbor.encode(value)) for key, value in sorted(
            entries.items(), key=lambda entry: cbor.encode(entry[0]))]
        self.assertEqual(rest, b"".join(key + value for key, value in pairs))

        def joined(pairs: list[tuple[bytes, bytes]]) -> bytes:
            return bytes([0xA0 + len(pairs)]) + b"".join(key + value for key, value in pairs)

        def with_value(name: str, value: bytes) -> bytes:
            return joined([(key, value if key == cbor.encode(name) else old) for key, old in pairs])

        number = entries["sequence_num"]
        wrong = {
            "a longer head": b"\xb8" + bytes([count]) + rest,
            "an indefinite map": b"\xbf" + rest + b"\xff",
            "keys out of order": joined(pairs[1:] + pairs[:1]),
            "a key twice": joined(pairs[:1] + pairs),
            "an unknown key": joined(sorted([*pairs, (cbor.encode("zz"), b"\x01")])),
            "a missing key": joined(pairs[1:]),
            "a longer number": with_value("sequence_num", b"\x18" + bytes([number])),
            "a float": with_value("sequence_num", b"\xf9\x00\x00"),
            "a negative number": with_value("sequence_num", b"\x20"),
            "null": with_value("sequence_num", b"\xf6"),
            "a tag": with_value("nonce", b"\xc2" + cbor.encode(entries["nonce"])),
            "text that is not UTF-8": with_value("sender_id", b"\x62\xff\xfe"),
            "text in place of bytes": with_value("nonce", cbor.encode("n" * 16)),
            "bytes in pieces": with_value("nonce", b"\x5f" + cbor.encode(entries["nonce"]) + b"\xff"),
            "a long nonce": with_value("nonce", cbor.encode(bytes(17))),
            "a short signature": with_value("signature", cbor.encode(bytes(63))),
            "another version": with_value("version", cbor.encode("1.2")),
            "an unknown kind": with_value("msg_type", cbor.encode("task")),
            "a session id of another variant": with_value("session_id", cbor.encode(bytes(16))),
            "an empty name": with_value("sender_id", cbor.encode("")),
            "a name that is an address": with_value("sender_id", cbor.encode("/ip4/127.0.0.1")),
            "a name that is not in form C": with_value("sender_id", cbor.encode("e\u0301")),
            "deep nesting": with_value("payload", b"\x81" * 9 + b"\x01"),
        }
        for what, data in wrong.items():
            with self.subTest(what):
                self.no_envelope(data)
        for flag in (b"\xf4", None):
            with self.subTest(flag=flag):
                kept = [(key, value) for key, value in pairs if key != cbor.encode("encrypted")]
                data = with_value("encrypted", flag) if flag else joined(kept)
                self.no_envelope(data, Code.ENCRYPTION_REQUIRED)
        self.session.open(self.one.exchange(raw))

    def test_a_flag_on_a_handshake(self) -> None:
        raw = six_step.Initiator(self.one.me, identity_of(self.one)).begin()
        for flag in (True, False):
            self.no_envelope(forge.changed(raw, self.one.key, encrypted=flag), Code.ENCRYPTION_REQUIRED)

    def test_a_long_envelope_that_is_not_sealed(self) -> None:
        raw = six_step.Initiator(self.one.me, identity_of(self.one)).begin()
        self.no_envelope(forge.changed(raw, self.one.key, payload=bytes(16_384)))


class Streams(Hostile):
    """Violations of §14.4 end the stream, and nothing else."""

    def setUp(self) -> None:
        self.one = self.connected()
        self.session = self.one.shake()
        self.addCleanup(lambda: self.serves(self.one, self.session))

    def beat(self) -> bytes:
        return self.session.seal([self.one.message(Type.HEARTBEAT)])

    def ends(self, *frames: bytes) -> None:
        """The stream does, and a new one can be had."""
        stream = SessionStream(self.one)
        stream.stream.write(b"".join(frames))
        with self.assertRaises((EOFError, NoStream)):
            stream.answer()
        stream.stream.drop()
        beat = self.one.message(Type.HEARTBEAT)
        again = SessionStream(self.one)
        self.assertEqual(len(again.ask(self.session, [beat])), 2)
        again.stream.drop()

    def request(self, number: int, body: bytes) -> bytes:
        return Frame(FrameKind.REQUEST, number, body).encode()

    def test_violations(self) -> None:
        init = six_step.Initiator(self.one.me, identity_of(self.one)).begin()
        wrong = {
            "a number that is not the next": self.request(1, self.beat()),
            "an answer": Frame(FrameKind.ANSWER, 0, self.beat()).encode(),
            "a credit": Frame(FrameKind.CREDIT, 0, bytes(8)).encode(),
            "an unknown kind": b"\x00\x00\x00\x00\x09\x00\x00\x00\x00",
            "too long": (MAX_ENVELOPE + 1).to_bytes(4, "big") + b"\x01\x00\x00\x00\x00",
            "not sealed": self.request(0, init),
        }
        for what, data in wrong.items():
            with self.subTest(what):
                self.ends(data)

    def test_what_is_no_envelope_is_answered(self) -> None:
        stream = SessionStream(self.one)
        stream.send(b"nonsense")
        answer = stream.answer()
        self.assertEqual(answer.kind, FrameKind.ANSWER)
        self.in_reply_to_nothing(Code.INVALID_VERSION, answer.body, self.one)
        number = stream.send(forge.spoiled(self.beat()))
        refused = stream.answer()
        self.assertEqual(refused.id, number)
        body = ErrorBody.decode(Envelope.decode(refused.body).payload)
        self.assertEqual(body.code, Code.INVALID_SIGNATURE)
        stream.ask(self.session, [self.one.message(Type.HEARTBEAT)])

    def test_a_stream_without_a_session(self) -> None:
        stranger = self.connected("stranger")
        with self.assertRaises((EOFError, NoStream)):
            SessionStream(stranger)
        self.assertEqual(stranger.bridge.open(self.one.peer_id, SESSION_PROTOCOL).protocol, SESSION_PROTOCOL)
        self.serves(stranger, stranger.shake())


if __name__ == "__main__":
    unittest.main()
