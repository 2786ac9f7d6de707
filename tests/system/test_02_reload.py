# SPDX-License-Identifier: MIT
"""SIGHUP: another policy takes over, or the old one stays; no client notices the change itself."""

import errno
import os
import signal
import threading

import protocol as p
from world import HOME, eventually


def test_030_a_reload_adds_a_rule(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.connect(d) as before:
        alice.open(d, "tcp", 443).refused(p.NO_RULE, errno.EACCES)
        news = d.reload(f"allow user {alice} tcp 80", f"allow user {alice} tcp 443")
        assert "MONOTONIC_USEC=" in news and "STATUS=" in news
        alice.open(d, "tcp", 443).granted().close()
        assert alice.connect(d).status()["rules"] == 2
        try:
            before.open("tcp", 80).granted().close()  # served on, by the old rules or the new
        except p.Closed:
            pass


def test_031_a_reload_takes_a_rule_away(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80,443")
    alice.open(d, "tcp", 443).granted().close()
    d.reload(f"allow user {alice} tcp 80")
    alice.open(d, "tcp", 443).refused(p.NO_RULE, errno.EACCES)
    alice.open(d, "tcp", 80).granted().close()


def test_032_a_broken_reload_keeps_the_old_policy_and_says_where(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    since = len(d.lines)
    news = d.reload(f"allow user {alice} tcp 80", f"allow user {alice} tpc 443")
    place = f"{d.policy}:2:{len(f'allow user {alice} ') + 1}"
    line = d.says(place, since=since)
    assert "tpc" in line and "expected" in line, line
    assert place in news, news
    alice.open(d, "tcp", 80).granted().close()
    alice.open(d, "tcp", 443).refused(p.NO_RULE, errno.EACCES)
    assert alice.connect(d).status()["generation"] == 1

    d.reload(f"allow user {alice} tcp 443")
    alice.open(d, "tcp", 443).granted().close()


def test_033_a_reload_without_its_file_keeps_the_old_policy(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    d.policy.unlink()
    since = len(d.lines)
    d.reload()
    d.says(str(d.policy), since=since)
    alice.open(d, "tcp", 80).granted().close()


def test_034_a_storm_of_requests_loses_none_during_reloads(daemon, alice):
    """Ports 80 and 443 change hands with every reload: each answer is one policy's or the
    other's, on both kinds of connection, and every request has one."""
    one, other = f"allow user {alice} tcp 80", f"allow user {alice} tcp 443"
    d = daemon(one)
    stop = threading.Event()
    problems, answers = [], [0, 0]

    def fresh():
        while not stop.is_set():
            with alice_connect() as c:
                note(c.check("tcp", 80).reason)

    def kept():
        c = alice_connect()
        while not stop.is_set():
            try:
                note(c.check("tcp", 443).reason)
            except p.Closed:  # between two requests a worker of the old policy may leave
                c.close()
                c = alice_connect()
                note(c.check("tcp", 443).reason)
        c.close()

    lock = threading.Lock()

    def alice_connect():
        with lock:  # one line to alice's process
            return alice.connect(d)

    def note(reason):
        if reason not in (p.GRANTED, p.NO_RULE):
            problems.append(reason)
        answers[reason == p.GRANTED] += 1

    def guarded(what):
        try:
            what()
        except BaseException as error:  # pylint: disable=broad-except
            problems.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(what,)) for what in (fresh, kept, fresh)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(20):
            d.reload(other if turn % 2 == 0 else one)
            # From here on every new connection is decided by the new policy alone.
            with alice_connect() as c:
                expected = (p.NO_RULE, p.GRANTED) if turn % 2 == 0 else (p.GRANTED, p.NO_RULE)
                assert (c.check("tcp", 80).reason, c.check("tcp", 443).reason) == expected
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems, problems[:5]
    assert min(answers) > 20, answers
    assert alice.connect(d).status()["generation"] == 21


def test_035_reloads_in_quick_succession_end_with_the_last(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    for _ in range(10):
        os.kill(d.pid, signal.SIGHUP)
    d.write_policy(f"allow user {alice} tcp 81")
    d.reload()
    while "READY=1" not in d.news[-1]:
        d.notified("READY=1")

    def follows():
        return alice.check(d, "tcp", 81).reason == p.GRANTED
    eventually(follows, "the last policy is in force")


def test_036_a_directory_is_a_policy(daemon, alice):
    place = HOME / "rules.d"
    place.mkdir()
    (place / "10-web.conf").write_text(f"allow user {alice} tcp 80\n")
    (place / "20-dns.conf").write_text(f"allow user {alice} udp 53\n")
    (place / "README").write_text("this is no rule\n")
    d = daemon(policy=place)
    with alice.connect(d) as c:
        assert c.check("tcp", 80).path == str(place / "10-web.conf")
        assert c.check("udp", 53).path == str(place / "20-dns.conf")
