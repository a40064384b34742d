"""The bytes that docs/protocol.md prints are sent to a node, over tcp and ipc, and the node's are those: wire.py SOURCE MUSTERD"""
import re
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[1]) / "tests/contract"))
import spoken  # noqa: E402

DEADLINE_S = 20


def exchanges(text):
    """[(who, bytes)] in the order of the document; a byte that differs from time to time, `..`, is None."""
    said = []
    for line in text.split("\n"):
        match = re.match(r"    (client|node  |      )   ((?:(?:[0-9a-f]{2}|\.\.) {1,2})+) {2,}\S", line + "  .")
        if match is None:
            continue
        who, printed = match.group(1).strip(), match.group(2).split()
        if who:
            said.append((who, []))
        said[-1][1].extend(None if byte == ".." else int(byte, 16) for byte in printed)
    return said


def receive(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            sys.exit(f"the node closed the connection after {data.hex(' ')}")
        data += piece
    return data


def follow(said, connection, is_ipc):
    """Over ipc a byte 01 precedes each length."""
    for number, (who, wanted) in enumerate(said):
        if is_ipc and number >= 2:
            wanted = [1] + wanted
        if who == "client":
            connection.sendall(bytes(wanted))
            continue
        found = receive(connection, len(wanted))
        if any(one is not None and one != other for one, other in zip(wanted, found)):
            sys.exit(f"the node said {found.hex(' ')}; docs/protocol.md says {wanted}")


def main():
    source, musterd = Path(sys.argv[1]), sys.argv[2]
    said = exchanges((source / "docs/protocol.md").read_text())
    spoken.expect("who speaks", [who for who, _ in said], ["client", "node", "client", "node"])
    spoken.expect("the length that is printed", said[2][1][7], len(said[2][1]) - 8)
    spoken.expect("the length that is printed", said[3][1][7], len(said[3][1]) - 8)
    for is_ipc in (False, True):
        def talk(node):
            with socket.socket(socket.AF_UNIX if is_ipc else socket.AF_INET) as connection:
                connection.settimeout(DEADLINE_S)
                connection.connect(node.ipc[len("ipc://"):] if is_ipc else ("127.0.0.1", node.port))
                follow(said, connection, is_ipc)

        spoken.with_node(musterd, talk)
    print(f"{sum(len(part) for _, part in said)} bytes of docs/protocol.md, over tcp and ipc")


main()
