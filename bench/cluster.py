"""A cluster of Muster beside Redis and its replicas on the same work; see docs/benchmarks.md for what and why.

cluster.py [--quick] [--note TEXT]"""
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import cluster_report
import clusters
import measure
import namespaces
import report
import servers

PATIENCE_S = 60
POLL_S = 0.005


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
                node, *servers.node_command(), "--name", f"n{node}", "--insecure",
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


def cluster(folder, count):
    nodes = [Node(folder, node, count) for node in range(1, count + 1)]
    for node in nodes:
        node.await_joined()
    clusters.await_alive(nodes)
    return nodes


# ---- rows ---------------------------------------------------------------------------------------------------------


def rows_spread(book, sides):
    """sides: {name: nodes}. Idle, then with beats of known users at the first node."""
    background = {"work": "touch", "batch": 1, "connections": 10, "in_flight": 4, "rate": 10_000, "users": 100_000,
                  "ttl_ms": measure.TTL_MS}
    found = {"idle": {}, "busy": {}}
    for name, nodes in sides.items():
        found["idle"][name] = clusters.spread_once(nodes, book.scale.samples)
        measure.fill(nodes[0], 100_000)
        process = measure.load_start(nodes[0], seconds=book.scale.samples * 0.06 + 2, **background)
        time.sleep(1)
        found["busy"][name] = clusters.spread_once(nodes, book.scale.samples)
        process.terminate()
        process.wait()
    for row, what, p50, p99 in (("idle", "idle", 1, 5), ("busy", "10,000 touches a second", 15, 40)):
        measured = {f"{name} {key}": found[row][name][f"{key}_us"] / 1000
                    for name in found[row] for key in ("p50", "p99")}
        book.add(f"cluster_spread_{row}",
                 f"From a join's answer at one node to Live at another, p50 / p99; {what}", "ms",
                 f"≤ {p50} / {p99} ms", measured, measured["muster p50"] <= p50 and measured["muster p99"] <= p99,
                 {"samples": book.scale.samples, "background": background if row == "busy" else None}, found[row])


def sent_by(node):
    """What the first node has sent to the others; of Redis without the headers of TCP/IP."""
    if node.protocol == "redis":
        return {"gossip": int(node.info("stats")["total_net_repl_output_bytes"]), "sync": 0}
    found = namespaces.sent_bytes()
    return {link: found[1, link] for link in ("gossip", "sync")}


def sustained_once(book, nodes, **pace):
    """As clusters.sustained_once, and what was sent for it."""
    clusters.fill_all(nodes, book.scale.users)
    before, cpu, began = sent_by(nodes[0]), [node.cpu_seconds() for node in nodes], time.monotonic()
    result = measure.load(nodes[0], work="touch", batch=1000, connections=4, users=book.scale.users,
                          ttl_ms=measure.TTL_MS, seconds=book.scale.sustained_s, **pace)
    clusters.await_everywhere(nodes)
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
              "paced_per_s": 1000 * clusters.OFFERED_PER_S}
    what = f"Touches a second until all three nodes have them, {report.count(book.scale.users)} users, " \
           f"{book.scale.sustained_s} s"
    repaired = paced["sent"]["sync"]
    book.add("cluster_sustained", f"{what}, offered {clusters.OFFERED_PER_S / 1000:.2f} M/s", "/s", "≥ 1 M/s, no gap",
             {"muster": paced["replicated_per_s"]},
             paced["replicated_per_s"] >= 1e6 and repaired <= clusters.REPAIR_BYTES_NONE, params, rounds)
    book.add("cluster_sustained_sync", "The same, repair traffic of the first node", "kB", "none",
             {"muster": repaired / 1000}, repaired <= clusters.REPAIR_BYTES_NONE)
    book.add("cluster_sustained_bytes", "The same, bytes a touch to each replica", "bytes", "reported",
             {"muster": paced["bytes_a_touch"], "redis": redis["bytes_a_touch"]}, None)
    book.add("cluster_flat_out", f"{what}, as many as are answered", "/s", "≥ 2 × Redis",
             {"muster": flat_out["replicated_per_s"], "redis": redis["replicated_per_s"], "ratio": ratio}, ratio >= 2)
    book.add("cluster_flat_out_sync", "The same, repair traffic of the first node", "kB", "reported",
             {"muster": flat_out["sent"]["sync"] / 1000}, None)


def row_join(book, folder, nodes):
    """A second node joins the first, which has the users."""
    measure.fill(nodes[0], book.scale.users)
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
    measure.fill(nodes[0], changed, first=20_000_000)
    measure.fill(nodes[2], changed, first=30_000_000)
    time.sleep(max(0.0, book.scale.cut_s - (time.monotonic() - began)))
    if nodes[2].live() != base + changed:
        raise SystemExit("the cut did not cut")
    before, healed = namespaces.sent_bytes(), time.monotonic()
    namespaces.heal(3)
    measure.await_true("all agree", lambda: all(node.live() == base + 2 * changed for node in nodes))
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
    measure.fill(nodes[0], users)
    time.sleep(2)
    options = {"work": "touch", "batch": 1, "sequential": True, "users": users, "rate": rate, "ttl_ms": 60_000}
    measure.load(nodes[0], requests=users // 10, **dict(options, rate=rate * 10))  # the TTL becomes 60 s: news
    process = measure.load_start(nodes[0], seconds=book.scale.refresh_s, **dict(options, users=users // 10))
    time.sleep(1.5)
    before, began = namespaces.sent_bytes(), time.monotonic()
    time.sleep(book.scale.refresh_s - 3)
    seconds = time.monotonic() - began
    sent = namespaces.sent_since(before, range(1, len(nodes) + 1)) / seconds
    measure.load_end(process)
    each = (sent - idle["bytes_per_s"]) / rate / (len(nodes) - 1)
    book.add("cluster_refresh", "Bytes a refresh to each peer on the wire, TCP/IP and Ethernet included, 333 a second",
             "bytes", "≤ 12", {"muster": each}, each <= 12, {"rate": rate, "seconds": seconds},
             {"muster": [idle, {"bytes_per_s": sent}]})


# ---- the run ------------------------------------------------------------------------------------------------------


def run_rows(book, folder):
    nodes = cluster(folder, 3)
    row_idle(book, nodes)
    row_refresh(book, nodes)
    clusters.stop(nodes)
    nodes, followers = cluster(folder, 3), clusters.replicas_start()
    rows_spread(book, {"muster": nodes, "redis": followers})
    clusters.stop(followers)
    clusters.stop(nodes)
    followers = clusters.replicas_start()
    redis = sustained_once(book, followers, in_flight=4)
    clusters.stop(followers)
    nodes = cluster(folder, 3)
    paced = sustained_once(book, nodes, rate=clusters.OFFERED_PER_S, in_flight=16)
    rows_sustained(book, paced, sustained_once(book, nodes), redis)
    row_join(book, folder, nodes)
    row_heal(book, nodes)
    clusters.stop(nodes)
    nodes = cluster(folder, 15)
    row_idle(book, nodes)
    clusters.stop(nodes)


def main():
    arguments = measure.arguments()
    known = measure.circumstances(arguments.note)
    book = measure.Book(Scale(arguments.quick))
    measure.prepare()
    namespaces.open_all()
    with tempfile.TemporaryDirectory(prefix="muster-bench.") as folder:
        subprocess.run([str(servers.PROGRAMS / "muster"), "keygen", "cluster", f"{folder}/cluster.key"], check=True,
                       stdout=subprocess.DEVNULL)
        run_rows(book, folder)
        servers.stop_all()
    measure.finish(book, known, "-cluster", cluster_report.write)


if __name__ == "__main__":
    main()
