"""Many watchers of one server: what they cost it while users change, and what each takes of its memory."""
import json
import subprocess

import measure
import servers

WATCHERS = 1000
RATE = 1000  # changes a second
PACE_MS = 200
CHANGING_USERS = 1000
PARKED_CONNECTIONS, PARKED_EACH = 100, 100
IDLE_CONNECTIONS = 4000
PROBE_PATIENCE_S = 120


class Fan:
    """A watch_fan, which takes its orders line by line."""

    def __init__(self, server, connections, watchers=1, interval_ms=0, users=CHANGING_USERS, own_scopes=False):
        command = [str(servers.PROGRAMS / "watch_fan"), "--to", server.protocol, "--at", server.url(),
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
        """Waits until the order is carried out; its result."""
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
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=PROBE_PATIENCE_S)
    if done.returncode != 0:
        raise SystemExit(f"{program} failed; see above")
    return json.loads(done.stdout)


def fan_once(server, seconds):
    """1,000 watchers while 1,000 users change a second."""
    fan = Fan(server, WATCHERS, interval_ms=PACE_MS)
    fan.do("watch")
    fan.do("change", RATE, RATE)
    cpu = server.cpu_seconds()
    found = fan.do("change", int(RATE * seconds), RATE)
    found["cpu_s"] = server.cpu_seconds() - cpu
    fan.stop()
    if server.protocol == "redis" and found["changes_heard"] != WATCHERS * found["changes_sent"]:
        raise SystemExit("the subscribers of Redis did not read all that was published")
    found["core_percent"] = 100 * found["cpu_s"] / found["changes_sent"] * RATE
    found["bytes_per_s"] = found["bytes"] / found["changes_sent"] * RATE / WATCHERS
    found["answers_per_s"] = found["answers"] / found["changes_sent"] * RATE
    return found


def echo_once(echo, seconds):
    """The echo, with as many requests a second as the watchers send at that pace."""
    rate = WATCHERS * 1000 / PACE_MS
    found = measure.load(echo, work="touch", batch=1, connections=WATCHERS, rate=rate, seconds=seconds)
    found["core_percent"] = found["server_cpu_us_per_request"] * rate / 10_000
    return found


def parked_once(start, own_scopes=False):
    """The resident set of a node, step by step: connections in use, more that had one request and are idle,
    parked watches, and the same after each was answered once. start: starts the node."""
    node = start()
    measure.load(node, work="touch", batch=1, users=1000, requests=20_000, connections=PARKED_CONNECTIONS, in_flight=4,
                 ttl_ms=measure.TTL_MS)
    fan = Fan(node, PARKED_CONNECTIONS, PARKED_EACH, own_scopes=own_scopes)
    found = {"open": node.resident_bytes()}
    fan.do("connect", IDLE_CONNECTIONS)
    found["connected"] = node.resident_bytes()
    fan.do("watch")
    if fan.do("rest", 1)["answers"] > 0:
        raise SystemExit("watches that should have been parked were answered")
    found["parked"] = node.resident_bytes()
    if not own_scopes:
        fan.do("change", 1, RATE)
    fan.do("rest", 1)
    found["answered"] = node.resident_bytes()
    fan.stop()
    node.stop()
    watches = PARKED_CONNECTIONS * PARKED_EACH
    found["bytes_a_connection"] = (found["connected"] - found["open"]) / IDLE_CONNECTIONS
    found["bytes_a_watch"] = (found["parked"] - found["connected"]) / watches
    found["bytes_a_watch_answered"] = (found["answered"] - found["connected"]) / watches
    return found
