# SPDX-License-Identifier: MIT
"""Who gets which socket: users, groups, protocols, families, namespaces."""

import errno
import re
import socket

import pytest

import protocol as p
from protocol import serves
from world import Person, eventually


@pytest.mark.users
def test_010_alice_serves_on_port_80_and_bob_on_port_443(daemon, alice, bob):
    d = daemon("allow user alice tcp 80", "allow user bob tcp 443")
    with alice.open(d, "tcp", 80).granted() as http, bob.open(d, "tcp", 443).granted() as https:
        assert serves(http, "127.0.0.1", 80) and serves(http, "::1", 80)
        assert serves(https, "127.0.0.1", 443) and serves(https, "::1", 443)
    alice.open(d, "tcp", 443).refused(p.NO_RULE, errno.EACCES)
    bob.open(d, "tcp", 80).refused(p.NO_RULE, errno.EACCES)

    granted = d.says("granted", "tcp", "[::]:80", "alice", "1001")
    assert f"{d.policy}:1" in granted
    assert f"{d.policy}:2" in d.says("granted", "tcp", "[::]:443", "bob", "1002")
    d.says("denied", "tcp", "[::]:443", "alice", "1001")
    d.says("denied", "tcp", "[::]:80", "bob", "1002")


def test_011_the_reply_names_the_rule_and_the_caller(daemon, alice):
    d = daemon("# a comment", "", f"allow user {alice} tcp 80", f"deny user {alice} tcp 81")
    with alice.connect(d) as c:
        reply = c.check("tcp", 80)
        assert (reply.reason, reply.path, reply.line) == (p.GRANTED, str(d.policy), 3)
        assert reply.uid == alice.uid and reply.operation == p.CHECK and reply.version == 1
        assert reply.socket is None and not reply.flags & p.HAS_DESCRIPTOR
        reply = c.check("tcp", 81)
        assert (reply.reason, reply.line) == (p.RULE_DENIES, 4)
        reply = c.check("tcp", 82)
        assert (reply.reason, reply.path, reply.line) == (p.NO_RULE, "", 0)


def test_012_tcp_and_udp_share_a_port_number(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 53")
    with alice.connect(d) as c:
        with c.open("tcp", 53).granted() as tcp, c.open("udp", 53).granted() as udp:
            assert tcp.type == socket.SOCK_STREAM and udp.type == socket.SOCK_DGRAM
            for address in ("127.0.0.1", "::1"):
                assert serves(tcp, address) and serves(udp, address)
    d.says("granted", "udp", ":53", str(alice.uid))


def test_013_a_rule_for_tcp_grants_no_udp(daemon, alice):
    d = daemon(f"allow user {alice} tcp 53")
    alice.open(d, "udp", 53).refused(p.NO_RULE, errno.EACCES)


def test_014_a_rule_for_ipv4_grants_neither_ipv6_nor_both(daemon, alice):
    d = daemon(f"allow user {alice} tcp4 80")
    with alice.connect(d) as c:
        c.open("tcp", 80, "::").refused(p.NO_RULE, errno.EACCES)
        c.open("tcp", 80, "::", p.V6ONLY).refused(p.NO_RULE, errno.EACCES)
        c.open("tcp", 80, "::1").refused(p.NO_RULE, errno.EACCES)
        with c.open("tcp", 80, "0.0.0.0").granted() as s:
            assert s.family == socket.AF_INET and serves(s, "127.0.0.1")


def test_015_a_rule_for_ipv6_grants_ipv6_alone(daemon, alice):
    d = daemon(f"allow user {alice} tcp6 80")
    with alice.connect(d) as c:
        c.open("tcp", 80, "::").refused(p.NO_RULE, errno.EACCES)
        c.open("tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
        with c.open("tcp", 80, "::", p.V6ONLY).granted() as s:
            assert s.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
            assert serves(s, "::1")
            with pytest.raises(ConnectionRefusedError):
                serves(s, "127.0.0.1", 80)


def test_016_dual_stack_and_ipv6_only_beside_ipv4(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 80")
    with alice.connect(d) as c:
        with c.open("tcp", 80, "::").granted() as both:
            assert both.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
            assert serves(both, "127.0.0.1") and serves(both, "::1")
            c.open("tcp", 80, "0.0.0.0").refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        with c.open("udp", 80, "::", p.V6ONLY).granted() as six, \
                c.open("udp", 80, "0.0.0.0").granted() as four:
            assert serves(six, "::1") and serves(four, "127.0.0.1")


def test_017_a_rule_for_one_address_grants_that_address(daemon, alice):
    d = daemon(f"allow user {alice} tcp 127.0.0.0/8:80 [::1]:80")
    with alice.connect(d) as c:
        c.open("tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
        c.open("tcp", 80, "::", p.V6ONLY).refused(p.NO_RULE, errno.EACCES)
        with c.open("tcp", 80, "127.0.0.1").granted() as one, \
                c.open("tcp", 80, "127.0.0.2").granted() as two, \
                c.open("tcp", 80, "::1").granted() as six:
            assert serves(one, "127.0.0.1") and serves(two, "127.0.0.2") and serves(six, "::1")
        with c.open("tcp", 80, "::ffff:127.0.0.1").granted() as mapped:
            assert mapped.family == socket.AF_INET and serves(mapped, "127.0.0.1")


@pytest.mark.users
def test_018_a_supplementary_group_grants(daemon, alice, bob, carol):
    d = daemon("allow group web tcp 80")
    alice.open(d, "tcp", 80).granted().close()
    carol.open(d, "tcp", 80).granted().close()
    bob.open(d, "tcp", 80).refused(p.NO_RULE, errno.EACCES)
    d.says("granted", "carol", f"{d.policy}:1")


@pytest.mark.users
def test_019_a_deny_rule_beats_every_allow_rule(daemon, alice, bob):
    d = daemon("deny user bob tcp 80", "allow anyone tcp 80")
    alice.open(d, "tcp", 80).granted().close()
    bob.open(d, "tcp", 80).refused(p.RULE_DENIES, errno.EACCES)
    assert f"{d.policy}:1" in d.says("denied", "bob")


@pytest.mark.users
def test_020_a_numeric_user_needs_no_name(daemon):
    d = daemon("allow user 54321 tcp 80")
    somebody = Person(54321)
    somebody.open(d, "tcp", 80).granted().close()
    somebody.leave()
    d.says("granted", "54321")


def test_021_several_requests_share_a_connection(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 80-99")
    with alice.connect(d) as c:
        held = [c.open(kind, port).granted() for port in range(80, 100) for kind in ("tcp", "udp")]
        c.open("tcp", 100).refused(p.NO_RULE, errno.EACCES)
        assert c.check("tcp", 80).reason == p.GRANTED
        assert c.status()["granted"] >= 40
        assert all(serves(s) for s in held)
        for s in held:
            s.close()
        c.open("tcp", 80).granted().close()


def test_022_the_socket_is_what_was_asked_for(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 80,922")
    with alice.connect(d) as c:
        with c.open("tcp", 80, backlog=3).granted() as s:
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
            assert s.getblocking() or s.gettimeout() is None
        # Without SO_REUSEADDR a bind fails over TIME_WAIT: a port that no other test uses.
        with c.open("tcp", 922, flags=p.NO_LISTEN).granted() as s:
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
            assert s.getsockname()[1] == 922
        with c.open("udp", 80).granted() as s:
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        # 192.0.2.0/24 is nobody's; with freebind it may come later.
        c.open("tcp", 80, "192.0.2.1", p.FREEBIND).granted().close()


@pytest.mark.users
def test_023_a_peer_in_another_network_namespace_is_refused(daemon, alice):
    d = daemon("allow user alice tcp 80")
    elsewhere = Person("alice", new_netns=True)
    elsewhere.open(d, "tcp", 80).refused(p.OTHER_NETNS, errno.EACCES)
    alice.open(d, "tcp", 80).granted().close()
    d.says("denied", "alice")
    d.reload("allow user alice tcp 80 netns any")
    with elsewhere.open(d, "tcp", 80).granted() as s:
        assert serves(s, "127.0.0.1", 80)  # the daemon's namespace, which is the test's
    elsewhere.leave()


def test_024_status_counts_what_happened(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.connect(d) as c:
        before = c.status()
        c.open("tcp", 80).granted().close()
        c.open("tcp", 81).refused(p.NO_RULE, errno.EACCES)
        with c.open("tcp", 80).granted():
            c.open("tcp", 80).refused(p.ADDRESS_IN_USE, errno.EADDRINUSE)
        c.ask(b"x" * 10).refused(p.UNSUPPORTED_VERSION, errno.EPROTONOSUPPORT)

    def counted():
        """A worker counts when it has answered; another one may be quicker to tell."""
        with alice.connect(d) as c:
            after = c.status()
        changes = [after[k] - before[k] for k in ("granted", "denied", "failed", "malformed")]
        return after if changes == [2, 1, 1, 1] else None
    after = eventually(counted, "two granted, one denied, one failed, one malformed")
    assert after["rules"] == 1 and after["generation"] == 1
    assert re.match(r"\d+\.\d+", after["version"])
    assert after["workers_max"] >= after["workers"] >= 1
    assert after["workers_stuck"] == after["records_lost"] == after["over_limit"] == 0
    assert d.reload() and alice.connect(d).status()["generation"] == 2


@pytest.mark.users
def test_025_the_overflow_user_never_matches(daemon):
    """65534 is an ordinary uid only where every uid is mapped."""
    d = daemon("allow user 65534 tcp 80")
    nobody = Person(65534)
    partly = "4294967295" not in open("/proc/self/uid_map", encoding="ascii").read()
    reply = nobody.open(d, "tcp", 80)
    if partly:
        reply.refused(p.UNMAPPED_USER, errno.EACCES)
    else:
        reply.granted().close()
    nobody.leave()
