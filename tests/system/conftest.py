# SPDX-License-Identifier: MIT
"""Fixtures of the system tests: people, and a daemon that is stopped and looked at afterwards."""

import os
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import world  # noqa: E402


def pytest_configure(config):
    if os.environ.get("LOWPORT_WORLD") != "1":
        raise pytest.UsageError("system tests need a world of their own: scripts/test system")
    config.addinivalue_line("markers", "users: needs more than one uid")
    config.addinivalue_line("markers", "without_sanitizers: a sanitizer's runtime would spoil it")
    config.addinivalue_line("markers", "seconds(n): may take longer than a minute")
    world.install()


def pytest_collection_modifyitems(config, items):
    # What a sanitizer's runtime itself would spoil is no test there, and so is not skipped either.
    if world.SANITIZE:
        spoilt = [item for item in items if item.get_closest_marker("without_sanitizers")]
        config.hook.pytest_deselected(items=spoilt)
        items[:] = [item for item in items if item not in spoilt]
    if world.MANY_USERS:
        return
    skip = pytest.mark.skip(reason="needs several users: run as root, or install uidmap and have "
                                   "a line in /etc/subuid and /etc/subgid")
    for item in items:
        if item.get_closest_marker("users"):
            item.add_marker(skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    # Where nobody reads along, a test that did not run is one that failed.
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"


@pytest.fixture(autouse=True)
def time_limit(request):
    """A test that hangs fails by itself, and says where it stood."""
    marker = request.node.get_closest_marker("seconds")
    limit = (marker.args[0] if marker else 60) * world.SLOW

    def expired(*_):
        pytest.fail(f"more than {limit} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(limit)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(autouse=True, scope="module")
def free_ports():
    """Connections that a server closed first keep its port busy for a minute: those of the file
    before are no business of the next one's."""
    subprocess.run(["ss", "-K", "state", "time-wait"], stdout=subprocess.DEVNULL, check=True)


def _person(name):
    @pytest.fixture(scope="session", name=name)
    def fixture():
        person = world.Person(name)
        yield person
        person.leave()
    return fixture


alice, bob, carol, root = _person("alice"), _person("bob"), _person("carol"), _person("root")


@pytest.fixture
def daemon():
    """Starts daemons: `daemon("allow user alice tcp 80", options=[…])`. Each must end cleanly,
    unless the test has waited for its end itself."""
    started = []

    def start(*rules, wait=True, **how):
        one = world.Daemon(*rules, **how)
        started.append(one)
        return one.ready() if wait else one

    yield start
    problems = []
    for one in started:
        try:
            if one.process.returncode is None:
                one.stop()
            else:
                one.drop()
        except AssertionError as error:
            problems.append(error)
            one.process.kill()
    if problems:
        raise problems[0]
