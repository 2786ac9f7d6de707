#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Debian packages in a root without a running systemd: installed, upgraded, removed, purged.

usage: install.py OLD NEW

OLD and NEW are folders with the packages: the same, but for the version, and for a policy.conf in
OLD that is another one. Runs as root, in a root of its own."""

import glob
import grp
import hashlib
import os
import pathlib
import pwd
import stat
import subprocess
import sys
import traceback

OLD, NEW = map(pathlib.Path, sys.argv[1:3])
POLICY = pathlib.Path("/etc/lowport/policy.conf")
SITE = pathlib.Path("/etc/lowport/policy.d/site.conf")
# What dpkg, ldconfig and systemd keep for themselves, and what is no file system of the root.
OTHERS = ("/proc", "/sys", "/dev", "/tmp", "/root", "/srv", "/run/lock", "/var/lib/dpkg", "/var/cache",
          "/var/log", "/etc/ld.so.cache", "/var/lib/systemd/catalog", "/etc/.pwd.lock",
          "/usr/share/python3", "/usr/lib/python3")
BACKUPS = ("passwd-", "group-", "shadow-", "gshadow-")
results = []


def run(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120).stdout


def everything():
    """Each path with its kind, mode and owner; of what is in /etc, its contents as well."""
    found = {}
    for top, folders, names in os.walk("/"):
        folders[:] = [d for d in folders if not os.path.join(top, d).startswith(OTHERS)]
        for name in folders + names:
            path = os.path.join(top, name)
            if path.startswith(OTHERS) or name in BACKUPS or "__pycache__" in path:
                continue
            info = os.lstat(path)
            content = None
            if stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(info.st_mode) and path.startswith("/etc"):
                content = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
            found[path] = (stat.filemode(info.st_mode), info.st_uid, info.st_gid, content)
    return found


def difference(before, after):
    return sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))


def packages(folder):
    return sorted(glob.glob(f"{folder}/*.deb"))


def install(folder, *options):
    return run("dpkg", *options, "--install", *packages(folder))


def check(function):
    try:
        function()
        print("ok", function.__doc__, flush=True)
        results.append(True)
    except Exception as error:  # pylint: disable=broad-except
        traceback.print_exc()
        if isinstance(error, subprocess.CalledProcessError):
            print(error.stdout)
        print("FAILED", function.__doc__, flush=True)
        results.append(False)


BEFORE = everything()
SHIPPED = {}


def first_installation():
    """the old version is installed, and its user and group are there"""
    install(OLD)
    SHIPPED["old"] = POLICY.read_text()
    user = pwd.getpwnam("lowport")
    assert user.pw_shell.endswith("nologin"), user
    assert 0 < user.pw_uid < 1000, user
    assert grp.getgrgid(user.pw_gid).gr_name == "lowport"
    assert grp.getgrnam("lowport").gr_mem == []


def an_untouched_policy_follows():
    """an upgrade replaces a policy that nobody has touched"""
    install(NEW)
    SHIPPED["new"] = POLICY.read_text()
    assert SHIPPED["new"] != SHIPPED["old"]
    assert "Who may bind which low port" in SHIPPED["new"]


def an_edited_policy_stays():
    """an upgrade keeps a policy that was edited, and the files beside it"""
    run("dpkg", "--purge", "lowport", "liblowport-dev", "liblowport0")
    install(OLD)
    edited = SHIPPED["old"] + "allow user www-data tcp 80\n"
    POLICY.write_text(edited)
    SITE.write_text("allow user backup tcp 873\n")
    install(NEW, "--force-confdef", "--force-confold")
    assert POLICY.read_text() == edited
    assert SITE.read_text() == "allow user backup tcp 873\n"
    assert pathlib.Path("/etc/lowport/policy.conf.dpkg-dist").read_text() == SHIPPED["new"]
    assert "granted" in run("lowport", "explain", "user", "www-data", "tcp:80")


def only_its_own_files():
    """nothing outside Lowport's own places was made, and all of it belongs to root"""
    places = ("/etc/lowport", "/usr/bin/lowport", "/usr/sbin/lowport", "/usr/libexec/lowport",
              "/usr/include/lowport", "/usr/share/doc/lowport", "/usr/share/doc/liblowport")
    after = everything()
    accounts = {"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"}
    for path in difference(BEFORE, after):
        mode, uid, gid, _ = after[path]
        assert path.startswith(places) or "lowport" in path or path in accounts or mode[0] == "d", path
        assert path in accounts or (uid, gid) == (0, 0), (path, after[path])
        assert path in accounts or mode[0] == "l" or mode[5] + mode[8] == "--", (path, mode)
        assert "s" not in mode[1:] and "S" not in mode[1:], (path, mode)
    for path, mode in {"/usr/bin/lowport": 0o755, "/usr/sbin/lowportd": 0o755,
                       "/usr/libexec/lowport/lowport-binder": 0o755,
                       "/etc/lowport": 0o755, "/etc/lowport/policy.d": 0o755,
                       "/etc/lowport/policy.conf": 0o644}.items():
        assert stat.S_IMODE(os.stat(path).st_mode) == mode, path
        assert os.listxattr(path) == [], f"{path}: a file capability"


def configuration():
    """all files in /etc/lowport are conffiles, and none else"""
    listed = run("dpkg-query", "--show", "--showformat=${Conffiles}\n", "lowport").split("\n")
    assert [line.split()[0] for line in listed if line] == ["/etc/lowport/policy.conf"], listed


def enabled_sockets():
    """the sockets are enabled, the daemon itself is not"""
    units = pathlib.Path("/lib/systemd/system")
    wanted = pathlib.Path("/etc/systemd/system/sockets.target.wants")
    for unit in ("lowportd.socket", "lowportd-own.socket"):
        assert os.readlink(wanted / unit) == str(units / unit)
    assert (units / "lowportd.service").exists()
    assert not list(pathlib.Path("/etc/systemd/system").glob("*.target.wants/lowportd.service"))
    info = pathlib.Path("/var/lib/dpkg/info")
    assert not (info / "lowport.preinst").exists(), "it stops something before an upgrade"
    assert "restart" not in (info / "lowport.prerm").read_text()
    restarts = [line for line in (info / "lowport.postinst").read_text().split("\n")
                if "restart" in line]
    assert len(restarts) == 1 and "try-restart lowportd.service" in restarts[0], restarts


def by_the_package_test():
    """what autopkgtest runs: denied, granted, served by run, wrap and the preload module"""
    run("dpkg", "--purge", "lowport", "liblowport-dev", "liblowport0")
    install(NEW)
    print(run("/srv/lowport/tests/grants"))


def removed():
    """removal leaves the policy, and nothing of the programs"""
    SITE.write_text("allow user backup tcp 873\n")
    run("dpkg", "--remove", "lowport", "liblowport-dev", "liblowport0")
    accounts = {"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"}
    left = set(difference(BEFORE, everything())) - accounts
    left = {p for p in left if not p.startswith(("/etc/lowport", "/etc/systemd", "/var/lib/systemd/"))}
    assert left == set(), left
    assert POLICY.exists() and SITE.exists()


def purged():
    """purging leaves nothing: no file, no user, no group"""
    run("dpkg", "--purge", "lowport", "liblowport-dev", "liblowport0")
    assert difference(BEFORE, everything()) == [], difference(BEFORE, everything())
    assert "lowport" not in pathlib.Path("/etc/passwd").read_text()
    assert "lowport" not in pathlib.Path("/etc/group").read_text()


for step in (first_installation, an_untouched_policy_follows, an_edited_policy_stays,
             only_its_own_files, configuration, enabled_sockets, by_the_package_test, removed, purged):
    if step is enabled_sockets and not os.path.exists("/lib/systemd/system/lowportd.socket"):
        continue
    check(step)
sys.exit(0 if all(results) else 1)
