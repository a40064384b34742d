#!/usr/bin/python3
"""grpcurl, grpc-health-probe and ghz on real nodes, as people use them: tools_test.py MUSTERD

In the clear, over TLS, and over TLS with certificates of clients."""
import json
import subprocess
import sys

import gotools

PROTO = gotools.SOURCE / "proto"
NOT_CONNECTED, PROBE_RPC_FAILED, NOT_SERVING = 2, 3, 4  # exit statuses of grpc-health-probe
GRPCURL_STATUS = 64                   # its exit status for a gRPC code is the code and this
INVALID_ARGUMENT, DEADLINE_EXCEEDED = 3, 4
GHZ_CALLS = 5000


def grpcurl(way, node, *arguments, options=(), request=None, status=0):
    given = ("-d", json.dumps(request)) if request is not None else ()
    return gotools.run("grpcurl", *way.grpcurl, *options, *given, node.address, *arguments, status=status)


def expect_in(what, said, *parts):
    for part in parts:
        assert part in said, f"{what}: no {part!r} in\n{said}"


class Plain:
    grpcurl, probe, ghz, flags = ("-plaintext",), (), ("--insecure",), ()


class Tls:
    def __init__(self, world):
        self.flags = world.make_certificates()
        self.grpcurl = ("-cacert", world.ca)
        self.probe = ("-tls", "-tls-ca-cert", world.ca)
        self.ghz = ("--cacert", world.ca)


class MutualTls(Tls):
    def __init__(self, world):
        super().__init__(world)
        self.as_stranger = self.probe
        self.flags += ("--tls-client-ca", str(world.ca))
        cert, key = world.folder / "client.pem", world.folder / "client.key"
        self.grpcurl += ("-cert", cert, "-key", key)
        self.probe += ("-tls-client-cert", cert, "-tls-client-key", key)
        self.ghz += ("--cert", cert, "--key", key)


def describe(way, node):
    services = grpcurl(way, node, "list").split()
    for service in ("grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "muster.v1.Presence"):
        assert service in services, f"grpcurl list: no {service} among {services}"
    expect_in("list", grpcurl(way, node, "list", "muster.v1.Presence"), "muster.v1.Presence.Touch")
    expect_in("describe a service", grpcurl(way, node, "describe", "muster.v1.Presence"),
              "rpc Touch ( .muster.v1.TouchRequest ) returns ( .muster.v1.TouchResponse );",
              "rpc Watch ( .muster.v1.WatchRequest ) returns ( stream .muster.v1.WatchResponse );")
    expect_in("describe a message", grpcurl(way, node, "describe", ".muster.v1.Beat"), "string user = ")


def call(way, node):
    touched = grpcurl(way, node, "muster.v1.Presence/Touch", request={"scope": "room:7", "beats": [{"user": "ada"}]})
    assert json.loads(touched)["joined"] == 1, f"Touch answered {touched}"
    without_reflection = ("-use-reflection=false", "-import-path", PROTO, "-proto", "muster/v1/presence.proto")
    live = grpcurl(way, node, "muster.v1.Presence/Live", request={"scope": "room:7", "users": ["ada", "bob"]},
                   options=without_reflection)
    assert [user.get("live", False) for user in json.loads(live)["users"]] == [True, False], f"Live answered {live}"
    refused = grpcurl(way, node, "muster.v1.Presence/Touch", request={"beats": [{"user": "x" * 129}]},
                      status=GRPCURL_STATUS + INVALID_ARGUMENT)
    expect_in("a user's id of 129 bytes", refused, "Code: InvalidArgument", "Message: ", "user")


def watch(way, node):
    """A stream that tells of a user who comes while it is open; and one that its deadline ends."""
    request = {"scope": "room:8"}
    command = [str(gotools.TOOLS / "grpcurl"), *map(str, way.grpcurl), "-max-time", str(gotools.DEADLINE_S), "-d",
               json.dumps(request), node.address, "muster.v1.Presence/Watch"]
    said = ""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as stream:
        try:
            while '"cursor"' not in said:
                said += stream.stdout.readline() or "the end"
                assert not said.endswith("the end"), f"a Watch ended after {said}"
            grpcurl(way, node, "muster.v1.Presence/Touch", request={"scope": "room:8", "beats": [{"user": "bob"}]})
            while '"bob"' not in said:
                said += stream.stdout.readline() or "the end"
                assert not said.endswith("the end"), f"a Watch ended after {said}"
        finally:
            stream.terminate()
    grpcurl(way, node, "muster.v1.Presence/Watch", request=request, options=("-max-time", "0.3"),
            status=GRPCURL_STATUS + DEADLINE_EXCEEDED)


def probe(way, world, musterd, node):
    expect_in("the whole node", gotools.run("grpc-health-probe", "-addr", node.address, *way.probe), "status: SERVING")
    gotools.run("grpc-health-probe", "-addr", node.address, *way.probe, "-service", "muster.v1.Presence")
    gotools.run("grpc-health-probe", "-addr", node.address, *way.probe, "-gzip")
    gotools.run("grpc-health-probe", "-addr", node.address, *way.probe, "-service", "no.such.Service",
                status=PROBE_RPC_FAILED)
    joining = world.joining_node(musterd, *way.flags)
    gotools.run("grpc-health-probe", "-addr", joining.address, *way.probe, status=NOT_SERVING)


def load(way, node):
    """Some thousands of calls, all of them answered with OK."""
    for option in ((), ("--enable-compression",)):
        said = gotools.run("ghz", *way.ghz, *option, "--import-paths", PROTO, "--proto", PROTO / "muster/v1/presence.proto",
                           "--call", "muster.v1.Presence.Touch", "--data",
                           '{"scope": "load", "beats": [{"user": "user-{{.RequestNumber}}"}]}', "--total", GHZ_CALLS,
                           "--concurrency", 50, "--connections", 8, "--format", "json", node.address)
        statuses = json.loads(said)["statusCodeDistribution"]
        assert statuses == {"OK": GHZ_CALLS}, f"ghz {option} of {GHZ_CALLS} calls: {statuses}"
    counts = grpcurl(way, node, "muster.v1.Presence/Counts", request={"scopes": ["load"]})
    assert int(json.loads(counts)["scopes"][0]["live"]) == GHZ_CALLS, f"users of as many calls: {counts}"


def main():
    musterd = sys.argv[1]
    gotools.need()
    for make_way in (lambda world: Plain, Tls, MutualTls):
        with gotools.World() as world:
            way = make_way(world)
            node = world.node(musterd, "tools", *way.flags)
            describe(way, node)
            call(way, node)
            watch(way, node)
            probe(way, world, musterd, node)
            load(way, node)
            if isinstance(way, MutualTls):
                gotools.run("grpc-health-probe", "-addr", node.address, *way.as_stranger, status=NOT_CONNECTED)


if __name__ == "__main__":
    main()
