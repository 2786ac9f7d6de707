# SPDX-License-Identifier: MIT
"""Further instances, each with a policy and sockets of its own."""

import pytest

import host as h

PATH = "/run/lowport-shop/socket"
UNITS = ["lowportd@shop.socket", "lowportd-own@shop.socket"]


@pytest.fixture
def shop(host):
    host.do("mkdir", "-p", "/etc/lowport/shop")
    host.do("systemctl", "enable", "--now", *UNITS)
    yield
    host.do("systemctl", "disable", "--now", *UNITS)
    host.run("sh", "-c", "rm -rf /etc/lowport/shop")


def test_300_an_instance_has_a_policy_and_a_socket_of_its_own(host, policy, shop):
    policy("allow user alice tcp 80")

    def asks(user, port, *more):
        return host.run("lowport", "run", *more, "-l", f"tcp:{port}", "--", "true", user=user).returncode
    assert asks("bob", 82, "--socket", PATH) == 121, "nothing is allowed at first"
    host.write("/etc/lowport/shop/shop.conf", "allow user bob tcp 82\n")
    host.do("systemctl", "reload", "lowportd@shop.service")
    assert asks("bob", 82, "--socket", PATH) == 0
    assert asks("bob", 82) == 121, "the host's own policy knows nothing of it"
    assert asks("alice", 80, "--socket", PATH) == 121
    assert asks("alice", 80) == 0


def test_301_its_reload_fails_as_loudly(host, shop):
    before = host.now()
    host.run("lowport", "status", "--socket", PATH)
    host.write("/etc/lowport/shop/shop.conf", "allow user bob tcp 0\n")
    assert host.run("systemctl", "reload", "lowportd@shop.service").returncode == 1
    host.says(before, "/etc/lowport/shop/shop.conf:1:20: ", match=["-u", "lowportd@shop.service"])


def test_302_its_own_socket_is_for_the_group(host, shop):
    serve = "import socket; socket.create_server(('', 82))"
    host.run("lowport", "status", "--socket", PATH)
    host.write("/etc/lowport/shop/shop.conf", "allow user bob tcp 82\nallow user alice tcp 82\n")
    host.do("systemctl", "reload", "lowportd@shop.service")
    own = "/run/lowport-shop/own.socket"
    assert host.do("stat", "-c", "%a %G", own).split() == ["660", "lowport"]
    host.do("lowport", "wrap", "--own-socket", own, "--", "python3", "-c", serve, user="bob")
    assert host.run("lowport", "wrap", "--own-socket", own, "--", "python3", "-c", serve,
                    user="alice").returncode != 0


def test_303_it_stops_alone(host, policy, shop):
    policy("allow user alice tcp 80")
    host.do("lowport", "status", "--socket", PATH)
    host.do("systemctl", "stop", *UNITS)
    assert host.show("lowportd@shop.service", "ActiveState") == "inactive"
    assert host.processes("lowportd@shop.service") == 0
    assert host.show("lowportd.service", "ActiveState") == "active"


def test_304_a_socket_for_a_group_alone(host, shop):
    host.drop_in("lowportd@shop.socket", "[Socket]", "SocketMode=0660", "SocketGroup=lowport")
    try:
        host.do("systemctl", "restart", "lowportd@shop.socket")
        assert host.run("lowport", "status", "--socket", PATH, user="alice").returncode == 123
        host.do("lowport", "status", "--socket", PATH, user="bob")
    finally:
        host.no_drop_in("lowportd@shop.socket")


def test_305_one_without_a_policy_directory_is_told_at_once(host):
    for unit in ("lowportd@nosuch.socket", "lowportd-own@nosuch.socket"):
        result = host.run("systemctl", "start", unit)
        assert result.returncode != 0 and "Assertion failed" in result.stderr, result
        assert "/etc/lowport/nosuch" in host.run("systemctl", "status", unit).stdout


def test_306_it_is_as_closed(host, fact):
    path = host.show("lowportd.service", "FragmentPath").replace("lowportd.service", "lowportd@.service")
    result = host.run("systemd-analyze", "security", "--offline=true", "--threshold=16", path)
    assert result.returncode == 0, result.stdout[-200:]
    assert h.POLICY not in host.path(path).read_text()
