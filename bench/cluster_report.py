"""From the cluster's results to its section of docs/benchmarks.md."""
import report

BEGIN, END = "<!-- cluster table: written by scripts/bench cluster -->", "<!-- end of the cluster table -->"


def shown(measured, side, unit):
    if f"{side} p50" in measured:
        return f"{measured[side + ' p50']:.2f} / {measured[side + ' p99']:.2f} ms"
    return report.figure(measured[side], unit) if side in measured else ""


def table(known, rows):
    lines = [report.heading(known)]
    lines += ["", "| work | Muster | Redis | target | |", "|---|---:|---:|---|---|"]
    for row in rows:
        cells = [shown(row["measured"], side, row["unit"]) for side in ("muster", "redis")]
        lines.append("| " + " | ".join([row["what"], *cells, row["target"], report.verdict(row["met"])]) + " |")
    return "\n".join(lines)


def write(folder, known, rows):
    report.put_table(folder, BEGIN, END, table(known, rows))
