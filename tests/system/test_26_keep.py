# SPDX-License-Identifier: MIT
"""`lowport run --keep`: the service manager holds the sockets from one start to the next."""

import json
import os
import shutil
import socket

import pytest

import world
from world import HOME, SOURCE

PYTHON, SERVE = "/usr/bin/python3", HOME / "serve.py"
NAME = "lowport-keep tcp [__]_660"


@pytest.fixture(autouse=True, scope="module")
def _program():
    shutil.copy(SOURCE / "tests/system/serve.py", SERVE)
    SERVE.chmod(0o644)


class Manager:
    """What systemd does for a unit with a descriptor store, as far as it matters here."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(world.DEADLINE)
        path.chmod(0o666)
        self.store = {}
        self.messages = []

    def start(self, person, *options, at, specs=("tcp:660",), passed=()):
        """One start: what is stored is passed, after what a socket unit would pass."""
        files = [*passed, *self.store.items()]
        fds = [fd for _, fd in files]
        environment = {"NOTIFY_SOCKET": str(self.path)}
        if files:
            environment |= {"LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": ":".join(n for n, _ in files)}
        # The shell takes the places of the descriptors, and its pid is the one that is meant.
        copies = [os.dup(fd) for fd in fds]
        moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(copies))
        drop = " ".join(f"{fd}<&-" for fd in copies if fd >= 3 + len(copies))
        words = [word for spec in specs for word in ("-l", spec)]
        result = person.run("bash", "-c", f'LISTEN_PID=$$; export LISTEN_PID; exec {moves} {drop}; exec "$@"',
                            "-", "lowport", "run", "--keep", "-v", *options, *words, "--", PYTHON, SERVE,
                            "show", at=at, env=environment, pass_fds=copies)
        for fd in copies:
            os.close(fd)
        self.take()
        assert result.returncode == 0, result
        return json.loads(result.stdout), result.stderr

    def take(self):
        self.socket.setblocking(False)
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            except BlockingIOError:
                break
            lines = dict(line.split("=", 1) for line in data.decode().split("\n"))
            self.messages.append(lines)
            if "FDSTORE" in lines:
                assert len(fds) == 1 and lines["FDPOLL"] == "0"
                self.store[lines["FDNAME"]] = fds[0]
            if "FDSTOREREMOVE" in lines:
                os.close(self.store.pop(lines["FDNAME"]))

    def close(self):
        self.socket.close()
        for fd in self.store.values():
            os.close(fd)


@pytest.fixture
def manager():
    one = Manager(HOME / "keep.notify")
    yield one
    one.close()
    one.path.unlink()


def test_260_the_next_start_takes_the_socket_and_does_not_ask(daemon, alice, manager):
    d = daemon(f"allow user {alice} tcp 660")
    first, said = manager.start(alice, at=d)
    assert list(manager.store) == [NAME] and "bound by the daemon" in said
    d.says("granted", "660")
    d.reload("# nothing is allowed any more")
    second, said = manager.start(alice, at=d)
    assert "kept since the last start" in said
    assert second["sockets"]["3"] == first["sockets"]["3"]
    assert second["environment"]["LISTEN_FDNAMES"] == "tcp-660"
    assert len(manager.messages) == 1, "what is in the store is not stored again"


def test_261_clients_wait_from_one_start_to_the_next(daemon, alice, manager):
    d = daemon(f"allow user {alice} tcp 660")
    manager.start(alice, at=d)
    with socket.create_connection(("127.0.0.1", 660), timeout=world.DEADLINE):
        pass  # nobody runs, and nobody is refused


def test_262_another_spec_is_asked_for_and_the_old_one_forgotten(daemon, alice, manager):
    d = daemon(f"allow user {alice} tcp 660-661")
    manager.start(alice, at=d)
    _, said = manager.start(alice, at=d, specs=["tcp:661"])
    assert "bound by the daemon" in said
    assert list(manager.store) == ["lowport-keep tcp [__]_661"]
    # Without --keep nothing is left in the store either.
    result = alice.run("lowport", "run", "-l", "tcp:661,name=x", "--", "true", at=d)
    assert result.returncode == 122  # the store holds it still


def test_263_two_specs_keep_their_order_beside_sockets_of_a_unit(daemon, alice, manager):
    d = daemon(f"allow user {alice} tcp 660-661")
    with socket.socket() as unit:
        unit.bind(("127.0.0.1", 20660))
        unit.listen()
        for _ in range(2):
            shown, _ = manager.start(alice, at=d, specs=["tcp4:661", "tcp4:660,name=web"],
                                     passed=[("unit", unit.fileno())])
            ports = [shown["sockets"][fd][3] for fd in ("3", "4", "5")]
            assert ports == [20660, 661, 660]
            assert shown["environment"]["LISTEN_FDNAMES"] == "unit:tcp-661:web"


def test_264_without_a_service_manager_it_says_so_and_goes_on(daemon, alice):
    d = daemon(f"allow user {alice} tcp 660")
    result = alice.run("lowport", "run", "--keep", "-l", "tcp:660", "--", "true", at=d)
    assert result.returncode == 0 and "$NOTIFY_SOCKET is not set" in result.stderr, result


def test_265_own_sockets_are_kept_as_well(daemon, alice, manager):
    d = daemon(f"allow user {alice} tcp 660")
    manager.start(alice, "--own", at=d)
    _, said = manager.start(alice, "--own", at=d)
    assert "kept since the last start" in said
