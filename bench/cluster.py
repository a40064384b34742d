"""A cluster of Muster beside Redis and its replicas on the same work; see docs/benchmarks.md for what and why.

cluster.py [--quick] [--note TEXT]"""
import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cluster_report
import compare
import namespaces
import report
import servers

TTL_MS = compare.TTL_MS
PATIENCE_S = 60
POLL_S = 0.005
PACED_PER_S = 1050  # requests of 1000 beats: a little above what is wanted
REPAIR_BYTES_NONE = 20_000  # on the links for questions: connections that are kept open, and no page
SENTINEL = "the last one"  # no user of the load's


class Scale:
    """How large a run is."""

    def __init__(self, quick):
        self.is_quick = quick
        self.samples = 100 if quick else 600
        self.users = 100_000 if quick else 1_000_000
        self.sustained_s = 5 if quick else 30
        self.joins = 1 if quick else 3
        self.cut_s = 5 if quick else 60
        self.changed = 10_000 if quick else 100_000
        self.idle_s = 5 if quick else 20
        self.refresh_s = 10 if quick else 20


# ---- servers ------------------------------------------------------------------------------------------------------


def in_node(node, *command):
    return ["ip", "netns", "exec", namespaces.name(node), *command]


class Node(servers.Node):
    """A musterd in a namespace of its own; started at `started`."""

    def __init__(self, folder, node, of):
        self.log_path = Path(folder) / f"n{node}.log"
        address = {link: f"tcp://{namespaces.host(node, link)}" for link in namespaces.LINKS}
        peers = [part for peer in range(1, of + 1) if peer != node
                 for part in ("--peer", f"{namespaces.host(peer, 'sync')}:7704")]
        self.started = time.monotonic()
        with self.log_path.open("w") as log:
            super().__init__("muster", in_node(
                node, str(servers.PROGRAMS / "musterd"), "--name", f"n{node}", "--insecure",
                "--cluster-key-file", f"{folder}/cluster.key", "--rpc", address["door"] + ":7700",
                "--gossip", address["gossip"] + ":7701", "--sync", address["sync"] + ":7704", *peers),
                namespaces.host(node, "door"), 7700, log)

    def await_joined(self):
        """Returns how long it took, from the start of the process, until reads are answered."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if "event=joined" in self.log_path.read_text():
                return time.monotonic() - self.started
            time.sleep(POLL_S)
        raise SystemExit(f"a node did not join: {self.log_path.read_text()[-500:]}")


class Redis(servers.Server):
    """On the loopback, where nothing between it and its replicas can slow it down."""

    def __init__(self, primary=None):
        command = ["redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                   "--daemonize", "no", "--repl-diskless-sync-delay", "0",
                   "--client-output-buffer-limit", "replica", "0", "0", "0"]
        if primary:
            command += ["--replicaof", primary.host, str(primary.port)]
        super().__init__("redis", command)

    def info(self, section):
        out = subprocess.run(["redis-cli", "-h", self.host, "-p", str(self.port), "info", section], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return dict(line.split(":", 1) for line in out.split() if ":" in line)


def await_true(what, is_true):
    until = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > until:
            raise SystemExit(f"{what}: not within {PATIENCE_S} s")
        time.sleep(POLL_S)


def cluster(folder, count):
    nodes = [Node(folder, node, count) for node in range(1, count + 1)]
    for node in nodes:
        node.await_joined()
    await_true("every node hears every other",
               lambda: all(sum(row.get("state") == "alive" for row in node.ask("nodes")) == count for node in nodes))
    return nodes


def replicas(count):
    nodes = [Redis()]
    nodes += [Redis(nodes[0]) for _ in range(count - 1)]
    await_true("replicas follow",
               lambda: all(node.info("replication")["master_link_status"] == "up" for node in nodes[1:]))
    return nodes


def fill(node, users, first=0):
    return compare.load(node, work="touch", sequential=True, first=first, users=users, requests=users // 1000,
                        batch=1000, connections=2, ttl_ms=TTL_MS)


def stop(nodes):
    for node in nodes:
        node.stop()


# ---- rows ---------------------------------------------------------------------------------------------------------


def spread_once(nodes, samples):
    out = subprocess.run([str(servers.PROGRAMS / "spread_probe"), "--to", nodes[0].name,
                          "--from", nodes[0].url(), "--at", nodes[-1].url(),
                          "--samples", str(samples)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def rows_spread(book, sides):
    """sides: {name: nodes}. Idle, then with beats of known users at the first node."""
    background = {"work": "touch", "batch": 1, "connections": 10, "in_flight": 4, "rate": 10_000, "users": 100_000,
                  "ttl_ms": TTL_MS}
    found = {"idle": {}, "busy": {}}
    for name, nodes in sides.items():
        found["idle"][name] = spread_once(nodes, book.scale.samples)
        fill(nodes[0], 100_000)
        process = compare.load_start(nodes[0], seconds=book.scale.samples * 0.06 + 2, **background)
        time.sleep(1)
        found["busy"][name] = spread_once(nodes, book.scale.samples)
        process.terminate()
        process.wait()
    for row, what, p50, p99 in (("idle", "idle", 1, 5), ("busy", "10,000 touches a second", 15, 40)):
        measured = {f"{name} {key}": found[row][name][f"{key}_us"] / 1000
                    for name in found[row] for key in ("p50", "p99")}
        book.add(f"cluster_spread_{row}",
                 f"From a join's answer at one node to Live at another, p50 / p99; {what}", "ms",
                 f"≤ {p50} / {p99} ms", measured, measured["muster p50"] <= p50 and measured["muster p99"] <= p99,
                 {"samples": book.scale.samples, "background": background if row == "busy" else None}, found[row])


def refresh_spreads(nodes):
    """A beat of a known user at the first node, after all others: waits until every node has it."""
    def seen(node):
        return node.ask("live", SENTINEL)[0].get("last_seen_ms", 0)
    before = max(seen(node) for node in nodes)
    nodes[0].ask("touch", SENTINEL, "--ttl", "1h")
    # An age that travels is rounded, and so a node may know the earlier beat as one a little later.
    await_true("the last beat is everywhere", lambda: all(seen(node) > before + 100 for node in nodes))


def offsets_agree(nodes):
    primary = nodes[0].info("replication")["master_repl_offset"]
    return all(node.info("replication")["slave_repl_offset"] == primary for node in nodes[1:])


def await_everywhere(nodes):
    if nodes[0].name == "redis":
        await_true("replicas have it all", lambda: offsets_agree(nodes))
    else:
        refresh_spreads(nodes)


def sent_by(node):
    """What the first node has told the others; of Redis without the headers of TCP/IP."""
    if node.name == "redis":
        return {"gossip": int(node.info("stats")["total_net_repl_output_bytes"]), "sync": 0}
    found = namespaces.sent_bytes()
    return {link: found[1, link] for link in ("gossip", "sync")}


def sustained_once(book, nodes, **pace):
    fill(nodes[0], book.scale.users)
    if nodes[0].name == "muster":
        nodes[0].ask("touch", SENTINEL, "--ttl", "1h")
        await_true("all are known", lambda: all(node.live() >= book.scale.users + 1 for node in nodes))
    time.sleep(1.5)
    before, cpu, began = sent_by(nodes[0]), [node.cpu_seconds() for node in nodes], time.monotonic()
    result = compare.load(nodes[0], work="touch", batch=1000, connections=4, users=book.scale.users, ttl_ms=TTL_MS,
                          seconds=book.scale.sustained_s, **pace)
    await_everywhere(nodes)
    seconds = time.monotonic() - began
    sent = {link: total - before[link] for link, total in sent_by(nodes[0]).items()}
    result.update(replicated_per_s=result["items"] / seconds, replicated_s=seconds, sent=sent,
                  bytes_a_touch=sum(sent.values()) / result["items"] / (len(nodes) - 1),
                  cpu_s=[node.cpu_seconds() - was for node, was in zip(nodes, cpu)])
    return result


def rows_sustained(book, paced, flat_out, redis):
    rounds = {"muster": [paced], "muster flat out": [flat_out], "redis": [redis]}
    ratio = flat_out["replicated_per_s"] / redis["replicated_per_s"]
    params = {"users": book.scale.users, "batch": 1000, "seconds": book.scale.sustained_s, "replicas": 2,
              "paced_per_s": 1000 * PACED_PER_S}
    what = f"Touches a second until all three nodes have them, {report.count(book.scale.users)} users, " \
           f"{book.scale.sustained_s} s"
    repaired = paced["sent"]["sync"]
    book.add("cluster_sustained", f"{what}, offered {PACED_PER_S / 1000:.2f} M/s", "/s", "≥ 1 M/s, no gap",
             {"muster": paced["replicated_per_s"]},
             paced["replicated_per_s"] >= 1e6 and repaired <= REPAIR_BYTES_NONE, params, rounds)
    book.add("cluster_sustained_sync", "The same, asked for again since frames were missed", "kB", "none",
             {"muster": repaired / 1000}, repaired <= REPAIR_BYTES_NONE)
    book.add("cluster_sustained_bytes", "The same, bytes a touch to each replica", "bytes", "reported",
             {"muster": paced["bytes_a_touch"], "redis": redis["bytes_a_touch"]}, None)
    book.add("cluster_flat_out", f"{what}, as many as are answered", "/s", "≥ 2 × Redis",
             {"muster": flat_out["replicated_per_s"], "redis": redis["replicated_per_s"], "ratio": ratio}, ratio >= 2)
    book.add("cluster_flat_out_sync", "The same, asked for again since frames were missed", "kB", "reported",
             {"muster": flat_out["sent"]["sync"] / 1000}, None)


def row_join(book, folder, nodes):
    """A second node joins the first, which has the users."""
    fill(nodes[0], book.scale.users)
    found = []
    for _ in range(book.scale.joins):
        before = namespaces.sent_bytes()
        joiner = Node(folder, 4, 1)
        took = joiner.await_joined()
        found.append({"seconds": took, "live": joiner.live(), "bytes": namespaces.sent_since(before, [1, 2, 3, 4])})
        joiner.stop()
        if found[-1]["live"] < book.scale.users:
            raise SystemExit(f"a node that joined has {found[-1]['live']} users of {book.scale.users}")
    took = statistics.median(each["seconds"] for each in found)
    book.add("cluster_join", f"Joining peers of {report.count(book.scale.users)} members until reads are answered", "s",
             "≤ 3 s", {"muster": took}, took <= 3, {"users": book.scale.users}, {"muster": found})
    measured = {"muster": statistics.median(each["bytes"] for each in found) / book.scale.users}
    book.add("cluster_join_bytes", "The same, bytes a member", "bytes", "reported", measured, None)


def row_heal(book, nodes):
    """The third node is cut off; new users join on both sides."""
    changed, base = book.scale.changed, nodes[0].live()
    namespaces.cut(3)
    began = time.monotonic()
    fill(nodes[0], changed, first=20_000_000)
    fill(nodes[2], changed, first=30_000_000)
    time.sleep(max(0.0, book.scale.cut_s - (time.monotonic() - began)))
    if nodes[2].live() != base + changed:
        raise SystemExit("the cut did not cut")
    before, healed = namespaces.sent_bytes(), time.monotonic()
    namespaces.heal(3)
    await_true("all agree", lambda: all(node.live() == base + 2 * changed for node in nodes))
    seconds = time.monotonic() - healed
    sent = namespaces.sent_since(before, [1, 2, 3])
    params = {"users": base, "changed_each_side": changed, "cut_s": book.scale.cut_s}
    book.add("cluster_heal", f"Heal of a {book.scale.cut_s} s cut, {report.count(changed)} joins on each side, until "
             "all agree", "s", "≤ 2 s", {"muster": seconds}, seconds <= 2, params, {"muster": [{"bytes": sent}]})
    book.add("cluster_heal_bytes", f"The same, bytes for each changed member ({report.count(base)} others unchanged)",
             "bytes", "in proportion to what changed", {"muster": sent / (2 * changed)}, None, params)


def idle_once(book, nodes):
    count = len(nodes)
    time.sleep(2)
    before, cpu, began = namespaces.sent_bytes(), [node.cpu_seconds() for node in nodes], time.monotonic()
    time.sleep(book.scale.idle_s)
    seconds = time.monotonic() - began
    share = statistics.median(node.cpu_seconds() - was for node, was in zip(nodes, cpu)) / seconds * 100
    sent = namespaces.sent_since(before, range(1, count + 1)) / seconds
    return {"cpu_percent": share, "bytes_per_s": sent, "bytes_per_s_pair": sent / (count * (count - 1) / 2)}


def row_idle(book, nodes):
    count, found = len(nodes), idle_once(book, nodes)
    book.add(f"cluster_idle_{count}", f"Idle node in a cluster of {count}, share of a core", "%", "≤ 1 %",
             {"muster": found["cpu_percent"]}, found["cpu_percent"] <= 1, {"seconds": book.scale.idle_s},
             {"muster": [found]})
    book.add(f"cluster_idle_{count}_bytes", "The same, bytes a second of a pair, both ways", "bytes/s", "reported",
             {"muster": found["bytes_per_s_pair"]}, None)
    return found


def row_refresh(book, nodes):
    """10,000 users with 17-byte ids, a beat each 30 s."""
    users, rate = 10_000, 10_000 / 30
    idle = idle_once(book, nodes)
    fill(nodes[0], users)
    time.sleep(2)
    options = {"work": "touch", "batch": 1, "sequential": True, "users": users, "rate": rate, "ttl_ms": 60_000}
    compare.load(nodes[0], requests=users // 10, **dict(options, rate=rate * 10))  # the TTL becomes 60 s: news
    process = compare.load_start(nodes[0], seconds=book.scale.refresh_s, **dict(options, users=users // 10))
    time.sleep(1.5)
    before, began = namespaces.sent_bytes(), time.monotonic()
    time.sleep(book.scale.refresh_s - 3)
    seconds = time.monotonic() - began
    sent = namespaces.sent_since(before, range(1, len(nodes) + 1)) / seconds
    compare.load_end(process)
    each = (sent - idle["bytes_per_s"]) / rate / (len(nodes) - 1)
    book.add("cluster_refresh", "Bytes a refresh to each peer on the wire, TCP/IP and Ethernet included, 333 a second",
             "bytes", "≤ 12", {"muster": each}, each <= 12, {"rate": rate, "seconds": seconds},
             {"muster": [idle, {"bytes_per_s": sent}]})


# ---- the run ------------------------------------------------------------------------------------------------------


def run_rows(book, folder):
    nodes = cluster(folder, 3)
    row_idle(book, nodes)
    row_refresh(book, nodes)
    stop(nodes)
    nodes, followers = cluster(folder, 3), replicas(3)
    rows_spread(book, {"muster": nodes, "redis": followers})
    stop(followers)
    stop(nodes)
    followers = replicas(3)
    redis = sustained_once(book, followers)
    stop(followers)
    nodes = cluster(folder, 3)
    paced = sustained_once(book, nodes, rate=PACED_PER_S, in_flight=16)
    rows_sustained(book, paced, sustained_once(book, nodes), redis)
    row_join(book, folder, nodes)
    row_heal(book, nodes)
    stop(nodes)
    nodes = cluster(folder, 15)
    row_idle(book, nodes)
    stop(nodes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--note", default="", help="what to know of the machine's state; goes beside the figures")
    arguments = parser.parse_args()
    scale = Scale(arguments.quick)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    began = time.monotonic()
    known = {**compare.circumstances(), "note": arguments.note}
    book = compare.Book(scale)
    namespaces.open_all()
    with tempfile.TemporaryDirectory(prefix="muster-bench.") as folder:
        subprocess.run([str(servers.PROGRAMS / "muster"), "keygen", "cluster", f"{folder}/cluster.key"], check=True,
                       stdout=subprocess.DEVNULL)
        run_rows(book, folder)
        servers.stop_all()
    folder = servers.ROOT / "build" / "bench" if scale.is_quick else servers.ROOT / "bench" / "results"
    path = report.write_results(folder, known, book.rows, "-cluster")
    cluster_report.write(folder if scale.is_quick else servers.ROOT / "docs", known, book.rows)
    print(f"{path}; {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
