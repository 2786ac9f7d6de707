# SPDX-License-Identifier: MIT
"""Rules with `unit`, where systemd makes the units."""

import os

import pytest


RULE = "allow user alice unit web.service tcp 80"
UNIT = "[Service]\nType=oneshot\nExecStart=lowport run -l tcp:80 -- true\n"

pytestmark = pytest.mark.skipif(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 5),
                                reason="Linux before 6.5 has no pidfd of a peer")


@pytest.fixture
def unit(host):
    """Runs `lowport run -l tcp:80` as alice in a system unit; returns its exit status."""
    made = []

    def run(name, *settings):
        made.append(name)
        host.write(f"/run/systemd/system/{name}", UNIT + "User=alice\n" + "\n".join(settings) + "\n")
        host.do("systemctl", "daemon-reload")
        host.run("systemctl", "start", name)
        return int(host.show(name, "ExecMainStatus"))
    yield run
    for name in made:
        host.run("systemctl", "stop", name)
        host.run("systemctl", "reset-failed", name)
        host.remove(f"/run/systemd/system/{name}")
    host.do("systemctl", "daemon-reload")


@pytest.fixture
def users_unit(host):
    """The same in a unit of alice's own."""
    uid = host.do("id", "-u", "alice").strip()

    def run(name):
        host.do("mkdir", "-p", "/home/alice/.config/systemd/user", user="alice")
        host.write(f"/home/alice/.config/systemd/user/{name}", UNIT)
        host.do("systemctl", "start", f"user@{uid}.service")
        systemctl = ["env", f"XDG_RUNTIME_DIR=/run/user/{uid}", "systemctl", "--user"]
        host.run(*systemctl, "start", name, user="alice")
        return int(host.do(*systemctl, "show", "--value", "-p", "ExecMainStatus", name, user="alice"))
    yield run
    host.run("systemctl", "stop", f"user@{uid}.service")
    host.run("rm", "-rf", "/home/alice/.config")


# Both ways to find a unit: in the tree of control groups, as the unit of lowportd has it, and in /proc.
@pytest.fixture(params=["invisible", "default"])
def proc(request, host):
    if request.param != "invisible":
        host.drop_in("lowportd.service", "[Service]", f"ProtectProc={request.param}", name="proc")
    host.do("systemctl", "restart", "lowportd.service")
    assert host.show("lowportd.service", "ProtectProc") == request.param
    yield
    host.no_drop_in("lowportd.service", name="proc")
    host.do("systemctl", "restart", "lowportd.service")


def test_400_the_unit_that_is_named_and_no_other(host, policy, proc, unit):
    policy(RULE)
    before = host.now()
    assert unit("web.service") == 0
    entry = host.says(before, "granted tcp [::]:80", match=["-u", "lowportd"])
    assert entry["LOWPORT_UNIT"] == "web.service"
    assert unit("other.service") == 121
    entry = host.says(before, "denied tcp [::]:80", match=["-u", "lowportd"])
    assert entry["LOWPORT_UNIT"] == "other.service"
    assert host.run("lowport", "run", "-l", "tcp:80", "--", "true", user="alice").returncode == 121


def test_401_another_slice_and_a_delegated_group(host, policy, proc, unit):
    policy(RULE)
    assert unit("web.service", "Slice=deep-er-still.slice", "Delegate=yes") == 0


def test_402_a_users_own_unit_of_that_name(host, policy, proc, users_unit):
    policy(RULE)
    before = host.now()
    assert users_unit("web.service") == 121
    entry = host.says(before, "denied tcp [::]:80", match=["-u", "lowportd"])
    assert entry["LOWPORT_UNIT"].startswith("user@")


def test_403_a_dynamic_user_by_its_unit(host, policy, proc):
    policy("allow anyone unit dyn.service tcp 80")
    run = ["systemd-run", "--wait", "--quiet", "--collect", "-pDynamicUser=yes"]
    command = ["lowport", "run", "-l", "tcp:80", "--", "true"]
    host.do(*run, "--unit=dyn", *command)
    assert host.run(*run, "--unit=dyn2", *command).returncode == 121


def test_404_explain_shows_the_unit(host, policy):
    policy("allow user alice unit seen.service tcp 80")
    out = host.do("systemd-run", "--wait", "--quiet", "--collect", "--pipe", "--unit=seen", "-pUser=alice",
                  "lowport", "explain", "tcp:80")
    assert "unit: seen.service" in out, out
