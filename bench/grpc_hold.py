"""Connections of HTTP/2 that are held open and idle, or with watches: what each takes of a server's memory. Frames are
written by hand (RFC 9113, RFC 7541), since thousands of channels of a gRPC library would take the machine."""
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0, 1, 4, 6, 7
END_STREAM, ACK, END_HEADERS = 1, 1, 4
WINDOW_UPDATE = 8
INITIAL_WINDOW_SIZE = 4
ANSWER_S = 60


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">IBBI", len(payload), kind, flags, stream)[1:] + payload


def literal(index, value, name=b"", kept=True):
    """A header field, by an index of RFC 7541's static table, or 0 and a name; kept: in the server's table."""
    head = bytes([(0x40 if kept else 0) | index]) + (bytes([len(name)]) + name if index == 0 else b"")
    return head + bytes([len(value)]) + value


def call(stream, method, message):
    """A whole call. The first of a connection, which is stream 1, fills the server's table, and the others use it."""
    block = b"\x83\x86" + literal(4, b"/muster.v1.Presence/" + method, kept=False)  # POST, http
    if stream == 1:
        block += literal(1, b"localhost") + literal(0x1f, b"application/grpc") + literal(0, b"trailers", b"te")
    else:
        block += b"\xc0\xbf\xbe"
    return (frame(HEADERS, END_HEADERS, stream, block) +
            frame(DATA, END_STREAM, stream, b"\0" + struct.pack(">I", len(message)) + message))


class Held:
    """One connection, after its first call."""

    def __init__(self, server, method, message):
        self.socket = socket.create_connection((server.host, server.port), timeout=ANSWER_S)
        self.input = b""
        self.last = 1
        # Windows of 2^31 - 1, for streams and for all of them together: nothing that is sent is returned.
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 2**31 - 1)) +
                            frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1 - 65535)) + call(1, method, message))
        self.await_frames(HEADERS, {1}, END_STREAM)

    def watch(self, count, message):
        """Opens so many watches, and waits until each was told something."""
        streams = [self.last + 2 * i for i in range(1, count + 1)]
        self.last = streams[-1]
        self.socket.sendall(b"".join(call(stream, b"Watch", message) for stream in streams))
        self.await_frames(DATA, set(streams), 0)

    def await_frames(self, kind, streams, flags):
        while streams:
            while len(self.input) < 9 or len(self.input) < 9 + int.from_bytes(self.input[:3], "big"):
                got = self.socket.recv(65536)
                if not got:
                    raise SystemExit("the server closed a connection")
                self.input += got
            size, found, found_flags = int.from_bytes(self.input[:3], "big"), self.input[3], self.input[4]
            stream = int.from_bytes(self.input[5:9], "big")
            payload, self.input = self.input[9:9 + size], self.input[9 + size:]
            if found == GOAWAY:
                raise SystemExit("the server sends its clients away")
            if found in (SETTINGS, PING) and not found_flags & ACK:
                self.socket.sendall(frame(found, ACK, 0, payload if found == PING else b""))
            if found == kind and found_flags & flags == flags:
                streams.discard(stream)
            elif found == HEADERS and found_flags & END_STREAM:
                raise SystemExit("the server refused a call")

    def close(self):
        self.socket.close()


def text(field, value):
    return bytes([field << 3 | 2, len(value)]) + value


def memory(server, connections, watches, scope=b"default"):
    """Bytes of the server's memory: of a connection that is idle after one call, and of a watch besides."""
    live = text(2, b"user:000000000000")
    warm = [Held(server, b"Live", live) for _ in range(min(connections, 20))]
    before = server.resident_bytes()
    held = [Held(server, b"Live", live) for _ in range(connections)]
    idle = server.resident_bytes()
    if watches:
        for each in held:
            each.watch(watches, text(1, scope))
        watched = server.resident_bytes()
    for each in (*warm, *held):
        each.close()
    result = {"connections": connections, "bytes_a_connection": (idle - before) / connections}
    if watches:
        result["bytes_a_watch"] = (watched - idle) / (connections * watches)
    return result
