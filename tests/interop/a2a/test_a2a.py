"""Clients of A2A on one machine, agents behind another."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import unittest
import uuid
from pathlib import Path

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.client import ClientCallContext
from a2a.types import (AgentCard, CancelTaskRequest, GetTaskRequest, ListTasksRequest, Message, Part, Role,
                       SendMessageConfiguration, SendMessageRequest, SubscribeToTaskRequest, Task,
                       TaskPushNotificationConfig, TaskState)
from a2a.utils import errors
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.json_format import MessageToDict, ParseDict
from nodes import RunningNode, eventually

HERE = Path(__file__).parent
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def key_of(peer_id):
    """The Ed25519 key that a peer id contains."""
    number = 0
    for character in peer_id:
        number = number * 58 + BASE58.index(character)
    return Ed25519PublicKey.from_public_bytes(number.to_bytes(38, "big")[-32:])


def start_agent(*arguments):
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "agent.py"), str(port), *arguments],
                               stdin=subprocess.DEVNULL)

    def up():
        if process.poll() is not None:
            raise AssertionError("the agent ended")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(up, 60)
    return process, f"http://127.0.0.1:{port}"


def end(process):
    process.terminate()
    process.wait(10)


def message(*parts, **more):
    parts = [Part(text=part) if isinstance(part, str) else part for part in parts]
    return Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=parts, **more)


def text(task):
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


class A2aTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        process, cls.agent = start_agent()
        cls.addClassCleanup(end, process)
        cls.port = free_port()
        # alice is where the clients are; nothing listens for bob and carol but their nodes.
        cls.alice = cls.node("alice", "--api", f"127.0.0.1:{cls.port}", "--capability", "translate")
        cls.bob = cls.node("bob", environment={"PEER_A2A_AGENT": cls.agent})
        cls.carol = cls.node("carol")
        cls.alice.meet(cls.bob)
        cls.alice.meet(cls.carol)
        cls.carol.agent("tr a-z A-Z")
        cls.base = f"http://127.0.0.1:{cls.port}"
        cls.token = cls.alice.run("api", "token")["token"]

    @classmethod
    def node(cls, entity, *settings, environment=None):
        node = RunningNode(entity, *settings, environment=environment)
        cls.addClassCleanup(node.remove)
        return node

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)
        headers = {"Authorization": f"Bearer {self.token}"}
        self.http = httpx.AsyncClient(headers=headers, timeout=60)

    async def asyncTearDown(self):
        await self.http.aclose()

    async def client(self, peer=None, version="1.0", streaming=False, polling=False):
        base = f"{self.base}/a2a/{peer}" if peer else self.base
        card = await A2ACardResolver(self.http, base).get_agent_card()
        chosen = [it for it in card.supported_interfaces if it.protocol_version == version]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(chosen)
        return ClientFactory(ClientConfig(streaming=streaming, polling=polling, httpx_client=self.http)).create(card)

    async def ask(self, client, asked, **settings):
        request = SendMessageRequest(message=asked, configuration=SendMessageConfiguration(**settings))
        events = [event async for event in client.send_message(request)]
        self.assertEqual(len(events), 1)
        return events[0].task

    async def until(self, client, task, state):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            task = await client.get_task(GetTaskRequest(id=task.id))
            if task.status.state == state:
                return task
            await asyncio.sleep(0.1)
        self.fail(f"{task}")

    async def call(self, path, body, **headers):
        answer = await self.http.post(self.base + path, json=body, headers=headers)
        return answer.json()

    async def test_the_card_is_public_and_signed_with_the_nodes_key(self):
        async with httpx.AsyncClient() as stranger:
            card = await A2ACardResolver(stranger, self.base).get_agent_card()
            refused = await stranger.post(self.base + "/a2a", json={})
            self.assertEqual(refused.status_code, 401)
            hidden = await stranger.get(self.base + "/a2a/bob/.well-known/agent-card.json")
            self.assertEqual(hidden.status_code, 401)
            foreign = await stranger.get(self.base + "/.well-known/agent-card.json",
                                         headers={"Host": "evil.example"})
            self.assertEqual(foreign.status_code, 421)
        self.assertEqual(card.name, "alice")
        self.assertEqual([skill.id for skill in card.skills], ["translate"])
        self.assertEqual(card.supported_interfaces[0].url, self.base + "/a2a")
        self.assertIn("token", card.security_schemes)
        peer_id = self.alice.status["peer_id"]
        kids = []

        def key(kid, jku):
            kids.append(kid)
            return key_of(peer_id)

        verify = create_signature_verifier(key, ["EdDSA"])
        verify(card)
        self.assertEqual(kids, [peer_id])
        card.description += "!"
        with self.assertRaises(InvalidSignaturesError):
            verify(card)
        other = create_signature_verifier(lambda kid, jku: key_of(self.bob.status["peer_id"]), ["EdDSA"])
        card.description = card.description[:-1]
        with self.assertRaises(InvalidSignaturesError):
            other(card)
        card = await A2ACardResolver(self.http, self.base + "/a2a/bob").get_agent_card()
        self.assertEqual(card.name, "bob")
        verify(card)
        answer = await self.http.get(self.base + "/a2a/nobody/.well-known/agent-card.json")
        self.assertEqual(answer.status_code, 404)

    async def test_an_agent_of_the_sdk_answers(self):
        for version in ("1.0", "0.3"):
            client = await self.client("bob", version)
            task = await self.ask(client, message("hello"))
            self.assertEqual(task.status.state, TaskState.TASK_STATE_COMPLETED)
            self.assertEqual((text(task), task.artifacts[0].name), ("hello", "echo"))
            self.assertEqual(task.history[0].parts[0].text, "hello")
            again = await client.get_task(GetTaskRequest(id=task.id, history_length=0))
            self.assertEqual((text(again), len(again.history)), ("hello", 0))

    async def test_a_shell_agent_answers(self):
        for version in ("1.0", "0.3"):
            client = await self.client("carol", version)
            task = await self.ask(client, message("hello"))
            self.assertEqual((task.status.state, text(task)), (TaskState.TASK_STATE_COMPLETED, "HELLO"))

    async def test_all_parts_arrive_as_they_are(self):
        data = ParseDict({"data": {"a": [1, 2.5, None, "x"], "b": {}}}, Part())
        parts = [Part(text="look", metadata={"k": "v"}), data,
                 Part(raw=bytes(range(256)), filename="x.bin", media_type="image/png"),
                 Part(url="https://example.org/x", media_type="text/html")]
        for version in ("1.0", "0.3"):
            client = await self.client("bob", version)
            task = await self.ask(client, message(*parts))
            made = [MessageToDict(part) for part in task.artifacts[0].parts]
            self.assertEqual(made, [MessageToDict(part) for part in parts])

    async def test_what_comes_before_the_end_is_streamed(self):
        for version in ("1.0", "0.3"):
            client = await self.client("bob", version, streaming=True)
            begun, pieces, states = time.monotonic(), [], []
            async for event in client.send_message(SendMessageRequest(message=message("stream"))):
                if event.HasField("artifact_update"):
                    pieces.append((time.monotonic() - begun, event.artifact_update))
                if event.HasField("status_update"):
                    states.append(event.status_update.status.state)
                if event.HasField("task"):
                    states.append(event.task.status.state)
                    task = event.task
            took = time.monotonic() - begun
            self.assertEqual(states[0], TaskState.TASK_STATE_SUBMITTED)
            self.assertIn(TaskState.TASK_STATE_WORKING, states)
            self.assertEqual(states[-1], TaskState.TASK_STATE_COMPLETED)
            self.assertGreaterEqual(len(pieces), 2)
            self.assertLess(pieces[0][0], took - 1.5, "before the end")
            self.assertEqual({piece.task_id for _, piece in pieces}, {task.id})
            self.assertEqual(text(task), "0123")

    async def test_a_shell_agent_can_be_followed(self):
        client = await self.client("carol", streaming=True)
        events = [it async for it in client.send_message(SendMessageRequest(message=message("abc")))]
        self.assertEqual(text(events[-1].task), "ABC")

    async def test_who_comes_late_can_follow(self):
        client = await self.client("bob", polling=True)
        task = await self.ask(client, message("stream"))
        self.assertEqual(task.status.state, TaskState.TASK_STATE_SUBMITTED)
        client = await self.client("bob", streaming=True)
        events = [it async for it in client.subscribe(SubscribeToTaskRequest(id=task.id))]
        self.assertEqual(events[0].task.id, task.id)
        self.assertEqual(text(events[-1].task), "0123")
        with self.assertRaises(errors.UnsupportedOperationError):
            [it async for it in client.subscribe(SubscribeToTaskRequest(id=task.id))]

    async def test_contexts_are_conversations_of_one_asker(self):
        client, context = await self.client("bob"), str(uuid.uuid4())
        counts = [text(await self.ask(client, message("count", context_id=context))) for _ in range(3)]
        self.assertEqual(counts, ["1", "2", "3"])
        self.assertEqual(text(await self.ask(client, message("count"))), "1")
        listed = await client.list_tasks(ListTasksRequest(context_id=context, page_size=2))
        self.assertEqual((len(listed.tasks), listed.total_size, len(listed.tasks[0].artifacts)), (2, 3, 0))
        rest = await client.list_tasks(ListTasksRequest(context_id=context, page_token=listed.next_page_token,
                                                        include_artifacts=True))
        self.assertEqual([text(task) for task in rest.tasks], ["1"])
        # Another asker that names the same context has one of its own.
        asked = self.carol.run("connect", self.bob.address) and self.carol.run(
            "talk", "bob", "count", "--conversation", context, check=True)
        self.assertEqual(asked["content"]["text"], "1")

    async def test_the_same_message_is_asked_once(self):
        client, asked = await self.client("bob"), message("count", context_id=str(uuid.uuid4()))
        first, second = await self.ask(client, asked), await self.ask(client, asked)
        self.assertEqual((first.id, text(second)), (second.id, "1"))

    async def test_an_agent_can_ask_back(self):
        client = await self.client("bob")
        task = await self.ask(client, message("ask"))
        self.assertEqual(task.status.state, TaskState.TASK_STATE_INPUT_REQUIRED)
        self.assertEqual(task.status.message.parts[0].text, "which one?")
        other = await self.client("carol")
        with self.assertRaises(errors.TaskNotFoundError):
            await self.ask(other, message("mine", task_id=task.id))
        with self.assertRaises(errors.InvalidParamsError):
            await self.ask(client, message("this", task_id=task.id, context_id="another"))
        done = await self.ask(client, message("this one", task_id=task.id))
        self.assertEqual((done.id, done.status.state), (task.id, TaskState.TASK_STATE_COMPLETED))
        self.assertEqual(text(done), "this one")
        with self.assertRaises(errors.UnsupportedOperationError):
            await self.ask(client, message("more", task_id=task.id))

    async def test_a_failure_says_why(self):
        task = await self.ask(await self.client("bob"), message("fail"))
        self.assertEqual(task.status.state, TaskState.TASK_STATE_FAILED)
        self.assertEqual(task.status.message.parts[0].text, "it went wrong")

    async def test_an_agent_of_the_sdk_gives_tasks_up(self):
        for version in ("1.0", "0.3"):
            client = await self.client("bob", version, polling=True)
            task = await self.ask(client, message("slow"))
            task = await self.until(client, task, TaskState.TASK_STATE_WORKING)
            task = await client.cancel_task(CancelTaskRequest(id=task.id))
            self.assertEqual(task.status.state, TaskState.TASK_STATE_CANCELED)
            with self.assertRaises(errors.TaskNotCancelableError):
                await client.cancel_task(CancelTaskRequest(id=task.id))

    async def test_what_was_not_sent_is_cancelled(self):
        dave = self.node("dave")
        self.alice.meet(dave)
        dave.stop()
        client = await self.client("dave", polling=True)
        task = await self.ask(client, message("hello"))
        self.assertEqual(task.status.state, TaskState.TASK_STATE_SUBMITTED)
        eventually(lambda: any(it["message_id"] == task.id for it in self.alice.run("outbox", "list")["items"]))
        task = await client.cancel_task(CancelTaskRequest(id=task.id))
        self.assertEqual(task.status.state, TaskState.TASK_STATE_CANCELED)
        self.assertFalse(any(it["message_id"] == task.id for it in self.alice.run("outbox", "list")["items"]))
        dave.start()

    async def test_other_agents_cannot_be_told_to_stop(self):
        erin = self.node("erin")
        self.alice.meet(erin)
        erin.agent("cat; sleep 3")
        client = await self.client("erin", polling=True)
        task = await self.ask(client, message("hello"))
        eventually(lambda: self.alice.run("trace", task.id)["status"] == "delivered")
        with self.assertRaises(errors.TaskNotCancelableError):
            await client.cancel_task(CancelTaskRequest(id=task.id))
        await self.until(client, task, TaskState.TASK_STATE_COMPLETED)

    async def test_tasks_outlive_the_node(self):
        port = free_port()
        frank = self.node("frank", "--api", f"127.0.0.1:{port}")
        gwen = self.node("gwen")
        frank.meet(gwen)
        headers = {"Authorization": f"Bearer {frank.run('api', 'token')['token']}"}
        url = f"http://127.0.0.1:{port}/a2a/gwen"

        def call(method, params):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return httpx.post(url, json=body, headers=headers, timeout=60).json()["result"]

        asked = MessageToDict(message("hello"))
        task = call("SendMessage", {"message": asked, "configuration": {"returnImmediately": True}})["task"]
        frank.stop()
        frank.start()
        self.assertEqual(call("GetTask", {"id": task["id"]})["status"]["state"], "TASK_STATE_SUBMITTED")
        gwen.agent("tr a-z A-Z")
        done = lambda: call("GetTask", {"id": task["id"]})["status"]["state"] == "TASK_STATE_COMPLETED"
        eventually(done, 60)
        self.assertEqual(call("GetTask", {"id": task["id"]})["artifacts"][0]["parts"], [{"text": "HELLO"}])
        again = call("SendMessage", {"message": asked})["task"]
        self.assertEqual(again["id"], task["id"])

    async def test_the_nodes_own_agent_is_asked_at_a2a(self):
        port = free_port()
        node = self.node("harry", "--api", f"127.0.0.1:{port}", environment={"PEER_A2A_AGENT": self.agent})
        headers = {"Authorization": f"Bearer {node.run('api', 'token')['token']}"}
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            card = await A2ACardResolver(http, f"http://127.0.0.1:{port}").get_agent_card()
            client = ClientFactory(ClientConfig(streaming=True, httpx_client=http)).create(card)
            events = [it async for it in client.send_message(SendMessageRequest(message=message("stream")))]
            self.assertEqual(text(events[-1].task), "0123")
            self.assertGreaterEqual(sum(it.HasField("artifact_update") for it in events), 3)
        with self.assertRaises(errors.UnsupportedOperationError):
            await self.ask(await self.client(), message("hello"))

    async def test_an_older_agent_answers_peers(self):
        process, url = start_agent("0.3")
        self.addCleanup(end, process)
        ivan = self.node("ivan", environment={"PEER_A2A_AGENT": url})
        self.alice.meet(ivan)
        client = await self.client("ivan")
        data = ParseDict({"data": {"a": [1]}}, Part())
        task = await self.ask(client, message("x", data))
        self.assertEqual([MessageToDict(it) for it in task.artifacts[0].parts],
                         [{"text": "x"}, {"data": {"a": [1.0]}}])
        plain = self.alice.run("talk", "ivan", "hello")
        self.assertEqual((plain["content"]["text"], plain["done"]), ("hello", True))

    async def test_peers_without_a2a_use_the_agent_too(self):
        answer = self.alice.run("talk", "bob", "hello")
        self.assertEqual((answer["content"]["text"], answer["done"]), ("hello", True))
        failed = self.alice.run("talk", "bob", "fail", check=False)
        self.assertTrue(failed is None or not failed["done"])

    async def test_errors_have_their_codes(self):
        client = await self.client("bob")
        with self.assertRaises(errors.TaskNotFoundError):
            await client.get_task(GetTaskRequest(id=str(uuid.uuid4())))
        with self.assertRaises(errors.TaskNotFoundError):
            await client.cancel_task(CancelTaskRequest(id="x"))
        with self.assertRaises(errors.InvalidParamsError):
            await self.ask(client, Message(message_id="m", role=Role.ROLE_USER))
        with self.assertRaises(errors.PushNotificationNotSupportedError):
            await client.create_task_push_notification_config(TaskPushNotificationConfig(task_id="x", url="http://x"))
        with self.assertRaises(errors.PushNotificationNotSupportedError):
            await self.ask(client, message("x"),
                           task_push_notification_config=TaskPushNotificationConfig(url="http://x"))
        task = await self.ask(client, message("hello"))
        for other in ("carol", "bob"):
            found = (await self.client(other)).get_task(GetTaskRequest(id=task.id))
            if other == "carol":
                with self.assertRaises(errors.TaskNotFoundError):
                    await found
            else:
                await found
        body = {"jsonrpc": "2.0", "id": 7, "method": "GetTask", "params": {"id": task.id}}
        for path, changed, headers, code in [
                ("/a2a/bob", {"method": "NoSuch"}, {}, -32601), ("/a2a/bob", {"jsonrpc": "1.0"}, {}, -32600),
                ("/a2a/bob", {"params": {}}, {}, -32602), ("/a2a/bob", {"id": {}}, {}, -32600),
                ("/a2a/bob", {}, {"A2A-Version": "2.0"}, -32009),
                ("/a2a/bob", {"method": "GetExtendedAgentCard"}, {}, -32007),
                ("/a2a/bob", {"method": "agent/getAuthenticatedExtendedCard"}, {}, -32007),
                ("/a2a/bob", {"method": "tasks/pushNotificationConfig/set"}, {}, -32003),
                ("/a2a/nobody", {"method": "SendMessage", "params": {"message": MessageToDict(message("x"))}},
                 {}, -32602)]:
            answer = await self.call(path, {**body, **changed}, **headers)
            self.assertEqual(answer["error"]["code"], code, answer)
            self.assertEqual(answer["error"]["data"][0]["domain"], "a2a-protocol.org")
        broken = await self.http.post(self.base + "/a2a/bob", content=b"{")
        self.assertEqual(broken.json()["error"]["code"], -32700)
        batch = await self.call("/a2a/bob", [body])
        self.assertEqual(batch["error"]["code"], -32600)


if __name__ == "__main__":
    unittest.main()
