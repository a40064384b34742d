"""The servers under measurement: started on free loopback ports, ended by their process ids."""
import atexit
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(os.environ.get("MUSTER_PROGRAMS", ROOT / "build" / "release" / "bin"))
READY_S = 20
CONNECTIONS_MAX = 20_000
running = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that listens on a port. name: the side of the comparison; protocol: of bench_load."""

    def __init__(self, name, protocol, command, host="127.0.0.1", port=None, log=subprocess.DEVNULL):
        self.name, self.protocol, self.host = name, protocol, host
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
        """Of all its threads, to a nanosecond: the process's clock, as clock_getcpuclockid(3) makes it."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

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

    def __init__(self, name, command, host="127.0.0.1", port=None, log=subprocess.DEVNULL):
        super().__init__(name, "muster", command, host, port, log)

    def query(self, *words):
        """The CLI's answer, one object a line."""
        done = subprocess.run([str(PROGRAMS / "muster"), "--to", self.url(), "--json", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode > 1:
            raise SystemExit(f"muster {' '.join(words)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def live(self):
        return self.query("counts")[0]["live"]


class Redis(Server):
    def __init__(self, *options):
        super().__init__("redis", "redis", ["redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", "",
                                            "--appendonly", "no", "--daemonize", "no", *options])

    def query(self, *words):
        """The answer to one command, as bytes without its type."""
        request = b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)])
        with socket.create_connection((self.host, self.port), timeout=60) as connection:
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                line = answer.readline()
                if line[:1] == b"-":
                    raise SystemExit(f"redis: {line.decode().strip()}")
                return answer.read(int(line[1:])) if line[:1] == b"$" else line[1:].strip()

    def info(self, section):
        return dict(line.split(":", 1) for line in self.query("INFO", section).decode().split() if ":" in line)


def flags_of(program):
    done = subprocess.run([str(program), "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.stdout


def node_command(programs=PROGRAMS, threads=None):
    """A musterd without its addresses. threads: loops; None: its default. All clients of a benchmark come from
    one address, so that address has no smaller share of the connections; and a machine that pauses for a second fails
    no run."""
    program, flags = programs / "musterd", flags_of(programs / "musterd")
    command = [str(program)]
    if threads is not None:
        command += ["--threads", str(threads)]
    for flag in sorted(set(re.findall(r"--(?:max-connections|connections-per-address)\b", flags))):
        command += [flag, str(CONNECTIONS_MAX)]
    if "--grpc" in flags: # two of them run at once
        command += ["--grpc", "none"]
    if "--max-stall" in flags:
        command += ["--max-stall", "1m"]
    return command


def has_threads(programs=PROGRAMS):
    return "--threads" in flags_of(programs / "musterd")


def musterd(name="muster", programs=PROGRAMS, threads=None):
    return Node(name, [*node_command(programs, threads), "--rpc", "tcp://127.0.0.1:PORT"])


def redis():
    return Redis()


def echo():
    return Server("echo", "echo", [str(PROGRAMS / "loop_echo"), "tcp://127.0.0.1:PORT"])


def stop_all():
    for server in list(running):
        server.stop()


atexit.register(stop_all)
