"""What every run of scripts/bench shares: loads, rounds, the book of results, the circumstances."""
import argparse
import json
import mmap
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import time
import traceback
from pathlib import Path

import report
import servers

WARM_BYTES = 3 << 30
TTL_MS = 3600_000
LOAD_PATIENCE_S = 300


# ---- loads --------------------------------------------------------------------------------------------------------


def command_line(server, **options):
    command = [str(servers.PROGRAMS / "bench_load"), "--protocol", server.protocol, "--to", server.url()]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            command.append("--" + name.replace("_", "-"))
            if each is not True:
                command.append(str(each))
    return command


def load_start(server, **options):
    return subprocess.Popen(command_line(server, **options), stdout=subprocess.PIPE, text=True)


def load_end(process):
    out, _ = process.communicate(timeout=LOAD_PATIENCE_S)
    if process.returncode != 0:
        raise SystemExit("a load failed; see above")
    return json.loads(out)


def load(server, **options):
    cpu = server.cpu_seconds()
    result = load_end(load_start(server, **options))
    result["server_cpu_us_per_request"] = (server.cpu_seconds() - cpu) * 1e6 / max(1, result["requests"])
    return result


def fill(server, users, first=0, ttl_ms=TTL_MS):
    """Touches so many users once, as fast as is answered."""
    return load(server, work="touch", sequential=True, first=first, users=users, requests=max(1, users // 1000),
                batch=min(1000, users), connections=2, in_flight=2, ttl_ms=ttl_ms)


def spread(sides, users, seconds):
    """Touches all users on every side, in turn and evenly over some seconds, so that windows cut through them."""
    batch = min(1000, users)
    requests = users // batch
    processes = [load_start(server, work="touch", sequential=True, users=users, requests=requests, batch=batch,
                            connections=2, in_flight=4, rate=requests / seconds, ttl_ms=TTL_MS) for server in sides]
    for process in processes:
        load_end(process)


def alternate(rounds, sides, options):
    """The same load on each side in turn, several rounds, every other one in reverse; {side: [result, ...]}."""
    results = {server.name: [] for server in sides}
    for number in range(rounds):
        for server in sides if number % 2 == 0 else sides[::-1]:
            results[server.name].append(load(server, **options))
    return results


def median(results, key):
    return statistics.median(result[key] for result in results)


def medians(rounds, key):
    return {side: median(results, key) for side, results in rounds.items()}


def ratio(rounds, side, other, key):
    """The median over the rounds of one side's figure divided by another's in the same round."""
    return statistics.median(a[key] / b[key] for a, b in zip(rounds[side], rounds[other]))


# ---- results ------------------------------------------------------------------------------------------------------


class Book:
    """One record a row of the tables."""

    def __init__(self, scale):
        self.scale = scale
        self.rows = []
        self.began = time.monotonic()
        self.cpu_began = machine_cpu_seconds() - own_cpu_seconds()

    def cores_of_others(self):
        """How many cores other processes kept busy meanwhile: a measure of how quiet the machine was. What this run
        started must have ended."""
        return max(0, machine_cpu_seconds() - own_cpu_seconds() - self.cpu_began) / (time.monotonic() - self.began)

    def add(self, row, what, unit, target, measured, met, params=None, rounds=None):
        self.rows.append({"row": row, "what": what, "unit": unit, "target": target, "measured": measured, "met": met,
                          "params": params or {}, "rounds": rounds or {}})
        figures = ", ".join(f"{side} {value:,.4g}" for side, value in measured.items())
        print(f"[{time.monotonic() - self.began:4.0f} s] {what}: {figures} {unit}; target {target or 'none'}: "
              f"{report.verdict(met)}", flush=True)


def output(*command):
    done = subprocess.run(command, cwd=servers.ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def circumstances(note=""):
    commit = output("git", "rev-parse", "--short=12", "HEAD") or "uncommitted"
    changed = output("git", "status", "--porcelain", "--", "server", "client", "common", "include", "proto", "bench")
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = output("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "redis-server", "libnng1",
                      "libprotobuf-c1", "gcc")
    return {"commit": commit + ("+changes" if changed and commit != "uncommitted" else ""),
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory, 1),
                        "kernel": platform.release(), "packages": packages.splitlines()},
            "note": note}


def machine_cpu_seconds():
    """What all processes of the machine have used of its cores."""
    busy = Path("/proc/stat").read_text().splitlines()[0].split()
    user, nice, system, _, _, irq, softirq = map(int, busy[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def own_cpu_seconds():
    """What this program and all that it started and that has ended used of them."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


# ---- a run --------------------------------------------------------------------------------------------------------


def arguments(*flags):
    parser = argparse.ArgumentParser()
    for flag in ("--quick", *flags):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--note", default="", help="what to know of the machine's state; goes beside the figures")
    return parser.parse_args()


def prepare():
    """Signals end the run as an error does, descriptors are as many as may be, and the memory is warm: in a virtual
    machine whose host provides memory lazily the first touch of a page costs some 12 µs, and whichever server came
    first would pay for it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with mmap.mmap(-1, WARM_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        for at in range(0, WARM_BYTES, mmap.PAGESIZE):
            memory[at] = 1


def await_true(what, is_true, patience_s=60, poll_s=0.005):
    until = time.monotonic() + patience_s
    while not is_true():
        if time.monotonic() > until:
            raise SystemExit(f"{what}: not within {patience_s} s")
        time.sleep(poll_s)


def succeeds(section):
    """Runs a part of the table. A failure is printed, and does not cost the rows of the other parts."""
    try:
        section()
    except SystemExit as error:
        if isinstance(error.code, int):  # a signal
            raise
        print(f"{section.func.__name__} failed: {error.code}", flush=True)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
    else:
        return True
    servers.stop_all()
    return False


def finish(book, known, suffix, write_report):
    """Writes the results and the table; a quick run's into build/bench."""
    quick = servers.ROOT / "build" / "bench"
    servers.stop_all()
    known["cores_of_others"] = round(book.cores_of_others(), 2)
    path = report.write_results(quick if book.scale.is_quick else servers.ROOT / "bench" / "results", known, book.rows,
                                suffix)
    write_report(quick if book.scale.is_quick else servers.ROOT / "docs", known, book.rows)
    print(f"{path}; {time.monotonic() - book.began:.0f} s")
