# SPDX-License-Identifier: MIT
"""Processes are killed and stopped at random while clients ask all the time: every client gets its
socket or a clear error within its deadline, and there is no grant without a record.

LOWPORT_STORM is how many seconds it lasts, LOWPORT_SEED makes one come again."""

import collections
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import faults
import protocol as p
import world
from world import alive, children, eventually, name_of

SECONDS = int(os.environ.get("LOWPORT_STORM", "45"))
WATCHDOG = 2 * world.SLOW  # seconds
STOP_PATIENCE = 8 * world.SLOW
# What a client may be told that the policy grants: the daemon was replaced, or had no room.
CLEAR = {"ECONNRESET", "ECONNREFUSED", "EPIPE", "EAGAIN", "ETIMEDOUT"}
# lowport_bind() has bind(2)'s errnos: EACCES also where no daemon answers.
CLEAR_OWN = CLEAR | {"EACCES"}


class ServiceManager:
    """What systemd does with the units: it holds the listening sockets, starts a daemon with them,
    hears its watchdog, kills one that is silent, and starts the next when one has ended."""

    def __init__(self, *rules):
        self.home = world.HOME / "storm"
        self.home.mkdir()
        self.listeners = [self._listen("storm.socket", 0o666, None),
                          self._listen("storm.own", 0o660, 990)]
        self.rules = rules
        self.daemon, self.starts, self.watchdogs, self.lines = None, 0, 0, []
        self._end = threading.Event()
        self.start()
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def _listen(self, name, mode, group):
        path = world.HOME / name
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(path))
        path.chmod(mode)
        if group is not None and world.MANY_USERS:
            os.chown(path, -1, group)
        listener.listen(512)
        return listener

    def start(self):
        a, b = (listener.fileno() for listener in self.listeners)
        inherit = ["bash", "-c", f'exec 3<&{a} 4<&{b} {a}<&- {b}<&-; export LISTEN_FDS=2 '
                   'LISTEN_FDNAMES=open:own LISTEN_PID=$$; exec "$@"', "-"]
        rules = self.rules if self.daemon is None else ()
        policy = None if self.daemon is None else self.daemon.policy
        d = world.Daemon(*rules, home=self.home, policy=policy,
                         options=["--log-rate", 0],  # every grant is to be seen
                         prefix=[*inherit, *world.capable()], sockets=(a, b),
                         env={"WATCHDOG_USEC": str(WATCHDOG * 1000000)})
        d.socket, d.own_socket = world.HOME / "storm.socket", world.HOME / "storm.own"
        self.lines.append(d.lines)
        self.daemon, self.starts = d, self.starts + 1

    def _look_after(self):
        while not self._end.is_set():
            self._hear(self.daemon)
            if not self._end.is_set():
                self._bury(self.daemon)
                self.start()

    def _hear(self, d):
        """Returns when it has ended, or when it is silent for too long, and is killed for it."""
        while not self._end.is_set():
            try:
                if not d.notified("WATCHDOG=1", seconds=WATCHDOG):
                    return
            except AssertionError:
                self.watchdogs += 1
                d.process.kill()
                return

    def _bury(self, d):
        """Nobody is left before the next one comes; who does not end in time is killed."""
        d.process.wait()
        end = time.monotonic() + STOP_PATIENCE
        while ours() and time.monotonic() < end:
            time.sleep(0.005)  # the kernel tells nobody of the end of another's child
        for pid in ours():
            os.kill(pid, signal.SIGKILL)
        d.drop()

    def stop(self):
        self._end.set()
        self._thread.join()
        self.daemon.stop()
        for listener in self.listeners:
            listener.close()

    def log(self):
        return [line for lines in self.lines for line in lines]


def ours():
    """Every living process of a daemon, whosever child it is."""
    pids = [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if name_of(pid).startswith("lowport") and alive(pid)]


class Monkey:
    """Kills and stops. Two faults at once are not made of one: what the auditor has not read dies with
    the pipe if auditor and manager are gone together, so the one is not touched while the other is away."""

    TARGETS = ["worker"] * 8 + ["auditor", "registrar", "loader", "loader"] * 2 + ["binder", "manager"]

    def __init__(self, manager, seed):
        self.manager, self.random = manager, random.Random(seed)
        self.done = collections.Counter()
        self.stopped = []  # pid and when it goes on
        self.ending = None  # the daemon whose end was begun
        self.auditor = None  # the last one that was killed or stopped

    def _find(self, what):
        d = self.manager.daemon
        if d.process.poll() is not None or not d.said("ready:"):
            return []
        pids = children(d.pid)
        names = {"auditor": "lowportd-audit", "registrar": "lowportd-units",
                 "loader": "lowportd-load", "binder": "lowport-binder"}
        if what == "manager":
            return [d.pid]
        if what == "worker":
            return [worker for pid in pids if name_of(pid) == "lowport-binder"
                    for worker in children(pid)]
        return [pid for pid in pids if name_of(pid) == names[what]]

    def _may(self, what):
        """See above: of auditor and the two with which the manager ends, one at a time."""
        d = self.manager.daemon
        if what == "auditor":
            return d is not self.ending
        if what in ("binder", "manager"):
            return self._find("auditor") not in ([], [self.auditor])
        return True

    def _note(self, what, pid):
        if what == "auditor":
            self.auditor = pid
        elif what in ("binder", "manager"):
            self.ending = self.manager.daemon

    def act(self):
        now = time.monotonic()
        for pid, until in self.stopped[:]:
            if now >= until:
                self._signal(pid, signal.SIGCONT)
                self.stopped.remove((pid, until))
        what = self.random.choice(self.TARGETS)
        sort = self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP))
        long, short = self.random.random() < 0.2, self.random.uniform(0.01, 1)
        found = self._find(what) if self._may(what) else []
        if not found:
            return
        pid = self.random.choice(found)
        self._note(what, pid)
        if self._signal(pid, sort):
            self.done[f"{what} {sort.name}"] += 1
            if sort == signal.SIGSTOP:
                self.stopped.append((pid, now + (2 * WATCHDOG if long else short)))

    def _signal(self, pid, sort):
        try:
            os.kill(pid, sort)
        except ProcessLookupError:
            return False
        return True

    def end(self):
        for pid, _ in self.stopped:
            self._signal(pid, signal.SIGCONT)


class Stormer:
    """A client that asks all the time, and what it saw."""

    def __init__(self, person, index, daemon):
        self.answers = []
        self.process = person.popen("/usr/bin/python3", faults.PROGRAM, "storm", index, at=daemon,
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.append(json.loads(line))

    def end(self):
        self.process.stdin.close()
        self._thread.join(faults.PATIENCE)
        assert not self._thread.is_alive(), "a client hangs"
        assert self.process.wait(world.DEADLINE) == 0
        self.process.stdout.close()


def judge(answer):
    """What is wrong with an answer, if anything is."""
    if answer["wrong"]:
        return answer["wrong"]
    if answer["took"] > faults.PATIENCE:
        return "too late"
    if answer["error"] is None:
        return None if answer["granted"] else "got what nobody is granted"
    if not answer["message"]:
        return "no reason"
    clear = CLEAR_OWN if answer["mode"] == "own" else CLEAR
    if not answer["granted"]:
        clear = clear | {"EACCES"}
    return None if answer["error"] in clear else "no clear error"


def records(log):
    """The granted ones, by what they grant to whom."""
    found = collections.Counter()
    for line in log:
        match = re.match(r"granted (tcp|udp) ([\d.]+):(\d+) to .*pid (\d+)", line)
        if match:
            found[match[1], match[2], int(match[3]), int(match[4])] += 1
    return found


def show(manager, monkey, stormers, seed, capsys):
    answers = [answer for one in stormers for answer in one.answers]
    told = collections.Counter(f"{a['mode']} {a['error']}" for a in answers if a["error"] and a["granted"])
    with capsys.disabled():
        print(f"\nseed {seed}, {SECONDS} s: {len(answers)} requests, "
              f"{sum(not a['error'] for a in answers)} sockets, "
              f"{sum(not a['granted'] for a in answers)} for what is denied; "
              f"the slowest took {max(a['took'] for a in answers):.2f} s")
        print("told: " + (", ".join(f"{n} {what}" for what, n in sorted(told.items())) or "nothing"))
        print(f"daemons: {manager.starts}; ended by the watchdog: {manager.watchdogs}; "
              + ", ".join(f"{what} {n}" for what, n in sorted(monkey.done.items())))
    return answers


@pytest.mark.users
@pytest.mark.seconds(SECONDS + 120)
def test_610_a_storm(root, alice, bob, capsys):
    seed = int(os.environ.get("LOWPORT_SEED", random.randrange(1 << 32)))
    with capsys.disabled():
        print(f"\nLOWPORT_SEED={seed}")
    faults.install()
    # Many rules of others make loading take its time.
    others = [f"allow user carol tcp 10.{i // 250}.{i % 250}.0/24:{i % 1000 + 1}" for i in range(4000)]
    manager = ServiceManager("allow user alice tcp,udp 127.0.0.0/8:600-699",
                             "allow user bob tcp,udp 127.0.0.0/8:600-699", *others)
    eventually(lambda: manager.daemon.said("ready:"), "the first daemon is ready")
    holdings = faults.Holdings(manager.daemon, root)
    before = holdings.least()
    monkey = Monkey(manager, seed)
    stormers = [Stormer(person, i + 1, manager.daemon) for i, person in
                enumerate((alice, bob, alice, bob))]
    try:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(monkey.random.uniform(0, 0.1))  # random moments are what this is about
            monkey.act()
            if monkey.random.random() < 0.5:
                monkey._signal(manager.daemon.pid, signal.SIGHUP)
        monkey.end()
        for one in stormers:
            one.end()
        # After it all a fresh request works, in both modes.
        eventually(lambda: manager.daemon.said("ready:"), "a daemon is ready")
        with root.connect(manager.daemon) as c:
            c.check("tcp", 80).refused(p.NO_RULE, 13)
        alice.open(manager.daemon, "tcp", 699, "127.99.0.1").granted().close()
        with alice.make() as sock:
            assert alice.own(manager.daemon, sock, "tcp", 699, "127.99.0.1").reason == p.GRANTED
        holdings.daemon = manager.daemon
        holdings.are(before)
    finally:
        monkey.end()
        for one in stormers:
            one.process.kill()
        manager.stop()
    assert eventually(lambda: not ours(), "no process is left")

    answers = show(manager, monkey, stormers, seed, capsys)
    wrong = [(judge(a), a) for a in answers if judge(a)]
    assert not wrong, f"{len(wrong)} of {len(answers)}: {wrong[:10]}"
    log = manager.log()
    lost = sum(int(n) for line in log for n in re.findall(r"^(\d+) records lost", line))
    known = records(log)
    missing = [a for a in answers if not a["error"] and
               not known[a["protocol"], a["address"], a["port"], a["pid"]]]
    with capsys.disabled():
        print(f"records: {sum(known.values())} of grants, {len(known)} different; {lost} lost, and told; "
              f"grants without one: {len(missing)}")
    assert len(missing) <= lost, missing[:10]
    assert sum(not a["error"] for a in answers) > SECONDS, "hardly anything was asked"
