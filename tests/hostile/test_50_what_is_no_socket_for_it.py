# SPDX-License-Identifier: MIT
"""What a permitted user may send instead of the socket that it asked for, and how."""

import errno
import os
import select
import socket
import time

import pytest

import protocol as p
import world
from fort import PROMPT, fort  # noqa: F401  pylint: disable=unused-import
from world import eventually

pytestmark = pytest.mark.users

INET, INET6 = socket.AF_INET, socket.AF_INET6
TCP, UDP, RAW, SEQPACKET = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW,
                            socket.SOCK_SEQPACKET)
MPTCP = 262


def unsuitable(reply, detail):
    reply.refused(p.UNSUITABLE_SOCKET, errno.EINVAL)
    assert reply.detail == detail, reply


@pytest.mark.parametrize("said,address,who,family,kind,number,detail", [
    ("udp", "0.0.0.0", "alice", INET, TCP, 0, p.PROTOCOL),
    ("tcp", "0.0.0.0", "alice", INET, UDP, 0, p.PROTOCOL),
    ("udp", "::", "alice", INET6, TCP, 0, p.PROTOCOL),
    ("udp", "0.0.0.0", "alice", INET, TCP, MPTCP, p.PROTOCOL),
    ("sctp", "0.0.0.0", "alice", INET, TCP, 0, p.PROTOCOL),
    ("tcp", "::", "alice", INET, TCP, 0, p.FAMILY),
    ("udp", "::1", "alice", INET, UDP, 0, p.FAMILY),
    ("tcp", "0.0.0.0", "root", INET, RAW, socket.IPPROTO_TCP, p.PROTOCOL),
    ("udp", "0.0.0.0", "root", INET, RAW, socket.IPPROTO_UDP, p.PROTOCOL),
    ("udp", "0.0.0.0", "root", INET, RAW, socket.IPPROTO_RAW, p.PROTOCOL),
    ("tcp", "::", "root", INET6, RAW, socket.IPPROTO_TCP, p.PROTOCOL),
    ("udp", "0.0.0.0", "alice", INET, UDP, socket.IPPROTO_ICMP, p.PROTOCOL),
    ("udp", "::", "alice", INET6, UDP, socket.IPPROTO_ICMPV6, p.PROTOCOL),
])
def test_500_a_socket_of_another_kind_than_the_request_says_is_unsuitable(
        fort, said, address, who, family, kind, number, detail):
    with open("/proc/sys/net/ipv4/ping_group_range", "w", encoding="ascii") as groups:
        groups.write("0 4294967294")
    d = fort.start("allow user alice any 53")
    with getattr(fort, who).make(family, kind, number) as sock:
        unsuitable(fort.alice.own(d, sock, said, 53, address), detail)
        assert kind == RAW or sock.getsockname()[1] == 0


def other_families():
    """Sockets that are no IP sockets: (name, family, type, protocol). The kernel has the first ones
    always; vsock is a module, which one machine has and another has not."""
    yield "unix", socket.AF_UNIX, TCP, 0
    yield "unix datagram", socket.AF_UNIX, UDP, 0
    yield "unix seqpacket", socket.AF_UNIX, SEQPACKET, 0
    yield "netlink", socket.AF_NETLINK, RAW, 0
    try:
        socket.socket(socket.AF_VSOCK, TCP).close()
    except OSError:
        print("this kernel has no vsock")
    else:
        yield "vsock", socket.AF_VSOCK, TCP, 0


def test_501_a_socket_of_another_family_is_unsuitable(fort):
    d = fort.start()
    for name, *kind in other_families():
        with fort.alice.make(*kind) as sock:
            print(name)
            for said in ("tcp", "udp"):
                unsuitable(fort.alice.own(d, sock, said, 53, "0.0.0.0"), p.OTHER)
    with fort.root.make(socket.AF_PACKET, RAW) as sock:
        unsuitable(fort.alice.own(d, sock, "udp", 53, "0.0.0.0"), p.OTHER)


def bound(sock, _):
    sock.bind(("127.0.0.1", 0))


def listening(sock, _):
    sock.listen()


def connected(sock, peer):
    sock.connect(peer.getsockname())


@pytest.mark.parametrize("said,kind,before", [
    ("tcp", TCP, bound), ("tcp", TCP, listening), ("tcp", TCP, connected),
    ("udp", UDP, bound), ("udp", UDP, connected)])
def test_502_a_socket_that_is_in_use_stays_as_it_is(fort, said, kind, before):
    d = fort.start()
    with fort.alice.make(INET, kind) as sock, socket.socket(INET, kind) as peer:
        peer.bind(("127.0.0.1", 0))
        if kind == TCP:
            peer.listen()
        before(sock, peer)
        name = sock.getsockname()
        assert name[1] != 0
        unsuitable(fort.alice.own(d, sock, said, 53, "0.0.0.0"), p.BOUND)
        assert sock.getsockname() == name


def test_503_what_is_no_socket_at_all_is_unsuitable(fort, tmp_path):
    d = fort.start()
    path = tmp_path / "file"
    path.write_text("x")
    pipe = os.pipe()
    files = [os.open(path, os.O_RDWR), os.open(path, os.O_PATH), os.open(tmp_path, os.O_DIRECTORY),
             *pipe, os.memfd_create("x"), os.eventfd(1), os.pidfd_open(os.getpid()),
             os.open("/dev/null", os.O_RDWR), os.open("/proc/self/mem", os.O_RDONLY)]
    epoll = select.epoll()
    epoll.register(pipe[0], select.EPOLLIN)
    files.append(os.dup(epoll.fileno()))
    with fort.alice.make() as sock:  # a path of a socket is no socket, too
        files.append(os.open(f"/proc/self/fd/{sock.fileno()}", os.O_PATH))
        for fd in files:
            print(os.readlink(f"/proc/self/fd/{fd}"))
            unsuitable(fort.alice.own(d, fd, "tcp", 53, "0.0.0.0"), p.OTHER)
        assert sock.getsockname()[1] == 0
    epoll.close()
    for fd in files:
        os.close(fd)


@pytest.mark.parametrize("many,detail", [(0, p.MISSING), (2, p.MANY), (253, p.MANY)])
def test_504_one_descriptor_is_the_right_number(fort, many, detail):
    d = fort.start()
    with fort.alice.make() as sock, fort.alice.connect(d.own_socket) as c:
        assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
        unsuitable(c.send_own([sock] * many, "tcp", 53, "0.0.0.0"), detail)
        assert sock.getsockname()[1] == 0
        with pytest.raises(p.Closed):
            c.receive()


def send(connection, operation, *socks, port=53):
    socket.send_fds(connection.sock, [p.pack(operation, "tcp", "0.0.0.0", port)],
                    [sock.fileno() for sock in socks])


def test_505_a_descriptor_that_comes_with_another_request_is_dropped(fort):
    d = fort.start()
    with fort.alice.make() as sock, fort.alice.connect(d.own_socket) as c:
        assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
        for _ in range(3):
            send(c, p.CHECK, *[sock] * 100)
            assert c.receive().reason == p.GRANTED
        socket.send_fds(c.sock, [p.pack(p.STATUS)], [sock.fileno()])
        assert c.receive().status["own_workers"] > 0
        socket.send_fds(c.sock, [b"nonsense"], [sock.fileno()])
        c.receive().refused(p.UNSUPPORTED_VERSION, errno.EPROTONOSUPPORT)
        assert sock.getsockname()[1] == 0
        assert c.send_own([sock], "tcp", 53, "0.0.0.0").reason == p.GRANTED
        assert sock.getsockname()[1] == 53


def test_506_a_connection_binds_one_socket(fort):
    d = fort.start()
    with fort.alice.make() as first, fort.alice.make() as second, \
            fort.alice.connect(d.own_socket) as c:
        assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
        fort.workers_sleep(True)
        send(c, p.OWN, first)
        send(c, p.OWN, second, port=54)
        fort.workers_sleep(False)
        with pytest.raises(p.Closed):  # what was sent too much may take the reply with it
            assert c.receive().reason == p.GRANTED
            c.receive()
        eventually(lambda: first.getsockname()[1] == 53, "the first one is bound")
        assert (first.getsockname()[1], second.getsockname()[1]) == (53, 0)


def test_507_who_does_not_wait_for_replies_gets_them_all(fort):
    d = fort.start()
    with fort.alice.make() as sock, fort.alice.connect(d.own_socket) as c:
        fort.workers_sleep(True)
        send(c, p.CHECK)
        send(c, p.CHECK, port=600)
        with pytest.raises(PermissionError):
            send(c, p.OWN, sock)  # nobody has granted it yet
        send(c, p.CHECK)
        fort.workers_sleep(False)
        reasons = [c.receive().reason for _ in range(3)]
        assert reasons == [p.GRANTED, p.NO_RULE, p.GRANTED]
        send(c, p.CHECK)
        send(c, p.OWN, sock)
        assert [c.receive().operation for _ in range(2)] == [p.CHECK, p.OWN]
        assert sock.getsockname()[1] == 53


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR, None])
def test_508_one_that_shuts_or_closes_its_end_gets_what_it_asked_for_or_nothing(fort, how):
    """Not half of it: once it has closed everything the port is free again."""
    d = fort.start()
    for asleep in (False, True):
        with fort.alice.make() as sock, fort.alice.connect(d.own_socket) as c:
            assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
            if asleep:
                fort.workers_sleep(True)
            send(c, p.OWN, sock)
            if how is None:
                c.close()
            else:
                c.sock.shutdown(how)
            fort.workers_sleep(False)
            if how == socket.SHUT_WR:
                try:
                    assert c.receive().reason == p.GRANTED
                except p.Closed:
                    pass  # the worker saw the end first
        assert fort.own(fort.alice, 53).reason == p.GRANTED


def test_509_one_that_never_reads_is_cut_off(fort):
    d = fort.start(request_timeout=1)
    with fort.alice.connect(d.own_socket) as c:
        assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
        c.sock.settimeout(world.DEADLINE)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(100000):
                send(c, p.CHECK)
        fort.others_are_served()


def test_510_one_that_was_granted_and_is_silent_is_closed_after_the_request_timeout(fort):
    d = fort.start(request_timeout=1, idle_timeout=30)
    with fort.alice.connect(d.own_socket) as silent, fort.alice.connect(d.own_socket) as deaf, \
            fort.alice.make() as sock:
        begin = time.monotonic()
        for c in (silent, deaf):
            assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
        send(deaf, p.OWN, sock)  # and then silence: the worker does not wait for it to be read
        eventually(lambda: sock.getsockname()[1] == 53, "it is bound")
        with pytest.raises(p.Closed):
            silent.receive()
        assert 0.9 < time.monotonic() - begin < 1 + PROMPT
        assert deaf.receive().reason == p.GRANTED
        with pytest.raises(p.Closed):
            deaf.receive()
        assert time.monotonic() - begin < 1 + PROMPT


def granted(person, d, port=53):
    """A connection on which a descriptor may come, or the reply that says why not."""
    c = person.connect(d.own_socket)
    reply = c.check("tcp", port, "0.0.0.0")
    if reply.reason == p.GRANTED:
        return c
    c.close()
    return reply


def test_511_a_user_may_hold_up_its_share_of_workers_and_no_more(fort):
    d = fort.start(own_per_user=3, own_workers=12)
    held = [granted(fort.alice, d) for _ in range(3)]
    granted(fort.alice, d).refused(p.OVER_LIMIT, errno.EAGAIN)
    # What needs no exposure is answered.
    with fort.alice.connect(d.own_socket) as c:
        c.check("tcp", 600, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
        c.check("tcp", 53, "0.0.0.0").refused(p.OVER_LIMIT, errno.EAGAIN)
        assert c.status()["over_limit"] == 2
        fort.others_are_served()
        with fort.alice.make() as sock, pytest.raises(PermissionError):
            send(c, p.OWN, sock)
        held.pop().close()
        eventually(lambda: c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED, "there is room again")
    d.says("limit", "alice")
    for c in held:
        c.close()


def test_512_all_users_together_may_hold_up_three_quarters(fort):
    d = fort.start("allow user alice tcp 53", "allow user bob tcp 53", "allow user root tcp 53",
                   own_per_user=4, own_workers=8)
    held = [granted(person, d) for person in (fort.alice, fort.bob) for _ in range(3)]
    for person in (fort.alice, fort.bob, fort.root):
        granted(person, d).refused(p.OVER_LIMIT, errno.EAGAIN)
    fort.bob.open(d, "tcp", 600).granted().close()
    held.pop().close()

    def one_more():
        more = granted(fort.root, d)
        more.close()
        return isinstance(more, p.Connection)
    eventually(one_more, "there is room again")
    for c in held:
        c.close()


@pytest.mark.seconds(60)
def test_513_a_socket_that_lingers_holds_its_worker_up_for_some_seconds_at_most(fort):
    """Its peer takes nothing, and whoever closes it last waits for a minute."""
    d = fort.start()
    with socket.create_server(("127.0.0.1", 0)) as server, fort.alice.connect(d.own_socket) as c:
        sock = fort.alice.make()
        sock.connect(server.getsockname())
        peer, _ = server.accept()
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock.send(bytes(65536))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, (60 << 32 | 1).to_bytes(8, "little"))
        assert c.check("tcp", 53, "0.0.0.0").reason == p.GRANTED
        fort.workers_sleep(True)
        send(c, p.OWN, sock)
        sock.close()
        fort.workers_sleep(False)
        begin = time.monotonic()
        unsuitable(c.receive(), p.BOUND)
        fort.others_are_served()
        with pytest.raises(p.Closed):
            c.receive()
        took = time.monotonic() - begin
        print(f"{took:.1f} s")
        assert 3 < took < 6 + 4 * world.SLOW, took
        peer.close()
    assert not d.said("stuck")
    assert fort.stuck() == 0
