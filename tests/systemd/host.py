# SPDX-License-Identifier: MIT
"""The booted container: its commands, its people, its journal, and what it serves."""

import json
import os
import pathlib
import subprocess
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DEADLINE = 30
POLICY = "/etc/lowport/policy.conf"
RUN = pathlib.Path("run/lowport")
UNITS = ["lowportd.service", "lowportd.socket", "lowportd-own.socket"]
EXAMPLES = "/usr/share/doc/lowport/examples/systemd"

# Asks from an address of its own, and prints what came.
GET = """
import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3, (sys.argv[3], 0))
sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
answer = b""
while part := sock.recv(4096):
    answer += part
print(answer.decode())
"""


def eventually(true, what, seconds=DEADLINE):
    """Waits for a fact of which nobody sends us an event."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


class Host:
    def __init__(self, nspawn):
        self.nspawn = nspawn
        self.pid = eventually(self._first_process, "the container's first process")
        # The bus comes a moment later than the process.
        eventually(lambda: self.run("systemctl", "is-system-running", "--wait").stdout.strip()
                   in ("running", "degraded"), "the container has booted", 60)

    def _first_process(self):
        assert pathlib.Path(f"/proc/{self.nspawn}").exists(), "the container did not start"
        children = pathlib.Path(f"/proc/{self.nspawn}/task/{self.nspawn}/children").read_text()
        return next((pid for pid in map(int, children.split())
                     if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"), None)

    def _enter(self, command, user):
        become = [] if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}",
                                          "--init-groups", "--inh-caps=-all", "--bounding-set=-all"]
        return ["nsenter", "-t", str(self.pid), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8",
                "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", *become, *command]

    def run(self, *command, user=None, **more):
        """Runs a command as root, or as a user without a privilege."""
        return subprocess.run(self._enter(command, user), text=True, capture_output=True, timeout=120,
                              check=False, stdin=subprocess.DEVNULL if "input" not in more else None, **more)

    def do(self, *command, **more):
        """The same, and it must succeed; returns what it printed."""
        result = self.run(*command, **more)
        assert result.returncode == 0, f"{' '.join(command)}: {result}"
        return result.stdout

    def start(self, *command, user=None):
        """Starts a command and does not wait."""
        return subprocess.Popen(self._enter(command, user), text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill(self, signal, pid):
        self.do("sh", "-c", f"kill -{signal} {pid}")

    # Files.

    def path(self, name):
        return pathlib.Path(f"/proc/{self.pid}/root", str(name).lstrip("/"))

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def remove(self, name):
        self.path(name).unlink(missing_ok=True)

    # Units.

    def show(self, unit, what):
        return self.do("systemctl", "show", "--value", "-p", what, unit).strip()

    def main_pid(self, unit="lowportd.service"):
        return int(self.show(unit, "MainPID"))

    def drop_in(self, unit, *lines, name="test"):
        self.write(f"/run/systemd/system/{unit}.d/{name}.conf", "\n".join(lines) + "\n")
        self.do("systemctl", "daemon-reload")

    def no_drop_in(self, unit, name="test"):
        self.remove(f"/run/systemd/system/{unit}.d/{name}.conf")
        self.do("systemctl", "daemon-reload")

    def own_only(self):
        self.do("install", "-D", "-m", "0644", f"{EXAMPLES}/own-only.conf",
                "/etc/systemd/system/lowportd.service.d/own-only.conf")
        self.do("systemctl", "daemon-reload")

    def no_own_only(self):
        self.do("rm", "-r", "/etc/systemd/system/lowportd.service.d")
        self.do("systemctl", "daemon-reload")

    def waiting_clients(self, path="/run/lowport/socket"):
        """How many connections nobody has accepted yet."""
        lines = self.do("ss", "-xlHn", "src", path).splitlines()
        return int(lines[0].split()[2]) if lines else 0

    def processes(self, unit):
        """How many processes are in the unit's control group."""
        group = self.show(unit, "ControlGroup")
        procs = self.path(f"/sys/fs/cgroup{group}/cgroup.procs")
        return len(procs.read_text().split()) if group and procs.exists() else 0

    # The journal.

    def journal(self, *match, since=0):
        """Entries as the journal has them, the oldest first. A match with --after-cursor would leave
        the first entry out."""
        lines = self.do("journalctl", "-o", "json", "--since", f"@{since // 1000000}", *match).splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [e for e in entries if int(e["__REALTIME_TIMESTAMP"]) > since]

    def now(self):
        """The time of the last entry so far, in microseconds."""
        self.do("journalctl", "--sync")
        return int(json.loads(self.do("journalctl", "-o", "json", "-n", "1"))["__REALTIME_TIMESTAMP"])

    def says(self, since, *parts, match=()):
        """Waits for an entry after that time whose message has all the parts."""
        def find():
            entries = self.journal(*match, since=since)
            return next((e for e in entries if all(p in str(e["MESSAGE"]) for p in parts)), None)
        return eventually(find, f"the journal says {parts}")

    # The network.

    def get(self, port, address="127.0.0.1", source="127.0.0.1"):
        """What a server of the container answers, or None."""
        result = self.run("python3", "-c", GET, address, str(port), source)
        return result.stdout if result.returncode == 0 else None


def nspawn():
    return int(os.environ["LOWPORT_NSPAWN"])
