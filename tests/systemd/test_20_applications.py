# SPDX-License-Identifier: MIT
"""Applications as units: the examples, just as they are installed, and hardened ones of the test's."""

import pytest

import host as h
from host import eventually

HERE, NET = "127.0.0.1", "192.0.2.1"
CONFINED = ["NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes",
            "PrivateDevices=yes", "CapabilityBoundingSet=", "RestrictNamespaces=yes",
            "MemoryDenyWriteExecute=yes", "LockPersonality=yes", "RestrictSUIDSGID=yes",
            "ProtectKernelTunables=yes", "ProtectControlGroups=yes", "ProtectProc=invisible",
            "SystemCallArchitectures=native", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"]


@pytest.fixture
def example(host):
    """Installs and starts an example as its reader would, and stops it at the end."""
    started = []

    def start(name, *settings):
        if host.run("sh", "-c", "command -v python3").returncode != 0:
            pytest.skip("no python3 in the root")
        host.write("/usr/local/bin/hello.py", host.path(f"{h.EXAMPLES}/hello.py").read_text(), 0o755)
        host.write(f"/etc/systemd/system/{name}", host.path(f"{h.EXAMPLES}/{name}").read_text())
        started.append(name)
        host.drop_in(name, "[Service]", *settings)
        host.do("systemctl", "start", name)
    yield start
    for name in started:
        host.run("systemctl", "stop", name)
        host.remove(f"/etc/systemd/system/{name}")
        host.no_drop_in(name)
        host.run("systemctl", "reset-failed", name)


@pytest.fixture
def firewall(host):
    """Whether IPAddressDeny= has an effect in this container, where its systemd must load BPF programs."""
    send = ("import socket; s = socket.create_server(('127.0.0.1', 8000)); "
            "socket.create_connection(('127.0.0.1', 8000), 2)")
    command = ["systemd-run", "--wait", "--quiet", "--collect"]
    host.do(*command, "python3", "-c", send)
    return host.run(*command, "-p", "IPAddressDeny=any", "python3", "-c", send).returncode != 0


def serves(host, port=80, source=HERE, address=HERE):
    return eventually(lambda: host.get(port, address, source), f"port {port} answers")


def needs_own(host):
    if "--own " not in host.do("lowport", "run", "--help"):
        pytest.skip("`lowport run` has no --own")


def test_200_examples_are_well_formed(host):
    names = sorted(p.name for p in host.path(h.EXAMPLES).glob("*.service"))
    assert names == ["hello-bind.service", "hello-keep.service", "hello-own.service", "hello-run.service", "hello-wrap.service"]
    host.write("/usr/local/bin/hello.py", "", 0o755)
    result = host.run("systemd-analyze", "verify", "--man=no", *(f"{h.EXAMPLES}/{n}" for n in names))
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_201_with_run(host, policy, example):
    policy("allow user www-data tcp 80")
    example("hello-run.service")
    assert serves(host).endswith(f"hello, {HERE}\n\n")
    assert serves(host, source=NET, address=NET).endswith(f"hello, {NET}\n\n")
    assert host.show("hello-run.service", "NoNewPrivileges") == "yes"


def test_202_with_wrap(host, policy, example):
    policy("allow user www-data tcp 80")
    host.write("/srv/index.html", "from a file\n")
    example("hello-wrap.service")
    assert "from a file" in serves(host)
    pid = host.main_pid("hello-wrap.service")
    assert "http.server" in host.do("cat", f"/proc/{pid}/cmdline"), "the program has the unit's pid"
    assert "LD_PRELOAD" not in host.do("cat", f"/proc/{pid}/environ"), "by seccomp, the better way"


def test_203_own_sockets_are_under_the_units_firewall(host, policy, example, firewall):
    needs_own(host)
    policy("allow user www-data tcp 80")
    example("hello-own.service")
    assert serves(host).endswith(f"hello, {HERE}\n\n")
    if not firewall:
        pytest.skip("IPAddressDeny= has no effect in this container; served without that")
    assert host.get(80, NET, NET) is None, "IPAddressAllow=localhost keeps the others out"
    host.drop_in("hello-own.service", "[Service]", "IPAddressAllow=192.0.2.0/24", name="wider")
    host.do("systemctl", "restart", "hello-own.service")
    assert serves(host, source=NET, address=NET).endswith(f"hello, {NET}\n\n")
    host.no_drop_in("hello-own.service", name="wider")
    assert int(host.show("hello-own.service", "IPIngressBytes")) > 0


def test_204_the_daemons_sockets_are_not(host, policy, example, firewall):
    """As docs/systemd.md says of open mode."""
    if not firewall:
        pytest.skip("IPAddressDeny= has no effect in this container")
    policy("allow user www-data tcp 80")
    example("hello-run.service", "IPAddressDeny=any", "IPAddressAllow=localhost")
    assert serves(host, source=NET, address=NET).endswith(f"hello, {NET}\n\n")


def test_205_own_only_cuts_no_client(host, policy, example, firewall):
    policy("allow user www-data tcp 80")
    try:
        host.own_only()
        host.do("systemctl", "disable", "--now", "lowportd.socket")
        host.do("systemctl", "mask", "lowportd.socket")
        host.do("systemctl", "restart", "lowportd-own.socket")
        example("hello-wrap.service")
        assert serves(host, source=NET, address=NET)
        assert not host.path("/run/lowport/socket").exists()
    finally:
        host.no_own_only()
        host.do("systemctl", "unmask", "lowportd.socket")
        host.do("systemctl", "enable", "lowportd.socket")
        host.do("systemctl", "restart", *h.UNITS[1:])


def test_206_with_the_library_as_a_dynamic_user(host, policy, example):
    policy("allow group lowport tcp 80")
    example("hello-bind.service")
    assert serves(host).endswith(f"hello, {HERE}\n\n")
    uid = host.path(f"/proc/{host.main_pid('hello-bind.service')}").stat().st_uid
    assert 61184 <= uid <= 65519, "a uid of DynamicUser="


def test_207_an_example_that_is_not_allowed_says_why(host, policy, example):
    policy("allow user alice tcp 80")
    before = host.now()
    example("hello-run.service", "Restart=no")
    eventually(lambda: host.show("hello-run.service", "ActiveState") == "failed", "it fails")
    assert host.show("hello-run.service", "ExecMainStatus") == "121"
    host.says(before, "no rule allows user www-data", match=["-u", "hello-run.service"])


SERVE = ("import os, socket\n"
         "fd = os.environ.get('LISTEN_FDS')\n"
         "s = socket.socket(fileno=3) if fd else socket.create_server(('', 81))\n"
         "c = socket.create_connection(('127.0.0.1', 81))\n"
         "a = s.accept()[0]\n"
         "a.sendall(b'served as uid %d' % os.getuid())\n"
         "print(c.recv(99).decode())\n")


@pytest.mark.parametrize("how", [
    ["run", "-v", "-l", "tcp:81"],
    ["run", "-v", "--own", "-l", "tcp:81"],
    ["wrap", "-v", "--via=seccomp"],
    ["wrap", "-v", "--via=preload"],
], ids=lambda how: " ".join(w for w in how if w not in ("-v", "-l", "tcp:81")))
@pytest.mark.parametrize("user", ["User=www-data", "DynamicUser=yes"])
def test_208_in_a_hardened_unit(host, policy, how, user):
    """NoNewPrivileges=, ProtectSystem=strict, no capability at all."""
    if "--own" in how:
        needs_own(host)
    policy("allow group lowport tcp 81")
    settings = [f"-p{s}" for s in [*CONFINED, user, "SupplementaryGroups=lowport"]]
    result = host.run("systemd-run", "--wait", "--pipe", "--quiet", "--collect", *settings,
                      "lowport", *how, "--", "python3", "-c", SERVE)
    assert result.returncode == 0, result
    uid = int(result.stdout.rpartition(" ")[2])
    assert uid == 33 if user == "User=www-data" else 61184 <= uid <= 65519, result
