"""What is no envelope, no frame, or against the rules of a session stream. §2.2, §2.5, §14"""

from __future__ import annotations

import unittest

import forge
from bridge import NoStream
from core import cbor, six_step
from core.bodies import Type
from core.envelope import MAX_ENVELOPE, Envelope
from core.errors import Code, ErrorBody
from core.framing import SESSION_PROTOCOL, Frame, FrameKind, frame
from core.identity import fingerprint
from peer import SessionStream, Unanswered, key_of, receipts
from setting import WithNode


class Bytes(WithNode):
    """What is no envelope, and no frame. Errors name nothing, since nothing could be read."""

    def setUp(self) -> None:
        self.one = self.connected()
        self.session = self.one.shake()
        self.addCleanup(lambda: self.serves(self.one, self.session))

    def no_envelope(self, data: bytes, code: Code = Code.INVALID_VERSION) -> None:
        self.in_reply_to_nothing(self.one, code, self.one.raw(frame(data)))

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
        self.in_reply_to_nothing(self.one, Code.INVALID_VERSION, self.one.raw(longer))
        # What is announced is neither waited for nor set aside.
        self.in_reply_to_nothing(self.one, Code.INVALID_VERSION, self.one.raw(b"\xff\xff\xff\xff" + bytes(1000)))

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
        raw = six_step.Initiator(self.one.me, key_of(self.one.peer_id)).begin()
        for flag in (True, False):
            self.no_envelope(forge.changed(raw, self.one.key, encrypted=flag), Code.ENCRYPTION_REQUIRED)

    def test_a_long_envelope_that_is_not_sealed(self) -> None:
        raw = six_step.Initiator(self.one.me, key_of(self.one.peer_id)).begin()
        self.no_envelope(forge.changed(raw, self.one.key, payload=bytes(16_384)))


class Streams(WithNode):
    """Violations of §14.4 end the stream, and nothing else."""

    def setUp(self) -> None:
        self.one = self.connected()
        self.session = self.one.shake()
        self.addCleanup(lambda: self.serves(self.one, self.session))

    def beat(self) -> bytes:
        return self.session.seal([self.one.message(Type.HEARTBEAT)])

    def task(self) -> bytes:
        return self.session.seal([self.one.message(Type.TASK, content=b"x", content_type="text/plain")])

    def ends(self, *frames: bytes) -> None:
        """The stream does, and a new one can be had."""
        stream = SessionStream(self.one)
        stream.stream.write(b"".join(frames))
        with self.assertRaises((EOFError, NoStream)):
            stream.answer()
        stream.stream.drop()
        beat = self.one.message(Type.HEARTBEAT)
        again = SessionStream(self.one)
        self.assertEqual(receipts(again.ask(self.session, [beat])), {beat.id: "received"})
        again.stream.drop()

    def request(self, number: int, body: bytes) -> bytes:
        return Frame(FrameKind.REQUEST, number, body).encode()

    def test_violations(self) -> None:
        init = six_step.Initiator(self.one.me, key_of(self.one.peer_id)).begin()
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

    def test_more_than_was_granted(self) -> None:
        """The answer to a task is held back for 100 ms (§7.3). A node that is slower may answer all of these."""
        # So that no rate answers them at once.
        self.node.run("trust", "pin", self.one.me.name, fingerprint(self.one.key.public))
        for _ in range(10):
            stream = SessionStream(self.one)
            stream.stream.write(b"".join(self.request(number, self.task()) for number in range(33)))
            stream.account.open = dict.fromkeys(range(33), 0)
            try:
                for _ in range(33):
                    stream.answer()
            except (EOFError, NoStream):
                return
            stream.stream.drop()
        self.fail("all were answered")

    def test_what_is_no_envelope_is_answered(self) -> None:
        stream = SessionStream(self.one)
        stream.send(b"nonsense")
        answer = stream.answer()
        self.assertEqual(answer.kind, FrameKind.ANSWER)
        self.in_reply_to_nothing(self.one, Code.INVALID_VERSION, answer.body)
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
