"""What watching costs, and how soon watchers receive a change, beside Redis' publish and subscribe; docs/benchmarks.md says what
and why.

watch.py [--quick] [--note TEXT]"""
import statistics

import clusters
import measure
import report
import servers
import stalls
import watch_report
import watchers

STORM_WATCHERS = 100
STORM_TTL_MS = 4000
STORM_FIRST = 1_000_000  # the probe's own users come before


class Scale:
    """How large a run is."""

    def __init__(self, quick):
        self.is_quick = quick
        self.rounds = 2 if quick else 5
        self.samples = 50 if quick else 200
        self.fan_rounds = 1 if quick else 3
        self.fan_s = 3 if quick else 8
        self.storm_rounds = 1 if quick else 2
        self.users = 100_000 if quick else 1_000_000
        self.mirror_s = 0.5 if quick else 1


# ---- how soon -----------------------------------------------------------------------------------------------------


def rows_delay(book):
    nodes, echo = clusters.nodes_start(), servers.echo()
    rounds = {"same": [], "other": []}
    for _ in range(book.scale.rounds):
        for place, node in (("same", nodes[0]), ("other", nodes[2])):
            rounds[place].append(watchers.probe("watch_probe", touch=nodes[0].url(), watch=node.url(), echo=echo.url(),
                                       samples=book.scale.samples))
    for place, where, p50, p99 in (("same", "the same node", 1, 5), ("other", "another node", 2, 15)):
        measured = {f"{side} {key}": measure.median(rounds[place], f"{name}_{key}_us") / 1000
                    for side, name in (("muster", "answer"), ("echo", "echo")) for key in ("p50", "p99")}
        book.add(f"watch_delay_{place}", f"From Touch's answer to a watcher's callback at {where}, idle, p50 / p99", "ms",
                 f"≤ {p50} / {p99} ms", measured, measured["muster p50"] <= p50 and measured["muster p99"] <= p99,
                 {"samples": book.scale.samples, "nodes": len(nodes)}, {"muster": rounds[place]})
    servers.stop_all()


# ---- memory -------------------------------------------------------------------------------------------------------


def rows_parked(book):
    shared, own = watchers.parked_once(servers.musterd), watchers.parked_once(servers.musterd, own_scopes=True)
    count = watchers.PARKED_CONNECTIONS * watchers.PARKED_EACH
    params = {"watches": count, "connections": watchers.PARKED_CONNECTIONS}
    for row, what, value in (
            ("shared", "of one scope of 1,000 users", shared["bytes_a_watch"]),
            ("answered", "the same, after each was answered and waits again", shared["bytes_a_watch_answered"]),
            ("own", "each of a scope of its own", own["bytes_a_watch"])):
        book.add(f"watch_memory_{row}", f"Memory of a parked watch, {count:,} over {watchers.PARKED_CONNECTIONS} connections, "
                 f"{what}", "bytes", "≤ 4 KiB", {"muster": value}, value <= 4096, params,
                 {"muster": [own if row == "own" else shared]})
    book.add("watch_memory_connection", "Memory of a connection beside it", "bytes", "reported",
             {"muster": shared["bytes_a_connection"]}, None, {"connections": watchers.IDLE_CONNECTIONS})


# ---- many watchers of many changes --------------------------------------------------------------------------------


def rows_fan(book):
    sides, echo = [servers.musterd(), servers.redis()], servers.echo()
    measure.fill(sides[0], watchers.CHANGING_USERS)
    rounds = {"muster": [], "redis": [], "echo": []}
    for _ in range(book.scale.fan_rounds):
        for side in sides:
            rounds[side.name].append(watchers.fan_once(side, book.scale.fan_s))
        rounds["echo"].append(watchers.echo_once(echo, book.scale.fan_s))
    servers.stop_all()
    measured = {side: measure.median(results, "core_percent") for side, results in rounds.items()}
    measured["ratio"] = statistics.median(
        m["core_percent"] / r["core_percent"] for m, r in zip(rounds["muster"], rounds["redis"]))
    params = {"watchers": watchers.WATCHERS, "changes_per_s": watchers.RATE, "pace_ms": watchers.PACE_MS, "users": watchers.CHANGING_USERS,
              "seconds": book.scale.fan_s}
    book.add("watch_fan", f"One scope, {watchers.WATCHERS:,} watchers, {watchers.RATE:,} changes a second, {watchers.PACE_MS} ms pace (Redis: "
             "every change published to as many subscribers): CPU, share of a core", "%", "≤ 1/5 of Redis", measured,
             measured["ratio"] <= 0.2, params, rounds)
    for row, what, unit, key in (("answers", "answers or messages a second, all watchers together", "/s",
                                  "answers_per_s"),
                                 ("bytes", "bytes a second to each watcher", "bytes/s", "bytes_per_s")):
        book.add(f"watch_fan_{row}", f"The same, {what}", unit, "reported",
                 {side: measure.median(rounds[side], key) for side in ("muster", "redis")}, None)
    book.add("watch_fan_age", "The same, age of a change when it is received, p50 / p99", "ms", "reported",
             {f"{side} {key}": measure.median(rounds[side], f"age_{key}_ms") for side in ("muster", "redis")
              for key in ("p50", "p99")}, None)


# ---- a storm ------------------------------------------------------------------------------------------------------


def storm_once(book, count):
    """All users of a scope expire within a moment, under a probe that asks for others."""
    users = book.scale.users
    node, echo = servers.musterd(), servers.echo()
    measure.fill(node, stalls.PROBE["users"])
    measure.fill(node, users, STORM_FIRST)
    fan = watchers.Fan(node, count) if count else None
    synced = fan.do("watch") if fan else None
    if fan:
        fan.do("rest", 1)
    measure.fill(node, users, STORM_FIRST, STORM_TTL_MS)  # the leases become short: that alone is no change
    if fan:
        fan.begin("live", stalls.PROBE["users"])
    found = stalls.probe(node, echo, STORM_TTL_MS / 1000 + 4)
    if fan:
        found["synced"], found["known"] = synced, fan.end()
        fan.stop()
    if node.live() != stalls.PROBE["users"]:
        raise SystemExit("not all of the storm's users expired")
    node.stop()
    echo.stop()
    return found


def rows_storm(book):
    users = report.count(book.scale.users)
    rounds = {"": [], "no watchers": []}
    for _ in range(book.scale.storm_rounds):
        rounds["no watchers"].append(storm_once(book, 0))
        rounds[""].append(storm_once(book, STORM_WATCHERS))
    measured = {}
    for name, results in rounds.items():
        for side in ("muster", "echo"):
            prefix = f"{name} {side}".strip()
            measured[f"{prefix} max"] = max(result[side]["max_us"] for result in results) / 1000
            measured[f"{prefix} p99.9"] = max(result[side]["p999_us"] for result in results) / 1000
    params = {**stalls.PROBE, "expiring": book.scale.users, "watchers": STORM_WATCHERS}
    book.add("watch_storm", f"Worst other request while {users} users of one scope expire at once, {STORM_WATCHERS} "
             "watchers", "ms", "≤ 10 ms", measured, measured["muster max"] <= 10, params, rounds)
    known = statistics.median(result["known"]["seconds"] for result in rounds[""]) - STORM_TTL_MS / 1000
    book.add("watch_storm_told", "The same, from the last expiry until every watcher knows all of it", "s", "reported",
             {"muster": known}, None)
    synced = statistics.median(result["synced"]["seconds"] for result in rounds[""])
    book.add("watch_storm_snapshot", f"Before it: {STORM_WATCHERS} watchers take the snapshot of {users} users at once",
             "s", "reported", {"muster": synced}, None)


# ---- a mirror -----------------------------------------------------------------------------------------------------


def mirror_once(book, node, **options):
    found = watchers.probe("mirror_probe", at=node.url(), users=book.scale.users, seconds=book.scale.mirror_s, **options)
    wanted = 0 if "absent" in options else found["asked"]
    if found["live"] != wanted or found["mirrored"] < book.scale.users:
        raise SystemExit("a mirror did not know who is live")
    return found


def rows_mirror(book):
    node, redis = servers.musterd(), servers.redis()
    for side in (node, redis):
        measure.fill(side, book.scale.users)
    rounds = {"muster": [], "redis": []}
    for _ in range(book.scale.rounds):
        rounds["muster"].append(mirror_once(book, node))
        rounds["redis"].append(measure.load(redis, work="live", batch=1, users=book.scale.users,
                                            seconds=book.scale.mirror_s))
    redis.stop()
    users = report.count(book.scale.users)
    measured = {"muster": measure.median(rounds["muster"], "p50_ns"),
                "redis": 1000 * measure.median(rounds["redis"], "p50_us"),
                "floor": measure.median(rounds["muster"], "floor_p50_ns")}
    book.add("watch_mirror", f"Mirror, is_live of a random one of {users} users (ZMSCORE of one, over a connection)", "ns",
             "≤ 100 ns", measured, measured["muster"] <= 100, {"users": book.scale.users}, rounds)
    fan = watchers.Fan(node, 1, interval_ms=watchers.PACE_MS, users=book.scale.users)
    fan.do("watch")
    fan.begin("change", int(watchers.RATE * (book.scale.mirror_s + 3)), watchers.RATE)
    changing = mirror_once(book, node)
    fan.end()
    fan.stop()
    for row, what, found in (("changing", f"while {watchers.RATE:,} users change a second", changing),
                             ("absent", "of users that nobody knows", mirror_once(book, node, absent=True))):
        book.add(f"watch_mirror_{row}", f"The same, {what}", "ns", "reported",
                 {"muster": found["p50_ns"], "floor": found["floor_p50_ns"]}, None, None, {"muster": [found]})
    for row, what, unit, key in (("memory", "memory of the mirror for a user", "bytes", "bytes_a_user"),
                                 ("sync", "from opening it until it is whole", "s", "synced_s")):
        book.add(f"watch_mirror_{row}", f"The same, {what}", unit, "reported",
                 {"muster": measure.median(rounds["muster"], key)}, None)
    node.stop()


# ---- the run ------------------------------------------------------------------------------------------------------


def main():
    arguments = measure.arguments()
    known = measure.circumstances(arguments.note)
    book = measure.Book(Scale(arguments.quick))
    measure.prepare()
    for rows in (rows_delay, rows_parked, rows_fan, rows_storm, rows_mirror):
        rows(book)
    measure.finish(book, known, "-watch", watch_report.write)


if __name__ == "__main__":
    main()
