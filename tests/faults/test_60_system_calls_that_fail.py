# SPDX-License-Identifier: MIT
"""Each system call of a request's way fails, with each errno that its manual page makes plausible.

Every client gets its socket or a clear error, every grant has its record, and the next request is
served. docs/faults.md says what cannot be made to fail so."""

import errno
import os
import re
import signal

import pytest

import faults
import world
from faults import Client, Holdings, Injection
from world import Exit, eventually

pytestmark = pytest.mark.without_sanitizers  # their runtime makes system calls of its own

FULL = "EMFILE ENFILE ENOBUFS ENOMEM"

# What fails, in which of a worker's calls of that name (1+: all), with which errnos, and what the
# client may see: "socket", "same" (the errno that the call gave), or an errno. Where a connection is
# closed without an answer the library asks again, up to three times.
OPEN_FRESH = [
    ("accept4", "1", "ECONNABORTED EINTR ENOBUFS ENOMEM EPERM EPROTO", "socket"),
    ("accept4", "1", "EMFILE ENFILE", "same"),
    ("futex", "1", "EINTR EAGAIN", "socket"),
    ("getsockopt", "1", "ENOBUFS ENOPROTOOPT", "ECONNRESET|socket"),  # SO_PEERCRED
    ("getsockopt", "2", "ENOMEM ERANGE", "ECONNRESET|socket"),  # SO_PEERGROUPS
    ("getsockopt", "3", "ENOPROTOOPT", "EACCES"),          # SO_NETNS_COOKIE: counts as another one
    ("getsockopt", "4", "ENOPROTOOPT", "socket"),          # SO_PASSRIGHTS: descriptors may come
    ("recvmsg", "1", "EAGAIN EINTR ECONNRESET ENOMEM", "socket"),
    ("socket", "1", f"{FULL} EACCES EAFNOSUPPORT EPROTONOSUPPORT", "same"),
    ("newfstatat,fstat", "1", "ENOMEM EOVERFLOW", "same"),
    ("setsockopt", "1", "ENOMEM ENOPROTOOPT EPERM", "same"),
    ("capset", "1", "EPERM ENOMEM", "socket|ECONNRESET"),  # the worker ends rather than go on so
    ("capset", "2", "EPERM", "socket|ECONNRESET"),
    ("bind", "1", "EACCES EADDRINUSE EADDRNOTAVAIL EAGAIN EINVAL ENOBUFS ENOMEM EPERM", "same"),
    ("listen", "1", "EADDRINUSE ENOBUFS EOPNOTSUPP", "same"),
    ("write", "1", "EAGAIN EPIPE ENOMEM EIO", "socket"),  # counted, and told
    ("sendmsg", "1", "EAGAIN ECONNRESET EINTR ENOBUFS ENOMEM EPERM EPIPE ETOOMANYREFS", "same"),
    ("sendmsg", "1+", "ENOBUFS", "ECONNRESET|socket"),     # nothing can be said
]
OPEN_KEPT = [
    ("poll", "1", "EINTR ENOMEM", "socket"),
    ("recvmsg", "1", "EAGAIN EINTR ECONNRESET ENOMEM", "socket"),
    ("ioctl", "1", "ENOTTY EINVAL", "socket"),
    ("socket", "1", FULL, "same"),
    ("bind", "1", "EADDRNOTAVAIL ENOMEM", "same"),
    ("sendmsg", "1", "ENOBUFS ETOOMANYREFS EPIPE", "same"),
]
OWN = [
    ("accept4", "1", "ECONNABORTED EINTR ENOBUFS ENOMEM", "socket"),
    ("accept4", "1", "EMFILE ENFILE", "same"),
    ("getsockopt", "1", "ENOBUFS", "EACCES|socket"),
    ("setsockopt", "1", "ENOPROTOOPT", "EACCES"),          # SO_PASSRIGHTS: the socket cannot come
    ("recvmsg", "1", "EAGAIN EINTR ECONNRESET ENOMEM", "socket"),
    ("recvmsg", "3", "EAGAIN EINTR ECONNRESET ENOMEM", "socket|same|EACCES"),
    ("recvmsg", "4", "ENOMEM ENOBUFS", "same|socket|EACCES"),            # the one that takes the socket
    ("getsockopt", "5", "ENOBUFS", "EINVAL"),              # SO_DOMAIN: no IP socket, for all it knows
    ("getsockopt", "6", "ENOBUFS", "EINVAL"),
    ("getsockopt", "7", "ENOBUFS", "EINVAL"),
    ("getsockopt", "8", "ENOPROTOOPT", "EACCES"),          # SO_NETNS_COOKIE
    ("getsockopt", "9", "ENOBUFS", "socket"),              # SO_BINDTOIFINDEX
    ("newfstatat,fstat", "1", "ENOMEM EOVERFLOW", "EINVAL"),
    ("write", "1", "EAGAIN EPIPE ENOMEM EIO", "socket"),
    ("socket", "1", f"{FULL} EAFNOSUPPORT", "same"),       # the probe
    ("setsockopt", "2", "ENOPROTOOPT ENOMEM", "same"),
    ("capset", "1", "EPERM", "socket|EACCES"),
    ("bind", "1", "EADDRNOTAVAIL ENOMEM EACCES", "same"),
    ("bind", "1", "EADDRINUSE", "socket"),                 # the kernel's list says that nobody has it
    ("bind", "2", "EADDRINUSE EADDRNOTAVAIL EAGAIN EINVAL ENOBUFS ENOMEM", "same"),
    ("sendmsg", "1", "ENOBUFS ENOMEM EPIPE", "socket"),    # of CHECK: asked again
    ("sendmsg", "2", "ENOBUFS ENOMEM EPIPE", "socket"),    # the socket itself says that it is bound
]
OWN_SHARED = [
    ("socket", "2", FULL, "EADDRINUSE"),                   # netlink: nobody says that it is free
    ("setsockopt", "3", "ENOMEM", "EADDRINUSE"),
    ("sendto", "1", "ECONNREFUSED ENOBUFS ENOMEM EPERM", "EADDRINUSE"),
    ("recvfrom", "1", "EAGAIN ENOBUFS ENOMEM", "EADDRINUSE"),
]
UNIT = [
    ("socketpair", "1", FULL, "EACCES"),                   # the unit is unknown: nothing is granted
    ("pidfd_send_signal", "1", "ESRCH", "EACCES"),
    ("getsockopt", "5", "EINVAL ENODATA", "EACCES"),       # SO_PEERPIDFD
    ("sendmsg", "1", "ENOBUFS EPIPE", "EACCES"),
    ("recvmsg", "2", "EAGAIN ENOMEM", "EACCES"),
]


class Faulty:
    """A daemon, a client, and calls that fail between them."""

    def __init__(self, daemon, root, alice, *rules):
        faults.install()
        self.daemon = daemon(
            f"allow user {alice} tcp,udp 127.0.0.0/8:600-601", *rules,
            options=["--spare", 4, "--workers", 16, "--own-workers", 16, "--log-rate", 0], env={"LC_ALL": "C"})
        self.client = Client(alice, self.daemon)
        self.holdings = Holdings(self.daemon, root)
        self.addresses = faults.addresses()
        self.works()
        self.before = self.holdings.least()
        self.rows, self.problems = [], []

    def ask(self, mode, kind, port=600):
        return self.client.ask(mode, kind, "tcp", next(self.addresses), port)

    def works(self):
        """What comes after a fault: a fresh request, in both modes."""
        for mode in ("open", "own"):
            answer = self.ask(mode, "fresh")
            assert answer["error"] is None and not answer["wrong"], answer
            self.recorded(answer)

    def record_of(self, answer):
        return f"granted {answer['protocol']} {answer['address']}:{answer['port']} to "

    def recorded(self, answer):
        self.daemon.says(self.record_of(answer))

    def check(self, title, fault, wanted, answer, lost=False):
        """Holds one answer against what may be seen, and its grant against the log."""
        saw = answer["error"] or "socket"
        may = [fault if word == "same" else word for word in wanted.split("|")]
        wrong = []
        # Some numbers have two names.
        if answer["wrong"] or getattr(errno, saw, 0) not in [getattr(errno, m, 0) for m in may]:
            wrong.append(f"saw {answer}")
        if saw != "socket" and not answer["message"]:
            wrong.append("says nothing")
        if answer["took"] > faults.PATIENCE:
            wrong.append(f"took {answer['took']:.1f} s")
        try:
            if saw == "socket" and not lost:
                self.recorded(answer)
        except AssertionError:
            wrong.append("has no record")
        self.rows.append((title, fault, saw, answer["message"]))
        if wrong:
            self.problems.append((title, fault, *wrong))

    def run(self, title, table, ask):
        """`ask` is what the client does; what it is given lets the calls of workers fail from then
        on."""
        mode = title.split(",")[0]

        def inject():
            made.append(Injection(faults.workers(self.daemon, mode),
                                  f"{call}:error={name}:when={when}"))
            return made[-1]
        for call, when, names, wanted in table:
            for name in names.split():
                lost = call == "write"
                made = []
                since = len(self.daemon.lines)
                # A worker that was born meanwhile may be the one that serves: then once more.
                while len(made) < 10 and not (made and made[-1].has_come()):
                    self.holdings.settle()
                    answer = ask(inject)
                if not made[-1].has_come():
                    self.problems.append((title, call, when, name, "never came"))
                self.check(f"{title}: {call.split(',')[0]} {when}", name, wanted, answer, lost)
                if lost:
                    self.daemon.says("records lost", since=since)
                self.works()

    def fresh(self, mode, kind="fresh", port=600):
        def ask(inject):
            with inject():
                return self.ask(mode, kind, port)
        return ask

    def kept(self, inject):
        self.ask("open", "kept")
        with inject():
            first, second = self.ask("open", "kept"), self.ask("open", "kept")
        self.client.begin("hang up")
        return second if first["error"] is None else first

    def shared(self, inject):
        self.client.begin("own", "shared", "tcp", next(self.addresses), 600)
        assert self.client.answer().get("held")
        self.holdings.settle()
        with inject():
            return self.client.ask("go on")

    def report(self, capsys):
        self.client.end()
        self.holdings.are(self.before)
        with capsys.disabled():
            print()
            for title, fault, saw, message in self.rows:
                print(f"{title:<28} {fault:<16} {saw:<14} {message}")
            print(f"{len(self.rows)} faults")
        assert not self.problems, "\n".join(map(str, self.problems))


@pytest.fixture(name="faulty")
def make_faulty(daemon, root, alice):
    return lambda *rules: Faulty(daemon, root, alice, *rules)


@pytest.mark.seconds(180)
def test_600_calls_of_a_worker_fail_in_open_mode(faulty, capsys):
    f = faulty()
    f.run("open, fresh", OPEN_FRESH, f.fresh("open"))
    f.run("open, kept", OPEN_KEPT, f.kept)
    f.report(capsys)


@pytest.mark.seconds(180)
def test_601_calls_of_a_worker_fail_in_own_mode(faulty, capsys):
    f = faulty()
    f.run("own", OWN, f.fresh("own"))
    f.run("own, port taken", OWN_SHARED, f.shared)
    f.report(capsys)


@pytest.mark.seconds(120)
@pytest.mark.users
def test_602_calls_fail_while_the_unit_is_asked_for(faulty, alice, capsys):
    f = faulty(f"allow user {alice} unit no.service tcp 127.0.0.0/8:602")
    f.run("open, unit", UNIT, f.fresh("open", port=602))
    f.report(capsys)


# Calls of the processes that clients do not meet. Nobody is refused for them.
PARENT = [
    ("poll", "1", "EINTR"),
    ("read", "1", "EAGAIN EINTR"),
    ("clone,clone3", "1+", "EAGAIN ENOMEM"),
]
BIRTH = [  # of a worker; strace counts the calls of each, so that all fail until it leaves
    ("fcntl", "1+", "EMFILE"),
    ("prctl", "1+", "EINVAL"),
]


@pytest.mark.seconds(120)
def test_603_calls_of_the_binders_parent_fail_and_nobody_is_refused(faulty, capsys):
    f = faulty()
    for children, table in ((False, PARENT), (True, BIRTH)):
        for call, when, names in table:
            for name in names.split():
                f.holdings.settle()
                what = f"{call}:error={name}:when={when}"
                with Injection([f.daemon.binder()], what, children) as injection:
                    # Some of the workers die: the others serve.
                    gone = f.daemon.workers()[0]
                    end = Exit(gone)
                    os.kill(gone, signal.SIGKILL)
                    end.wait()
                    answers = [f.ask(mode, "fresh") for mode in ("open", "own")]
                    eventually(injection.has_come, f"{what} has come")
                for answer in answers:
                    f.check(f"parent: {call.split(',')[0]} {when}", name, "socket", answer)
                f.works()
    assert "in force" in f.daemon.reload()  # who was born without a reserve goes
    f.report(capsys)


# What a reload needs, by the process that calls. The old policy stays, the service manager is told
# why, and the next reload works.
# libsystemd tells the service manager by sendmsg(2), too.
ORDERS = "2" if b"libsystemd.so" in (world.BUILD / "bin/lowportd").read_bytes() else "1"
RELOAD = [
    ("manager", "socketpair", "1", FULL),
    ("manager", "clone,clone3", "1", "EAGAIN ENOMEM"),
    ("manager", "recvmsg", "1", "ENOMEM ECONNRESET"),
    ("manager", "sendmsg", ORDERS, "ENOBUFS ENOMEM EAGAIN"),
    ("binder", "newfstatat,fstat", "1", "ENOMEM"),
    ("binder", "mmap", "1", "ENOMEM EAGAIN"),
    ("loader", "openat", "1+", "EMFILE ENFILE EIO ENOMEM"),
    ("loader", "memfd_create", "1+", "EMFILE ENFILE ENOMEM"),
    ("loader", "fcntl", "1+", "EBUSY EPERM"),
]


@pytest.mark.seconds(120)
def test_604_calls_of_a_reload_fail_and_the_old_policy_stays(faulty, capsys):
    f = faulty()
    d = f.daemon
    other = [line for line in d.policy.read_text().splitlines() if line] + ["# changed"]
    for who, call, when, names in RELOAD:
        for name in names.split():
            pid = d.binder() if who == "binder" else d.manager()
            with Injection([pid], f"{call}:error={name}:when={when}", who == "loader"):
                said = d.reload(*other)
                answer = f.ask("open", "fresh")
            status = re.search(r"STATUS=(.*)", said)[1]
            f.check(f"reload, {who}: {call.split(',')[0]}", name, "socket",
                    answer | {"message": status})
            if not status.startswith("Reload failed"):
                f.problems.append((who, call, name, said))
            assert "in force" in d.reload(*other), d.story()
            f.works()
    f.report(capsys)


def test_605_the_report_of_a_reload_gets_lost_and_is_sent_again(faulty, capsys):
    f = faulty()
    with Injection([f.daemon.binder()], "sendmsg:error=ENOBUFS:when=1"):
        assert "in force" in f.daemon.reload()
    f.works()
    f.report(capsys)


def test_606_the_manager_cannot_wait_and_ends_so_that_it_is_started_again(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    everyone = [Exit(pid) for pid in d.family()]
    with Injection([d.manager()], "poll:error=ENOMEM:when=1"):
        os.kill(d.manager(), signal.SIGHUP)
        assert d.ended() not in (0, None)
    for one in everyone:
        one.wait()
    d.says("cannot wait")


BESIDE = [("auditor", "read", "EIO ENOMEM"), ("registrar", "recvmsg", "ENOMEM ENOBUFS")]


def test_607_a_call_of_auditor_or_registrar_fails_and_it_is_started_again(faulty, capsys):
    f = faulty()
    for who, call, names in BESIDE:
        for name in names.split():
            pid = getattr(f.daemon, who)()
            gone = Exit(pid)
            with Injection([pid], f"{call}:error={name}:when=1"):
                answer = f.ask("open", "fresh")
                gone.wait()
            f.check(f"{who}: {call} 1", name, "socket", answer)
            eventually(lambda w=who, pid=pid: getattr(f.daemon, w)() != pid, f"another {who}")
            f.works()
    f.report(capsys)


def test_609_what_the_log_does_not_take_is_counted_and_told(faulty, capsys):
    f = faulty()
    for name in ("ENOSPC", "EIO"):
        since = len(f.daemon.lines)
        with Injection([f.daemon.auditor()], f"write:error={name}:when=1"):
            answer = f.ask("open", "fresh")
            f.daemon.says("1 records lost", os.strerror(getattr(errno, name)), since=since)
        f.check("auditor: write 1", name, "socket", answer, lost=True)
        f.works()
    f.report(capsys)


def test_608_what_an_auditor_had_read_when_it_was_killed_is_written_by_the_next(faulty, capsys):
    f = faulty()
    for _ in range(3):
        pid = f.daemon.auditor()
        gone = Exit(pid)
        with Injection([pid], "write:signal=SIGKILL:when=1"):
            answer = f.ask("open", "fresh")
            gone.wait()
        f.check("auditor: killed before write 1", "SIGKILL", "socket", answer)
        eventually(lambda pid=pid: f.daemon.auditor() != pid, "another auditor")
    f.report(capsys)
