# SPDX-License-Identifier: MIT
"""A million requests of every kind, and then everything is as it was after the first ten thousand."""

import os
import pathlib
import re
import resource
import socket
import subprocess

import pytest

import protocol as p
import world
from fort import fort, loud  # noqa: F401  pylint: disable=unused-import
from world import eventually

pytestmark = [pytest.mark.users, pytest.mark.seconds(280)]

FIRST, ALL, PROCESSES = 10_000, 1_000_000, 4
# KiB of a part. A worker has touched more or less of its stack and data, by the requests it happened to
# get, some pages each; the auditor remembers users and reads names. A part that lives on and leaked one
# byte a request would have a thousand KiB more. Workers come and go with the load, and a leak with them.
TOLERANCE = 200


def memory(pids):
    """What is these processes' own, in KiB. Of program files the kernel counts a share, by how many
    programs of the machine use them at the moment."""
    texts = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in pids]
    return sum(int(size) for text in texts
               for size in re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", text, re.M))


def parts(d):
    return {"manager": [d.manager()], "binder": [d.binder()], "auditor": [d.auditor()],
            "registrar": [d.registrar()], "workers": d.workers()}


def sockets_of(d):
    """Unix sockets with a path of the daemon's: of a connection it is the daemon's end."""
    lines = subprocess.run(["ss", "-Hxa"], capture_output=True, text=True, check=True).stdout
    return sorted(" ".join(line.split()[1:5]) for line in lines.splitlines()
                  if f"{d.state}/" in line)


def zombies():
    states = [world.status(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return [facts["Name"] for facts in states if facts.get("State", "").startswith("Z")]


def state(fort):  # noqa: F811
    """What there is of everything when nobody is served."""
    d = fort.daemon
    return {
        "descriptors": fort.settled_descriptors(),
        "processes": sorted(world.name_of(pid) for pid in set(d.family()) - set(d.workers())),
        "stuck": fort.stuck(),
        "sockets": sockets_of(d),
        "zombies": zombies(),
    }


def million(fort, times):  # noqa: F811
    d = fort.daemon
    result = fort.alice.run(world.BIN / "million", d.socket, d.own_socket, PROCESSES, times,
                            timeout=240)
    assert result.returncode == 0, result
    lines = [line.split(" ", 2) for line in result.stdout.splitlines()]
    return {kind: (int(many), int(limited)) for many, limited, kind in lines}


def nothing_is_on_its_way(fort):  # noqa: F811
    """A socket that was sent and is not received stays charged to the daemon's user, also when the
    daemon has closed everything; past RLIMIT_NOFILE of them no more can be sent."""
    d = fort.daemon
    limits = {pid: world.set_limit(pid, resource.RLIMIT_NOFILE, fort.before[-1] + 4)
              for pid in d.workers()}
    fort.alice.open(d, "tcp", 200).granted().close()
    for pid, limit in limits.items():
        world.set_limit(pid, resource.RLIMIT_NOFILE, limit)


def test_610_after_a_million_requests_everything_is_as_it_was(loud, capsys):  # noqa: F811
    d = loud.start("allow user alice tcp,udp 99-200")
    with socket.create_server(("127.0.0.1", 99)):
        million(loud, FIRST)
        before = state(loud)
        weighed = {name: memory(pids) for name, pids in parts(d).items()}
        kinds = million(loud, ALL)
        after = state(loud)
        now = {name: memory(pids) for name, pids in parts(d).items()}
    with capsys.disabled():
        print("\n| requests | number | over limit |\n|---|---|---|")
        for kind, (many, limited) in kinds.items():
            print(f"| {kind} | {many:,} | {limited:,} |")
        print("\n| memory of its own, KiB | after 10,000 | after 1,000,000 more |\n|---|---|---|")
        for name in now:
            print(f"| {name} | {weighed[name]} | {now[name]} |")
        print(f"\ndescriptors of {', '.join(now)}: {after['descriptors']}")
    assert sum(many for many, _ in kinds.values()) >= ALL and all(kinds.values())
    assert sum(limited for _, limited in kinds.values()) < ALL // 100
    assert after == before
    for name, size in now.items():
        assert size < weighed[name] + TOLERANCE, name
    nothing_is_on_its_way(loud)
