#!/usr/bin/python3
"""A case of gRPC's interoperability tests, by grpc-go's client: interop_test.py [--fault] CASE GRPC_TEST_SERVER WAY...

WAY: h2c, tls. The client judges, by its exit status. --fault: the server has a fault that the client must find."""
import sys

import gotools

SOAK_ITERATIONS = 100  # calls of 271,828 bytes, answered with 314,159: many times what a window holds
SOAK_SECONDS = 60
FAULTY_SOAK_SECONDS = 5
JUDGED_BAD = 1  # exit status


def soak_options(case, seconds):
    if not case.endswith("_soak"):
        return ()
    return ("--soak_iterations", SOAK_ITERATIONS, "--soak_overall_timeout_seconds", seconds,
            "--soak_per_iteration_max_acceptable_latency_ms", SOAK_SECONDS * 1000)


def judge(server, case, options, status=0):
    host, port = server.address.rsplit(":", 1)
    gotools.run("client", "--test_case", case, "--server_host", host, "--server_port", port, *options, status=status)


def judge_fault(case, program):
    server = gotools.TestServer(program)
    try:
        judge(server, case, soak_options(case, FAULTY_SOAK_SECONDS), JUDGED_BAD)
    finally:
        server.kill()


def judge_ways(case, program, ways):
    with gotools.World() as world:
        for way in ways:
            flags = world.make_certificates() if way == "tls" else ()
            options = ("--use_tls", "--use_test_ca", "--ca_file", world.ca) if way == "tls" else ()
            judge(world.test_server(program, *flags), case, (*options, *soak_options(case, SOAK_SECONDS)))


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--fault"]
    case, program, *ways = arguments
    gotools.need()
    if "--fault" in sys.argv:
        judge_fault(case, program)
    else:
        judge_ways(case, program, ways)


if __name__ == "__main__":
    main()
