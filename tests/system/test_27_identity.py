# SPDX-License-Identifier: MIT
"""Who is calling, where somebody would like it to be somebody else.

More of it: test_243 (a user's own unit with a system unit's name), test_073 and test_025 (uids that
the daemon cannot tell apart).
"""

import errno
import os
import shutil
import signal
import socket
import subprocess

import pytest

import protocol as p
import world
from test_24_units import CGROUPS, RULE, TEST, people  # noqa: F401  # pylint: disable=unused-import
from world import Exit, Person, eventually

pytestmark = pytest.mark.users

LAST_PID = "/proc/sys/kernel/ns_last_pid"
RULES = ("allow user alice tcp 80", "allow user bob tcp 443")

# Asks on a connection that it has: its descriptor, and requests. Prints each reply's reason.
ASK = """
import socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
sock.settimeout(20)
for request in sys.argv[2:]:
    sock.send(bytes.fromhex(request))
    print(int.from_bytes(sock.recv(256)[4:6], sys.byteorder))
"""
# Connects, and then becomes another program, which has the connection as descriptor 9.
CONNECT_AND_BECOME = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect(sys.argv[1])
os.dup2(sock.fileno(), 9)
os.execv(sys.argv[2], sys.argv[2:])
"""
# Says who it is, connects, and asks.
CONNECT = """
import os, socket, sys
print(*os.getresuid()[:2])
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect(sys.argv[1])
os.dup2(sock.fileno(), 9)
"""


def check(port):
    return p.pack(p.CHECK, "tcp", "::", port).hex()


def reasons(output):
    return [int(word) for word in output.split()]


def take_pid(pid, name):
    """A process of that user with that pid, which is free; None where others were quicker."""
    for _ in range(200):
        with open(LAST_PID, "w", encoding="ascii") as file:
            file.write(str(pid - 1))
        person = Person(name)
        if person.pid == pid:
            return person
        person.leave()
    return None


@pytest.mark.parametrize("heir", ["alice", "bob"])
def test_2700_who_gets_the_pid_of_a_dead_peer_lends_it_no_unit(daemon, people, heir):  # noqa: F811
    """alice may have the port in nginx.service. She connects outside of it and dies; her pid is
    taken by a process of nginx.service."""
    if not os.access(LAST_PID, os.W_OK):
        pytest.skip(f"{LAST_PID} cannot be written here, so no pid can be chosen")
    d = daemon(RULE)
    people("alice", "nginx.service")  # the unit is there
    outside = people("alice", "other.service")
    with outside.connect(d) as c:
        c.check("tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
        d.says("denied", "alice", "other.service")
        end = Exit(outside.pid)
        os.kill(outside.pid, signal.SIGKILL)
        end.wait()
        os.waitpid(outside.pid, 0)
        taker = take_pid(outside.pid, heir)
        assert taker is not None, "the pid was not to be had"
        try:
            (CGROUPS / TEST / "nginx.service" / "cgroup.procs").write_text(str(taker.pid))
            c.open("tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
            d.says("denied tcp 0.0.0.0:80 for alice", "the process has ended")
            # The heir itself is who it is.
            reply = taker.open(d, "tcp", 80, "0.0.0.0")
            if heir == "alice":
                reply.granted().close()
                d.says("granted", f"pid {outside.pid}, nginx.service")
            else:
                reply.refused(p.NO_RULE, errno.EACCES)
        finally:
            end = Exit(taker.pid)
            taker.leave()
            end.wait()


def test_2701_a_connection_that_is_handed_on_stays_its_makers(daemon, alice, bob):
    d = daemon(*RULES)
    with alice.connect(d) as c:
        process = bob.popen("/usr/bin/python3", "-c", ASK, 0, check(443), check(80),
                            stdin=c.sock.fileno(), stdout=subprocess.PIPE)
        output, _ = process.communicate(timeout=world.DEADLINE)
    assert reasons(output) == [p.NO_RULE, p.GRANTED]
    d.says("denied check of tcp [::]:443 for alice", f"pid {alice.pid}")
    d.says("granted check of tcp [::]:80 to alice", f"pid {alice.pid}")
    assert not d.said("bob")


@pytest.fixture(name="python_of_bob")
def setuid_program():
    """A program that makes whoever runs it bob."""
    path = world.HOME / "python-of-bob"
    shutil.copy(os.path.realpath("/usr/bin/python3"), path)
    os.chown(path, world.USERS["bob"], world.USERS["bob"])
    path.chmod(0o4755)
    yield path
    path.unlink()


def test_2702_a_setuid_program_does_not_change_whose_the_connection_is(daemon, alice, python_of_bob):
    d = daemon(*RULES)
    result = alice.run("/usr/bin/python3", "-c", CONNECT_AND_BECOME, d.socket, python_of_bob, "-c",
                       ASK, 9, check(443), check(80))
    assert reasons(result.stdout) == [p.NO_RULE, p.GRANTED], result
    d.says("denied check of tcp [::]:443 for alice")
    assert not d.said("bob")


def test_2703_what_it_connects_by_itself_is_its_own(daemon, alice, python_of_bob):
    """As with any file: the effective uid counts."""
    d = daemon(*RULES)
    result = alice.run(python_of_bob, "-c", CONNECT + ASK.replace("sys.argv[1]", "9"), d.socket,
                       check(443), check(80))
    first, *others = result.stdout.splitlines()
    assert first.split() == [str(alice.uid), str(world.USERS["bob"])], result
    assert reasons(" ".join(others)) == [p.GRANTED, p.NO_RULE], result
    d.says("granted check of tcp [::]:443 to bob")


@pytest.mark.parametrize("inside", [0, 1002])
def test_2704_in_a_user_namespace_everybody_is_who_made_it(daemon, alice, inside):
    d = daemon(*RULES, "allow user root tcp 81")
    result = alice.run("unshare", "--user", f"--map-user={inside}", "/usr/bin/python3", "-c",
                       CONNECT + ASK.replace("sys.argv[1]", "9"), d.socket, check(443), check(81),
                       check(80))
    first, *others = result.stdout.splitlines()
    assert first.split() == [str(inside)] * 2, result
    assert reasons(" ".join(others)) == [p.NO_RULE, p.NO_RULE, p.GRANTED], result
    d.says("denied check of tcp [::]:443 for alice")
    assert not d.said("bob") and not d.said("for root") and not d.said("to root")


def test_2705_the_groups_are_those_of_the_connect(daemon):
    """Of a process that has since left a group, and of one that has since come into it."""
    d = daemon("allow group web tcp 80")
    ours, theirs = socket.socketpair()

    def ask_after(before, after):
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups(before)
                os.setegid(world.USERS["bob"])
                os.seteuid(world.USERS["bob"])
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
                    sock.settimeout(world.DEADLINE)
                    sock.connect(str(d.socket))
                    os.seteuid(0)
                    os.setgroups(after)
                    sock.send(bytes.fromhex(check(80)))
                    theirs.send(bytes([p.Reply(*p.REPLY.unpack(sock.recv(p.REPLY.size))).reason]))
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        ours.settimeout(1)
        return ours.recv(1)[0]
    with ours, theirs:
        assert ask_after([2001], []) == p.GRANTED
        assert ask_after([], [2001]) == p.NO_RULE
        assert ask_after([], []) == p.NO_RULE


def test_2706_a_peer_that_is_gone_is_answered_by_its_uid_alone(daemon, alice):
    """Where no rule hangs on a unit, nothing that the process does afterwards counts."""
    d = daemon(*RULES)
    passing = Person("alice")
    with passing.connect(d) as c:
        end = Exit(passing.pid)
        passing.leave()
        end.wait()
        c.open("tcp", 80).granted().close()
        c.open("tcp", 443).refused(p.NO_RULE, errno.EACCES)
    eventually(lambda: d.said("granted tcp [::]:80 to alice", f"pid {passing.pid}"), "it is written")
    assert passing.pid != alice.pid
