"""The worst request: single Touches of known users fall due each millisecond, at a node that has much to do and at an
echo that has nothing to do, at the same time and on the same machine. What both suffer is the machine's."""
import measure
import servers

PROBE = {"work": "touch", "batch": 1, "rate": 1000, "in_flight": 64, "users": 1000, "ttl_ms": measure.TTL_MS}
EXPIRY_TTL_MS = 4000
EXPIRY_FIRST = 1_000_000  # the probe's own users come before


def probe(node, echo, seconds):
    both = [measure.load_start(server, seconds=seconds, **PROBE) for server in (node, echo)]
    return dict(zip((node.name, "echo"), map(measure.load_end, both)))


def above_echo_ms(found, side):
    return (found[side]["max_us"] - found["echo"]["max_us"]) / 1000


def expiry_once(start, users):
    """All of `users` expire within one second."""
    node, echo = start(), servers.echo()
    measure.load(node, work="touch", sequential=True, first=EXPIRY_FIRST, users=users, requests=users // 1000,
                 batch=1000, connections=4, ttl_ms=EXPIRY_TTL_MS)
    found = probe(node, echo, EXPIRY_TTL_MS / 1000 + 2)
    node.stop()
    echo.stop()
    return found


def growth_once(start, users, grown, per_s):
    """A scope of `users` grows to `grown`, so many a second; before it, as many beats of users that it knows."""
    requests = (grown - users) // 1000
    bulk = {"work": "touch", "batch": 1000, "requests": requests, "rate": per_s / 1000, "connections": 2,
            "in_flight": 16, "ttl_ms": measure.TTL_MS}
    node, echo = start(), servers.echo()
    measure.fill(node, users)
    found = {}
    for name, share, who in (("known", 4, {"users": users}),
                             ("growth", 1, {"first": users, "users": grown - users, "sequential": True})):
        process = measure.load_start(node, **dict(bulk, requests=requests // share), **who)
        found[name] = probe(node, echo, requests * 1000 / share / per_s)
        measure.load_end(process)
    node.stop()
    echo.stop()
    return found
