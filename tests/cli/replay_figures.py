#!/usr/bin/env python3
"""Figures of an access log by another path than `muster replay`: regular expressions and SQLite.

    replay_figures.py LOG [--every S] [--windows S,S,...] [--ttl S] [--user host|auth]

Spans are whole seconds. Prints what `muster replay --json` is to print, with windows keyed by their seconds: a row at
each full --every of UTC after the first event, one at the last event's time, and a summary. A row at t counts the
distinct users with an event in [t - span, t], straight from the definition; nothing is kept from row to row.
"""
import argparse
import datetime
import json
import re
import sqlite3
import sys

LINE = re.compile(rb'^(\S+) \S+ (.+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(.*?)" (?:\d{3}|-) (?:\d+|-)'
                  rb'(?: .*)?$')
UTC = datetime.timezone.utc


def events(log, who):
    """Each line's (seconds since 1970, user), or None where it has none."""
    for line in log.split(b"\n")[: -1 if log.endswith(b"\n") else None]:
        match = LINE.match(line.rstrip(b"\r"))
        user = match and match.group(1 if who == "host" else 2)
        if not user or (who == "auth" and user == b"-"):
            yield None
            continue
        when = datetime.datetime.strptime(match.group(3).decode(), "%d/%b/%Y:%H:%M:%S %z")
        yield int(when.timestamp()), user.decode()


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("--every", type=int, default=3600)
    parser.add_argument("--windows", default="300,3600,86400")
    parser.add_argument("--ttl", type=int, default=60)
    parser.add_argument("--user", default="host")
    options = parser.parse_args()
    with open(options.log, "rb") as file:
        lines = list(events(file.read(), options.user))

    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE event (at INTEGER, user TEXT)")
    base.executemany("INSERT INTO event VALUES (?, ?)", [line for line in lines if line])
    base.execute("CREATE INDEX by_time ON event (at, user)")
    first, last, users = base.execute("SELECT min(at), max(at), count(DISTINCT user) FROM event").fetchone()

    def seen(at, span):
        return base.execute("SELECT count(DISTINCT user) FROM event WHERE at BETWEEN ? AND ?", (at - span, at)).fetchone()[0]

    def row(at):
        windows = {span: seen(at, int(span)) for span in options.windows.split(",")}
        print(json.dumps({"at": rfc3339(at), "live": seen(at, options.ttl), "windows": windows}, separators=(",", ":")))

    if first is not None:
        for at in range(first // options.every * options.every + options.every, last, options.every):
            row(at)
        row(last)
    summary = {"lines": len(lines), "skipped": lines.count(None), "users": users}
    if first is not None:
        summary.update({"from": rfc3339(first), "to": rfc3339(last)})
    print(json.dumps(summary, separators=(",", ":")))


if __name__ == "__main__":
    sys.exit(main())
