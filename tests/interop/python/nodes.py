"""Our nodes as separate processes on loopback, driven through their command line."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAM = os.environ["PEER"]


def eventually(condition, timeout=20.0):
    """Waits until `condition` gives something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError("waited in vain")
        time.sleep(0.05)


class RunningNode:
    """A node called `entity`. It may be stopped and started again on the same directory."""

    def __init__(self, entity, *arguments, environment=None):
        self.entity, self.arguments, self.environment = entity, arguments, environment or {}
        self.dir = Path(tempfile.mkdtemp(prefix="peer-interop-"))
        self.processes = []
        self.start()

    def start(self):
        # Tests never multicast on the machine's interfaces.
        environment = {**os.environ, "PEER_MDNS": "off", "PEER_UPNP": "off", **self.environment}
        for name in ("PEER_API", "PEER_DATA_DIR", "PEER_API_TOKEN", "PEER_PEER"):
            environment.pop(name, None)
        self.log = open(self.dir / "log", "ab")
        command = [PROGRAM, "--data-dir", str(self.dir), "run", "--entity", self.entity,
                   "--listen", "/ip4/127.0.0.1/tcp/0", *self.arguments]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.status = eventually(self._up)

    def _up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.entity} ended:\n{(self.dir / 'log').read_text()}")
        status = self.run("status", check=False)
        return status if status and status.get("listen") else None

    @property
    def address(self):
        return self.status["listen"][0]

    def run(self, *arguments, check=True):
        """Runs a command and returns its JSON."""
        command = [PROGRAM, "--json", "--data-dir", str(self.dir), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if check and ended.returncode:
            raise AssertionError(f"{arguments}: {ended.stdout}{ended.stderr}")
        return json.loads(ended.stdout) if ended.returncode == 0 else None

    def agent(self, command):
        """Starts a shell command that answers every message, and waits until the node knows of it."""
        listening = [PROGRAM, "--data-dir", str(self.dir), "listen", "--exec", command]
        self.processes.append(subprocess.Popen(listening, stdin=subprocess.DEVNULL,
                                               stdout=subprocess.DEVNULL, stderr=self.log))
        eventually(lambda: self.run("status")["agents"] > 0)
        return self.processes[-1]

    def end_agents(self):
        for process in self.processes:
            process.terminate()
            process.wait(10)
        self.processes.clear()
        eventually(lambda: self.run("status")["agents"] == 0)

    def meet(self, other):
        self.run("connect", other.address)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait(10)
        self.processes.clear()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.log.close()

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
