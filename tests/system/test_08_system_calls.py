# SPDX-License-Identifier: MIT
"""The system calls of a worker, as strace sees them, against docs/architecture.md."""

import os
import re
import signal

import pytest

import protocol as p
import world
from world import HOME, SOURCE


def documented():
    text = (SOURCE / "docs/architecture.md").read_text()
    section = re.search(r"^#+ System calls of a worker\s*$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert section, "docs/architecture.md has no heading 'System calls of a worker'"
    names = re.findall(r"^\|\s*(.+?)\s*\|", section[1], re.M)
    return {name for cell in names for name in re.findall(r"`(\w+)`", cell)}


def exercise(d, alice):
    """One of everything that a client can make a worker do."""
    with alice.connect(d) as c:
        for kind in ("tcp", "udp"):
            for address, flags in (("::", 0), ("::", p.V6ONLY), ("127.0.0.1", 0), ("192.0.2.1", 0),
                                   ("192.0.2.1", p.FREEBIND)):
                c.open(kind, 80, address, flags).close()
                c.check(kind, 80, address, flags)
        c.open("tcp", 80, flags=p.NO_LISTEN).close()
        c.open("tcp", 443).refused(p.NO_RULE, 13)
        with c.open("tcp", 80).granted():
            c.open("tcp", 80).close()
        c.status()
    for broken in (b"x", p.pack(9, port=80), p.pack(p.OPEN, port=80) * 2):
        with alice.connect(d) as c:
            try:
                c.ask(broken)
            except p.Closed:
                pass
    with alice.connect(d) as c:
        try:
            c.receive()  # until the deadline
        except p.Closed:
            pass


def worker_calls(log, workers):
    """The names of the calls that these processes made once they served."""
    names, serving = set(), set()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
        if not found or int(found[1]) not in workers:
            continue
        if found[2].startswith("accept"):
            serving.add(found[1])
        if found[1] in serving:
            names.add(found[2])
    return names


@pytest.mark.without_sanitizers
def test_400_a_worker_makes_the_documented_system_calls_and_no_other(daemon, alice, capsys):
    log = HOME / "strace.log"
    d = daemon(f"allow user {alice} tcp,udp 80",
               prefix=["strace", "-f", "-qq", "-o", log, *world.capable()],
               options=["--request-timeout", 1, "--idle-timeout", 1, "--workers", 4])
    workers = set(d.workers())
    exercise(d, alice)
    workers |= set(d.workers())
    os.kill(d.manager(), signal.SIGTERM)
    assert d.ended() == 0

    made, listed = worker_calls(log, workers), documented()
    with capsys.disabled():
        print(f"\nsystem calls of a worker that serves: {len(made)} seen, {len(listed)} documented")
    assert made <= listed, f"not documented: {sorted(made - listed)}"
    assert {"socket", "bind", "listen", "sendmsg"} <= made, made
    print("documented, not seen:", sorted(listed - made))
