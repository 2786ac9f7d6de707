# SPDX-License-Identifier: MIT
"""The private world that the system tests run in: people, daemons, processes.

scripts/test makes the world (see tests/system/enter); nothing here touches the machine.
"""

import ctypes
import os
import pathlib
import pickle
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

from protocol import Connection

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LOWPORT_BUILD", SOURCE / "build/dev"))
HOME = pathlib.Path("/run/world")  # everything of ours; every user can reach it
BIN = HOME / "bin"
LIB = HOME / "lib"
CACHE = (BUILD / "CMakeCache.txt").read_text() if (BUILD / "CMakeCache.txt").exists() else ""
SANITIZE = "".join(re.findall(r"^LOWPORT_SANITIZE:\w+=(.+)$", CACHE, re.M))
SLOW = 3 if SANITIZE else 1  # sanitizers take their time
DEADLINE = 15 * SLOW
USERS = {"root": 0, "lowport": 990, "alice": 1001, "bob": 1002, "carol": 1003}
GROUPS = {"alice": [2001, 990], "bob": [990], "carol": [2001]}
MANY_USERS = os.getuid() == 0  # else this world has one uid, the daemon's
CLONE_NEWNET = 0x40000000

ENVIRONMENT = {
    "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/run/tmp",
    "TMPDIR": "/run/tmp",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LD_LIBRARY_PATH": str(LIB),
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def install():
    """Copies what was built to where every user of the world can run it."""
    for name, home in (("bin", BIN), ("lib", LIB)):
        home.mkdir(parents=True)
        for path in (BUILD / name).iterdir():
            if path.is_file():
                shutil.copy(path, home, follow_symlinks=False)
                if not path.is_symlink():
                    (home / path.name).chmod(0o755)


def eventually(true, what, seconds=DEADLINE):
    """Waits for a fact of which the kernel sends no event (something in /proc)."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.005)
    return value


# People.


def identity(user):
    """The setpriv arguments that become a user with no privilege at all."""
    drop = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    if not MANY_USERS:
        return ["setpriv", *drop]
    uid = USERS[user] if isinstance(user, str) else user
    groups = GROUPS.get(user, [])
    also = ["--groups=" + ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", *also, *drop]


def capable(user="lowport", capability="net_bind_service"):
    """The setpriv arguments that become a user with exactly one capability, as systemd does it."""
    who = []
    if MANY_USERS:
        who = [f"--reuid={USERS[user]}", f"--regid={USERS[user]}", "--clear-groups"]
    one = f"-all,+{capability}"
    return ["setpriv", *who, f"--inh-caps={one}", f"--ambient-caps={one}", f"--bounding-set={one}"]


class Person:
    """A user of the world: an unprivileged process that connects for us, and a way to run more.

    A connection belongs to who made it. The test then speaks on it from its own process.
    """

    def __init__(self, name, new_netns=False):
        self.name = name
        self.uid = USERS[name] if isinstance(name, str) else name
        self.prefix = identity(name)
        if not MANY_USERS:
            self.name, self.uid = "lowport", os.getuid()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            self._live(theirs, new_netns)
        theirs.close()
        self.line = ours
        self.line.settimeout(60)

    def _live(self, line, new_netns):
        """The other process: connects to each path it is told, or makes the socket it is told, until
        its line is closed."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            # A connection of the test ends when the test closes it, not when this process ends.
            os.closerange(3, line.fileno())
            os.closerange(line.fileno() + 1, 4096)
            if new_netns:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.unshare(CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "unshare")
            if MANY_USERS and self.uid != 0:
                os.setgroups(GROUPS.get(self.name, []))
                os.setresgid(self.uid, self.uid, self.uid)
                os.setresuid(self.uid, self.uid, self.uid)
            while order := line.recv(200).decode():
                kind = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
                if not order.startswith("/"):
                    kind = tuple(map(int, order.split()))
                with socket.socket(*kind) as sock:
                    try:
                        if order.startswith("/"):
                            sock.settimeout(50)
                            sock.connect(order)
                        socket.send_fds(line, [pickle.dumps(None)], [sock.fileno()])
                    except OSError as error:
                        line.send(pickle.dumps(error))
        finally:
            os._exit(0)

    def __str__(self):
        """As a rule names this user."""
        return str(self.name)

    def _order(self, text):
        self.line.send(text.encode())
        data, fds, _, _ = socket.recv_fds(self.line, 4096, 1)
        if not data:
            raise RuntimeError(f"{self.name} is gone")
        error = pickle.loads(data)
        if error is not None:
            raise error
        return socket.socket(fileno=fds[0])

    def connect(self, where):
        """A connection of this user to a daemon or a path."""
        return Connection(self._order(str(getattr(where, "socket", where))), DEADLINE)

    def make(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """A socket that is this user's own, in this user's network namespace."""
        return self._order(f"{int(family)} {int(kind)} {int(protocol)}")

    def own(self, where, sock, protocol, port, address="0.0.0.0", flags=0):
        """Has a socket bound by the daemon, on a connection of its own."""
        with self.connect(getattr(where, "own_socket", where)) as connection:
            return connection.own(sock, protocol, port, address, flags)

    def open(self, where, protocol, port, address="::", flags=0, backlog=0):
        """One request on a connection of its own."""
        with self.connect(where) as connection:
            return connection.open(protocol, port, address, flags, backlog)

    def check(self, where, protocol, port, address="::", flags=0):
        with self.connect(where) as connection:
            return connection.check(protocol, port, address, flags)

    def environment(self, where=None, **more):
        paths = {}
        if where is not None:
            paths["LOWPORT_SOCKET"] = str(getattr(where, "socket", where))
            paths["LOWPORT_OWN_SOCKET"] = str(getattr(where, "own_socket", f"{where}-own"))
        return ENVIRONMENT | paths | more

    def popen(self, *command, at=None, env=None, **options):
        """Starts a program as this user; `at` is the daemon it may ask."""
        options.setdefault("cwd", HOME)
        return subprocess.Popen([*self.prefix, *map(str, command)], text=True,
                                env=self.environment(at, **(env or {})), **options)

    def run(self, *command, at=None, env=None, **options):
        """Runs a program as this user to its end."""
        options.setdefault("timeout", 60 * SLOW)
        options.setdefault("cwd", HOME)
        result = subprocess.run([*self.prefix, *map(str, command)], text=True, capture_output=True,
                                env=self.environment(at, **(env or {})), check=False, **options)
        assert "Sanitizer" not in result.stderr, result.stderr
        return result

    def leave(self):
        self.line.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


# Processes.


def status(pid):
    """/proc/PID/status as a dictionary; empty when there is no such process any more."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def alive(pid):
    return not status(pid).get("State", "Z").startswith(("Z", "X"))


def children(pid):
    """The living children of a process, oldest first."""
    try:
        pids = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in pids if alive(int(child))]


def name_of(pid):
    return status(pid).get("Name", "")


def capabilities(pid):
    """The five capability sets of a process as numbers."""
    facts = status(pid)
    return {which: int(facts[f"Cap{which}"], 16) for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def set_limit(pid, which, soft):
    """Sets a soft resource limit of a daemon's process, and returns the one it had. Done as the
    daemon's own user, who may do so without a privilege."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if MANY_USERS:
                os.setresgid(990, 990, 990)
                os.setresuid(990, 990, 990)
            before, hard = resource.prlimit(pid, which)
            resource.prlimit(pid, which, (soft, hard))
            os.write(theirs, str(before).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, encoding="ascii") as answer:
        before = answer.read()
    os.waitpid(child, 0)
    assert before, f"cannot set a limit of process {pid}"
    return int(before)


class Exit:
    """Waits for the end of a process that may be somebody else's child."""

    def __init__(self, pid):
        self.pid = pid
        try:
            self.fd = os.pidfd_open(pid)
        except ProcessLookupError:  # a worker that ends when it has served
            self.fd = -1

    def wait(self, seconds=DEADLINE):
        if self.fd < 0:
            return
        readable, _, _ = select.select([self.fd], [], [], seconds)
        os.close(self.fd)
        assert readable, f"process {self.pid} ({name_of(self.pid)}) still runs after {seconds} s"


# Daemons.


class Daemon:
    """A lowportd of the test's own: its policy, its socket, what it says."""

    count = 0

    def __init__(self, *rules, policy=None, options=(), prefix=None, env=None, program=None,
                 binder=None, home=None, sockets=None, bare=False, modes=("open", "own")):
        Daemon.count += 1
        self.home = pathlib.Path(home or HOME / f"d{Daemon.count}")
        self.home.mkdir(exist_ok=True)
        self.state = self.home / "state"  # the daemon may write here
        self.state.mkdir(exist_ok=True)
        if MANY_USERS:
            os.chown(self.state, USERS["lowport"], USERS["lowport"])
        self.socket = self.state / "socket"
        self.own_socket = self.state / "own.socket"
        self.policy = pathlib.Path(policy) if policy else self.home / "policy.conf"
        if policy is None:
            self.write_policy(*rules)
        self.lines = []
        self.news = []
        self._changed = threading.Condition()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify_path = self.home / f"notify{Daemon.count}"
        self._notify.bind(str(notify_path))
        notify_path.chmod(0o666)

        command = [str(program or BIN / "lowportd")]
        if not bare:
            command += ["--policy", str(self.policy),
                        "--binder", str(binder or BIN / "lowport-binder")]
            command += ["--socket", str(self.socket)] if "open" in modes else []
            command += ["--own-socket", str(self.own_socket)] if "own" in modes else []
        command += map(str, options)
        self.process = subprocess.Popen(
            [*(capable() if prefix is None else prefix), *command], cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=sockets or (),
            env=ENVIRONMENT | {"NOTIFY_SOCKET": str(notify_path)} | (env or {}))
        self.pid = self.process.pid
        self._pidfd = os.pidfd_open(self.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    # What it says.

    def says(self, *parts, since=0, seconds=DEADLINE):
        """Waits for a line on standard error with all the parts in it, and returns it."""
        def match():
            return next((line for line in self.lines[since:] if all(p in line for p in parts)), None)
        with self._changed:
            found = self._changed.wait_for(match, seconds)
        assert found, f"no line with {parts} after {since} in:\n" + "\n".join(self.lines)
        return found

    def said(self, *parts):
        return [line for line in self.lines if all(part in line for part in parts)]

    def notified(self, wanted, seconds=DEADLINE):
        """Waits for a message to the service manager, or for the daemon's end (False)."""
        end = time.monotonic() + seconds
        while True:
            left = max(0, end - time.monotonic())
            readable, _, _ = select.select([self._notify, self._pidfd], [], [], left)
            if self._notify in readable:
                message = self._notify.recv(8192).decode()
                self.news.append(message)
                if wanted in message.split("\n"):
                    return True
            elif readable:
                return False
            else:
                raise AssertionError(f"no {wanted} within {seconds} s:\n" + self.story())

    def story(self):
        return "\n".join([*self.news, *self.lines])

    def ready(self):
        assert self.notified("READY=1"), "lowportd ended:\n" + self.story()
        return self

    # What it is told.

    def write_policy(self, *rules):
        """Replaces the policy in one step, as editors do."""
        new = self.policy.with_suffix(".new")
        new.write_text("\n".join(rules) + "\n")
        new.chmod(0o644)
        new.rename(self.policy)

    def reload(self, *rules):
        """Reloads with other rules and returns what the daemon told the service manager."""
        if rules:
            self.write_policy(*rules)
        before = len(self.news)
        os.kill(self.pid, signal.SIGHUP)
        assert self.notified("RELOADING=1") and self.notified("READY=1"), self.story()
        return "\n".join(self.news[before:])

    def ended(self, seconds=DEADLINE):
        """Waits for the daemon's own end and returns its exit status."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def stop(self):
        """SIGTERM; checks that it ends cleanly and leaves nothing behind."""
        everyone = [Exit(pid) for pid in self.family() if alive(pid)]
        if self.process.poll() is None:
            self.process.terminate()
            assert self.ended() == 0, self.story()
        for one in everyone:
            one.wait()
        self.drop()

    def drop(self):
        """Lets go of what the test holds; a daemon that still runs is killed with all it has."""
        if self.process.poll() is None:
            everyone = [Exit(pid) for pid in self.family()]
            self.process.kill()
            for one in everyone:
                one.wait()
        self.ended()
        self._notify.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        self.process.stderr.close()
        assert not self.said("Sanitizer") and not self.said("runtime error"), self.story()

    # What it consists of.

    def family(self):
        """Every process of it."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children(pid)
        return found

    def manager(self):
        """lowportd itself, also behind a program that stays in front of it."""
        return next(pid for pid in self.family() if name_of(pid) == "lowportd")

    def binder(self):
        return next(pid for pid in children(self.manager()) if name_of(pid) == "lowport-binder")

    def auditor(self):
        return self._child("lowportd-audit")

    def registrar(self):
        return self._child("lowportd-units")

    def _child(self, name):
        """A process beside the manager; it takes its name when it has begun."""
        return eventually(lambda: next((pid for pid in children(self.manager())
                                        if name_of(pid) == name), None), f"{name} has begun")

    def workers(self):
        return children(self.binder())

    def settled(self):
        """Waits until every worker is idle again, so that what they hold can be compared."""
        with Person("root" if MANY_USERS else "lowport").connect(self) as connection:
            pass
        return self.workers()
