#!/usr/bin/env python3
"""Passes only if arrows.py finds an arrow that is planted in a copy of the tree: planted.py [ROOT]"""
import os
import shutil
import subprocess
import sys
import tempfile

ARROWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "arrows.py")

# What is planted: the file, the line that is put before all others, and what arrows.py must say.
PLANTS = [
    ("server/core/roll.h", '#include "cluster/replica.h"',
     ["core may not use cluster", "core -> cluster: server/core/roll.h:1 includes server/cluster/replica.h",
      "a way leads back", "cluster -> core: "]),
    ("common/text.h", '#include "server/sys/log.h"', ["common may not use sys", "sys -> common: "]),
    ("client/c/client.h", '#include "server/core/roll.h"', ["client/c may not use core"]),
    ("client/cli/main.c", '#include "client/c/client.h"', ["client/cli may not use client/c"]),
    ("include/muster/limits.h", '#include "muster/v1/presence.pb-c.h"', ["include may not use proto"]),
    ("server/watch/journal.h", '#include "watch/pump.c"', ["files in a circle: ", "server/watch/journal.h:1 includes "]),
    ("server/peers/link.c", "#include <nng/nng.h>", ["server/peers/link.c includes nng"]),
    ("server/core/hlc.h", '#include "no/such/file.h"', ["no file of the tree"]),
]


def check(root, path, line, wanted):
    with tempfile.TemporaryDirectory() as copy:
        for top in ("common", "include", "server", "client"):
            shutil.copytree(os.path.join(root, top), os.path.join(copy, top))
        with open(os.path.join(copy, path), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(copy, path), "w", encoding="utf-8") as file:
            file.write(line + "\n" + text)
        result = subprocess.run([sys.executable, ARROWS, copy], capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    missing = [part for part in wanted if part not in output]
    if result.returncode == 0 or missing:
        print(f"{path} with {line}: status {result.returncode}, without {missing}, of:\n{output}")
    return result.returncode != 0 and not missing


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(ARROWS), "../.."))
    good = [check(root, *plant) for plant in PLANTS]
    print(f"{sum(good)} of {len(good)} planted arrows are found")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
