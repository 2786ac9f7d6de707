# SPDX-License-Identifier: MIT
"""Rules that hang on the peer's system unit, with control groups as systemd would make them."""

import errno
import os
import pathlib
import select
import signal
import subprocess

import pytest

import protocol as p
import world
from world import Exit, Person, eventually, status

pytestmark = pytest.mark.users

CGROUPS = pathlib.Path("/sys/fs/cgroup")
TEST = f"lowport-test-{os.stat('/proc/self/ns/pid').st_ino}.slice"


@pytest.fixture
def people():
    """Makes a user's process in a control group: `people("alice", "nginx.service")`."""
    made, groups = [], []

    def make(name, *path):
        person = Person(name)
        made.append(person)
        group = CGROUPS / TEST
        for part in path:
            group = group / part
        group.mkdir(parents=True, exist_ok=True)
        groups.append(group)
        (group / "cgroup.procs").write_text(str(person.pid))
        return person
    yield make
    for person in made:
        try:
            person.leave()
        except (ProcessLookupError, ChildProcessError):
            person.line.close()
    for group in groups:
        while group != CGROUPS and group.exists():
            eventually(lambda g=group: "populated 0" in (g / "cgroup.events").read_text(), "it is empty")
            try:
                group.rmdir()
            except OSError:
                break  # another one is in it, and goes later
            group = group.parent


RULE = "allow user alice unit nginx.service tcp4 80"


def test_240_the_same_user_in_the_unit_and_outside(daemon, people, alice):
    d = daemon(RULE)
    nginx = people("alice", "nginx.service")
    with nginx.open(d, "tcp", 80, "0.0.0.0").granted():
        assert "nginx.service" in d.says("granted", "tcp 0.0.0.0:80", "alice")
    alice.open(d, "tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    d.says("denied", "alice", "which is unknown")
    other = people("alice", "apache2.service")
    other.open(d, "tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    d.says("denied", "alice", "apache2.service")


def test_241_another_user_in_the_unit(daemon, people):
    d = daemon(RULE)
    people("bob", "nginx.service").open(d, "tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)


def test_242_a_glob_and_a_denial(daemon, people):
    d = daemon("allow user alice unit app@*.service tcp4 80", "allow user alice tcp4 81",
               "deny user alice unit bad.service tcp4 81")
    people("alice", "system-app.slice", "app@7.service").open(d, "tcp", 80, "0.0.0.0").granted().close()
    people("alice", "apps.service").open(d, "tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    people("alice", "good.service").open(d, "tcp", 81, "0.0.0.0").granted().close()
    people("alice", "bad.service").open(d, "tcp", 81, "0.0.0.0").refused(p.RULE_DENIES, errno.EACCES)


def test_243_a_users_own_unit_of_that_name_is_not_the_systems(daemon, people):
    d = daemon(RULE)
    own = people("alice", "user-1001.slice", "user@1001.service", "app.slice", "nginx.service")
    own.open(d, "tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    d.says("denied", "alice", "user@1001.service")


def test_244_a_subgroup_belongs_to_the_unit(daemon, people):
    d = daemon(RULE)
    people("alice", "nginx.service", "worker").open(d, "tcp", 80, "0.0.0.0").granted().close()


def test_245_a_process_that_has_ended_has_no_unit(daemon, people):
    """Whoever gets its pid next."""
    d = daemon(RULE)
    nginx = people("alice", "nginx.service")
    with nginx.connect(d) as c:
        end = Exit(nginx.pid)
        os.kill(nginx.pid, signal.SIGKILL)
        end.wait()
        os.waitpid(nginx.pid, 0)
        c.open("tcp", 80, "0.0.0.0").refused(p.NO_RULE, errno.EACCES)
    d.says("denied", "alice", "the process has ended")


def test_246_in_own_mode_as_well(daemon, people, alice):
    d = daemon("allow user alice unit nginx.service tcp4 684")
    nginx = people("alice", "nginx.service")
    with nginx.make() as s:
        assert nginx.own(d, s, "tcp", 684).reason == p.GRANTED
    with alice.make() as s:
        alice.own(d, s, "tcp", 684).refused(p.NO_RULE, errno.EACCES)


def test_247_a_registrar_that_hangs_makes_units_unknown_and_delays_nobody_else(daemon, people, alice):
    d = daemon(RULE, "allow user bob tcp4 81")
    nginx, bob = people("alice", "nginx.service"), Person("bob")
    os.kill(d.registrar(), signal.SIGSTOP)
    try:
        with nginx.connect(d) as c:
            c.send(p.pack(p.OPEN, "tcp", "0.0.0.0", 80))
            bob.open(d, "tcp", 81, "0.0.0.0").granted().close()
            waits = not select.select([c.sock], [], [], 0)[0]
            assert waits, "the other came and went meanwhile"
            c.receive().refused(p.NO_RULE, errno.EACCES)
        d.says("denied", "alice", "which is unknown")
    finally:
        os.kill(d.registrar(), signal.SIGCONT)
        bob.leave()
    eventually(lambda: status(d.registrar())["State"].startswith("S"), "it goes on")
    nginx.open(d, "tcp", 80, "0.0.0.0").granted().close()


def test_248_a_registrar_that_dies_is_started_again(daemon, people):
    d = daemon(RULE)
    nginx = people("alice", "nginx.service")
    before = d.registrar()
    os.kill(before, signal.SIGKILL)
    d.says("registrar died")
    eventually(lambda: d.registrar() not in (None, before), "another one")
    nginx.open(d, "tcp", 80, "0.0.0.0").granted().close()


def test_249_explain_shows_the_callers_own_unit(daemon, people):
    d = daemon(RULE)
    nginx = people("alice", "nginx.service")
    group = CGROUPS / TEST / "nginx.service" / "cgroup.procs"
    shell = ["sh", "-c", f"echo $$ > {group}; exec \"$@\"", "-"]
    result = nginx.run(*["lowport", "explain", "tcp4:80"], at=d)
    assert result.returncode == 121 and "unit:" not in result.stdout, result
    result = subprocess.run([*shell, *nginx.prefix, "lowport", "explain", "tcp4:80"], text=True,
                            capture_output=True, env=nginx.environment(d), check=False)
    assert result.returncode == 0, result
    assert "granted: user alice (uid 1001), tcp 0.0.0.0:80" in result.stdout
    assert "unit: nginx.service" in result.stdout, result
