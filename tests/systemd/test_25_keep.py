# SPDX-License-Identifier: MIT
"""`lowport run --keep`: the application is restarted under clients that never stop."""

import json

import host as h
from host import eventually
from test_20_applications import example, serves  # noqa: F401 (a fixture)

RESTARTS, CLIENTS = 50, 4
ENOUGH = "/run/keep-enough"
# Asks again and again; counts who was served, refused, reset, or else.
CLIENT = """
import collections, json, os, socket, sys
count = collections.Counter()
while not os.path.exists(sys.argv[1]):
    try:
        with socket.create_connection(("127.0.0.1", 80), 20) as sock:
            sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b""
            while part := sock.recv(4096):
                answer += part
        count["served" if b"hello, " in answer else "empty"] += 1
    except ConnectionRefusedError:
        count["refused"] += 1
    except ConnectionResetError:
        count["reset"] += 1
    except OSError as error:
        count[str(error)] += 1
print(json.dumps(count))
"""
GRANTED = "MESSAGE_ID=e4986b4ff91e445995fb724c0a054e77"


def test_250_fifty_restarts_lose_no_connection(host, policy, example, fact):  # noqa: F811
    policy("allow user www-data tcp 80")
    before = host.now()
    example("hello-keep.service", "StartLimitInterval=0")
    assert serves(host)
    host.remove(ENOUGH)
    clients = [host.start("python3", "-c", CLIENT, ENOUGH) for _ in range(CLIENTS)]
    try:
        pids = {host.main_pid("hello-keep.service")}
        for _ in range(RESTARTS):
            host.do("systemctl", "restart", "hello-keep.service")
            pids.add(host.main_pid("hello-keep.service"))
        assert serves(host)
    finally:
        host.write(ENOUGH, "")
        ends = [(c.wait(60), c.communicate()) for c in clients]
        host.remove(ENOUGH)
    counts = [json.loads(out) for _, (out, _) in ends]
    total = {key: sum(c.get(key, 0) for c in counts) for key in {k for c in counts for k in c}}
    fact(f"--keep: {RESTARTS} restarts under {CLIENTS} clients: {total.pop('served')} served, "
         f"{total.pop('refused', 0)} refused, {total.pop('reset', 0)} reset, others: {total or 0}")
    assert all(set(c) == {"served"} for c in counts), counts
    assert len(pids) > RESTARTS - 5, "it was another process each time"
    assert len(host.journal(GRANTED, since=before)) == 1, "the daemon was asked once"


def test_251_a_stop_empties_the_store(host, policy, example):  # noqa: F811
    policy("allow user www-data tcp 80")
    example("hello-keep.service")
    assert serves(host)
    assert host.show("hello-keep.service", "NFileDescriptorStore") == "1"
    host.do("systemctl", "stop", "hello-keep.service")
    policy("deny user www-data tcp 80")
    assert host.run("systemctl", "start", "hello-keep.service").returncode == 0  # Type=simple
    eventually(lambda: host.show("hello-keep.service", "ExecMainStatus") == "121", "it is denied")
