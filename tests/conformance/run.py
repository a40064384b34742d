#!/usr/bin/python3
"""Runs the conformance program of a language at real nodes, and judges it: run.py LANGUAGE MUSTERD

README.md says what a program does. 0: it passed; 77: there is no program, since prepare.py could not make it, or did not."""
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is written into the source tree

import certificates
import programs
from nodes import Counter, Node, ReservedPort

CASES = ("unary", "stream", "deadline", "cancel", "metadata", "message-limit", "invalid-argument", "compression", "reuse",
         "drain", "health", "tls", "mutual-tls")
DEADLINE_S = 240
# The messages of the case `compression` as they are, less than which they must take: a Touch of 5,000 beats with names of
# 15 bytes, and a List of these users.
MEASURED_BYTES_MAX = {"up": 5000 * 15, "down": 5000 * 15}


class World:
    """All that a program finds; a context, which ends it."""

    def __init__(self, musterd, stack):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-")))
        certificates.make(folder)
        tls = ("--tls-cert", folder / "node.pem", "--tls-key", folder / "node.key")

        def node(name, *flags, **address):
            started = Node(musterd, folder, name, *flags, **address)
            stack.callback(started.stop)
            return started

        def closing(what):
            stack.callback(what.close)
            return what

        plain = node("plain")
        self.drained = node("drained", "--data-dir", folder / "data", address=closing(ReservedPort()).address)
        self.counted = closing(Counter(plain.address))
        self.measured = closing(Counter(plain.address))
        mutual = node("mutual_tls", *tls, "--tls-client-ca", folder / "ca.pem")
        self.environment = {
            "MUSTER_PLAIN": plain.address,
            "MUSTER_ONE_WATCH": node("one_watch", "--max-watches", "1").address,
            "MUSTER_COUNTED": self.counted.address,
            "MUSTER_MEASURED": self.measured.address,
            "MUSTER_DRAINED": self.drained.address,
            "MUSTER_TLS": localhost(node("tls", *tls).address),
            "MUSTER_MUTUAL_TLS": localhost(mutual.address),
            "MUSTER_CA": str(folder / "ca.pem"),
            "MUSTER_CLIENT_CERT": str(folder / "client.pem"),
            "MUSTER_CLIENT_KEY": str(folder / "client.key"),
        }


def localhost(address):
    return "localhost:" + address.rpartition(":")[2]


def talk(command, world):
    """Runs the program, and restarts the node when it says so. Returns its lines, and its exit status."""
    lines = []
    program = subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace",
                               env={**os.environ, **world.environment})
    timer = threading.Timer(DEADLINE_S, program.kill)
    timer.start()
    try:
        for line in program.stdout:
            print(line, end="", flush=True)
            if line != "drain\n":
                lines.append(line.rstrip("\n"))
                continue
            world.drained.stop()
            world.drained.start()
            with contextlib.suppress(BrokenPipeError):
                program.stdin.write("restarted\n")
                program.stdin.flush()
        return lines, program.wait()
    finally:
        timer.cancel()
        program.kill()
        program.wait()


def faults_of_lines(lines, status):
    """What is wrong with what the program said."""
    passed = [line[len("ok "):] for line in lines if line.startswith("ok ")]
    faults = [line for line in lines if not line.startswith("ok ")]
    faults += [f"case {name}: said to be ok {passed.count(name)} times" for name in CASES if passed.count(name) != 1]
    faults += [f"case {name}: not known" for name in passed if name not in CASES]
    if (status == 0) == bool(faults):
        faults.append(f"the program ended with {status} (-9: it took more than {DEADLINE_S} s)")
    return faults


def faults_of_counters(world):
    """What is wrong with what the harness counted."""
    faults = []
    if world.counted.connections != 1:
        faults.append(f"case reuse: {world.counted.connections} connections, not 1")
    for way, most in MEASURED_BYTES_MAX.items():
        if not 0 < world.measured.bytes[way] < most:
            faults.append(f"case compression: {world.measured.bytes[way]} bytes {way}, not less than {most}")
    return faults


def main():
    language, musterd = sys.argv[1:]
    if not programs.is_up_to_date(language):
        missing = programs.missing_file(language)
        if missing.is_file():
            print(f"skipped: {missing.read_text()}")
            sys.exit(programs.SKIPPED)
        print(f"skipped: tests/conformance/prepare.py {language} makes the program, and did not, or not since it changed")
        sys.exit(1 if programs.is_ci() else programs.SKIPPED)
    with contextlib.ExitStack() as stack:
        world = World(musterd, stack)
        faults = faults_of_lines(*talk(programs.built_folder(language) / "program", world))
        faults += faults_of_counters(world)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
