"""The tools of tests/grpc/tools, and the servers that they are used on."""
import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/conformance"))

import certificates  # noqa: E402
from nodes import Node, ReservedPort  # noqa: E402

TOOLS = SOURCE / "build/go-tools"
DEADLINE_S = 60
SKIPPED = 77


def need():
    """Ends the test as skipped if scripts/test could not build the tools; as failed where MUSTER_CI=1."""
    if TOOLS.exists():
        return
    reason = "no build/go-tools, which scripts/test makes where Go and a network are"
    assert os.environ.get("MUSTER_CI") != "1", reason
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def run(tool, *arguments, input=None, status=0, environment=None):
    """What it wrote; the test fails on another exit status than `status`."""
    command = [str(TOOLS / tool), *map(str, arguments)]
    done = subprocess.run(command, input=input, stdin=subprocess.DEVNULL if input is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S,
                          env={**os.environ, **(environment or {})})
    assert done.returncode == status, f"{' '.join(command)} ended with {done.returncode}, not {status}:\n{done.stdout}"
    return done.stdout


class TestServer:
    """A grpc_test_server, ended by its id."""

    def __init__(self, program, *flags):
        self.process = subprocess.Popen([program, *map(str, flags)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True)
        said = self.process.stdout.readline() if select.select([self.process.stdout], [], [], DEADLINE_S)[0] else ""
        if not said.startswith("ready "):
            self.kill()
            raise AssertionError(f"{program} {flags} said {said!r}, not that it is ready")
        self.address = said.split()[1]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.process.args} did not end after SIGTERM") from None
        finally:
            self.kill()
        assert status == 0, f"{self.process.args} ended with {status} after SIGTERM"


class World(contextlib.ExitStack):
    """Servers, and the folder with their certificates; as a context, it ends them."""

    def __enter__(self):
        super().__enter__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="muster-")))
        return self

    def make_certificates(self):
        """Makes them, and returns the flags of a server that uses them."""
        certificates.make(self.folder)
        self.ca = self.folder / "ca.pem"
        return ("--tls-cert", str(self.folder / "node.pem"), "--tls-key", str(self.folder / "node.key"))

    def test_server(self, program, *flags):
        server = TestServer(program, *flags)
        self.callback(server.stop)
        return server

    def node(self, musterd, name, *flags):
        node = Node(musterd, self.folder, name, *flags)
        self.callback(node.stop)
        return node

    def joining_node(self, musterd, *flags):
        """A node that waits for a peer that does not answer."""
        peer = ReservedPort()
        self.callback(peer.close)
        return self.node(musterd, "joining", *flags, "--gossip", "tcp://127.0.0.1:0", "--sync", "tcp://127.0.0.1:0",
                         "--peer", peer.address, "--join-timeout", "10m")
