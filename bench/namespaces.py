"""A machine for each node: network namespaces around a hub, in which the run itself lives.

Every node has three links, `gossip` and `sync` to its peers and `door` to clients: bytes between nodes are counted apart
from those of clients, and a cut between nodes does not affect clients."""
import atexit
import ctypes
import os
import subprocess
from pathlib import Path

LINKS = {"gossip": 77, "sync": 79, "door": 78}  # 10.77.0.1, say, is the first node's
NODES_MAX = 15
CLONE_NEWNET = 0x40000000


def run(*command, text=None):
    done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stdout.strip()}\n"
                         "scripts/bench cluster needs network namespaces: run it as root on a kernel that permits them")


def prefix():
    return f"muster-bench-{os.getpid()}"


def host(node, link):
    return f"10.{LINKS[link]}.0.{node}"


def name(node):
    return f"{prefix()}-{node}"


def add_node(hub, node):
    run("ip", "netns", "add", name(node))
    outside, inside = [], ["link set lo up"]
    for link in LINKS:
        port = f"{link}{node}"
        outside += [f"link add {port} type veth peer name {link} netns {name(node)}",
                    f"link set {port} addrgenmode none", f"link set {port} master {link}", f"link set {port} up"]
        inside += [f"link set {link} addrgenmode none", f"addr add {host(node, link)}/24 dev {link}",
                   f"link set {link} up"]
    run("ip", "-n", hub, "-batch", "-", text="\n".join(outside) + "\n")
    run("ip", "-n", name(node), "-batch", "-", text="\n".join(inside) + "\n")


def enter(hub):
    """This process, and what it starts, lives in the hub from now on."""
    with open(f"/var/run/netns/{hub}", encoding="ascii") as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise SystemExit(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")


def open_all():
    hub = f"{prefix()}-hub"
    atexit.register(close_all)
    run("ip", "netns", "add", hub)
    lines = ["link set lo up"]
    for link in LINKS:
        lines += [f"link add {link} type bridge", f"link set {link} addrgenmode none", f"link set {link} up"]
    lines.append(f"addr add {host(254, 'door')}/24 dev door")
    run("ip", "-n", hub, "-batch", "-", text="\n".join(lines) + "\n")
    for node in range(1, NODES_MAX + 1):
        add_node(hub, node)
    enter(hub)


def close_all():
    for place in ["hub", *range(1, NODES_MAX + 1)]:
        subprocess.run(["ip", "netns", "del", f"{prefix()}-{place}"], stderr=subprocess.DEVNULL, check=False)


def cut(node):
    """Drops all packets between the node and its peers, without an error on either side."""
    for link in ("gossip", "sync"):
        run("tc", "qdisc", "add", "dev", f"{link}{node}", "root", "blackhole")
        run("tc", "-n", name(node), "qdisc", "add", "dev", link, "root", "blackhole")


def heal(node):
    for link in ("gossip", "sync"):
        run("tc", "qdisc", "del", "dev", f"{link}{node}", "root")
        run("tc", "-n", name(node), "qdisc", "del", "dev", link, "root")


def sent_bytes():
    """What every node has sent to its peers, {(node, link): bytes}, headers included."""
    found = {}
    for line in Path("/proc/self/net/dev").read_text(encoding="ascii").splitlines()[2:]:
        port, _, figures = line.strip().partition(":")
        for link in ("gossip", "sync"):
            if port.startswith(link) and port != link:
                found[int(port[len(link):]), link] = int(figures.split()[0])
    return found


def sent_since(before, nodes, links=("gossip", "sync")):
    now = sent_bytes()
    return sum(now[node, link] - before[node, link] for node in nodes for link in links)
