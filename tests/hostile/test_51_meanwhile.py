# SPDX-License-Identifier: MIT
"""What a client does to its own socket while the worker works on it: meddle.c tries it again and
again."""

import re
import socket

import pytest

import protocol as p
import world
from fort import fort  # noqa: F401  pylint: disable=unused-import

pytestmark = [pytest.mark.users, pytest.mark.seconds(60)]

TRIES = 500 if world.SANITIZE else 2000
INET, INET6 = socket.AF_INET, socket.AF_INET6
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def meddle(fort, how, port=53, tries=TRIES):
    """The counts of what came of it."""
    result = fort.alice.run(world.BIN / "meddle", fort.daemon.own_socket, how, port, tries)
    assert result.returncode == 0, result
    print(how, result.stdout)
    counts = dict(re.findall(r"(\w+) (\d+)", result.stdout))
    return {name: int(count) for name, count in counts.items()}


@pytest.mark.parametrize("how,option,holder", [
    ("reuseaddr", socket.SO_REUSEADDR, "0.0.0.0"), ("reuseport", socket.SO_REUSEPORT, "127.0.0.1")])
def test_514_nobodys_udp_port_is_taken_over_by_an_option_set_in_the_last_moment(
        fort, how, option, holder):
    fort.start()
    with fort.root.make(INET, UDP) as victim:
        victim.setsockopt(socket.SOL_SOCKET, option, 1)
        victim.bind((holder, 53))
        counts = meddle(fort, how)
        assert (counts["won"], counts["refused"]) == (0, TRIES)
        assert p.serves(victim, "127.0.0.1", 53)


@pytest.mark.parametrize("how,option", [("reuseaddr-tcp", socket.SO_REUSEADDR),
                                        ("reuseport-tcp", socket.SO_REUSEPORT)])
def test_515_nobodys_tcp_socket_that_does_not_listen_yet_is_stolen_so(fort, how, option):
    fort.start()
    with fort.root.make() as victim:
        victim.setsockopt(socket.SOL_SOCKET, option, 1)
        victim.bind(("0.0.0.0", 53))
        counts = meddle(fort, how, tries=TRIES // 4)
        assert (counts["won"], counts["refused"]) == (0, TRIES // 4)
        victim.listen()
        assert p.serves(victim, "127.0.0.1", 53)


@pytest.mark.parametrize("how,kind", [("v6only", "tcp6"), ("v6only-udp", "udp6")])
def test_516_one_that_may_have_ipv6_alone_does_not_get_ipv4_by_an_option_set_in_the_last_moment(
        fort, how, kind):
    fort.start(f"allow user alice {kind} 53")
    counts = meddle(fort, how)
    assert counts["won"] == 0
    # It is a race indeed: the option was seen on, and off, and switched between look and bind.
    assert counts["granted"] > 0 and counts["refused"] > 0
    assert counts["closed"] == 0


@pytest.mark.parametrize("how", ["bind", "bind-udp", "listen", "connect", "shutdown"])
def test_517_one_that_does_the_same_itself_meanwhile_gets_the_port_it_was_granted_or_none(fort, how):
    fort.start()
    counts = meddle(fort, how, tries=TRIES // 4)
    assert counts["won"] == 0 and counts["closed"] == 0
    assert counts["granted"] + counts["refused"] == TRIES // 4


def test_518_one_that_dies_meanwhile_leaves_nothing(fort):
    d = fort.start()
    meddle(fort, "die", tries=TRIES // 4)
    assert fort.own(fort.alice, 53).reason == p.GRANTED
    assert d.process.poll() is None and not d.said("stuck")
