# SPDX-License-Identifier: MIT
"""What is left when Lowport has gone. The last test, since nothing works after it."""

import os

import host as h


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
    else:
        manifest = (h.SOURCE / "build/release/install_manifest.txt").read_text().split()
        host.do("rm", *manifest)
    host.do("systemctl", "daemon-reload")
    for what in (["list-unit-files"], ["list-units", "--all"]):
        assert host.run("systemctl", *what, "--no-legend", "lowport*").stdout == ""
    left = host.do("find", "/usr/lib/systemd", "/usr/lib/sysusers.d", "/usr/lib/tmpfiles.d", "/usr/sbin",
                   "/etc/systemd", "-name", "lowport*")
    assert left == ""
