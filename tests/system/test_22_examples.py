# SPDX-License-Identifier: MIT
"""The Python programs of docs/: clients of the protocol, in both modes. tests/examples has the others."""

import re
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from world import HOME, SOURCE, eventually

PYTHON = "/usr/bin/python3"
OWN = HOME / "own.py"


@pytest.fixture(autouse=True, scope="module")
def _program():
    shutil.copy(SOURCE / "docs/examples/own.py", OWN)
    OWN.chmod(0o644)


def get(url):
    """What a server answers, as soon as it listens."""
    def attempt():
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.read().decode()
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionRefusedError), error
            return None
    return eventually(attempt, f"an answer of {url}")


def owners(port):
    with open("/proc/net/tcp6", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return {int(row[7]) for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}


def refused(person, port, daemon_):
    result = person.run(PYTHON, OWN, port, at=daemon_)
    assert result.returncode == 1, result
    return result.stderr.splitlines()[-1]


def test_2200_own_py_serves_on_a_socket_of_its_users_own(daemon, alice):
    d = daemon(f"allow user {alice} tcp 660")
    for _ in range(2):  # and again at once, over connections on their way out
        server = alice.popen(PYTHON, OWN, 660, at=d, stderr=subprocess.DEVNULL)
        try:
            assert get("http://127.0.0.1:660/") == get("http://[::1]:660/") == "hello from python\n"
            assert owners(660) == {alice.uid}
        finally:
            server.kill()
            server.wait()
    d.says("granted", "tcp [::]:660", str(alice.uid))


def test_2201_own_py_binds_itself_what_needs_no_privilege(daemon, alice):
    d = daemon(f"allow user {alice} tcp 660")
    server = alice.popen(PYTHON, OWN, 20660, at=d, stderr=subprocess.DEVNULL)
    try:
        assert get("http://127.0.0.1:20660/") == "hello from python\n"
    finally:
        server.kill()
        server.wait()
    assert not d.said("20660")


def test_2202_own_py_tells_the_true_error(daemon, alice):
    d = daemon(f"allow user {alice} tcp 660")
    assert refused(alice, 661, d) == "PermissionError: [Errno 13] Permission denied (reason 2)"
    with alice.open(d, "tcp", 660).granted():
        assert refused(alice, 660, d) == "OSError: [Errno 98] Address already in use (reason 3)"
    assert refused(alice, 660, HOME / "nowhere").startswith("FileNotFoundError")


def test_2203_own_py_is_short():
    """What another language needs for own mode is one function of about thirty lines."""
    function = re.search(r"^def bind.*?(?=^class )", OWN.read_text(), re.M | re.S)[0]
    assert len(function.strip().splitlines()) <= 32
