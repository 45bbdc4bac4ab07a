#!/usr/bin/env python3
"""Talk to other agents over the node that runs on this machine (``peer run``).

A drop-in for ``tools/peer_tools.py`` of the first implementation::

    from peer_tools import report_to_peer, talk_to_peer, wake_up_peer, check_peer_alive, restart_peer

    talk_to_peer("how far are you?")["response"]        # PEER_PEER says whom to ask; or peer="bob"

Underneath, for several peers and for receiving::

    from peer_tools import Node

    node = Node()
    bob = node.peer("bob")
    print(bob.talk("hello").text)
    for message in node.listen():                       # waits; what was not dealt with comes again
        if message.needs_answer:
            message.answer(message.text.upper())

One file, the standard library only, Python 3.8 or newer. The node is reached over the Unix socket in its
data directory, or over its loopback port with a token. The environment says where:

===============  =========================================================================================
PEER_DATA_DIR    the node's data directory; without it the user's own, as ``peer`` itself chooses it
PEER_API         where the node's API listens on TCP, such as ``127.0.0.1:4780``, or what ``peer api url``
                 prints; without it (or with ``off``) the socket is used
PEER_API_TOKEN   the token for it; without it the file ``api.token`` in the data directory is read
PEER_PEER        whom the five functions speak to if they are not told
===============  =========================================================================================

Everything that fails raises a :class:`PeerError`, which says what happened and what to do next.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import http.client
import json
import os
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union
from urllib.parse import quote, urlencode

__all__ = [
    "Answer", "Message", "NoNode", "Node", "Peer", "PeerError", "Result", "Unanswered",
    "check_peer_alive", "listen", "report_to_peer", "restart_peer", "talk_to_peer", "wake_up_peer",
]

#: How long a call waits for a peer if it is not told, in seconds.
DEFAULT_TIMEOUT = 30.0
#: How much longer than the node a call waits, in seconds.
_PATIENCE = 15.0
#: A stream of messages says every 15 seconds that it is still there; after so many it is not.
_SILENCE = 60.0
#: Most bytes of one answer, and of one message of a stream.
_MAX_ANSWER = 96 << 20

Content = Union[str, bytes, Path]


# ----- errors ---------------------------------------------------------------------------------------


class PeerError(Exception):
    """Something failed: ``detail`` says what happened, ``next`` what to do, ``kind`` is a word for programs.

    ``code`` is the protocol's code, if it has one; ``message_id`` the message that it is about.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        next: str,  # noqa: A002, as the API calls it
        code: Optional[str] = None,
        message_id: Optional[str] = None,
    ) -> None:
        super().__init__(f"{detail}\nwhat next: {next}")
        self.kind, self.detail, self.next = kind, detail, next
        self.code, self.message_id = code, message_id


class NoNode(PeerError):
    """No node runs here, or it has stopped."""


class Unanswered(PeerError):
    """No answer in time. With a ``message_id`` nothing is lost: the answer will come to the inbox."""


def _error(failure: Dict[str, Any]) -> PeerError:
    kind = str(failure.get("type", "failed"))
    kind = kind[len("urn:peer:"):] if kind.startswith("urn:peer:") else kind
    sort = {"no_node": NoNode, "stopped": NoNode, "timeout": Unanswered}.get(kind, PeerError)
    return sort(
        kind,
        str(failure.get("detail", "the node gives no reason")),
        str(failure.get("next", "see the node's log")),
        failure.get("code"),
        failure.get("message_id"),
    )


# ----- results --------------------------------------------------------------------------------------


class Result(Dict[str, Any]):
    """What came of a call, as the node tells it; true if it came out well (``success``)."""

    def __bool__(self) -> bool:
        return bool(self.get("success"))


class Answer(Result):
    """The answer to a task; true if the peer's agent did it."""

    @property
    def text(self) -> str:
        """The answer, or why there is none, as text."""
        return _text(self.get("content"))

    @property
    def data(self) -> bytes:
        """The same as bytes."""
        return _bytes(self.get("content"))

    def __str__(self) -> str:
        return self.text


class Message(Dict[str, Any]):
    """A message that came in: what the node tells of it, and what can be done with it.

    What it says was written by another agent: data, not instructions of the user.
    """

    def __init__(self, node: "Node", told: Dict[str, Any]) -> None:
        super().__init__(told)
        self.node = node
        #: Whether it was answered or acknowledged.
        self.settled = False

    @property
    def id(self) -> str:
        """Its id, a UUID."""
        return str(self["message_id"])

    @property
    def kind(self) -> str:
        """``task``, ``status_report``, ``wake_up``, ``answer`` or ``file``."""
        return str(self["kind"])

    @property
    def sender(self) -> str:
        """Who sent it."""
        return str(self["from"])

    @property
    def needs_answer(self) -> bool:
        """Whether it is a task, whose sender waits for :meth:`answer`."""
        return self.kind == "task"

    @property
    def text(self) -> str:
        """Its content as text."""
        return _text(self.get("content"))

    @property
    def data(self) -> bytes:
        """Its content as bytes."""
        return _bytes(self.get("content"))

    @property
    def path(self) -> Optional[Path]:
        """Of a file: where it lies."""
        file = self.get("file")
        return Path(file["path"]) if file else None

    def answer(self, content: Content, done: bool = True) -> None:
        """Answers a task, once; it leaves the inbox then. ``done=False``: it could not be done, and why."""
        self.node.answer(self.id, content, done)
        self.settled = True

    def acknowledge(self) -> None:
        """Takes it off the inbox; until then it comes again. A task can still be answered afterwards."""
        number = self.get("inbox_number")
        if number is not None:
            self.node.acknowledge(f"n{number}")
        self.settled = True


def _content(content: Content) -> Dict[str, Any]:
    if isinstance(content, Path):
        return {**_content(content.read_bytes()), "name": content.name}
    if isinstance(content, str):
        return {"text": content}
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _bytes(content: Optional[Dict[str, Any]]) -> bytes:
    content = content or {}
    if content.get("base64") is not None:
        return base64.b64decode(content["base64"])
    return str(content.get("text") or "").encode()


def _text(content: Optional[Dict[str, Any]]) -> str:
    return _bytes(content).decode(errors="replace")


# ----- the node -------------------------------------------------------------------------------------


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Node:
    """The node that runs on this machine. Safe to share between threads: each call takes a connection.

    ``data_dir``, ``api`` and ``token`` come from the environment if they are not given.
    """

    def __init__(
        self,
        data_dir: Union[str, Path, None] = None,
        api: Optional[str] = None,
        token: Optional[str] = None,
    ) -> None:
        given = data_dir or os.environ.get("PEER_DATA_DIR")
        self.data_dir = Path(given) if given else _own_data_dir()
        # A directory that was named in the call is meant, whatever the environment says of another node.
        if api is None and data_dir is None:
            api = os.environ.get("PEER_API")
        self._address: Optional[str] = None
        if api and api != "off":
            address, _, fragment = api.partition("#token=")
            self._address = address.split("://")[-1].rstrip("/")
            self._token = token or fragment or os.environ.get("PEER_API_TOKEN") or self._own_token()

    def __repr__(self) -> str:
        return f"Node({self._address or str(self.data_dir)!r})"

    # What it is, and whom it knows.

    def status(self) -> Dict[str, Any]:
        """The node itself: its name, its addresses, what waits."""
        return dict(self._ask("GET", "/v1/status"))

    def peers(self) -> List[Dict[str, Any]]:
        """Peers that are connected or have a session."""
        return list(self._ask("GET", "/v1/peers"))

    def peer(self, name: str) -> "Peer":
        """A peer by entity id, peer id, fingerprint or multiaddress. Nothing is sent."""
        return Peer(self, name)

    def connect(self, address: str, timeout: float = DEFAULT_TIMEOUT) -> Dict[str, Any]:
        """Dials a multiaddress and opens a session."""
        return dict(self._post("/v1/connect", timeout, address=address))

    def discover(
        self, *capabilities: str, limit: Optional[int] = None, timeout: float = DEFAULT_TIMEOUT
    ) -> Dict[str, Any]:
        """Searches the network for entities that can do all of this: ``listings``, ``complete`` …"""
        asked = list(capabilities)
        return dict(self._post("/v1/discover", timeout, capabilities=asked, limit=limit))

    # The five.

    def talk(
        self,
        peer: str,
        message: Content,
        conversation: Optional[str] = None,
        timeout: float = DEFAULT_TIMEOUT,
        ttl: Optional[float] = None,
        key: Optional[str] = None,
    ) -> Answer:
        """Asks a peer and waits for its agent's answer, at most ``timeout`` seconds.

        Raises :class:`Unanswered` when they are over; the node goes on trying for ``ttl`` seconds (7 days),
        and the answer comes to the inbox. Repeated under the same ``key`` it is not asked twice.
        """
        told = self._post(
            "/v1/talk", timeout, key=key, peer=peer, content=_content(message), conversation=conversation,
            ttl_ms=_millis(ttl),
        )
        return Answer(told, success=told["done"])

    def report(
        self,
        peer: str,
        status: str,
        next_action: Optional[str] = None,
        content: Optional[Content] = None,
        wait: str = "delivered",
        timeout: float = DEFAULT_TIMEOUT,
        ttl: Optional[float] = None,
        key: Optional[str] = None,
    ) -> Result:
        """Tells a peer how things stand. Returns once it is on disk there, or after ``timeout`` seconds.

        ``wait``: what it waits for, ``queued`` (on disk here), ``delivered`` or ``processed``. What is only
        ``queued`` or ``sent`` by then is delivered later, and counts as a success; ``failed``, ``expired``,
        ``cancelled`` and ``unknown`` do not. Repeated under the same ``key`` it is not told twice.
        """
        told = self._post(
            "/v1/report", timeout, key=key, peer=peer, status=status, next_action=next_action,
            content=None if content is None else _content(content), wait=wait, ttl_ms=_millis(ttl),
        )
        lost = ("failed", "expired", "cancelled", "unknown")
        return Result(told, success=told["status"] not in lost)

    def wake(self, peer: str, reason: Optional[str] = None, timeout: float = DEFAULT_TIMEOUT) -> Result:
        """Asks a peer's node to wake its agent; true if one was told."""
        told = self._post("/v1/wake", timeout, peer=peer, reason=reason)
        return Result(told, success=told["woken"])

    def alive(self, peer: str, timeout: float = DEFAULT_TIMEOUT) -> Result:
        """Whether a peer's node answers (true), and whether an agent is attached to it (``agent``)."""
        told = self._post("/v1/alive", timeout, peer=peer)
        return Result(told, success=told["alive"])

    def restart(
        self,
        peer: str,
        reason: Optional[str] = None,
        attempts: int = 3,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> Result:
        """Checks a peer and, unless its agent is there, wakes it with several attempts and growing pauses."""
        # Each attempt may take its time, and pauses of up to 30 s lie between them.
        longest = timeout * (attempts + 1) + 30.0 * attempts
        told = self._post(
            "/v1/restart", timeout, patience=longest, peer=peer, reason=reason, attempts=attempts
        )
        return Result(told, success=told["ok"])

    # Files, and what becomes of things.

    def send_file(
        self,
        peer: str,
        path: Union[str, Path],
        name: Optional[str] = None,
        timeout: float = DEFAULT_TIMEOUT,
        key: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Sends a file of any size; returns at once. :meth:`transfer` follows it by its ``id``.

        Repeated under the same ``key`` it is not sent twice.
        """
        path = str(Path(path).absolute())
        return dict(self._post("/v1/transfers", timeout, key=key, peer=peer, path=path, name=name))

    def transfer(self, transfer_id: str) -> Dict[str, Any]:
        """How a file's transfer stands."""
        return dict(self._ask("GET", f"/v1/transfers/{quote(transfer_id, safe='')}"))

    def trace(self, message_id: str) -> Dict[str, Any]:
        """How far a message has come, and the steps of its way."""
        return dict(self._ask("GET", f"/v1/messages/{quote(message_id, safe='')}/trace"))

    # Receiving.

    def inbox(self, sender: Optional[str] = None, limit: int = 100) -> List[Message]:
        """What waits for the agent, the oldest first; nothing is taken off.

        Files and wake-ups are told to whoever listens, and do not wait here.
        """
        query = {"limit": str(limit), **({"from": sender} if sender else {})}
        page = self._ask("GET", f"/v1/inbox?{urlencode(query)}")
        return [self.read(f"n{line['number']}") for line in page["items"]]

    def read(self, message: str) -> Message:
        """A message of the inbox, by its number (``n17``) or id."""
        return Message(self, self._ask("GET", f"/v1/inbox/{quote(message, safe='')}"))

    def acknowledge(self, *messages: str) -> Dict[str, Any]:
        """Takes messages off the inbox: numbers (``n17``) or ids."""
        return dict(self._post("/v1/inbox/ack", DEFAULT_TIMEOUT, timed=False, ids=list(messages)))

    def answer(self, task: str, content: Content, done: bool = True) -> None:
        """Answers a task by its id, once."""
        body = _content(content)
        self._post("/v1/answer", DEFAULT_TIMEOUT, timed=False, message_id=task, content=body, done=done)

    def listen(
        self, limit: Optional[int] = None, acknowledge: bool = True, reconnect: bool = True
    ) -> Iterator[Message]:
        """Messages as they come, those that waited first. Meanwhile the node counts as having an agent.

        When the loop asks for the next message, the one before is acknowledged, unless it is a task: that is
        dealt with by answering it. With an exception, ``break`` or the end of the program in between it stays
        in the inbox and comes again at the next start. With ``acknowledge=False`` all that is yours to do.

        A node that stops is waited for, unless ``reconnect`` is false; that none runs at first is an error.
        """
        got, pause, connected = 0, 0.1, False
        last: Optional[int] = None
        while limit is None or got < limit:
            try:
                for message in self._messages(None if limit is None else limit - got, last):
                    connected, pause, got = True, 0.1, got + 1
                    last = message.get("inbox_number", last)
                    yield message
                    if acknowledge and not (message.settled or message.needs_answer):
                        message.acknowledge()
                connected = True
            except NoNode:
                if not (reconnect and connected):
                    raise
            if limit is None or got < limit:
                if not reconnect:
                    return
                time.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _messages(self, limit: Optional[int], last: Optional[int]) -> Iterator[Message]:
        connection = self._connection(_SILENCE)
        try:
            query = "" if limit is None else f"?limit={limit}"
            # What this program was handed before the connection broke, it is not handed again.
            seen = {} if last is None else {"Last-Event-ID": f"n{last}"}
            answer = self._send(connection, "GET", f"/v1/messages{query}", None, seen)
            data: List[str] = []
            while True:
                try:
                    line = answer.readline(_MAX_ANSWER)
                except (OSError, http.client.HTTPException):
                    return
                if not line:
                    return
                if len(line) >= _MAX_ANSWER:
                    detail = f"a message of the node has more than {_MAX_ANSWER} bytes"
                    raise PeerError("garbled", detail, "see `peer inbox`")
                text = line.decode().rstrip("\r\n")
                if text.startswith("data:"):
                    data.append(text[len("data:"):].lstrip(" "))
                elif not text and data:
                    told, data = json.loads("\n".join(data)), []
                    yield Message(self, told)
        finally:
            connection.close()

    # Carrying.

    def _own_token(self) -> str:
        path = self.data_dir / "api.token"
        try:
            return path.read_text().strip()
        except OSError as error:
            detail = f"there is no token for {self._address}: {error}"
            next_step = "set PEER_API_TOKEN to what `peer api token` prints"
            raise PeerError("no_token", detail, next_step) from error

    def _post(
        self,
        path: str,
        timeout: float,
        /,
        patience: Optional[float] = None,
        timed: bool = True,
        key: Optional[str] = None,
        **body: Any,
    ) -> Any:
        if timed:
            body["timeout_ms"] = _millis(timeout)
        asked = {name: value for name, value in body.items() if value is not None}
        return self._ask("POST", path, asked, patience or timeout, {"Idempotency-Key": key} if key else {})

    def _ask(
        self,
        method: str,
        path: str,
        body: Optional[Dict[str, Any]] = None,
        timeout: float = DEFAULT_TIMEOUT,
        headers: Optional[Dict[str, str]] = None,
    ) -> Any:
        connection = self._connection(timeout + _PATIENCE)
        try:
            return self._decode(self._send(connection, method, path, body, headers))
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._address:
            return http.client.HTTPConnection(self._address, timeout=timeout)
        return _UnixConnection(str(self.data_dir / "api.sock"), timeout)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Optional[Dict[str, Any]],
        headers: Optional[Dict[str, str]] = None,
    ) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", **(headers or {})}
        where = self._address or self.data_dir
        try:
            connection.connect()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            next_step = "start one with `peer run`, or name its directory: PEER_DATA_DIR or data_dir="
            raise NoNode("no_node", f"no node runs on {where}", next_step) from error
        except OSError as error:
            next_step = "act as the user whose node it is"
            raise PeerError("socket", f"cannot reach the node on {where}: {error}", next_step) from error
        try:
            data = None if body is None else json.dumps(body).encode()
            if self._address:
                self._check_proof(connection)
                headers["Authorization"] = f"Bearer {self._token}"
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
        except socket.timeout as error:
            detail = f"the node on {where} does not answer"
            raise PeerError("silent", detail, "look into its log, and start it again") from error
        except (OSError, http.client.HTTPException) as error:
            detail = f"the node on {where} has stopped"
            raise NoNode("stopped", detail, "start it again: `peer run`") from error
        if answer.status >= 400:
            told = self._decode(answer)
            raise _error(told if isinstance(told, dict) else {})
        return answer

    def _check_proof(self, connection: http.client.HTTPConnection) -> None:
        """Has whoever listens prove that it knows the token, before that is sent over the same connection:
        while the node does not run, any user of this machine can take its port."""
        nonce = secrets.token_hex(32)
        connection.request("GET", f"/v1/proof?nonce={nonce}")
        answer = connection.getresponse()
        # A whole answer is shorter; one that is cut off is no proof, and leaves the connection unusable.
        text = answer.read(4096)
        try:
            given = str(json.loads(text)["proof"]) if answer.status == 200 else ""
        except (ValueError, LookupError, TypeError):
            given = ""
        known = f"peer-api-proof:{connection.port}:{nonce}".encode()
        expected = hmac.new(self._token.encode(), known, "sha256").hexdigest()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            detail = f"what answers on {self._address} has not proved that it knows the token, which was not sent"
            raise PeerError("unproven", detail, "is it your node? `peer api url` prints its address and token")
        # Another connection would be to somebody unknown again.
        connection.auto_open = 0

    def _decode(self, answer: http.client.HTTPResponse) -> Any:
        where = self._address or self.data_dir
        try:
            text = answer.read(_MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            detail = f"the node on {where} has stopped"
            raise NoNode("stopped", detail, "start it again: `peer run`") from error
        try:
            return json.loads(text)
        except ValueError as error:
            detail = f"the answer of {where} makes no sense: {error}"
            next_step = "check that a node of this version answers there: `peer status`"
            raise PeerError("garbled", detail, next_step) from error


class Peer:
    """A peer of a node: the same calls without its name."""

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    def __repr__(self) -> str:
        return f"{self.node!r}.peer({self.name!r})"

    def talk(self, message: Content, **options: Any) -> Answer:
        """See :meth:`Node.talk`."""
        return self.node.talk(self.name, message, **options)

    def report(self, status: str, next_action: Optional[str] = None, **options: Any) -> Result:
        """See :meth:`Node.report`."""
        return self.node.report(self.name, status, next_action, **options)

    def wake(self, reason: Optional[str] = None, **options: Any) -> Result:
        """See :meth:`Node.wake`."""
        return self.node.wake(self.name, reason, **options)

    def alive(self, **options: Any) -> Result:
        """See :meth:`Node.alive`."""
        return self.node.alive(self.name, **options)

    def restart(self, reason: Optional[str] = None, **options: Any) -> Result:
        """See :meth:`Node.restart`."""
        return self.node.restart(self.name, reason, **options)

    def send_file(self, path: Union[str, Path], **options: Any) -> Dict[str, Any]:
        """See :meth:`Node.send_file`."""
        return self.node.send_file(self.name, path, **options)


def _millis(seconds: Optional[float]) -> Optional[int]:
    return None if seconds is None else max(1, round(seconds * 1000))


def _own_data_dir() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "peer"
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "peer"


# ----- the five functions ---------------------------------------------------------------------------


def _peer(name: Optional[str]) -> Peer:
    name = name or os.environ.get("PEER_PEER")
    if not name:
        next_step = "give peer=\"bob\", or set PEER_PEER"
        raise PeerError("no_peer", "nobody was named to speak to", next_step)
    return Node().peer(name)


def report_to_peer(
    status: str,
    next_action: Optional[str] = None,
    peer: Optional[str] = None,
    timeout: float = 10.0,
) -> Result:
    """Tells the peer how things stand, and goes on. True if it was accepted; delivered as soon as can be.

    Keys: ``success``, ``message_id``, ``status`` (``delivered``, ``queued`` …), ``waits_for``.
    """
    return _peer(peer).report(status, next_action, timeout=timeout)


def talk_to_peer(
    message: Content,
    session_id: Optional[str] = None,
    timeout: float = DEFAULT_TIMEOUT,
    peer: Optional[str] = None,
) -> Answer:
    """Asks the peer and waits for the answer; ``session_id`` is any name that ties messages together.

    Keys: ``success``, ``response`` (the answer as text), ``message_id``, ``session_id``, ``entity``. Raises
    :class:`Unanswered` after ``timeout`` seconds; the answer will be in the inbox then.
    """
    answer = _peer(peer).talk(message, conversation=session_id, timeout=timeout)
    answer.update(response=answer.text, session_id=session_id)
    return answer


def wake_up_peer(
    reason: Optional[str] = None, peer: Optional[str] = None, timeout: float = DEFAULT_TIMEOUT
) -> Result:
    """Asks the peer to go on with its work. True if an agent was told. Keys: ``success``, ``detail``."""
    return _peer(peer).wake(reason, timeout=timeout)


def check_peer_alive(peer: Optional[str] = None, timeout: float = DEFAULT_TIMEOUT) -> Result:
    """True if the peer's node answers. Keys: ``success``, ``alive``, ``agent``, ``round_trip_us``, ``error``."""
    return _peer(peer).alive(timeout=timeout)


def restart_peer(
    reason: Optional[str] = None,
    attempts: int = 3,
    peer: Optional[str] = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Result:
    """Checks the peer and wakes its agent with several attempts. Keys: ``success``, ``before``, ``attempts``."""
    return _peer(peer).restart(reason, attempts=attempts, timeout=timeout)


def listen(limit: Optional[int] = None, acknowledge: bool = True) -> Iterator[Message]:
    """Messages for this agent as they come; see :meth:`Node.listen`."""
    return Node().listen(limit, acknowledge)


# ----- the command line -----------------------------------------------------------------------------


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Talk to other agents over the node on this machine.")
    parser.add_argument("--data-dir", help="the node's data directory")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str, peer: bool = True) -> argparse.ArgumentParser:  # noqa: A002
        added = commands.add_parser(name, help=help)
        if peer:
            added.add_argument("peer", help="entity id, peer id, fingerprint or multiaddress")
            added.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT, help="seconds to wait")
        return added

    talk = command("talk", "ask a peer, print the answer")
    talk.add_argument("message")
    talk.add_argument("--conversation")
    report = command("report", "tell a peer how things stand")
    report.add_argument("status")
    report.add_argument("next_action", nargs="?")
    command("wake", "ask a peer's agent to go on").add_argument("reason", nargs="?")
    command("alive", "check whether a peer is there")
    command("restart", "check a peer and wake its agent, several times").add_argument("reason", nargs="?")
    listening = command("listen", "print messages as they come, one JSON object a line", peer=False)
    listening.add_argument("--limit", type=int)
    command("inbox", "print what waits, one JSON object a line", peer=False)
    command("status", "print how the node stands", peer=False)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    node = Node(arguments.data_dir)
    if arguments.command in ("listen", "inbox"):
        messages = node.listen(arguments.limit) if arguments.command == "listen" else node.inbox()
        for message in messages:
            print(json.dumps(message, ensure_ascii=False), flush=True)
        return 0
    if arguments.command == "status":
        print(json.dumps(node.status(), ensure_ascii=False))
        return 0
    peer, wait = node.peer(arguments.peer), {"timeout": arguments.timeout}
    if arguments.command == "talk":
        answer = peer.talk(arguments.message, conversation=arguments.conversation, **wait)
        print(answer.text)
        return 0 if answer else 1
    result = {
        "report": lambda: peer.report(arguments.status, arguments.next_action, **wait),
        "wake": lambda: peer.wake(arguments.reason, **wait),
        "alive": lambda: peer.alive(**wait),
        "restart": lambda: peer.restart(arguments.reason, **wait),
    }[arguments.command]()
    print(json.dumps(result, ensure_ascii=False))
    return 0 if result else 1


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """``python3 peer_tools.py talk bob hi``; see ``--help``. Exits with 1 if it did not come out well."""
    try:
        return _run(_arguments().parse_args(arguments))
    except PeerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
