# SPDX-License-Identifier: MIT
"""What a client gets for nonsense, for silence, and for what cannot be had."""

import errno
import os
import resource
import socket
import subprocess
import time

import pytest

import protocol as p
import world
from world import Person, children, eventually, set_limit

REQUEST = p.pack(p.OPEN, "tcp", "::", 80)


def patched(offset, *values):
    data = bytearray(REQUEST)
    data[offset:offset + len(values)] = bytes(values)
    return bytes(data)


@pytest.mark.parametrize("what, data, reason, error, detail", [
    ("one byte", b"x", p.TOO_SHORT, errno.EBADMSG, 1),
    ("one byte less", REQUEST[:-1], p.TOO_SHORT, errno.EBADMSG, 47),
    ("one byte more", REQUEST + b"\0", p.TOO_LONG, errno.EBADMSG, 49),
    ("far too long", REQUEST * 100, p.TOO_LONG, errno.EBADMSG, None),
    ("version 0", patched(0, 0, 0), p.UNSUPPORTED_VERSION, errno.EPROTONOSUPPORT, 0x10001),
    ("version 2", patched(0, 2, 0), p.UNSUPPORTED_VERSION, errno.EPROTONOSUPPORT, 0x10001),
    ("version 2, short", b"\2\0\1\0", p.UNSUPPORTED_VERSION, errno.EPROTONOSUPPORT, 0x10001),
    ("operation 0", patched(2, 0, 0), p.UNKNOWN_OPERATION, errno.EOPNOTSUPP, 0),
    ("operation 5", patched(2, 5, 0), p.UNKNOWN_OPERATION, errno.EOPNOTSUPP, 5),
    ("own, on this socket", patched(2, 2, 0), p.UNKNOWN_OPERATION, errno.EOPNOTSUPP, 2),
    ("protocol 0", patched(4, 0), p.MALFORMED, errno.EBADMSG, 4),
    ("family 0", patched(5, 0), p.MALFORMED, errno.EBADMSG, 5),
    ("port 0", patched(6, 0, 0), p.NOT_LOW_PORT, errno.EINVAL, None),
    ("an unknown flag", patched(8, 0x80), p.MALFORMED, errno.EBADMSG, 8),
    ("a negative backlog", patched(12, 0xff, 0xff, 0xff, 0xff), p.MALFORMED, errno.EBADMSG, 12),
    ("a reserved byte", patched(47, 1), p.MALFORMED, errno.EBADMSG, 36),
])
def test_060_nonsense_is_answered_with_what_is_wrong(daemon, alice, what, data, reason, error, detail):
    d = daemon(f"allow user {alice} tcp,udp 80")
    with alice.connect(d) as c:
        reply = c.ask(data).refused(reason, error)
        assert detail is None or reply.detail == detail, (what, reply)
    with socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True):
        pass  # nothing holds the port
    alice.open(d, "tcp", 80).granted().close()


def test_061_an_empty_message_harms_nobody(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.connect(d) as c:
        c.send(b"")
        with pytest.raises(p.Closed):
            c.receive().refused(p.TOO_SHORT, errno.EBADMSG)
            raise p.Closed
    alice.open(d, "tcp", 80).granted().close()


def test_062_a_descriptor_nobody_asked_for_does_not_arrive(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.connect(d) as c, open("/dev/null", "rb") as null:
        try:
            c.sock.sendmsg([REQUEST], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                        null.fileno().to_bytes(4, "little"))])
            c.receive().close()  # a kernel before 6.16 lets it through
        except (PermissionError, p.Closed):
            pass
    alice.open(d, "tcp", 80).granted().close()


def test_063_a_port_in_use_is_reported_as_such(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 80")
    with alice.connect(d) as c:
        for kind, sort in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            with socket.socket(socket.AF_INET, sort) as other:
                if kind == "tcp":
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", 80))
                if kind == "tcp":
                    other.listen()
                c.open(kind, 80, "::").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
                c.open(kind, 80, "127.0.0.1").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
                c.open(kind, 80, "::1").granted().close()
            c.open(kind, 80, "::").granted().close()
    d.says("tcp [::]:80", "in use")


@pytest.mark.users
def test_064_two_users_cannot_share_a_port(daemon, alice, bob):
    d = daemon("allow anyone tcp,udp 80")
    for kind in ("tcp", "udp"):
        with alice.open(d, kind, 80).granted():
            bob.open(d, kind, 80).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
    # A bound socket that does not listen yet could be stolen by one that does, were both reusable.
    with alice.open(d, "tcp", 80, flags=p.NO_LISTEN).granted() as first:
        bob.open(d, "tcp", 80).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        first.listen()


def test_065_an_address_of_another_host_is_not_available(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 80")
    with alice.connect(d) as c:
        for kind in ("tcp", "udp"):
            for address in ("192.0.2.1", "2001:db8::1"):
                c.open(kind, 80, address).refused(p.ADDRESS_NOT_AVAILABLE, errno.EADDRNOTAVAIL)


def test_066_a_port_that_needs_no_privilege_is_not_the_daemons_business(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.connect(d) as c:
        for port in (1024, 8080, 65535):
            c.open("tcp", port).refused(p.NOT_LOW_PORT, errno.EINVAL)


def test_067_a_silent_client_meets_its_deadline_and_nobody_waits_for_it(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80",
               options=["--request-timeout", 1, "--idle-timeout", 1, "--workers", 3, "--spare", 1])
    silent, idle = alice.connect(d), alice.connect(d)
    idle.check("tcp", 80)
    begin = time.monotonic()
    for _ in range(20):
        alice.open(d, "tcp", 80).granted().close()
    assert time.monotonic() - begin < 0.9 * world.SLOW, "others had to wait"
    for c in (silent, idle):
        with pytest.raises(p.Closed):
            c.receive()
        c.close()
    assert 0.5 < time.monotonic() - begin < 5 * world.SLOW
    with alice.connect(d) as c:
        assert c.status()["timed_out"] == 2
    alice.open(d, "tcp", 80).granted().close()


def test_068_when_all_workers_are_taken_the_longest_waiting_client_gives_way(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=[
        "--workers", 3, "--workers-per-user", 3, "--spare", 1,
        "--request-timeout", 30, "--idle-timeout", 30])
    silent = [alice.connect(d) for _ in range(6)]
    reply = p.patiently(lambda: alice.connect(d), REQUEST)
    reply.granted().close()
    ends = 0
    for c in silent:
        c.sock.settimeout(0.01)
        try:
            c.receive().refused(p.OVER_LIMIT, errno.EAGAIN)
            ends += 1
        except p.Closed:
            ends += 1
        except TimeoutError:
            pass
        c.close()
    assert ends >= 3, "three workers cannot hold seven clients"
    with alice.connect(d) as c:
        after = c.status()
    assert after["evicted"] + after["over_limit"] >= 3, after


@pytest.mark.users
def test_069_a_user_over_its_share_makes_room_from_its_own_and_others_are_served(daemon, alice, bob):
    d = daemon("allow anyone tcp 80", options=[
        "--workers", 16, "--workers-per-user", 2, "--spare", 2,
        "--request-timeout", 30, "--idle-timeout", 30])
    other = bob.connect(d)
    other.check("tcp", 80)
    held = []
    for _ in range(5):
        held.append(alice.connect(d))
        try:
            held[-1].check("tcp", 80)
        except p.Closed:
            pass
        bob.open(d, "tcp", 80).granted().close()

    def is_cut_off(c):
        c.sock.settimeout(0)
        try:
            return c.receive().reason == p.OVER_LIMIT
        except p.Closed:
            return True
        except BlockingIOError:
            return False
    ended = set()

    def enough():
        ended.update(c for c in held if c not in ended and is_cut_off(c))
        return len(ended) >= 3
    eventually(enough, "alice keeps two connections at the most")
    assert other.check("tcp", 80).reason == p.GRANTED, "bob paid for alice"
    d.says("limit", "alice", "1001")
    for c in [*held, other]:
        c.close()
    p.patiently(lambda: alice.connect(d), REQUEST).granted().close()


@pytest.mark.users
def test_070_a_client_that_never_reads_harms_only_itself(daemon, alice, bob):
    d = daemon("allow user alice tcp,udp 80-200", "allow user bob tcp 443", options=[
        "--unread-per-user", 4, "--request-timeout", 1, "--idle-timeout", 1,
        "--workers", 8, "--workers-per-user", 6])
    deaf = []
    for first in range(80, 200, 20):
        c = alice.connect(d)
        deaf.append(c)
        try:
            for port in range(first, first + 20):
                c.send(p.pack(p.OPEN, "tcp", "::", port))
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
    begin = time.monotonic()
    for _ in range(20):
        bob.open(d, "tcp", 443).granted().close()
    assert time.monotonic() - begin < 0.5 * world.SLOW, "bob had to wait for alice"
    taken = 0
    for c in deaf:
        try:
            while True:
                reply = c.receive()
                taken += reply.socket is not None
                reply.close()
        except p.Closed:
            c.close()
    assert taken < 120, "every reply waited in the daemon"
    p.patiently(lambda: alice.connect(d), p.pack(p.OPEN, "tcp", "::", 80)).granted().close()


def test_071_without_descriptors_the_client_is_told_and_the_daemon_lives(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--workers", 2, "--spare", 1])
    with alice.connect(d) as c:
        c.check("tcp", 80)
        workers = d.workers()
        before = [set_limit(pid, resource.RLIMIT_NOFILE, 2) for pid in workers]
        c.open("tcp", 80).refused(p.EXHAUSTED, errno.EMFILE)
        for pid, limit in zip(workers, before):
            set_limit(pid, resource.RLIMIT_NOFILE, limit)
        c.open("tcp", 80).granted().close()
    alice.open(d, "tcp", 80).granted().close()
    d.says("tcp [::]:80", str(alice.uid))


def test_072_when_fork_is_refused_clients_are_told_and_the_daemon_lives(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=[
        "--workers", 8, "--workers-per-user", 8, "--spare", 2, "--request-timeout", 2,
        "--idle-timeout", 2])
    alice.open(d, "tcp", 80).granted().close()
    binder = d.binder()
    limit = set_limit(binder, resource.RLIMIT_NPROC, 1)
    try:
        held = [alice.connect(d) for _ in range(8)]
        begin = time.monotonic()
        outcomes = []
        for c in held:
            try:
                outcomes.append(c.check("tcp", 80).reason)
            except p.Closed:
                outcomes.append(None)
        assert p.GRANTED in outcomes, outcomes  # the workers that were there
        assert set(outcomes) <= {p.GRANTED, p.OVER_LIMIT, p.EXHAUSTED, None}, outcomes
        for c in held:
            c.close()
        assert d.process.poll() is None and time.monotonic() - begin < 30 * world.SLOW
    finally:
        set_limit(binder, resource.RLIMIT_NPROC, limit)
    p.patiently(lambda: alice.connect(d), REQUEST).granted().close()
    eventually(lambda: len(children(binder)) >= 2, "the workers are back")


@pytest.mark.users
def test_073_a_peer_whose_uid_is_not_mapped_is_denied(daemon, alice):
    """The daemon lives in a user namespace (a rootless container) that maps 0 to 999 only."""
    home = world.HOME / "partial"
    home.mkdir()
    ready, go = os.pipe(), os.pipe()
    inside = ["unshare", "--user", "--net", "bash", "-c",
              f"echo >&{ready[1]}; read -r <&{go[0]}; exec {ready[1]}>&- {go[0]}<&-; "
              'ip link set lo up; exec "$@"', "-", *world.capable()]
    d = daemon("allow anyone tcp 80 netns any", home=home, prefix=inside, wait=False,
               sockets=(ready[1], go[0]))
    os.read(ready[0], 1)
    for which in ("uid_map", "gid_map"):
        with open(f"/proc/{d.pid}/{which}", "w", encoding="ascii") as file:
            file.write("0 0 1\n1 1 999\n")  # 0 may be mapped apart from the rest
    os.write(go[1], b"\n")
    for fd in ready + go:
        os.close(fd)
    d.ready()
    alice.open(d, "tcp", 80).refused(p.UNMAPPED_USER, errno.EACCES)
    mapped = Person(990)
    mapped.open(d, "tcp", 80).granted().close()
    mapped.leave()
    d.says("denied", "tcp [::]:80", "65534")


@pytest.mark.seconds(120)
def test_074_a_thousand_clients_at_once_are_all_served(daemon, alice):
    """A thousand processes, each a user of its own where there are users, ask in one moment."""
    d = daemon("allow anyone tcp 1-1023", options=["--unread-per-user", 1000])
    gate = os.pipe()
    results = os.pipe()
    pids = []
    for number in range(1000):
        pid = os.fork()
        if pid == 0:
            try:
                os.close(gate[1])
                if world.MANY_USERS:
                    os.setgroups([])
                    os.setresgid(10000 + number, 10000 + number, 10000 + number)
                    os.setresuid(10000 + number, 10000 + number, 10000 + number)
                os.read(gate[0], 1)

                def connect():
                    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                    sock.settimeout(60)
                    sock.connect(str(d.socket))
                    return p.Connection(sock, 60)
                reply = p.patiently(connect, p.pack(p.OPEN, "tcp", "127.0.0.1", 1 + number), 60)
                os.write(results[1], bytes([reply.reason if reply.socket else 255]))
            except BaseException as error:  # pylint: disable=broad-except
                os.write(2, f"{error!r}\n".encode())
                os.write(results[1], b"\xfe")
            finally:
                os._exit(0)
        pids.append(pid)
    os.close(gate[0])
    os.close(results[1])
    begin = time.monotonic()
    os.close(gate[1])
    answers = b""
    while chunk := os.read(results[0], 4096):
        answers += chunk
    took = time.monotonic() - begin
    os.close(results[0])
    for pid in pids:
        os.waitpid(pid, 0)
    print(f"1000 clients in {took:.2f} s")
    assert answers == bytes([p.GRANTED]) * 1000, (len(answers), set(answers))
    alice.open(d, "tcp", 80).granted().close()


def test_075_a_socket_path_that_cannot_be_is_refused_at_start(daemon):
    d = daemon("allow anyone tcp 80", wait=False, bare=True,
               options=["--socket", "/run/world/no/such/place/socket"])
    assert d.ended() != 0
    d.says("/run/world/no/such/place/socket")


@pytest.mark.parametrize("options", [["--nonsense"], ["--workers", "0"], ["--workers", "many"],
                                     ["--spare"], ["--request-timeout", "-1"], ["argument"]])
def test_076_wrong_options_are_a_usage_error(options):
    result = subprocess.run([world.BIN / "lowportd", *options], env=world.ENVIRONMENT, text=True,
                            capture_output=True, check=False, timeout=60)
    assert result.returncode == 2, result
    assert "lowportd: " in result.stderr.splitlines()[0] and not result.stdout, result


def test_077_help_and_version_go_to_standard_output():
    for option in ("--help", "--version"):
        result = subprocess.run([world.BIN / "lowportd", option], env=world.ENVIRONMENT, text=True,
                                capture_output=True, check=False, timeout=60)
        assert result.returncode == 0 and result.stdout and not result.stderr, result
    for word in ("--policy", "--socket", "--user", "--workers", "--check"):
        help_text = subprocess.run([world.BIN / "lowportd", "--help"], env=world.ENVIRONMENT,
                                   text=True, capture_output=True, check=True, timeout=60).stdout
        assert word in help_text
