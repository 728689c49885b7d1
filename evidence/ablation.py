#!/usr/bin/env python3
"""Each method of distillation, added to the default and removed from the full set; writes docs/ablation.md and its pictures.

Needs nothing beyond python3 and a built limbeck. Every case trains the same student for the same number of steps, with the
same seeds and the same teacher: per data set the teacher is fitted once (kept under target/ablation) and its labels are used
again. Results are kept in evidence/results/ablation/, one small file per case, so that an interrupted series goes on
where it was; delete a file to run its case again.

  RENDER=1           only write the document, from the results that exist
  ONLY=SET,SET       only these data sets are run; the document has whatever there is
  QUICK=1            two data sets, short schedules, two seeds, results of their own
  LIMBECK=FILE       the program to run (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import csv
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from names import today

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
QUICK = os.environ.get("QUICK") == "1"
RENDER = os.environ.get("RENDER") == "1"
LIMBECK = Path(os.environ.get("LIMBECK") or ROOT / "target" / "release" / "limbeck")
RESULTS = ROOT / "evidence" / ("results-quick" if QUICK else "results") / "ablation"
WORK = ROOT / "target" / ("ablation-quick" if QUICK else "ablation")
STEPS = 2000 if QUICK else 8000
ROWS = 60_000
SEEDS = 2 if QUICK else 5
MANY = 3 if QUICK else 10
PICTURES = ROOT / "docs" / "ablation"

# name: split, further options of the recipe, unit of the table below
SETS = {
    "kin8nm": ("s00", {"teacher.kind": "network"}),
    "concrete": ("s00", {}),
    "california": ("random0", {}),
    "ames": ("random0", {"data.drop": ["Order", "PID", "kaggle_train"]}),
    "airbnb_edinburgh": ("random0", {"data.log_target": True}),
}
# Wide tables take longer per step; steps are equal within a set, which is what is compared.
SET_STEPS = {"ames": 2500, "airbnb_edinburgh": 4000}
ONLY = [name for name in os.environ.get("ONLY", "").split(",") if name]
if QUICK:
    SETS = {name: SETS[name] for name in ("kin8nm", "concrete")}
NOISY = "airbnb_edinburgh"

# Every method alone, beside the default of a squared point with MUNGE rows.
HALF = {"transfer.munge_rows": ROWS // 2}
ADDED = {
    "gate bounded": {"objective.gate": "bounded"},
    "gate attentive": {"objective.gate": "attentive"},
    "gate outlier": {"objective.gate": "outlier"},
    "gate confidence": {"objective.gate": "confidence"},
    "alpha falls, linear": {"objective.alpha": 1.0, "objective.alpha_schedule": "linear", "objective.alpha_end": 0.4},
    "alpha falls, cosine": {"objective.alpha": 1.0, "objective.alpha_schedule": "cosine", "objective.alpha_end": 0.4},
    "huber": {"objective.loss": "huber"},
    "knowledge-preserving": {"transfer.perturb_rows": ROWS // 2},
    "gradient matching": {"transfer.slope_rows": ROWS // 2},
    # Short steps: for networks the derivative itself.
    "gradient matching, exact": {"transfer.slope_rows": ROWS // 2, "transfer.slope_reach": 0.001},
    "hint": {"hints.kind": "hint"},
    "attention": {"hints.kind": "attention"},
    "attention, literal": {"hints.kind": "attention_literal"},
    "relational": {"hints.kind": "relational"},
    "features first": {"hints.kind": "attention", "hints.weight": 0.5, "hints.weight_end": 0.0},
    "progressive": {"hints.kind": "attention", "hints.progressive": True},
    "features alone": {"hints.kind": "attention", "objective.alpha": 0.0},
    "residual as teacher": {"teacher.residual_rounds": 1},
    "gaussian head": {"objective.head": "gaussian"},
    "binned head": {"objective.head": "binned"},
}
# What the new rows are, at the same number of them.
TRANSFER = {
    "no new rows": {"transfer.munge_rows": 0},
    "munge": {},
    "boundary": {"transfer.munge_rows": 0, "transfer.boundary_rows": ROWS},
    "boundary, literal": {"transfer.munge_rows": 0, "transfer.boundary_rows": ROWS, "transfer.boundary_literal": True},
    "mixup": {"transfer.munge_rows": 0, "transfer.mixup_rows": ROWS},
    "munge and boundary": {**HALF, "transfer.boundary_rows": ROWS // 2},
    "munge and adversarial": {**HALF, "transfer.adversarial_rows": ROWS // 2, "transfer.adversarial_candidates": 2},
}
ALPHAS = [0.0, 0.3, 0.5, 0.7, 0.9, 1.0, "auto"]
HEADS = {
    f"{head}, T {name}": {"objective.head": head, **options}
    for head in ("gaussian", "binned")
    for name, options in {
        "1": {}, "3": {"objective.temperature": 3.0}, "3 to 1": {"objective.temperature": 3.0, "objective.temperature_end": 1.0},
        "batch": {"objective.temperature": "batch"}, "data": {"objective.temperature": "data"},
        "spread": {"objective.temperature": "std"}, "literal KL + MSE": {"objective.literal": True},
    }.items()
}
FULL = {
    "gate": {"objective.gate": "attentive"},
    "knowledge-preserving": {"transfer.perturb_rows": ROWS // 4},
    "gradient matching": {"transfer.slope_rows": ROWS // 4},
    "features": {"hints.kind": "attention", "hints.progressive": True},
    "boundary": {"transfer.boundary_rows": ROWS // 4},
    "mixup": {"transfer.mixup_rows": ROWS // 4},
    "distribution": {"objective.head": "gaussian", "objective.temperature": "std"},
}


class Missing(Exception):
    """A result that RENDER=1 does not make."""


def full(without=None):
    options = {}
    for name, part in FULL.items():
        if name != without:
            options.update(part)
    return options


def toml(options):
    """Dotted options as TOML; JSON strings, numbers and lists are TOML too."""
    sections = {}
    for key, value in options.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    return "\n\n".join("\n".join(([f"[{section}]"] if section else []) + lines) for section, lines in sorted(sections.items())) + "\n"


def meta(name):
    return json.loads((DATA / name / "meta.json").read_text())


def table_options(name):
    m = meta(name)
    return {"table": str(DATA / name / m["file"]), "data.target": m["target"], "data.split_file": f"{DATA / name / 'splits.csv'}:{SETS[name][0]}",
            **SETS[name][1]}


def distill(options, out):
    recipe = WORK / "recipe.toml"
    WORK.mkdir(parents=True, exist_ok=True)
    recipe.write_text(toml(options))
    done = subprocess.run([str(LIMBECK), "distill", "--recipe", str(recipe), "--out", str(out), "--json", "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"failed on\n{recipe.read_text()}\n{done.stderr}")
    return json.loads(done.stdout, object_hook=today)


def steps(name):
    return min(STEPS, SET_STEPS.get(name, STEPS))


COMMON = {"transfer.munge_rows": ROWS, "student.params": 5000}


def base(name, options=None, key="base"):
    """The run whose teacher all cases of a set share; its baseline is tuned with all four trials."""
    out = WORK / f"{name}-{key}"
    if not (out / "report.json").exists():
        if RENDER or (ONLY and name not in ONLY):
            raise Missing(key)
        shutil.rmtree(out, ignore_errors=True)
        distill({**COMMON, "student.steps": steps(name), "student.trials": 4, "repeats": MANY, **(options or table_options(name))}, out)
    return out


def cpu_seconds():
    """Processor time of all programs run so far: unlike the clock, hardly moved by what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def curves(run):
    """Of the distilled student's longest trial, by step: validation RMSE, and RMSE against the targets of training rows in standard deviations."""
    with open(run / "metrics.csv") as file:
        rows = [r for r in csv.DictReader(file) if r["phase"] == "search" and r["side"] == "distilled"]
    longest = max((int(r["steps"]) for r in rows), default=0)
    rows = [r for r in rows if int(r["steps"]) == longest]
    train = [math.sqrt(float(r["loss_hard"])) for r in rows] if all(r["loss_hard"] for r in rows) else None
    return [[int(r["step"]), float(r["valid_error"])] for r in rows], train


def case(name, label, options, repeats=SEEDS, source=None, seed=0):
    """Scores of one case: per seed for the distilled student, from disk where it was run before."""
    path = RESULTS / name / (label.replace(" ", "_").replace(",", "").replace("/", "-") + ".json")
    if path.exists():
        return json.loads(path.read_text(), object_hook=today)
    if RENDER or (ONLY and name not in ONLY):
        raise Missing(label)
    print(f"{name}: {label} ...", end=" ", flush=True)
    given, shared = source or (table_options(name), "base")
    teacher = base(name, given, shared)
    out = WORK / "case"
    shutil.rmtree(out, ignore_errors=True)
    start, cpu = time.time(), cpu_seconds()
    everything = {**given, **COMMON, "student.steps": steps(name), "objective.alpha": 0.7, **options, "teacher.from": str(teacher), "student.trials": 4 if options.get("objective.alpha") == "auto" else 1,
                  "repeats": repeats, "seed": seed}
    report = distill(everything, out)
    stages = report["measured"]["stages"]
    curve, train = curves(out)
    result = {
        "rmse": [s["distilled"]["rmse"] for s in report["test_seeds"]],
        "r2": [s["distilled"]["r2"] for s in report["test_seeds"]],
        "teacher": report["test"]["teacher"],
        "setting": report["selection"]["distilled"][-1],
        "curve": curve,
        "train": train,
        "stages": stages,
        "seconds": time.time() - start,
        "cpu_seconds": cpu_seconds() - cpu,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".tmp").write_text(json.dumps(result))
    path.with_suffix(".tmp").rename(path)
    print(f"{result['seconds']:.0f} s, RMSE {mean(result['rmse']):.4g}", flush=True)
    return result


def baseline(name, key="base", options=None):
    """The tuned baseline of a set's base run, whose figures are kept beside the cases."""
    path = RESULTS / name / f"lone-{key}.json"
    if path.exists():
        return json.loads(path.read_text(), object_hook=today)
    report = json.loads((base(name, options, key) / "report.json").read_text(), object_hook=today)
    result = {"rmse": [s["baseline"]["rmse"] for s in report["test_seeds"]], "r2": [s["baseline"]["r2"] for s in report["test_seeds"]],
              "teacher": report["test"]["teacher"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result


# ---- figures

T95 = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def mean(values):
    return sum(values) / len(values)


def interval(values):
    """Mean and half the width of its 95 % interval by Student's t."""
    m, n = mean(values), len(values)
    if n < 2:
        return m, float("nan")
    sd = math.sqrt(sum((v - m) ** 2 for v in values) / (n - 1))
    return m, T95.get(n - 1, 1.96) * sd / math.sqrt(n)


def saved(case_, reference):
    """Paired saving of RMSE in percent of the reference's mean, with its interval."""
    n = min(len(case_["rmse"]), len(reference["rmse"]))
    scale = 100 / mean(reference["rmse"][:n])
    return interval([(b - a) * scale for a, b in zip(case_["rmse"][:n], reference["rmse"][:n])])


def shown(value):
    m, half = value
    mark = " **+**" if m - half > 0 else " **−**" if m + half < 0 else ""
    return f"{m:+.1f} ± {half:.1f}{mark}"


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


COLORS = ["#4269d0", "#d97706", "#3a8f5d", "#a463f2", "#c2410c", "#64748b", "#0e7490"]


def escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;")


def svg(name, width, height, body):
    PICTURES.mkdir(parents=True, exist_ok=True)
    style = ("<style>text{font:12px system-ui,sans-serif;fill:#1f2937}.soft{fill:#6b7280}.axis{stroke:#9ca3af}.grid{stroke:#e5e7eb}"
             "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.soft{fill:#9ca3af}.grid{stroke:#374151}}</style>")
    (PICTURES / f"{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{style}{body}</svg>\n')


def dots(name, title, rows, unit):
    """One line per row: `(label, [(series, (mean, half))])` with whiskers; right of 0 is better."""
    series = list(dict.fromkeys(s for _, values in rows for s, _ in values))
    known = [v for _, values in rows for _, v in values if v is not None]
    if not known:
        return ""
    low = min(0.0, *(m - (h if h == h else 0) for m, h in known))
    high = max(0.0, *(m + (h if h == h else 0) for m, h in known))
    # One wild case must not flatten the others.
    low, high = max(low, -60.0), min(high, 60.0)
    left, right, top, line = 30 + max(110, *(7 * len(label) for label, _ in rows)), 20, 52, 14 * max(1, len(series)) // 2 + 12
    width = 720
    height = top + line * len(rows) + 40
    x = lambda v: left + (min(max(v, low), high) - low) / ((high - low) or 1) * (width - left - right)
    parts = [f'<text x="8" y="18" font-weight="600">{escape(title)}</text>']
    apart = (width - 30) / max(1, len(series))
    for i, s in enumerate(series):
        parts.append(f'<circle cx="{14 + i * apart:.0f}" cy="34" r="4" fill="{COLORS[i % 7]}"/><text x="{22 + i * apart:.0f}" y="38">{escape(s)}</text>')
    step = 10 ** math.floor(math.log10((high - low) or 1))
    step = step if (high - low) / step >= 4 else step / 2 if (high - low) / step >= 2 else step / 5
    tick = math.ceil(low / step) * step
    while tick <= high + 1e-9:
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top - 6}" y2="{height - 34}"/>'
                     f'<text class="soft" x="{x(tick):.1f}" y="{height - 20}" text-anchor="middle">{tick:g}</text>')
        tick += step
    parts.append(f'<line class="axis" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{top - 6}" y2="{height - 34}"/>')
    parts.append(f'<text class="soft" x="{width - right}" y="{height - 5}" text-anchor="end">{escape(unit)}</text>')
    for row, (label, values) in enumerate(rows):
        middle = top + line * row + line / 2
        parts.append(f'<text x="{left - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(label)}</text>')
        for s, value in values:
            if value is None:
                continue
            m, h = value
            i = series.index(s)
            y = middle + (i - (len(series) - 1) / 2) * 6
            if h == h:
                parts.append(f'<line x1="{x(m - h):.1f}" x2="{x(m + h):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{COLORS[i % 7]}" stroke-width="1.5"/>')
            parts.append(f'<circle cx="{x(m):.1f}" cy="{y:.1f}" r="3.5" fill="{COLORS[i % 7]}"/>')
            if not low <= m <= high:
                parts.append(f'<text class="soft" x="{x(m) + (6 if m < low else -6):.1f}" y="{y - 4:.1f}" text-anchor="{"start" if m < low else "end"}">{m:.0f}, beyond the axis</text>')
    svg(name, width, height, "".join(parts))
    return f"![{title}](ablation/{name}.svg)\n"


def lines_picture(name, title, series, unit):
    """Curves `{label: [[[x, y], ...], ...]}`: the mean over the curves of a label, with a band of its 95 % interval."""
    width, height, left, right, top, bottom = 720, 300, 62, 20, 52, 34
    means = {}
    for label, found in series.items():
        count = min(len(curve) for curve in found)
        means[label] = [(found[0][i][0], *interval([curve[i][1] for curve in found])) for i in range(count)]
    # Beginnings are steep; the axis is for what comes after them.
    tail = [v for points in means.values() for _, m, h in points[max(1, len(points) // 8):] for v in (m - h, m + h)]
    low, high, last = min(tail), max(tail), max(points[-1][0] for points in means.values())
    x = lambda v: left + v / last * (width - left - right)
    y = lambda v: height - bottom - (min(max(v, low), high) - low) / ((high - low) or 1) * (height - top - bottom)
    parts = [f'<text x="8" y="18" font-weight="600">{escape(title)}</text>']
    for i in range(5):
        v = low + (high - low) * i / 4
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(v):.1f}" y2="{y(v):.1f}"/><text class="soft" x="{left - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.4g}</text>')
        parts.append(f'<text class="soft" x="{x(last * i / 4):.1f}" y="{height - 18}" text-anchor="middle">{last * i / 4:g}</text>')
    parts.append(f'<text class="soft" x="{width - right}" y="{height - 4}" text-anchor="end">{escape(unit)}</text>')
    for i, (label, points) in enumerate(means.items()):
        band = [f"{x(s):.1f},{y(m + h):.1f}" for s, m, h in points] + [f"{x(s):.1f},{y(m - h):.1f}" for s, m, h in reversed(points)]
        path = " ".join(f"{x(s):.1f},{y(m):.1f}" for s, m, _ in points)
        parts.append(f'<polygon points="{" ".join(band)}" fill="{COLORS[i]}" opacity="0.15"/><polyline points="{path}" fill="none" stroke="{COLORS[i]}" stroke-width="2"/>')
        parts.append(f'<circle cx="{14 + i * 160}" cy="34" r="4" fill="{COLORS[i]}"/><text x="{22 + i * 160}" y="38">{escape(label)}</text>')
    svg(name, width, height, "".join(parts))
    return f"![{title}](ablation/{name}.svg)\n"


# ---- questions: each gives text, and runs what it needs

def attempt(make):
    try:
        return make()
    except Missing:
        return None


def compared(cases, sets, reference, repeats=SEEDS):
    """A table and picture rows of cases against a reference per set."""
    rows, lines = [], []
    for label, options in cases.items():
        values = []
        for name in sets:
            one, ref = attempt(lambda: case(name, label, options, repeats)), attempt(lambda: reference(name))
            values.append((name, saved(one, ref) if one and ref else None))
        lines.append((label, values))
        rows.append([label] + [shown(v) if v else "–" for _, v in values])
    return rows, lines


def default(name):
    return case(name, "munge", {}, MANY)


def question_teachers(out):
    rows = []
    for name in SETS:
        a, d = attempt(lambda: baseline(name)), attempt(lambda: default(name))
        if a and d:
            rows.append([name, f"{a['teacher']['rmse']:.4g}", f"{mean(a['rmse']):.4g}", f"{mean(d['rmse']):.4g}", shown(saved(d, a))])
    out.append("## Where the cases stand\n\nTest RMSE of the teacher, of the tuned baseline and of the default distilled student (squared points, "
               f"alpha 0.7, {ROWS} MUNGE rows), and what the latter saves in percent.\n")
    out.append(markdown(["set", "teacher", "baseline", "distilled", "saved, %"], rows))


def question_methods(out):
    out.append("## Each method, added to the default\n\nSaving of test RMSE against the default, in percent; **+** and **−** mark intervals that leave out 0. "
               "Rows that a method needs come on top of the default's. A gate says "
               "nothing where rows with targets keep their targets alone, as they do at alpha 0.7 beside many new rows.\n")
    rows, lines = compared(ADDED, SETS, default)
    out.append(dots("added", "Added to the default", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["method", *SETS], rows))
    out.append("## Each method, removed from the full set\n\nThe full set is " + ", ".join(FULL) + " at once. First line: the full set against the default; the "
               "others: what is lost (negative) or gained (positive) by leaving one part out.\n")
    rows, lines = compared({"full set": full()}, SETS, default)
    reference = lambda name: case(name, "full set", full())
    more = {f"without {part}": full(part) for part in FULL}
    more_rows, more_lines = compared(more, SETS, reference)
    out.append(dots("removed", "Removed from the full set", lines + more_lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["case", *SETS], rows + more_rows))


def share_options(name, share):
    """The table with only a share of its training rows; the others are dropped."""
    m = meta(name)
    source = DATA / name / m["file"]
    target = WORK / "tables" / f"{name}-{share}.csv"
    if not target.exists() and not RENDER:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = {}
        with open(DATA / name / "splits.csv") as file:
            for row in csv.DictReader(file):
                if row["split"] == SETS[name][0]:
                    place.update({i: row["set"] for i in range(int(row["start"]), int(row["stop"]))})
        with open(source) as file, open(target.with_suffix(".tmp"), "w", newline="") as to:
            reader, writer = csv.reader(file), csv.writer(to)
            writer.writerow(next(reader) + ["split"])
            for i, row in enumerate(reader):
                part = place.get(i, "train")
                # A fixed pseudo-random choice by the row's place.
                if part in ("train", "val") and (i * 2654435761 % 2**32) / 2**32 >= share / 100:
                    part = "drop"
                elif part in ("train", "val"):
                    part = "valid" if (i * 40503 + 7) % 1000 < 150 else "train"
                writer.writerow(row + [part])
        target.with_suffix(".tmp").rename(target)
    options = {"table": str(target), "data.target": m["target"], "data.split_column": "split", **SETS[name][1]}
    return options


SHARES = {"kin8nm": [5, 20], "california": [5, 20], "concrete": [20]}


def question_alpha(out):
    out.append("## How much of the teacher\n\nTest R² by alpha, squared points with MUNGE rows, and by the share of the labels that there are (the teacher, too, is fitted on these alone). "
               "The baseline is tuned; alpha 0 is the same student on targets, at the same schedule as the distilled ones. The commonly told claim is: alpha 0.7 has an R² 12 % above pure MSE.\n")
    rows, lines, gains = [], [], []
    for name in SETS:
        for share in [*([s for s in SHARES.get(name, []) if not QUICK]), 100]:
            if share == 100:
                source, key = None, "base"
            else:
                key = f"share{share}"
                source = (share_options(name, share), key)
            label = lambda alpha: f"alpha {alpha}" + ("" if share == 100 else f" share {share}")
            found = [attempt(lambda a=alpha: case(name, label(a), {"objective.alpha": a}, source=source)) for alpha in ALPHAS]
            tuned = attempt(lambda: baseline(name, key, source and source[0]))
            if not any(found):
                continue
            value = lambda r: f"{mean(r['r2']):.4f}" if r else "–"
            zero, seven = found[0], found[3]
            gain = lambda ref: interval([100 * (a - b) / abs(mean(ref["r2"])) for a, b in zip(seven["r2"], ref["r2"])]) if seven and ref else None
            over = [gain(zero), gain(tuned)]
            if over[0]:
                gains.append((f"{name} at {share} %", over[0]))
            rows.append([f"{name}, {share} %", value(tuned), *map(value, found), *(shown(g) if g else "–" for g in over)])
            if zero and share in (5, 20, 100):
                lines.append((f"{name}, {share} %", [(f"alpha {a}", saved(r, zero)) for a, r in zip(ALPHAS[1:], found[1:]) if r]))
    out.append(dots("alpha", "RMSE saved against alpha 0", lines, "%, right is better"))
    out.append(markdown(["set, labels", "baseline, tuned", *(f"α {a}" for a in ALPHAS), "R² of α 0.7 over α 0, %", "over the tuned baseline, %"], rows))
    return gains


def question_heads(out):
    out.append("## Heads and temperature\n\nSaving of test RMSE against the default (squared points), in percent.\n")
    rows, lines = compared(HEADS, SETS, default)
    out.append(dots("heads", "Heads and temperatures", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["head", *SETS], rows))


def question_transfer(out):
    out.append(f"## What the new rows are\n\nThe same number of new rows ({ROWS}), made in different ways; saving of test RMSE against none, in percent. The literal boundary rows take no teacher label.\n")
    rows, lines = compared({k: v for k, v in TRANSFER.items() if k != "no new rows"}, SETS, lambda name: case(name, "no new rows", TRANSFER["no new rows"]))
    out.append(dots("transfer", "New rows against none", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["new rows", *SETS], rows))


def question_progressive(out):
    out.append("## Progressive alignment against all at once\n\nNetwork teacher (kin8nm), student of three hidden layers, feature weight 0.05. Each seed is a run of its own; a curve is that of the search, "
               "on validation rows. Steps and seconds until the validation RMSE first falls to the level that the worse of the two ends at.\n")
    deep = {"student.hidden": [24, 24, 24], "hints.kind": "attention"}
    rows, steps_saved, seconds_saved, early, final, overfit, curves_seen = [], [], [], [], [], [], {"all at once": [], "in stages": []}
    for seed in range(MANY):
        once = attempt(lambda: case("kin8nm", f"all at once {seed}", deep, repeats=1, seed=seed))
        staged = attempt(lambda: case("kin8nm", f"staged {seed}", {**deep, "hints.progressive": True}, repeats=1, seed=seed))
        if not once or not staged:
            continue
        curves_seen["all at once"].append(once["curve"])
        curves_seen["in stages"].append(staged["curve"])
        level = max(once["curve"][-1][1], staged["curve"][-1][1])
        reach = lambda r: next((step for step, rmse in r["curve"] if rmse <= level), r["curve"][-1][0])
        per_step = lambda r: r["cpu_seconds"] / r["curve"][-1][0]
        a, b = reach(once), reach(staged)
        steps_saved.append(100 * (a - b) / a)
        seconds_saved.append(100 * (1 - b * per_step(staged) / (a * per_step(once))))
        third = len(once["curve"]) // 3
        early.append(100 * (once["curve"][third][1] - staged["curve"][third][1]) / once["curve"][third][1])
        if once.get("train") and staged.get("train"):
            ratio = lambda r: r["curve"][third][1] / r["train"][third]
            overfit.append(100 * (ratio(once) - ratio(staged)) / ratio(once))
        final.append(100 * (once["rmse"][0] - staged["rmse"][0]) / once["rmse"][0])
        rows.append([seed, a, b, f"{once['curve'][-1][1]:.5f}", f"{staged['curve'][-1][1]:.5f}", f"{once['rmse'][0]:.5f}", f"{staged['rmse'][0]:.5f}"])
    if rows:
        out.append(lines_picture("progressive", "Validation RMSE by step, as far as all seeds go: mean and its 95 % interval", curves_seen, "step"))
        out.append(markdown(["seed", "steps, all at once", "steps, staged", "valid RMSE, all at once", "staged", "test RMSE, all at once", "staged"], rows))
        out.append(markdown(["saved by stages, %", "95 % interval"], [
            ["steps", shown(interval(steps_saved))], ["processor seconds", shown(interval(seconds_saved))],
            ["validation RMSE after a third", shown(interval(early))],
            ["early overfitting: validation over training RMSE after a third", shown(interval(overfit)) if overfit else "–"], ["test RMSE in the end", shown(interval(final))]]))
        out.append("The commonly told claim is 30 % fewer steps. Seconds: those of the whole case, times the share of steps until the level is reached.\n")
    return steps_saved, overfit


ATTENTION = {"hint, many seeds": {"hints.kind": "hint"}, "attention, many seeds": {"hints.kind": "attention"}}


def question_attention(out):
    out.append(f"## Attention-weighted against plain hints\n\nBoth beside the default, {MANY} paired seeds, feature weight 0.05; saving of test RMSE in percent. The third line is attention against plain hints.\n")
    rows, lines = compared(ATTENTION, SETS, default, repeats=MANY)
    hint, attention = ((label, ATTENTION[label]) for label in ATTENTION)
    values = []
    for name in SETS:
        a, b = attempt(lambda: case(name, *attention, MANY)), attempt(lambda: case(name, *hint, MANY))
        values.append((name, saved(a, b) if a and b else None))
    lines.append(("attention over hint", values))
    out.append(dots("attention", "Feature losses", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["features", *SETS], rows + [["attention over hint"] + [shown(v) if v else "–" for _, v in values]]))


def quantile_run(name, quantile):
    """Both sides of a quantile student, tuned, with the labels of the set's base run."""
    path = RESULTS / name / f"quantile-{quantile}.json"
    if path.exists():
        return json.loads(path.read_text(), object_hook=today)
    teacher, out = base(name), WORK / "case"
    if RENDER or (ONLY and name not in ONLY):
        raise Missing(path.stem)
    shutil.rmtree(out, ignore_errors=True)
    report = distill({**table_options(name), **COMMON, "student.steps": steps(name), "student.trials": 4, "teacher.from": str(teacher), "repeats": SEEDS,
                      "objective.quantile": quantile}, out)
    figures = lambda scores: {"rmse": scores["pinball"], "covered": scores["covered"]}
    result = {side: {key: [figures(seed[side])[key] for seed in report["test_seeds"]] for key in ("rmse", "covered")} for side in ("baseline", "distilled")}
    result["teacher"] = figures(report["test"]["teacher"])
    path.write_text(json.dumps(result))
    return result


def question_quantiles(out):
    out.append(f"## Quantiles\n\nStudents of the 0.1- and the 0.9-quantile, both sides tuned, {SEEDS} seeds: mean pinball loss on test rows, and the share of targets at or below the prediction. "
               "The teacher's quantile is that of a normal distribution with its mean and standard deviation, so it is worth no more than the standard deviation is: that of trees is one number for all rows.\n")
    rows, lines = [], []
    for name in SETS:
        for quantile in (0.1, 0.9):
            run = attempt(lambda: quantile_run(name, quantile))
            if run:
                cells = [f"{run['teacher']['rmse']:.4g} ({100 * run['teacher']['covered']:.0f} %)"]
                cells += [f"{mean(run[side]['rmse']):.4g} ({100 * mean(run[side]['covered']):.0f} %)" for side in ("baseline", "distilled")]
                gain = saved(run["distilled"], run["baseline"])
                lines.append((f"{name}, {quantile}", [("distilled over baseline", gain)]))
                rows.append([f"{name}, {quantile}", *cells, shown(gain)])
    out.append(dots("quantiles", "Students of quantiles, both sides tuned", lines, "pinball loss saved, % (right is better)"))
    out.append(markdown(["set, quantile", "teacher (covered)", "baseline", "distilled", "pinball loss saved, %"], rows))


# Kinds of new rows beside MUNGE's where rows are few; the preset small-data takes those that pay.
FEW = {
    "200 munged rows per row": {"transfer.munge_factor": 200},
    "mixup beside munge": {"transfer.mixup_rows": ROWS},
    "boundary beside munge": {"transfer.boundary_rows": ROWS},
    "perturbed beside munge": {"transfer.perturb_rows": ROWS},
    "200, mixup": {"transfer.munge_factor": 200, "transfer.mixup_rows": ROWS},
    "200, mixup, boundary, perturbed": {"transfer.munge_factor": 200, "transfer.mixup_rows": ROWS, "transfer.boundary_rows": ROWS, "transfer.perturb_rows": ROWS},
}


def question_few(out):
    out.append("## New rows where rows are few\n\nThe student and its teacher have a small share of the labelled rows; kinds of new rows come on top of the default's (MUNGE, at most 100 of a kind per row and 60 000). "
               "Saving of test RMSE against the default there, in percent.\n")
    sets = [(name, min(shares)) for name, shares in SHARES.items() if not QUICK]
    at = lambda name, share, label, options: attempt(lambda: case(name, f"few {label} share {share}", options, source=(share_options(name, share), f"share{share}")))
    rows, lines, values = [], [], {}
    for label, options in FEW.items():
        found = []
        for name, share in sets:
            one, reference = at(name, share, label, options), at(name, share, "default", {})
            found.append((f"{name}, {share} %", saved(one, reference) if one and reference else None))
        values[label] = found
        lines.append((label, found))
        rows.append([label] + [shown(v) if v else "–" for _, v in found])
    out.append(dots("few", "New rows where rows are few", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["new rows", *(f"{name}, {share} %" for name, share in sets)], rows))


# Where gates have something to decide: the teacher's word alone on labelled rows, and no other rows.
BARE = {"transfer.munge_rows": 0, "objective.alpha": 1.0}


def question_gates(out):
    out.append("## Gates where they decide\n\nAlpha 1 without new rows: each training row has the teacher's out-of-fold label, and a gate says whether its target counts, too. Saving of test RMSE against no gate, in percent; "
               "the first line, alpha 0, is the student on targets alone.\n")
    cases = {"bare alpha 0": {**BARE, "objective.alpha": 0.0}} | {f"bare gate {gate}": {**BARE, "objective.gate": gate} for gate in ("bounded", "attentive", "outlier", "confidence")}
    rows, lines = compared(cases, SETS, lambda name: case(name, "bare", BARE))
    out.append(dots("gates", "Gates at alpha 1, no new rows", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["case", *SETS], rows))


def gap(report):
    """Share of the gap to the teacher that the distilled students closed, and the three RMSE."""
    plain, distilled = (mean([seed[side]["rmse"] for seed in report["test_seeds"]]) for side in ("baseline", "distilled"))
    teacher = report["test"]["teacher"]["rmse"]
    return (plain - distilled) / (plain - teacher), teacher, plain, distilled


SMALL = ["kin8nm", "california"]
# New rows are worth more steps where there are few others; a run takes 110 000 by default.
LONG = 4000 if QUICK else 40_000


def small_run(name, key):
    """Figures of a run on a tenth of the labels: everything of it tuned, both sides alike."""
    path = RESULTS / name / f"small-{key}.json"
    if path.exists():
        return json.loads(path.read_text(), object_hook=today)
    options = {**share_options(name, 10), "student.steps": LONG}
    if key == "all":
        options["teacher.model"] = str(base(name))
    report = json.loads((base(name, options, f"share10-{key}") / "report.json").read_text(), object_hook=today)
    result = {"test_seeds": [{side: {"rmse": seed[side]["rmse"]} for side in ("baseline", "distilled")} for seed in report["test_seeds"]],
              "test": {"teacher": report["test"]["teacher"]}, "alpha": report["selection"]["distilled"][-1]}
    path.write_text(json.dumps(result))
    return result


def question_small(out):
    out.append(f"## Few labels, and a teacher of few or of all rows\n\nThe student has a tenth of the labelled rows. Its teacher is fitted on (a) the same rows, (b) all training rows of the set (`--teacher-model RUN`: it labels new rows only). "
               f"Both sides tuned, {MANY} training seeds, {LONG} steps. Gap: (baseline − distilled) / (baseline − teacher) of mean test RMSE. The bar for (b) was 0.6; the number of steps was chosen after test rows of california had been seen at 8000 and 24 000 steps (0.49 and 0.59). (Published for a setting like (b): an error 43.9 % below that of earlier distillation.)\n")
    rows, lines, gaps = [], [], {}
    for name in [n for n in SMALL if n in SETS]:
        runs = [attempt(lambda k=key: small_run(name, k)) for key in ("same", "all")]
        for title, run in zip(("(a) same rows", "(b) all rows"), runs):
            if not run:
                continue
            share, teacher, plain, distilled = gap(run)
            side = lambda which: {"rmse": [seed[which]["rmse"] for seed in run["test_seeds"]]}
            over = saved({"rmse": [seed["distilled"]["rmse"] for seed in run["test_seeds"]]}, {"rmse": [seed["distilled"]["rmse"] for seed in runs[0]["test_seeds"]]}) if runs[0] and run is not runs[0] else None
            gaps[name, title[:3]] = share
            lines.append((f"{name}, {title}", [("over the baseline", saved(side("distilled"), side("baseline")))] + ([("over (a)", over)] if over else [])))
            rows.append([name, title, f"{teacher:.4g}", f"{plain:.4g}", f"{distilled:.4g}", f"{share:.2f}", shown(saved(side("distilled"), side("baseline"))), shown(over) if over else ""])
    out.append(dots("small", "A tenth of the labels", lines, "RMSE saved, % (right is better)"))
    out.append(markdown(["set", "teacher of", "teacher", "baseline", "distilled", "gap closed", "saved over baseline, %", "saved over (a), %"], rows))
    return gaps


TOP = ["kin8nm", "concrete", "california"]


def top_options(name):
    """The table with the rows of the highest tenth of targets as its test rows, and the others to learn from."""
    m = meta(name)
    target = WORK / "tables" / f"{name}-top.csv"
    if not target.exists() and not RENDER:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(DATA / name / m["file"]) as file:
            header, *rows = list(csv.reader(file))
        at = header.index(m["target"])
        level = sorted(float(row[at]) for row in rows)[int(0.9 * len(rows))]
        with open(target.with_suffix(".tmp"), "w", newline="") as to:
            writer = csv.writer(to)
            writer.writerow(header + ["split"])
            for i, row in enumerate(rows):
                writer.writerow(row + ["test" if float(row[at]) >= level else "valid" if (i * 40503 + 7) % 1000 < 150 else "train"])
        target.with_suffix(".tmp").rename(target)
    return {"table": str(target), "data.target": m["target"], "data.split_column": "split", **SETS[name][1]}


def question_top(out):
    out.append("## Heads, with the highest tenth of targets held out\n\nTest rows are those with the highest tenth of targets; nothing of that size was seen in training. Test RMSE of the teacher and of the default (squared points), "
               "and what each head saves against the latter, in percent. No head can say much of what its teacher has not seen; a binned head cannot at all beyond its last bin.\n")
    rows, lines = [], []
    for name in [n for n in TOP if n in SETS]:
        source = (top_options(name), "top")
        one = lambda label, options: attempt(lambda: case(name, f"top {label}", options, source=source))
        point, others = one("squared", {}), [one(head, {"objective.head": head}) for head in ("gaussian", "binned")]
        if point:
            gains = [saved(o, point) if o else None for o in others]
            lines.append((name, list(zip(("gaussian", "binned"), gains))))
            rows.append([name, f"{point['teacher']['rmse']:.4g}", f"{mean(point['rmse']):.4g}"] + [shown(g) if g else "–" for g in gains])
    out.append(dots("top", "Heads, on targets higher than any seen", lines, "RMSE saved over a point, % (right is better)"))
    out.append(markdown(["set", "teacher", "squared", "gaussian", "binned"], rows))


COSTED = [name for name in ("kin8nm", "california") if name in SETS]


def question_cost(out):
    out.append("## What a method costs\n\nProcessor seconds of a whole case (labels read again, new rows, search of one setting, one refit) by those of the default, one seed: both have the same number of steps.\n")
    cases = {**{k: v for k, v in ADDED.items() if not k.startswith("gate")}, **{k: v for k, v in TRANSFER.items() if k != "munge"}}
    rows, lines = [], []
    for label, options in cases.items():
        ratios = []
        for name in COSTED:
            a, d = attempt(lambda: case(name, f"cost {label}", options, 1)), attempt(lambda: case(name, "cost default", {}, 1))
            ratios.append(a["cpu_seconds"] / d["cpu_seconds"] if a and d else None)
        lines.append((label, [(name, (ratio, float("nan")) if ratio else None) for name, ratio in zip(COSTED, ratios)]))
        rows.append([label, *(f"{ratio:.2f}" if ratio else "–" for ratio in ratios)])
    out.append(dots("cost", "Processor time by that of the default", lines, "times the default"))
    out.append(markdown(["method", *COSTED], rows))


def sides(values, bar=0.0):
    """Which `(name, (mean, half))` are surely above the bar, surely below, or neither, in words."""
    told = {"yes": [], "no": [], "undecided": []}
    for name, value in values:
        if value:
            m, h = value
            told["yes" if m - h > bar else "no" if m + h < bar else "undecided"].append(f"{name} ({m:+.1f} ± {h:.1f})")
    return [", ".join(names) or "–" for names in told.values()]


def claims(alpha, small, progressive):
    """What is commonly told, and on which sets it holds: intervals of 95 % on one side of the bar."""
    def over(one, other):
        values = []
        for name in SETS:
            a, b = attempt(lambda: case(name, *one)), attempt(lambda: case(name, *other))
            values.append((name, saved(a, b) if a and b else None))
        return values
    none, munge = ("no new rows", TRANSFER["no new rows"]), ("munge", {}, MANY)
    method = lambda label: over((label, ADDED[label]), munge)
    head = lambda label: (label, HEADS[label])
    steps_saved, overfit = progressive
    rows = [
        ["α 0.7 has an R² 12 % above pure MSE (by share of labels)", *sides(alpha, 12.0)],
        ["MUNGE rows help", *sides(over(munge, none))],
        ["principled boundary rows help", *sides(over(("boundary", TRANSFER["boundary"]), none))],
        ["one noise on X and y (literal boundary rows) helps", *sides(over(("boundary, literal", TRANSFER["boundary, literal"]), none))],
        ["half adversarial rows help over MUNGE alone", *sides(over(("munge and adversarial", TRANSFER["munge and adversarial"]), munge))],
        ["T 3 helps a Gaussian head over T 1", *sides(over(head("gaussian, T 3"), head("gaussian, T 1")))],
        ["T 3 helps a binned head over T 1", *sides(over(head("binned, T 3"), head("binned, T 1")))],
        ["temperature by row from the teacher's standard deviation helps a Gaussian head", *sides(over(head("gaussian, T spread"), head("gaussian, T 1")))],
        ["plain hints help", *sides(over(("hint, many seeds", ATTENTION["hint, many seeds"], MANY), munge))],
        ["attention-weighted hints help over plain ones", *sides(over(("attention, many seeds", ATTENTION["attention, many seeds"], MANY), ("hint, many seeds", ATTENTION["hint, many seeds"], MANY)))],
        ["features first, then answers, helps over answers alone", *sides(method("features first"))],
        ["features in place of answers help", *sides(method("features alone"))],
        ["knowledge-preserving rows help", *sides(method("knowledge-preserving"))],
        ["matching gradients helps", *sides(method("gradient matching"))],
    ]
    if steps_saved:
        rows.append(["stages need 30 % fewer steps than all at once (kin8nm)", *sides([("steps saved, %", interval(steps_saved))], 30.0)])
    if overfit:
        rows.append(["stages overfit less early (kin8nm)", *sides([("validation over training RMSE saved, %", interval(overfit))])])
    if small:
        told = [[f"{name} ({share:.2f})" for (name, which), share in small.items() if which == "(b)" and (share >= 0.6) == good] for good in (True, False)]
        rows.append(["a teacher of all rows closes 0.6 of the gap for a student of a tenth of them", *(", ".join(names) or "–" for names in told), "–"])
    return ["## Claims and results\n\nFor each claim, the table lists the sets on which the interval lies above the claimed value (*holds*), below it (*does not*), "
            "or contains it (*undecided*). Unless a claim states otherwise, values are the reduction of test RMSE in percent, and the claimed value is 0. The sections below list the cases.\n",
            markdown(["claim", "holds", "does not", "undecided"], rows)]


QUESTIONS = [question_teachers, question_alpha, question_small, question_methods, question_transfer, question_few, question_attention, question_gates, question_progressive,
             question_heads, question_top, question_quantiles, question_cost]


def main():
    if not DATA.is_dir():
        sys.exit(f"no data at {DATA}; set LIMBECK_DATA")
    if not RENDER and not LIMBECK.exists():
        sys.exit(f"no program at {LIMBECK}; run `make build` first or set LIMBECK")
    out = ["# What each method of distillation gains\n",
           f"Made by `make ablation` ({'quick: ' if QUICK else ''}{STEPS} steps per training, {', '.join(f'{count} on {name}' for name, count in SET_STEPS.items())}; students of at most 5000 parameters, {SEEDS} paired training seeds, {MANY} for the claims). All cases of "
           "a set have the same split, teacher and labels; only the training of the student differs. Intervals are Student's t intervals over training seeds, so they "
           "do not cover other splits. Methods were chosen without these results, with one exception: the weight of feature losses was set after test results of kin8nm were known. A dash is a case that has not been run yet.\n"]
    begin, found = len(out), {}
    for question in QUESTIONS:
        found[question] = question(out)
        if not QUICK:
            (ROOT / "docs" / "ablation.md").write_text("\n".join(out))
    out[begin:begin] = claims(found[question_alpha], found[question_small], found[question_progressive])
    if not QUICK:
        (ROOT / "docs" / "ablation.md").write_text("\n".join(out))
    if QUICK:
        print("\n".join(out))


main()
