# SPDX-License-Identifier: MIT
"""Rootless `podman run -p 80:…`: what gets the port, and what cannot."""

import os
import pathlib
import signal

import pytest

import host
from host import CLIENT4, client_of, web, web_detached

# The application listens on a high port of its own network, and knows nothing of Lowport.
APPLICATION = ["--cap-drop=all", "--user=1000", "--entrypoint=lowport", "application",
               "run", "-l", "tcp:8080", "--", "/server"]
# It takes descriptor 3, and has no network at all.
SERVER = ["--network=none", *host.STRICT, "--user=1000", "--entrypoint=/server", "application"]
PUBLISH = "--publish=80:8080"
SLIRP = "--network=slirp4netns:port_handler=slirp4netns"
ROOTLESSPORT = "10.0.2.100"  # what its clients' addresses become

WAYS = {
    # podman's own port handler is written in Go.
    "wrap, rootlessport": (["lowport", "wrap", "--via=seccomp"], [PUBLISH, *APPLICATION], ROOTLESSPORT),
    "wrap, slirp4netns": (["lowport", "wrap", "--via=seccomp"], [SLIRP, PUBLISH, *APPLICATION], CLIENT4),
    "wrap by preload, slirp4netns": (["lowport", "wrap", "--via=preload"],
                                     [SLIRP, PUBLISH, *APPLICATION], CLIENT4),
    "run": (["lowport", "run", "--no-direct", "-l", "tcp:80"], SERVER, CLIENT4),
    "run --own": (["lowport", "run", "--own", "--no-direct", "-l", "tcp:80"], SERVER, CLIENT4),
    "run, --preserve-fds": (["lowport", "run", "--no-direct", "-l", "tcp:80"],
                            ["--preserve-fds=1", *SERVER], CLIENT4),
}


@pytest.fixture(autouse=True)
def a_daemon(daemon):
    return daemon("allow user web tcp 80")


@pytest.mark.parametrize("way", WAYS)
def test_port_80_is_published_by(way, a_daemon, container):
    before, arguments, client = WAYS[way]
    one = container(*arguments, before=[*before, "--"])
    assert client_of(one.answers()) == client
    # Now and later it is web's doing, not that of a uid of the container.
    a_daemon.says("granted tcp", "to web (uid 1001")
    one.stop()
    assert host.fetch() is None


def test_a_detached_container_stays_published(container):
    before, arguments, client = WAYS["wrap, rootlessport"]
    web_detached(*before, "--", "podman", "run", "--detach", "--name=detached", *arguments)
    try:
        answer = host.eventually(host.fetch, "an answer")
        assert client_of(answer) == client
        # podman starts the port handler anew, from what wrap has left.
        web_detached(*before, "--", "podman", "restart", "--time=5", "detached")
        assert host.eventually(host.fetch, "an answer after a restart")
    finally:
        web("podman", "rm", "--force", "--time=5", "detached")


def test_a_detached_container_keeps_the_descriptor():
    before, arguments, client = WAYS["run"]
    web_detached(*before, "--", "podman", "run", "--detach", "--rm", "--name=detached", *arguments)
    try:
        assert client_of(host.eventually(host.fetch, "an answer")) == client
    finally:
        web("podman", "rm", "--force", "--time=5", "detached")


def test_pasta_publishes_with_the_real_client_address(daemon):
    command = [*host.as_web(), "lowport", "wrap", "--via=seccomp", "-v", "--", "pasta", "--config-net",
               "--no-map-gw", "--tcp-ports=80:8080", "--", "lowport", "run", "-l", "tcp:8080",
               "--", "/srv/application/server"]
    one = host.Program(command, host.AS_WEB, cwd="/home/web", start_new_session=True)
    try:
        assert client_of(one.answers()) == CLIENT4
    finally:
        os.killpg(one.process.pid, signal.SIGTERM)  # pasta does not end what it runs
        one.ended()


# What cannot work, and how it shows.


def test_without_lowport_the_port_is_refused():
    result = host.once(PUBLISH, *APPLICATION)
    assert result.returncode != 0
    assert "cannot expose privileged port 80" in result.stderr


def test_preload_does_not_reach_rootlessport():
    """It is written in Go, which has no libc to stand in for."""
    result = web("lowport", "wrap", "--via=preload", "--", "podman", "run", "--rm", PUBLISH,
                 *APPLICATION, check=False)
    assert result.returncode != 0
    assert "cannot expose privileged port 80" in result.stderr


def test_preload_reaches_the_daemon_under_run_only(daemon, a_daemon):
    """slirp4netns shuts itself into a file system that has /etc and /run of the host's."""
    a_daemon.stop()
    home = pathlib.Path("/srv/elsewhere")
    home.mkdir()
    os.chown(home, host.LOWPORT, host.LOWPORT)
    daemon("allow user web tcp 80", options=["--own-socket", home / "own.socket"])
    environment = {"LOWPORT_OWN_SOCKET": str(home / "own.socket")}
    before, arguments, _ = WAYS["wrap by preload, slirp4netns"]
    result = web(*before, "--", "podman", "run", "--rm", *arguments, env=environment, check=False)
    assert result.returncode != 0
    # The supervisor is outside of it.
    before, arguments, client = WAYS["wrap, slirp4netns"]
    one = host.Container(*arguments, before=[*before, "--"], env=environment)
    try:
        assert client_of(one.answers()) == client
    finally:
        one.stop()


def test_the_first_podman_of_a_session_must_not_be_under_wrap():
    """It makes the user namespace with newuidmap, which is set-uid, and gains nothing under wrap;
    any podman command before makes one that the others join."""
    before, arguments, _ = WAYS["wrap, rootlessport"]
    pause = pathlib.Path(web("podman", "info", "--format={{.Store.RunRoot}}").stdout.strip()).parent
    pause = pause / "libpod/tmp/pause.pid"
    assert pause.exists(), f"no {pause}"
    web("podman", "system", "migrate")
    assert not pause.exists()
    result = web(*before, "--", "podman", "run", "--rm", *arguments, check=False)
    assert result.returncode != 0
    assert "newuidmap" in result.stderr
    web("podman", "unshare", "true")
    one = host.Container(*arguments, before=[*before, "--"])
    try:
        assert one.answers()
    finally:
        one.stop()


def test_a_user_without_a_rule_is_refused_with_the_reason(a_daemon):
    a_daemon.reload("allow user lowport tcp 80")
    before, arguments, _ = WAYS["wrap, rootlessport"]
    result = web(*before, "--", "podman", "run", "--rm", *arguments, check=False)
    assert result.returncode != 0
    assert "tcp [::]:80: denied: no rule allows this to uid 1001" in result.stderr
    assert "cannot expose privileged port 80" in result.stderr


def test_nothing_of_it_is_left():
    def left():
        """But for the process that holds podman's user namespace."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if path.stat().st_uid == host.WEB:
                    found.append((path / "comm").read_text().strip())
            except (FileNotFoundError, ProcessLookupError):
                continue
        return set(found) - {"podman pause", "catatonit"}

    try:
        host.eventually(lambda: not left(), "the end of all processes")
    except AssertionError:
        raise AssertionError(left()) from None
