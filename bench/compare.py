"""Muster, Redis and the musterd before the loop side by side on the same work, in alternation; docs/benchmarks.md says what
and why.

compare.py [--quick|--full] [--note TEXT]"""
import functools
import json
import statistics
import subprocess

import before
import clusters
import measure
import report
import servers
import stalls
import watchers

PAGE_USERS = 10_000
FOUR = "4 loops"


class Scale:
    """How large a run is: quick in a few minutes to try the script, else some twelve minutes, full in half an hour."""

    def __init__(self, arguments):
        quick, full = arguments.quick, arguments.full
        self.is_quick = quick
        self.rounds = 2 if quick else 9 if full else 5
        self.seconds = 0.2 if quick else 2 if full else 0.8
        self.counts_seconds = 0.2 if quick else 0.4
        self.core_rounds = 1 if quick else 6 if full else 4
        self.users_small = 1000
        self.users = 50_000 if quick else 1_000_000
        self.users_large = 10 * self.users
        self.spread_s = 3 if quick else 8
        self.spread_large_s = 3 if quick else 16
        self.growth_per_s = 3 * self.users if quick else 600_000  # well below what saturates two cores
        self.stall_rounds = 1 if quick else 5 if full else 3
        self.fan_rounds = 1 if quick else 5 if full else 2
        self.fan_s = 2 if quick else 8 if full else 4
        self.spread_rounds = 1 if quick else 4 if full else 2
        self.samples = 40 if quick else 200
        self.sustained_s = 3 if quick else 30
        self.sustained_others_s = 3 if quick else 30 if full else 12


# ---- one beat a request -------------------------------------------------------------------------------------------

WORKS = (  # row, what, options, at least this × Redis
    ("touch_50x1", "Touch, one beat a request, 50 connections × 1 in flight", "touch", 50, 1, 1.4),
    ("touch_10x5", "Touch, 10 connections × 5 in flight", "touch", 10, 5, 2),
    ("touch_200x1", "Touch, 200 connections × 1", "touch", 200, 1, 1.2),
    ("live_50x1", "Live of one user, 50 connections × 1 (ZMSCORE)", "live", 50, 1, 1.3),
)


def row_loops(book, row, what, unit, rounds, key, is_less_better=False):
    """Four loops against one, on whatever cores there are."""
    if FOUR not in rounds:
        return
    measured = measure.medians({side: rounds[side] for side in ("muster", FOUR)}, key)
    one, four = ("muster", FOUR)
    measured["ratio"] = measure.ratio(rounds, one, four, key) if is_less_better else measure.ratio(rounds, four, one, key)
    book.add(f"loops_{row}", what, unit, "≥ 0.9 × one loop", measured, measured["ratio"] >= 0.9)


def row_work(book, sides, row, what, options, at_least):
    options = dict({"batch": 1, "ttl_ms": measure.TTL_MS}, seconds=book.scale.seconds, users=book.scale.users, **options)
    rounds = measure.alternate(book.scale.rounds, sides, options)
    measured = measure.medians(rounds, "items_per_s")
    measured["ratio"] = measure.ratio(rounds, "muster", "redis", "items_per_s")
    book.add(row, what, "/s", f"≥ {at_least} × Redis", measured, measured["ratio"] >= at_least, options, rounds)
    row_loops(book, row, what, "/s", rounds, "items_per_s")
    return rounds


def row_cpu(book, rounds):
    key = "server_cpu_us_per_request"
    measured = measure.medians(rounds, key)
    measured["ratio"] = measure.ratio(rounds, "muster", "redis", key)
    what = "Touch, 50 connections × 1: CPU of the server a request"
    book.add("touch_50x1_cpu", what, "µs", "≤ 0.7 × Redis", measured, measured["ratio"] <= 0.7)
    row_loops(book, "touch_50x1_cpu", what, "µs", rounds, key, is_less_better=True)


def row_round_trip(book, sides):
    options = {"work": "touch", "batch": 1, "seconds": book.scale.seconds, "users": book.scale.users,
               "ttl_ms": measure.TTL_MS}
    rounds = measure.alternate(book.scale.rounds, sides, options)
    measured = measure.medians(rounds, "p50_us")
    measured["ratio"] = measure.ratio(rounds, "muster", "redis", "p50_us")
    what = "Touch, 1 connection × 1: round trip, p50"
    book.add("touch_1x1", what, "µs", "≤ 0.9 × Redis", measured, measured["ratio"] <= 0.9, options, rounds)
    row_loops(book, "touch_1x1", what, "µs", rounds, "p50_us", is_less_better=True)


def rows_single(book, sides, echo):
    for row, what, work, connections, in_flight, at_least in WORKS:
        options = {"work": work, "connections": connections, "in_flight": in_flight}
        with_echo = [*sides, echo] if row == "touch_50x1" else sides
        rounds = row_work(book, with_echo, row, what, options, at_least)
        if row == "touch_50x1":
            row_cpu(book, rounds)
    row_round_trip(book, [*sides, echo])


def rows_batch(book, sides):
    shape = {"batch": 1000, "connections": 4, "in_flight": 2}
    what = "Touch, 1000 beats a request, 4 connections × 2 (ZADD of 1000)"
    rounds = row_work(book, sides, "touch_batch", what, dict(shape, work="touch"), 15)
    if "before" in rounds:
        measured = measure.medians({side: rounds[side] for side in ("muster", "before")}, "items_per_s")
        measured["ratio"] = measure.ratio(rounds, "muster", "before", "items_per_s")
        book.add("touch_batch_before", f"{what}, against before", "/s", "≥ 1 × before", measured, measured["ratio"] >= 1)
    row_work(book, sides, "live_batch", "Live, 1000 users a request, 4 connections × 2 (ZMSCORE of 1000)",
             dict(shape, work="live"), 5)


# ---- reads of a whole scope, memory -------------------------------------------------------------------------------


def row_list(book, sides):
    options = {"work": "list", "batch": PAGE_USERS, "users": book.scale.users}
    rounds = {side.name: [] for side in sides}
    for _ in range(book.scale.rounds):
        for side in sides:
            requests = 2 * (book.scale.users // PAGE_USERS if side.protocol == "muster" else 1)
            rounds[side.name].append(measure.load(side, requests=requests, **options))
    if any(result["hits"] != 2 * book.scale.users for results in rounds.values() for result in results):
        raise SystemExit("a list did not bring every user")
    measured = {side: measure.median(results, "seconds") * 1000 / 2 for side, results in rounds.items()}
    book.add("list", f"List of all {report.count(book.scale.users)} live users (ZRANGE)", "ms", "≤ Redis", measured,
             measured["muster"] <= measured["redis"], options, rounds)


def row_counts(book, users, sides):
    windows = [1000 * seconds for seconds in ((1, 2, 60) if book.scale.is_quick else (5, 12, 60))]
    options = {"work": "counts", "window_ms": windows, "seconds": book.scale.counts_seconds, "users": users}
    rounds = measure.alternate(book.scale.rounds, sides, options)
    measured = measure.medians(rounds, "p50_us")
    measured["ratio"] = measure.ratio(rounds, "muster", "echo", "p50_us")
    book.add(f"counts_{users}", f"Counts, three windows, {report.count(users)} users: round trip, p50 (ZCOUNT)", "µs",
             "≤ 1.2 × echo", measured, measured["ratio"] <= 1.2, options, rounds)


def row_memory(book, users, sides):
    measured = {side.name: side.resident_bytes() / users for side in sides}
    book.add(f"memory_{users}", f"Memory for a member, {report.count(users)} users", "bytes", "≤ 96, < Redis", measured,
             measured["muster"] <= min(96, measured.get("redis", 96)))


# ---- the core in process ------------------------------------------------------------------------------------------


def core_once(programs, users, grown):
    out = subprocess.run([str(programs / "core_bench"), str(users), str(grown)], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in out.splitlines()]


def rows_core(book, old):
    users, grown = book.scale.users, book.scale.users_large
    rounds = {"muster": [], **({"before": []} if old else {})}
    for _ in range(book.scale.core_rounds):
        rounds["muster"].append(core_once(servers.PROGRAMS, users, grown))
        if old:
            rounds["before"].append(core_once(old, users, grown))
    for size, target in ((users, 60), (grown, 85)):
        measured = {side: statistics.median(line["call_p5_us"] for lines in results for line in lines
                                            if (line["measure"], line["users"]) == ("touch", size))
                    for side, results in rounds.items()}
        book.add(f"core_touch_{size}", f"Core in process, touch of a random known member, batches of 1000, p5, "
                 f"{report.count(size)} users", "ns", f"≤ {target}", measured, measured["muster"] <= target)
    book.add("core_other", "Core in process, all measures", "", None, {}, None, rounds={"core": rounds["muster"]})


def rows_scopes(book):
    """A million scopes of one user each, in the core alone."""
    scopes = book.scale.users
    results = []
    for _ in range(book.scale.core_rounds):
        out = subprocess.run([str(servers.PROGRAMS / "core_bench"), "scopes", str(scopes)], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
        results.append([json.loads(line) for line in out.splitlines()])
    lines = {measure: [line for lines in results for line in lines if line["measure"] == measure]
             for measure in ("scope_memory", "scope_touch")}
    each = statistics.median(line["resident_each"] for line in lines["scope_memory"])
    book.add(f"scope_memory_{scopes}", f"Core in process, memory of a scope of one user, its member included, "
             f"{report.count(scopes)} scopes", "bytes", "≤ 160", {"muster": each}, each <= 160)
    touch = statistics.median(line["call_p5_us"] for line in lines["scope_touch"])
    book.add(f"scope_touch_{scopes}", "The same, touch of a random scope, batches of 1000, p5", "ns", "reported",
             {"muster": touch}, None, rounds={"scopes": results})


# ---- the worst request --------------------------------------------------------------------------------------------


def add_stall(book, row, what, rounds):
    """rounds: {side: [found of stalls.probe, ...]}. The worst round of each side counts."""
    measured, worst = {}, {}
    for side, results in rounds.items():
        worst[side] = max(results, key=lambda found, side=side: stalls.above_echo_ms(found, side))
        measured[side] = worst[side][side]["max_us"] / 1000
    measured["echo"] = worst["muster"]["echo"]["max_us"] / 1000
    measured["above"] = stalls.above_echo_ms(worst["muster"], "muster")
    book.add(row, what, "ms", "≤ 10 above the echo", measured, measured["above"] <= 10, stalls.PROBE, rounds)


def rows_stalls(book, starts):
    scale = book.scale
    expiry, growth, known = ({side: [] for side in starts} for _ in range(3))
    for _ in range(scale.stall_rounds):
        for side, start in starts.items():
            expiry[side].append(stalls.expiry_once(start, scale.users))
            found = stalls.growth_once(start, scale.users, scale.users_large, scale.growth_per_s)
            growth[side].append(found["growth"])
            known[side].append(found["known"])
    users, grown = report.count(scale.users), report.count(scale.users_large)
    add_stall(book, "growth", f"Worst request while {users} users grow to {grown}", growth)
    add_stall(book, "growth_known", f"Worst request while as many beats of {users} known users come", known)
    add_stall(book, "expiry", f"Worst request while {users} users expire in a second", expiry)


# ---- watchers -----------------------------------------------------------------------------------------------------


def row_fan(book, starts):
    rounds = {side: [] for side in (*starts, "redis")}
    for _ in range(book.scale.fan_rounds):
        for side, start in {**starts, "redis": servers.redis}.items():
            server = start()
            if server.protocol == "muster":
                measure.fill(server, watchers.CHANGING_USERS)
            rounds[side].append(watchers.fan_once(server, book.scale.fan_s))
            server.stop()
    measured = measure.medians(rounds, "core_percent")
    measured["ratio"] = measure.ratio(rounds, "muster", "redis", "core_percent")
    book.add("watch_fan", f"{watchers.WATCHERS:,} watchers, {watchers.RATE:,} changes a second, {watchers.PACE_MS} ms pace: "
             "CPU, share of a core (PUBLISH)", "%", "≤ 1/5 of Redis", measured, measured["ratio"] <= 0.2, {}, rounds)


def rows_connections(book, starts):
    found = {side: watchers.parked_once(start) for side, start in starts.items()}
    for row, what, key, most in (
            ("memory_connection", "Memory of an idle connection, in the process", "bytes_a_connection", 1024),
            ("memory_watch", "Memory of a parked watch, in the process", "bytes_a_watch", 1536)):
        measured = {side: each[key] for side, each in found.items()}
        book.add(row, what, "bytes", f"≤ {most:,}", measured, measured["muster"] <= most,
                 rounds={side: [each] for side, each in found.items()})


# ---- a cluster ----------------------------------------------------------------------------------------------------


def cluster_starts(old):
    starts = {"muster": clusters.nodes_start, "redis": clusters.replicas_start}
    if old:
        starts["before"] = functools.partial(clusters.nodes_start, "before", old)
    return starts


def row_spread(book, starts):
    rounds = {side: [] for side in starts}
    for _ in range(book.scale.spread_rounds):
        for side, start in starts.items():
            nodes = start()
            rounds[side].append(clusters.spread_once(nodes, book.scale.samples))
            clusters.stop(nodes)
    measured = {f"{side} {key}": measure.median(results, f"{key}_us") / 1000 for side, results in rounds.items()
                for key in ("p50", "p99")}
    book.add("cluster_spread", "From a join's answer at one node to Live at another, idle, p50 / p99", "ms",
             "≤ 0.3 / 1.5 ms", measured, measured["muster p50"] <= 0.3 and measured["muster p99"] <= 1.5,
             {"samples": book.scale.samples}, rounds)


def rows_sustained(book, starts):
    rounds = {}
    for side, start in starts.items():
        nodes = start()
        pace = {"in_flight": 4} if side == "redis" else {"in_flight": 16, "rate": clusters.OFFERED_PER_S}
        seconds = book.scale.sustained_s if side == "muster" else book.scale.sustained_others_s
        rounds[side] = [clusters.sustained_once(nodes, book.scale.users, seconds, **pace)]
        clusters.stop(nodes)
    measured = measure.medians(rounds, "replicated_per_s")
    measured["ratio"] = measured["muster"] / measured["redis"]
    repair = {side: results[0]["sync_bytes"] / 1000 for side, results in rounds.items() if side != "redis"}
    is_quiet = repair["muster"] * 1000 <= clusters.REPAIR_BYTES_NONE
    book.add("cluster_sustained", f"Touches a second at each of three nodes, {report.count(book.scale.users)} users, "
             f"{book.scale.sustained_s} s (Redis with two replicas)", "/s", "≥ 1.05 M/s", measured,
             measured["muster"] >= 1.05e6, {"offered_per_s": 1000 * clusters.OFFERED_PER_S}, rounds)
    book.add("cluster_repair", "The same: repair traffic of all nodes", "kB", "none", repair, is_quiet)


# ---- the run ------------------------------------------------------------------------------------------------------


def sides_start(old, with_redis=True, with_four=True):
    sides = [servers.musterd(threads=1)]
    if with_four and servers.has_threads():
        sides.append(servers.musterd(FOUR, threads=4))
    if with_redis:
        sides.append(servers.redis())
    if old:
        sides.append(servers.musterd("before", old))
    return sides


def run_small(book, old):
    sides = sides_start(old, with_four=False)
    measure.spread(sides, book.scale.users_small, book.scale.spread_s)
    row_counts(book, book.scale.users_small, [*sides, servers.echo()])
    servers.stop_all()


def run_middle(book, old):
    sides, echo = sides_start(old), servers.echo()
    measure.spread(sides, book.scale.users, book.scale.spread_s)
    row_counts(book, book.scale.users, [*(side for side in sides if side.name != FOUR), echo])
    row_memory(book, book.scale.users, [side for side in sides if side.name != FOUR])
    rows_single(book, sides, echo)
    rows_batch(book, sides)
    row_list(book, [side for side in sides if side.name != FOUR])
    servers.stop_all()


def run_large(book, old):
    """Without Redis, which would need most of a minute to take so many."""
    sides = sides_start(old, with_redis=False, with_four=False)
    measure.spread(sides, book.scale.users_large, book.scale.spread_large_s)
    row_counts(book, book.scale.users_large, [*sides, servers.echo()])
    row_memory(book, book.scale.users_large, sides)
    servers.stop_all()


def main():
    arguments = measure.arguments("--full")
    known = measure.circumstances(arguments.note)
    old = before.build()
    known["before"] = before.COMMIT if old else None
    book = measure.Book(Scale(arguments))
    measure.prepare()
    starts = {"muster": servers.musterd}
    if old:
        starts["before"] = functools.partial(servers.musterd, "before", old)
    sections = (functools.partial(run_middle, book, old), functools.partial(run_small, book, old),
                functools.partial(run_large, book, old), functools.partial(rows_core, book, old),
                functools.partial(rows_scopes, book),
                functools.partial(rows_stalls, book, starts), functools.partial(row_fan, book, starts),
                functools.partial(rows_connections, book, starts),
                functools.partial(row_spread, book, cluster_starts(old)),
                functools.partial(rows_sustained, book, cluster_starts(old)))
    failures = [section.func.__name__ for section in sections if not measure.succeeds(section)]
    measure.finish(book, known, "", report.write_report)
    if failures:
        raise SystemExit(f"failed, and not in the table: {', '.join(failures)}")


if __name__ == "__main__":
    main()
