"""Every vector of version 1.1, computed anew from its inputs and compared byte for byte. Appendix B"""

from __future__ import annotations

import json
import struct
import unittest
from typing import Any

from core import batch, bodies, cbor, hop, identity, kdf, legacy, mailbox, registry, six_step, three_way
from core.batch import Message, Order
from core.cbor import Malformed
from core.envelope import Draft, Envelope, Kind
from core.errors import Code, ErrorBody, Refused
from core.handshake import Handshake
from core.identity import Key
from core.session import Session
from core.suites import SHA256, SUITES, aead_nonce
from vectors import Played, each_byte, entity, load, unhex


class Sides:
    """A handshake that is played with a vector's inputs."""

    def __init__(self, vector: dict[str, Any]) -> None:
        self.vector = vector
        self.a, self.clock_a = entity(vector["initiator"], vector)
        self.b, self.clock_b = entity(vector["responder"], vector)
        self.a_key, self.b_key = self.a.key.public, self.b.key.public

    def at(self, number: int) -> None:
        """Both clocks stand at the time of message `number`."""
        time = self.vector["messages"][number - 1]["timestamp"]
        self.clock_a.time = self.clock_b.time = time


def play_six_step(vector: dict[str, Any]) -> tuple[Sides, six_step.Initiator, six_step.Responder, list[bytes]]:
    sides = Sides(vector)
    a, b = six_step.Initiator(sides.a, sides.b_key), six_step.Responder(sides.b, sides.a_key)
    sides.at(1)
    sent = [a.begin(sides.b.name)]
    steps = b.on_init, a.on_init_ack, b.on_challenge_response, a.on_established, b.on_confirm
    for number, step in enumerate(steps, 2):
        envelope = Envelope.decode(sent[-1])
        # What is sent is made at its own time, and judged at that of the answer.
        sides.at(number)
        sent.append(step(envelope))
    a.on_ready(Envelope.decode(sent[-1]))
    return sides, a, b, sent


def play_three_way(vector: dict[str, Any]) -> tuple[Sides, three_way.Initiator, three_way.Responder, list[bytes]]:
    sides = Sides(vector)
    a, b = three_way.Initiator(sides.a, sides.b_key), three_way.Responder(sides.b, sides.a_key)
    sides.at(1)
    sent = [a.begin(sides.b.name)]
    sides.at(2)
    sent.append(b.on_handshake(Envelope.decode(sent[0])))
    sides.at(3)
    sent.append(a.on_ack(Envelope.decode(sent[1])))
    b.on_confirm(Envelope.decode(sent[2]))
    return sides, a, b, sent


class Vectors(unittest.TestCase):
    maxDiff = None

    def same(self, ours: bytes, theirs: str) -> None:
        self.assertEqual(ours.hex(), theirs)

    def each(self, file: str, name: str = "vectors", least: int = 1) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = load(file)[name]
        self.assertGreaterEqual(len(found), least, f"{name} in {file}")
        return found


class Handshakes(Vectors):
    def side(self, side: dict[str, Any]) -> None:
        key = Key(unhex(side["identity_seed"]))
        self.same(key.public, side["identity_public_key"])
        self.assertTrue(identity.usable(key.public) and identity.is_entity_id(side["entity_id"]))
        self.assertEqual(identity.fingerprint(key.public), side["fingerprint"])
        self.same(kdf.ephemeral_public(unhex(side["ephemeral_private_key"])), side["ephemeral_public_key"])

    def messages(self, vector: dict[str, Any], sent: list[bytes]) -> None:
        self.assertEqual(len(sent), len(vector["messages"]))
        for number, (raw, message) in enumerate(zip(sent, vector["messages"], strict=True), 1):
            self.same(raw, message["envelope"])
            envelope = Envelope.decode(raw)
            self.assertEqual(envelope.msg_type, message["msg_type"])
            self.assertEqual(envelope.timestamp, message["timestamp"])
            self.same(envelope.nonce, message["nonce"])
            self.same(envelope.payload, message["body"])
            self.same(envelope.unsigned(), message["unsigned_envelope"])
            self.same(SHA256.signature_input(envelope.unsigned()), message["signature_input"])
            self.same(envelope.signature, message["signature"])
            self.same(kdf.transcript(sent[:number]), message["transcript_after"])

    def keys(self, vector: dict[str, Any], a: Handshake, b: Handshake) -> None:
        self.side(vector["initiator"])
        self.side(vector["responder"])
        ours, theirs = (unhex(vector[side][key]) for side, key in
                        (("initiator", "ephemeral_private_key"), ("responder", "ephemeral_public_key")))
        self.same(kdf.shared_secret(ours, theirs), vector["shared_secret"])
        for side in (a, b):
            assert side.keys is not None and side.session_id is not None
            self.assertEqual((side.suite.name, list(side.features)), (vector["suite"], vector["features"]))
            self.same(side.session_id, vector["session_id"])
            self.assertEqual(side.lifetime_ms, vector["session_lifetime_ms"])
            self.same(side.keys.session_key, vector["session_key"])
            for role in ("initiator", "responder"):
                for name, value in vector[f"{role}_keys"].items():
                    self.same(getattr(getattr(side.keys, role), name), value)
            for confirmation in vector["confirmations"]:
                keys = getattr(side.keys, confirmation["by"])
                self.same(keys.mac(unhex(confirmation["transcript"])), confirmation["mac"])

    def test_six_step(self) -> None:
        for vector in self.each("six_step.json", least=3):
            with self.subTest(vector["name"]):
                _, a, b, sent = play_six_step(vector)
                self.messages(vector, sent)
                self.keys(vector, a, b)
                self.same(kdf.transcript(sent[:2]), vector["handshake_hash"])
                challenge = vector["challenge"]
                signed = six_step.challenge_input(kdf.transcript(sent[:2]), unhex(challenge["challenge"]))
                self.same(signed, challenge["signature_input"])
                self.same(a.me.key.sign(signed), challenge["signature"])
                self.same(cbor.decode(Envelope.decode(sent[1]).payload)["challenge"], challenge["challenge"])
                record, ready = vector["first_record"], Envelope.decode(sent[5])
                assert b.keys is not None
                keys, nonce = b.keys.responder, aead_nonce(b.keys.responder.iv, record["sequence_num"])
                self.same(nonce, record["aead_nonce"])
                self.same(ready.aad(), record["aad"])
                self.same(kdf.transcript(sent[:5]), record["plaintext"])
                sealed = b.suite.seal(keys.traffic_key, nonce, ready.aad(), unhex(record["plaintext"]))
                self.same(sealed, record["record"])

    def test_three_way(self) -> None:
        for vector in self.each("three_way.json", least=2):
            with self.subTest(vector["name"]):
                _, a, b, sent = play_three_way(vector)
                self.messages(vector, sent)
                self.keys(vector, a, b)
                self.same(b.handshake_hash, vector["handshake_hash"])
                ack = Envelope.decode(sent[1])
                entries = cbor.decode(ack.unsigned())
                entries["payload"] = cbor.encode({**cbor.decode(ack.payload), "mac": bytes(32)})
                self.same(cbor.encode(entries), vector["provisional_ack"])

    def test_no_byte_may_be_another(self) -> None:
        """Each step, each byte: refused, and what comes unchanged afterwards is accepted."""
        vector = self.each("six_step.json")[0]
        self.changed(vector, six_step, ("on_init", "on_init_ack", "on_challenge_response", "on_established",
                                        "on_confirm", "on_ready"))
        vector = self.each("three_way.json")[0]
        self.changed(vector, three_way, ("on_handshake", "on_ack", "on_confirm"))

    def changed(self, vector: dict[str, Any], module: Any, steps: tuple[str, ...]) -> None:
        sides = Sides(vector)
        a, b = module.Initiator(sides.a, sides.b_key), module.Responder(sides.b, sides.a_key)
        sides.at(1)
        raw = a.begin(sides.b.name)
        for number, step in enumerate(steps, 1):
            receiver = b if number % 2 else a
            before = receiver.state, list(receiver.envelopes), dict(receiver.me.guard(receiver.carrier).nonces)
            draws = list(self.clock(sides, receiver).draws)
            for other in each_byte(raw):
                with self.assertRaises(Refused, msg=f"{step}: {other.hex()}"):
                    getattr(receiver, step)(Envelope.decode(other))
            after = receiver.state, list(receiver.envelopes), dict(receiver.me.guard(receiver.carrier).nonces)
            self.assertEqual(before, after)
            # An ephemeral key may have been drawn for an offer that fails late; a session or a challenge may not.
            self.clock(sides, receiver).draws = draws
            sides.at(min(number + 1, len(vector["messages"])))
            raw = getattr(receiver, step)(Envelope.decode(raw))
        self.assertEqual(b.state.name, "READY" if module is six_step else "ACTIVE")

    def clock(self, sides: Sides, receiver: Handshake) -> Played:
        return sides.clock_a if receiver.me is sides.a else sides.clock_b


class Records(Vectors):
    def message(self, entry: dict[str, Any]) -> Message:
        order = entry.get("order")
        return Message(
            id=unhex(entry["id"]),
            type=entry["type"],
            body=unhex(entry["body"]),
            order=order and Order(unhex(order["stream"]), order["number"], order.get("after")),
            in_reply_to=unhex(entry["in_reply_to"]) if "in_reply_to" in entry else None,
        )

    def test_sealed_messages(self) -> None:
        handshakes = {f"six_step.json: {vector['name']}": vector for vector in self.each("six_step.json")}
        for vector in self.each("sealed_messages.json", least=3):
            with self.subTest(vector["name"]):
                sides, a, b, _ = play_six_step(handshakes[vector["continues"]])
                assert a.keys is not None
                made = {
                    "initiator": Session(sides.a, a.agreed(next_own=0, next_peers=1)),
                    "responder": Session(sides.b, b.session()),
                }
                clocks = {"initiator": sides.clock_a, "responder": sides.clock_b}
                for record in vector["records"]:
                    sender = record["from"]
                    receiver = "responder" if sender == "initiator" else "initiator"
                    self.record(vector, record, made[sender], made[receiver], clocks)

    def record(self, vector: dict[str, Any], record: dict[str, Any], sender: Session, receiver: Session,
               clocks: dict[str, Played]) -> None:
        for clock in clocks.values():
            clock.time = record["timestamp"]
        clocks[record["from"]].draws = [unhex(record["nonce"])]
        messages = [self.message(entry) for entry in record["messages"]]
        self.same(batch.encode(messages), record["plaintext"])
        for message in messages:
            bodies.decode(message.type, message.body)
        raw = sender.seal(messages)
        self.same(raw, record["envelope"])
        envelope = Envelope.decode(raw)
        self.assertEqual(envelope.sequence_num, record["sequence_num"])
        self.assertEqual(envelope.session_id, unhex(vector["session_id"]))
        self.same(envelope.aad(), record["aad"])
        self.same(envelope.payload, record["payload"])
        self.same(SUITES[vector["suite"]].prehash.signature_input(envelope.unsigned()), record["signature_input"])
        self.same(envelope.signature, record["signature"])
        iv = unhex(vector[record["from"]]["iv"])
        self.same(aead_nonce(iv, record["sequence_num"]), record["aead_nonce"])
        window, guard = set(receiver.window.marked), dict(receiver.guard.nonces)
        for other in each_byte(raw):
            with self.assertRaises(Refused, msg=other.hex()):
                receiver.open_request(Envelope.decode(other))
        self.assertEqual((receiver.window.marked, receiver.guard.nonces), (window, guard))
        self.assertEqual(receiver.open_request(envelope), messages)
        with self.assertRaises(Refused) as again:
            receiver.open_request(envelope)
        self.assertEqual(again.exception.code, Code.REPLAY_DETECTED)


class Errors(Vectors):
    def test_error_envelopes(self) -> None:
        found = self.each("error_envelopes.json", least=16)
        self.assertEqual({vector["code"] for vector in found}, set(Code))
        for vector in found:
            with self.subTest(vector["code"]):
                in_reply_to = vector.get("in_reply_to")
                body = ErrorBody(Code(vector["code"]), vector["detail"], in_reply_to and unhex(in_reply_to),
                                 vector.get("retry_after_ms"))
                self.same(body.encode(), vector["body"])
                self.assertEqual(ErrorBody.decode(unhex(vector["body"])), body)
                key = Key(unhex(vector["sender_seed"]))
                self.same(key.public, vector["sender_public_key"])
                recipient = identity.derived_id(unhex(vector["recipient_public_key"]))
                self.assertEqual(recipient, vector["recipient_id"])
                draft = Draft(Kind.ERROR, unhex(vector["nonce"]), vector["timestamp"], vector["sender_id"], recipient,
                              0, None, body.encode())
                self.same(SHA256.signature_input(draft.unsigned()), vector["signature_input"])
                raw = draft.sign(key)
                self.same(raw, vector["envelope"])
                envelope = Envelope.decode(raw)
                self.same(envelope.signature, vector["signature"])
                envelope.check_signature(key.public)
                for other in each_byte(raw):
                    with self.assertRaises(Refused, msg=other.hex()):
                        Envelope.decode(other).check_signature(key.public)


class Hops(Vectors):
    def test_packets(self) -> None:
        for vector in self.each("hop.json", "packets", least=4):
            with self.subTest(vector["name"]):
                packet = hop.Packet(
                    unhex(vector["origin"]), unhex(vector["destination"]), unhex(vector["message_id"]),
                    vector["hop_limit"], vector["expiry"], unhex(vector["envelope"]),
                )
                self.same(packet.head(), vector["head"])
                self.same(packet.encode(), vector["packet"])
                self.assertEqual(hop.Packet.decode(packet.encode()), packet)

    def test_outcomes(self) -> None:
        for vector in self.each("hop.json", "outcomes", least=15):
            with self.subTest(vector["head"]):
                if vector["outcome"] == "answered":
                    outcome: hop.Answered | hop.RefusedPacket = hop.Answered(vector["hops"], unhex(vector["envelope"]))
                else:
                    outcome = hop.RefusedPacket(hop.Reason(vector["reason"]), vector.get("retry_after_ms"))
                self.same(outcome.head(), vector["head"])
                self.same(outcome.encode(), vector["bytes"])

    def test_places(self) -> None:
        for vector in self.each("hop.json", "places", least=3):
            self.same(hop.place(unhex(vector["key"])), vector["place"])

    def test_no_packets(self) -> None:
        for vector in self.each("hop.json", "refused", least=10):
            with self.subTest(vector["name"]):
                with self.assertRaises(hop.NoPacket) as refused:
                    hop.Packet.decode(unhex(vector["packet"]))
                self.assertEqual(refused.exception.reason, vector["reason"])


class Registry(Vectors):
    def record(self, vector: dict[str, Any]) -> tuple[Key, registry.Record]:
        key = Key(unhex(vector["identity_seed"]))
        return key, registry.Record(
            entity_id=vector["entity_id"],
            public_key=key.public,
            addresses=vector["addresses"],
            capabilities=vector.get("capabilities", []),
            last_seen=vector["last_seen"],
            ttl=vector["ttl"],
            mailboxes=[unhex(box) for box in vector.get("mailboxes", [])],
            prekey=cbor.decode(unhex(vector["prekey"])) if "prekey" in vector else None,
        )

    def believed(self, key: Key, record: registry.Record, theirs: str) -> None:
        data = record.sign(key)
        self.same(data, theirs)
        place = registry.record_key(record.entity_id)
        self.assertEqual(registry.believe(data, place, record.last_seen).unsigned(), record.unsigned())
        for other in each_byte(data):
            with self.assertRaises(Malformed, msg=other.hex()):
                registry.believe(other, place, record.last_seen)
        with self.assertRaises(Malformed):
            registry.believe(data, registry.record_key("somebody else"), record.last_seen)

    def test_records(self) -> None:
        for vector in self.each("registry.json", "records", least=4):
            with self.subTest(vector["name"]):
                key, record = self.record(vector)
                self.same(key.public, vector["public_key"])
                self.assertEqual(identity.derived_id(key.public), vector["derived_id"])
                self.same(record.unsigned(), vector["unsigned"])
                self.same(registry.signature_input(record.unsigned()), vector["signature_input"])
                self.believed(key, record, vector["record"])
                for place in vector["keys"]:
                    self.assertEqual(registry.capability_hash(place["capability"]), place["capability_hash"])
                    found = registry.record_key(place["id"], place["capability"])
                    self.same(found, place["key"])
                    self.assertIn(found, record.keys())
                    if not place["capability"]:
                        self.assertEqual([mirror.hex() for mirror in registry.mirrors(found)], place["mirrors"])

    def test_records_with_mailboxes(self) -> None:
        for vector in self.each("mailbox.json", "records", least=2):
            key, record = self.record(vector)
            self.same(record.unsigned(), vector["unsigned"])
            self.believed(key, record, vector["record"])

    def test_providers(self) -> None:
        for vector in self.each("registry.json", "providers", least=3):
            self.assertEqual(registry.capability_hash(vector["capability"]), vector["capability_hash"])
            digits = registry.shard_digits(unhex(vector["public_key"]))
            self.assertEqual(digits, [shard["digits"] for shard in vector["shards"]])
            for shard in vector["shards"]:
                self.same(registry.provider_key(vector["capability"], shard["digits"]), shard["key"])


class Mailbox(Vectors):
    def prekey(self, vector: dict[str, Any]) -> dict[str, Any]:
        owner, secret = Key(unhex(vector["owner_seed"])), unhex(vector["secret"])
        self.same(owner.public, vector["owner"])
        public = kdf.ephemeral_public(secret)
        self.same(public, vector["key"])
        signed = mailbox.prekey_input(unhex(vector["id"]), public, owner.public, vector["expires"])
        self.same(signed, vector["signature_input"])
        prekey = mailbox.sign_prekey(owner, unhex(vector["id"]), public, vector["expires"])
        self.same(prekey["signature"], vector["signature"])
        self.same(cbor.encode(prekey), vector["prekey"])
        self.assertTrue(mailbox.prekey_holds(prekey, owner.public))
        self.assertFalse(mailbox.prekey_holds({**prekey, "expires": prekey["expires"] + 1}, owner.public))
        return prekey

    def test_prekeys(self) -> None:
        for vector in self.each("mailbox.json", "prekeys", least=2):
            self.prekey(vector)

    def test_items(self) -> None:
        for vector in self.each("mailbox.json", "items", least=2):
            with self.subTest(vector["name"]):
                prekey = self.prekey(vector["prekey"])
                sender, ephemeral = Key(unhex(vector["sender_seed"])), unhex(vector["ephemeral_secret"])
                messages = [
                    Message(unhex(entry["id"]), entry["type"], unhex(entry["body"]),
                            Order(unhex(entry["stream"]), entry["number"], entry.get("after")),
                            unhex(entry["in_reply_to"]) if entry.get("in_reply_to") else None)
                    for entry in vector["messages"]
                ]
                self.same(batch.encode(messages), vector["batch"])
                header = mailbox.Header(unhex(vector["item_id"]), vector["suite"], prekey["id"], vector["expires"],
                                        kdf.ephemeral_public(ephemeral), unhex(vector["recipient"]))
                self.same(header.ephemeral, vector["ephemeral"])
                self.same(header.encode(), vector["header"])
                self.same(header.salt(prekey["key"]), vector["salt"])
                shared = kdf.shared_secret(ephemeral, prekey["key"])
                self.same(shared, vector["shared_secret"])
                key = header.key(shared, prekey["key"])
                self.same(key, vector["key"])
                letter = mailbox.Letter(batch.encode(messages), vector["sender_id"], sender.public,
                                        vector["timestamp"], [unhex(id) for id in vector["spent"]])
                self.same(letter.unsigned(), vector["unsigned"])
                self.same(letter.signature_input(header.encode()), vector["signature_input"])
                plaintext = letter.sign(sender, header.encode())
                self.same(plaintext, vector["plaintext"])
                self.same(cbor.decode(plaintext)["signature"], vector["signature"])
                item = header.seal(key, plaintext)
                self.same(cbor.decode(item)["payload"], vector["payload"])
                self.same(item, vector["item"])
                self.opened(vector, item, letter, messages)

    def opened(self, vector: dict[str, Any], item: bytes, letter: mailbox.Letter, messages: list[Message]) -> None:
        owner = unhex(vector["recipient"])
        secrets = {unhex(vector["prekey"]["id"]): unhex(vector["prekey"]["secret"])}
        found, inside = mailbox.open_item(item, owner, secrets, vector["timestamp"])
        self.assertEqual((found.unsigned(), inside), (letter.unsigned(), messages))
        for other in each_byte(item):
            with self.assertRaises((Malformed, Refused), msg=other.hex()):
                mailbox.open_item(other, owner, secrets, vector["timestamp"])
        for now in (vector["timestamp"] - 60_001, vector["expires"] + 60_001):
            with self.assertRaises(Malformed):
                mailbox.open_item(item, owner, secrets, now)

    def test_receipts(self) -> None:
        for vector in self.each("mailbox.json", "receipts", least=3):
            owner = Key(unhex(vector["owner_seed"]))
            receipt = mailbox.Receipt(owner.public, unhex(vector["sender"]), [unhex(id) for id in vector["ids"]],
                                      vector["status"], vector["at"], vector.get("code"))
            self.same(receipt.unsigned(), vector["unsigned"])
            self.same(receipt.signature_input(), vector["signature_input"])
            data = receipt.sign(owner)
            self.same(data, vector["receipt"])
            self.assertEqual(mailbox.read_receipt(data), receipt)
            for other in each_byte(data):
                with self.assertRaises(Malformed, msg=other.hex()):
                    mailbox.read_receipt(other)


class Legacy(Vectors):
    def test_signed_messages(self) -> None:
        found = self.each("v1_0_signed_messages.json", least=32)
        for vector in found:
            public = unhex(vector["public_key_hex"])
            if vector["valid"]:
                legacy.read(vector["message_json"], public)
            else:
                with self.assertRaises(Malformed):
                    legacy.read(vector["message_json"], public)
        self.assertEqual(sum(vector["valid"] for vector in found), 26)

    def test_canonical_json(self) -> None:
        for bits, printed in self.each("v1_0_canonical_json.json", "floats", least=2000):
            (number,) = struct.unpack(">d", int(bits, 16).to_bytes(8, "big"))
            self.assertEqual(legacy.canonical(number), printed)
        for text, printed in self.each("v1_0_canonical_json.json", "values", least=800):
            self.assertEqual(legacy.canonical(json.loads(text)), printed)



if __name__ == "__main__":
    unittest.main()
