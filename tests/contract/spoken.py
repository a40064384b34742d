"""What is spoken with a node in the tests of clients: the node, the generated messages, every call.

A client has begin(payload), which sends a request, and end(what begin gave), which returns the Reply; Client adds the rest."""
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEADLINE_S = 20
INVALID_ARGUMENT = 3


class Node:
    """A musterd on a free port and a Unix socket, ended by its id."""

    def __init__(self, program):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        self.tcp = f"tcp://127.0.0.1:{self.port}"
        self.ipc = f"ipc://{self.folder.name}/rpc"
        self.process = subprocess.Popen([program, "--rpc", self.tcp, "--rpc", self.ipc, "--grpc", "none"],
                                        stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.await_ready()

    def await_ready(self):
        said, until = b"", time.monotonic() + DEADLINE_S
        output = self.process.stdout.fileno()
        while b"ready" not in said:
            left = until - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                raise AssertionError(f"musterd was not ready in time; it said {said!r}")
            piece = os.read(output, 65536)
            if not piece:
                raise AssertionError(f"musterd ended with {self.process.wait()}; it said {said!r}")
            said += piece

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        status = self.process.wait(DEADLINE_S)
        self.folder.cleanup()
        return status


class Client:
    """What every client has in common."""

    def __init__(self, messages):
        self.messages = messages

    def exchange(self, payload):
        return self.end(self.begin(payload))

    def call(self, kind, request):
        call = self.messages.Call()
        getattr(call, kind).CopyFrom(request)
        reply = self.exchange(call.SerializeToString())
        assert reply.code == 0, f"{kind}: code {reply.code}: {reply.message}"
        assert reply.WhichOneof("response") == kind, f"{kind} was answered by {reply.WhichOneof('response')}"
        return getattr(reply, kind)


def expect(what, found, wanted):
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


def speak(client, m):
    """Every call, with what comes of it, and three refusals."""
    beats = [m.Beat(user="ada", session="tab-1", status=m.STATUS_BUSY, state=b"\x00\xff"), m.Beat(user="bob"),
             m.Beat(user="zoë", status=m.STATUS_AWAY)]
    touched = client.call("touch", m.TouchRequest(scope="room:7", ttl_ms=60000, beats=beats))
    expect("joined", touched.joined, 3)
    expect("ttl_ms", touched.ttl_ms, 60000)

    live = client.call("live", m.LiveRequest(scope="room:7", users=["ada", "nobody", "zoë"], sessions=True)).users
    expect("live", [user.live for user in live], [True, False, True])
    expect("status", [user.status for user in live], [m.STATUS_BUSY, m.STATUS_UNSPECIFIED, m.STATUS_AWAY])
    expect("sessions", [(s.session, s.state, s.ttl_ms) for s in live[0].sessions], [("tab-1", b"\x00\xff", 60000)])
    assert abs(live[0].last_seen_ms - time.time() * 1000) < DEADLINE_S * 1000, f"last_seen_ms: {live[0].last_seen_ms}"

    token, listed = "", []
    while True:
        page = client.call("list", m.ListRequest(scope="room:7", page_size=2, page_token=token))
        listed += [user.user for user in page.users]
        token = page.next_page_token
        if not token:
            break
    expect("list", sorted(listed), ["ada", "bob", "zoë"])

    counts = client.call("counts", m.CountsRequest(scopes=["room:7", "empty"], windows_ms=[60000, 3600000])).scopes
    expect("counts", [(c.scope, c.live, c.online, c.away, c.busy, c.sessions) for c in counts],
           [("room:7", 3, 1, 1, 1, 3), ("empty", 0, 0, 0, 0, 0)])
    expect("windows", [(w.window_ms, w.users) for w in counts[0].windows], [(60000, 3), (3600000, 3)])

    expect("a status", client.call("set_status", m.SetStatusRequest(scope="room:7", user="bob", status=m.STATUS_BUSY)).stamp
           > touched.stamp, True)
    places = client.call("where", m.WhereRequest(users=["bob", "nobody"], scope_prefix="room:", sessions=True)).places
    expect("where", [(p.user, p.scope, p.status, p.session_count, len(p.sessions)) for p in places],
           [("bob", "room:7", m.STATUS_BUSY, 1, 1)])
    still = m.TouchRequest(scope="room:7", beats=[m.Beat(user="bob", refresh=True), m.Beat(user="who", refresh=True)])
    expect("unknown", list(client.call("touch", still).unknown), [1])

    left = client.call("leave", m.LeaveRequest(scope="room:7", stamp=touched.stamp,
                                               departures=[m.Departure(user="ada", all_sessions=True)]))
    expect("left", left.left, 1)
    expect("scopes", [(s.scope, s.live) for s in client.call("scopes", m.ScopesRequest()).scopes], [("room:7", 2)])
    expect("forgotten", client.call("reset", m.ResetRequest(scope="room:7")).forgotten, 3)

    nodes = client.call("nodes", m.NodesRequest()).nodes
    expect("nodes", [(node.self, node.state) for node in nodes], [(True, m.NODE_STATE_ALIVE)])

    refused = client.exchange(m.Call(touch=m.TouchRequest(beats=[m.Beat(user="x" * 129)])).SerializeToString())
    expect("a long id", refused.code, INVALID_ARGUMENT)
    assert "user" in refused.message and "128" in refused.message, f"a refusal without field or limit: {refused.message!r}"
    expect("what does not decode", client.exchange(b"\xff\xff\xff").code, INVALID_ARGUMENT)


def watch(client, m):
    """A snapshot, then a long poll that waits on one connection while the same one changes the scope."""
    scope = "room:9"
    client.call("touch", m.TouchRequest(scope=scope, beats=[m.Beat(user="ada", session="tab", state=b"here")]))
    first = client.call("watch", m.WatchRequest(scope=scope, sessions=True))
    present = [(u.user, u.live, [s.state for s in u.sessions]) for u in first.present]
    expect("present", present, [("ada", True, [b"here"])])
    expect("resync and more", (first.resync, first.more), (False, False))

    waiting = m.WatchRequest(scope=scope, sessions=True, cursor=first.cursor, max_wait_ms=DEADLINE_S * 1000)
    parked = client.begin(m.Call(watch=waiting).SerializeToString())
    leaving = m.LeaveRequest(scope=scope, departures=[m.Departure(user="ada", all_sessions=True)])
    expect("left", client.call("leave", leaving).left, 1)
    told = client.end(parked).watch
    expect("changes", [(c.kind, c.reason, c.user.user, c.user.live) for c in told.changes],
           [(m.CHANGE_KIND_LEFT, m.LEAVE_REASON_LEFT, "ada", False)])

    none = client.call("watch", m.WatchRequest(scope=scope, sessions=True, cursor=told.cursor))
    expect("nothing new", (len(none.changes), len(none.present), none.resync), (0, 0, False))
    expect("a cursor from nowhere", client.call("watch", m.WatchRequest(scope=scope, cursor=b"nowhere")).resync, True)
    counts = client.call("watch", m.WatchRequest(scope=scope, counts=True)).counts
    expect("counts", (counts.scope, counts.live, counts.left_total), (scope, 0, 1))
    refused = client.exchange(m.Call(watch=m.WatchRequest(max_wait_ms=60001)).SerializeToString())
    expect("a long wait", refused.code, INVALID_ARGUMENT)
    assert "max_wait_ms" in refused.message and "60000" in refused.message, f"the refusal says {refused.message!r}"


def generate(protoc, contract, folder):
    """The contract's messages, as Python classes that are generated into the folder."""
    folder, root = Path(folder), Path(contract).parents[2]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([protoc, f"--proto_path={root}", f"--python_out={folder}", contract], check=True)
    sys.path.insert(0, str(folder))
    from muster.v1 import presence_pb2  # it exists only now

    return presence_pb2


def with_node(musterd, talk):
    """Runs talk(node) with a node, and wants the node to end well."""
    node = Node(musterd)
    try:
        talk(node)
    finally:
        status = node.stop()
    expect("musterd's exit status", status, 0)
