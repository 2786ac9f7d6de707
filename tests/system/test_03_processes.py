# SPDX-License-Identifier: MIT
"""What happens to the processes: killed one by one, ended, started twice."""

import errno
import os
import shutil
import signal
import socket
import subprocess

import pytest

import protocol as p
import world
from world import Exit, capabilities, children, eventually, name_of, status


def kill(pid):
    gone = Exit(pid)
    os.kill(pid, signal.SIGKILL)
    gone.wait()


def test_040_a_killed_worker_is_replaced(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    many = len(d.settled())
    for _ in range(3):
        for worker in d.workers():
            kill(worker)
        alice.open(d, "tcp", 80).granted().close()
    eventually(lambda: len(d.workers()) >= many, f"{many} workers again")
    assert d.process.poll() is None


def test_041_a_client_whose_worker_is_killed_is_cut_off_and_may_come_back(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--workers", 1, "--spare", 1])
    with alice.connect(d) as c:
        c.check("tcp", 80)
        kill(d.workers()[0])
        with pytest.raises(p.Closed):
            c.check("tcp", 80)
    alice.open(d, "tcp", 80).granted().close()


def test_042_a_killed_binder_takes_lowportd_with_it(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    everyone = [Exit(pid) for pid in d.family() if pid != d.pid]
    os.kill(d.binder(), signal.SIGKILL)
    assert d.ended() not in (0, None)
    for one in everyone:
        one.wait()
    assert d.said("lowport-binder") or d.said("binder"), d.story()


def test_043_a_killed_lowportd_takes_everything_with_it(daemon):
    d = daemon("allow anyone tcp 80")
    everyone = [Exit(pid) for pid in d.family()]
    assert len(everyone) >= 4
    d.process.kill()
    for one in everyone:
        one.wait()
    assert d.ended() == -signal.SIGKILL


def test_044_a_killed_audit_process_leaves_no_client_unanswered(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    auditor = d.auditor()
    assert auditor is not None, [name_of(pid) for pid in d.family()]
    kill(auditor)
    try:
        for _ in range(50):
            alice.open(d, "tcp", 80).granted().close()
        d.says("granted", since=0)
    except (p.Closed, ConnectionError, FileNotFoundError):
        assert d.ended() != 0  # it may also leave as a whole; the service manager starts it anew


def test_045_sigterm_ends_it_cleanly(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.connect(d) as c, c.open("tcp", 80).granted() as s:
        everyone = [Exit(pid) for pid in d.family()]
        d.process.terminate()
        assert d.ended() == 0, d.story()
        for one in everyone:
            one.wait()
        assert not d.socket.exists()
        assert p.serves(s, "127.0.0.1", 80)  # what was handed out lives on
    d.notified("STOPPING=1")
    assert any("STOPPING=1" in message for message in d.news)


def test_046_sigint_ends_it_as_well(daemon):
    d = daemon("allow anyone tcp 80")
    d.process.send_signal(signal.SIGINT)
    assert d.ended() == 0
    assert not d.socket.exists()


def test_047_a_second_daemon_leaves_the_first_ones_socket_alone(daemon, alice):
    first = daemon(f"allow user {alice} tcp 80")
    second = daemon(f"allow user {alice} tcp 81", wait=False, home=first.home)
    assert not second.notified("READY=1")
    assert second.ended() != 0
    second.says(str(first.socket))
    first.write_policy(f"allow user {alice} tcp 80")
    alice.open(first, "tcp", 80).granted().close()


def test_048_a_socket_left_behind_is_taken_over(daemon, alice):
    first = daemon(f"allow user {alice} tcp 80")
    everyone = [Exit(pid) for pid in first.family()]
    first.process.kill()
    for one in everyone:
        one.wait()
    first.ended()
    assert first.socket.exists()
    second = daemon(f"allow user {alice} tcp 80", home=first.home)
    alice.open(second, "tcp", 80).granted().close()


def test_049_only_the_binder_has_the_capability_and_no_idle_worker_uses_it(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    alice.open(d, "tcp", 80).granted().close()
    bit = 1 << 10  # CAP_NET_BIND_SERVICE

    def has_none(pid):
        sets = capabilities(pid)
        return sets["Eff"] == sets["Prm"] == sets["Inh"] == sets["Amb"] == 0
    assert has_none(d.manager()), capabilities(d.manager())
    for pid in (d.auditor(), d.registrar()):
        eventually(lambda pid=pid: has_none(pid), "it has given the capability up")
    for pid in [d.binder(), *d.settled()]:
        sets = capabilities(pid)
        assert sets["Prm"] & ~bit == 0 and sets["Inh"] == sets["Amb"] == 0, (pid, sets)
        assert sets["Eff"] == 0, (pid, sets)
    for pid in d.family():
        facts = status(pid)
        assert set(facts["Uid"].split()) == {"990"} and set(facts["Gid"].split()) == {"990"}


def test_050_ten_thousand_requests_leave_no_descriptor_behind(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 80-90", options=["--workers", 4, "--spare", 2])
    requests = [p.pack(p.OPEN, "tcp", "::", 80), p.pack(p.OPEN, "udp", "127.0.0.1", 81),
                p.pack(p.OPEN, "tcp", "::", 99), p.pack(p.CHECK, "udp", "::", 85),
                p.pack(p.STATUS), p.pack(p.OPEN, "tcp", "192.0.2.1", 82)]
    broken = [b"", b"x", p.pack(p.OPEN, port=80)[:-1], p.pack(p.OPEN, port=80) + b"x",
              p.pack(9, port=80), p.pack(p.OPEN, port=80, version=7)]

    def some(rounds):
        for turn in range(rounds):
            with alice.connect(d) as c:
                for request in requests:
                    c.ask(request).close()
                try:
                    c.ask(broken[turn % len(broken)]).close()
                except p.Closed:
                    pass

    def held():
        fixed = [d.manager(), d.binder(), d.auditor()]
        return [p.descriptors(pid) for pid in fixed], {p.descriptors(pid) for pid in d.settled()}

    some(100)
    processes, workers = held()
    some(1400)
    def same():
        now, later = held()
        return now == processes and max(later) <= max(workers)
    eventually(same, f"descriptors as before: {processes} {workers}, not {held()}")


@pytest.mark.users
def test_051_started_as_root_it_becomes_the_user_it_was_given(daemon, alice):
    d = daemon("allow user alice tcp 80", prefix=[], options=["--user", "lowport"])
    alice.open(d, "tcp", 80).granted().close()
    for pid in d.family():
        facts, sets = status(pid), capabilities(pid)
        assert set(facts["Uid"].split()) == {"990"} and set(facts["Gid"].split()) == {"990"}
        assert facts["Groups"].split() in ([], ["990"]), facts["Groups"]
        inside = pid == d.binder() or pid in d.workers()
        assert sets["Prm"] == ((1 << 10) if inside else 0), (name_of(pid), sets)
        assert sets["Bnd"] & ~(1 << 10) == 0, (name_of(pid), sets)


@pytest.mark.users
def test_052_root_with_a_user_that_is_not_there_does_not_start(daemon):
    d = daemon("allow anyone tcp 80", prefix=[], options=["--user", "nosuchuser"], wait=False)
    assert d.ended() != 0
    d.says("nosuchuser")


def with_file_capability(name, mode):
    program = world.HOME / name / "lowportd"
    program.parent.mkdir()
    shutil.copy(world.BIN / "lowportd", program)
    os.chown(program, 0, 990)
    program.chmod(mode)
    subprocess.run(["setcap", "cap_net_bind_service=p", program], check=True)
    plain = ["setpriv", "--reuid=990", "--regid=990", "--clear-groups", "--inh-caps=-all",
             "--bounding-set=-all,+net_bind_service"]
    return {"program": program, "prefix": plain}


@pytest.mark.users
def test_053_a_file_capability_is_enough(daemon, alice):
    d = daemon("allow user alice tcp 80", **with_file_capability("for-its-group", 0o750))
    alice.open(d, "tcp", 80).granted().close()
    assert capabilities(d.manager())["Prm"] == 0
    assert capabilities(d.binder())["Prm"] == 1 << 10


@pytest.mark.users
def test_053_a_file_capability_for_everybody_is_refused(daemon):
    d = daemon("allow anyone tcp 80", wait=False, **with_file_capability("for-everybody", 0o755))
    assert d.ended() != 0
    d.says("chmod 750")


def test_054_without_the_capability_it_says_what_to_do(daemon):
    d = daemon("allow anyone tcp 80", prefix=world.identity("lowport"), wait=False)
    assert not d.notified("READY=1")
    assert d.ended() != 0
    line = d.says("CAP_NET_BIND_SERVICE")
    assert line.startswith("lowportd: "), line


def test_055_it_takes_its_socket_from_the_service_manager(daemon, alice):
    place = world.HOME / "activated"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(place))
        place.chmod(0o666)
        listener.listen(64)
        inherit = ["bash", "-c", f"exec 3<&{listener.fileno()} {listener.fileno()}<&-;"
                   'export LISTEN_FDS=1 LISTEN_FDNAMES=open LISTEN_PID=$$; exec "$@"', "-"]
        how = {"prefix": [*inherit, *world.capable()], "sockets": (listener.fileno(),)}
        d = daemon(f"allow user {alice} tcp 80", **how)
        assert not d.socket.exists()
        d.socket = place
        alice.open(d, "tcp", 80).granted().close()

        # Clients that come between two daemons wait, and are served by the next.
        d.stop()
        assert place.exists()
        waiting = alice.connect(place)
        waiting.send(p.pack(p.OPEN, "tcp", "::", 80))
        daemon(f"allow user {alice} tcp 80", **how)
        waiting.receive().granted().close()
        waiting.close()


def test_055_a_connection_on_which_descriptors_can_arrive_is_a_workers_last(daemon, alice):
    """A socket that listened before the daemon could close it to descriptors: its kernel, or one
    before Linux 6.16, lets them arrive on what was connected by then."""
    place = world.HOME / "early"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(place))
        place.chmod(0o666)
        listener.listen(64)
        early = alice.connect(place)
        inherit = ["bash", "-c", f"exec 3<&{listener.fileno()} {listener.fileno()}<&-;"
                   'export LISTEN_FDS=1 LISTEN_FDNAMES=open LISTEN_PID=$$; exec "$@"', "-"]
        d = daemon(f"allow user {alice} tcp 80", prefix=[*inherit, *world.capable()],
                   sockets=(listener.fileno(),), options=["--spare", 1])
    d.socket = place
    early.open("tcp", 80).granted().close()
    served_early = set(d.workers())
    early.close()
    world.eventually(lambda: not served_early <= set(d.workers()), "the worker's end")
    with alice.connect(d) as late:
        late.open("tcp", 80).granted().close()


@pytest.mark.parametrize("operation", [p.OPEN, p.STATUS])
@pytest.mark.parametrize("asked_before", [False, True])
def test_055_descriptors_in_open_mode_end_the_connection_and_hold_no_worker_up(
        daemon, alice, operation, asked_before):
    """On a socket that listened before the daemon could close it to them, as on every one before
    Linux 6.16: what comes is a connection whose last close waits for a minute."""
    place = world.HOME / f"early-{operation}-{asked_before}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, \
            socket.create_server(("127.0.0.1", 0)) as server:
        listener.bind(str(place))
        place.chmod(0o666)
        listener.listen(64)
        early = alice.connect(place)
        inherit = ["bash", "-c", f"exec 3<&{listener.fileno()} {listener.fileno()}<&-;"
                   'export LISTEN_FDS=1 LISTEN_FDNAMES=open LISTEN_PID=$$; exec "$@"', "-"]
        d = daemon(f"allow user {alice} tcp 80", prefix=[*inherit, *world.capable()],
                   sockets=(listener.fileno(),), options=["--spare", 1])
        d.socket = place
        if asked_before:
            early.open("tcp", 80).granted().close()
        first = d.workers()[0]
        ends = Exit(first)
        os.kill(first, signal.SIGSTOP)  # until it has the last copy
        with socket.create_connection(server.getsockname()) as lingers:
            peer, _ = server.accept()
            lingers.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    lingers.send(bytes(65536))
            lingers.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               (60 << 32 | 1).to_bytes(8, "little"))
            socket.send_fds(early.sock, [p.pack(operation, "tcp", "::", 80)], [lingers.fileno()])
        os.kill(first, signal.SIGCONT)
        with pytest.raises(p.Closed):
            early.receive()
        early.close()
        ends.wait(3 * world.SLOW)  # it was not killed, which is five seconds away
        peer.close()
    alice.open(d, "tcp", 80).granted().close()


def test_056_without_any_policy_it_starts_denies_and_says_what_to_write(daemon, alice):
    state = world.HOME / "nopolicy.state"
    state.mkdir()
    if world.MANY_USERS:
        os.chown(state, 990, 990)
    d = daemon("", bare=True, options=["--socket", state / "socket",
                                       "--binder", world.BIN / "lowport-binder"])
    d.socket = state / "socket"
    d.says("/etc/lowport/policy.conf")
    d.says("allow user")
    alice.open(d, "tcp", 80).refused(p.NO_RULE, errno.EACCES)


@pytest.mark.users
@pytest.mark.parametrize("what", ["owner", "group", "others", "fifo"])
def test_057_a_policy_that_others_may_write_is_refused(daemon, what):
    place = world.HOME / f"policy-{what}.conf"
    if what == "fifo":
        os.mkfifo(place, 0o644)
    else:
        place.write_text("allow anyone tcp 80\n")
        place.chmod({"group": 0o664, "others": 0o646}.get(what, 0o644))
        os.chown(place, 1001 if what == "owner" else 0, 0)
    d = daemon(policy=place, wait=False)
    assert not d.notified("READY=1")
    assert d.ended() != 0
    d.says(str(place))


def test_058_a_broken_policy_is_fatal_at_start(daemon):
    d = daemon("allow user lowport tcp 80", "allow user lowport tcp eighty", wait=False)
    assert not d.notified("READY=1")
    assert d.ended() != 0
    assert "expected" in d.says(f"{d.policy}:2:24")


def test_059_check_reads_a_policy_and_starts_nothing():
    good = world.HOME / "good.conf"
    good.write_text("allow user lowport tcp 80\n")
    bad = world.HOME / "bad.conf"
    bad.write_text("allow user lowport tcp\n")

    def check(path):
        return subprocess.run([*world.identity("lowport"), world.BIN / "lowportd", "--check",
                               "--policy", path], env=world.ENVIRONMENT, capture_output=True,
                              text=True, check=False, timeout=60)
    assert check(good).returncode == 0
    result = check(bad)
    assert result.returncode != 0 and f"{bad}:1:" in result.stderr
