"""A client in another language: the generated Python classes and forty lines of the wire, against a real node.

client_test.py PROTOC CONTRACT FOLDER MUSTERD"""
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

try:
    import google.protobuf  # noqa: F401
except ImportError:
    print("skipped: this Python has no protobuf (Debian: python3-protobuf)")
    sys.exit(77)

DEADLINE_S = 20
SP_REQUEST, SP_REPLY = 0x30, 0x31
INVALID_ARGUMENT = 3


class Node:
    """A musterd on a free port, ended by its id."""

    def __init__(self, program):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen([program, "--rpc", f"tcp://127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL,
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
        return self.process.wait(DEADLINE_S)


class Client:
    """SP over TCP (dialect of nng): a handshake, then messages that carry their length and a request's id."""

    def __init__(self, port, messages):
        self.messages = messages
        self.last_id = 0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        self.socket.sendall(b"\0SP\0" + struct.pack(">HH", SP_REQUEST, 0))
        hello = self.read(8)
        assert hello == b"\0SP\0" + struct.pack(">HH", SP_REPLY, 0), f"an unexpected handshake: {hello!r}"

    def read(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, f"the node closed the connection after {len(data)} of {size} bytes"
            data += piece
        return data

    def send(self, payload):
        self.last_id += 1
        request_id = 0x80000000 | self.last_id
        self.socket.sendall(struct.pack(">QI", 4 + len(payload), request_id) + payload)
        return request_id

    def receive(self):
        (size,) = struct.unpack(">Q", self.read(8))
        answer = self.read(size)
        return struct.unpack(">I", answer[:4])[0], self.messages.Reply.FromString(answer[4:])

    def exchange(self, payload):
        request_id = self.send(payload)
        answered_id, reply = self.receive()
        assert answered_id == request_id, "the answer is to another request"
        return reply

    def call(self, kind, request):
        call = self.messages.Call()
        getattr(call, kind).CopyFrom(request)
        reply = self.exchange(call.SerializeToString())
        assert reply.code == 0, f"{kind}: code {reply.code}: {reply.message}"
        assert reply.WhichOneof("response") == kind, f"{kind} was answered by {reply.WhichOneof('response')}"
        return getattr(reply, kind)

    def close(self):
        self.socket.close()


def expect(what, found, wanted):
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


def talk(client, m):
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

    left = client.call("leave", m.LeaveRequest(scope="room:7", stamp=touched.stamp,
                                               departures=[m.Departure(user="ada", all_sessions=True)]))
    expect("left", left.left, 1)
    expect("scopes", [(s.scope, s.live) for s in client.call("scopes", m.ScopesRequest()).scopes], [("room:7", 2)])
    expect("forgotten", client.call("reset", m.ResetRequest(scope="room:7")).forgotten, 3)

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
    watch_id = client.send(m.Call(watch=waiting).SerializeToString())
    leaving = m.LeaveRequest(scope=scope, departures=[m.Departure(user="ada", all_sessions=True)])
    leave_id = client.send(m.Call(leave=leaving).SerializeToString())
    replies = dict(client.receive() for _ in range(2))
    expect("who was answered", set(replies), {watch_id, leave_id})
    told = replies[watch_id].watch
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


def main():
    protoc, contract, folder, musterd = sys.argv[1:]
    folder, root = Path(folder), Path(contract).parents[2]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([protoc, f"--proto_path={root}", f"--python_out={folder}", contract], check=True)
    sys.path.insert(0, str(folder))
    from muster.v1 import presence_pb2

    node = Node(musterd)
    try:
        client = Client(node.port, presence_pb2)
        talk(client, presence_pb2)
        watch(client, presence_pb2)
        client.close()
    finally:
        status = node.stop()
    expect("musterd's exit status", status, 0)
    print("touch, live, list, counts, leave, scopes, reset, watch and three refusals, spoken from Python")


main()
