"""The program `bridge`, which carries libp2p's streams. tests/src/bin/bridge/records.rs says how it is spoken to."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable
from enum import IntEnum

PROGRAM = os.environ.get("BRIDGE", "")
CHUNK = 65_536
INCOMING = 2**31
WAIT_S = 20.0


class Command(IntEnum):
    DIAL = 0
    OPEN = 1
    DATA = 2
    FINISH = 3
    DROP = 4
    DISCONNECT = 5


class Event(IntEnum):
    LISTENING = 16
    CONNECTED = 17
    DISCONNECTED = 18
    UNREACHABLE = 19
    OPENED = 20
    REFUSED = 21
    INCOMING = 22
    DATA = 23
    FINISHED = 24
    BROKEN = 25


class NoStream(Exception):
    """It could not be opened, or was broken off."""


class Stream:
    """A stream of libp2p. Reading raises EOFError where it ends, NoStream where it breaks, TimeoutError."""

    def __init__(self, bridge: Bridge, id: int, peer: str, protocol: str) -> None:
        self.bridge, self.id, self.peer, self.protocol = bridge, id, peer, protocol
        self.events: queue.Queue[tuple[Event, bytes]] = queue.Queue()
        self.buffer = bytearray()
        self.ended: Exception | None = None

    def next(self, timeout: float = WAIT_S) -> None:
        """Waits for one event."""
        if self.ended is not None:
            raise self.ended
        try:
            event, body = self.events.get(timeout=timeout)
        except queue.Empty as error:
            raise TimeoutError("nothing came on the stream") from error
        if event is Event.DATA:
            self.buffer += body
        elif event is Event.FINISHED:
            self.ended = EOFError("the stream ended")
        elif event in (Event.REFUSED, Event.BROKEN):
            self.ended = NoStream(body.decode())

    def read(self, count: int, timeout: float = WAIT_S) -> bytes:
        while len(self.buffer) < count:
            self.next(timeout)
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            self.bridge.say(Command.DATA, self.id, data[at : at + CHUNK])

    def finish(self) -> None:
        self.bridge.say(Command.FINISH, self.id)

    def drop(self) -> None:
        self.bridge.say(Command.DROP, self.id)
        self.bridge.streams.pop(self.id, None)


class Bridge:
    """A libp2p peer with this key. `serve` is called, in a thread, with each stream that a peer opens."""

    def __init__(self, seed: bytes, protocols: list[str], serve: Callable[[Stream], None], identify: bool) -> None:
        arguments = [PROGRAM, "--seed", seed.hex(), "--listen", "/ip4/127.0.0.1/tcp/0"]
        for name in protocols:
            arguments += ["--protocol", name]
        if identify:
            arguments.append("--identify")
        self.serve = serve
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lock = threading.Lock()
        self.streams: dict[int, Stream] = {}
        self.names = 0
        self.events: queue.Queue[tuple[Event, bytes]] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.address = self.wait(Event.LISTENING)

    def say(self, command: Command, stream: int = 0, body: bytes = b"") -> None:
        assert self.process.stdin is not None
        record = len(body).to_bytes(4, "big") + bytes([command]) + stream.to_bytes(4, "big") + body
        with self.lock:
            if self.process.stdin.closed:
                raise NoStream("the bridge is closed")
            self.process.stdin.write(record)
            self.process.stdin.flush()

    def wait(self, expected: Event) -> str:
        """The next such event, of those that belong to no stream."""
        while True:
            event, body = self.events.get(timeout=WAIT_S)
            if event is expected:
                return body.decode()
            if event is Event.UNREACHABLE:
                raise NoStream(body.decode())

    def dial(self, address: str) -> str:
        """The peer id that answers there."""
        self.say(Command.DIAL, 0, address.encode())
        return self.wait(Event.CONNECTED)

    def open(self, peer: str, protocol: str) -> Stream:
        self.names += 1
        stream = self.streams[self.names] = Stream(self, self.names, peer, protocol)
        self.say(Command.OPEN, stream.id, f"{peer} {protocol}".encode())
        stream.next()
        if stream.ended is not None:
            raise stream.ended
        return stream

    def _read(self) -> None:
        output = self.process.stdout
        assert output is not None
        while head := output.read(9):
            id, event = int.from_bytes(head[5:], "big"), Event(head[4])
            body = output.read(int.from_bytes(head[:4], "big"))
            if event is Event.INCOMING:
                peer, protocol = body.decode().split(" ")
                stream = self.streams[id] = Stream(self, id, peer, protocol)
                threading.Thread(target=self.serve, args=(stream,), daemon=True).start()
            elif id == 0:
                self.events.put((event, body))
            elif id in self.streams:
                self.streams[id].events.put((event, body))

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with self.lock:
            self.process.stdin.close()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()
