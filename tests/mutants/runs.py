"""Runs mutants against the tests that reach them.

Each test is run by itself once, with `MUTANT=record`: which functions it enters and how much processor
time it takes. A mutant then runs only the tests that enter its function, first those that have caught its
neighbours, then the quick ones, in a few processes that each take four times as long as the one before.
Limits are of processor time: what else the machine does changes nothing.
"""

import concurrent.futures
import hashlib
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict

# Most that one process may have of memory, stack and files, in bytes. All mutants of a function have their
# variables in its frame.
MEMORY, STACK, FILES = 3 << 30, 64 << 20, 64 << 20
# A process that neither works nor ends, in seconds: long, as it may be stopped from outside.
ASLEEP = 300
# What the quickest tests of a mutant may take together, in seconds of processor time.
FIRST = 0.05


class Test:
    """One test of a program: what it takes without a mutant and the functions that it enters."""

    def __init__(self, program, name, seconds, reached):
        self.program, self.name, self.seconds, self.reached = program, name, seconds, frozenset(reached)

    def __str__(self):
        return f"{self.program.name} {self.name}"


class Program:
    """A test program as cargo builds it."""

    def __init__(self, path, package, name):
        self.path, self.package, self.name = path, package, name

    def names(self):
        def listed(*only):
            command = [self.path, *only, "--list", "--format", "terse"]
            said = subprocess.run(command, cwd=self.package, text=True, check=True, stdout=subprocess.PIPE).stdout
            return [line.removesuffix(": test") for line in said.splitlines() if line.endswith(": test")]

        ignored = set(listed("--ignored"))
        return [name for name in listed() if name not in ignored]

    def run(self, mutant, names, limit, record=os.devnull):
        """Outcome ("passed", "failed" or "timeout"), processor seconds, and what was said."""
        environment = dict(os.environ, MUTANT=str(mutant), MUTANT_REACHED=record, RUST_BACKTRACE="0",
                           PROPTEST_FAILURE_PERSISTENCE="off", RUST_MIN_STACK=str(STACK),
                           PROPTEST_MAX_SHRINK_ITERS="0",
                           CARGO_MANIFEST_DIR=str(self.package), INSTA_UPDATE="no")
        limit = math.ceil(limit)

        def bound():
            os.nice(19)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILES, FILES))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        with tempfile.TemporaryFile() as said:
            run = subprocess.Popen([self.path, "--quiet", "--test-threads=1", "--exact", *names], stdout=said,
                                   cwd=self.package, env=environment, stderr=said, stdin=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=bound)
            alarm = threading.Timer(ASLEEP + 10 * limit, os.killpg, (run.pid, signal.SIGKILL))
            alarm.start()
            _, status, usage = os.wait4(run.pid, 0)
            alarm.cancel()
            run.returncode = code = os.waitstatus_to_exitcode(status)
            said.seek(max(0, said.seek(0, os.SEEK_END) - 65536))
            text = said.read().decode(errors="replace")
        outcome = "passed" if code == 0 else "failed"
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            outcome = "timeout"
        return outcome, usage.ru_utime + usage.ru_stime, text


def learn(programs, work, jobs):
    """All tests with what they reach; what is known of a program that did not change is kept."""
    place = work / "reached.json"
    known = json.loads(place.read_text()) if place.is_file() else {}
    kept, tests = {}, []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for program in programs:
            with open(program.path, "rb") as file:
                identity = hashlib.file_digest(file, "sha256").hexdigest()
            if identity not in known:
                names = program.names()
                found = pool.map(lambda name: record(program, name), names)
                known[identity] = dict(zip(names, found))
            kept[identity] = known[identity]
            own = [Test(program, name, *found) for name, found in known[identity].items() if found]
            for name in (name for name, found in known[identity].items() if not found):
                print(f"not used, as it fails without a mutant: {program.name} {name}", flush=True)
            print(f"{program.name}: {len(own)} tests, {sum(test.seconds for test in own):.1f} s", flush=True)
            tests += own
            place.write_text(json.dumps(kept))
    return tests


def record(program, name):
    """Seconds and functions of a test; `None` if it fails: it wants more of the workspace than is copied."""
    with tempfile.NamedTemporaryFile("r") as reached:
        outcome, seconds, _ = program.run("record", [name], 600, reached.name)
        return (seconds, sorted(int(line) for line in reached.read().split())) if outcome == "passed" else None


class Runs:
    """The mutants that are to be run, their functions, and what came of those before."""

    def __init__(self, tests, functions, most):
        self.functions, self.most = functions, most
        self.reaching = defaultdict(list)
        for test in sorted(tests, key=lambda test: test.seconds):
            for function in test.reached:
                self.reaching[function].append(test)
        self.caught, self.lock = defaultdict(Counter), threading.Lock()

    def all(self, mutants, seconds, jobs, done):
        """Runs them; `done` is told of each and of how many are through."""
        begun, through = time.monotonic(), 0

        def one(mutant):
            return None if time.monotonic() - begun > seconds else self.one(mutant)

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for mutant, result in zip(mutants, pool.map(one, mutants)):
                if result is not None:
                    through += 1
                    done(mutant, result, through, time.monotonic() - begun)

    def one(self, mutant):
        """What came of it: the outcome, by which test, how many tests reach it and how many were not run."""
        function = self.functions[mutant["number"]]
        tests = self.reaching[function]
        result = {"outcome": "missed", "by": None, "reached": len(tests), "left": len(tests)}
        spent = 0.0
        for program, batch in self.batches(function, mutant["file"], tests):
            usual = sum(test.seconds for test in batch)
            if spent and spent + usual > self.most:
                break
            spent += usual
            result["left"] -= len(batch)
            names = [test.name for test in batch]
            outcome, _, said = program.run(mutant["number"], names, 1 + 10 * usual)
            if outcome != "passed":
                # An abort names nobody.
                failed = re.findall(r"(?m)^    (\S+)$", said.rpartition("\nfailures:\n")[2])
                by = [test for test in batch if test.name in failed] or (batch if len(batch) == 1 else [])
                with self.lock:
                    for test in by[:1]:
                        self.caught[function][test] += 1
                        self.caught[mutant["file"]][test] += 1
                result["outcome"] = "caught" if outcome == "failed" else outcome
                result["by"] = str(by[0]) if by else f"{program.name}, {len(batch)} tests"
                break
        return result

    def batches(self, function, file, tests):
        """Those tests, a program and some of its tests at a time."""
        with self.lock:
            near = [self.caught[function].most_common(2), self.caught[file].most_common(4)]
        near = dict.fromkeys(test for caught in near for test, _ in caught)
        reaching = set(tests)
        batch = [test for test in near if test in reaching and test.seconds < 10 * FIRST]
        rest = [test for test in tests if test not in near or test not in batch]
        room = FIRST
        while batch or rest:
            by_program = defaultdict(list)
            for test in batch:
                by_program[test.program].append(test)
            yield from by_program.items()
            batch, size = [], 0
            while rest and (not batch or size + rest[0].seconds <= room):
                size += rest[0].seconds
                batch.append(rest.pop(0))
            room *= 4
