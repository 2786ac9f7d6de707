# SPDX-License-Identifier: MIT
"""System calls that fail on purpose (strace(1), --inject), in a daemon that serves; and what a
client sees of it."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time

import protocol as p
import world
from world import eventually

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = world.HOME / "client.py"
# What the library gives a request (10 s), and what a busy machine may add.
PATIENCE = 10 + 10 * world.SLOW
LISTENERS = {"open": 5, "own": 6}  # descriptors of the binder, src/common/orders.h


def install():
    """Puts the client where every user can run it."""
    shutil.copy(f"{HERE}/client.py", PROGRAM)
    PROGRAM.chmod(0o644)


class Client:
    """A client of liblowport that does what it is told."""

    def __init__(self, person, daemon):
        self.process = person.popen("/usr/bin/python3", PROGRAM, "orders", at=daemon,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def begin(self, *order):
        print(*order, file=self.process.stdin, flush=True)

    def answer(self):
        line = self.process.stdout.readline()
        assert line, "the client has ended"
        return json.loads(line)

    def ask(self, *order):
        self.begin(*order)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(world.DEADLINE) == 0


class Injection:
    """Lets system calls of processes fail while it is there. `when` counts the calls of each process;
    in accept4(2) one of them sits already, and starts it anew."""

    def __init__(self, pids, what, children=False):
        self.log = world.HOME / "strace.log"
        self.waits_in_it = what.startswith("accept4:")
        self.command = ["strace", "-o", self.log, "-e", f"trace={what.split(':')[0]}",
                        "-e", "signal=none", "-e", f"inject={what}", *(["-f"] if children else [])]
        for pid in pids:
            self.command += ["-p", str(pid)]
        self.pids = pids

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True,
                                        env=world.ENVIRONMENT | {"LC_ALL": "C"})
        left = set(self.pids)
        while left:
            line = self.process.stderr.readline()
            assert line, f"strace ended; not attached: {left}"
            # A worker of own mode that has served may just be ending.
            pid = re.search(r"Process (\d+) attached|SEIZE, (\d+)\): No such process", line)
            assert pid, line
            left.discard(int(pid[1] or pid[2]))
        end = time.monotonic() + 1
        while self.waits_in_it and not self.has_come() and time.monotonic() < end:
            time.sleep(0.002)  # strace tells nobody; who leads now may not be among them
        return self

    def has_come(self):
        return "(INJECTED" in self.log.read_text()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.stderr.read()
        self.process.stderr.close()
        self.process.wait(world.DEADLINE)


def workers(daemon, mode):
    """Those of a mode: each has closed the listening socket of the other."""
    listener = os.readlink(f"/proc/{daemon.binder()}/fd/{LISTENERS[mode]}")

    def has_it(pid):
        try:
            return listener in {os.readlink(f"/proc/{pid}/fd/{fd}")
                                for fd in os.listdir(f"/proc/{pid}/fd")}
        except FileNotFoundError:  # it has just ended
            return False
    return [pid for pid in daemon.workers() if has_it(pid)]


def same_number(pids):
    """How many descriptors each has; None while they differ, since one is just born or done."""
    try:
        numbers = {p.descriptors(pid) for pid in pids}
    except FileNotFoundError:
        return None
    return numbers.pop() if len(numbers) == 1 else None


class Holdings:
    """What the processes of a daemon hold when nobody is served: descriptors, and how many workers
    there are."""

    def __init__(self, daemon, root):
        self.daemon, self.root = daemon, root

    def _idle(self):
        with self.root.connect(self.daemon) as c:
            status = c.status()
        return status["own_workers"] == status["own_workers_idle"] and \
            status["workers"] == status["workers_idle"] + 1  # it answers this

    def settle(self):
        eventually(self._idle, "all workers are idle")

    def look(self):
        d = self.daemon
        self.settle()
        each = eventually(lambda: same_number(d.workers()), "all workers hold the same")
        return [*map(p.descriptors, (d.manager(), d.binder(), d.auditor(), d.registrar())), each]

    def least(self):
        """The least of a few looks: some may see what is about to be closed."""
        return [min(numbers) for numbers in zip(*(self.look() for _ in range(5)))]

    def are(self, before):
        now = []

        def same():
            now[:] = self.look()
            return now == before
        try:
            eventually(same, "descriptors as before")
        except AssertionError as error:
            raise AssertionError(f"{before} became {now}") from error


def addresses():
    """Another one for each request: by it its record is found."""
    for a, b in itertools.product(range(1, 250), range(1, 250)):
        yield f"127.77.{a}.{b}"
