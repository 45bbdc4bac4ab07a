"""A node's measurements through the strict parser of OpenMetrics, over both of its ways."""

import shutil
import subprocess
import unittest
import urllib.error
import urllib.request

from nodes import PROGRAM, RunningNode, eventually
from prometheus_client.openmetrics.parser import text_string_to_metric_families


class Measured(RunningNode):
    """A node that serves its API on a port as well."""

    def __init__(self, entity, *arguments):
        super().__init__(entity, "--api", "127.0.0.1:0", "--accept-files", "all", *arguments)

    def scrape(self):
        """Samples by name and labels, over the socket."""
        command = ["curl", "--silent", "--fail", "--unix-socket", str(self.dir / "api.sock"), "http://peer/metrics"]
        return parsed(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)

    def request(self, token):
        address = self.run("api", "url")["address"]
        request = urllib.request.Request(f"http://{address}/metrics")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        return urllib.request.urlopen(request, timeout=30)


def parsed(text):
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name, frozenset(sample.labels.items())] = sample.value
    return samples


def value(samples, name, **labels):
    """The sum of all samples of this name with these labels."""
    wanted = set(labels.items())
    return sum(v for (other, found), v in samples.items() if other == name and wanted <= found)


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.alice, cls.bob = Measured("alice"), Measured("bob")

    @classmethod
    def tearDownClass(cls):
        for node in (cls.alice, cls.bob):
            node.remove()

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_figures_follow_what_is_done(self):
        before = self.alice.scrape()
        self.assertEqual(value(before, "peer_handshakes_total"), 0)
        self.assertEqual(value(before, "peer_build_info"), 1)
        self.alice.run("connect", self.bob.address)
        self.bob.agent("cat")
        self.assertEqual(self.alice.run("talk", "bob", "hello")["content"]["text"], "hello")
        self.alice.run("report", "bob", "half")
        sent = self.bob.dir / "file"
        sent.write_bytes(b"x" * 100_000)
        self.alice.run("send", "bob", str(sent))
        done = {
            ("peer_handshakes_total", ("result", "ready")): 1,
            ("peer_messages_total", ("kind", "task")): 1,
            ("peer_messages_total", ("kind", "task_result")): 1,
            ("peer_messages_total", ("kind", "status_report")): 1,
            ("peer_transfers_total", ("result", "complete")): 1,
            ("peer_transfers_completed_bytes_total", ("direction", "outgoing")): 100_000,
            ("peer_sessions", ("state", "READY")): 1,
            ("peer_peers", ("path", "direct")): 1,
            ("libp2p_swarm_connections_established_total", ("role", "Dialer")): 1,
        }

        def all_there():
            now = self.alice.scrape()
            return all(value(now, name, **dict([label])) == v for (name, label), v in done.items())

        try:
            eventually(all_there)
        except AssertionError:
            now = self.alice.scrape()
            self.fail({key: value(now, key[0], **dict([key[1]])) for key in done})
        for _, labels in self.alice.scrape():
            for _, word in labels:
                self.assertNotIn(self.bob.status["peer_id"], word)

    def test_the_port_wants_the_token(self):
        for token in (None, "0" * 64):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                self.bob.request(token)
            self.assertEqual(refused.exception.code, 401)
        with self.bob.request(self.bob.run("api", "token")["token"]) as answer:
            self.assertTrue(answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"))
            samples = parsed(answer.read().decode())
        self.assertGreater(value(samples, "process_resident_memory_bytes"), 1e6)
        self.assertGreater(value(samples, "process_cpu_seconds_total"), 0)

    def test_top_prints_a_snapshot(self):
        snapshot = self.alice.run("top")
        self.assertEqual(snapshot["node"]["entity"], "alice")
        self.assertGreater(snapshot["memory"], 1e6)
        self.assertIn("task", snapshot["rate_limited"])
        command = [PROGRAM, "--data-dir", str(self.alice.dir), "top", "--once"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
        for title in ("Peers", "Sessions", "Queues", "Transfers", "Limits"):
            self.assertIn(f"\n{title}\n", shown)


if __name__ == "__main__":
    unittest.main()
