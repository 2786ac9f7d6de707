# SPDX-License-Identifier: MIT
"""One hostile user, alice, and one victim, bob, who asks for sockets all the while: attack.c and
victim.c.

Quiet and attack alternate within one run, and what bob sees of each is in one table at the end.
"""

import contextlib
import errno
import os
import signal
import subprocess

import pytest

import protocol as p
import world
from fort import FUSE, OTHERS_PORTS, fort, listener_of, loud  # noqa: F401
from world import eventually

pytestmark = [pytest.mark.users, pytest.mark.seconds(120)]

BLOCKS, REQUESTS, PAUSE = 10, 100, 300  # microseconds
SENT = 1000  # descriptors that hold whoever touches them
# A sanity bound, milliseconds: there is an attack that stops bob, or there is none. How much slower he
# becomes is what the table is for.
WORST = 5000

ATTACKS = {
    "spin": "nothing, but two busy processes",
    "flood": "connections by the thousand",
    "flood-own": "the same on the own socket",
    "silence": "silent connections up to the limit",
    "half-closed": "half-closed connections",
    "unread": "requests whose replies are not read",
    "ahead": "requests sent ahead, replies read",
    "malformed": "malformed requests",
    "oversized": "oversized requests",
    "denied": "denied requests",
    "denied, unread log": "the same, and nobody reads the log",
    "descriptors": "descriptors for the open socket",
    "churn": "a process for each connection",
    "outlive": "connections of ended processes",
    "trickle": "16 connections that trickle",
    "files": "files that never close, own mode",
    "lingering": "sockets that linger, own mode",
    "locked": "locked sockets, own mode",
}

TABLE = []


class Program:
    """A program of ours that is told what to do, and says when it has done it."""

    def __init__(self, person, *command, at=None):
        self.process = person.popen(*command, at=at, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def told(self, words):
        self.process.stdin.write(words)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.process.args}: ended with {self.process.wait()}"
        return line.split()

    def rest(self):
        """What it says when it has been told everything."""
        self.process.stdin.close()
        said = self.process.stdout.read()
        self.process.stdout.close()
        assert self.process.wait() == 0
        return said


def served(fort):
    """Waits until nobody stands before us at either door."""
    def come():
        try:
            fort.others_are_served()
        except BlockingIOError:  # the queue is full
            return False
        return True
    eventually(come, "the queue is empty")


@pytest.mark.parametrize("name", ATTACKS)
def test_600_whatever_one_user_does_another_is_served(loud, name):  # noqa: F811
    d = loud.start("allow user alice tcp,udp 100-599", "allow user alice unit no.service tcp 90")
    victim = Program(loud.bob, world.BIN / "victim", *OTHERS_PORTS, PAUSE, at=d)
    attacker = Program(loud.alice, world.BIN / "attack", name.split(",")[0], d.socket,
                       d.own_socket, FUSE)
    listener = listener_of(d) if "unread log" in name else None
    done = refused = blocks = 0
    sends = name in ("files", "lingering", "locked")
    while blocks < BLOCKS or (sends and done < SENT):
        if blocks < BLOCKS:
            victim.told(f"q {REQUESTS}\n")
        if listener:
            os.kill(listener, signal.SIGSTOP)
        assert attacker.told("g") == ["on"]
        victim.told(f"a {REQUESTS}\n")
        word, *counts = attacker.told("p")
        assert word == "off"
        if listener:
            os.kill(listener, signal.SIGCONT)
        served(loud)
        done, refused = map(int, counts)
        blocks += 1
        assert blocks < 10 * BLOCKS, f"{done} in {blocks} blocks"
    attacker.rest()
    seen = {}
    for line in victim.rest().splitlines():
        mode, when, n, failed, *times = line.split()
        assert (int(n), failed) >= (BLOCKS * REQUESTS, "0"), line
        seen[mode, when] = [float(time) / 1000 for time in times]
    TABLE.append((name, done, refused, seen, loud.status()))
    for (mode, when), (_, _, worst) in seen.items():
        assert worst < WORST * world.SLOW, f"{mode}, {when}: {worst:.1f} ms"


def test_601_what_it_looked_like(capsys):
    def cells(seen, mode):
        quiet, attacked = seen[mode, "quiet"], seen[mode, "attacked"]
        return (f"{quiet[1]:.2f} | {attacked[1]:.2f} | {attacked[1] / quiet[1]:.1f} "
                f"| {attacked[2]:.1f}")
    with capsys.disabled():
        print("\n| attack | sent | open: p99 without, ms | with | ratio | worst "
              "| own: p99 without, ms | with | ratio | worst |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for name, done, _, seen, _ in TABLE:
            print(f"| {ATTACKS[name]} | {done:,} | {cells(seen, 'open')} | {cells(seen, 'own')} |")


def test_602_one_that_asks_ahead_does_not_keep_others_waiting(loud):  # noqa: F811
    """A hundred requests are queued on one connection before another comes."""
    d = loud.start("allow user alice tcp 100")
    with loud.alice.connect(d) as c, loud.bob.connect(d) as other:
        assert c.check("tcp", 100).reason == p.GRANTED
        c.sock.settimeout(0)
        try:
            loud.workers_sleep(True)
            for _ in range(100):
                c.send(p.pack(p.CHECK, "tcp", "::", 100))
            other.send(p.pack(p.OPEN, "tcp", "0.0.0.0", OTHERS_PORTS[0]))
        finally:
            loud.workers_sleep(False)
        other.receive().granted().close()
        answered = 0
        with pytest.raises(BlockingIOError):
            while c.receive():
                answered += 1
        c.sock.settimeout(world.DEADLINE)
        for _ in range(answered, 100):
            assert c.receive().reason == p.GRANTED
        assert answered < 100


def test_603_few_connections_wait_at_the_door(loud):  # noqa: F811
    """Who comes next stands behind these. A client that can wait does, and others come again."""
    d = loud.start("allow user alice tcp 100")
    for where in (d.socket, d.own_socket):
        with contextlib.ExitStack() as crowd:
            many = 0
            loud.settled_descriptors()  # nobody is about to end
            try:
                loud.workers_sleep(True)
                with pytest.raises(BlockingIOError):
                    for many in range(200):
                        crowd.enter_context(loud.alice.connect(where))
            finally:
                loud.workers_sleep(False)
            assert 32 < many < 100
            served(loud)


def test_604_one_that_comes_faster_than_room_is_made_gives_way_itself(loud):  # noqa: F811
    """While the parent sleeps nobody else can make room."""
    d = loud.start("allow user alice tcp 100", workers_per_user=2, spare=4, request_timeout=60)
    with contextlib.ExitStack() as others:  # so that more are idle than are kept ready
        for person in (loud.bob, loud.bob, loud.root, loud.root):
            others.enter_context(person.connect(d)).status()
        eventually(lambda: loud.status()["workers"] >= 8, "as many again are ready")
    eventually(lambda: loud.status()["workers_idle"] >= 7, "all are idle")
    os.kill(d.binder(), signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as crowd:
            held = [crowd.enter_context(loud.alice.connect(d)) for _ in range(7)]
            held[6].receive().refused(p.OVER_LIMIT, errno.EAGAIN)
            for c in held[:6]:
                c.sock.settimeout(0)
                with pytest.raises(BlockingIOError):
                    c.receive()
    finally:
        os.kill(d.binder(), signal.SIGCONT)
    loud.others_are_served()
