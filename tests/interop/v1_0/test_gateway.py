"""A peer in Python and `peer run` with a gateway, as processes on loopback."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from old import Old, get, holds, new_session, post

PROGRAM = os.environ["PEER"]


class Node:
    """A node with this configuration."""

    def __init__(self, configuration):
        self.dir = Path(tempfile.mkdtemp(prefix="peer-interop-"))
        (self.dir / "config.toml").write_text(configuration)
        environment = {**os.environ, "PEER_MDNS": "off", "PEER_UPNP": "off"}
        self.process = subprocess.Popen(
            [PROGRAM, "--json", "--data-dir", str(self.dir), "run"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )
        self.started = json.loads(self.process.stdout.readline())

    def command(self, *arguments):
        command = [PROGRAM, "--json", "--data-dir", str(self.dir), *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def run(self, *arguments):
        out, _ = self.command(*arguments).communicate(timeout=60)
        return json.loads(out)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Gateway(Node):
    """A node called `new` that knows these peers."""

    def __init__(self, *peers, forward=()):
        tables = "".join(
            f'[[gateway.peer]]\nentity = {json.dumps(old.entity)}\npublic_key = "{old.public}"\n'
            + (f'url = "{url}"\n' if url else "")
            for old, url in peers
        )
        super().__init__(
            'entity = "new"\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n'
            f'[gateway]\nlisten = "127.0.0.1:0"\nforward = {json.dumps(list(forward))}\n{tables}'
        )
        self.at = "http://" + self.started["gateway"]


class GatewayTest(unittest.TestCase):
    def gateway(self, *peers, forward=()):
        gateway = Gateway(*peers, forward=forward)
        self.addCleanup(gateway.close)
        return gateway

    def old(self, entity="エンティティ"):
        old = Old(entity)
        self.addCleanup(old.close)
        return old

    def refused(self, answer, status, code):
        self.assertEqual(answer[0], status, answer)
        self.assertEqual(answer[1]["payload"]["code"], code)
        self.assertTrue(holds(answer[1], self.key), "refusals are signed")

    def test_messages_without_a_session(self):
        old = self.old()
        gateway = self.gateway((old, None))
        self.key = get(gateway.at, "/public-key")[1]["public_key"]
        text = {"message": "こんにちは \u2028 😀", "message_id": "task-1", "n": 1e16, "m": 1e-5, "i": 10**30}
        answered = gateway.command("listen", "--once", "--exec", "tr a-z A-Z")
        status, answer = post(gateway.at, old.write("task_delegate", text, "new"))
        answered.communicate(timeout=60)
        self.assertEqual((status, answer["msg_type"]), (200, "task_result"), answer)
        self.assertTrue(holds(answer, self.key))
        self.assertEqual(answer["payload"]["message"], text["message"])
        self.assertEqual(answer["payload"]["in_reply_to"], "task-1")

        beat = old.write("heartbeat", {}, "new", session_id=new_session(), sequence_num=17)
        status, answer = post(gateway.at, beat)
        self.assertEqual((status, answer["msg_type"]), (200, "heartbeat_ack"), answer)
        self.refused(post(gateway.at, beat), 409, "REPLAY_DETECTED")
        late = old.write("heartbeat", {}, "new", timestamp=1770805427.0)
        self.refused(post(gateway.at, late), 409, "REPLAY_DETECTED")
        forged = {**old.write("heartbeat", {}, "new"), "payload": {"x": 1}}
        self.refused(post(gateway.at, forged), 403, "INVALID_SIGNATURE")
        self.refused(post(gateway.at, b"nonsense"), 400, "INVALID_VERSION")
        self.assertEqual(post(gateway.at, b"x" * 65537)[0], 413)
        self.assertEqual(get(gateway.at, "/nowhere")[0], 404)
        self.assertEqual(get(gateway.at, "/message")[0], 405)
        self.assertEqual(get(gateway.at, "/health")[1]["entity_id"], "new")
        self.assertEqual(get(gateway.at, "/peers")[1]["peers"][0]["entity_id"], "new")
        self.assertEqual(get(gateway.at, "/stats")[1]["taken"], 2)

    def test_a_session_of_a_stranger(self):
        old = self.old("stranger")
        gateway = self.gateway()
        self.key = get(gateway.at, "/public-key")[1]["public_key"]
        report = {"status": "S1完了", "next_action": None, "metadata": {}, "report_type": "progress"}
        self.refused(post(gateway.at, old.write("status_report", report, "new")), 409, "INVALID_STATE")
        session = old.open_session(gateway.at, "new")
        message = old.write("status_report", report, "new", session_id=session, sequence_num=0)
        self.assertEqual(post(gateway.at, message), (200, {"status": "received"}))
        again = old.write("status_report", report, "new", session_id=session, sequence_num=0)
        self.refused(post(gateway.at, again), 409, "SEQUENCE_ERROR")
        lost = old.write("status_report", report, "new", session_id=new_session(), sequence_num=1)
        self.refused(post(gateway.at, lost), 409, "SESSION_NOT_FOUND")

    def test_the_originals_answer_to_a_challenge(self):
        old = self.old("original")
        gateway = self.gateway()
        self.key = get(gateway.at, "/public-key")[1]["public_key"]
        begin = {"handshake_type": "initiate", "challenge": "gNJ/WN8RGjs98kWtqQgCOJp4zcKUkqh190rG86ogL0o=",
                 "public_key": old.public, "supported_versions": ["1.0"]}
        status, ack = post(gateway.at, old.write("handshake", begin, "new"))
        self.assertEqual((status, ack["msg_type"]), (200, "handshake_ack"))
        self.refused(post(gateway.at, old.original_confirm(ack, "new")), 403, "CHALLENGE_INVALID")

    def test_a_peer_with_a_server(self):
        old = self.old()
        gateway = self.gateway((old, old.serve()))
        self.key = get(gateway.at, "/public-key")[1]["public_key"]
        talk = gateway.command("talk", old.entity, "一たす二は? 😀", "--timeout", "30s")
        path, question = old.posted.get(timeout=20)
        self.assertEqual((path, question["msg_type"]), ("/message", "task_delegate"))
        self.assertTrue(holds(question, self.key))
        self.assertEqual(question["payload"]["message"], "一たす二は? 😀")
        result = {"message": "三", "in_reply_to": question["payload"]["message_id"], "status": "done"}
        self.assertEqual(post(gateway.at, old.write("task_result", result, "new"))[0], 200)
        out, _ = talk.communicate(timeout=60)
        self.assertEqual(json.loads(out)["content"]["text"], "三")
        listed = gateway.run("peers")[0]
        self.assertEqual((listed["protocol"], listed["encrypted"], listed["path"]["kind"]), ("1.0", False, "http"))

    def test_somebody_behind_the_gateway(self):
        old = self.old()
        gateway = self.gateway((old, old.serve()), forward=["third"])
        third = Node(
            'entity = "third"\nlisten = ["/ip4/127.0.0.1/tcp/0"]\n'
            f'bootstrap = {json.dumps(gateway.started["listen"])}\n'
        )
        self.addCleanup(third.close)
        self.assertTrue(third.run("connect", gateway.started["listen"][0])["encrypted"])
        gateway.run("trust", "pin", "third", third.run("status")["fingerprint"])

        talk = third.command("talk", old.entity, "--through", "new", "sum")
        _, question = old.posted.get(timeout=20)
        self.assertEqual(question["payload"]["forwarded"], {"entity_id": "third", "version": "1.1"})
        result = {"message": "3", "in_reply_to": question["payload"]["message_id"], "status": "done"}
        self.assertEqual(post(gateway.at, old.write("task_result", result, "new"))[0], 200)
        out, _ = talk.communicate(timeout=60)
        answer = json.loads(json.loads(out)["content"]["text"])
        self.assertEqual((answer["message"], answer["forwarded"]["entity"]), ("3", old.entity))

        listen = third.command("listen", "--once", "--exec", "cat >/dev/null; echo heard")
        status, _ = post(gateway.at, old.write("task_delegate", {"message": "hello"}, "third"))
        listen.communicate(timeout=60)
        self.assertEqual(status, 200)
        _, heard = old.posted.get(timeout=20)
        self.assertEqual((heard["msg_type"], heard["payload"]["message"].strip()), ("task_result", "heard"))
        self.assertEqual(heard["payload"]["forwarded"]["entity_id"], "third")


if __name__ == "__main__":
    unittest.main()
