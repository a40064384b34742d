#!/usr/bin/env python3
"""Figures of an access log by another path than `muster replay`: regular expressions and SQLite.

    replay_figures.py LOG [--format combined|vhost_combined|json] [--every S] [--windows S,S,...] [--ttl S]
                          [--user host|auth|xff-first|xff-last] [--exclude-status REGEX] [--exclude-agent REGEX]

LOG may be compressed by gzip. Spans are whole seconds. Prints what `muster replay --json` is to print, with windows keyed
by their seconds: a row at each full --every of UTC after the first event, one at the last event's time, and a summary. A
row at t counts the distinct users with an event in [t - span, t], straight from the definition; nothing is kept from row
to row. Rows of zeros that follow each other are one.
"""
import argparse
import datetime
import gzip
import ipaddress
import itertools
import json
import re
import sqlite3
import sys

LINE = (r'(?P<host>\S+) \S+ (?P<user>.+) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(?:.*?)" '
        r'(?P<status>\d{3}|-) (?:\d+|-)(?P<rest> .*)?$')
LINES = {"combined": re.compile("^" + LINE), "vhost_combined": re.compile(r"^\S+ " + LINE)}
QUOTED = re.compile(r'(?<= )"((?:\\.|"(?!$| )|[^"\\])*)"(?=$| )')
UTC = datetime.timezone.utc


def of_text(line, options):
    match = LINES[options.format].match(line)
    if not match:
        return None
    quoted = QUOTED.findall(match["rest"] or "") + ["", "", ""]
    when = datetime.datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z")
    return {"host": match["host"], "auth": match["user"], "xff": quoted[2], "agent": quoted[1],
            "status": match["status"], "at": int(when.timestamp()) * 1000}


def of_json(line, _):
    """nginx as tests/cli/data/make_logs.py configures it, and Caddy."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if "request" in fields and isinstance(fields["request"], dict):
        headers = fields["request"]["headers"]
        return {"host": fields["request"]["remote_ip"], "auth": fields["user_id"],
                "xff": headers.get("X-Forwarded-For", [""])[0], "agent": headers.get("User-Agent", [""])[0],
                "status": str(fields["status"]), "at": round(fields["ts"] * 1000)}
    return {"host": fields["remote_addr"], "auth": fields["remote_user"], "xff": fields["http_x_forwarded_for"],
            "agent": fields["http_user_agent"], "status": fields["status"], "at": round(float(fields["msec"]) * 1000)}


def address(text):
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def user_of(line, who):
    if who.startswith("xff"):
        return address(line["xff"].split(",")[0 if who == "xff-first" else -1].strip())
    if line[who] in ("", "-", '""') or (who == "auth" and line["status"] in ("401", "403")):
        return None
    return address(line[who]) or line[who] if who == "host" else line[who]


def events(log, options):
    """Each line's (milliseconds since 1970, user), None where it has none, False where it is left out."""
    read = of_json if options.format == "json" else of_text
    for text in log.split(b"\n")[: -1 if log.endswith(b"\n") else None]:
        line = read(text.decode(errors="surrogateescape").rstrip("\r"), options)
        if line is None:
            yield None
        elif options.exclude_status and re.fullmatch(options.exclude_status, line["status"]):
            yield False
        elif options.exclude_agent and re.search(options.exclude_agent, line["agent"]):
            yield False
        else:
            user = user_of(line, options.user)
            yield (line["at"], user) if user else None


def rfc3339(ms):
    text = datetime.datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{ms % 1000:03}" if ms % 1000 else "") + "Z"


def write(row):
    print(json.dumps(row, separators=(",", ":")))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("--format", default="combined")
    parser.add_argument("--every", type=int, default=3600)
    parser.add_argument("--windows", default="300,3600,86400")
    parser.add_argument("--ttl", type=int, default=90)
    parser.add_argument("--user", default="host")
    parser.add_argument("--exclude-status")
    parser.add_argument("--exclude-agent")
    options = parser.parse_args()
    with (gzip.open if options.log.endswith(".gz") else open)(options.log, "rb") as file:
        lines = list(events(file.read(), options))

    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE event (at INTEGER, user TEXT)")
    base.executemany("INSERT INTO event VALUES (?, ?)", [line for line in lines if line])
    base.execute("CREATE INDEX by_time ON event (at, user)")
    first, last, users = base.execute("SELECT min(at), max(at), count(DISTINCT user) FROM event").fetchone()

    def seen(at, span_s):
        span = span_s * 1000
        return base.execute("SELECT count(DISTINCT user) FROM event WHERE at BETWEEN ? AND ?", (at - span, at)).fetchone()[0]

    def row(at):
        windows = {span: seen(at, int(span)) for span in options.windows.split(",")}
        return {"at": rfc3339(at), "live": seen(at, options.ttl), "windows": windows}

    rows = []
    if first is not None:
        every = options.every * 1000
        rows = [row(at) for at in range(first // every * every + every, last, every)] + [row(last)]
    for is_busy, group in itertools.groupby(rows, lambda one: one["live"] or any(one["windows"].values())):
        group = list(group)
        if is_busy or len(group) == 1:
            for one in group:
                write(one)
        else:
            write({**group[0], "until": group[-1]["at"], "rows": len(group)})
    summary = {"lines": len(lines), "skipped": lines.count(None), "users": users}
    if first is not None:
        summary.update({"from": rfc3339(first), "to": rfc3339(last)})
    if options.exclude_status or options.exclude_agent:
        summary["excluded"] = lines.count(False)
    write(summary)


if __name__ == "__main__":
    sys.exit(main())
