"""The musterd to compare with: that of the commit before the doors moved to the loop, built from the history into
build/bench, where later runs find it."""
import os
import subprocess
from pathlib import Path

import servers

COMMIT = "c6ce7e6"
FOLDER = servers.ROOT / "build" / "bench" / f"before-{COMMIT}"
PROGRAMS = FOLDER / "build" / "release" / "bin"

# Its core_bench prints no fifth percentile.
PATCH = ((r"\"call_p50_us\":%.1f,", r"\"call_p5_us\":%.1f,\"call_p50_us\":%.1f,"),
         ("(double)histogram_at(&timing->wall, 0.5) / 1e3,",
          "(double)histogram_at(&timing->wall, 0.05) / 1e3, (double)histogram_at(&timing->wall, 0.5) / 1e3,"))


def run(*command, folder=servers.ROOT):
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def patch():
    path = FOLDER / "bench" / "core_bench.c"
    text = path.read_text()
    for old, new in PATCH:
        if text.count(old) != 1:
            raise SystemExit(f"{path}: what is to be patched is not there once: {old}")
        text = text.replace(old, new)
    path.write_text(text)


def build():
    """The folder of its programs; None, after a sentence, where the history does not have the commit."""
    if run("git", "cat-file", "-e", f"{COMMIT}^{{commit}}").returncode != 0:
        print(f"the history has no commit {COMMIT}: the column of the musterd before is left out", flush=True)
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    done = run("sh", "-c", f"git archive {COMMIT} | tar -x -C '{FOLDER}'")
    if done.returncode != 0:
        raise SystemExit(f"git archive: {done.stdout}")
    patch()
    jobs = os.environ.get("MUSTER_JOBS", str(os.cpu_count()))
    for command in (("cmake", "--preset", "release"),
                    ("cmake", "--build", "--preset", "release", "--parallel", jobs, "--target", "musterd", "core_bench")):
        done = run(*command, folder=FOLDER)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} of {COMMIT} failed:\n{done.stdout[-3000:]}")
    return Path(PROGRAMS)
