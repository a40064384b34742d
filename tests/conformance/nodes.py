"""The nodes that a program talks to, and what leads to them and counts."""
import contextlib
import re
import select
import signal
import socket
import subprocess
import threading

DEADLINE_S = 20


class Node:
    """A musterd on a free port, ended by its id."""

    def __init__(self, musterd, folder, name, *flags, address="127.0.0.1:0"):
        self.log = folder / f"{name}.log"
        self.command = [musterd, "--name", name, "--rpc", f"ipc://{folder}/{name}.rpc", "--grpc", address, *flags]
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        said = self.process.stdout.readline() if select.select([self.process.stdout], [], [], DEADLINE_S)[0] else ""
        found = re.search(r"\bready\b.* grpc=(\S+)", said)
        if not found:
            self.process.kill()
            raise AssertionError(f"no ready line with grpc=HOST:PORT; musterd said {said!r} and\n{self.log.read_text()}")
        self.address = found.group(1)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.command} did not end {DEADLINE_S} s after SIGTERM") from None
        finally:
            self.process.stdout.close()
        assert status == 0, f"{self.command} ended with {status} after SIGTERM\n{self.log.read_text()}"


class ReservedPort:
    """A port that no one else is given while a node that uses it is down: bound, and not listened on."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class Counter:
    """Leads connections to an address, and counts them and their bytes."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.to = (host, int(port))
        self.connections = 0
        self.bytes = {"up": 0, "down": 0}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.create_connection(self.to) as node:
            for end in (client, node):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = threading.Thread(target=self.lead, args=(client, node, "up"), daemon=True)
            up.start()
            self.lead(node, client, "down")
            up.join()

    def lead(self, source, sink, way):
        try:
            while data := source.recv(65536):
                self.bytes[way] += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
