"""From results to what people read: JSON lines, a table in docs/benchmarks.md, SVG plots."""
import json
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

matplotlib.rcParams.update({"svg.hashsalt": "muster", "svg.fonttype": "none", "font.family": "sans-serif",
                            "axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
COLOURS = {"muster": "#1b6ca8", "redis": "#c0392b", "echo": "#8a8f98"}
NAMES = {"muster": "Muster", "redis": "Redis", "echo": "nng echo"}
BEGIN, END = "<!-- table: written by scripts/bench -->", "<!-- end of the table -->"


def count(users):
    for size, letter in ((1_000_000, " M"), (1000, " k")):
        if users >= size and users % size == 0:
            return f"{users // size}{letter}"
    return str(users)


def verdict(met):
    return {True: "met", False: "**missed**", None: "–"}[met]


def figure(value, unit):
    if unit == "/s":
        return f"{value / 1e6:.2f} M/s" if value >= 1e6 else f"{value / 1e3:.0f} k/s"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


# ---- results ------------------------------------------------------------------------------------------------------


def write_results(folder, known, rows, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{known['date'][:10]}-{known['commit']}{suffix}.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps({**known, **row}, ensure_ascii=False) + "\n")
    return path


# ---- the table ----------------------------------------------------------------------------------------------------


def cells(row):
    measured, unit = row["measured"], row["unit"]
    shown = [figure(measured[side], unit) if side in measured else "" for side in ("muster", "redis", "echo")]
    if "ratio" in measured:
        shown[0] += f" ({measured['ratio']:.2f} ×)"
    if "muster max" in measured:
        shown[0] = f"{measured['muster max']:.2f} ms (p99.9 {measured['muster p99.9']:.2f})"
        shown[2] = f"{measured['echo max']:.2f} ms (p99.9 {measured['echo p99.9']:.2f})"
        for control in ("idle", "known users"):
            if f"{control} muster max" in measured:
                shown[0] += f"; {control}: {measured[control + ' muster max']:.2f}"
                shown[2] += f"; {control}: {measured[control + ' echo max']:.2f}"
    return shown


ORDER = ("touch_batch", "live_batch", "touch_50x1", "touch_10x5", "list", "counts_", "memory_", "core_touch_", "expiry",
         "growth")


def place(row):
    return next((index for index, prefix in enumerate(ORDER) if row["row"].startswith(prefix)), len(ORDER))


def targets_table(rows):
    lines = ["| work | Muster | Redis | nng echo | target | |", "|---|---:|---:|---:|---|---|"]
    for row in sorted(rows, key=place):
        if row["target"]:
            lines.append("| " + " | ".join([row["what"], *cells(row), row["target"], verdict(row["met"])]) + " |")
    return lines


def cpu_table(rows):
    """What a request costs the server, whoever else had the machine."""
    lines = ["| CPU time of the server for a request, µs | Muster | Redis | nng echo |", "|---|---:|---:|---:|"]
    for row in sorted(rows, key=place):
        if "redis" not in row["rounds"]:
            continue
        costs = [""] * 3
        for index, side in enumerate(("muster", "redis", "echo")):
            found = [result["server_cpu_us_per_request"] for result in row["rounds"].get(side, [])]
            costs[index] = f"{statistics.median(found):,.1f}" if found else ""
        lines.append("| " + " | ".join([row["what"], *costs]) + " |")
    return lines


def core_table(rows):
    lines = ["| core in process | users | ns each | a call, median µs | longest µs | longest, CPU µs |",
             "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        for line in row["rounds"]["core"] if row["row"] == "core_other" else []:
            if "ns_each" in line:
                lines.append(f"| {line['measure']} | {count(line['users'])} | {line['ns_each']:,.1f} | "
                             f"{line['call_p50_us']:,.1f} | {line['call_max_us']:,.0f} | "
                             f"{line['call_max_cpu_us']:,.0f} |")
    return lines


def table(known, rows):
    machine = known["machine"]
    lines = [f"Commit {known['commit']}, {known['date']}, {machine['cores']} cores ({machine['cpu']}), "
             f"{machine['memory_gib']:.0f} GiB, Linux {machine['kernel']}; {', '.join(machine['packages'])}."]
    for each in (targets_table(rows), cpu_table(rows), core_table(rows)):
        lines += ["", *each]
    return "\n".join(lines)


def put_table(folder, begin, end, lines):
    """Writes the table in the place of the one between the two marks of benchmarks.md."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmarks.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin not in text:
        text += f"\n{begin}\n{end}\n"
    before, after = text.split(begin)[0], text.split(end)[1]
    path.write_text(f"{before}{begin}\n{lines}\n{end}{after}", encoding="utf-8")


# ---- plots --------------------------------------------------------------------------------------------------------


def bars(axes, rows, labels, unit, scale=1.0):
    """Groups of bars, one a row, one bar a side."""
    sides = [side for side in ("muster", "redis", "echo") if any(side in row["measured"] for row in rows)]
    width = 0.8 / len(sides)
    for index, side in enumerate(sides):
        values = [row["measured"].get(side, 0) / scale for row in rows]
        places = [place + (index - (len(sides) - 1) / 2) * width for place in range(len(rows))]
        drawn = axes.bar(places, values, width * 0.92, color=COLOURS[side], label=NAMES[side])
        axes.bar_label(drawn, [f"{value:.3g}" if value else "" for value in values], padding=2, fontsize=8)
    axes.set_xticks(range(len(rows)), labels)
    axes.set_ylabel(unit)
    axes.margins(y=0.12)


def save(figure_, folder, name):
    figure_.tight_layout()
    figure_.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure_)


def plot_throughput(folder, found):
    drawn, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    bars(left, [found["touch_batch"], found["live_batch"]], ["Touch", "Live"], "million users a second", 1e6)
    left.set_title("1000 users a request, 4 connections")
    bars(right, [found["touch_50x1"], found["touch_10x5"]], ["50 × 1 in flight", "10 × 5 in flight"],
         "thousand requests a second", 1e3)
    right.set_title("Touch, one user a request")
    right.legend(frameon=False)
    save(drawn, folder, "throughput")


def plot_memory(folder, rows):
    shown = [row for row in rows if row["row"].startswith("memory_") and row["row"].endswith("_loading")]
    drawn, axes = plt.subplots(figsize=(5, 3.2))
    bars(axes, shown, [row["what"].split(", ")[1] for row in shown], "resident bytes a member")
    axes.axhline(96, color="#444444", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncol=2)
    save(drawn, folder, "memory")


def plot_counts(folder, rows):
    shown = [row for row in rows if row["row"].startswith("counts_")]
    drawn, axes = plt.subplots(figsize=(5.5, 3.2))
    bars(axes, shown, [f"{count(row['params']['users'])} users" for row in shown], "round trip, µs (median)")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncol=3)
    save(drawn, folder, "counts")


def plot_latency(folder, found):
    groups = [("expiry", "idle", "idle"), ("expiry", "", "all expire"),
              ("growth", "known users", "beats of\nknown users"), ("growth", "", "as many joins\n(growth)")]
    drawn, axes = plt.subplots(figsize=(6.5, 3.4))
    rows = [{"measured": {side: found[row]["measured"][f"{name} {side} max".strip()] for side in ("muster", "echo")}}
            for row, name, _ in groups]
    bars(axes, rows, [label for _, _, label in groups], "worst request, ms")
    axes.axhline(10, color="#444444", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncol=2)
    save(drawn, folder, "latency")


def write_report(folder, known, rows):
    plots = folder / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    found = {row["row"]: row for row in rows}
    put_table(folder, BEGIN, END, table(known, rows))
    plot_throughput(plots, found)
    plot_memory(plots, rows)
    plot_counts(plots, rows)
    plot_latency(plots, found)
