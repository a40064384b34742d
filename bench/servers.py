"""The servers under measurement: started on free loopback ports, ended by their ids."""
import atexit
import json
import os
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(os.environ.get("MUSTER_PROGRAMS", ROOT / "build" / "release" / "bin"))
READY_S = 20
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
running = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, name, command, host="127.0.0.1", port=None, log=subprocess.DEVNULL):
        self.name = name
        self.host = host
        self.port = port or free_port()
        self.process = subprocess.Popen([part.replace("PORT", str(self.port)) for part in command], cwd="/tmp",
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        running.append(self)
        self.await_port()

    def url(self):
        return f"tcp://{self.host}:{self.port}"

    def await_port(self):
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}")
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"{self.name} did not listen within {READY_S} s")

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise SystemExit(f"{self.name} has no resident set")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def stop(self):
        if self in running:
            running.remove(self)
            self.process.terminate()
            try:
                self.process.wait(READY_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Node(Server):
    """A musterd."""

    def ask(self, *words):
        """What the CLI answers, one object a line."""
        done = subprocess.run([str(PROGRAMS / "muster"), "--to", self.url(), "--json", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode > 1:
            raise SystemExit(f"muster {' '.join(words)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def live(self):
        return self.ask("counts")[0]["live"]


def musterd():
    return Node("muster", [str(PROGRAMS / "musterd"), "--rpc", "tcp://127.0.0.1:PORT"])


def redis():
    return Server("redis", ["redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                            "--daemonize", "no"])


def echo():
    return Server("echo", [str(PROGRAMS / "nng_echo"), "tcp://127.0.0.1:PORT"])


def stop_all():
    for server in list(running):
        server.stop()


atexit.register(stop_all)
