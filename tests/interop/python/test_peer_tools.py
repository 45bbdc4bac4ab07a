"""scripts/peer_tools.py between two real nodes."""

import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

import peer_tools
from nodes import PROGRAM, RunningNode, eventually
from peer_tools import NoNode, Node, PeerError, Unanswered

SOURCES = Path(os.environ["SOURCES"])


def readme(section):
    """The Python of a section of the README, one text a block."""
    text = (SOURCES / "README.md").read_text()
    found = re.search(rf"^## {section}\n(.*?)(?=^## )", text, re.M | re.S)
    return re.findall(r"^```python\n(.*?)^```", found.group(1), re.M | re.S)


class PeerToolsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.alice = RunningNode("alice", "--api", "127.0.0.1:0", "--accept-files", "known")
        cls.addClassCleanup(cls.alice.remove)
        cls.bob = RunningNode("bob", "--accept-files", "known")
        cls.addClassCleanup(cls.bob.remove)
        cls.alice.meet(cls.bob)

    def setUp(self):
        self.node, self.other = Node(self.alice.dir), Node(self.bob.dir)
        self.addCleanup(self.empty)

    def empty(self):
        self.bob.end_agents()
        for node in (self.alice, self.bob):
            node.run("inbox", "ack", "--all")

    def environment(self, node, **more):
        return mock.patch.dict(os.environ, {"PEER_DATA_DIR": str(node.dir), **more})

    def test_the_lines_of_the_readme_send_and_receive(self):
        answering, asking = readme("From Python")[:2]
        lines = [line for line in (answering + asking).splitlines() if line.strip()]
        self.assertLessEqual(len(lines), 5, lines)
        begun = time.monotonic()

        def start(text, node):
            environment = {**os.environ, "PEER_DATA_DIR": str(node.dir)}
            return subprocess.Popen([sys.executable, "-c", text], env=environment,
                                    stdout=subprocess.PIPE, text=True)

        agent = start(answering, self.bob)
        try:
            asked = start(asking, self.alice)
            printed, _ = asked.communicate(timeout=30)
        finally:
            agent.kill()
            agent.communicate()
        self.assertEqual((asked.returncode, printed), (0, "HELLO THERE\n"))
        session = next(peer for peer in self.node.peers() if peer.get("entity") == "bob")
        self.assertTrue(session["encrypted"])
        self.assertEqual(session["session"]["state"], "READY")
        self.assertLess(time.monotonic() - begun, 30)

    def test_a_shell_agent_answers(self):
        self.bob.agent("tr a-z A-Z")
        bob = self.node.peer("bob")
        answer = bob.talk("hello agent", timeout=20)
        self.assertTrue(answer)
        self.assertEqual((answer.text, str(answer), answer["entity"]), ("HELLO AGENT", "HELLO AGENT", "bob"))
        self.assertEqual(bob.talk(bytes([0xff, 0, 1]), timeout=20).data, bytes([0xff, 0, 1]))

    def test_an_agent_that_cannot_is_no_exception(self):
        self.bob.agent("echo no >&2; exit 3")
        answer = self.node.talk("bob", "x", timeout=20)
        self.assertFalse(answer)
        self.assertIn("no", answer.text)

    def test_the_five_functions_have_their_signatures_and_work(self):
        names = {
            "report_to_peer": ["status", "next_action"],
            "talk_to_peer": ["message", "session_id", "timeout"],
            "wake_up_peer": [],
            "check_peer_alive": [],
            "restart_peer": [],
        }
        for name, first in names.items():
            parameters = inspect.signature(getattr(peer_tools, name)).parameters
            self.assertEqual(list(parameters)[:len(first)], first)
            needed = [it for it in parameters.values() if it.default is it.empty]
            self.assertEqual([it.name for it in needed], first[:1], name)
        with self.environment(self.alice, PEER_PEER="bob"):
            self.assertEqual(peer_tools.check_peer_alive()["agent"], False)
            self.bob.agent("cat")
            alive = peer_tools.check_peer_alive()
            self.assertTrue(alive and alive["agent"])
            answer = peer_tools.talk_to_peer("hi", "planning", 20)
            self.assertEqual((answer["response"], answer["session_id"]), ("hi", "planning"))
            report = peer_tools.report_to_peer("half done", "the rest")
            self.assertTrue(report and report["status"] in ("delivered", "processed"))
            self.assertTrue(peer_tools.wake_up_peer())
            self.assertTrue(peer_tools.restart_peer())
        with self.environment(self.alice, PEER_PEER=""), self.assertRaises(PeerError) as failed:
            peer_tools.wake_up_peer()
        self.assertIn("PEER_PEER", failed.exception.next)

    def test_messages_come_again_until_they_are_dealt_with(self):
        self.node.report("bob", "first", "then second", content="log")
        self.node.report("bob", "second")
        heard = []
        with self.assertRaises(ZeroDivisionError):
            for message in self.other.listen():
                heard.append(message["status"])
                if len(heard) == 2:
                    1 / 0
        for message in self.other.listen(limit=1):
            heard.append(message["status"])
            self.assertEqual((message.kind, message.sender, message["encrypted"]),
                             ("status_report", "alice", True))
        self.assertEqual(heard, ["first", "second", "second"])
        self.assertEqual(self.other.inbox(), [])

    def test_an_inbox_is_read_answered_and_acknowledged(self):
        with self.assertRaises(Unanswered) as late:
            self.node.talk("bob", "what?", conversation="c", timeout=1)
        self.assertIsNotNone(late.exception.message_id)
        [task] = eventually(self.other.inbox)
        self.assertTrue(task.needs_answer)
        self.assertEqual((task.text, task["conversation"]), ("what?", "c"))
        task.answer("that")
        with self.assertRaises(PeerError) as again:
            task.answer("twice")
        self.assertEqual(again.exception.kind, "no_such_task")
        [answer] = eventually(self.node.inbox)
        self.assertEqual((answer.kind, answer.text), ("answer", "that"))
        self.assertEqual(answer["in_reply_to"], late.exception.message_id)
        answer.acknowledge()
        self.assertEqual(self.node.inbox(), [])
        self.assertIn(self.node.trace(late.exception.message_id)["status"], ("processed", "delivered"))

    def test_what_is_repeated_under_one_key_is_told_once(self):
        first = self.node.report("bob", "once", key="a-key")
        again = self.node.report("bob", "once", key="a-key")
        self.assertEqual(first["message_id"], again["message_id"])
        self.assertEqual([message["status"] for message in self.other.inbox()], ["once"])

    def test_files_are_sent(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "Größe.bin"
            path.write_bytes(bytes(range(256)) * 1000)
            sent = self.node.send_file("bob", path)
            done = lambda: self.node.transfer(sent["id"])["state"] == "complete"
            eventually(done)
        [message] = self.other.listen(limit=1)
        self.assertEqual(message.kind, "file")
        self.assertEqual(message.path.read_bytes(), bytes(range(256)) * 1000)

    def test_over_tcp_with_the_token(self):
        address = self.alice.run("api", "url")["address"]
        token = self.alice.run("api", "token")["token"]
        self.assertEqual(Node(api=address, token=token).status()["entity"], "alice")
        with self.environment(self.alice, PEER_API=address):
            self.assertEqual(Node().status()["entity"], "alice")
        url = self.alice.run("api", "url")["url"]
        self.assertEqual(Node(api=url).status()["entity"], "alice")
        with self.assertRaises(PeerError) as refused:
            Node(api=address, token="0" * 64).status()
        self.assertIn("token", str(refused.exception))
        self.bob.agent("cat")
        self.assertEqual(Node(api=url).talk("bob", "over tcp", timeout=20).text, "over tcp")

    def test_nobody_gets_the_token_who_does_not_prove_to_know_it(self):
        asked, answers = [], iter([b"{}", b'{"proof": "00"}', b'{"proof": 7}', b"[]", b"no json"])

        class Imposter(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked.append((self.path.split("?")[0], self.headers.get("Authorization")))
                answer = next(answers)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Imposter) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.addCleanup(server.shutdown)
            node = Node(api="127.0.0.1:%d" % server.server_address[1], token="f" * 64)
            for _ in range(5):
                with self.assertRaises(PeerError) as refused:
                    node.status()
                self.assertEqual(refused.exception.kind, "unproven")
            server.shutdown()
        self.assertEqual(asked, [("/v1/proof", None)] * 5)

    def test_failures_say_what_next(self):
        with tempfile.TemporaryDirectory() as nowhere, self.assertRaises(NoNode) as failed:
            Node(nowhere).status()
        self.assertIn("peer run", failed.exception.next)
        with self.assertRaises(PeerError) as failed:
            self.node.talk("nobody-here", "x", timeout=5)
        self.assertIn(failed.exception.kind, ("unknown_peer", "not_found"))
        self.assertIn("what next", str(failed.exception))
        with self.assertRaises(PeerError) as failed:
            self.node.talk("bob", "x" * (64 << 20) + "x")
        self.assertEqual(failed.exception.kind, "too_large")

    def test_a_node_that_is_restarted_is_listened_to_again(self):
        carol = RunningNode("carol")
        self.addCleanup(carol.remove)
        self.node.connect(carol.address)
        heard, seen = [], threading.Event()

        def listen():
            # What is not acknowledged is not handed again to whoever got it.
            for message in Node(carol.dir).listen(limit=2, acknowledge=False):
                heard.append(message["status"])
                seen.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        self.node.report("carol", "before")
        self.assertTrue(seen.wait(20))
        carol.stop()
        carol.start()
        self.node.connect(carol.address)
        self.node.report("carol", "after")
        listener.join(30)
        self.assertEqual(heard, ["before", "after"])

    def test_the_command_line(self):
        self.bob.agent("tr a-z A-Z")
        script = str(SOURCES / "scripts" / "peer_tools.py")

        def run(*arguments):
            ended = subprocess.run([sys.executable, script, "--data-dir", str(self.alice.dir), *arguments],
                                   capture_output=True, text=True, timeout=60)
            return ended.returncode, ended.stdout.strip(), ended.stderr

        self.assertEqual(run("talk", "bob", "hi")[:2], (0, "HI"))
        code, printed, _ = run("alive", "bob")
        self.assertTrue(code == 0 and json.loads(printed)["agent"])
        code, _, said = run("talk", "nobody-here", "hi", "--timeout", "3")
        self.assertTrue(code == 1 and said.startswith("error: ") and "what next" in said, said)


if __name__ == "__main__":
    unittest.main()
