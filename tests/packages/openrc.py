#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Alpine's service under OpenRC: started, asked, reloaded, killed and restarted, stopped.

Runs as root in a root of its own, where the package's files are."""

import os
import pathlib
import re
import subprocess
import time

DEADLINE = 30
POLICY = pathlib.Path("/etc/lowport/policy.d/openrc.conf")


def run(*command, status=0):
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=DEADLINE, check=False)
    print("$", *command, "->", result.returncode, flush=True)
    print(result.stdout, end="", flush=True)
    assert status is None or (result.returncode == 0) == (status == 0), result.returncode
    return result.stdout


def eventually(true, what):
    """OpenRC tells nobody when a daemon is ready."""
    end = time.monotonic() + DEADLINE
    while not (value := true()):
        assert time.monotonic() < end, f"not within {DEADLINE} s: {what}"
        time.sleep(0.02)
    return value


def answers():
    result = subprocess.run(["lowport", "status"], text=True, capture_output=True, check=False)
    return result.returncode == 0 and result.stdout


def explain():
    return subprocess.run(
        ["setpriv", "--reuid=33", "--regid=33", "--clear-groups", "--bounding-set=-all", "lowport",
         "run", "--no-direct", "-l", "tcp:80", "--", "true"], check=False).returncode


def manager():
    """The pid of lowportd below supervise-daemon."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")[0]
            parent = int(re.search(r"PPid:\t(\d+)", (path / "status").read_text())[1])
            above = pathlib.Path(f"/proc/{parent}/cmdline").read_bytes()
        except OSError:
            continue
        if command.endswith(b"sbin/lowportd") and b"supervise-daemon" in above:
            return int(path.name)
    return 0


for name in ("exclusive", "starting", "started", "stopping", "inactive", "failed", "daemons", "options",
             "scheduled", "tmp"):  # as OpenRC's first process makes them at boot
    os.makedirs(f"/run/openrc/{name}", exist_ok=True)
pathlib.Path("/run/openrc/softlevel").touch()

run("rc-service", "lowportd", "start")
eventually(answers, "an answer")
assert explain() != 0, "granted without a rule"

POLICY.write_text("allow user 33 tcp 80\n")
run("rc-service", "lowportd", "reload")
eventually(lambda: explain() == 0, "the new policy")

POLICY.write_text("allow user 33 tcp 0\n")
assert "port 0" in run("rc-service", "lowportd", "reload", status=1)
assert explain() == 0, "the old policy is gone"
POLICY.write_text("allow user 33 tcp 80\n")

first = eventually(manager, "the manager")
os.kill(first, 9)
eventually(lambda: manager() not in (0, first) and answers(), "the daemon started again")
assert explain() == 0

run("rc-service", "lowportd", "stop")
eventually(lambda: manager() == 0, "no daemon")
print("started, reloaded, restarted, stopped")
