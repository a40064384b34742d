"""From results to what people read: JSON lines, tables in docs/benchmarks.md, SVG plots."""
import json

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

matplotlib.rcParams.update({"svg.hashsalt": "muster", "svg.fonttype": "none", "font.family": "sans-serif",
                            "axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
SIDES = ("muster", "redis", "before", "echo")
COLOURS = {"muster": "#1b6ca8", "redis": "#c0392b", "before": "#7fb2d9", "echo": "#8a8f98"}
NAMES = {"muster": "Muster", "redis": "Redis", "before": "musterd before", "echo": "echo"}
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


# ---- the tables ---------------------------------------------------------------------------------------------------


def cell(measured, side, unit):
    if f"{side} p50" in measured:
        return f"{measured[f'{side} p50']:.2f} / {measured[f'{side} p99']:.2f} {unit}"
    return figure(measured[side], unit) if side in measured else ""


def line(cells):
    return "| " + " | ".join(cells) + " |"


def targets_table(rows):
    """Ratio: to the side that the target names, the median over the rounds."""
    lines = [line(["work", *(NAMES[side] for side in SIDES), "target", "ratio", ""]), "|---|---:|---:|---:|---:|---|---:|---|"]
    for row in rows:
        if not row["target"] or row["row"].startswith("loops_"):
            continue
        measured = row["measured"]
        ratio = f"{measured['ratio']:.2f} ×" if "ratio" in measured else ""
        if "above" in measured:
            ratio = f"{measured['above']:+.1f} ms"
        lines.append(line([row["what"], *(cell(measured, side, row["unit"]) for side in SIDES), row["target"], ratio,
                           verdict(row["met"])]))
    return lines


def loops_table(rows):
    """Empty where this musterd has one loop only."""
    shown = [row for row in rows if row["row"].startswith("loops_")]
    if not shown:
        return []
    lines = [line(["work", "1 loop", "4 loops", "target", "ratio", ""]), "|---|---:|---:|---|---:|---|"]
    for row in shown:
        measured = row["measured"]
        lines.append(line([row["what"], *(cell(measured, side, row["unit"]) for side in ("muster", "4 loops")),
                           row["target"], f"{measured['ratio']:.2f} ×", verdict(row["met"])]))
    return lines


def cpu_table(rows):
    """What a request costs the server, whoever else had the machine."""
    lines = [line(["CPU time of the server for a request, µs", *(NAMES[side] for side in SIDES)]),
             "|---|---:|---:|---:|---:|"]
    for row in rows:
        rounds = row["rounds"]
        if "redis" not in rounds or "server_cpu_us_per_request" not in rounds["redis"][0]:
            continue
        costs = []
        for side in SIDES:
            found = sorted(result["server_cpu_us_per_request"] for result in rounds.get(side, []))
            costs.append(f"{found[len(found) // 2]:,.1f}" if found else "")
        lines.append(line([row["what"], *costs]))
    return lines


def core_table(rows):
    lines = [line(["core in process", "users", "ns each", "a call, median µs", "longest µs", "longest, CPU µs"]),
             "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        for each in row["rounds"]["core"][-1] if row["row"] == "core_other" else []:
            if "ns_each" in each:
                lines.append(line([each["measure"], count(each["users"]), f"{each['ns_each']:,.1f}",
                                   f"{each['call_p50_us']:,.1f}", f"{each['call_max_us']:,.0f}",
                                   f"{each['call_max_cpu_us']:,.0f}"]))
    return lines


def heading(known):
    machine = known["machine"]
    text = (f"Commit {known['commit']}, {known['date']}, {machine['cores']} cores ({machine['cpu']}), "
            f"{machine['memory_gib']:.0f} GiB, Linux {machine['kernel']}; {', '.join(machine['packages'])}.")
    if known.get("before"):
        text += f" *musterd before* is that of commit {known['before']}."
    if "cores_of_others" in known:
        text += f" Other processes kept {known['cores_of_others']:.2f} cores busy during the run."
    return text + (f" {known['note']}" if known.get("note") else "")


def table(known, rows):
    lines = [heading(known)]
    for each in (targets_table(rows), loops_table(rows), cpu_table(rows), core_table(rows)):
        if each:
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
    sides = [side for side in SIDES if any(side in row["measured"] for row in rows)]
    width = 0.8 / len(sides)
    for index, side in enumerate(sides):
        values = [row["measured"].get(side, 0) / scale for row in rows]
        places = [place + (index - (len(sides) - 1) / 2) * width for place in range(len(rows))]
        drawn = axes.bar(places, values, width * 0.92, color=COLOURS[side], label=NAMES[side])
        axes.bar_label(drawn, [f"{value:.3g}" if value else "" for value in values], padding=2, fontsize=7)
    axes.set_xticks(range(len(rows)), labels)
    axes.set_ylabel(unit)
    axes.margins(y=0.12)


def save(drawn, axes, folder, name):
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.18), ncol=4)
    drawn.tight_layout()
    drawn.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(drawn)


def plot_throughput(folder, found):
    drawn, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), gridspec_kw={"width_ratios": [2, 3]})
    bars(left, [found["touch_batch"], found["live_batch"]], ["Touch", "Live"], "million users a second", 1e6)
    left.set_title("1000 users a request", fontsize=10, y=-0.28)
    bars(right, [found["touch_50x1"], found["touch_10x5"], found["touch_200x1"], found["live_50x1"]],
         ["Touch\n50 × 1", "Touch\n10 × 5", "Touch\n200 × 1", "Live\n50 × 1"], "thousand requests a second", 1e3)
    right.set_title("one user a request", fontsize=10, y=-0.32)
    save(drawn, right, folder, "throughput")


def plot_rows(folder, name, rows, labels, unit, limit=None):
    if not rows:
        return
    drawn, axes = plt.subplots(figsize=(6.5, 3.4))
    bars(axes, rows, labels, unit)
    if limit:
        axes.axhline(limit, color="#444444", linewidth=0.8, linestyle=":")
    save(drawn, axes, folder, name)


def write_report(folder, known, rows):
    plots = folder / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    found = {row["row"]: row for row in rows}
    put_table(folder, BEGIN, END, table(known, rows))
    if {"touch_batch", "live_batch", "touch_50x1", "touch_10x5", "touch_200x1", "live_50x1"} <= found.keys():
        plot_throughput(plots, found)
    memory = [row for row in rows if row["row"].startswith("memory_") and row["row"][len("memory_"):].isdigit()]
    plot_rows(plots, "memory", memory, [row["what"].split(", ")[1] for row in memory], "resident bytes a member", 96)
    counts = sorted((row for row in rows if row["row"].startswith("counts_")), key=lambda row: row["params"]["users"])
    plot_rows(plots, "counts", counts, [f"{count(row['params']['users'])} users" for row in counts],
              "round trip, µs (p50)")
    worst = {"growth_known": "beats of\nknown users", "growth": "as many joins\n(growth)", "expiry": "all expire"}
    shown = [row for row in worst if row in found]
    plot_rows(plots, "latency", [found[row] for row in shown], [worst[row] for row in shown], "worst request, ms")
