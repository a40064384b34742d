"""An independent client: pynng, which brings an nng of its own, against a real node over TCP and a Unix socket.

pynng_test.py PYTHON PROTOC CONTRACT FOLDER MUSTERD, where PYTHON may have pynng if this one has not"""
import os
import sys

try:
    import pynng
except ImportError:
    if os.path.exists(sys.argv[1]) and os.environ.get("MUSTER_PYNNG") != "tried":
        os.execve(sys.argv[1], sys.argv[1:2] + sys.argv, os.environ | {"MUSTER_PYNNG": "tried"})
    print("skipped: no pynng here, and none in build/python, where scripts/test installs it")
    sys.exit(77)

try:
    import google.protobuf  # noqa: F401
except ImportError:
    print("skipped: this Python has no protobuf (Debian: python3-protobuf)")
    sys.exit(77)

import spoken

CONTEXTS = 100


class Client(spoken.Client):
    """One socket; a context of its own for each request."""

    def __init__(self, url, messages):
        super().__init__(messages)
        # resend_time -1: a request that is lost is an error, and is not sent again behind the test's back.
        timeout_ms = spoken.DEADLINE_S * 1000
        self.socket = pynng.Req0(dial=url, resend_time=-1, send_timeout=timeout_ms, recv_timeout=timeout_ms)

    def begin(self, payload):
        context = self.socket.new_context()
        context.send(payload)
        return context

    def end(self, context):
        reply = self.messages.Reply.FromString(context.recv())
        context.close()
        return reply

    def close(self):
        self.socket.close()


def many_at_once(client, m):
    """Requests in as many contexts of one connection: half of them watches, which wait for what the others do."""
    scope = "hall"
    cursor = client.call("watch", m.WatchRequest(scope=scope, counts=True)).cursor
    waiting = m.WatchRequest(scope=scope, counts=True, cursor=cursor, max_wait_ms=spoken.DEADLINE_S * 1000)
    parked = [client.begin(m.Call(watch=waiting).SerializeToString()) for _ in range(CONTEXTS // 2)]
    touches = [m.TouchRequest(scope=scope, beats=[m.Beat(user=f"user-{i}")]) for i in range(CONTEXTS // 2)]
    begun = [client.begin(m.Call(touch=touch).SerializeToString()) for touch in touches]
    joined = [client.end(context).touch.joined for context in reversed(begun)]
    spoken.expect("joined", joined, [1] * len(touches))
    for context in parked:
        told = client.end(context)
        spoken.expect("a watch's code and how it differs", (told.code, told.watch.counts.live > 0), (0, True))
    counts = client.call("counts", m.CountsRequest(scopes=[scope])).scopes[0]
    spoken.expect("live", counts.live, len(touches))


def main():
    protoc, contract, folder, musterd = sys.argv[2:]
    messages = spoken.generate(protoc, contract, folder)

    for reach in ("tcp", "ipc"):

        def talk(node):
            client = Client(getattr(node, reach), messages)
            spoken.speak(client, messages)
            spoken.watch(client, messages)
            many_at_once(client, messages)
            client.close()

        spoken.with_node(musterd, talk)
    print(f"every call, a parked watch and {CONTEXTS} contexts, over tcp and ipc, by pynng {pynng.__version__}")


main()
