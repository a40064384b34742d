#!/usr/bin/python3
"""What the interoperability tests leave out of the test service's streams: streams_test.py GRPC_TEST_SERVER"""
import base64
import json
import re
import time
import sys
from pathlib import Path

import gotools

PROTO = gotools.SOURCE / "tests/grpc/interop"
SERVICE = "grpc.testing.TestService"
INTERVAL_S = 0.2
LARGE_BYTES, LARGE_RESPONSES = 500_000, 100
SERVER_KB_MAX = 30_000
GHZ_CALLS = 2000


def stream_sizes(server, method, requests):
    """The sizes of the responses, in order."""
    said = gotools.run("grpcurl", "-plaintext", "-import-path", PROTO, "-proto", "test_messages.proto", "-d",
                       "".join(map(json.dumps, requests)), server.address, f"{SERVICE}/{method}")
    bodies = re.findall(r'"body": "([^"]*)"', said)
    return [len(base64.b64decode(body)) for body in bodies]


def asking_for(*sizes, interval_s=0.0):
    return {"responseParameters": [{"size": size, "intervalUs": round(interval_s * 1e6)} for size in sizes]}


def expect(what, found, wanted):
    assert found == wanted, f"{what}: {found}, not {wanted}"


def answers_after_the_last_request(server):
    expect("HalfDuplexCall", stream_sizes(server, "HalfDuplexCall", [asking_for(3, 5), asking_for(7)]), [3, 5, 7])


def responses_keep_their_intervals(server):
    began = time.monotonic()
    expect("StreamingOutputCall", stream_sizes(server, "StreamingOutputCall", [asking_for(1, 2, interval_s=INTERVAL_S)]),
           [1, 2])
    took = time.monotonic() - began
    assert took >= 2 * INTERVAL_S, f"two intervals of {INTERVAL_S} s took {took} s"


def memory_does_not_grow_with_a_stream(server):
    """50 MB in all, which the service sends as the client reads."""
    sizes = [LARGE_BYTES] * LARGE_RESPONSES
    expect("a large stream", stream_sizes(server, "StreamingOutputCall", [asking_for(*sizes)]), sizes)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak_kb = int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))
    assert peak_kb <= SERVER_KB_MAX, f"the server had {peak_kb} kB of memory at its peak"


def both_ways_are_compressed(server):
    data = {"payload": {"body": base64.b64encode(bytes(10_000)).decode()}, "responseSize": 10_000}
    said = gotools.run("ghz", "--insecure", "--enable-compression", "--import-paths", PROTO, "--proto",
                       PROTO / "test_messages.proto", "--call", f"{SERVICE}.UnaryCall", "--data", json.dumps(data),
                       "--total", GHZ_CALLS, "--format", "json", server.address)
    expect("compressed calls", json.loads(said)["statusCodeDistribution"], {"OK": GHZ_CALLS})


def main():
    gotools.need()
    with gotools.World() as world:
        server = world.test_server(sys.argv[1])
        answers_after_the_last_request(server)
        responses_keep_their_intervals(server)
        both_ways_are_compressed(server)
        memory_does_not_grow_with_a_stream(server)


if __name__ == "__main__":
    main()
