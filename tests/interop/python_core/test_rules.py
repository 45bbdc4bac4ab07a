"""Rules of the core that bytes on a connection reach badly: windows, floors, trust, order, credit."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from dataclasses import replace

from core import bodies, cbor, identity, kdf, order
from core.batch import Message, Order
from core.bodies import Type
from core.cbor import Malformed
from core.errors import Code, Refused
from core.framing import Answerer, Frame, FrameKind, Opener, Violation, credit
from core.identity import Key
from core.inbox import Inbox, check
from core.replay import MAX_NONCES, ReplayGuard
from core.session import Window
from core.trust import TrustStore

STREAM, NEXT_STREAM = (bytes([n] * 6 + [0x40, n, 0x80] + [n] * 7) for n in (1, 2))


class Rules(unittest.TestCase):
    def refused(self, code: Code, what: Callable[[], object]) -> None:
        with self.assertRaises(Refused) as refused:
            what()
        self.assertEqual(refused.exception.code, code)


class Bounds(Rules):
    def test_the_window(self) -> None:
        window = Window()
        for number in (0, 5, 3):
            window.check(number)
            window.mark(number)
            self.refused(Code.SEQUENCE_ERROR, lambda number=number: window.check(number))  # type: ignore[misc]
        window.mark(3_000)
        window.check(3_001 - 2_048)
        self.refused(Code.SEQUENCE_ERROR, lambda: window.check(3_000 - 2_048))
        window.check(2**24 - 1)
        self.refused(Code.SEQUENCE_ERROR, lambda: window.check(2**24))
        for number in range(3_001, 9_000):
            window.mark(number)
        self.assertLessEqual(len(window.marked), 2_048)

    def nonce(self, number: int) -> bytes:
        return number.to_bytes(16, "big")

    def test_nonces_that_had_to_be_forgotten(self) -> None:
        guard, now = ReplayGuard(), 10_000_000
        for number in range(MAX_NONCES):
            guard.remember(self.nonce(number), now + number, now)
        guard.check(self.nonce(9_999), now, now)
        guard.remember(self.nonce(9_999), now + 5_000, now)
        self.assertEqual(len(guard.nonces), MAX_NONCES)
        # Nonce 0 is forgotten; so nothing as old as it is let in.
        self.refused(Code.REPLAY_DETECTED, lambda: guard.check(self.nonce(0), now, now))
        guard.check(self.nonce(10_000), now + 1, now)

    def test_floors(self) -> None:
        guard, now = ReplayGuard(), 10_000_000
        guard.remember(self.nonce(1), now, now)
        guard.remember(self.nonce(2), now + 300_001, now + 300_001)
        # The clock was set back; the first nonce is not known any more.
        self.assertNotIn(self.nonce(1), guard.nonces)
        self.refused(Code.REPLAY_DETECTED, lambda: guard.check(self.nonce(1), now, now))
        without = ReplayGuard(floor=False)
        without.nonces, without.floor = {}, guard.floor
        without.check(self.nonce(1), now, now)
        # A floor from a clock that was far wrong is not applied.
        guard.floor = now + 360_001
        guard.check(self.nonce(3), now, now)
        guard.floor = now + 360_000
        self.refused(Code.REPLAY_DETECTED, lambda: guard.check(self.nonce(3), now, now))

    def test_times(self) -> None:
        guard, now = ReplayGuard(), 10_000_000
        for timestamp in (now - 60_000, now + 60_000):
            guard.check(self.nonce(1), timestamp, now)
        for timestamp in (now - 60_001, now + 60_001):
            self.refused(Code.REPLAY_DETECTED, lambda at=timestamp: guard.check(self.nonce(1), at, now))  # type: ignore[misc]

    def test_cbor(self) -> None:
        value: cbor.Value = 1
        for _ in range(7):
            value = [value]
        self.assertEqual(cbor.decode(cbor.encode(value)), value)
        for deep in (cbor.encode([value]), cbor.encode(["x"] * 4097), b"\x9b" + b"\xff" * 8, b"\x5b" + b"\xff" * 8):
            with self.assertRaises(Malformed):
                cbor.decode(deep)
        self.assertEqual(cbor.decode(cbor.encode([1] * 4096)), [1] * 4096)


class Keys(Rules):
    def test_keys(self) -> None:
        self.assertTrue(identity.usable(Key(bytes(32)).public))
        small = [bytes(32), bytes([1]) + bytes(31), bytes([0xEC]) + b"\xff" * 30 + b"\x7f"]
        for point in (*small, bytes([2]) + bytes(31), bytes(31)):
            self.assertFalse(identity.usable(point), point.hex())
        self.refused(Code.INVALID_SIGNATURE, lambda: kdf.shared_secret(b"\x01" * 32, bytes(32)))

    def test_strict_signatures(self) -> None:
        key, order = Key(b"\x05" * 32), 2**252 + 27742317777372353535851937790883648493
        signature = key.sign(b"message")
        self.assertTrue(identity.verify(key.public, b"message", signature))
        again = int.from_bytes(signature[32:], "little") + order
        self.assertFalse(identity.verify(key.public, b"message", signature[:32] + again.to_bytes(32, "little")))
        # Everything verifies under a point of small order, where it is let through.
        self.assertFalse(identity.verify(bytes([1]) + bytes(31), b"message", bytes([1]) + bytes(63)))

    def test_trust(self) -> None:
        one, two = Key(b"\x01" * 32).public, Key(b"\x02" * 32).public
        trust = TrustStore()
        trust.record("name", one)
        self.refused(Code.INVALID_SIGNATURE, lambda: trust.check("name", two))
        self.refused(Code.INVALID_SIGNATURE, lambda: trust.check(identity.derived_id(one), two))
        trust.check(identity.derived_id(two), two)
        trust.revoke("name", one)
        self.refused(Code.INVALID_SIGNATURE, lambda: trust.check("another name", one))
        trust.pin("name", one)
        trust.check("another name", one)
        trust.pinned_only = True
        trust.check("name", one)
        self.refused(Code.INVALID_SIGNATURE, lambda: trust.check("another name", one))


class Orders(Rules):
    def message(self, number: int, after: int | None, stream: bytes = STREAM, id: int | None = None) -> Message:
        named = number if id is None else id
        body = bodies.encode(Type.STATUS_REPORT, status="s", content=b"", content_type="t")
        return Message(named.to_bytes(16, "big"), Type.STATUS_REPORT, body, Order(stream, number, after))

    def test_the_seven_rules(self) -> None:
        take = Taking()
        self.assertEqual(take(self.message(0, None)), (order.What.TAKEN, [0]))
        self.assertEqual(take(self.message(0, None)), (order.What.KNOWN, []))
        self.assertEqual(take(self.message(5, 3)), (order.What.HELD, []))
        self.assertEqual(take(self.message(3, 2)), (order.What.HELD, []))
        self.assertEqual(take(self.message(2, 0)), (order.What.TAKEN, [2, 3, 5]))
        self.refused(Code.SEQUENCE_ERROR, lambda: take(self.message(4, None)))
        self.refused(Code.SEQUENCE_ERROR, lambda: take(self.message(2**64 - 1, None)))
        # The sender is done with what these wait for, and with what it names.
        self.assertEqual(take(self.message(8, 7)), (order.What.HELD, []))
        self.assertEqual(take(self.message(9, 5)), (order.What.TAKEN, [8, 9]))
        # Another stream: not before what is named was taken, and never back.
        self.assertEqual(take(self.message(12, 11, NEXT_STREAM)), (order.What.HELD, []))
        self.assertEqual(take(self.message(11, 9, NEXT_STREAM)), (order.What.TAKEN, [11, 12]))
        self.refused(Code.SEQUENCE_ERROR, lambda: take(self.message(20, None)))

    def test_what_is_not_valid_is_not_taken(self) -> None:
        take = Taking()
        bad = replace(self.message(1, 0), body=b"")
        self.assertEqual(take(bad), (order.What.HELD, []))
        self.assertEqual(take(self.message(0, None)), (order.What.TAKEN, [0]))
        self.refused(Code.INVALID_VERSION, lambda: take(bad))
        self.assertEqual(take(self.message(1, 0)), (order.What.TAKEN, [1]))
        beat = replace(self.message(2, None), type=Type.HEARTBEAT)
        self.refused(Code.INVALID_STATE, lambda: take(beat))

    def test_outgoing(self) -> None:
        outgoing = order.Outgoing(STREAM)
        sent = [outgoing.add(replace(self.message(0, None, id=id), order=None)) for id in range(3)]
        self.assertEqual([message.order and message.order.after for message in sent], [None, 0, 1])
        outgoing.settle(sent[1].id)
        self.assertEqual(outgoing.to_send(sent[2].id).order, Order(STREAM, 2, 0))
        outgoing.settle(sent[0].id)
        self.assertEqual(outgoing.to_send(sent[2].id).order, Order(STREAM, 2, None))

    def test_volatile_messages_are_taken_once(self) -> None:
        inbox = Inbox(lambda: bytes(16))
        beat = Message(STREAM, Type.HEARTBEAT, b"\xa0")
        self.assertEqual([len(inbox.receive([beat]).messages) for _ in range(2)], [1, 0])


class Taking:
    """A receiver, and the numbers that it takes."""

    def __init__(self) -> None:
        self.incoming = order.Incoming()

    def __call__(self, message: Message) -> tuple[order.What, list[int]]:
        what, taken = self.incoming.take(message, check)
        return what, [ready.order.number for ready in taken if ready.order]


class Streams(Rules):
    """§14.4, of either side."""

    def reader(self, *frames: bytes) -> Callable[[int], bytes]:
        data = bytearray(b"".join(frames))

        def read(count: int) -> bytes:
            if len(data) < count:
                raise EOFError
            taken = bytes(data[:count])
            del data[:count]
            return taken

        return read

    def test_an_answerers_violations(self) -> None:
        wrong = {
            "a request": Frame(FrameKind.REQUEST, 0, b"x").encode(),
            "an unknown kind": b"\x00\x00\x00\x00\x09\x00\x00\x00\x00",
            "a number that is not open": Frame(FrameKind.ANSWER, 7, b"x").encode(),
            "a drop with a body": Frame(FrameKind.DROP, 0, b"x").encode(),
            "a short credit": Frame(FrameKind.CREDIT, 0, bytes(7)).encode(),
            "less credit": credit(1, 100),
            "too long": (2**21).to_bytes(4, "big") + b"\x02\x00\x00\x00\x00",
        }
        for what, data in wrong.items():
            with self.subTest(what):
                opener = Opener()
                self.assertIsNone(opener.request(b"before there is credit"))
                opener.read(self.reader(credit(2, 100)))
                self.assertIsNotNone(opener.request(b"x"))
                with self.assertRaises(Violation):
                    opener.read(self.reader(data))

    def test_credit(self) -> None:
        opener, answerer = Opener(), Answerer(2, 100)
        opener.read(self.reader(credit(2, 100)))
        first, second = opener.request(bytes(60)), opener.request(bytes(40))
        self.assertIsNone(opener.request(b""))
        assert first is not None and second is not None
        for frame in (first, second):
            self.assertEqual(answerer.read(self.reader(frame.encode())), frame)
        with self.assertRaises(Violation):
            answerer.read(self.reader(Frame(FrameKind.REQUEST, 2, b"").encode()))
        self.assertEqual(opener.read(self.reader(answerer.answer(1, None))), Frame(FrameKind.DROP, 1))
        self.assertIsNone(opener.request(bytes(41)))
        self.assertIsNotNone(opener.request(bytes(40)))


if __name__ == "__main__":
    unittest.main()
