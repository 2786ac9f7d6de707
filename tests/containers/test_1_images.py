# SPDX-License-Identifier: MIT
"""What the images consist of."""

import pathlib
import struct
import tarfile

import pytest

from host import inspect, once, web

LIMIT = 200 * 1024
PROGRAMS = ("usr/bin/lowport", "usr/sbin/lowportd", "usr/libexec/lowport/lowport-binder")
PT_DYNAMIC, PT_INTERP, DT_NEEDED, ET_DYN = 2, 3, 1, 3


def segments(data):
    """The program headers of a 64-bit ELF file: {type: (offset, size)}."""
    table, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = {}
    for at in range(table, table + size * count, size):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", data, at)
        found[kind] = (offset, length)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_needs_nothing_but_the_kernel(name):
    data = pathlib.Path("/srv/context", name).read_bytes()
    found = segments(data)
    assert PT_INTERP not in found
    offset, size = found[PT_DYNAMIC]
    assert DT_NEEDED not in [tag for tag, _ in struct.iter_unpack("<qQ", data[offset:offset + size])]
    # It still has no fixed place in memory.
    assert struct.unpack_from("<H", data, 16) == (ET_DYN,)


def test_the_entrypoint_is_small(report):
    size = pathlib.Path("/srv/context/usr/bin/lowport").stat().st_size
    report(f"lowport, static and stripped: {size} bytes ({size / 1024:.1f} KiB, limit 200)")
    assert size <= LIMIT


def test_an_image_from_scratch_has_the_entrypoint_alone(report):
    facts = inspect("lowport")
    report(f"image lowport, FROM scratch: {facts['Size']} bytes with its tar headers; "
           f"image lowport-daemon: {inspect('lowport-daemon')['Size']} bytes")
    assert facts["Config"]["Entrypoint"] == ["lowport", "run", "-l", "tcp:80", "--"]
    web("podman", "create", "--name=look", "lowport", "x")
    web("podman", "export", "--output=/home/web/look.tar", "look")
    web("podman", "rm", "look")
    with tarfile.open("/home/web/look.tar") as archive:
        files = [entry.name for entry in archive if not entry.isdir()]
    assert files == ["usr/bin/lowport"]


def test_it_says_its_version_in_a_container_without_anything():
    result = once("--network=none", "--read-only", "--cap-drop=all", "--user=12345",
                  "--entrypoint=lowport", "lowport", "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("lowport ")
