# SPDX-License-Identifier: MIT
"""What each process has given up, seen from outside; tests/hostile tries to get past it."""

import ctypes
import json
import os
import pathlib
import re
import signal

import pytest

import protocol as p
import world
from world import BIN, HOME, eventually, status

pytestmark = pytest.mark.without_sanitizers  # a sanitizer traces, reads files and reserves memory

ALL = {"no-new-privileges", "limits", "one-capability", "no-root", "system-calls", "no-files",
       "tcp-ports", "no-signals", "no-descriptors"}


def landlock():
    """The version of this kernel's Landlock; 0: there is none."""
    return max(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1), 0)


def kernel():
    return tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups()))


def expected():
    """What this kernel has, for a daemon that setpriv started: without locked securebits."""
    lacking = {"no-root"}
    if landlock() < 1:
        lacking.add("no-files")
    if landlock() < 4:
        lacking.add("tcp-ports")
    if landlock() < 6:
        lacking.add("no-signals")
    if kernel() < (6, 16):
        lacking.add("no-descriptors")
    return ALL - lacking


def protections(d, person):
    told = person.run("lowport", "status", "--json", "--socket", d.socket)
    assert told.returncode == 0, told.stderr
    return set(json.loads(told.stdout)["protections"])


def end(d):
    """Ends a daemon that strace stands in front of."""
    os.kill(d.manager(), signal.SIGTERM)
    assert d.ended() == 0


def test_2800_status_and_the_log_say_what_confines_the_binder(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    assert protections(d, alice) == expected()
    text = alice.run("lowport", "status", "--socket", d.socket).stdout
    assert set(re.search(r"^ *confined: (.*)$", text, re.M)[1].split()) == expected()
    assert set(re.findall(r"^not confined: ([\w-]+), which needs \w", text, re.M)) == ALL - expected()
    d.reload()
    there, lacking = d.said("the binder is confined: "), d.said("not confined by: ")
    assert len(there) == len(lacking) == 1
    assert set(there[0].split(": ")[-1].split(", ")) == expected()
    assert "no-root (a start by root or by its unit)" in lacking[0]


@pytest.mark.skipif(not world.MANY_USERS, reason="without root a daemon cannot be started by root")
def test_2801_a_start_by_root_lacks_nothing(daemon, root):
    d = daemon("allow anyone tcp 80", prefix=[])
    assert protections(d, root) == expected() | {"no-root"}


def test_2802_every_process_has_given_up_what_it_does_not_need(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    parts = {"manager": d.manager(), "auditor": d.auditor(), "registrar": d.registrar(),
             "binder": d.binder(), **{f"worker {n}": pid for n, pid in enumerate(d.workers())}}
    assert len(parts) >= 5
    for name, pid in parts.items():
        facts = status(pid)
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert facts["NoNewPrivs"].strip() == "1", name
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M), name
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0, f"others of its user can trace {name}"
        trusted = name.startswith(("binder", "worker"))
        assert facts["Seccomp"].strip() == ("2" if trusted else "0"), name
        if trusted:
            assert re.search(r"^Max data size +67108864 ", limits, re.M), name
        if name.startswith("worker"):
            assert re.search(r"^Max processes +0 +0 ", limits, re.M), name


def test_2803_each_confines_itself_before_it_works(daemon, alice):
    """Landlock cannot be seen in /proc, so strace tells who has called for it."""
    log = HOME / "confined.log"
    d = daemon(f"allow user {alice} tcp 80",
               prefix=["strace", "-f", "-Y", "-qq", "-o", log, "-e",
                       "trace=landlock_restrict_self,accept4,openat", *world.capable()])
    alice.open(d, "tcp", 80).close()
    wanted = {"lowportd", "lowportd-audit", "lowportd-units", "lowportd-load", "lowport-binder"}

    def calls():
        return re.findall(r"^\d+<([\w-]+)> .*landlock_restrict_self(?:\(| resumed).*\) += 0$",
                          log.read_text(), re.M)
    eventually(lambda: set(calls()) == wanted, f"{wanted} have confined themselves")
    # The parent once, and every worker once more.
    eventually(lambda: calls().count("lowport-binder") >= 1 + len(d.workers()), "every worker has")
    # The loader opened its policy after that.
    text = log.read_text()
    assert text.index("<lowportd-load> landlock_restrict_self") < text.index(str(d.policy))
    end(d)


def test_2804_more_ports_than_a_worker_should_carry_are_not_limited(daemon, alice):
    start = pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    usual = start.read_text()
    start.write_text("3000")
    try:
        d = daemon(f"allow user {alice} tcp 100-1123")
        assert protections(d, alice) == expected()
        d.reload(f"allow user {alice} tcp 100-1124", f"allow user {alice} udp 1-2999")
        assert protections(d, alice) == expected() - {"tcp-ports"}
        alice.open(d, "tcp", 1124).close()
        d.reload(f"allow user {alice} tcp 2999")
        assert protections(d, alice) == expected()
        alice.open(d, "tcp", 2999).close()
        alice.open(d, "tcp", 1124).refused(p.NO_RULE, 13)
    finally:
        start.write_text(usual)


@pytest.mark.parametrize("inject, lacking", [
    ("landlock_create_ruleset:error=ENOSYS", {"no-files", "tcp-ports", "no-signals"}),
    ("landlock_create_ruleset:error=EOPNOTSUPP", {"no-files", "tcp-ports", "no-signals"}),
    ("seccomp:error=EINVAL", {"system-calls"})])
def test_2805_a_kernel_that_lacks_one_leaves_the_others(daemon, alice, inject, lacking):
    # To a filter that kills, a call that strace lets fail is one that is not on its list.
    d = daemon(f"allow user {alice} tcp 80", binder=BIN / "gone-bad-errno", prefix=[
        "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject.split(':')[0]}", "-e",
        f"inject={inject}", *world.capable()])
    assert protections(d, alice) == expected() - lacking
    for one in lacking:
        d.says("not confined by: ", one)
    alice.open(d, "tcp", 80).close()
    end(d)
