#!/usr/bin/env python3
"""The events that the server logs are those of docs/operations.md: events.py ROOT"""
import os
import re
import sys

EVENT = re.compile(r'LEVEL_\w+,\s*"([a-z_]+)"')


def logged(root):
    events = {}
    for folder, _, names in os.walk(os.path.join(root, "server")):
        for name in sorted(names):
            if not name.endswith(".c"):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                for event in EVENT.findall(file.read()):
                    events.setdefault(event, os.path.relpath(path, root))
    return events


def documented(root):
    with open(os.path.join(root, "docs", "operations.md"), encoding="utf-8") as file:
        section = file.read().split("\n## Logs\n")[1].split("\n## ")[0]
    rows = [row.split("|") for row in section.splitlines() if row.startswith("| `")]
    return {event for row in rows for event in re.findall(r"`([a-z_]+)`", row[1])}


def main():
    in_code, in_document = logged(sys.argv[1]), documented(sys.argv[1])
    wrong = [f"docs/operations.md does not explain the event {e} of {in_code[e]}" for e in sorted(in_code.keys() - in_document)]
    wrong += [f"docs/operations.md explains {e}, which is never logged" for e in sorted(in_document - in_code.keys())]
    if len(in_code) < 20:
        wrong.append(f"only {len(in_code)} events were found in the sources")
    print("\n".join(wrong) or f"{len(in_code)} events are explained")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
