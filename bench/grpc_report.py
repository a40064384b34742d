"""From the results of scripts/bench grpc to their section of docs/benchmarks.md."""
import report

BEGIN, END = "<!-- grpc table: written by scripts/bench grpc -->", "<!-- end of the grpc table -->"
NAMES = {"muster": "Muster, gRPC", "redis": "Redis", "grpc-go": "grpc-go", "nng": "Muster, nng's door"}


def shown(measured, side, unit):
    if side not in measured:
        return ""
    ratio = measured.get(f"ratio {side}")
    return report.figure(measured[side], unit) + (f" ({ratio:.2f} ×)" if ratio else "")


def cells(row):
    measured, unit = dict(row["measured"]), row["unit"]
    if "tls" in measured:  # the sides are the same door in the clear and with TLS
        return [f"{report.figure(measured['tls'], unit)} ({measured['ratio clear']:.2f} × of {report.figure(measured['muster'], unit)})",
                "", "", ""]
    if "without" in measured:
        return ["", "", "", f"{report.figure(measured['muster'], unit)} ({measured['ratio without']:.2f} × of "
                f"{report.figure(measured['without'], unit)})"]
    return [shown(measured, side, unit) for side in NAMES]


def table(known, rows):
    lines = [report.heading(known), "", "| work | " + " | ".join(NAMES.values()) + " | target | |",
             "|---|---:|---:|---:|---:|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join([row["what"], *cells(row), row["target"], report.verdict(row["met"])]) + " |")
    return "\n".join(lines)


def write(folder, known, rows):
    report.put_table(folder, BEGIN, END, table(known, rows))
