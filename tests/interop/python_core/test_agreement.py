"""A node and this implementation judge the same bytes alike: which are refused, and with which code.

A peer can judge what it sends as its node will, since it knows all keys of its own handshakes and sessions. The
seed is printed; `SEED` sets it.
"""

from __future__ import annotations

import os
import random
import unittest
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import cbor2

import forge
from core import batch, bodies, cbor, six_step
from core.batch import Message, Order
from core.bodies import ANSWERS, Type
from core.envelope import Draft, Envelope, Kind
from core.errors import Code, ErrorBody, Refused
from core.framing import frame
from core.handshake import Entity
from core.identity import Key, fingerprint
from core.inbox import Inbox
from core.session import Session
from core.suites import SHA256, Prehash
from core.trust import TrustStore
from mutation import UUID, Mutator
from peer import Peer, key_of
from setting import WithNode

SEED = int(os.environ.get("SEED") or random.randrange(2**32))
# A peer gets 60 errors at once. §10.4
TRIES = 50
PEERS = 4
Judge = Callable[[Envelope], object]

FINGERPRINT = "0123456789abcdef" * 4
PEER_ID = "12D3KooWHy8jkrUxHvZy8ttky4H8su9GY2UcVYic3PpB2DMrRiPM"
NAMES = (
    "x", "x" * 128, "x" * 129, "é" * 64, "é" * 64 + "x", " ", "a b", "x\u0085", "x\u00ad", "x\u200b", "\ufeffx",
    "é", "e\u0301", "ﬁ", "Å", "\u212b", "가", "\u1100\u1161", "\u0958", "\U0001d15e",
    "/x", " /x", "\u00a0/x", "\u3000/x", "\u200b/x", "x/x",
    FINGERPRINT, FINGERPRINT.upper(), FINGERPRINT[:-1], FINGERPRINT + "0", f"  {FINGERPRINT} ", f"\u2003{FINGERPRINT}",
    " ".join(FINGERPRINT), f"{FINGERPRINT[:32]}\u00a0{FINGERPRINT[32:]}", f"{FINGERPRINT[:32]}g{FINGERPRINT[33:]}",
    PEER_ID, f" {PEER_ID}", f"{PEER_ID}\u2028", "1" * 43, "1" * 44, "1" * 60, "1" * 61, "2" + "1" * 51, "Qm" + "1" * 42,
    "Qm" + "1" * 41, "Qn" + "1" * 44, "1" * 44 + "0", "1" * 20 + " " + "1" * 24, "ent-" + "a" * 16, "ent-" + "a" * 15,
)


def setUpModule() -> None:
    print(f"SEED={SEED}")


@dataclass(frozen=True)
class Public(Key):
    """Stands for a node's key. What it signs nobody sees."""

    known: bytes = b""

    @property
    def public(self) -> bytes:
        return self.known


class Judging(WithNode):
    def peers(self, name: str) -> list[tuple[Peer, Mutator]]:
        """Some, each with mutations of its own."""
        seeds = random.Random(f"{SEED} {name}")
        return [(self.connected(f"{name} {at}"), Mutator(seeds.randrange(2**32))) for at in range(PEERS)]

    def mirror(self, peer: Peer) -> Entity:
        """The node, as far as judging goes."""
        return replace(peer.me, name="node", key=Public(bytes(32), key_of(peer.peer_id)), guards={}, trust=TrustStore())

    def agree(self, peer: Peer, judge: Judge, data: bytes) -> Envelope | None:
        """The node's answer if neither refuses."""
        ours = theirs = None
        try:
            judge(Envelope.decode(data))
        except Refused as refused:
            ours = refused.code
        answer = Envelope.decode(peer.raw(frame(data)))
        if answer.msg_type is Kind.ERROR:
            answer.check_signature(key_of(peer.peer_id))
            theirs = ErrorBody.decode(answer.payload).code
        self.assertEqual(ours, theirs, f"SEED={SEED}: {data.hex()}")
        return answer if theirs is None else None

    def spoil(self, mutator: Mutator, raw: bytes, key: Key, prehash: Prehash) -> bytes:
        """An envelope with something wrong outside its payload, or inside; most often its signature holds."""
        draw = mutator.random.random()
        if draw < 0.25:
            return mutator.encoded(raw)
        entries = cbor.decode(raw)
        if draw < 0.6 and not entries.get("encrypted"):
            entries["payload"] = mutator.encoded(entries["payload"])
        else:
            entries = mutator.value(entries)
        if type(entries) is not dict:
            return cbor2.dumps(entries, canonical=True)
        return self.signed(entries, key, prehash)

    def signed(self, entries: dict[str, Any], key: Key, prehash: Prehash) -> bytes:
        unsigned = {name: value for name, value in entries.items() if name != "signature"}
        signature = key.sign(prehash.signature_input(cbor2.dumps(unsigned, canonical=True)))
        return cbor2.dumps({**unsigned, "signature": signature}, canonical=True)


class Handshakes(Judging):
    def judge(self, peer: Peer, attempt: six_step.Initiator, steps: int) -> six_step.Responder:
        """The node's side of an attempt after so many steps, with what the initiator knows of it."""
        responder = six_step.Responder(self.mirror(peer), peer.key.public)
        responder.steps, responder.envelopes = steps, attempt.envelopes[:steps]
        responder.begun_at = responder.challenge_made_at = peer.me.monotonic()
        responder.challenge = cbor.decode(Envelope.decode(attempt.envelopes[1]).payload)["challenge"]
        responder.peer_id, responder.suite, responder.keys = peer.me.name, attempt.suite, attempt.keys
        responder.session_id = attempt.session_id
        return responder

    def test_step_3(self) -> None:
        for peer, mutator in self.peers("step 3"):
            attempt = six_step.Initiator(peer.me, key_of(peer.peer_id))
            raw = attempt.on_init_ack(peer.exchange(attempt.begin()))
            judge = self.judge(peer, attempt, 2).on_challenge_response
            for _ in range(TRIES):
                if self.agree(peer, judge, self.spoil(mutator, raw, peer.key, SHA256)) is not None:
                    break

    def test_step_5(self) -> None:
        for peer, mutator in self.peers("step 5"):
            attempt = six_step.Initiator(peer.me, key_of(peer.peer_id))
            third = attempt.on_init_ack(peer.exchange(attempt.begin()))
            raw = attempt.on_established(peer.exchange(third))
            judge = self.judge(peer, attempt, 4).on_confirm
            for _ in range(TRIES):
                if self.agree(peer, judge, self.spoil(mutator, raw, peer.key, SHA256)) is not None:
                    break


class Sealed(Judging):
    def session(self, peer: Peer) -> tuple[Session, Session]:
        """The peer's, and what the node has."""
        session = peer.shake()
        agreed = replace(
            session.agreed, initiator=False, peer_id=peer.me.name, peer_key=peer.key.public, next_own=1, next_peers=0
        )
        return session, Session(self.mirror(peer), agreed)

    def nothing(self, peer: Peer) -> Message:
        return peer.message(Type.RECEIPT, status="received", message_ids=[])

    def test_envelopes(self) -> None:
        for peer, mutator in self.peers("envelopes"):
            session, node = self.session(peer)
            for _ in range(TRIES):
                raw = session.seal([self.nothing(peer)])
                self.agree(peer, node.open_request, self.spoil(mutator, raw, peer.key, session.agreed.suite.prehash))

    def test_names(self) -> None:
        """Which are entity ids, and which look like other names of peers. §1.2"""
        peer, _ = self.peers("names")[0]
        session, node = self.session(peer)
        for name in NAMES:
            raw = session.seal([self.nothing(peer)])
            raw = forge.changed(raw, peer.key, session.agreed.suite.prehash, sender_id=name)
            with self.subTest(name=name):
                self.agree(peer, node.open_request, raw)

    def test_batches(self) -> None:
        for peer, mutator in self.peers("batches"):
            session, node = self.session(peer)
            for number in range(TRIES):
                messages = [self.nothing(peer), replace(self.nothing(peer), order=Order(UUID, 7, 3), in_reply_to=UUID)]
                plaintext = mutator.encoded(batch.encode(messages))
                nonce, now = peer.me.random(16), peer.me.now()
                draft = Draft(Kind.SEALED, nonce, now, peer.me.name, "node", number, session.id)
                self.agree(peer, node.open_request, session.sign(session.encrypt(draft, plaintext)))


class Bodies(Judging):
    """Of every type: which are refused as not valid."""

    EACH = 24

    def examples(self) -> dict[Type, dict[str, Any]]:
        prekey = {"id": UUID, "key": bytes(32), "expires": 1, "signature": bytes(64)}
        found = {"addresses": ["/ip4/192.0.2.1/tcp/1"], "entity_id": "x", "public_key": Key(bytes(32)).public,
                 "capabilities": ["y"]}
        text = {"content": b"x", "content_type": "text/plain"}
        return {
            Type.TASK: {**text, "name": "n", "conversation": "c"},
            Type.TASK_RESULT: {**text, "outcome": "done"},
            Type.STATUS_REPORT: {**text, "status": "s", "next_action": "n"},
            Type.WAKE_UP: {"reason": "r", "attempt": 1},
            Type.WAKE_UP_ACK: {"detail": "d", "outcome": "awake"},
            Type.HEARTBEAT: {},
            Type.HEARTBEAT_ACK: {"agent": "attached", "uptime_ms": 1, "agent_idle_ms": 2},
            Type.CAPABILITY_QUERY: {"names": ["a", "b"]},
            Type.CAPABILITY_RESPONSE: {"capabilities": ["a"]},
            Type.DISCOVERY: {"entity_id": "x", "capability": "c"},
            Type.DISCOVERY_RESPONSE: {"entities": [found]},
            Type.CHUNK: {
                "data": b"", "total": 1, "offset": 0, "transfer": UUID,
                "offer": {"digest": bytes(32), "purpose": "file", "content_type": "t", "name": "n"},
            },
            Type.CHUNK_ACK: {"window": 1, "received": 2, "transfer": UUID},
            Type.MAILBOX: {"deposit": {"keys": [prekey], "reset": False, "last_resort": prekey}},
            Type.MAILBOX_RESULT: {"page": {"more": False, "items": [{"item": b"x", "number": 1}]}},
            Type.RECEIPT: {"status": "received", "message_ids": [UUID]},
            Type.ERROR: {"code": "INVALID_STATE", "detail": "d", "retry_after_ms": 1},
            Type.SESSION_CLOSE: {"reason": "r"},
        }

    def test_bodies(self) -> None:
        mutator = Mutator(SEED)
        peer = self.connected()
        self.node.run("trust", "pin", peer.me.name, fingerprint(peer.key.public))
        session = peer.shake()
        # What the node knows of the peer's messages.
        judge = Inbox(peer.me.draw_uuid)
        first = replace(peer.message(Type.STATUS_REPORT, status="", content=b"", content_type=""), order=Order(UUID, 0))
        judge.receive([first])
        peer.ask(session, [first])
        # Before, it may not know yet what its disk says of them, and judges no order.
        self.delivered(peer, first)
        for type, example in self.examples().items():
            encoded = cbor2.dumps(example, canonical=True)
            bodies.decode(type, encoded)
            messages = []
            for _ in range(self.EACH):
                answers = type in ANSWERS and mutator.random.random() < 0.95
                order = Order(UUID, 1, None) if mutator.random.random() < 0.05 else None
                body = mutator.encoded(encoded)
                messages.append(Message(peer.me.draw_uuid(), type, body, order, UUID if answers else None))
            self.bodies(peer, session, judge, messages)

    def bodies(self, peer: Peer, session: Session, judge: Inbox, messages: list[Message]) -> None:
        kept = []
        ours: dict[bytes | None, Code] = {}
        for message in messages:
            errors = [answer for answer in judge.receive([message]).answers if answer.type == Type.ERROR]
            ours |= {error.in_reply_to: ErrorBody.decode(error.body).code for error in errors}
            if message.id in ours or message.type != Type.SESSION_CLOSE:
                kept.append(message)
        theirs: dict[bytes | None, Code] = {}
        for message in peer.ask(session, kept):
            if message.type == Type.ERROR:
                theirs[message.in_reply_to] = ErrorBody.decode(message.body).code
        for message in kept:
            # What is valid may be refused for what it asks.
            code = theirs.get(message.id)
            code = code if code in (Code.INVALID_VERSION, Code.INVALID_STATE, Code.SEQUENCE_ERROR) else None
            said = f"SEED={SEED}: {message.type} {message.order} {message.in_reply_to!r} {message.body.hex()}"
            self.assertEqual(ours.get(message.id), code, said)


if __name__ == "__main__":
    unittest.main()
