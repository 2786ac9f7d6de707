# SPDX-License-Identifier: MIT
"""Fixtures: the images, and a daemon and containers that are ended and looked at afterwards."""

import os
import pathlib
import signal
import subprocess

import pytest

import host

REPORT = []  # lines for the end of the run


def pytest_terminal_summary(terminalreporter):
    for line in REPORT:
        terminalreporter.write_line(line)


@pytest.fixture
def report():
    return REPORT.append


@pytest.fixture(autouse=True)
def time_limit():
    """A test that hangs fails by itself, and says where it stood."""
    def expired(*_):
        pytest.fail("more than 90 s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(90)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session", autouse=True)
def images():
    """The two images of packaging/container, and an application on top of the first."""
    host.prepare()
    host.web("podman", "build", "--quiet", "--tag=lowport", "--file=/srv/context/Containerfile",
             "/srv/context")
    host.web("podman", "build", "--quiet", "--tag=lowport-daemon",
             "--file=/srv/context/Containerfile.daemon", "/srv/context")
    pathlib.Path("/srv/application/Containerfile").write_text(
        'FROM localhost/lowport\nCOPY server /server\nCMD ["/server"]\n')
    host.web("podman", "build", "--quiet", "--tag=application", "/srv/application")
    yield
    left = host.web("podman", "ps", "--all", "--quiet").stdout
    assert not left, f"containers are left: {left}"


@pytest.fixture
def daemon():
    """Starts daemons: `daemon("allow user web tcp 80")`."""
    started = []

    def start(*rules, **how):
        started.append(host.Daemon(*rules, **how))
        return started[-1]

    yield start
    for one in started:
        assert one.process.poll() is not None or one.stop() == 0, one.text()


@pytest.fixture
def container():
    """Starts containers: `container("--network=none", "application")`."""
    started = []

    def start(*arguments, **how):
        started.append(host.Container(*arguments, **how))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()
