"""From the results of scripts/bench watch to their section of docs/benchmarks.md."""
import report

BEGIN, END = "<!-- watch table: written by scripts/bench watch -->", "<!-- end of the watch table -->"


def shown(measured, side, unit):
    if f"{side} p50" in measured:
        return f"{measured[side + ' p50']:.2f} / {measured[side + ' p99']:.2f} {unit}"
    if f"{side} max" in measured:
        text = f"{measured[side + ' max']:.2f} ms (p99.9 {measured[side + ' p99.9']:.2f})"
        for control in ("no watchers", "idle"):
            if f"{control} {side} max" in measured:
                text += f"; {control}: {measured[f'{control} {side} max']:.2f}"
        return text
    return report.figure(measured[side], unit) if side in measured else ""


def cells(row):
    floor = "floor" if "floor" in row["measured"] else "echo"
    found = [shown(row["measured"], side, row["unit"]) for side in ("muster", "redis", floor)]
    if "ratio" in row["measured"]:
        found[0] += f" ({row['measured']['ratio']:.2f} ×)"
    return found


def table(known, rows):
    lines = [report.heading(known)]
    lines += ["", "| work | Muster | Redis | floor | target | |", "|---|---:|---:|---:|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join([row["what"], *cells(row), row["target"], report.verdict(row["met"])]) + " |")
    return "\n".join(lines)


def write(folder, known, rows):
    report.put_table(folder, BEGIN, END, table(known, rows))
