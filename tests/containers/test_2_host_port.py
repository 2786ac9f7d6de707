# SPDX-License-Identifier: MIT
"""A rootless container whose application serves the host's port 80."""

import pytest

import host
from host import CLIENT4, CLIENT6, HOST4, HOST6, MOUNT, STRICT, client_of, mapped

SERVE = [*STRICT, *MOUNT, "--user=1000", "application"]
ALLOWED = f"allow user {mapped(1000)} tcp 80 netns any"


@pytest.mark.parametrize("network", ["none", "slirp4netns"])
def test_it_sees_the_real_address_of_its_client(daemon, container, network):
    daemon(ALLOWED)
    one = container(f"--network={network}", *SERVE)
    answer = one.answers(HOST4)
    assert client_of(answer) == CLIENT4
    assert client_of(one.answers(HOST6)) == CLIENT6
    # All that a container can be without.
    assert answer["uid"] == "1000"
    assert answer["root"] == "read-only"
    assert int(answer["CapPrm"], 16) == int(answer["CapBnd"], 16) == 0
    assert answer["NoNewPrivs"] == "1"


def test_the_host_s_log_names_the_mapped_uid_and_the_rule(daemon, container):
    one = daemon(ALLOWED)
    container("--network=none", *SERVE).answers()
    one.says(f"granted tcp [::]:80 to uid {mapped(1000)}", "policy.conf:1")


def test_root_of_a_container_is_the_user_who_runs_it(daemon, container):
    daemon("allow user web tcp 80 netns any")
    answer = container("--network=none", *STRICT, *MOUNT, "application").answers()
    assert answer["uid"] == "0"


def test_a_denial_names_the_mapped_uid_and_its_advice_is_good(daemon, container):
    one = daemon("allow user web tcp 80 netns any")
    result = host.once("--network=none", *SERVE)
    assert result.returncode != 0
    assert f"denied: no rule allows uid {mapped(1000)}" in result.stderr
    assert f"the daemon sees uid 1000 of this container as {mapped(1000)}" in result.stderr
    one.says(f"denied tcp [::]:80 for uid {mapped(1000)}", "no rule allows it")

    advice = result.stderr.splitlines()[-1]
    one.reload(advice.split("policy.conf: ")[1])
    assert container("--network=none", *SERVE).answers()


def test_explain_finds_the_mapped_uid(daemon):
    daemon(ALLOWED)
    options = ["--network=none", *STRICT, *MOUNT, "--entrypoint=lowport"]
    granted = host.once(*options, "--user=1000", "application", "explain", "tcp:80")
    assert f"granted: user {mapped(1000)} (uid {mapped(1000)}), tcp [::]:80" in granted.stdout
    denied = host.once(*options, "--user=1001", "application", "explain", "tcp:80")
    assert f"denied: user {mapped(1001)} (uid {mapped(1001)}), tcp [::]:80" in denied.stdout


def test_another_network_namespace_needs_a_rule_that_says_so(daemon):
    daemon(f"allow user {mapped(1000)} tcp 80")
    result = host.once("--network=none", *SERVE)
    assert result.returncode != 0
    assert "another network namespace" in result.stderr
    assert "netns any" in result.stderr


def test_a_mounted_directory_notices_that_the_daemon_was_restarted(daemon, container):
    first = daemon(ALLOWED)
    one = container("--network=none", *SERVE)
    one.answers()
    check = ["lowport", "explain", "tcp:80"]
    assert one.run(*check).returncode == 0

    first.stop()
    assert client_of(one.answers()) == CLIENT4  # its socket is its own
    assert "no such file" in one.run(*check, check=False).stderr.lower()
    daemon(ALLOWED)
    assert "granted" in one.run(*check).stdout


def test_a_mounted_socket_does_not(daemon, container):
    first = daemon(ALLOWED)
    one = container("--network=none", *STRICT, "--volume=/run/lowport/socket:/run/lowport/socket",
                    "--user=1000", "application")
    one.answers()
    first.stop()
    daemon(ALLOWED)
    result = one.run("lowport", "explain", "tcp:80", check=False)
    assert result.returncode != 0
    assert "refused" in result.stderr


def test_a_container_restarts_on_the_same_port(daemon, container):
    daemon(ALLOWED)
    for _ in range(3):
        one = container("--network=none", *SERVE)
        assert client_of(one.answers()) == CLIENT4
        one.stop()


def test_without_the_socket_it_says_what_is_missing(daemon):
    daemon(ALLOWED)
    result = host.once("--network=none", *STRICT, "--user=1000", "application")
    assert result.returncode != 0
    assert "/run/lowport/socket" in result.stderr, result.stderr
