# SPDX-License-Identifier: MIT
"""What an intruder in a worker can do: a test build tries it, in the real daemon (gone-bad.c)."""

import re

import pytest

import protocol as p
import world
from world import BIN

pytestmark = pytest.mark.without_sanitizers

# What the kernel lets it do all the same; SECURITY.md says so.
REMAINS = {"bind another UDP port"}
# By which version of Landlock something is refused; seccomp or a limit sees to all else.
LANDLOCK = {"bind another TCP port": 4, "signal the parent": 6}


def landlock():
    """The version of the kernel's Landlock; 0: there is none."""
    libc = world.ctypes.CDLL(None, use_errno=True)
    return max(libc.syscall(444, None, world.ctypes.c_size_t(0), 1), 0)


@pytest.fixture
def gone_bad(daemon, alice):
    """Starts a daemon with such a binder, and asks for the port that lets it loose."""
    def start(how):
        d = daemon(f"allow user {alice} tcp 80", binder=BIN / f"gone-bad-{how}")
        with alice.connect(d) as c:
            try:
                assert c.open("tcp", 666).reason == p.NO_RULE
            except p.Closed:
                pass
        return d
    return start


def came_of(d, last):
    """What came of each attempt, by its name."""
    d.says(f"attempt: {last}: ")
    return dict(re.findall(r"^attempt: (.*): (\w+)$", d.story(), re.M))


def test_530_each_of_its_attempts_is_refused_by_the_kernel(gone_bad, capsys):
    free, bad = came_of(gone_bad("unconfined"), "mount"), came_of(gone_bad("errno"), "mount")
    with capsys.disabled():
        print("\na worker gone bad                unconfined   confined")
        for name in bad:
            print(f"{name:32} {free.get(name, '-'):12} {bad[name]}")
    assert set(bad) == set(free)
    assert bad.pop("bind a granted TCP port") == "done"
    wanted = {name for name in bad
              if name not in REMAINS and landlock() >= LANDLOCK.get(name, 0)}
    assert [name for name in wanted if bad[name] == "done"] == []
    # The attempts are good ones: a worker that nothing confines succeeds with most of them.
    assert sum(result == "done" for result in free.values()) >= 20, free


def test_531_where_the_filter_kills_its_client_is_all_it_takes_along(gone_bad, alice):
    d = gone_bad("kill")
    assert "connect" not in came_of(d, "bind another TCP port")
    d.says("died of signal 31", f"while it served uid {alice.uid}")
    with alice.connect(d) as c:
        c.open("tcp", 80).close()
