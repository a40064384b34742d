"""The gRPC door beside Redis, grpc-go and nng's door on the same work, in alternation; docs/benchmarks.md says what and why.

grpc.py [--quick] [--note TEXT]"""
import functools
import os
import re
import subprocess
import tempfile
from pathlib import Path

import grpc_hold
import grpc_report
import measure
import servers

GRPC_GO = servers.ROOT / "build" / "bench" / "grpc_go" / "grpc_go"
IDLE_CONNECTIONS = 10_000
WATCH_CONNECTIONS, WATCHES_EACH = 100, 100
H2LOAD_S = 300


class Scale:
    """How large a run is."""

    def __init__(self, quick):
        self.is_quick = quick
        self.rounds = 2 if quick else 7
        self.seconds = 0.3 if quick else 1
        self.users = 50_000 if quick else 1_000_000
        self.tls_requests = 20_000 if quick else 200_000


# ---- the sides ----------------------------------------------------------------------------------------------------


class Side:
    """A door of a server under a name of its own."""

    def __init__(self, name, server, protocol, port):
        self.name, self.server, self.protocol = name, server, protocol
        self.host, self.port = "127.0.0.1", port
        self.cpu_seconds, self.resident_bytes = server.cpu_seconds, server.resident_bytes

    def url(self):
        return f"tcp://{self.host}:{self.port}"


def musterd(name="muster", *flags, programs=servers.PROGRAMS):
    """A node and its gRPC door."""
    port = servers.free_port()
    node = servers.Node(name, [*servers.node_command(programs), "--rpc", "tcp://127.0.0.1:PORT", "--grpc",
                               f"127.0.0.1:{port}", *flags])
    return node, Side("muster", node, "grpc", port)


def grpc_go():
    return servers.Server("grpc-go", "grpc", [str(GRPC_GO), "127.0.0.1:PORT"])


def filled(book):
    """All sides, with as many users: (gRPC, Redis, grpc-go, nng's door)."""
    node, grpc = musterd()
    redis, go = servers.redis(), grpc_go()
    nng = Side("nng", node, "muster", node.port)
    for side in (nng, redis, go):
        measure.fill(side, book.scale.users)
    return grpc, redis, go, nng


# ---- calls --------------------------------------------------------------------------------------------------------


def rates(book, row, what, sides, target, met, **options):
    """Requests a second of each side; `met` judges the ratios to the sides."""
    rounds = measure.alternate(book.scale.rounds, sides, {"users": book.scale.users, "seconds": book.scale.seconds,
                                                          "ttl_ms": measure.TTL_MS, **options})
    key = "items_per_s" if options.get("batch", 1) > 1 else "requests_per_s"
    measured = measure.medians(rounds, key)
    for side in sides[1:]:
        measured[f"ratio {side.name}"] = measure.ratio(rounds, "muster", side.name, key)
    book.add(row, what, "/s", target, measured, met(measured), options, rounds)
    return rounds


def rows_calls(book):
    grpc, redis, go, nng = filled(book)
    rates(book, "touch_50x1", "Touch, one beat, 50 connections × 1", (grpc, redis, go, nng), "≥ 1.1 × Redis, ≥ 2.5 × grpc-go",
          lambda m: m["ratio redis"] >= 1.1 and m["ratio grpc-go"] >= 2.5, work="touch", connections=50, in_flight=1)
    rounds = rates(book, "touch_8x50", "Touch, 8 connections × 50 streams", (grpc, redis, go, nng), "≥ 3 × grpc-go",
                   lambda m: m["ratio grpc-go"] >= 3, work="touch", connections=8, in_flight=50)
    cpu = measure.medians(rounds, "server_cpu_us_per_request")
    book.add("cpu_8x50", "The same, CPU time of the server a call", "µs", "≤ 6 µs", cpu, cpu["muster"] <= 6)
    rates(book, "touch_batch", "Touch, 1,000 beats a call, 4 × 2", (grpc, redis, nng), "≥ 10 × Redis, ≥ 0.9 × nng's door",
          lambda m: m["ratio redis"] >= 10 and m["ratio nng"] >= 0.9, work="touch", batch=1000, connections=4, in_flight=2)
    rounds = measure.alternate(book.scale.rounds, (grpc, redis, go, nng),
                               {"users": book.scale.users, "seconds": book.scale.seconds, "work": "live",
                                "connections": 1, "in_flight": 1})
    p50 = measure.medians(rounds, "p50_us")
    p50["ratio redis"] = measure.ratio(rounds, "muster", "redis", "p50_us")
    book.add("live_1x1", "Live of one user, one connection, p50", "µs", "≤ 1.1 × Redis", p50, p50["ratio redis"] <= 1.1,
             {"work": "live"}, rounds)
    servers.stop_all()


# ---- TLS ----------------------------------------------------------------------------------------------------------


def touch_body(folder):
    """A Touch of one user, as h2load sends it."""
    user = b"user:000000000041"
    beat = grpc_hold.text(2, user)
    message = grpc_hold.text(3, beat)
    path = Path(folder) / "touch"
    path.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return path


def certificate(folder):
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-keyout", f"{folder}/key", "-out", f"{folder}/cert"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return ["--tls-cert", f"{folder}/cert", "--tls-key", f"{folder}/key"]


def h2load(book, scheme, side, body):
    done = subprocess.run(["h2load", "-n", str(book.scale.tls_requests), "-c", "8", "-m", "50", "-d", str(body),
                           "-H", "content-type: application/grpc", "-H", "te: trailers",
                           f"{scheme}://127.0.0.1:{side.port}/muster.v1.Presence/Touch"],
                          stdout=subprocess.PIPE, text=True, check=True, timeout=H2LOAD_S)
    good = re.search(r"(\d+) succeeded", done.stdout)
    if not good or int(good.group(1)) != book.scale.tls_requests:
        raise SystemExit(f"h2load: {done.stdout}")
    if scheme == "https" and "TLSv1.3" not in done.stdout:
        raise SystemExit(f"h2load did not speak TLS 1.3: {done.stdout}")
    return {"requests_per_s": float(re.search(r"([\d.]+) req/s", done.stdout).group(1))}


def row_tls(book):
    with tempfile.TemporaryDirectory() as folder:
        body = touch_body(folder)
        clear, encrypted = musterd("muster")[1], musterd("tls", *certificate(folder))[1]
        rounds = {"muster": [], "tls": []}
        for number in range(book.scale.rounds):
            for scheme, side, name in (("http", clear, "muster"), ("https", encrypted, "tls"))[::-1 if number % 2 else 1]:
                rounds[name].append(h2load(book, scheme, side, body))
    measured = measure.medians(rounds, "requests_per_s")
    measured["ratio clear"] = measure.ratio(rounds, "tls", "muster", "requests_per_s")
    book.add("tls_8x50", "Touch over TLS 1.3, 8 × 50, by h2load (in the clear: left)", "/s", "≥ 0.75 × of plaintext", measured,
             measured["ratio clear"] >= 0.75, {"requests": book.scale.tls_requests}, rounds)
    servers.stop_all()


# ---- memory -------------------------------------------------------------------------------------------------------


def rows_memory(book):
    idle_connections = 1000 if book.scale.is_quick else IDLE_CONNECTIONS
    node, grpc = musterd()
    measure.fill(Side("nng", node, "muster", node.port), 1000)
    idle = grpc_hold.memory(grpc, idle_connections, 0)
    servers.stop_all()
    node, grpc = musterd()
    measure.fill(Side("nng", node, "muster", node.port), 1000)
    watched = grpc_hold.memory(grpc, WATCH_CONNECTIONS, WATCHES_EACH)
    servers.stop_all()
    go = grpc_hold.memory(grpc_go(), idle_connections, 0)
    book.add("memory_idle", f"Memory of an idle connection, {idle_connections:,} of them", "bytes", "≤ 6 KiB",
             {"muster": idle["bytes_a_connection"], "grpc-go": go["bytes_a_connection"]},
             idle["bytes_a_connection"] <= 6144, {}, {"muster": [idle], "grpc-go": [go]})
    book.add("memory_watch", f"Memory of a Watch stream, {WATCH_CONNECTIONS * WATCHES_EACH:,} over {WATCH_CONNECTIONS} connections",
             "bytes", "≤ 4 KiB", {"muster": watched["bytes_a_watch"]}, watched["bytes_a_watch"] <= 4096, {},
             {"muster": [watched]})
    servers.stop_all()


# ---- nng's door beside it -----------------------------------------------------------------------------------------


def row_beside(book):
    with_door, _ = musterd("muster")
    without = servers.musterd("without")
    sides = (Side("muster", with_door, "muster", with_door.port), without)
    for side in sides:
        measure.fill(side, book.scale.users)
    for row, what, options in (
            ("nng_50x1", "nng's door, Touch, 50 × 1, the gRPC door open", {"work": "touch", "connections": 50, "in_flight": 1}),
            ("nng_10x5", "nng's door, Touch, 10 × 5, the gRPC door open", {"work": "touch", "connections": 10, "in_flight": 5}),
            ("nng_live", "nng's door, Live, 50 × 1, the gRPC door open", {"work": "live", "connections": 50, "in_flight": 1})):
        rounds = measure.alternate(book.scale.rounds, sides, {"users": book.scale.users, "seconds": book.scale.seconds,
                                                              "ttl_ms": measure.TTL_MS, **options})
        measured = measure.medians(rounds, "requests_per_s")
        measured["ratio without"] = measure.ratio(rounds, "muster", "without", "requests_per_s")
        book.add(row, what, "/s", "as without it (≥ 0.97 ×)", measured, measured["ratio without"] >= 0.97, options, rounds)
    servers.stop_all()


def main():
    arguments = measure.arguments()
    book = measure.Book(Scale(arguments.quick))
    measure.prepare()
    os.environ.setdefault("GOMAXPROCS", str(os.cpu_count()))
    known = measure.circumstances(arguments.note)
    sections = [functools.partial(each, book) for each in (rows_calls, row_tls, rows_memory, row_beside)]
    failures = [section.func.__name__ for section in sections if not measure.succeeds(section)]
    measure.finish(book, known, "-grpc", grpc_report.write)
    if failures:
        raise SystemExit(f"failed, and not in the table: {', '.join(failures)}")


if __name__ == "__main__":
    main()
