"""What watching costs, and how soon watchers hear, beside Redis' publish and subscribe; see docs/benchmarks.md for what and
why.

watch.py [--quick] [--note TEXT]"""
import argparse
import json
import resource
import signal
import statistics
import subprocess
import sys
import time

import cluster
import compare
import report
import servers
import watch_report

TTL_MS = compare.TTL_MS
WATCHERS = 1000
RATE = 1000  # changes a second
PACE_MS = 200
CHANGING_USERS = 1000
STORM_WATCHERS = 100
STORM_TTL_MS = 4000
STORM_FIRST = 1_000_000  # the probe's own users come before
PARKED_CONNECTIONS, PARKED_EACH = 100, 100
PATIENCE_S = 120


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


# ---- those who watch ----------------------------------------------------------------------------------------------


class Fan:
    """A watch_fan: many watchers of one server, told what to do line by line."""

    def __init__(self, server, connections, watchers=1, interval_ms=0, users=CHANGING_USERS, own_scopes=False):
        command = [str(servers.PROGRAMS / "watch_fan"), "--to", server.name, "--at", server.url(),
                   "--connections", str(connections), "--watchers", str(watchers), "--interval-ms", str(interval_ms),
                   "--users", str(users)]
        self.process = subprocess.Popen(command + ["--own-scopes"] * own_scopes, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        servers.running.append(self)
        self.end()

    def begin(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def end(self):
        """Waits until what it was told is done; what came of it."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the watchers failed; see above")
        return json.loads(line)

    def do(self, *words):
        self.begin(*words)
        return self.end()

    def stop(self):
        if self in servers.running:
            servers.running.remove(self)
            self.process.stdin.close()
            self.process.stdout.close()
            try:
                self.process.wait(servers.READY_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def probe(program, **options):
    command = [str(servers.PROGRAMS / program)]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode != 0:
        raise SystemExit(f"{program} failed; see above")
    return json.loads(done.stdout)


def fill(server, users, first=0, ttl_ms=TTL_MS):
    return compare.load(server, work="touch", sequential=True, first=first, users=users, requests=users // 1000,
                        batch=1000, connections=min(4, users // 1000), ttl_ms=ttl_ms)


# ---- how soon -----------------------------------------------------------------------------------------------------


def local_cluster(count):
    """Nodes on the loopback, which needs no key there."""
    ports = [(servers.free_port(), servers.free_port()) for _ in range(count)]
    nodes = []
    for number, (gossip, sync) in enumerate(ports):
        peers = [part for other, (_, port) in enumerate(ports) if other != number
                 for part in ("--peer", f"127.0.0.1:{port}")]
        nodes.append(servers.Node("muster", [
            str(servers.PROGRAMS / "musterd"), "--name", f"n{number + 1}", "--rpc", "tcp://127.0.0.1:PORT",
            "--gossip", f"tcp://127.0.0.1:{gossip}", "--sync", f"tcp://127.0.0.1:{sync}", *peers]))
    cluster.await_true("every node hears every other", lambda: all(
        sum(row.get("state") == "alive" for row in node.ask("nodes")) == count for node in nodes))
    return nodes


def rows_delay(book):
    nodes, echo = local_cluster(3), servers.echo()
    rounds = {"same": [], "other": []}
    for _ in range(book.scale.rounds):
        for place, node in (("same", nodes[0]), ("other", nodes[2])):
            rounds[place].append(probe("watch_probe", touch=nodes[0].url(), watch=node.url(), echo=echo.url(),
                                       samples=book.scale.samples))
    for place, where, p50, p99 in (("same", "the same node", 1, 5), ("other", "another node", 2, 15)):
        measured = {f"{side} {key}": compare.median(rounds[place], f"{name}_{key}_us") / 1000
                    for side, name in (("muster", "answer"), ("echo", "echo")) for key in ("p50", "p99")}
        book.add(f"watch_delay_{place}", f"From Touch's answer to a watcher's callback at {where}, idle, p50 / p99", "ms",
                 f"≤ {p50} / {p99} ms", measured, measured["muster p50"] <= p50 and measured["muster p99"] <= p99,
                 {"samples": book.scale.samples, "nodes": len(nodes)}, {"muster": rounds[place]})
    servers.stop_all()


# ---- memory -------------------------------------------------------------------------------------------------------


def parked_once(own_scopes):
    node = servers.musterd()
    compare.load(node, work="touch", batch=1, users=1000, requests=20_000, connections=PARKED_CONNECTIONS, in_flight=4,
                 ttl_ms=TTL_MS)
    fan = Fan(node, PARKED_CONNECTIONS, PARKED_EACH, own_scopes=own_scopes)
    found = {"open": node.resident_bytes()}
    fan.do("watch")
    if fan.do("rest", 1)["answers"] > 0:
        raise SystemExit("watches that should have been parked were answered")
    found["parked"] = node.resident_bytes()
    if not own_scopes:
        fan.do("change", 1, RATE)
        fan.do("rest", 1)
        found["answered"] = node.resident_bytes()
        fan.do("connect", WATCHERS)
        found["connected"] = node.resident_bytes()
    fan.stop()
    node.stop()
    return found


def rows_parked(book):
    shared, own = parked_once(False), parked_once(True)
    count = PARKED_CONNECTIONS * PARKED_EACH
    params = {"watches": count, "connections": PARKED_CONNECTIONS}
    for row, what, value in (
            ("shared", "of one scope of 1,000 users", shared["parked"] - shared["open"]),
            ("answered", "the same, after each was answered and asked again", shared["answered"] - shared["open"]),
            ("own", "each of a scope of its own", own["parked"] - own["open"])):
        book.add(f"watch_memory_{row}", f"Memory of a parked watch, {count:,} over {PARKED_CONNECTIONS} connections, "
                 f"{what}", "bytes", "≤ 4 KiB", {"muster": value / count}, value / count <= 4096, params,
                 {"muster": [own if row == "own" else shared]})
    book.add("watch_memory_connection", "Memory of a connection beside it", "bytes", "reported",
             {"muster": (shared["connected"] - shared["answered"]) / WATCHERS}, None, {"connections": WATCHERS})


# ---- many watchers of many changes --------------------------------------------------------------------------------


def fan_once(book, server):
    count = RATE * book.scale.fan_s
    fan = Fan(server, WATCHERS, interval_ms=PACE_MS)
    fan.do("watch")
    fan.do("change", RATE, RATE)
    cpu = server.cpu_seconds()
    found = fan.do("change", count, RATE)
    found["cpu_s"] = server.cpu_seconds() - cpu
    fan.stop()
    if server.name == "redis" and found["changes_heard"] != WATCHERS * found["changes_sent"]:
        raise SystemExit("the subscribers of Redis did not read all that was published")
    found["core_percent"] = 100 * found["cpu_s"] / found["changes_sent"] * RATE
    found["bytes_per_s"] = found["bytes"] / found["changes_sent"] * RATE / WATCHERS
    found["answers_per_s"] = found["answers"] / found["changes_sent"] * RATE
    return found


def echo_once(book, echo):
    """nng alone, asked as often as so many watchers with that pace ask."""
    rate = WATCHERS * 1000 / PACE_MS
    found = compare.load(echo, work="touch", batch=1, connections=WATCHERS, rate=rate, seconds=book.scale.fan_s)
    found["core_percent"] = found["server_cpu_us_per_request"] * rate / 10_000
    return found


def rows_fan(book):
    sides, echo = [servers.musterd(), servers.redis()], servers.echo()
    fill(sides[0], CHANGING_USERS)
    rounds = {"muster": [], "redis": [], "echo": []}
    for _ in range(book.scale.fan_rounds):
        for side in sides:
            rounds[side.name].append(fan_once(book, side))
        rounds["echo"].append(echo_once(book, echo))
    servers.stop_all()
    measured = {side: compare.median(results, "core_percent") for side, results in rounds.items()}
    measured["ratio"] = statistics.median(
        m["core_percent"] / r["core_percent"] for m, r in zip(rounds["muster"], rounds["redis"]))
    params = {"watchers": WATCHERS, "changes_per_s": RATE, "pace_ms": PACE_MS, "users": CHANGING_USERS,
              "seconds": book.scale.fan_s}
    book.add("watch_fan", f"One scope, {WATCHERS:,} watchers, {RATE:,} changes a second, {PACE_MS} ms pace (Redis: "
             "every change published to as many subscribers): CPU, share of a core", "%", "≤ 1/5 of Redis", measured,
             measured["ratio"] <= 0.2, params, rounds)
    for row, what, unit, key in (("answers", "answers or messages a second, all watchers together", "/s",
                                  "answers_per_s"),
                                 ("bytes", "bytes a second to each watcher", "bytes/s", "bytes_per_s")):
        book.add(f"watch_fan_{row}", f"The same, {what}", unit, "reported",
                 {side: compare.median(rounds[side], key) for side in ("muster", "redis")}, None)
    book.add("watch_fan_age", "The same, how long ago a change was due when it was heard, p50 / p99", "ms", "reported",
             {f"{side} {key}": compare.median(rounds[side], f"age_{key}_ms") for side in ("muster", "redis")
              for key in ("p50", "p99")}, None)


# ---- a storm ------------------------------------------------------------------------------------------------------


def storm_once(book, watchers):
    """All users of a scope expire within a moment, under a probe that asks for others."""
    users = book.scale.users
    node, echo = servers.musterd(), servers.echo()
    fill(node, compare.PROBE["users"])
    fill(node, users, STORM_FIRST)
    fan = Fan(node, watchers) if watchers else None
    synced = fan.do("watch") if fan else None
    if fan:
        fan.do("rest", 1)
    fill(node, users, STORM_FIRST, STORM_TTL_MS)  # the leases become short: that alone is no change
    if fan:
        fan.begin("live", compare.PROBE["users"])
    found = compare.probe(node, echo, STORM_TTL_MS / 1000 + 4)
    if fan:
        found["synced"], found["told"] = synced, fan.end()
        fan.stop()
    if node.live() != compare.PROBE["users"]:
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
    params = {**compare.PROBE, "expiring": book.scale.users, "watchers": STORM_WATCHERS}
    book.add("watch_storm", f"Worst other request while {users} users of one scope expire at once, {STORM_WATCHERS} "
             "watchers", "ms", "≤ 10 ms", measured, measured["muster max"] <= 10, params, rounds)
    told = statistics.median(result["told"]["seconds"] for result in rounds[""]) - STORM_TTL_MS / 1000
    book.add("watch_storm_told", "The same, from the last expiry until every watcher knows all of it", "s", "reported",
             {"muster": told}, None)
    synced = statistics.median(result["synced"]["seconds"] for result in rounds[""])
    book.add("watch_storm_snapshot", f"Before it: {STORM_WATCHERS} watchers take the snapshot of {users} users at once",
             "s", "reported", {"muster": synced}, None)


# ---- a mirror -----------------------------------------------------------------------------------------------------


def mirror_once(book, node, **options):
    found = probe("mirror_probe", at=node.url(), users=book.scale.users, seconds=book.scale.mirror_s, **options)
    wanted = 0 if "absent" in options else found["asked"]
    if found["live"] != wanted or found["mirrored"] < book.scale.users:
        raise SystemExit("a mirror did not know who is live")
    return found


def rows_mirror(book):
    node, redis = servers.musterd(), servers.redis()
    for side in (node, redis):
        fill(side, book.scale.users)
    rounds = {"muster": [], "redis": []}
    for _ in range(book.scale.rounds):
        rounds["muster"].append(mirror_once(book, node))
        rounds["redis"].append(compare.load(redis, work="live", batch=1, users=book.scale.users,
                                            seconds=book.scale.mirror_s))
    redis.stop()
    users = report.count(book.scale.users)
    measured = {"muster": compare.median(rounds["muster"], "p50_ns"),
                "redis": 1000 * compare.median(rounds["redis"], "p50_us"),
                "floor": compare.median(rounds["muster"], "floor_p50_ns")}
    book.add("watch_mirror", f"Mirror, is_live of a random one of {users} users (ZMSCORE of one, over a connection)", "ns",
             "≤ 100 ns", measured, measured["muster"] <= 100, {"users": book.scale.users}, rounds)
    fan = Fan(node, 1, interval_ms=PACE_MS, users=book.scale.users)
    fan.do("watch")
    fan.begin("change", int(RATE * (book.scale.mirror_s + 3)), RATE)
    changing = mirror_once(book, node)
    fan.end()
    fan.stop()
    for row, what, found in (("changing", f"while {RATE:,} users change a second", changing),
                             ("absent", "of users that nobody knows", mirror_once(book, node, absent=True))):
        book.add(f"watch_mirror_{row}", f"The same, {what}", "ns", "reported",
                 {"muster": found["p50_ns"], "floor": found["floor_p50_ns"]}, None, None, {"muster": [found]})
    for row, what, unit, key in (("memory", "memory of the mirror for a user", "bytes", "bytes_a_user"),
                                 ("sync", "from opening it until it is whole", "s", "synced_s")):
        book.add(f"watch_mirror_{row}", f"The same, {what}", unit, "reported",
                 {"muster": compare.median(rounds["muster"], key)}, None)
    node.stop()


# ---- the run ------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--note", default="", help="what to know of the machine's state; goes beside the figures")
    arguments = parser.parse_args()
    scale = Scale(arguments.quick)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    began = time.monotonic()
    known = {**compare.circumstances(), "note": arguments.note}
    book = compare.Book(scale)
    compare.warm_memory()
    for rows in (rows_delay, rows_parked, rows_fan, rows_storm, rows_mirror):
        rows(book)
    folder = servers.ROOT / "build" / "bench" if scale.is_quick else servers.ROOT / "bench" / "results"
    path = report.write_results(folder, known, book.rows, "-watch")
    watch_report.write(folder if scale.is_quick else servers.ROOT / "docs", known, book.rows)
    print(f"{path}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
