#!/usr/bin/env python3
"""Runs limbeck on real data and writes docs/evidence.md. Needs nothing beyond python3 and a built limbeck.

Each run's report is kept in evidence/results/ under a name that says what was run and with which build of the
results format, so that an interrupted series goes on where it was. Delete a file to run it again.

  RENDER=1           only write the document, from the results that exist
  QUICK=1            first split of each set, quality fast, one repeat
  LIMBECK=FILE       the program to run (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from names import today

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
QUICK = os.environ.get("QUICK") == "1"
RESULTS = ROOT / "evidence" / ("results-quick" if QUICK else "results")
LIMBECK = Path(os.environ.get("LIMBECK") or ROOT / "target" / "release" / "limbeck")
REPEATS = 1 if QUICK else 3
RENDER = os.environ.get("RENDER") == "1"


class Missing(Exception):
    """A result that RENDER=1 does not make."""


CALIFORNIA = [f"random{i}" for i in range(5)]
PUBLISHED = [f"s{i:02}" for i in range(5)]
SETS = {"california": CALIFORNIA, **{name: PUBLISHED for name in ("concrete", "power_plant", "energy", "kin8nm", "boston")}}


def run(name, split, params=5200, quality="default", extra=()):
    """The report of one run, from disk where it was run before."""
    quality = "fast" if QUICK else quality
    path = RESULTS / f"{name}-{split}-{params}-{quality}.json"
    if path.exists():
        return json.loads(path.read_text(), object_hook=today)
    if RENDER:
        raise Missing(path.stem)
    meta = json.loads((DATA / name / "meta.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        command = [LIMBECK, "distill", DATA / name / meta["file"], "--target", meta["target"], "--params", str(params),
                   "--split-file", f"{DATA / name / 'splits.csv'}:{split}", "--repeats", str(REPEATS), "--quality", quality,
                   "--out", f"{folder}/run", "--json", "--quiet", *extra]
        print(f"{name} {split} {params} {quality} ...", end=" ", flush=True)
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"failed:\n{done.stderr}")
    report = json.loads(done.stdout, object_hook=today)
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept = {key: report[key] for key in ("test", "test_seeds", "gap_closed", "verdict", "shipped", "teacher", "student",
                                         "selection", "measured", "seed", "version")}
    path.with_suffix(".tmp").write_text(json.dumps(kept, indent=1))
    path.with_suffix(".tmp").rename(path)
    print(f"{report['measured']['seconds']:.0f} s, {report['verdict']['kind']}", flush=True)
    return kept


def number(value, digits=4):
    return "–" if value is None else f"{value:.{digits}g}"


def mean(values):
    return sum(values) / len(values)


def standard_error(values):
    if len(values) < 2:
        return float("nan")
    m = mean(values)
    return math.sqrt(sum((v - m) ** 2 for v in values) / (len(values) - 1) / len(values))


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def gap(report):
    g = report["gap_closed"]
    return "null" if g["value"] is None else f"{g['value']:.2f} ({g['low']:.2f} to {g['high']:.2f})"


def split_rows(name, splits, scale=1.0, **options):
    rows, reports = [], []
    for split in splits:
        try:
            r = run(name, split, **options)
        except Missing:
            continue
        reports.append(r)
        t = r["test"]
        rows.append([split, *(number(t[side]["rmse"] * scale) for side in ("teacher", "baseline", "distilled", "shipped")),
                     r["shipped"]["kind"], f"{t['distilled']['rmse'] / t['teacher']['rmse']:.3f}", gap(r), r["verdict"]["kind"], f"{r['measured']['seconds']:.0f}",
                     f"{(r['measured']['peak_memory_bytes'] or 0) / 1e9:.2f}"])
    return rows, reports


HEADER = ["split", "teacher", "baseline", "distilled", "shipped", "kind", "distilled ÷ teacher", "gap closed (95 %)", "verdict", "s", "GB"]


def pooled(reports, scale=1.0):
    sides = {side: mean([r["test"][side]["rmse"] for r in reports]) * scale for side in ("teacher", "baseline", "distilled")}
    lead = sides["baseline"] - sides["teacher"]
    share = (sides["baseline"] - sides["distilled"]) / lead if lead > 0 else None
    saved = [(r["test"]["baseline"]["rmse"] - r["test"]["shipped"]["rmse"]) * scale for r in reports]
    return sides, share, mean(saved), standard_error(saved)


def california(out):
    splits = CALIFORNIA[:1] if QUICK else CALIFORNIA
    rows, reports = split_rows("california", splits, 1e-5)
    sides, share, *_ = pooled(reports, 1e-5)
    out.append("## California housing\n\nRMSE in 100 000 $, student of at most 5200 parameters, defaults.\n")
    out.append(table(HEADER, rows))
    out.append(f"Over the splits: teacher {sides['teacher']:.4f}, baseline {sides['baseline']:.4f}, distilled {sides['distilled']:.4f}; "
               f"(mean baseline − mean distilled) / (mean baseline − mean teacher) = {number(share, 3)}.\n")
    try:
        larger = run("california", "random0", params=21000)
        t = larger["test"]
        out.append(f"With 21 000 parameters on random0: teacher {t['teacher']['rmse'] * 1e-5:.4f}, baseline {t['baseline']['rmse'] * 1e-5:.4f}, "
                   f"distilled {t['distilled']['rmse'] * 1e-5:.4f}, {100 * (t['distilled']['rmse'] / t['teacher']['rmse'] - 1):+.1f} % of the teacher.\n")
    except Missing:
        out.append("A student of 21 000 parameters has not been measured yet.\n")
    if not QUICK:
        try:
            best = run("california", "random0", quality="best")
        except Missing:
            out.append("`--quality best` has not been measured yet.\n")
            return
        t = best["test"]
        out.append(f"With `--quality best` on random0: teacher {t['teacher']['rmse'] * 1e-5:.4f}, baseline {t['baseline']['rmse'] * 1e-5:.4f}, distilled "
                   f"{t['distilled']['rmse'] * 1e-5:.4f}, in {best['measured']['seconds']:.0f} s.\n")


def others(out):
    saved_all = []
    summary, gaps = [], []
    details, missing = [], []
    for name in list(SETS)[1:]:
        splits = SETS[name][:1] if QUICK else SETS[name]
        rows, reports = split_rows(name, splits)
        if not reports:
            missing.append(name)
            continue
        sides, share, saved, error = pooled(reports)
        scale = mean([r["test"]["teacher"]["rmse"] for r in reports])
        saved_all += [(r["test"]["baseline"]["rmse"] - r["test"]["distilled"]["rmse"]) / scale for r in reports]
        value = [r["gap_closed"]["value"] for r in reports if r["gap_closed"]["value"] is not None]
        gaps += value
        summary.append([name, *(number(sides[s]) for s in ("teacher", "baseline", "distilled")), number(share, 2), f"{saved:.3g} ± {error:.2g}",
                        f"{len(value)} of {len(reports)}"])
        details.append(f"### {name}\n\n" + table(HEADER, rows))
    if missing:
        out.append(f"Not measured yet: {', '.join(missing)}.\n")
    if not summary:
        return
    out.append("## Five smaller sets\n\nMeans over the splits, in the target's unit; *gap* is (mean baseline − mean distilled) / (mean baseline − mean "
               "teacher) where the teacher leads; *saved* is the shipped student's RMSE below the baseline's, with its paired standard "
               "error over splits; *teacher better* counts the splits where the teacher leads with its whole interval.\n")
    out.append(table(["set", "teacher", "baseline", "distilled", "gap", "saved", "teacher better"], summary))
    m, e = mean(saved_all), standard_error(saved_all)
    out.append(f"Pooled paired difference baseline − distilled, in units of the set's teacher RMSE: {m:.3f} ± {e:.3f} over {len(saved_all)} splits. "
               f"Median gap closed where the teacher leads: {number(sorted(gaps)[len(gaps) // 2] if gaps else None, 2)} ({len(gaps)} splits).\n")
    out.extend(details)


def before(out):
    """The same runs by an earlier version, whose baseline was tuned less and whose teachers were other ones."""
    known = json.loads((ROOT / "evidence" / "before.json").read_text(), object_hook=today)
    rows = []
    for name, splits in SETS.items():
        both = []
        for split in splits:
            try:
                both.append((known[f"{name}-{split}"], run(name, split)["test"]))
            except (Missing, KeyError):
                continue
        if both:
            cells = [[mean([side(pair)[key] for pair in both]) for side in (lambda pair: pair[0], lambda pair: {k: pair[1][k]["rmse"] for k in pair[0]})]
                     for key in ("teacher", "baseline", "distilled", "shipped")]
            ratios = [cells[2][at] / cells[0][at] for at in (0, 1)]
            rows.append([name, len(both), *(f"{number(old)} → {number(new)}" for old, new in cells), f"{ratios[0]:.3f} → {ratios[1]:.3f}"])
    out.append("## Before and now\n\nMean RMSE over the splits that both versions ran; *before* is an earlier version. Its baseline was one network that "
               "fills the budget, with tuned weight decay and schedule; its teachers were trees and four small networks.\n")
    out.append(table(["set", "splits", "teacher", "baseline", "distilled", "shipped", "distilled ÷ teacher"], rows))


def everything():
    """Runs what is missing: one split of each set before the next, the longest last."""
    for split in CALIFORNIA[:1] if QUICK else CALIFORNIA:
        run("california", split)
    for split in PUBLISHED[:1] if QUICK else PUBLISHED:
        for name in list(SETS)[1:]:
            run(name, split)
    run("california", "random0", params=21000)
    if not QUICK:
        run("california", "random0", quality="best")


def main():
    if not (DATA / "california").is_dir():
        print(f"skipped: no data sets in {DATA}; set LIMBECK_DATA to the folder that holds them")
        return
    if not RENDER:
        everything()
    out = ["# Evidence\n", "Written by `make evidence`" + (" with `QUICK=1`" if QUICK else "") + ".\n",
           "- Errors are on test rows, which decide nothing within a run. But limbeck's defaults were developed on these sets, so expect a little less on other tables.\n"
           f"- *Baseline* (the student trained without the teacher) and *distilled* are means over {REPEATS} training seeds, or more if results vary much between seeds. "
           "Both have the same parameter budget and as many trials.\n"
           "- Times and memory were measured on one machine, which also did other work.\n"
           "- The series is resumable, so results of different builds may be in one table.\n"]
    if not QUICK:
        before(out)
    california(out)
    others(out)
    bench = RESULTS.parent / "bench.md"
    if bench.exists():
        out.append(bench.read_text())
    target = ROOT / "docs" / ("evidence-quick.md" if QUICK else "evidence.md")
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(out))
    print(f"wrote {target.relative_to(ROOT)}")


main()
