# SPDX-License-Identifier: MIT
"""`lowport check`, `explain` and `status`: what they say to people and to programs."""

import json

import pytest

import world
from world import HOME

OK, PROBLEM, USAGE, DENIED, UNREACHABLE, FAILED = 0, 1, 2, 121, 123, 125


def policy(name, *rules):
    path = HOME / f"{name}.conf"
    path.write_text("\n".join(rules) + "\n")
    path.chmod(0o644)
    return path


def test_300_a_good_policy_passes_without_a_word_of_warning(alice):
    path = policy("good", "# web", "allow user alice tcp 80,443", "allow group web udp 443")
    result = alice.run("lowport", "check", path)
    assert result.returncode == OK and "warning:" not in result.stdout + result.stderr, result


@pytest.mark.parametrize("rule, column", [
    ("permit user alice tcp 80", 1), ("allow user alice tpc 80", 18), ("allow user alice tcp", 21),
    ("allow user alice tcp 80x", 22), ("allow user alice tcp 90-80", 22),
    ("allow user alice tcp 0", 22), ("allow user alice tcp 127.0.0.1/33:80", None),
    ("allow tcp 80", None), ("allow", None), ("allow user alice tcp [::1:80", None),
    ("allow user alice tcp 80 netns some", None), ("allow user alice tcp nosuchservice", 22)])
def test_301_an_error_has_its_place_and_what_was_expected(alice, rule, column):
    path = policy("bad", "allow user alice tcp 80", rule)
    result = alice.run("lowport", "check", path)
    assert result.returncode == PROBLEM, result
    said = result.stdout + result.stderr
    assert f"{path}:2:{column}:" in said if column else f"{path}:2:" in said, said
    assert "expected" in said, said


@pytest.mark.parametrize("rule, word", [
    ("allow user nosuchuser tcp 81", "nosuchuser"), ("allow group nosuchgroup tcp 81", "nosuchgroup"),
    ("allow user alice tcp 80", ":1"), ("allow user alice tcp 8080", "8080"),
    ("allow user bob udp 53", "bob"), ("allow anyone tcp 81", "anyone"),
    ("allow unit nginx.service tcp 81", "unit")])
def test_302_what_is_suspicious_gets_a_warning(alice, rule, word):
    path = policy("odd", "allow user alice tcp 80", "allow user alice udp 53", rule)
    result = alice.run("lowport", "check", path)
    said = result.stdout + result.stderr
    assert "warning:" in said and f"{path}:3" in said and word in said, result


def test_303_check_speaks_json(alice):
    path = policy("json", "allow user alice tcp 80", "allow anyone tcp 81")
    result = alice.run("lowport", "check", "--json", path)
    assert result.returncode == OK
    assert "anyone" in json.dumps(json.loads(result.stdout))
    broken = policy("broken", "allow user \"\\\x01 tcp 80")
    result = alice.run("lowport", "check", "--json", broken)
    assert result.returncode == PROBLEM and json.loads(result.stdout), result


def test_304_explain_names_the_rule_that_grants(alice):
    path = policy("explain", "allow user alice tcp 80", "deny user bob tcp 1-1023",
                  "allow group web tcp 443")
    result = alice.run("lowport", "explain", "--policy", path, "user", "alice", "tcp:80")
    assert result.returncode == OK and "granted" in result.stdout, result
    assert f"{path}:1" in result.stdout
    result = alice.run("lowport", "explain", "--policy", path, "user", "carol", "group", "web",
                       "tcp:443")
    assert result.returncode == OK and f"{path}:3" in result.stdout, result


def test_305_explain_names_the_line_that_would_grant(alice):
    path = policy("explain2", "allow user alice tcp4 80", "deny user bob tcp 1-1023")
    result = alice.run("lowport", "explain", "--policy", path, "user", "alice", "tcp:80")
    assert result.returncode == DENIED and "denied" in result.stdout, result
    said = " ".join((result.stdout + result.stderr).split())
    assert "allow user alice tcp" in said, said
    result = alice.run("lowport", "explain", "--policy", path, "user", "bob", "tcp:80")
    assert result.returncode == DENIED and f"{path}:2" in result.stdout, result


def test_306_explain_speaks_json(alice):
    path = policy("explain3", "allow user alice tcp 80")
    for spec, code in (("tcp:80", OK), ("tcp:443", DENIED)):
        result = alice.run("lowport", "explain", "--json", "--policy", path, "user", "alice", spec)
        assert result.returncode == code and isinstance(json.loads(result.stdout), dict), result


def test_307_explain_without_a_subject_asks_the_daemon_about_me(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("lowport", "explain", "tcp:80", at=d)
    assert result.returncode == OK and f"{d.policy}:1" in result.stdout, result
    result = alice.run("lowport", "explain", "tcp:443", at=d)
    assert result.returncode == DENIED, result
    result = alice.run("lowport", "explain", "tcp:80", at=HOME / "nobody-there")
    assert result.returncode == UNREACHABLE and "nobody-there" in result.stderr, result


def test_308_explain_and_the_daemon_agree(daemon, alice):
    """The same rules, asked on both roads."""
    rules = [f"allow user {alice} tcp 80-90", f"deny user {alice} tcp4 85", f"allow user {alice} tcp6 95",
             f"allow user {alice} udp 127.0.0.0/8:53"]
    d = daemon(*rules)
    for spec in ("tcp:80", "tcp:85", "tcp6:85", "tcp4:85", "tcp:95", "tcp6:95", "tcp4:95",
                 "udp:127.0.0.1:53", "udp:53", "udp4:53", "tcp:1023"):
        asked = alice.run("lowport", "explain", spec, at=d)
        read = alice.run("lowport", "explain", "--policy", d.policy, "user", alice, spec)
        assert asked.returncode == read.returncode in (OK, DENIED), (spec, asked, read)


def test_309_status_shows_the_counters(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    alice.open(d, "tcp", 80).granted().close()
    result = alice.run("lowport", "status", at=d)
    assert result.returncode == OK and "granted" in result.stdout, result
    result = alice.run("lowport", "status", "--json", at=d)
    facts = json.loads(result.stdout)
    assert facts["granted"] == 1 and facts["rules"] == 1 and facts["workers_max"] > 0, facts


def test_310_status_without_a_daemon_says_where_it_looked(alice):
    result = alice.run("lowport", "status", at=HOME / "nobody-there")
    assert result.returncode == UNREACHABLE and not result.stdout
    assert str(HOME / "nobody-there") in result.stderr


def test_311_no_colours_in_a_pipe(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    for command in (["status"], ["explain", "tcp:80"], ["check", d.policy]):
        result = alice.run("lowport", *command, at=d)
        assert "\033" not in result.stdout + result.stderr, result


def test_312_colours_on_a_terminal_and_never_with_no_color(alice):
    """script(1) is the terminal."""
    path = policy("colour", "allow user alice tcp 80")
    command = f"{world.BIN}/lowport explain --policy {path} user alice tcp:80"
    for variable, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)):
        result = alice.run("script", "-qec", command, "/dev/null",
                           env={"TERM": "xterm", **variable})
        assert ("\033[" in result.stdout) == coloured, (variable, result)
