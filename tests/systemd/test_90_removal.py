# SPDX-License-Identifier: MIT
"""What is left when Lowport has gone. The last test, since nothing works after it."""

import os

import host as h


def test_899_an_upgrade_keeps_the_policy_and_what_applications_hold(host, policy):
    if not os.environ.get("LOWPORT_DEBS"):
        return  # it is a package that is upgraded
    policy("allow user alice tcp 80")
    host.do("systemd-run", "--quiet", "--unit=hold", "--uid=alice", "lowport", "run", "-l", "tcp:80", "--",
            "sleep", "600")
    try:
        h.eventually(lambda: ":80 " in host.do("ss", "-ltHn"), "it listens")
        inode = host.path("/run/lowport/socket").stat().st_ino
        before = host.main_pid()
        host.do("sh", "-c", "dpkg --install /srv/debs/*.deb")
        assert host.path(h.POLICY).read_text() == "allow user alice tcp 80\n"
        assert host.show("hold.service", "ActiveState") == "active" and ":80 " in host.do("ss", "-ltHn")
        assert host.path("/run/lowport/socket").stat().st_ino == inode
        for unit in h.UNITS[1:]:
            assert host.show(unit, "ActiveState") == "active"
        host.do("lowport", "explain", "tcp:80", user="alice")
        assert host.main_pid() != before, "the new one runs"
    finally:
        host.do("systemctl", "stop", "hold.service")


def test_900_nothing_runs_or_listens_once_it_is_disabled(host):
    host.do("systemctl", "start", *h.UNITS[1:])
    host.do("lowport", "status")
    host.do("systemctl", "disable", "--now", *h.UNITS[1:])
    for unit in h.UNITS:
        assert host.show(unit, "ActiveState") == "inactive"
        assert host.processes(unit) == 0
    assert list(host.path("/run/lowport").iterdir()) == []
    assert "lowport" not in host.do("ss", "-xlH")
    names = [host.path(p).read_text().strip() for p in host.do("sh", "-c", "echo /proc/[0-9]*/comm").split()
             if host.path(p).exists()]
    assert not [n for n in names if n.startswith("lowport")], names


def test_901_uninstalled(host):
    if os.environ.get("LOWPORT_DEBS"):
        host.do("dpkg", "--purge", "lowport", "liblowport0")
        left = host.do("find", "/", "-xdev", "-name", "*lowport*", "-not", "-path", "/srv/*").split()
        assert left == [], left
    else:
        manifest = (h.SOURCE / "build/release/install_manifest.txt").read_text().split()
        host.do("rm", *manifest)
    host.do("systemctl", "daemon-reload")
    for what in (["list-unit-files"], ["list-units", "--all"]):
        assert host.run("systemctl", *what, "--no-legend", "lowport*").stdout == ""
    left = host.do("find", "/usr/lib/systemd", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/sbin",
                   "/etc/systemd", "-name", "lowport*")
    assert left == ""
