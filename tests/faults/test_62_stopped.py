# SPDX-License-Identifier: MIT
"""One process is stopped, and never goes on by itself."""

import os
import signal

import pytest

import faults
import protocol as p
import world
from world import Exit, eventually


def stop(pid):
    os.kill(pid, signal.SIGSTOP)


def served(daemon, person):
    person.open(daemon, "tcp", 600, "127.0.0.1").granted().close()
    with person.make() as sock:
        assert person.own(daemon, sock, "tcp", 601, "127.0.0.1").reason == p.GRANTED


@pytest.fixture(name="d")
def one_daemon(daemon, alice):
    return daemon(f"allow user {alice} tcp 600-601")


def test_620_workers_that_are_stopped_are_replaced(d, alice):
    many = len(d.settled())
    for mode in ("open", "own"):
        old = faults.workers(d, mode)
        everyone = [Exit(pid) for pid in old]
        for pid in old:
            stop(pid)
        served(d, alice)
        for one in everyone:
            one.wait()
    eventually(lambda: len(d.workers()) >= many, f"{many} workers again")


def test_621_a_worker_that_is_stopped_while_it_has_a_client_cuts_it_off(d, alice):
    with alice.connect(d) as c:
        c.check("tcp", 600, "127.0.0.1")
        for pid in faults.workers(d, "open"):
            stop(pid)
        with pytest.raises(p.Closed):
            c.check("tcp", 600, "127.0.0.1")
    served(d, alice)


def test_622_a_binder_that_is_stopped_takes_lowportd_with_it(d):
    everyone = [Exit(pid) for pid in d.family()]
    stop(d.binder())
    assert d.ended() not in (0, None)
    for one in everyone:
        one.wait()
    d.says("was stopped, and is killed")


@pytest.mark.parametrize("who", ["auditor", "registrar"])
def test_623_auditor_and_registrar_that_are_stopped_are_replaced(d, alice, who):
    old = getattr(d, who)()
    gone = Exit(old)
    stop(old)
    gone.wait()
    eventually(lambda: getattr(d, who)() != old, f"another {who}")
    alice.open(d, "tcp", 600, "127.0.0.2").granted().close()
    d.says("granted tcp 127.0.0.2:600")


def test_624_control_z_stops_nobody_but_the_manager(d, alice):
    d.settled()
    everyone = [pid for pid in d.family() if pid != d.manager()] if d.auditor() and d.registrar() \
        else []
    for pid in everyone:
        os.kill(pid, signal.SIGTSTP)
    served(d, alice)
    assert everyone and all(not world.status(pid).get("State", "T").startswith(("T", "Z"))
                            for pid in everyone if pid in d.family())
    assert not d.said("was stopped"), d.story()
