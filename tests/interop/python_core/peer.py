"""A whole peer in Python: the core, on the bridge."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence

from bridge import Bridge, NoStream, Stream
from core import bodies, six_step, three_way
from core.batch import Message
from core.bodies import Type
from core.endpoint import Endpoint
from core.envelope import Envelope, Kind
from core.errors import ErrorBody
from core.framing import PROTOCOL, SESSION_PROTOCOL, Answerer, Frame, Opener, Violation, credit, frame, read_frame
from core.handshake import Entity
from core.identity import Key
from core.order import Outgoing
from core.session import Session

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# An identity multihash of the protobuf-encoded Ed25519 key. §1.1, §12.4
_MULTIHASH = bytes.fromhex("002408011220")


class Unanswered(Exception):
    """The request counts as lost."""


class PeerRefused(Exception):
    """The node answered with an error outside the session."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(f"{body.code}: {body.detail}")
        self.body, self.code = body, body.code


def key_of(peer_id: str) -> bytes:
    """The key in a libp2p peer id."""
    number = 0
    for character in peer_id:
        number = 58 * number + _BASE58.index(character)
    data = number.to_bytes(len(_MULTIHASH) + 32, "big")
    assert data.startswith(_MULTIHASH), f"{peer_id} is no Ed25519 key"
    return data[len(_MULTIHASH) :]


def receipts(messages: Sequence[Message]) -> dict[bytes, str]:
    """What became of each message that a receipt names."""
    told: dict[bytes, str] = {}
    for message in messages:
        if message.type == Type.RECEIPT:
            body = bodies.decode(message.type, message.body)
            told |= dict.fromkeys(body["message_ids"], body["status"])
    return told


class Peer:
    """Answers tasks by shouting, and heartbeats. Every message that it takes is in `taken`."""

    def __init__(self, name: str = "python", identify: bool = True, streams: bool = False, **entity: object) -> None:
        self.skew_ms = 0
        self.key = Key(os.urandom(32))
        self.me = Entity(
            name=name,
            key=self.key,
            now=lambda: time.time_ns() // 1_000_000 + self.skew_ms,
            monotonic=lambda: time.monotonic_ns() // 1_000_000,
            random=os.urandom,
            **entity,  # type: ignore[arg-type]
        )
        self.endpoint = Endpoint(self.me, self._respond)
        self.lock = threading.RLock()
        self.taken: queue.Queue[Message] = queue.Queue()
        self.told: dict[bytes, str] = {}
        """What the newest receipt says of each message."""
        self.requests: list[Kind | None] = []
        """The kinds of all requests that came; None for what is no envelope."""
        self.carried = {PROTOCOL: 0, SESSION_PROTOCOL: 0}
        self.outgoing: dict[bytes, Outgoing] = {}
        self.owed: list[Message] = []
        """Receipts for what rode in answers. §7.3"""
        self.begun = time.monotonic_ns()
        self.spoil: Callable[[bytes], bytes] = lambda answer: answer
        """What is done to an answer before it is sent."""
        protocols = [PROTOCOL, SESSION_PROTOCOL] if streams else [PROTOCOL]
        self.bridge = Bridge(self.key.seed, protocols, self._serve, identify)
        self.peer_id = self.carrier = ""

    def close(self) -> None:
        self.bridge.close()

    # What it does when it is asked.

    def _serve(self, stream: Stream) -> None:
        try:
            (self._serve_session if stream.protocol == SESSION_PROTOCOL else self._serve_one)(stream)
            return
        except (EOFError, NoStream, TimeoutError, Violation):
            pass
        try:
            stream.drop()
        except NoStream:
            pass

    def _serve_one(self, stream: Stream) -> None:
        stream.write(frame(self._answer(read_frame(stream.read), stream)))
        stream.finish()

    def _serve_session(self, stream: Stream) -> None:
        account = Answerer(32, 8 << 20)
        stream.write(credit(account.frames, account.size))
        while True:
            request = account.read(lambda count: stream.read(count, timeout=3600))
            stream.write(account.answer(request.id, self._answer(request.body, stream)))

    def _answer(self, data: bytes | None, stream: Stream) -> bytes:
        with self.lock:
            self.carried[stream.protocol] += 1
            try:
                self.requests.append(Envelope.decode(data or b"").msg_type)
            except Exception:
                self.requests.append(None)
            return self.spoil(self.endpoint.answer(data, key_of(stream.peer)))

    def _respond(self, session: Session, messages: list[Message]) -> list[Message]:
        answers = []
        for message in messages:
            self._take(session, message)
            body = bodies.decode(message.type, message.body)
            if message.type == Type.HEARTBEAT:
                uptime = (time.monotonic_ns() - self.begun) // 1_000_000
                answer = self.message(Type.HEARTBEAT_ACK, message.id, agent="attached", uptime_ms=uptime)
            elif message.type == Type.TASK:
                answer = self.message(
                    Type.TASK_RESULT, message.id, content=body["content"].upper(), outcome="done",
                    content_type=body["content_type"],
                )
                if message.order is not None:
                    answer = self.stream_to(session.agreed.peer_key).add(answer)
            else:
                continue
            answers.append(answer)
        return answers

    def _take(self, session: Session, message: Message) -> None:
        self.taken.put(message)
        if message.type == Type.RECEIPT:
            told = receipts([message])
            self.told |= told
            for id, status in told.items():
                if status != "received":
                    self.stream_to(session.agreed.peer_key).settle(id)

    def stream_to(self, public: bytes) -> Outgoing:
        """The ordered messages to this peer."""
        return self.outgoing.setdefault(public, Outgoing(self.me.draw_uuid()))

    def message(self, type: Type, in_reply_to: bytes | None = None, /, **body: object) -> Message:
        return Message(self.me.draw_uuid(), type, bodies.encode(type, **body), in_reply_to=in_reply_to)

    # What it asks.

    def connect(self, address: str) -> bytes:
        """The key of the peer there."""
        self.peer_id = self.bridge.dial(address)
        return key_of(self.peer_id)

    def raw(self, data: bytes, finish: bool = True) -> bytes:
        """One exchange with these bytes as they are; the answer's frame, without its length."""
        stream = self.bridge.open(self.peer_id, PROTOCOL)
        try:
            stream.write(data)
            if finish:
                stream.finish()
            answer = read_frame(stream.read)
        except (EOFError, NoStream) as error:
            raise Unanswered(str(error)) from error
        finally:
            stream.drop()
        if answer is None:
            raise Unanswered("the answer is too long")
        return answer

    def exchange(self, request: bytes) -> Envelope:
        """The answer, unless it is an error. Raises PeerRefused, Unanswered."""
        answer = Envelope.decode(self.raw(frame(request)))
        self.check(answer, request)
        return answer

    def check(self, answer: Envelope, request: bytes) -> None:
        if answer.msg_type is Kind.ERROR:
            with self.lock:
                body = self.endpoint.read_error(answer, Envelope.decode(request), key_of(self.peer_id))
            if body is None:
                raise Unanswered("an error that does not hold")
            raise PeerRefused(body)

    def shake(self, watch: Callable[[bytes], None] = lambda raw: None) -> Session:
        """The six-step handshake; `watch` is shown what is sent."""
        attempt = six_step.Initiator(self.me, key_of(self.peer_id))
        second = self.exchange(attempt.begin())
        fourth = self.exchange(attempt.on_init_ack(second))
        sixth = self.exchange(attempt.on_established(fourth))
        session = Session(self.me, attempt.on_ready(sixth))
        for step in attempt.envelopes[::2]:
            watch(step)
        return self._keep(session)

    def shake_three_way(self) -> Session:
        attempt = three_way.Initiator(self.me, key_of(self.peer_id))
        second = self.exchange(attempt.begin())
        third = attempt.on_ack(second)
        session = Session(self.me, attempt.session())
        session.open(self.exchange(third))
        return self._keep(session)

    def _keep(self, session: Session) -> Session:
        with self.lock:
            return self.endpoint.peer(session.agreed.peer_key).add(session)

    def ask(self, session: Session, messages: Sequence[Message]) -> list[Message]:
        """A sealed request, and what its answer holds. What rode in it is in `taken`, too."""
        return self.opened(session, self.exchange(self.request(session, messages)))

    def request(self, session: Session, messages: Sequence[Message]) -> bytes:
        with self.lock:
            owed, self.owed = self.owed, []
            return session.seal([*owed, *messages])

    def opened(self, session: Session, answer: Envelope) -> list[Message]:
        with self.lock:
            messages = session.open(answer)
            taken = self.endpoint.peer(session.agreed.peer_key).inbox.receive(messages)
            self.owed += [said for said in taken.answers if said.type != Type.RECEIPT or any(receipts([said]))]
            for message in taken.messages:
                self._take(session, message)
            return messages


class SessionStream:
    """A `/peer/1.1.0/session` that this side opened."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.account = peer, Opener()
        self.stream = peer.bridge.open(peer.peer_id, SESSION_PROTOCOL)
        while not self.account.frames:
            self.account.read(self.stream.read)

    def send(self, envelope: bytes) -> int:
        """Its number."""
        request = self.account.request(envelope)
        assert request is not None, "there is no credit"
        self.stream.write(request.encode())
        return request.id

    def answer(self) -> Frame:
        while True:
            answer = self.account.read(self.stream.read)
            if answer is not None:
                return answer

    def ask(self, session: Session, messages: Sequence[Message]) -> list[Message]:
        request = self.peer.request(session, messages)
        number = self.send(request)
        answer = self.answer()
        assert answer.id == number
        envelope = Envelope.decode(answer.body)
        self.peer.check(envelope, request)
        return self.peer.opened(session, envelope)
