# SPDX-License-Identifier: MIT
"""The system calls of a worker, as strace sees them, against docs/architecture.md."""

import os
import re
import signal
import socket

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


def of_the_parent():
    section = (SOURCE / "docs/architecture.md").read_text().split("| call of the parent |")[1]
    return {name for cell in re.findall(r"^\|\s*(.+?)\s*\|", section.split("\n\n")[0], re.M)
            for name in re.findall(r"`(\w+)`", cell)}


def filtered():
    """The names on the filter's list: all, and those that the parent alone needs."""
    text = (SOURCE / "src/binder/filter.c").read_text()
    text = text[text.index("struct line lines[]"):text.index("count_conditions")]
    others = {"INTERNET": {"socket"}, "OPTION": {"setsockopt"}, "COMMAND": {"fcntl", "fcntl64"}}

    def names(part):
        found = set(re.findall(r'\b(?:ALWAYS|WHEN)\("(\w+)"', part))
        return found.union(*(others[macro] for macro in re.findall(r"^\s*([A-Z]+)\(", part, re.M)
                             if macro in others))
    shared, parent = text.split("/* The parent. */")
    return names(text), names(parent) - names(shared)


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
        c.open("tcp", 685).refused(p.NO_RULE, 13)  # its unit is asked for
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


def exercise_own(d, alice):
    """The same in own mode, and what it asks of the kernel when a port is taken."""
    V4, V6 = socket.AF_INET, socket.AF_INET6
    held = alice.make(V4, socket.SOCK_DGRAM)
    assert alice.own(d, held, "udp", 681).reason == p.GRANTED
    for family, kind, name, port, address, flags, reason in (
            (V4, socket.SOCK_STREAM, "tcp", 680, "0.0.0.0", 0, p.GRANTED),
            (V6, socket.SOCK_STREAM, "tcp", 680, "::", 0, p.NO_RULE),
            (V6, socket.SOCK_STREAM, "tcp", 682, "::", p.V6ONLY, p.GRANTED),
            (V6, socket.SOCK_DGRAM, "udp", 682, "::", p.V6ONLY, p.GRANTED),
            (V4, socket.SOCK_DGRAM, "udp", 681, "0.0.0.0", 0, p.ADDRESS_IN_USE)):
        with alice.make(family, kind) as s:
            if family == V6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if flags else 0)
            assert alice.own(d, s, name, port, address, flags).reason == reason, (name, port, address)
            if reason == p.GRANTED:
                alice.own(d, s, name, port, address, flags).refused(p.UNSUITABLE_SOCKET, 22)
    held.close()
    with alice.connect(d.own_socket) as c:
        c.check("tcp", 680, "0.0.0.0")
        c.send_own([0, 1], "tcp", 680, "0.0.0.0").refused(p.UNSUITABLE_SOCKET, 22)


def worker_calls(log):
    """The names of the calls that the workers made once they served: only they accept."""
    names, serving = set(), set()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed)", line)
        if not found:
            continue
        if found[2].startswith("accept"):
            serving.add(found[1])
        if found[1] in serving:
            names.add(found[2])
    return names


def test_401_the_filter_allows_what_is_documented_and_nothing_else(capsys):
    allowed, parent = filtered()
    with capsys.disabled():
        print(f"\nsystem calls that the filter allows: {' '.join(sorted(allowed - parent))}; "
              f"for the parent alone: {' '.join(sorted(parent))}")
    assert allowed == documented(), allowed ^ documented()
    assert parent == of_the_parent(), parent ^ of_the_parent()


@pytest.mark.without_sanitizers
def test_400_a_worker_makes_the_documented_system_calls_and_no_other(daemon, alice, capsys):
    log = HOME / "strace.log"
    d = daemon(f"allow user {alice} tcp,udp 80", f"allow user {alice} tcp4,udp4 680-681",
               f"allow user {alice} tcp6,udp6 682", f"allow user {alice} unit no.service tcp 685",
               prefix=["strace", "-f", "-qq", "-o", log, *world.capable()],
               options=["--request-timeout", 1, "--idle-timeout", 1, "--workers", 4])
    exercise(d, alice)
    exercise_own(d, alice)
    os.kill(d.manager(), signal.SIGTERM)
    assert d.ended() == 0

    made, listed = worker_calls(log), documented()
    with capsys.disabled():
        print(f"\nsystem calls of a worker that serves: {len(made)} seen, {len(listed)} documented")
    assert made <= listed, f"not documented: {sorted(made - listed)}"
    assert {"socket", "bind", "listen", "sendmsg", "sendto", "getsockname", "socketpair"} <= made, made
    print("documented, not seen:", sorted(listed - made))
