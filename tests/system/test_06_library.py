# SPDX-License-Identifier: MIT
"""liblowport: installed and linked, in a race for one port, and the protocol without it."""

import os
import re
import signal
import struct
import subprocess

import pytest

import protocol as p
import world
from world import BUILD, CACHE, HOME, SANITIZE, SOURCE

CC = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", CACHE, re.M)[1] if CACHE else "cc"
STAGE = HOME / "stage"
FLAGS = [f"-fsanitize={SANITIZE}"] if SANITIZE else []

PROGRAM = """
#include <lowport/lowport.h>
#include <netinet/in.h>
#include <stdio.h>
int main(void) {
        struct lowport *lp = lowport_new(NULL);
        int fd = lowport_open(lp, IPPROTO_TCP, NULL, 80, 0, 0);
        printf("%s %d\\n", lowport_reason_text(lowport_reason(lp)), fd >= 0);
        lowport_free(lp);
        return fd < 0;
}
"""


def sh(*command, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                            timeout=120, **options)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module", name="installed")
def _installed():
    """Installed as packages are: below another root, for the prefix that was configured."""
    sh("cmake", "--install", BUILD, env=os.environ | {"DESTDIR": str(STAGE)})
    prefix = STAGE / re.search(r"^CMAKE_INSTALL_PREFIX:\w+=/(.+)$", CACHE, re.M)[1]
    for directory, _, files in os.walk(prefix):
        os.chmod(directory, 0o755)
        assert files or os.listdir(directory)
    return prefix


@pytest.fixture(scope="module", name="handover")
def _handover():
    program = HOME / "handover"
    sh(CC, *FLAGS, "-O2", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}/include",
       SOURCE / "tests/system/handover.c", BUILD / "lib/liblowport.a", "-pthread", "-o", program)
    return program


def test_200_what_is_installed_is_complete(installed):
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    for pattern in (r"bin/lowport$", r"s?bin/lowportd$", r"libexec/.*lowport-binder$|sbin/lowport-binder$",
                    r"include/lowport/lowport\.h$", r"lib/.*liblowport\.so\.\d", r"lib/.*liblowport\.a$",
                    r"lib/.*pkgconfig/lowport\.pc$", r"lib/.*cmake/lowport/.*onfig\.cmake$",
                    r"lib/.*lowport/liblowport-preload\.so$",
                    r"share/bash-completion/completions/lowport$",
                    r"share/zsh/site-functions/_lowport$",
                    r"share/fish/vendor_completions\.d/lowport\.fish$"):
        assert any(re.match(pattern, name) for name in names), (pattern, sorted(names))


def test_201_a_cmake_project_finds_links_and_runs_it(installed, daemon, alice):
    project = HOME / "consumer"
    project.mkdir()
    (project / "main.c").write_text(PROGRAM)
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(consumer C)\n"
        "find_package(lowport REQUIRED)\nadd_executable(consumer main.c)\n"
        "target_link_libraries(consumer PRIVATE lowport::lowport)\n")
    sh("cmake", "-S", project, "-B", project / "build", "-G", "Ninja",
       f"-DCMAKE_PREFIX_PATH={installed}", f"-DCMAKE_C_COMPILER={CC}",
       f"-DCMAKE_C_FLAGS={' '.join(FLAGS)}")
    sh("cmake", "--build", project / "build")
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run(project / "build/consumer", at=d)
    assert result.returncode == 0 and result.stdout.endswith(" 1\n"), result


def test_202_pkg_config_knows_it(installed, daemon, alice):
    home = next(installed.rglob("lowport.pc")).parent
    environment = os.environ | {"PKG_CONFIG_PATH": str(home), "PKG_CONFIG_SYSROOT_DIR": str(STAGE)}
    flags = sh("pkg-config", "--cflags", "--libs", "lowport", env=environment).split()
    source, program = HOME / "consumer.c", HOME / "consumer-pc"
    source.write_text(PROGRAM)
    sh(CC, *FLAGS, source, *flags, "-o", program)
    d = daemon(f"allow user {alice} tcp 80")
    library = next(installed.rglob("liblowport.so")).parent
    result = alice.run(program, at=d, env={"LD_LIBRARY_PATH": str(library)})
    assert result.returncode == 0, result
    assert sh("pkg-config", "--modversion", "lowport", env=environment).strip() == \
        re.search(r"^CMAKE_PROJECT_VERSION:\w+=(.+)$", CACHE, re.M)[1]


def test_203_the_library_exports_its_interface_and_nothing_else(installed):
    library = next(installed.rglob("liblowport.so"))
    symbols = {line.split()[-1].split("@")[0]
               for line in sh("nm", "-D", "--defined-only", library).splitlines()
               if line.split()[-2] in "TDBVW"}
    declared = set(re.findall(r"\b(lowport_\w+)\(", "\n".join(
        line for line in (SOURCE / "include/lowport/lowport.h").read_text().splitlines()
        if not line.lstrip().startswith(("*", "/*")))))
    assert symbols == declared, symbols ^ declared
    if not SANITIZE:
        needed = re.findall(r"NEEDED.*\[(.+)\]", sh("readelf", "-d", library))
        assert [n for n in needed if not n.startswith(("libc.", "ld-linux"))] == [], needed


def test_204_the_installed_programs_work_as_they_are(installed, daemon, alice):
    """lowportd finds its binder in libexec; lowport its library."""
    program = next(path for path in installed.rglob("sbin/lowportd") if path.is_file())
    binder = next(path for path in installed.rglob("lowport-binder") if path.is_file())
    d = daemon(f"allow user {alice} tcp 80", program=program, binder=binder)
    tool = next(path for path in installed.rglob("bin/lowport") if path.is_file())
    library = next(installed.rglob("liblowport.so")).parent
    result = alice.run(tool, "run", "-l", "tcp:80", "--", "true", at=d,
                       env={"LD_LIBRARY_PATH": str(library)})
    assert result.returncode == 0, result


def race(person, handover, daemon_, ports, rounds, how):
    programs = [person.popen(handover, daemon_.socket, port, rounds, how, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE) for port in ports]
    problems = []
    for program in programs:
        _, err = program.communicate(timeout=50 * world.SLOW)
        if program.returncode != 0:
            problems.append((program.returncode, err))
    assert not problems, problems
    with person.connect(daemon_) as c:
        status = c.status()
    assert status["failed"] == 0 and status["granted"] == len(ports) * rounds, status


@pytest.mark.parametrize("how", ["fresh", "kept", "turns"])
def test_205_twenty_thousand_hand_overs_of_one_port_meet_no_stranger(daemon, alice, handover, how):
    d = daemon(f"allow user {alice} tcp 80")
    race(alice, handover, d, [80], 20000, how)


@pytest.mark.parametrize("how", ["fresh", "kept", "turns"])
def test_206_eight_clients_on_eight_ports_meet_no_stranger(daemon, alice, handover, how):
    d = daemon(f"allow user {alice} tcp 80-87")
    race(alice, handover, d, range(80, 88), 2500, how)


@pytest.mark.without_sanitizers
def test_206_a_worker_slow_to_let_go_makes_the_next_one_wait(daemon, alice, handover):
    """Each close(2) of the daemon is made to take 3 ms, so that the client is always back first."""
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=close",
            "-e", "inject=close:delay_enter=3000", *world.capable()]
    d = daemon(f"allow user {alice} tcp 80-83", prefix=slow)
    race(alice, handover, d, range(80, 84), 50, "turns")
    os.kill(d.manager(), signal.SIGTERM)
    assert d.ended() == 0


def python_block():
    text = (SOURCE / "docs/protocol.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) == 1, f"{len(blocks)} python blocks in docs/protocol.md"
    return blocks[0]


def test_207_the_python_client_of_the_protocol_document_works(daemon, alice):
    block = python_block()
    assert len(block.splitlines()) <= 25
    program = HOME / "document.py"
    program.write_text(block)
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("/usr/bin/python3", program, 80, at=d)
    assert result.returncode == 0 and result.stdout.startswith("('::', 80"), result
    d.says("granted", "tcp [::]:80", str(alice.uid))
    result = alice.run("/usr/bin/python3", program, 81, at=d)
    assert result.returncode != 0 and "Permission denied" in result.stderr, result
    assert f"uid {alice.uid}, no rule" in result.stderr, result


def test_208_this_suites_client_has_the_headers_layout():
    source = HOME / "layout.c"
    source.write_text("""
#include "common/wire.h"
#include <stddef.h>
#include <stdio.h>
#define Q(f) printf("%zu ", offsetof(struct wire_request, f))
#define R(f) printf("%zu ", offsetof(struct wire_reply, f))
int main(void) {
        Q(version); Q(operation); Q(protocol); Q(family); Q(port); Q(flags); Q(backlog);
        Q(address); Q(scope); Q(reserved); printf("%zu\\n", sizeof(struct wire_request));
        R(version); R(operation); R(reason); R(flags); R(error); R(uid); R(detail); R(line);
        R(path); printf("%zu\\n", sizeof(struct wire_reply));
        printf("%zu\\n", sizeof(struct wire_status));
}
""")
    program = HOME / "layout"
    sh(CC, f"-I{SOURCE}/include", f"-I{SOURCE}/src", source, "-o", program)
    request, reply, status = sh(program).splitlines()

    def offsets(layout):
        items = re.findall(r"\d*[a-zA-Z]", layout.format.lstrip("="))
        return [struct.calcsize("=" + "".join(items[:i])) for i in range(len(items) + 1)]
    mine = offsets(p.REQUEST)
    assert [int(n) for n in request.split()] == [*mine[:10], p.REQUEST.size]
    assert [int(n) for n in reply.split()] == offsets(p.REPLY)
    assert int(status) == p.STATUS_BODY.size


def test_209_a_handle_survives_a_restart_of_the_daemon(daemon, alice):
    """The library connects anew; a program that keeps its handle does not notice."""
    source, program = HOME / "again.c", HOME / "again"
    source.write_text("""
#include <lowport/lowport.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
        struct lowport *lp = lowport_new(NULL);
        char c;
        do {
                int fd = lowport_open(lp, IPPROTO_TCP, NULL, 80, 0, 0);
                printf("%s\\n", lowport_message(lp));
                fflush(stdout);
                if (fd >= 0)
                        close(fd);
        } while (read(0, &c, 1) == 1);
        lowport_free(lp);
}
""")
    sh(CC, *FLAGS, f"-I{SOURCE}/include", source, BUILD / "lib/liblowport.a", "-pthread", "-o", program)
    first = daemon(f"allow user {alice} tcp 80")
    process = alice.popen(program, at=first, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    one = process.stdout.readline()
    first.stop()
    daemon(f"allow user {alice} tcp 80", home=first.home)
    process.stdin.write("x")
    process.stdin.flush()
    two = process.stdout.readline()
    process.communicate()
    assert one == two and "granted" in one, (one, two)
