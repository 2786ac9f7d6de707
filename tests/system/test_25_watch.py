# SPDX-License-Identifier: MIT
"""lowportd --watch: a policy that changes is loaded, and nobody sends SIGHUP."""

import errno

import protocol as p


def loaded(d, wanted):
    """Waits for the end of a load that nobody asked for and that ended so. On a machine that is
    slow in between, one change may be two to the daemon: then there is another load before."""
    for _ in range(4):
        before = len(d.news)
        assert d.notified("RELOADING=1") and d.notified("READY=1"), d.story()
        if wanted in "\n".join(d.news[before:]):
            return
    raise AssertionError(f"no load ended with {wanted}:\n{d.story()}")


def granted(d, person, port):
    """Waits for a load after which the port is granted."""
    for _ in range(4):
        loaded(d, "in force")
        reply = person.open(d, "tcp", port)
        if reply.reason == p.GRANTED:
            reply.granted().close()
            return
    raise AssertionError(f"port {port} was not granted:\n{d.story()}")


def test_250_a_policy_that_is_replaced_comes_into_force(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--watch"])
    d.write_policy(f"allow user {alice} tcp 443")
    granted(d, alice, 443)
    alice.open(d, "tcp", 80).refused(p.NO_RULE, errno.EACCES)


def test_251_a_policy_that_is_written_in_place_comes_into_force(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--watch"])
    with d.policy.open("a") as file:
        file.write(f"allow user {alice} tcp 443\n")
    granted(d, alice, 443)
    alice.open(d, "tcp", 80).granted().close()


def test_252_a_broken_one_is_reported_and_the_old_one_stays(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--watch"])
    d.write_policy("alow anyone any 1-1023")
    loaded(d, "Reload failed")
    alice.open(d, "tcp", 80).granted().close()
    d.write_policy(f"allow user {alice} tcp 443")
    granted(d, alice, 443)


def test_253_a_configmap_of_kubernetes_is_followed(daemon, alice):
    """policy.conf leads to ..data/policy.conf; kubelet moves another ..data over the old one."""
    d = daemon(f"allow user {alice} tcp 80", options=["--watch"])
    for name, port in (("..1", 443), ("..2", 444), ("..3", 445)):
        (d.home / name).mkdir(mode=0o755)
        (d.home / name / "policy.conf").write_text(f"allow user {alice} tcp {port}\n")
        (d.home / "..data_tmp").symlink_to(name)
        (d.home / "..data_tmp").rename(d.home / "..data")
        if not d.policy.is_symlink():
            (d.home / "link").symlink_to("..data/policy.conf")
            (d.home / "link").rename(d.policy)
        granted(d, alice, port)


def test_254_a_policy_may_go_and_come_back(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80", options=["--watch"])
    d.policy.unlink()
    loaded(d, "Reload failed")
    alice.open(d, "tcp", 80).granted().close()
    d.write_policy(f"allow user {alice} tcp 443")
    granted(d, alice, 443)
