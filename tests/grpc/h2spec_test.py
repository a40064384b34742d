#!/usr/bin/python3
"""All of h2spec, strict: h2spec_test.py h2c|tls GRPC_TEST_SERVER MUSTERD"""
import re
import sys

import gotools

CASES = 146


def judge(server, *options):
    host, port = server.address.rsplit(":", 1)
    said = gotools.run("h2spec", "--strict", "--host", host, "--port", port, *options)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", said)
    assert found, f"h2spec counted nothing:\n{said}"
    assert found.groups() == (str(CASES), str(CASES), "0", "0"), f"{found.group()}, not all of {CASES}:\n{said}"


def main():
    way, program, musterd = sys.argv[1:]
    gotools.need()
    with gotools.World() as world:
        flags = world.make_certificates() if way == "tls" else ()
        options = ("--tls", "--insecure") if way == "tls" else ()
        judge(world.test_server(program, *flags), *options)
        judge(world.node(musterd, "h2spec", *flags), *options)


if __name__ == "__main__":
    main()
