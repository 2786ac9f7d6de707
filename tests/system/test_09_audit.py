# SPDX-License-Identifier: MIT
"""What becomes of the records, and what the service manager hears."""

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
    d = daemon(f"allow user {alice} tcp 80", prefix=into(path), options=["--record-queue", 16])
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


def test_091_the_journal_gets_fields(daemon, alice, bob, stderr):
    path, _ = stderr
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
            bob.open(d, "tcp", 443).refused(p.NO_RULE, 13)
            if "libsystemd" not in linked:
                # Without the library there is no journal; the lines go where they always go.
                assert "denied tcp [::]:443 for bob" in read_until(stderr[1], "denied")
                return
            journal.settimeout(world.DEADLINE)
            entries = []
            while len(entries) < 2:
                fields = dict(line.split("=", 1) for line in
                              journal.recv(65536).decode().splitlines() if "=" in line)
                if "LOWPORT_VERDICT" in fields:
                    entries.append(fields)
        finally:
            JOURNAL.unlink()
    first, second = entries
    assert first["MESSAGE"].startswith(f"granted tcp [::]:80 to {alice}")
    assert first["LOWPORT_VERDICT"] == "granted" and first["LOWPORT_INODE"] == str(inode)
    assert first["LOWPORT_RULE_FILE"] == str(d.policy) and first["LOWPORT_RULE_LINE"] == "1"
    assert first["LOWPORT_UID"] == str(alice.uid) and first["LOWPORT_NETNS"] == "same"
    assert second["LOWPORT_VERDICT"] == "denied" and second["LOWPORT_PORT"] == "443"
    assert second["LOWPORT_ERRNO"] == "13" and second["PRIORITY"] == "5"
    assert len(first["MESSAGE_ID"]) == 32 and first["MESSAGE_ID"] != second["MESSAGE_ID"]
    assert first["SYSLOG_IDENTIFIER"] == "lowportd"


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
