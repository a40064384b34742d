"""Muster and Redis side by side on the same work, in alternation; see docs/benchmarks.md for what and why.

compare.py [--quick]"""
import argparse
import json
import mmap
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
import servers

ROOT = servers.ROOT
WARM_BYTES = 3 << 30
TTL_MS = 3600_000
PAGE_USERS = 10_000


class Scale:
    """How large a run is."""

    def __init__(self, quick):
        self.is_quick = quick
        self.rounds = 2 if quick else 5
        self.latency_rounds = 1 if quick else 2
        self.seconds = 0.5 if quick else 2
        self.counts_seconds = 0.3 if quick else 0.5
        self.users_small = 1000
        self.users = 100_000 if quick else 1_000_000
        self.users_large = 10 * self.users
        self.spread_s = 4 if quick else 8
        self.spread_large_s = 4 if quick else 16
        self.growth_rate = 3 * self.users // 10  # users a second: well below what saturates two cores


def command_line(server, **options):
    command = [str(servers.PROGRAMS / "bench_load"), "--protocol", server.name, "--to", server.url()]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            command.append("--" + name.replace("_", "-"))
            if each is not True:
                command.append(str(each))
    return command


def load_start(server, **options):
    return subprocess.Popen(command_line(server, **options), stdout=subprocess.PIPE, text=True)


def load_end(process):
    out, _ = process.communicate(timeout=300)
    if process.returncode != 0:
        raise SystemExit("a load failed; see above")
    return json.loads(out)


def load(server, **options):
    cpu = server.cpu_seconds()
    result = load_end(load_start(server, **options))
    result["server_cpu_us_per_request"] = (server.cpu_seconds() - cpu) * 1e6 / max(1, result["requests"])
    return result


def alternate(rounds, sides, options):
    """The same load on each side in turn, several rounds; {side: [result, ...]}."""
    results = {server.name: [] for server in sides}
    for _ in range(rounds):
        for server in sides:
            results[server.name].append(load(server, **options))
    return results


def median(results, key):
    return statistics.median(result[key] for result in results)


class Book:
    """What was measured: one record a row."""

    def __init__(self, scale):
        self.scale = scale
        self.rows = []

    def add(self, row, what, unit, target, measured, met, params=None, rounds=None):
        self.rows.append({"row": row, "what": what, "unit": unit, "target": target, "measured": measured, "met": met,
                          "params": params or {}, "rounds": rounds or {}})
        figures = ", ".join(f"{side} {value:,.1f}" for side, value in measured.items())
        print(f"{what}: {figures} {unit}; target {target or 'none'}: {report.verdict(met)}", flush=True)


def spread(sides, users, seconds):
    """Tells every side of all users in turn, evenly over some seconds, so that windows cut through them."""
    batch = min(1000, users)
    requests = users // batch
    processes = [load_start(server, work="touch", sequential=True, users=users, requests=requests, batch=batch,
                            connections=2, in_flight=4, rate=requests / seconds, ttl_ms=TTL_MS) for server in sides]
    for process in processes:
        load_end(process)


# ---- rows ---------------------------------------------------------------------------------------------------------


def row_throughput(book, row, what, sides, at_least, options):
    options = dict(options, seconds=book.scale.seconds, users=book.scale.users, ttl_ms=TTL_MS)
    key = "items_per_s"
    rounds = alternate(book.scale.rounds, sides, options)
    measured = {side: median(results, key) for side, results in rounds.items()}
    ratio = statistics.median(m[key] / r[key] for m, r in zip(rounds["muster"], rounds["redis"]))
    measured["ratio"] = ratio
    book.add(row, what, "/s", f"≥ {at_least} × Redis", measured, ratio >= at_least, options, rounds)


def rows_single(book, muster, redis, echo):
    for row, what, at_least, connections, in_flight in (
            ("touch_50x1", "Touch, one beat a request, 50 connections", 0.65, 50, 1),
            ("touch_10x5", "Touch, one beat a request, 10 connections × 5 in flight", 0.8, 10, 5)):
        row_throughput(book, row, what, [muster, redis, echo], at_least,
                       {"work": "touch", "batch": 1, "connections": connections, "in_flight": in_flight})


def row_list(book, muster, redis):
    options = {"work": "list", "batch": PAGE_USERS, "users": book.scale.users}
    rounds = {"muster": [], "redis": []}
    for _ in range(book.scale.rounds):
        rounds["muster"].append(load(muster, requests=2 * book.scale.users // PAGE_USERS, **options))
        rounds["redis"].append(load(redis, requests=2, **options))
    for results in rounds.values():
        if any(result["hits"] != 2 * book.scale.users for result in results):
            raise SystemExit("a list did not bring every user")
    measured = {side: median(results, "seconds") * 1000 / 2 for side, results in rounds.items()}
    book.add("list", f"List of all {report.count(book.scale.users)} live users", "ms", "≤ Redis", measured,
             measured["muster"] <= measured["redis"], options, rounds)


def row_counts(book, users, sides):
    windows = [1000 * seconds for seconds in ((2, 5, 60) if book.scale.is_quick else (5, 12, 60))]
    options = {"work": "counts", "window_ms": windows, "seconds": book.scale.counts_seconds, "users": users}
    rounds = alternate(book.scale.rounds, sides, options)
    measured = {side: median(results, "p50_us") for side, results in rounds.items()}
    ratio = statistics.median(m["p50_us"] / e["p50_us"] for m, e in zip(rounds["muster"], rounds["echo"]))
    measured["ratio"] = ratio
    book.add(f"counts_{users}", f"Counts, three windows, {report.count(users)} users (median round trip)", "µs",
             "≤ 1.5 × echo", measured, ratio <= 1.5, options, rounds)


def row_memory(book, users, when, muster, redis):
    measured = {server.name: server.resident_bytes() / users for server in (muster, redis)}
    book.add(f"memory_{users}_{when.split()[-1]}", f"Memory for a member, {report.count(users)} users, {when}", "bytes",
             "≤ 96, < Redis", measured, measured["muster"] <= 96 and measured["muster"] < measured["redis"])


def rows_core(book):
    users, grown = book.scale.users, book.scale.users_large
    out = subprocess.run([str(servers.PROGRAMS / "core_bench"), str(users), str(grown)], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    lines = [json.loads(line) for line in out.splitlines()]
    found = {(line["measure"], line["users"]): line for line in lines}
    for size, target in ((users, 60), (grown, 90)):
        line = found["touch", size]
        book.add(f"core_touch_{size}", f"Core in process, touch of a random known member, {report.count(size)} users",
                 "ns", f"≤ {target}", {"muster": line["ns_each"]}, line["ns_each"] <= target, rounds={"core": [line]})
    book.add("core_other", "Core in process, all measures", "", None, {}, None, rounds={"core": lines})


PROBE = {"work": "touch", "batch": 1, "rate": 1000, "in_flight": 64, "users": 1000, "ttl_ms": TTL_MS}


def probe(muster, echo, seconds):
    """A request a millisecond to both at once: the echo has nothing to do, so what delays it is the machine."""
    both = [load_start(server, seconds=seconds, **PROBE) for server in (muster, echo)]
    return dict(zip(("muster", "echo"), map(load_end, both)))


def add_latency(book, row, what, rounds):
    measured = {}
    for name, results in rounds.items():
        for side in ("muster", "echo"):
            prefix = f"{name} {side}".strip()
            measured[f"{prefix} max"] = max(result[side]["max_us"] for result in results) / 1000
            measured[f"{prefix} p99.9"] = max(result[side]["p999_us"] for result in results) / 1000
    book.add(row, what, "ms", "≤ 10", measured, measured["muster max"] <= 10, PROBE, rounds)


def row_expiry(book):
    users = book.scale.users
    rounds = {"": [], "idle": []}
    for _ in range(book.scale.latency_rounds):
        muster, echo = servers.musterd(), servers.echo()
        rounds["idle"].append(probe(muster, echo, 3))
        load(muster, work="touch", sequential=True, first=1_000_000, users=users, requests=users // 1000, batch=1000,
             connections=4, ttl_ms=4000)
        rounds[""].append(probe(muster, echo, 6))
        muster.stop()
        echo.stop()
    add_latency(book, "expiry", f"Worst request while {report.count(users)} users expire in the same second", rounds)


def row_growth(book):
    scale = book.scale
    requests = (scale.users_large - scale.users) // 1000
    bulk = {"work": "touch", "batch": 1000, "requests": requests, "rate": scale.growth_rate / 1000, "connections": 2,
            "in_flight": 16, "ttl_ms": TTL_MS}
    rounds = {"": [], "known users": []}
    for _ in range(scale.latency_rounds):
        muster, echo = servers.musterd(), servers.echo()
        load(muster, work="touch", sequential=True, users=scale.users, requests=scale.users // 1000, batch=1000,
             connections=4, ttl_ms=TTL_MS)
        for name, who in (("known users", {"users": scale.users}),
                          ("", {"first": scale.users, "users": scale.users_large - scale.users, "sequential": True})):
            process = load_start(muster, **bulk, **who)
            rounds[name].append(probe(muster, echo, requests * 1000 / scale.growth_rate))
            load_end(process)
        muster.stop()
        echo.stop()
    add_latency(book, "growth", f"Worst request while a scope grows from {report.count(scale.users)} to "
                f"{report.count(scale.users_large)} users", rounds)


# ---- the run ------------------------------------------------------------------------------------------------------


def run_small(book):
    sides = [servers.musterd(), servers.redis(), servers.echo()]
    spread(sides[:2], book.scale.users_small, book.scale.spread_s)
    row_counts(book, book.scale.users_small, sides)
    servers.stop_all()


def run_middle(book):
    muster, redis, echo = servers.musterd(), servers.redis(), servers.echo()
    spread([muster, redis], book.scale.users, book.scale.spread_s)
    row_counts(book, book.scale.users, [muster, redis, echo])
    row_memory(book, book.scale.users, "after loading", muster, redis)
    batch = {"batch": 1000, "connections": 4, "in_flight": 1}
    row_throughput(book, "touch_batch", "Touch, 1000 beats a request (ZADD of 1000)", [muster, redis], 5,
                   dict(batch, work="touch"))
    row_throughput(book, "live_batch", "Live, 1000 users a request (ZMSCORE)", [muster, redis], 5,
                   dict(batch, work="live"))
    rows_single(book, muster, redis, echo)
    row_list(book, muster, redis)
    row_memory(book, book.scale.users, "after all that", muster, redis)
    servers.stop_all()


def run_large(book):
    muster, redis, echo = servers.musterd(), servers.redis(), servers.echo()
    spread([muster, redis], book.scale.users_large, book.scale.spread_large_s)
    row_counts(book, book.scale.users_large, [muster, redis, echo])
    row_memory(book, book.scale.users_large, "after loading", muster, redis)
    servers.stop_all()


def warm_memory():
    """Touches memory and gives it back. In a virtual machine whose host provides memory lazily the first touch of a page
    costs some 12 µs; whichever server came first would pay for it."""
    with mmap.mmap(-1, WARM_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for at in range(0, WARM_BYTES, mmap.PAGESIZE):
            memory[at] = 1


def output(*command):
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def circumstances():
    commit = output("git", "rev-parse", "--short=12", "HEAD") or "uncommitted"
    changed = output("git", "status", "--porcelain", "--", "server", "client", "include", "proto", "bench")
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = output("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "redis-server", "libnng1",
                      "libprotobuf-c1", "gcc")
    return {"commit": commit + ("+changes" if changed and commit != "uncommitted" else ""),
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1),
                        "kernel": platform.release(), "packages": packages.splitlines()}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    scale = Scale(parser.parse_args().quick)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    began = time.monotonic()
    known = circumstances()
    book = Book(scale)
    warm_memory()
    rows_core(book)
    run_small(book)
    run_middle(book)
    run_large(book)
    row_expiry(book)
    row_growth(book)
    folder = ROOT / "build" / "bench" if scale.is_quick else ROOT / "bench" / "results"
    path = report.write_results(folder, known, book.rows)
    report.write_report(ROOT / "build" / "bench" if scale.is_quick else ROOT / "docs", known, book.rows)
    print(f"{path}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
