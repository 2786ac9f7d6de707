# SPDX-License-Identifier: MIT
"""What becomes of the records, and what the service manager hears."""

import datetime
import os
import pathlib
import re
import select
import socket
import subprocess
import time

import pytest

import protocol as p
import world

JOURNAL = pathlib.Path("/run/systemd/journal/socket")


@pytest.fixture(name="stderr")
def fifo():
    """A pipe that can be standard error: its path, and a descriptor that reads it when told to."""
    path = world.HOME / "stderr"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    path.chmod(0o666)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    yield path, fd
    os.close(fd)
    path.unlink()


def into(path):
    """A prefix that sends standard error there."""
    return ["sh", "-c", f'exec "$@" 2>{path}', "-", *world.capable()]


def read_until(fd, word, seconds=world.DEADLINE):
    text, end = "", time.monotonic() + seconds
    while word not in text:
        readable, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
        assert readable, f"no '{word}' within {seconds} s in:\n{text[-2000:]}"
        text += os.read(fd, 65536).decode(errors="replace")
    return text


def test_090_a_log_that_is_not_read_delays_nobody_and_what_is_lost_is_counted(daemon, alice, stderr):
    path, fd = stderr
    d = daemon(f"allow user {alice} tcp 80", prefix=into(path), options=[
        "--record-queue", 16, "--log-rate", 0])
    with alice.connect(d) as c:
        for _ in range(5000):
            c.check("tcp", 80)
        assert c.status()["records_lost"] > 1000
    # Everything that was decided is in the log, or counted there as lost.
    text, written, lost = "", 0, 0
    while written + lost < 5000:
        text += read_until(fd, "\n")
        written = text.count("granted check of tcp [::]:80 to")
        lost = sum(int(n) for n in re.findall(r"^(\d+) records lost", text, re.M))
    assert written + lost == 5000 and lost > 1000


def test_091_the_journal_gets_a_field_for_everything(daemon, alice, stderr):
    path, _ = stderr
    begin = time.time()
    linked = subprocess.run(["ldd", world.BIN / "lowportd"], capture_output=True, text=True,
                            check=True).stdout
    where = os.stat(path)
    environment = {"JOURNAL_STREAM": f"{where.st_dev}:{where.st_ino}"}
    JOURNAL.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(JOURNAL))
        JOURNAL.chmod(0o666)
        try:
            d = daemon(f"allow user {alice} tcp 80", prefix=into(path), env=environment)
            with alice.open(d, "tcp", 80).granted() as granted:
                inode = os.fstat(granted.fileno()).st_ino
            alice.check(d, "tcp", 443, "127.0.0.1").refused(p.NO_RULE, 13)
            with alice.connect(d.own_socket) as c:
                c.check("udp", 81, "0.0.0.0").refused(p.NO_RULE, 13)
            if "libsystemd" not in linked:
                # Without the library there is no journal; the lines go where they always go.
                assert "denied check of tcp 127.0.0.1:443" in read_until(stderr[1], "denied")
                return
            journal.settimeout(world.DEADLINE)
            entries = []
            while len(entries) < 3:
                fields = dict(line.split("=", 1) for line in
                              journal.recv(65536).decode().splitlines() if "=" in line)
                if "LOWPORT_VERDICT" in fields:
                    entries.append(fields)
        finally:
            JOURNAL.unlink()
    first, second, third = entries
    assert first["MESSAGE"].startswith(f"granted tcp [::]:80 to {alice}")
    same = {"LOWPORT_UID": str(alice.uid), "LOWPORT_GID": str(alice.uid),
            "LOWPORT_USER": str(alice), "LOWPORT_PID": str(alice.pid), "LOWPORT_NETNS": "same",
            "LOWPORT_PROTOCOL": "tcp", "LOWPORT_GENERATION": "1",
            "SYSLOG_IDENTIFIER": "lowportd"}
    wanted = same | {
        "LOWPORT_VERDICT": "granted", "LOWPORT_REASON": "granted", "LOWPORT_ERRNO": "0",
        "LOWPORT_MODE": "open", "LOWPORT_OPERATION": "open", "LOWPORT_ADDRESS": "::",
        "LOWPORT_PORT": "80", "LOWPORT_INODE": str(inode), "LOWPORT_RULE_FILE": str(d.policy),
        "LOWPORT_RULE_LINE": "1", "PRIORITY": "6"}
    assert first.items() >= wanted.items(), (first, wanted)
    assert begin <= int(first["LOWPORT_TIME_USEC"]) / 1e6 <= time.time()
    wanted = same | {
        "LOWPORT_VERDICT": "denied", "LOWPORT_REASON": "no rule allows it", "LOWPORT_ERRNO": "13",
        "LOWPORT_MODE": "open", "LOWPORT_OPERATION": "check", "LOWPORT_ADDRESS": "127.0.0.1",
        "LOWPORT_PORT": "443", "PRIORITY": "5"}
    assert second.items() >= wanted.items(), (second, wanted)
    assert not set(second) & {"LOWPORT_INODE", "LOWPORT_RULE_FILE", "LOWPORT_RULE_LINE"}, second
    wanted = same | {"LOWPORT_MODE": "own", "LOWPORT_OPERATION": "own", "LOWPORT_PROTOCOL": "udp",
                     "LOWPORT_VERDICT": "denied"}
    assert third.items() >= wanted.items(), (third, wanted)
    assert len(first["MESSAGE_ID"]) == 32 and first["MESSAGE_ID"] != second["MESSAGE_ID"]


def test_092_the_watchdog_is_fed(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", env={"WATCHDOG_USEC": "400000"})
    for _ in range(3):
        assert d.notified("WATCHDOG=1", seconds=5)


def test_093_the_service_manager_hears_of_the_policy_and_of_the_end(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    assert "STATUS=1 rules of 1 files in force" in "\n".join(d.news)
    said = d.reload(f"allow user {alice} tcp 80", "nonsense")
    assert "STATUS=Reload failed" in said and "policy.conf:2:1" in said
    d.process.terminate()
    assert d.notified("STOPPING=1")
    assert d.ended() == 0


def parts_of(line):
    """What the details of a line say."""
    return dict(word.split("=", 1) for word in re.search(r" \[(time=.*)\]$", line)[1].split())


def test_094_a_line_says_everything(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    begin = time.time()
    with alice.open(d, "tcp", 80).granted() as granted:
        inode = os.fstat(granted.fileno()).st_ino
        # The daemon's own socket is in the way of another request.
        alice.open(d, "tcp", 80).refused(p.ADDRESS_IN_USE, 98)
    with alice.connect(d.own_socket) as c:
        c.check("udp", 81, "127.0.0.1").refused(p.NO_RULE, 13)
    with alice.connect(d) as c:
        c.ask(b"?").refused(p.TOO_SHORT, 74)
    who = f"{alice} (uid {alice.uid}, pid {alice.pid})"
    rule = f"{d.policy}:1"
    granted = d.says(f"granted tcp [::]:80 to {who} by {rule}")
    failed = d.says(f"failed tcp [::]:80 for {who}: address in use, allowed by {rule}")
    denied = d.says(f"denied udp 127.0.0.1:81 for {who}: no rule allows it")
    malformed = d.says(f"malformed a request for {who}")
    same = {"gid": str(alice.uid), "netns": "same"}
    for line, wanted in ((granted, {"mode": "open", "errno": "0", "inode": str(inode)}),
                         (failed, {"mode": "open", "errno": "98"}),
                         (denied, {"mode": "own", "errno": "13"}),
                         (malformed, {"mode": "open", "errno": "74"})):
        said = parts_of(line)
        when = datetime.datetime.fromisoformat(said.pop("time").replace("Z", "+00:00"))
        assert said == same | wanted, line
        assert begin <= when.timestamp() <= time.time(), line


@pytest.mark.users
def test_095_the_line_names_a_foreign_network_namespace(daemon, alice):
    d = daemon("allow anyone tcp 80")
    stranger = world.Person("alice", new_netns=True)
    try:
        stranger.open(d, "tcp", 80).refused(p.OTHER_NETNS, 13)
    finally:
        stranger.leave()
    assert parts_of(d.says("denied", f"pid {stranger.pid}"))["netns"] == "other"
    alice.open(d, "tcp", 80).granted().close()
    assert parts_of(d.says("granted", f"pid {alice.pid}"))["netns"] == "same"


def add_up(d, wanted, *parts):
    """Waits until as many records as wanted are in the log, suppressed or lost: each of them."""
    def counts():
        lines = list(d.lines)
        written = sum(all(part in line for part in parts) for line in lines)
        suppressed = sum(int(m[1]) for m in map(re.compile(r"suppressed (\d+) records").match, lines)
                         if m)
        lost = sum(int(m[1]) for m in map(re.compile(r"(\d+) records lost").match, lines) if m)
        return written, suppressed, lost
    world.eventually(lambda: sum(counts()) >= wanted, f"{wanted} records accounted for")
    assert sum(counts()) == wanted, counts()
    return counts()


@pytest.mark.users
def test_096_a_users_flood_is_cut_off_and_counted_and_others_are_heard(daemon, alice, bob):
    d = daemon(f"allow user {bob} tcp 80", options=["--log-burst", 50, "--log-rate", 1])
    with alice.connect(d) as c:
        for _ in range(2000):
            c.check("tcp", 443)
        bob.open(d, "tcp", 443).refused(p.NO_RULE, 13)
        d.says("denied tcp [::]:443 for bob")
        assert not d.said("suppressed", "bob")
        for _ in range(2000):
            c.ask(b"?").close()
    written, suppressed, _ = add_up(d, 4000, "for alice")
    assert 50 <= written < 200 and suppressed > 3000
    line = d.says("suppressed", f"records of alice (uid {alice.uid})")
    assert "denied" in line and d.said("suppressed", "malformed")
    with bob.open(d, "tcp", 80).granted():
        d.says("granted tcp [::]:80 to bob")


def test_097_grants_have_ten_times_the_room_and_what_is_beyond_is_told_at_the_end(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--log-burst", 10, "--log-rate", 1])
    with alice.connect(d) as c:
        for _ in range(500):
            c.check("tcp", 80)
        c.open("tcp", 81).refused(p.NO_RULE, 13)
        d.says("denied tcp [::]:81")  # which the grants have not used up
    d.process.terminate()
    assert d.ended() == 0
    written, suppressed, lost = add_up(d, 500, "granted check of tcp")
    assert 100 <= written < 400 and suppressed > 100 and lost == 0
    assert d.said("suppressed", "granted")


def may_be(uid):
    """Whether there is such a uid in this world."""
    spans = [list(map(int, line.split())) for line in open("/proc/self/uid_map", encoding="ascii")]
    return any(first <= uid < first + count for first, _, count in spans)


@pytest.mark.users
def test_098_one_who_is_many_users_is_cut_off_as_one(daemon, alice):
    """As a person can be with a user namespace."""
    first = 3 * 65536
    if not may_be(first + 600):
        pytest.skip("this world has no more than 65,536 users: run as root")
    d = daemon("allow user lowport tcp 80", options=["--log-burst", 5, "--log-rate", 1])
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for number in range(600):
                os.setresuid(0, first + number, 0)
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                    sock.settimeout(world.DEADLINE)
                    sock.connect(str(d.socket))
                    for _ in range(3):
                        sock.send(p.pack(p.CHECK, "tcp", "::", 80))
                        sock.recv(p.REPLY.size)
                os.setresuid(0, 0, 0)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    alice.open(d, "tcp", 80).refused(p.NO_RULE, 13)
    d.says("denied tcp [::]:80 for alice")
    written, suppressed, _ = add_up(d, 1800, "denied check of tcp [::]:80 for uid")
    assert 50 <= written < 600 and suppressed > 1000
    assert d.said("suppressed", f"records of uids {first} to {first + 65535}: ")


def test_099_records_that_the_disk_has_no_room_for_are_counted(daemon, alice):
    disk = world.HOME / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "log", disk], check=True)
    try:
        log = disk / "log"
        log.touch()
        log.chmod(0o666)
        d = daemon(f"allow user {alice} tcp 80", prefix=["sh", "-c", f'exec "$@" 2>>{log}', "-",
                                                         *world.capable()])
        with open(disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
            while filler.write(bytes(4096)):
                pass
        with alice.connect(d) as c:
            for _ in range(300):
                c.check("tcp", 80)
        world.eventually(lambda: log.stat().st_size % 4096 == 0, "its last page is full")
        (disk / "filler").unlink()

        def counts():
            text = log.read_text()
            lost = re.findall(r"^(\d+) records lost: No space left on device$", text, re.M)
            whole = re.findall(r"^granted check .*\]$", text, re.M)  # and no half line
            return len(whole), sum(map(int, lost))
        world.eventually(lambda: sum(counts()) >= 300, "all are accounted for")
        assert sum(counts()) == 300 and counts()[1] > 0, counts()
        d.process.terminate()
        assert d.ended() == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
