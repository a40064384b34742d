"""Three nodes on the loopback, or Redis and its replicas: how soon a join, and how many touches a second, are on all."""
import subprocess
import time

import measure
import servers
import watchers

NODES = 3
SENTINEL = "the last one"  # no user of the load's
OFFERED_PER_S = 1100       # requests of 1000 beats: a little above the target
REPAIR_BYTES_NONE = 20_000  # on connections for sync: kept open, and no page


class ClusterNode(servers.Node):
    """A node that knows the ports of its cluster's sync."""

    sync_ports = ()


def nodes_start(name="muster", programs=servers.PROGRAMS, count=NODES):
    """Nodes on the loopback, which needs no key there."""
    ports = [(servers.free_port(), servers.free_port()) for _ in range(count)]
    nodes = []
    for number, (gossip, sync) in enumerate(ports):
        peers = [part for other, (_, port) in enumerate(ports) if other != number
                 for part in ("--peer", f"127.0.0.1:{port}")]
        nodes.append(ClusterNode(name, [
            *servers.node_command(programs), "--name", f"n{number + 1}", "--rpc", "tcp://127.0.0.1:PORT",
            "--gossip", f"tcp://127.0.0.1:{gossip}", "--sync", f"tcp://127.0.0.1:{sync}", *peers]))
        nodes[-1].sync_ports = [port for _, port in ports]
    await_alive(nodes)
    return nodes


def await_alive(nodes):
    measure.await_true("every node receives from every other", lambda: all(
        sum(row.get("state") == "alive" for row in node.query("nodes")) == len(nodes) for node in nodes))


def replicas_start(count=NODES):
    """A primary and its replicas, whose output is not limited."""
    options = ("--repl-diskless-sync-delay", "0", "--client-output-buffer-limit", "replica", "0", "0", "0")
    nodes = [servers.Redis(*options)]
    nodes += [servers.Redis(*options, "--replicaof", nodes[0].host, str(nodes[0].port)) for _ in range(count - 1)]
    measure.await_true("replicas follow", lambda: all(
        node.info("replication")["master_link_status"] == "up" for node in nodes[1:]))
    return nodes


def stop(nodes):
    for node in nodes:
        node.stop()


def spread_once(nodes, samples):
    """From a join's answer at the first node until the last one says that the user is live."""
    return watchers.probe("spread_probe", **{"to": nodes[0].protocol, "from": nodes[0].url(), "at": nodes[-1].url(),
                                        "samples": samples})


# ---- touches until all have them ----------------------------------------------------------------------------------


def await_beat_everywhere(nodes):
    """A beat of a known user at the first node, after all others: waits until every node has it."""
    def seen(node):
        return node.query("live", SENTINEL)[0].get("last_seen_ms", 0)
    before = max(seen(node) for node in nodes)
    nodes[0].query("touch", SENTINEL, "--ttl", "1h")
    # An age that travels is rounded, and so a node may know the earlier beat as one a little later.
    measure.await_true("the last beat is everywhere", lambda: all(seen(node) > before + 100 for node in nodes))


def await_offsets(nodes):
    """Until the replicas have applied all that the primary wrote until now."""
    offset = int(nodes[0].info("replication")["master_repl_offset"])
    measure.await_true("replicas have it all", lambda: all(
        int(node.info("replication")["slave_repl_offset"]) >= offset for node in nodes[1:]))


def await_everywhere(nodes):
    if nodes[0].protocol == "redis":
        await_offsets(nodes)
    else:
        await_beat_everywhere(nodes)


def sync_bytes(nodes):
    """What all connections to the cluster's sync ports have sent, both ways, as the kernel counts it; Redis has none."""
    if nodes[0].protocol == "redis":
        return 0
    ports = " or ".join(f"sport = :{port} or dport = :{port}" for port in nodes[0].sync_ports)
    out = subprocess.run(["ss", "-tinH", "state", "established", f"( {ports} )"], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return sum(int(word.split(":")[1]) for word in out.split() if word.startswith("bytes_sent:"))


def zadds(node):
    """How many ZADDs a Redis has carried out, a replica's included."""
    found = node.info("commandstats").get("cmdstat_zadd", "calls=0")
    return int(found.split(",")[0].split("=")[1])


def fill_all(nodes, users):
    measure.fill(nodes[0], users)
    if nodes[0].protocol == "muster":
        nodes[0].query("touch", SENTINEL, "--ttl", "1h")
        measure.await_true("all are known", lambda: all(node.live() >= users + 1 for node in nodes), poll_s=0.05)
    else:
        await_offsets(nodes)
    time.sleep(1.5)


def sustained_once(nodes, users, seconds, **pace):
    """Beats of random known users at the first node, 1000 a request; the clock runs until every node has them."""
    fill_all(nodes, users)
    applied, before = [zadds(node) for node in nodes] if nodes[0].protocol == "redis" else [], sync_bytes(nodes)
    cpu, began = [node.cpu_seconds() for node in nodes], time.monotonic()
    result = measure.load(nodes[0], work="touch", batch=1000, connections=4, users=users, ttl_ms=measure.TTL_MS,
                          seconds=seconds, **pace)
    await_everywhere(nodes)
    took = time.monotonic() - began
    result.update(replicated_per_s=result["items"] / took, replicated_s=took, sync_bytes=max(0, sync_bytes(nodes) - before),
                  cpu_s=[node.cpu_seconds() - was for node, was in zip(nodes, cpu)])
    for node, was in zip(nodes, applied):
        if zadds(node) - was != result["requests"]:
            raise SystemExit(f"a Redis carried out {zadds(node) - was} of {result['requests']} ZADDs")
    return result
