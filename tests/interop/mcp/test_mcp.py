"""Every tool, over every way, between two real nodes."""

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import anyio
from hosts import WAYS, connected, data, failure
from jsonschema import Draft202012Validator
from nodes import PROGRAM, RunningNode, eventually

TOOLS = {
    "acknowledge", "answer_task", "check_peer_alive", "discover_peers", "message_status", "node_status",
    "read_inbox", "report_to_peer", "restart_peer", "send_file", "talk_to_peer", "wake_up_peer",
}
READ_ONLY = {"check_peer_alive", "discover_peers", "message_status", "node_status", "read_inbox"}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class McpTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = Path(tempfile.mkdtemp(prefix="peer-interop-files-"))
        cls.addClassCleanup(shutil.rmtree, cls.files, ignore_errors=True)
        (cls.files / "open").mkdir()
        (cls.files / "open" / "a.txt").write_text("the file\n")
        (cls.files / "closed.txt").write_text("secret\n")
        cls.alice = cls.node("alice")
        cls.bob = cls.node("bob")
        cls.alice.meet(cls.bob)

    @classmethod
    def node(cls, entity):
        settings = ["--api", f"127.0.0.1:{free_port()}", "--accept-files", "known", "--capability", entity]
        node = RunningNode(entity, *settings, environment={"PEER_MCP_FILES": str(cls.files / "open")})
        cls.addClassCleanup(node.remove)
        return node

    async def asyncSetUp(self):
        # Its hints about slow steps would drown the results.
        asyncio.get_running_loop().set_debug(False)

    def tearDown(self):
        self.bob.end_agents()
        for node in (self.alice, self.bob):
            node.run("inbox", "ack", "--all")

    def connected(self, node, way, **options):
        return connected(node, way, files=self.files / "open", **options)

    async def test_tools_describe_themselves(self):
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(self.alice, way) as client:
                    self.assertIn("peer_wrote", client.instructions)
                    self.assertEqual(client.server_info.name, "peer")
                    tools = (await client.list_tools()).tools
                self.assertEqual({tool.name for tool in tools}, TOOLS)
                readers = {tool.name for tool in tools if tool.annotations.read_only_hint}
                self.assertEqual(readers, READ_ONLY)
                for tool in tools:
                    self.assertEqual(tool.input_schema["type"], "object")
                    self.assertEqual(tool.output_schema["type"], "object")
                    for schema in (tool.input_schema, tool.output_schema):
                        Draft202012Validator.check_schema(schema)
                    self.assertTrue(tool.title and tool.description)

    async def test_an_agent_is_asked_told_checked_and_woken(self):
        self.bob.agent("tr a-z A-Z")
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(self.alice, way) as client:
                    await self.ask_and_tell(client)

    async def ask_and_tell(self, client):
        async def call(tool, **arguments):
            return data(await client.call_tool(tool, arguments))

        own = await call("node_status")
        self.assertEqual(own["entity"], "alice")
        asked = await call("talk_to_peer", peer="bob", message="hello", conversation="c", timeout_seconds=20)
        self.assertEqual((asked["outcome"], asked["from"]), ("answered", "bob"))
        self.assertEqual(asked["peer_wrote"]["text"], "HELLO")
        # The receipt follows the answer.
        while (await call("message_status", message_id=asked["message_id"]))["message"]["status"] != "processed":
            await asyncio.sleep(0.05)
        report = await call("report_to_peer", peer="bob", status="half", next_action="rest", content="log")
        self.assertIn(report["status"], ("delivered", "processed"))
        life = await call("check_peer_alive", peer="bob")
        self.assertEqual((life["node"], life["agent"], life["path"].split()[0]), ("alive", "attached", "direct"))
        self.assertTrue((await call("wake_up_peer", peer="bob", reason="go on"))["woken"])
        restarted = await call("restart_peer", peer="bob")
        self.assertEqual((restarted["ok"], restarted["attempts"]), (True, []))
        known = await call("discover_peers")
        [bob] = [peer for peer in known["peers"] if peer["peer"] == "bob"]
        self.assertEqual((bob["connected"], bob["encrypted"], bob["trust"]), (True, True, "seen"))
        found = await call("discover_peers", capabilities=["bob"], timeout_seconds=20)
        self.assertEqual([peer["peer"] for peer in found["peers"]], ["bob"])

    async def test_a_model_is_an_agent_too(self):
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(self.bob, way) as client:
                    reading = asyncio.create_task(client.call_tool("read_inbox", {"wait_seconds": 30}))
                    await asyncio.to_thread(eventually, lambda: self.bob.run("status")["agents"] == 1)
                    asked = asyncio.create_task(asyncio.to_thread(
                        self.alice.run, "talk", "bob", "what is \x1b[31m6 times 7\u202e?", "--timeout", "30s"))
                    [task] = data(await reading)["messages"]
                    self.assertTrue(task["needs_answer"] and task["encrypted"])
                    self.assertEqual((task["from"], task["trust"], task["kind"]), ("alice", "seen", "task"))
                    self.assertEqual(task["peer_wrote"]["text"], "what is \\u{1b}[31m6 times 7\\u{202e}?")
                    self.assertTrue(task["peer_wrote"]["escaped"])
                    again = data(await client.call_tool("read_inbox", {}))["messages"]
                    self.assertEqual([it["message_id"] for it in again], [task["message_id"]])
                    answer = {"message": task["message"], "answer": "42"}
                    self.assertTrue(data(await client.call_tool("answer_task", answer))["accepted"])
                    self.assertEqual((await asked)["content"]["text"], "42")
                    _, kind = failure(await client.call_tool("answer_task", {**answer, "message": task["message_id"]}))
                    self.assertEqual(kind, "no_such_task")
                    self.assertEqual(data(await client.call_tool("read_inbox", {}))["messages"], [])

    async def test_a_late_answer_comes_to_the_inbox(self):
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(self.alice, way) as alice, self.connected(self.bob, way) as bob:
                    asked = data(await alice.call_tool(
                        "talk_to_peer", {"peer": "bob", "message": "later?", "timeout_seconds": 1}))
                    self.assertEqual(asked["outcome"], "pending")
                    self.assertIn("read_inbox", asked["detail"])
                    [task] = data(await bob.call_tool("read_inbox", {"wait_seconds": 20}))["messages"]
                    await bob.call_tool("answer_task", {"message": task["message"], "answer": "no", "done": False})
                    [answer] = data(await alice.call_tool("read_inbox", {"wait_seconds": 20}))["messages"]
                    self.assertEqual((answer["kind"], answer["in_reply_to"]), ("answer", asked["message_id"]))
                    self.assertEqual((answer["done"], answer["peer_wrote"]["text"]), (False, "no"))
                    done = data(await alice.call_tool("acknowledge", {"messages": [answer["message"], "n999"]}))
                    self.assertEqual((done["acknowledged"], done["unknown"]), ([answer["message_id"]], ["n999"]))

    async def test_files_are_sent_from_open_directories_only(self):
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(self.alice, way) as alice, self.connected(self.bob, way) as bob:
                    name = "-".join(way) + ".txt"
                    sent = data(await alice.call_tool(
                        "send_file", {"peer": "bob", "path": "a.txt", "name": name}))
                    while True:
                        status = data(await alice.call_tool("message_status", {"message_id": sent["transfer_id"]}))
                        if status["transfer"]["state"] == "complete":
                            break
                        self.assertNotEqual(status["transfer"]["state"], "failed")
                        await asyncio.sleep(0.05)
                    files = data(await bob.call_tool("read_inbox", {}))["received_files"]
                    [file] = [it for it in files if it["peer_wrote"]["file_name"] == name]
                    self.assertEqual(Path(file["path"]).read_text(), "the file\n")
                    for path in ("../closed.txt", str(self.files / "closed.txt"), str(self.alice.dir / "key")):
                        said, kind = failure(await alice.call_tool("send_file", {"peer": "bob", "path": path}))
                        self.assertEqual(kind, "refused", said)
        async with connected(self.alice, ("stdio", "auto")) as client:
            said, _ = failure(await client.call_tool("send_file", {"peer": "bob", "path": "a.txt"}))
            self.assertIn("--files", said)

    async def test_failures_are_errors_of_the_tool_with_a_next_step(self):
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(self.alice, way) as client:
                    ask = {"peer": "nobody-here", "message": "x", "timeout_seconds": 5}
                    said, kind = failure(await client.call_tool("talk_to_peer", ask))
                    self.assertIn(kind, ("unknown_peer", "not_found"))
                    self.assertIn("What next:", said)
                    said, _ = failure(await client.call_tool("talk_to_peer", {"peer": "bob"}))
                    self.assertIn("message", said)
                    said, kind = failure(await client.call_tool("read_inbox", {"limit": 1000}))
                    self.assertEqual(kind, "invalid")
                    said, kind = failure(await client.call_tool("message_status", {"message_id": "00000000"}))
                    self.assertEqual(kind, "no_such_message")

    async def test_a_node_may_go_and_come_back(self):
        carol = self.node("carol")
        for way in WAYS:
            with self.subTest(way=way):
                async with self.connected(carol, way) as client:
                    self.assertEqual(data(await client.call_tool("node_status", {}))["entity"], "carol")
                    await asyncio.to_thread(carol.stop)
                    if way[0] == "stdio":
                        said, kind = failure(await client.call_tool("node_status", {}))
                        self.assertEqual(kind, "no_node")
                        self.assertIn("peer run", said)
                    # Over HTTP it is the client itself that would find nobody; nothing of it is kept at the node.
                    await asyncio.to_thread(carol.start)
                    self.assertEqual(data(await client.call_tool("node_status", {}))["entity"], "carol")

    async def test_long_calls_tell_of_progress(self):
        for way in WAYS:
            with self.subTest(way=way):
                heard = []

                async def note(progress, total, message):
                    heard.append((progress, total, message))

                async with self.connected(self.alice, way) as client:
                    ask = {"peer": "bob", "message": "x", "timeout_seconds": 5}
                    asked = data(await client.call_tool("talk_to_peer", ask, progress_callback=note))
                self.assertEqual(asked["outcome"], "pending")
                self.assertGreaterEqual(len(heard), 2)
                self.assertEqual(heard[0][1:], (5.0, "talk_to_peer waits for bob, 2 s by now"))
                self.assertEqual(sorted(heard), heard)
                self.bob.run("inbox", "ack", "--all")

    async def test_cancelled_calls_wait_no_longer(self):
        # Without sessions a cancellation of the older protocol over HTTP finds nothing to cancel: there the call
        # ends with its time, or with its connection.
        for way in [way for way in WAYS if way != ("http", "legacy")]:
            with self.subTest(way=way):
                async with self.connected(self.bob, way) as client:
                    with anyio.move_on_after(1.5):
                        await client.call_tool("read_inbox", {"wait_seconds": 60})
                        self.fail("nothing came in")
                    # The wait has ended at the node, too, and the client can go on.
                    await asyncio.to_thread(eventually, lambda: self.bob.run("status")["agents"] == 0)
                    self.assertEqual(data(await client.call_tool("node_status", {}))["entity"], "bob")

    def test_over_tcp_only_with_the_token_and_from_here(self):
        address = self.alice.run("api", "url")["address"]
        token = self.alice.run("api", "token")["token"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "node_status", "arguments": {}}}

        def post(**more):
            headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
            headers.update({name: value for name, value in more.items() if value is not None})
            connection = http.client.HTTPConnection(address, timeout=20)
            connection.putrequest("POST", "/mcp", skip_host="host" in more)
            body = json.dumps(call).encode()
            for name, value in {**headers, "content-length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            return answer.status, text

        bearer = f"Bearer {token}"
        self.assertEqual(post(authorization=bearer)[0], 200)
        self.assertEqual(post()[0], 401)
        self.assertEqual(post(authorization="Bearer " + "0" * 64)[0], 401)
        self.assertIn(post(authorization=bearer, origin="https://evil.example")[0], (403, 421))
        self.assertIn(post(authorization=bearer, host="evil.example")[0], (400, 403, 421))

    def test_it_starts_in_well_under_a_second_without_a_node(self):
        greeting = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
        took = []
        for _ in range(5):
            begun = time.monotonic()
            server = subprocess.Popen([PROGRAM, "--data-dir", str(self.files / "none"), "mcp"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            server.stdin.write(json.dumps(greeting).encode() + b"\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline())
            took.append(time.monotonic() - begun)
            server.communicate()
            self.assertEqual(answer["result"]["protocolVersion"], "2025-06-18")
            self.assertEqual(server.returncode, 0)
        print(f"from exec to the answer: {min(took) * 1000:.0f} to {max(took) * 1000:.0f} ms")
        self.assertLess(max(took), 1.0)
        self.assertFalse((self.files / "none").exists())


if __name__ == "__main__":
    unittest.main()
