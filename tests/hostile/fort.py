# SPDX-License-Identifier: MIT
"""A daemon under attack, and what must hold whatever the attack was."""

import functools
import os
import shutil
import signal
import stat
import subprocess
import time

import pytest

import protocol as p
import world
from world import eventually

HERE = os.path.dirname(os.path.abspath(__file__))
FUSE = world.HOME / "fuse"
OTHERS_PORTS = (600, 601)  # of bob, whom nothing may disturb
PROMPT = 2 * world.SLOW
# No request takes so long (5 s), and whom SIGKILL does not end within a second is stuck.
STUCK_AFTER = 6 + 9 * world.SLOW


# The log goes through a program that passes on what the manager itself says, and can be stopped.
LISTENER = ["bash", "-c", "exec 2> >(exec grep --line-buffered -Ev '^(granted|denied|failed|limited|"
            "malformed)' >&2); exec \"$@\"", "-"]


class Silent:
    """A process of alice's that attacks with a file system which does not answer: silent.py."""

    def __init__(self, fort, name, port, person):
        self.name = name
        self.process = person.popen(
            "/usr/bin/python3", world.HOME / "silent.py", fort.daemon.own_socket, FUSE, name, port,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": str(world.HOME)})
        fort.attackers.append(self)

    def says(self, *words):
        line = self.process.stdout.readline().split()
        assert tuple(line) == tuple(map(str, words)), (self.name, line)
        return self

    def told(self, word):
        self.process.stdin.write(word)
        self.process.stdin.flush()
        return self

    def go(self):
        return self.told("g")

    def end_of_file_system(self):
        return self.told("e")

    def end(self):
        everyone = [world.Exit(pid) for pid in world.children(self.process.pid)]
        self.process.kill()
        self.process.wait()
        for one in everyone:
            one.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def same_number(pids):
    """How many descriptors each has; None while they differ, since one is just born or done."""
    try:
        numbers = {p.descriptors(pid) for pid in pids}
    except FileNotFoundError:
        return None
    return numbers.pop() if len(numbers) == 1 else None


class Fort:
    """The daemon, and bob, who asks for sockets all the while."""

    def __init__(self, daemon, root, alice, bob):
        self.start_daemon, self.root, self.alice, self.bob = daemon, root, alice, bob
        self.attackers = []

    def start(self, *rules, **options):
        rules = rules or ("allow user alice tcp,udp 1-599",)
        words = [word for name, value in options.items()
                 for word in (f"--{name.replace('_', '-')}", value)]
        bobs = "allow user bob tcp " + ",".join(map(str, OTHERS_PORTS))
        self.daemon = self.start_daemon(*rules, bobs, options=words)
        d = self.daemon
        self.fixed = [d.manager(), d.binder(), eventually(d.auditor, "the auditor has its name"),
                      eventually(d.registrar, "the registrar has its name")]
        self.others_are_served()
        # The least of a few looks: some may see what is about to be closed.
        looks = [self.settled_descriptors() for _ in range(5)]
        self.before = [min(numbers) for numbers in zip(*looks)]
        return self.daemon

    def status(self):
        with self.root.connect(self.daemon) as c:
            return c.status()

    def stuck(self):
        return self.status()["workers_stuck"]

    def is_stuck(self, many):
        eventually(lambda: self.stuck() == many, f"{many} workers are stuck", STUCK_AFTER)

    def own(self, person, port, kind="tcp", **more):
        """One request in own mode with a fresh socket; the reply."""
        sort = world.socket.SOCK_STREAM if kind == "tcp" else world.socket.SOCK_DGRAM
        with person.make(kind=sort) as sock:
            return person.own(self.daemon, sock, kind, port, **more)

    def others_are_served(self):
        begin = time.monotonic()
        self.bob.open(self.daemon, "tcp", OTHERS_PORTS[0], "0.0.0.0").granted().close()
        reply = self.own(self.bob, OTHERS_PORTS[1])
        assert reply.reason == p.GRANTED, reply
        took = time.monotonic() - begin
        assert took < PROMPT, f"bob had to wait for {took:.2f} s"

    def settled_descriptors(self):
        """How many the processes hold when nobody is served: those that stay, and each worker."""
        def idle():
            status = self.status()
            return status["own_workers"] == status["own_workers_idle"] and \
                status["workers"] == status["workers_idle"] + 1  # it answers this
        eventually(idle, "all workers are idle")
        each = eventually(lambda: same_number(self.daemon.workers()), "all workers hold the same")
        return [*map(p.descriptors, self.fixed), each]

    def workers_sleep(self, asleep):
        for pid in self.daemon.workers():
            os.kill(pid, signal.SIGSTOP if asleep else signal.SIGCONT)

    def attack(self, names, first_port=100, person=None):
        """Lets silent files attack, all at once: what they send is not touched before it is all
        on its way."""
        attackers = [Silent(self, name, first_port + i, person or self.alice)
                     for i, name in enumerate(names)]
        for one in attackers:
            one.says("exposed")
        self.workers_sleep(True)
        try:
            for one in attackers:
                one.go().says("sent")
        finally:
            self.workers_sleep(False)
        return attackers

    def holds(self):
        """After the attack: nobody is disturbed, nothing is left behind."""
        for one in self.attackers:
            one.end()
        if self.daemon.process.poll() is not None:
            return
        self.others_are_served()
        self.is_stuck(0)

        now = []

        def same():
            now[:] = self.settled_descriptors()
            return now == self.before
        try:
            eventually(same, "descriptors as before")
        except AssertionError as error:
            raise AssertionError(f"{self.before} became {now}") from error


def install():
    """Puts what the attackers run where they can reach it, and a device that they may open."""
    for path in (f"{HERE}/silent.py", p.__file__):
        shutil.copy(path, world.HOME)
        (world.HOME / os.path.basename(path)).chmod(0o644)
    if not FUSE.exists():
        try:
            os.mknod(FUSE, stat.S_IFCHR, os.makedev(10, 229))
            FUSE.chmod(0o666)
        except PermissionError:
            FUSE.symlink_to("/dev/fuse")  # not root on the machine: most let everyone open it


@pytest.fixture
def fort(daemon, root, alice, bob):
    install()
    one = Fort(daemon, root, alice, bob)
    try:
        yield one
    finally:
        one.holds()


@pytest.fixture
def loud(fort, daemon):  # pylint: disable=redefined-outer-name
    """A fort with much to write to its log."""
    fort.start_daemon = functools.partial(daemon, prefix=[*LISTENER, *world.capable()])
    return fort


def listener_of(d):
    """Who reads that log."""
    return next(pid for pid in world.children(d.manager()) if world.name_of(pid) == "grep")
