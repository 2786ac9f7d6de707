# SPDX-License-Identifier: MIT
"""The daemon in a container of its own, for applications in rootless ones."""

import os
import pathlib
import re
import socket
import subprocess

import pytest

import host
from host import CLIENT4, client_of, mapped

CAPABILITIES = ["NET_BIND_SERVICE", "SETUID", "SETGID", "SETPCAP", "CHOWN"]
HERE = pathlib.Path("/run/lowport-container")
SERVE = ["--network=none", *host.STRICT, f"--volume={HERE}:/run/lowport", "--user=1000",
         "application"]
ALLOWED = f"allow user {mapped(1000)} tcp 80 netns any"
OPTIONS = ["--network=host", *host.STRICT, *(f"--cap-add={name}" for name in CAPABILITIES),
           f"--volume={HERE}:/run/lowport", "--volume=/etc/lowport:/etc/lowport:ro"]


class DaemonContainer(host.Service):
    """`podman run lowport-daemon`, as root, perhaps behind another command."""

    def __init__(self, *options, before=(), arguments=(), env=None, **how):
        super().__init__([*before, "podman", "run", "--rm", "--name=lowportd", "--sdnotify=container",
                          *options, "lowport-daemon", *arguments],
                         host.ENVIRONMENT | (env or {}), **how)

    def stop(self):
        podman("stop", "--time=10", "lowportd")
        return self.ended()


def podman(*command):
    result = subprocess.run(["podman", *command], env=host.ENVIRONMENT, text=True, check=False,
                            capture_output=True, timeout=host.DEADLINE)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module", autouse=True)
def image():
    podman("build", "--quiet", "--tag=lowport-daemon", "--file=/srv/context/Containerfile.daemon",
           "/srv/context")
    HERE.mkdir(exist_ok=True)
    yield
    assert not podman("ps", "--all", "--quiet")


@pytest.fixture
def start():
    started = []

    def begin(*options, policy=ALLOWED, **how):
        host.allow(policy)
        started.append(DaemonContainer(*options, **how))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            assert one.stop() == 0, one.text()


def family(name):
    """What /proc says of each process of the daemon's."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if re.search(rf"^Name:\t{name}", text, re.M):
            found.append(dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line))
    return found


def test_it_serves_a_rootless_container(start, container):
    one = start(*OPTIONS)
    assert client_of(container(*SERVE).answers()) == CLIENT4
    one.says(f"granted tcp [::]:80 to uid {mapped(1000)}", "/etc/lowport/policy.conf:1")


def test_it_keeps_one_capability_in_the_binder_alone(start):
    start(*OPTIONS)
    managers, binders = family("lowportd"), family("lowport-binder")
    assert managers and binders
    for facts in managers + binders:
        assert set(facts["Uid"].split()) == {"990"}, facts
        assert int(facts["CapEff"], 16) == 0
        assert facts["NoNewPrivs"] == "1"
    assert {int(facts["CapPrm"], 16) for facts in managers} == {0}
    assert {int(facts["CapPrm"], 16) for facts in binders} == {1 << 10}
    assert {int(facts["CapBnd"], 16) for facts in binders} == {1 << 10}


def test_it_takes_a_user_with_an_ambient_capability(start, container):
    """As podman gives it to a user that is not root; docker does not."""
    os.chown(HERE, host.LOWPORT, host.LOWPORT)
    try:
        one = start("--network=host", *host.STRICT, "--cap-add=NET_BIND_SERVICE", "--user=990:990",
                    f"--volume={HERE}:/run/lowport", "--volume=/etc/lowport:/etc/lowport:ro")
        assert client_of(container(*SERVE).answers()) == CLIENT4
        one.stop()
    finally:
        os.chown(HERE, 0, 0)


def test_it_reloads_and_says_so(start, container):
    one = start(*OPTIONS, policy="")
    host.allow(ALLOWED)
    podman("kill", "--signal=HUP", "lowportd")
    one.says("reloaded: 1 rules")  # podman passes nothing on after READY=1
    assert container(*SERVE).answers()


def test_it_can_be_asked_for_its_state(start):
    start(*OPTIONS)
    assert "1 rules in force" in podman("exec", "lowportd", "lowport", "status")


def test_applications_notice_a_restart_and_keep_their_sockets(start, container):
    start(*OPTIONS).stop()
    first = start(*OPTIONS)
    one = container(*SERVE)
    one.answers()
    first.stop()
    assert client_of(one.answers()) == CLIENT4
    start(*OPTIONS)
    assert "granted" in one.run("lowport", "explain", "tcp:80").stdout


def test_it_takes_its_listening_socket_from_who_starts_it(start, container):
    """LISTEN_FDS, which podman passes on: the socket outlives the daemon."""
    path = HERE / "socket"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        fd = listener.fileno()
        shell = 'exec 3<&"$FD"; export LISTEN_PID=$$; exec "$@"'
        one = start(*OPTIONS, before=["bash", "-c", shell, "bash"], pass_fds=[fd],
                    env={"LISTEN_FDS": "1", "FD": str(fd)})
        assert client_of(container(*SERVE).answers()) == CLIENT4
        one.stop()
    assert path.exists()  # it was not the daemon's to remove
    path.unlink()
