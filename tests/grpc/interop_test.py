#!/usr/bin/python3
"""A case of gRPC's interoperability tests, by grpc-go's client: interop_test.py CASE GRPC_TEST_SERVER WAY...

WAY: h2c, tls. The client judges, by its exit status."""
import sys

import gotools


def main():
    case, program, *ways = sys.argv[1:]
    gotools.need()
    with gotools.World() as world:
        for way in ways:
            flags = world.make_certificates() if way == "tls" else ()
            options = ("--use_tls", "--use_test_ca", "--ca_file", world.ca) if way == "tls" else ()
            host, port = world.test_server(program, *flags).address.rsplit(":", 1)
            gotools.run("client", "--test_case", case, "--server_host", host, "--server_port", port, *options)


if __name__ == "__main__":
    main()
