"""Both handshakes, in both roles, with a real node, and what is said in the sessions."""

from __future__ import annotations

import unittest
from dataclasses import replace

from bridge import Command, Event, NoStream
from core import bodies, six_step
from core.batch import Message, Order
from core.bodies import Type
from core.envelope import Kind
from core.errors import Code, ErrorBody
from core.framing import SESSION_PROTOCOL
from core.session import Session
from core.suites import SUITES
from peer import Peer, SessionStream, receipts
from setting import WithNode, until

TEXT = "text/plain"


def named(messages: list[Message], type: Type) -> list[Message]:
    return [message for message in messages if message.type == type]


def errors(messages: list[Message]) -> dict[bytes | None, Code]:
    """What was refused, with which code."""
    return {error.in_reply_to: ErrorBody.decode(error.body).code for error in named(messages, Type.ERROR)}


class Initiating(WithNode):
    """The peer in Python begins."""

    def test_six_step_in_every_suite(self) -> None:
        for suite in SUITES:
            with self.subTest(suite):
                peer = self.connected(f"with {suite}", suites=(suite,))
                session = peer.shake()
                self.assertEqual(session.agreed.suite.name, suite)
                self.serves(peer, session)
                self.assertEqual(peer.me.trust.known["node"][0], session.agreed.peer_key)

    def test_the_initiators_order_of_suites_counts(self) -> None:
        peer = self.connected(suites=("unheard of", "ChaCha20-Poly1305", "AES-256-GCM"), features=("agent-life", "x"))
        session = peer.shake()
        self.assertEqual(session.agreed.suite.name, "ChaCha20-Poly1305")
        self.assertEqual(session.agreed.features, ("agent-life",))

    def test_both_names_are_right(self) -> None:
        """`recipient_id` of the first step is the derived id of the key, or the name."""
        peer = self.connected()
        attempt = six_step.Initiator(peer.me, peer.connect(self.node.address))
        second = peer.exchange(attempt.begin("node"))
        self.assertEqual((second.sender_id, second.recipient_id), ("node", peer.me.name))

    def test_three_way_is_off_by_default(self) -> None:
        peer = self.connected()
        self.refused(Code.INVALID_STATE, peer.shake_three_way)
        self.serves(peer, peer.shake())

    def test_a_renewal_leaves_the_older_session_for_a_while(self) -> None:
        peer = self.connected()
        older = peer.shake()
        self.serves(peer, older)
        newer = peer.shake()
        self.assertNotEqual(older.id, newer.id)
        self.serves(peer, newer)
        self.serves(peer, older)

    def test_a_session_outlives_its_connection(self) -> None:
        peer = self.connected()
        session = peer.shake()
        peer.bridge.say(Command.DISCONNECT, 0, peer.peer_id.encode())
        peer.bridge.wait(Event.DISCONNECTED)
        with self.assertRaises(NoStream):
            self.serves(peer, session)
        peer.connect(self.node.address)
        self.serves(peer, session)

    def test_closing_a_session(self) -> None:
        peer = self.connected()
        session = peer.shake()
        answer = peer.ask(session, [peer.message(Type.SESSION_CLOSE, reason="enough")])
        self.assertEqual({message.type for message in answer}, {Type.RECEIPT})
        closed = session.seal([peer.message(Type.HEARTBEAT)])
        self.refused(Code.SESSION_NOT_FOUND, lambda: peer.exchange(closed))
        self.serves(peer, peer.shake())


class Saying(WithNode):
    """What is said in a session with a node that has an agent."""

    ARGUMENTS = ("--capability", "shouting")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.node.agent("tr a-z A-Z")

    def open(self) -> tuple[Peer, Session]:
        peer = self.connected()
        return peer, peer.shake()

    def results(self, peer: Peer, count: int) -> list[Message]:
        """The next so many `task_result`, which ride in answers, or come in requests of the node."""
        found: list[Message] = []
        while len(found) < count:
            message = peer.taken.get(timeout=20)
            found += [message] if message.type == Type.TASK_RESULT else []
        return found

    def task(self, peer: Peer, content: bytes) -> Message:
        return peer.message(Type.TASK, content=content, content_type=TEXT)

    def test_an_ordered_task_and_its_answer(self) -> None:
        peer, session = self.open()
        task = peer.stream_to(session.agreed.peer_key).add(self.task(peer, b"quietly"))
        peer.ask(session, [task])
        self.delivered(peer, task)
        (result,) = self.results(peer, 1)
        body = bodies.decode(result.type, result.body)
        self.assertEqual((result.in_reply_to, body["outcome"], body["content"]), (task.id, "done", b"QUIETLY"))
        self.assertIsNotNone(result.order)

    def test_a_volatile_task(self) -> None:
        peer, session = self.open()
        task = self.task(peer, b"in passing")
        answer = peer.ask(session, [task])
        self.assertEqual(receipts(answer)[task.id], "received")
        (result,) = self.results(peer, 1)
        self.assertEqual(bodies.decode(result.type, result.body)["content"], b"IN PASSING")

    def test_duplicates_are_acknowledged_and_not_taken_again(self) -> None:
        peer, session = self.open()
        ordered = peer.stream_to(session.agreed.peer_key).add(self.task(peer, b"once"))
        volatile = self.task(peer, b"once too")
        before = len(self.node.run("inbox"))
        for _ in range(3):
            answer = peer.ask(session, [volatile, ordered])
            self.assertEqual(receipts(answer)[volatile.id], "received")
            self.delivered(peer, ordered)
        self.assertIn(receipts(answer)[ordered.id], ("delivered", "processed"))
        answered = [message.in_reply_to for message in self.results(peer, 2)]
        self.assertEqual(sorted(map(bytes, filter(None, answered))), sorted([ordered.id, volatile.id]))
        self.serves(peer, session)
        self.assertNotIn(Type.TASK_RESULT, [message.type for message in list(peer.taken.queue)])
        self.assertEqual(len(self.node.run("inbox")), before)

    def test_a_batch_in_which_some_are_refused(self) -> None:
        peer, session = self.open()
        good = [peer.message(Type.HEARTBEAT) for _ in range(20)]
        stream = peer.me.draw_uuid()
        wrong = {
            Code.INVALID_VERSION: [
                replace(self.task(peer, b"x"), type="unheard_of"),
                replace(self.task(peer, b"x"), body=b"\xa0"),
                replace(self.task(peer, b"x"), body=b"\xbf\xff"),
                replace(peer.message(Type.HEARTBEAT), body=b"\xa1\x61\x78\x01"),
            ],
            Code.INVALID_STATE: [
                peer.message(Type.TASK_RESULT, content=b"x", content_type=TEXT, outcome="done"),
                replace(peer.message(Type.HEARTBEAT), order=Order(stream, 0)),
            ],
        }
        bad = [message for messages in wrong.values() for message in messages]
        answer = peer.ask(session, [*good[:10], *bad, *good[10:]])
        self.assertEqual(errors(answer), {message.id: code for code, messages in wrong.items() for message in messages})
        self.assertEqual(receipts(answer), {message.id: "received" for message in good})

    def test_messages_are_taken_in_order(self) -> None:
        """The second waits for the first, and is acknowledged with it."""
        peer, session = self.open()
        stream = peer.me.draw_uuid()
        first, second, third = (
            replace(self.task(peer, b"%d" % number), order=Order(stream, number, number - 1 if number else None))
            for number in range(3)
        )
        waiting = peer.ask(session, [second])
        self.assertEqual((receipts(waiting), errors(waiting)), ({}, {}))
        waiting = peer.ask(session, [third])
        self.assertEqual((receipts(waiting), errors(waiting)), ({}, {}))
        peer.ask(session, [first])
        self.delivered(peer, first, second, third)
        contents = [bodies.decode(result.type, result.body)["content"] for result in self.results(peer, 3)]
        self.assertEqual(sorted(contents), [b"0", b"1", b"2"])
        for number in (1, 2**64 - 1):
            late = replace(self.task(peer, b"late"), order=Order(stream, number))
            self.assertEqual(errors(peer.ask(session, [late])), {late.id: Code.SEQUENCE_ERROR})

    def test_what_a_node_answers_by_itself(self) -> None:
        peer, session = self.open()
        asked = {
            Type.CAPABILITY_RESPONSE: peer.message(Type.CAPABILITY_QUERY, names=[]),
            Type.DISCOVERY_RESPONSE: peer.message(Type.DISCOVERY, capability="shouting"),
            Type.WAKE_UP_ACK: peer.message(Type.WAKE_UP, reason="to see", attempt=1),
        }
        answer = peer.ask(session, list(asked.values()))
        self.assertEqual(receipts(answer), {question.id: "received" for question in asked.values()})
        told: dict[str, Message] = {}
        while not asked.keys() <= told.keys():
            said = peer.taken.get(timeout=20)
            told[said.type] = said
        decoded = {}
        for kind, question in asked.items():
            self.assertEqual(told[kind].in_reply_to, question.id)
            decoded[kind] = bodies.decode(kind, told[kind].body)
        self.assertEqual(decoded[Type.CAPABILITY_RESPONSE]["capabilities"], ["shouting"])
        (found,) = decoded[Type.DISCOVERY_RESPONSE]["entities"]
        self.assertEqual((found["entity_id"], found["public_key"]), ("node", session.agreed.peer_key))
        self.assertIn(decoded[Type.WAKE_UP_ACK]["outcome"], ("awake", "handed_to_agent"))

    def test_a_session_stream(self) -> None:
        peer, session = self.open()
        stream = SessionStream(peer)
        self.assertEqual((stream.account.frames, stream.account.size), (32, 8 << 20))
        for _ in range(3):
            beat = peer.message(Type.HEARTBEAT)
            self.assertEqual(receipts(stream.ask(session, [beat])), {beat.id: "received"})
        # Several at once; answers come in any order, one each.
        sent = {stream.send(session.seal([peer.message(Type.CAPABILITY_QUERY, names=[])])) for _ in range(8)}
        self.assertEqual({stream.answer().id for _ in range(8)}, sent)
        self.serves(peer, session)

    def test_a_long_message(self) -> None:
        """The longest content that a task may have."""
        peer, session = self.open()
        report = peer.message(
            Type.STATUS_REPORT, status="long", content=b"x" * bodies.MAX_CONTENT, content_type="a/b"
        )
        self.assertEqual(receipts(peer.ask(session, [report])), {report.id: "received"})


class Answering(WithNode):
    """The node begins."""

    def asked(self, peer: Peer, handshake: str, state: str) -> None:
        met = self.node.run("connect", peer.bridge.address)
        self.assertEqual((met["entity"], met["session"]["state"]), (peer.me.name, state))
        self.assertEqual((met["session"]["handshake"], met["session"]["initiator"]), (handshake, True))
        answered = self.node.run("talk", peer.me.name, "hello", "--timeout", "20s")
        self.assertEqual(answered["content"]["text"], "HELLO")
        alive = self.node.run("alive", peer.me.name)
        self.assertEqual((alive["alive"], alive["agent_state"]), (True, "attached"))
        self.node.run("report", peer.me.name, "well", "--timeout", "20s")
        taken = until(lambda: [message.type for message in list(peer.taken.queue)])
        self.assertLessEqual({Type.TASK, Type.HEARTBEAT, Type.STATUS_REPORT}, set(taken))

    def test_six_step(self) -> None:
        peer = self.peer()
        self.asked(peer, "six-step", "READY")
        steps = [Kind.HANDSHAKE_INIT, Kind.CHALLENGE_RESPONSE, Kind.SESSION_CONFIRM]
        self.assertEqual(peer.requests[:3], steps)

    def test_every_suite(self) -> None:
        for suite in SUITES:
            with self.subTest(suite):
                peer = self.peer(f"only {suite}", suites=(suite,))
                met = self.node.run("connect", peer.bridge.address)
                self.assertEqual(met["session"]["suite"], suite)
                self.assertEqual(self.node.run("talk", peer.me.name, "x", "--timeout", "20s")["content"]["text"], "X")

    def test_over_a_session_stream(self) -> None:
        peer = self.peer(streams=True)
        self.asked(peer, "six-step", "READY")
        self.assertGreater(peer.carried[SESSION_PROTOCOL], 0)

    def test_without_identify(self) -> None:
        self.asked(self.peer(identify=False), "six-step", "READY")

    def test_a_peer_that_refuses_to_answer(self) -> None:
        """An error that the peer in Python makes is understood."""
        peer = self.peer(suites=("unheard of",))
        with self.assertRaises(AssertionError) as failed:
            self.node.run("connect", peer.bridge.address)
        self.assertIn("INVALID_VERSION", str(failed.exception))
        self.assertIn(peer.requests[0], (Kind.HANDSHAKE_INIT, Kind.HANDSHAKE))


class ThreeWay(Answering):
    """The same with a node that begins with the three-way handshake, and answers it."""

    ARGUMENTS = ("--three-way",)

    def peer(self, name: str = "", /, **options: object) -> Peer:
        return super().peer(name, **{"three_way": True, **options})

    def asked(self, peer: Peer, handshake: str, state: str) -> None:
        super().asked(peer, "three-way", "ACTIVE")

    def test_six_step(self) -> None:
        peer = self.peer()
        self.asked(peer, "three-way", "ACTIVE")
        self.assertEqual(peer.requests[:2], [Kind.HANDSHAKE, Kind.HANDSHAKE_CONFIRM])

    def test_initiating(self) -> None:
        for suite in SUITES:
            with self.subTest(suite):
                peer = self.connected(f"with {suite}", suites=(suite,))
                session = peer.shake_three_way()
                self.assertEqual(session.agreed.suite.name, suite)
                self.serves(peer, session)

    def test_falling_back(self) -> None:
        """The node uses six steps with a peer that refuses three."""
        peer = self.peer(three_way=False)
        met = self.node.run("connect", peer.bridge.address)
        self.assertEqual(met["session"]["handshake"], "six-step")
        self.assertEqual(peer.requests[:2], [Kind.HANDSHAKE, Kind.HANDSHAKE_INIT])


if __name__ == "__main__":
    unittest.main()
