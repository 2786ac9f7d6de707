# SPDX-License-Identifier: MIT
"""Own mode: the daemon binds the client's own socket, in place."""

import errno
import os
import socket
import stat

import pytest

import protocol as p
import world
from protocol import descriptors, serves
from world import Person, eventually

INET, INET6 = socket.AF_INET, socket.AF_INET6
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
MPTCP = 262
LOW = "tcp,udp 1-1023"


def listening(sock):
    sock.listen()
    return sock


def bound_to(sock):
    return sock.getsockname()[:2]


def test_200_a_socket_of_the_clients_own_serves_on_port_80(daemon, alice):
    d = daemon(f"allow user {alice} tcp4 680")
    with alice.make() as s:
        reply = alice.own(d, s, "tcp", 680)
        assert (reply.reason, reply.error, reply.operation) == (p.GRANTED, 0, p.OWN)
        assert (reply.path, reply.line) == (str(d.policy), 1) and reply.socket is None
        assert bound_to(s) == ("0.0.0.0", 680)
        assert serves(listening(s), "127.0.0.1", 680)
        inode = os.fstat(s.fileno()).st_ino
    d.says("granted", "tcp", "0.0.0.0:680", f"{d.policy}:1", str(alice.uid))
    assert inode > 0


@pytest.mark.parametrize("protocol,family,kind,number,address", [
    ("tcp", INET, TCP, 0, "127.0.0.1"), ("tcp", INET6, TCP, 0, "::1"),
    ("udp", INET, UDP, 0, "127.0.0.1"), ("udp", INET6, UDP, 0, "::1"),
    ("tcp", INET6, TCP, 0, "::"), ("tcp", INET, TCP, MPTCP, "127.0.0.1"),
    ("tcp", INET6, TCP, MPTCP, "::1")])
def test_201_every_kind_of_socket(daemon, alice, protocol, family, kind, number, address):
    d = daemon(f"allow user {alice} {LOW}")
    with alice.make(family, kind, number) as s:
        assert alice.own(d, s, protocol, 653, address).reason == p.GRANTED
        assert bound_to(s) == (address, 653)
        if kind == TCP:
            s.listen()
        assert serves(s, "127.0.0.1" if ":" not in address else "::1", 653)


def test_202_an_ipv4_address_on_an_ipv6_socket(daemon, alice):
    d = daemon(f"allow user {alice} tcp4 127.0.0.1:680")
    with alice.make(INET6) as s:
        assert alice.own(d, s, "tcp", 680, "::ffff:127.0.0.1").reason == p.GRANTED
        assert bound_to(s) == ("::ffff:127.0.0.1", 680)
        assert serves(listening(s), "127.0.0.1", 680)


def test_203_the_own_socket_is_for_its_group(daemon, alice):
    d = daemon(f"allow user {alice} tcp 680")
    mode = os.stat(d.own_socket)
    assert stat.S_IMODE(mode.st_mode) == 0o660
    assert stat.S_IMODE(os.stat(d.socket).st_mode) == 0o666
    if world.MANY_USERS:
        assert mode.st_gid == 990


@pytest.mark.users
def test_204_who_is_not_in_the_group_cannot_ask(daemon, carol):
    d = daemon("allow user carol tcp 680")
    with pytest.raises(PermissionError):
        carol.connect(d.own_socket)
    with carol.open(d, "tcp", 680).granted():
        pass


def test_205_no_descriptor_is_let_in_before_the_policy_has_granted(daemon, alice):
    d = daemon(f"allow user {alice} tcp4 680")
    with alice.make() as s, alice.connect(d.own_socket) as c:
        with pytest.raises(PermissionError):
            c.send_own([s], "tcp", 680, "0.0.0.0")
        c.check("tcp", 681, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
        with pytest.raises(PermissionError):
            c.send_own([s], "tcp", 680, "0.0.0.0")
        assert c.check("tcp", 680, "0.0.0.0").reason == p.GRANTED
        # granted was port 680; the descriptor may come now, and each request is decided anew.
        c.send_own([s], "tcp", 681, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
        assert bound_to(s) == ("0.0.0.0", 0)
        with pytest.raises(p.Closed):
            c.check("tcp", 680, "0.0.0.0")


def test_206_each_socket_has_its_operations(daemon, alice):
    d = daemon(f"allow user {alice} tcp 680")
    with alice.connect(d) as c:
        reply = c.ask(p.pack(p.OWN, "tcp", "::", 680)).refused(p.UNKNOWN_OPERATION, errno.EOPNOTSUPP)
        assert reply.detail == p.OWN
    with alice.connect(d.own_socket) as c:
        reply = c.open("tcp", 680).refused(p.UNKNOWN_OPERATION, errno.EOPNOTSUPP)
        assert reply.detail == p.OPEN
        assert c.status()["own_workers_max"] == 256


def test_207_what_was_set_before_is_still_set(daemon, alice):
    d = daemon(f"allow user {alice} {LOW}")
    options = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
               (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_IP, 15, 1),  # IP_FREEBIND
               (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 15), (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000),
               (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for wanted in (0, 1):
        with alice.make(INET6) as s:
            mine = [*options, (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted)]
            for level, option, value in mine:
                s.setsockopt(level, option, value)
            before = [s.getsockopt(level, option) for level, option, _ in mine]
            assert alice.own(d, s, "tcp", 680, "::", p.V6ONLY if wanted else 0).reason == p.GRANTED
            assert [s.getsockopt(level, option) for level, option, _ in mine] == before
            assert before[0] and before[1] and before[2] and before[-1] == wanted
            s.listen()
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1


def test_208_freebind_takes_an_address_that_is_not_there_yet(daemon, alice):
    d = daemon(f"allow user {alice} {LOW}")
    for kind, name in ((TCP, "tcp"), (UDP, "udp")):
        with alice.make(INET, kind) as s:
            reply = alice.own(d, s, name, 680, "192.0.2.1")
            reply.refused(p.ADDRESS_NOT_AVAILABLE, errno.EADDRNOTAVAIL)
            s.setsockopt(socket.IPPROTO_IP, 15, 1)
            assert alice.own(d, s, name, 680, "192.0.2.1").reason == p.GRANTED
            assert bound_to(s) == ("192.0.2.1", 680)


def reuse(sock, option=socket.SO_REUSEPORT):
    sock.setsockopt(socket.SOL_SOCKET, option, 1)
    return sock


@pytest.mark.users
@pytest.mark.parametrize("kind,name", [(TCP, "tcp"), (UDP, "udp")])
def test_209_one_users_workers_share_a_port_and_another_user_is_refused(daemon, alice, bob, kind, name):
    d = daemon(f"allow user alice {LOW}", f"allow user bob {LOW}")
    with reuse(alice.make(INET, kind)) as first, reuse(alice.make(INET, kind)) as second, \
            reuse(bob.make(INET, kind)) as other:
        assert alice.own(d, first, name, 680).reason == p.GRANTED
        if kind == TCP:
            first.listen()
        assert alice.own(d, second, name, 680).reason == p.GRANTED
        if kind == TCP:
            second.listen()
        bob.own(d, other, name, 680).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        bob.own(d, other, name, 680, "127.0.0.1").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        assert bound_to(other) == ("0.0.0.0", 0)
    with reuse(bob.make(INET, kind)) as other:
        assert bob.own(d, other, name, 680).reason == p.GRANTED


@pytest.mark.users
def test_210_a_udp_holder_is_not_taken_over(daemon, alice, bob, root):
    d = daemon(f"allow user alice {LOW}", f"allow user bob {LOW}")
    held = "127.0.0.1"
    with reuse(root.make(INET, UDP), socket.SO_REUSEADDR) as holder:
        holder.bind((held, 653))
        for address in (held, "0.0.0.0"):
            with reuse(bob.make(INET, UDP), socket.SO_REUSEADDR) as thief:
                bob.own(d, thief, "udp", 653, address).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        with reuse(bob.make(INET6, UDP), socket.SO_REUSEADDR) as thief:
            bob.own(d, thief, "udp", 653, "::").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        # Beside it there is room.
        with bob.make(INET, UDP) as other:
            assert bob.own(d, other, "udp", 653, "127.0.0.2").reason == p.GRANTED
            assert serves(other, "127.0.0.2", 653)
        assert serves(holder, held, 653)
    # What open mode has handed out is safe in the same way.
    with alice.open(d, "udp", 653, held).granted() as holder, \
            reuse(bob.make(INET, UDP), socket.SO_REUSEADDR) as thief:
        bob.own(d, thief, "udp", 653, held).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        assert serves(holder, held, 653)


@pytest.mark.users
def test_211_a_bound_tcp_socket_that_does_not_listen_yet_is_not_stolen(daemon, alice, bob, root):
    d = daemon(f"allow user bob {LOW}")
    with reuse(root.make(), socket.SO_REUSEADDR) as holder:
        holder.bind(("0.0.0.0", 680))
        for family, address in ((INET, "0.0.0.0"), (INET, "127.0.0.1"), (INET6, "::")):
            with reuse(bob.make(family), socket.SO_REUSEADDR) as thief:
                reply = bob.own(d, thief, "tcp", 680, address)
                reply.refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        assert serves(listening(holder), "127.0.0.1", 680)


def test_212_a_server_restarts_over_connections_on_their_way_out(daemon, alice):
    # Nobody else uses this port: what is left on it stays for a minute.
    d = daemon(f"allow user {alice} tcp4 683")
    for _ in range(2):
        with reuse(alice.make(), socket.SO_REUSEADDR) as s:
            assert alice.own(d, s, "tcp", 683).reason == p.GRANTED
            s.listen()
            with socket.create_connection(("127.0.0.1", 683), timeout=10) as client:
                peer, _ = s.accept()
                peer.close()  # the server closes first, and so is left with TIME_WAIT
                assert client.recv(1) == b""
    # Without the option the kernel refuses, as it does everywhere.
    with alice.make() as s:
        alice.own(d, s, "tcp", 683).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)


def test_213_in_use_is_in_use(daemon, alice):
    d = daemon(f"allow user {alice} {LOW}")
    with alice.open(d, "tcp", 680, "0.0.0.0").granted(), alice.make() as s:
        alice.own(d, s, "tcp", 680).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        d.says("failed", "tcp", "0.0.0.0:680", "could not be bound")


@pytest.mark.parametrize("claimed", [0, p.V6ONLY])
def test_214_the_socket_says_whether_it_takes_ipv4(daemon, alice, claimed):
    """Not the client."""
    d = daemon(f"allow user {alice} tcp6 680")
    with alice.make(INET6) as s, alice.connect(d.own_socket) as c:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        assert c.check("tcp", 680, "::", p.V6ONLY).reason == p.GRANTED
        reply = c.send_own([s], "tcp", 680, "::", claimed).refused(p.NO_RULE, errno.EACCES)
        assert reply.detail == 4  # 0.0.0.0 is what no rule grants
        d.says("denied", "tcp [::]:680", "no rule allows it")
    with alice.make(INET6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        assert alice.own(d, s, "tcp", 680, "::", p.V6ONLY).reason == p.GRANTED
        s.listen()
        assert serves(s, "::1", 680)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 680), timeout=10)


@pytest.mark.users
@pytest.mark.parametrize("kind,name", [(TCP, "tcp"), (UDP, "udp")])
def test_215_ipv6_alone_stands_and_restarts_beside_anothers_ipv4(daemon, alice, bob, kind, name):
    d = daemon(f"allow user alice {name}6 680", f"allow user bob {name}4 680")
    with bob.make(INET, kind) as four:
        assert bob.own(d, four, name, 680).reason == p.GRANTED
        if kind == TCP:
            four.listen()
        for _ in range(2):
            with reuse(alice.make(INET6, kind), socket.SO_REUSEADDR) as six:
                six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                assert alice.own(d, six, name, 680, "::", p.V6ONLY).reason == p.GRANTED
                if kind == TCP:
                    six.listen()
                assert serves(six, "::1", 680) and serves(four, "127.0.0.1", 680)


def test_216_the_sockets_namespace_counts(daemon, alice):
    if not world.MANY_USERS:
        elsewhere = Person("lowport", new_netns=True)
    else:
        elsewhere = Person("alice", new_netns=True)
    try:
        d = daemon(f"allow user {alice} tcp4 680", f"allow user {alice} tcp4 681 netns any")
        # A socket from elsewhere needs a rule that says so, whoever sends it.
        with elsewhere.make() as s:
            alice.own(d, s, "tcp", 680).refused(p.OTHER_NETNS, errno.EACCES)
            assert alice.own(d, s, "tcp", 681).reason == p.GRANTED
            assert bound_to(s) == ("0.0.0.0", 681)
        d.says("denied", "tcp 0.0.0.0:680", "other network namespace")
        # One from here does not, though who sends it is elsewhere.
        with alice.make() as s:
            assert elsewhere.own(d, s, "tcp", 680).reason == p.GRANTED
            assert serves(listening(s), "127.0.0.1", 680)
        # Port 681 is free here all the while.
        with alice.make() as s:
            assert alice.own(d, s, "tcp", 681).reason == p.GRANTED
    finally:
        elsewhere.leave()


def test_217_a_worker_that_took_a_socket_serves_nobody_else(daemon, alice):
    d = daemon(f"allow user {alice} tcp4 680", options=["--spare", "2"])
    before = set(d.workers())
    with alice.make() as s:
        assert alice.own(d, s, "tcp", 680).reason == p.GRANTED
    gone = eventually(lambda: before - set(d.workers()), "a worker ends")
    assert len(gone) == 1
    eventually(lambda: len(d.workers()) == len(before), "another takes its place")
    # One that was sent nothing goes on.
    before = set(d.workers())
    for _ in range(5):
        with alice.connect(d.own_socket) as c:
            c.check("tcp", 681, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    assert before <= set(d.workers())


@pytest.mark.parametrize("mode", ["open", "own"])
def test_218_a_daemon_may_serve_one_mode_alone(daemon, alice, mode):
    d = daemon(f"allow user {alice} tcp4 680", modes=[mode])
    assert (d.socket.exists(), d.own_socket.exists()) == (mode == "open", mode == "own")
    if mode == "own":
        with alice.make() as s:
            assert alice.own(d, s, "tcp", 680).reason == p.GRANTED
    else:
        alice.open(d, "tcp", 680, "0.0.0.0").granted().close()


@pytest.mark.users
def test_219_two_at_once_do_not_both_get_a_port(daemon, alice, bob):
    """Both look, find it free, and would share it: so they take turns."""
    d = daemon(f"allow user alice {LOW}", f"allow user bob {LOW}")
    shared = 0
    for _ in range(100):
        sockets = [reuse(person.make(INET, UDP), socket.SO_REUSEADDR) for person in (alice, bob)]
        connections = [person.connect(d.own_socket) for person in (alice, bob)]
        for c in connections:
            assert c.check("udp", 653, "0.0.0.0").reason == p.GRANTED
        for c, s in zip(connections, sockets):
            socket.send_fds(c.sock, [p.pack(p.OWN, "udp", "0.0.0.0", 653)], [s.fileno()])
        reasons = sorted(c.receive().reason for c in connections)
        shared += reasons == [p.GRANTED, p.GRANTED]
        assert reasons == [p.GRANTED, p.ADDRESS_IN_USE]
        for one in (*connections, *sockets):
            one.close()
    assert shared == 0


def test_220_handed_back_and_asked_for_again_at_once(daemon, alice):
    """In own mode, in open mode, in turns: no port is in use that nobody uses."""
    d = daemon(f"allow user {alice} {LOW}")
    for i in range(200):
        if i % 3 == 2:
            alice.open(d, "tcp", 680, "127.0.0.1").granted().close()
            continue
        with alice.make() as s:
            assert alice.own(d, s, "tcp", 680, "127.0.0.1").reason == p.GRANTED


def test_221_requests_leave_no_descriptor_behind(daemon, alice):
    d = daemon(f"allow user {alice} tcp4 680")
    fixed = [d.manager(), d.auditor(), d.binder()]

    def held():
        return [descriptors(pid) for pid in fixed], max(descriptors(pid) for pid in d.workers())
    alice.open(d, "tcp", 680, "0.0.0.0").granted().close()  # all have begun
    before = held()
    for i in range(50):
        with alice.make() as s:
            address = "0.0.0.0" if i % 2 else "192.0.2.1"
            assert (alice.own(d, s, "tcp", 680, address).reason == p.GRANTED) == bool(i % 2)
    eventually(lambda: held() <= before, "as many descriptors as before")
