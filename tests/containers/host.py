# SPDX-License-Identifier: MIT
"""The throw-away host: its users, its lowportd, rootless podman, and a client beyond its network."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

DEADLINE = 15
LOWPORT, WEB = 990, 1001
FIRST_SUBUID = 100000
HOST4, HOST6, CLIENT4, CLIENT6 = "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"
RUN = pathlib.Path("/run/lowport")  # the directory that containers mount
POLICY = pathlib.Path("/etc/lowport/policy.conf")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
AS_WEB = ENVIRONMENT | {"HOME": "/home/web", "XDG_RUNTIME_DIR": "/run/user/1001"}

FILES = {
    "/etc/subuid": f"web:{FIRST_SUBUID}:65536\n",
    "/etc/subgid": f"web:{FIRST_SUBUID}:65536\n",
    "/etc/containers/storage.conf": '[storage]\ndriver = "vfs"\n'
        'runroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n',
    # No service manager is here to make control groups.
    "/etc/containers/containers.conf":
        '[containers]\ndefault_ulimits = []\ncgroups = "disabled"\nlog_driver = "k8s-file"\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
    # Pods insist on them; an ordinary user's are none, which is told nobody.
    "/home/web/.config/containers/containers.conf": '[containers]\ncgroups = "enabled"\n',
}


def prepare():
    """Users, folders, podman's settings."""
    for path, text in FILES.items():
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text(text)
    with open("/etc/passwd", "a", encoding="ascii") as file:
        file.write(f"lowport:x:{LOWPORT}:{LOWPORT}::/:/bin/false\n"
                   f"web:x:{WEB}:{WEB}::/home/web:/bin/sh\n")
    with open("/etc/group", "a", encoding="ascii") as file:
        file.write(f"lowport:x:{LOWPORT}:web\nweb:x:{WEB}:\n")
    POLICY.parent.mkdir()
    for path, owner in (("/home/web", WEB), ("/run/user/1001", WEB), (RUN, LOWPORT)):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["chown", "-R", f"{owner}:{owner}", path], check=True)


def mapped(uid):
    """What the host sees of a uid in web's containers."""
    return WEB if uid == 0 else FIRST_SUBUID + uid - 1


def eventually(true, what, seconds=DEADLINE):
    """Waits for a fact of which nobody sends an event."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


def as_web():
    return ["setpriv", f"--reuid={WEB}", f"--regid={WEB}", f"--groups={LOWPORT}",
            "--inh-caps=-all", "--ambient-caps=-all"]


def web(*command, check=True, env=None, **options):
    """Runs a command as the user web to its end."""
    options.setdefault("timeout", DEADLINE)
    result = subprocess.run([*as_web(), *map(str, command)], env=AS_WEB | (env or {}), text=True,
                            cwd="/home/web", capture_output=True, check=False, **options)
    assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result


def web_detached(*command):
    """The same of what leaves processes behind that may still have something to say."""
    with open("/run/detached.log", "wb") as log:
        result = subprocess.run([*as_web(), *map(str, command)], env=AS_WEB, cwd="/home/web",
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                timeout=DEADLINE, text=True, check=False)
    said = pathlib.Path("/run/detached.log").read_text(errors="replace")
    assert result.returncode == 0, f"{command}: {said}"
    return result.stdout


def fetch(address=HOST4, port=80):
    """What the client beyond the network is told, as a dictionary; None: nobody answered."""
    where = f"[{address}]" if ":" in address else address
    result = subprocess.run(["ip", "netns", "exec", "client", "curl", "-sS", "-m", "5",
                             f"http://{where}:{port}/"], env=ENVIRONMENT, text=True,
                            capture_output=True, check=False)
    if result.returncode != 0:
        return None
    return dict(re.split(r":\s+", line, maxsplit=1) for line in result.stdout.splitlines())


def client_of(answer):
    """The address that the application saw, an IPv4 one as such."""
    return answer["client"].removeprefix("::ffff:")


class Program:
    """A program that runs in the background; what it says is in `text()`."""

    count = 0

    def __init__(self, command, env, **options):
        Program.count += 1
        self.log = pathlib.Path(f"/run/program{Program.count}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*map(str, command)], env=env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, **options)

    def text(self):
        return self.log.read_text(errors="replace")

    def says(self, *parts):
        """Waits for a line with all the parts in it, and returns it."""
        def find():
            return next((line for line in self.text().splitlines()
                         if all(part in line for part in parts)), None)
        return eventually(lambda: find() or self._over(), f"{parts} in:\n{self.text()}")

    def _over(self):
        if self.process.poll() is not None:
            raise AssertionError(f"status {self.process.returncode}:\n{self.text()}")

    def answers(self, address=HOST4, port=80):
        """Waits until the client gets an answer, and returns it; fails when the program ends."""
        return eventually(lambda: fetch(address, port) or self._over(), f"an answer:\n{self.text()}")

    def ended(self):
        return self.process.wait(DEADLINE)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.ended()


def allow(*rules):
    """Replaces the policy in one step."""
    new = POLICY.with_suffix(".new")
    new.write_text("".join(f"{rule}\n" for rule in rules))
    new.rename(POLICY)


class Service(Program):
    """A program that tells its service manager, which is us, when it is ready."""

    def __init__(self, command, env, **options):
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"/run/notify{Program.count}"
        self.notices.bind(path)
        os.chmod(path, 0o666)
        self.notices.settimeout(DEADLINE)
        super().__init__(command, env | {"NOTIFY_SOCKET": path}, **options)
        self.wait_for("READY=1")

    def wait_for(self, word):
        try:
            while word not in self.notices.recv(4096).decode().split("\n"):
                pass
        except TimeoutError:
            raise AssertionError(f"no {word} within {DEADLINE} s:\n{self.text()}") from None


class Daemon(Service):
    """lowportd on the host as a service manager starts it: its own user, one capability."""

    def __init__(self, *rules, options=()):
        allow(*rules)
        one = "-all,+net_bind_service"
        super().__init__(["setpriv", f"--reuid={LOWPORT}", f"--regid={LOWPORT}", "--clear-groups",
                          f"--inh-caps={one}", f"--ambient-caps={one}", f"--bounding-set={one}",
                          "lowportd", *options], ENVIRONMENT)

    def reload(self, *rules):
        allow(*rules)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("RELOADING=1")
        self.wait_for("READY=1")


# Containers.


STRICT = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
MOUNT = [f"--volume={RUN}:{RUN}"]


class Container(Program):
    """`podman run` of the user web, in the foreground, perhaps behind another command."""

    def __init__(self, *arguments, before=(), env=None):
        self.name = f"test{Program.count}"
        super().__init__([*as_web(), *before, "podman", "run", "--rm", f"--name={self.name}",
                          *arguments], AS_WEB | (env or {}), cwd="/home/web")

    def run(self, *command, check=True):
        """Runs a command in it to its end."""
        return web("podman", "exec", self.name, *command, check=check)

    def stop(self):
        web("podman", "stop", "--time=10", self.name)
        return self.ended()


def once(*arguments):
    """A container that ends by itself."""
    return web("podman", "run", "--rm", *arguments, check=False)


def inspect(image):
    return json.loads(web("podman", "image", "inspect", image).stdout)[0]
