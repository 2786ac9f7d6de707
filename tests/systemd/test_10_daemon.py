# SPDX-License-Identifier: MIT
"""The daemon as a unit: what an administrator does with it, and what users see of that."""

import os
import re

import pytest

import host as h
from host import eventually

DENIED = "MESSAGE_ID=eff1fa6bba5f4757b8f0665ff654a146"
GRANTED = "MESSAGE_ID=e4986b4ff91e445995fb724c0a054e77"
GATE = "/run/lowport-gate"


@pytest.fixture
def gate(host):
    """A daemon that starts only once the gate is open, so that a test can see what happens before."""
    host.remove(GATE)
    host.drop_in("lowportd.service", "[Service]",
                 f"ExecStartPre=/bin/sh -c 'until [ -e {GATE} ]; do sleep 0.05; done'")
    yield lambda: host.write(GATE, "")
    host.write(GATE, "")
    host.no_drop_in("lowportd.service")
    eventually(lambda: host.show("lowportd.service", "ActiveState") == "active", "it is up again")
    host.remove(GATE)


def clients_wait(host, n, user="alice"):
    """Starts clients, and waits until all of them do."""
    clients = [host.start("lowport", "explain", "tcp:80", user=user) for _ in range(n)]
    eventually(lambda: host.waiting_clients() == n, f"{n} clients wait")
    assert all(c.poll() is None for c in clients)
    return clients


def test_100_units_are_well_formed(host):
    units = h.UNITS + [u.replace(".", "@x.") for u in h.UNITS]
    result = host.run("systemd-analyze", "verify", "--man=no", *units)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_101_sockets_are_there_once_they_are_enabled(host):
    host.do("systemctl", "enable", "--now", *h.UNITS[1:])
    for unit in h.UNITS[1:]:
        assert host.do("systemctl", "is-active", unit).strip() == "active"
        assert host.do("systemctl", "is-enabled", unit).strip() == "enabled"
    for path in ("/etc/lowport", "/run/lowport"):
        assert host.do("stat", "-c", "%U:%G %a", path).strip() == "root:root 755"
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in host.path("/run/lowport").iterdir()}
    assert modes == {"socket": "0o666", "own.socket": "0o660"}
    assert host.do("stat", "-c", "%U:%G", "/run/lowport/own.socket").strip() == "root:lowport"


def test_102_the_first_request_starts_the_daemon_and_no_policy_denies(host):
    assert host.show("lowportd.service", "ActiveState") == "inactive"
    result = host.run("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")
    assert (result.returncode, "no rule" in result.stderr) == (121, True), result
    assert host.show("lowportd.service", "ActiveState") == "active"
    assert host.show("lowportd.service", "StatusText") == f"0 rules of {1 if os.environ.get('LOWPORT_DEBS') else 0} files in force"
    assert host.show("lowportd.service", "WatchdogUSec") == "30s"


def test_103_it_is_an_unprivileged_user_with_one_capability_in_one_process_tree(host):
    def fields(pid):
        status = host.path(f"/proc/{pid}/status").read_text()
        return dict(re.findall(r"^(\w+):\s*(.*)$", status, re.M))

    confined = re.search(r"^ *confined: (.*)$", host.do("lowport", "status"), re.M)[1].split()
    # All that does not depend on a kernel of late: the unit's own filter lets them do it.
    assert {"no-new-privileges", "limits", "one-capability", "no-root", "system-calls",
            "no-files"} <= set(confined), confined
    group = host.show("lowportd.service", "ControlGroup")
    pids = host.do("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
    assert len(pids) >= 6, "manager, auditor, registrar, binder and workers"
    for pid in pids:
        f = fields(pid)
        permitted = "400" if f["Name"] == "lowport-binder" else "0"
        assert f["Uid"].split()[0] == host.do("id", "-u", "lowport").strip()
        assert (f["CapPrm"].lstrip("0") or "0", f["CapEff"].lstrip("0")) == (permitted, ""), f
        assert (f["CapBnd"].lstrip("0"), f["NoNewPrivs"], f["Seccomp"]) == ("400", "1", "2"), f
        limits = host.path(f"/proc/{pid}/limits").read_text()
        files = int(re.search(r"Max open files\s+(\d+)", limits)[1])
        # As many as the container's systemd may have itself.
        most = re.search(r"Max open files\s+\d+\s+(\d+)", host.path("/proc/1/limits").read_text())[1]
        assert files == min(524288, int(most))


def test_104_a_rule_grants_once_reload_has_returned(host):
    """No moment after it in which the old policy is still in force."""
    host.do("systemctl", "start", "lowportd.service")
    for port in range(600, 620):
        host.write(h.POLICY, f"allow user alice tcp {port}\n")
        host.do("systemctl", "reload", "lowportd")
        host.do("lowport", "run", "-l", f"tcp:{port}", "--", "true", user="alice")
    assert host.run("lowport", "run", "-l", "tcp:600", "--", "true", user="alice").returncode == 121


def test_105_reload_of_a_broken_policy_fails_and_says_where(host, policy):
    policy("allow user alice tcp 80")
    before, pid = host.now(), host.main_pid()
    host.write(h.POLICY, "allow user alice tcp 80\nallow user alice tcpp 81\n")
    result = host.run("systemctl", "reload", "lowportd")
    assert result.returncode == 1 and "systemctl status" in result.stderr, result
    place = f"{h.POLICY}:2:18: "
    host.says(before, place, "expected tcp", match=["-u", "lowportd"])
    assert place in host.run("systemctl", "status", "lowportd").stdout
    # The old one stays, and so does the daemon.
    host.do("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")
    assert host.main_pid() == pid


def test_106_a_broken_policy_at_start_costs_no_socket(host, policy):
    policy("allow user alice tcp 80")
    host.write(h.POLICY, "nonsense\n")
    before = host.now()
    host.run("systemctl", "restart", "lowportd.service")
    for _ in range(8):  # more often than systemd usually starts a unit again
        restarts = int(host.show("lowportd.service", "NRestarts"))
        eventually(lambda n=restarts: int(host.show("lowportd.service", "NRestarts")) > n, "a restart")
    host.says(before, f"{h.POLICY}:1:1: ", match=["-u", "lowportd"])
    assert host.show("lowportd.socket", "ActiveState") == "active"
    client = host.start("lowport", "run", "--wait", "20", "-l", "tcp:80", "--", "true", user="alice")
    host.write(h.POLICY, "allow user alice tcp 80\n")
    assert client.wait(30) == 0, client.stderr.read()


def test_107_journal_entries_have_fields_and_an_explanation(host, policy):
    policy("allow user alice tcp 80")
    before = host.now()
    host.do("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")
    host.run("lowport", "run", "-l", "tcp4:443", "--", "true", user="bob")

    granted = host.says(before, "granted tcp [::]:80", match=[GRANTED])
    uid = host.do("id", "-u", "alice").strip()
    expected = {"LOWPORT_VERDICT": "granted", "LOWPORT_OPERATION": "open", "LOWPORT_UID": uid,
                "LOWPORT_USER": "alice", "LOWPORT_PROTOCOL": "tcp", "LOWPORT_ADDRESS": "::",
                "LOWPORT_PORT": "80", "LOWPORT_RULE_FILE": h.POLICY, "LOWPORT_RULE_LINE": "1",
                "LOWPORT_NETNS": "same", "_SYSTEMD_UNIT": "lowportd.service", "PRIORITY": "6",
                "SYSLOG_IDENTIFIER": "lowportd"}
    assert {k: granted.get(k) for k in expected} == expected
    assert int(granted["LOWPORT_INODE"]) > 0

    denied = host.says(before, "denied tcp 0.0.0.0:443", match=[DENIED])
    expected = {"LOWPORT_USER": "bob", "LOWPORT_PORT": "443", "LOWPORT_REASON": "no rule allows it",
                "LOWPORT_ERRNO": "13", "PRIORITY": "5"}
    assert {k: denied.get(k) for k in expected} == expected

    text = host.do("journalctl", "-x", "-n", "1", DENIED)
    for part in ("Subject: Port 443 was denied to a program", "tcp port 443 of address 0.0.0.0",
                 "no rule allows it", "systemctl reload lowportd", "lowport explain user"):
        assert part in text, text


def test_108_every_kind_of_record_has_its_text(host):
    source = (h.SOURCE / "src/lowportd/entry.c").read_text()
    ids = set(re.findall(r'id_\w+\[\] = "([0-9a-f]{32})"', source))
    assert len(ids) == 9
    listed = host.do("journalctl", "--list-catalog")
    assert {line[:32] for line in listed.splitlines() if "Lowport: " in line} == ids
    for i in ids:
        assert len(host.do("journalctl", "--dump-catalog", i).splitlines()) > 8


def test_109_clients_that_come_while_it_restarts_wait_and_are_served(host, policy, gate):
    policy_file = "allow user alice tcp 80\n"
    host.write(h.POLICY, policy_file)
    host.do("systemctl", "start", *h.UNITS[1:])
    inode = host.path("/run/lowport/socket").stat().st_ino
    host.do("systemctl", "restart", "--no-block", "lowportd.service")
    eventually(lambda: host.show("lowportd.service", "SubState") == "start-pre", "it restarts")
    clients = clients_wait(host, 10)
    gate()
    assert [c.wait(30) for c in clients] == [0] * 10
    assert host.path("/run/lowport/socket").stat().st_ino == inode


def test_110_restarts_under_clients_that_never_stop(host, policy, fact):
    policy("allow user alice tcp 80")
    script = ("n=0; while [ ! -e /run/lowport-enough ]; do lowport explain tcp:80 >/dev/null || "
              "{ echo \"failed after $n\"; exit 1; }; n=$((n + 1)); done; echo $n")
    clients = [host.start("sh", "-c", script, user=u) for u in ("alice", "alice")]
    try:
        for _ in range(10):
            host.do("systemctl", "restart", "lowportd.service")
    finally:
        host.write("/run/lowport-enough", "")
        ends = [(c.wait(30), c.stdout.read().strip()) for c in clients]
        host.remove("/run/lowport-enough")
    assert all(status == 0 for status, _ in ends), ends
    fact(f"10 restarts of lowportd.service: {sum(int(n) for _, n in ends)} requests served, none lost")


def test_111_a_stopped_manager_is_replaced_and_waiting_clients_are_served(host, policy, gate):
    gate()
    host.drop_in("lowportd.service", "[Service]", "WatchdogSec=1s", name="watchdog")
    try:
        policy("allow user alice tcp 80")
        host.do("systemctl", "restart", "lowportd.service")
        host.remove(GATE)
        before, pid = host.now(), host.main_pid()
        host.kill("STOP", pid)
        # The binder does without it, for as long as it is let.
        eventually(lambda: host.show("lowportd.service", "SubState") == "start-pre", "it restarts")
        host.says(before, "Watchdog timeout", match=["-u", "lowportd"])
        clients = clients_wait(host, 3)
        gate()
        assert [c.wait(30) for c in clients] == [0] * 3
        assert host.main_pid() != pid
    finally:
        host.no_drop_in("lowportd.service", name="watchdog")


def test_112_a_stopped_manager_delays_no_client(host, policy):
    policy("allow user alice tcp 80")
    pid = host.main_pid()
    host.kill("STOP", pid)
    try:
        host.do("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")
    finally:
        host.kill("CONT", pid)
    assert host.main_pid() == pid


@pytest.mark.parametrize("name", ["lowport-binder", "lowportd"])
def test_113_a_killed_part_is_replaced(host, policy, name):
    policy("allow user alice tcp 80")
    pid, before = host.main_pid(), host.now()
    victim = pid
    if name == "lowport-binder":
        children = host.do("cat", f"/proc/{pid}/task/{pid}/children").split()
        victim = next(c for c in children if host.do("cat", f"/proc/{c}/comm").strip() == name)
    host.kill("KILL", victim)
    host.says(before, "Main process exited", match=["-u", "lowportd"])
    host.do("lowport", "run", "--wait", "20", "-l", "tcp:80", "--", "true", user="alice")
    eventually(lambda: host.main_pid() not in (0, pid), "another manager")


def test_114_the_own_socket_is_for_the_group(host, policy):
    policy("allow user alice tcp 80", "allow user bob tcp 80")
    serve = "import socket; socket.create_server(('', 80))"
    result = host.run("lowport", "wrap", "--", "python3", "-c", serve, user="alice")
    assert result.returncode != 0 and "Permission denied" in result.stderr, result
    host.do("lowport", "wrap", "--", "python3", "-c", serve, user="bob")


def test_115_a_stopped_socket_takes_the_daemon_along_and_comes_back(host, policy):
    policy("allow user alice tcp 80")
    host.do("systemctl", "stop", "lowportd.socket")
    assert host.show("lowportd.service", "ActiveState") == "inactive"
    assert not host.path("/run/lowport/socket").exists()
    host.do("systemctl", "start", "lowportd.socket")
    host.do("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")
    for unit in h.UNITS[1:]:
        host.do("systemctl", "restart", unit)
        host.do("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")


def test_116_a_daemon_started_by_hand_has_the_socket(host, policy):
    policy("allow user alice tcp 80")
    host.do("systemctl", "stop", *h.UNITS)
    host.do("systemctl", "start", "lowportd.service")
    host.do("lowport", "run", "-l", "tcp:80", "--", "true", user="alice")
    host.do("systemctl", "stop", *h.UNITS)
    host.do("systemctl", "start", *h.UNITS[1:])


def exposure(host, limit, unit):
    path = host.show(unit, "FragmentPath")
    result = host.run("systemd-analyze", "security", "--offline=true", f"--threshold={limit}", path)
    return result.returncode, re.search(r"Overall exposure level.*: ([\d.]+)", result.stdout)[1]


def test_117_exposure(host, fact):
    status, score = exposure(host, 16, "lowportd.service")
    fact(f"exposure of lowportd.service: {score}")
    assert status == 0, score
    host.own_only()
    try:
        status, score = exposure(host, 14, "lowportd.service")
        fact(f"exposure of lowportd.service with own-only.conf: {score}")
        assert status == 0, score
    finally:
        host.no_own_only()
