# SPDX-License-Identifier: MIT
"""One booted container for all tests, in the order of their names."""

import pytest

import host as h

facts = []  # what the tests measured, for whoever reads the log


@pytest.fixture(scope="session")
def host():
    booted = h.Host(h.nspawn())
    for user, group in (("alice", None), ("bob", "lowport")):
        if booted.run("id", user).returncode != 0:
            booted.do("useradd", "--create-home", *(["-G", group] if group else []), user)
    booted.do("ip", "address", "replace", "192.0.2.1/32", "dev", "lo")
    return booted


@pytest.fixture
def policy(host):
    """Writes the policy and puts it into force, as an administrator does."""
    def write(*lines):
        host.write(h.POLICY, "\n".join(lines) + "\n")
        host.do("systemctl", "start", *h.UNITS[1:])
        host.do("systemctl", "reload-or-restart", "lowportd.service")
    yield write
    host.remove(h.POLICY)
    host.run("systemctl", "try-reload-or-restart", "lowportd.service")


@pytest.fixture
def fact():
    return facts.append


def pytest_terminal_summary(terminalreporter):
    for line in facts:
        terminalreporter.write_line(line)
