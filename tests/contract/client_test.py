"""A client in another language: the generated Python classes and forty lines of the wire, against a real node.

client_test.py PROTOC CONTRACT FOLDER MUSTERD"""
import socket
import struct
import sys

try:
    import google.protobuf  # noqa: F401
except ImportError:
    print("skipped: this Python has no protobuf (Debian: python3-protobuf)")
    sys.exit(77)

import spoken

SP_REQUEST, SP_REPLY = 0x30, 0x31


class Client(spoken.Client):
    """SP over TCP (nng's wire): a handshake, then messages that carry their length and a request's id."""

    def __init__(self, port, messages):
        super().__init__(messages)
        self.last_id = 0
        self.early = {}  # replies that came while another was awaited, by id
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=spoken.DEADLINE_S)
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

    def begin(self, payload):
        self.last_id += 1
        request_id = 0x80000000 | self.last_id
        self.socket.sendall(struct.pack(">QI", 4 + len(payload), request_id) + payload)
        return request_id

    def end(self, request_id):
        while request_id not in self.early:
            (size,) = struct.unpack(">Q", self.read(8))
            answer = self.read(size)
            self.early[struct.unpack(">I", answer[:4])[0]] = self.messages.Reply.FromString(answer[4:])
        return self.early.pop(request_id)

    def close(self):
        self.socket.close()


def main():
    protoc, contract, folder, musterd = sys.argv[1:]
    messages = spoken.generate(protoc, contract, folder)

    def talk(node):
        client = Client(node.port, messages)
        spoken.speak(client, messages)
        spoken.watch(client, messages)
        client.close()

    spoken.with_node(musterd, talk)
    print("every call and its refusals, spoken from Python")


if __name__ == "__main__":
    main()
