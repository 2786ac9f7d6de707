# SPDX-License-Identifier: MIT
"""Files and sockets that hold a worker up in the kernel, for as long as their sender likes.

The worker is lost then; nothing else is.
"""

import errno
import os
import signal
import socket
import time

import pytest

import protocol as p
import world
from fort import fort  # noqa: F401  pylint: disable=unused-import
from world import Exit, eventually

pytestmark = pytest.mark.users

KINDS = ["flush", "dirty", "discard", "unread", "extra", "nested", "sending", "option"]


@pytest.mark.seconds(60)
def test_520_each_way_to_hold_a_worker_up_costs_its_user_one_worker(fort):
    """A file that is closed for ever; one that nobody can drop, sent as the socket, with a request
    that takes none, unread, as one too many, within another socket; two sockets whose lock is held."""
    many = len(KINDS)
    d = fort.start(own_per_user=many, own_workers=2 * many)
    attackers = fort.attack(KINDS)
    for _ in range(3):
        fort.others_are_served()
    begin = time.monotonic()
    with fort.alice.connect(d.own_socket) as c:
        c.check("tcp", 200, "0.0.0.0").refused(p.OVER_LIMIT, errno.EAGAIN)
        c.check("tcp", 600, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    fort.alice.open(d, "tcp", 200).granted().close()  # her share of the other mode is not touched
    assert time.monotonic() - begin < 2 * world.SLOW

    fort.is_stuck(many)
    status = fort.status()
    assert (status["stuck_uid"], status["stuck_of_uid"]) == (fort.alice.uid, many)
    assert status["own_workers"] + many <= status["own_workers_max"]
    assert status["evicted"] == 0
    d.says("is stuck in the kernel", f"{many} such in all")
    assert len(d.said("worker ", "is stuck in the kernel")) == many
    fort.others_are_served()
    with fort.alice.connect(d.own_socket) as c:
        c.check("tcp", 200, "0.0.0.0").refused(p.OVER_LIMIT, errno.EAGAIN)

    # When the file system ends, so does the worker; and there is room for another attack.
    for left, one in reversed(list(enumerate(attackers))):
        one.end()
        fort.is_stuck(left)
        assert fort.own(fort.alice, 200).reason == p.GRANTED
        fort.others_are_served()
    assert fort.status()["stuck_of_uid"] == 0


@pytest.mark.seconds(60)
def test_521_while_a_port_is_held_up_who_wants_it_is_told_and_who_wants_another_is_served(fort):
    d = fort.start("allow user alice tcp,udp 53-54", "allow user bob tcp,udp 53")
    fort.attack(["sending"], 53, person=fort.bob)
    eventually(lambda: fort.own(fort.alice, 53, "udp").reason == p.ADDRESS_IN_USE,
               "the worker has its turn")
    begin = time.monotonic()
    assert fort.own(fort.alice, 53, "udp").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
    assert time.monotonic() - begin < 1 + 1 * world.SLOW
    begin = time.monotonic()
    assert fort.own(fort.alice, 54, "udp").reason == p.GRANTED
    assert fort.own(fort.alice, 53).reason == p.GRANTED  # TCP
    fort.alice.open(d, "udp", 53, "0.0.0.0").granted().close()  # nobody has it, after all
    assert time.monotonic() - begin < 0.7 * world.SLOW


@pytest.mark.seconds(60)
def test_522_a_socket_that_is_let_go_late_takes_nobodys_port(fort):
    """The worker has found the port free, and its bind ends when others hold it: bob, who lets
    sockets share as many servers do."""
    d = fort.start("allow user alice udp 53", "allow user bob udp 53")
    attacker, = fort.attack(["late"], 53)
    fort.is_stuck(1)

    with fort.bob.make(kind=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        begin = time.monotonic()
        reply = fort.bob.own(d, sock, "udp", 53)
        assert time.monotonic() - begin < 1 + world.SLOW
        attacker.end_of_file_system().says("closed").says("bound", 53)
        if reply.reason == p.GRANTED:
            assert p.serves(sock, "127.0.0.1", 53), "alice has what was bob's"
        reply.refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
    fort.is_stuck(0)
    attacker.end()
    assert fort.own(fort.bob, 53, "udp").reason == p.GRANTED


@pytest.mark.seconds(60)
def test_523_one_that_may_have_ipv6_alone_does_not_come_to_ipv4_by_waiting(fort):
    """The guard on IPv4 stands for as long as the bind is to come; then the port is free again."""
    d = fort.start("allow user alice tcp6 53", "allow user bob tcp 53-54")
    attacker, = fort.attack(["guarded"], 53)
    fort.is_stuck(1)
    fort.bob.open(d, "tcp", 53, "0.0.0.0").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
    fort.own(fort.bob, 53).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
    assert fort.own(fort.bob, 54).reason == p.GRANTED
    attacker.end()
    fort.is_stuck(0)
    fort.bob.open(d, "tcp", 53, "0.0.0.0").granted().close()
    assert fort.own(fort.bob, 53).reason == p.GRANTED


@pytest.mark.seconds(60)
@pytest.mark.parametrize("how", ["it is asked to", "its binder is killed"])
def test_524_the_daemon_ends_though_a_worker_is_stuck_and_another_takes_over(fort, how):
    d = fort.start()
    attacker, = fort.attack(["flush"])
    fort.is_stuck(1)
    line = d.says("is stuck in the kernel")
    ends = Exit(next(pid for pid in d.workers() if f" {pid} " in line))
    begin = time.monotonic()
    if how == "it is asked to":
        d.process.terminate()
        assert d.process.wait(world.DEADLINE) == 0, d.story()
    else:
        os.kill(d.binder(), signal.SIGKILL)
        assert d.process.wait(world.DEADLINE) != 0
    assert time.monotonic() - begin < 2 + 2 * world.SLOW
    again = fort.start_daemon("allow user bob tcp 53", home=d.home)
    with fort.bob.make() as sock:
        assert fort.bob.own(again, sock, "tcp", 53).reason == p.GRANTED
    attacker.end()
    ends.wait()
