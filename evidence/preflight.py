#!/usr/bin/env python3
"""Asks `limbeck preflight` whether distillation will pay, runs `limbeck distill` for the truth, and writes docs/preflight.md.

A case is a data set, a number of training rows and a kind of teacher. Sets are either for development, on which the rules of the
verdict were chosen, or for evaluation, which they had never met. Each case is a small file in evidence/results/preflight/, so that
an interrupted series goes on where it was; preflights and full runs are kept apart. Delete a file to run it again.

  python3 evidence/preflight.py [development|evaluation] [preflight|truth]   only that part; no document unless nothing is missing
  RENDER=1           only write the document, from the results that exist
  QUICK=1            a few cases, to see that everything runs
  LIMBECK=FILE       the program to run (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
QUICK = os.environ.get("QUICK") == "1"
RENDER = os.environ.get("RENDER") == "1"
RESULTS = ROOT / "evidence" / "results" / ("preflight-quick" if QUICK else "preflight")
LIMBECK = Path(os.environ.get("LIMBECK") or ROOT / "target" / "release" / "limbeck")
TEST_ROWS = 2000
# Of the full runs; the same for all cases.
STEPS = 6000
THREADS = "1"

# name: folder, target and further flags
SETS = {
    "california": ("california", "median_house_value", []),
    "concrete": ("concrete", "strength_mpa", []),
    "diabetes": ("diabetes", "progression", []),
    "energy": ("energy", "heating_load", []),
    "power_plant": ("power_plant", "PE", []),
    "friedman": (None, "y", []),
    "friedman_noisy": (None, "y", []),
    "linear_noisy": (None, "y", []),
    "airbnb": ("airbnb_edinburgh", "price", ["--log-target", "--drop", "name,description,amenities"]),
    "air_co": ("air_quality", "ref_co", ["--drop", "time,ref_no2,ref_nox,ref_c6h6,ref_nmhc"]),
    "air_no2": ("air_quality", "ref_no2", ["--drop", "time,ref_co,ref_nox,ref_c6h6,ref_nmhc"]),
    "air_nox": ("air_quality", "ref_nox", ["--drop", "time,ref_co,ref_no2,ref_c6h6,ref_nmhc"]),
    "ames": ("ames", "SalePrice", ["--drop", "Order,PID,kaggle_train"]),
    "beijing": ("beijing_air", "pm25", ["--drop", "pm10,time"]),
    "boston": ("boston", "MEDV", []),
    "cmapss_1": ("cmapss_fd001", "rul", ["--drop", "part,unit"]),
    "cmapss_3": ("cmapss_fd003", "rul", ["--drop", "part,unit"]),
    "etth1": ("etth1", "OT", ["--drop", "date"]),
    "houses": ("houses", "price", ["--drop", "house,img_bathroom,img_bedroom,img_frontal,img_kitchen"]),
    "kin40k": ("kin40k", "y", []),
    "kin8nm": ("kin8nm", "y", []),
    "sensor_curves": ("sensor_curves", "t_c", []),
    "volatility": ("stocks", "y_vol5", ["--drop", "ticker,date,y_ret1"]),
    "return": ("stocks", "y_ret1", ["--drop", "ticker,date,y_vol5"]),
}
# weak: 15 trees of one fast setting. column: predictions in the table that shrink to the mean, with a bias and noise.
TEACHERS = {
    "trees": ["--teacher", "trees"],
    "network": ["--teacher", "network"],
    "auto": [],
    "weak": ["--recipe", "WEAK"],
    "column": ["--teacher-column", "given"],
}
WEAK = "[teacher]\nkind = 'trees'\n[teacher.trees]\nrounds = 15\nstep = 0.05\npairs = 0\n"


def each(names, sizes, teachers):
    return [(name, size, teacher) for size in sizes for teacher in teachers for name in names]


FITTED = ["trees", "network"]
DEVELOPMENT = (
    each(["california", "power_plant"], [1000, 300, 3000], [*FITTED, "weak"])
    + each(["concrete"], [800, 300], [*FITTED, "weak"])
    + each(["energy"], [600, 300], FITTED)
    + each(["diabetes"], [300], [*FITTED, "weak"])
    + each(["friedman"], [1000, 300, 3000], FITTED)
    + each(["friedman_noisy"], [1000, 300], FITTED)
    + each(["linear_noisy"], [1000], FITTED)
    + [("concrete", 800, "column"), ("california", 1000, "column")]
)
# Many sets early, should the series be cut short.
EVALUATION = (
    each(["kin8nm", "ames", "air_co", "airbnb", "cmapss_1", "volatility", "kin40k", "beijing", "etth1"], [1000], FITTED)
    + each(["boston", "houses", "kin8nm", "airbnb", "air_no2"], [300], FITTED)
    + each(["kin8nm", "ames", "volatility", "air_co", "airbnb", "cmapss_1"], [1000], ["weak"])
    + each(["return", "sensor_curves", "air_nox", "cmapss_3"], [1000], FITTED)
    + each(["boston", "kin8nm"], [300], ["weak"])
    + [("kin8nm", 1000, "column"), ("boston", 300, "column"), ("etth1", 1000, "column"), ("boston", 300, "auto")]
    + each(["kin40k", "ames", "air_co", "beijing"], [300], FITTED)
    + each(["kin8nm", "kin40k", "air_no2", "cmapss_1", "etth1", "volatility"], [3000], FITTED)
)
CASES = {"development": DEVELOPMENT, "evaluation": EVALUATION}
if QUICK:
    CASES = {"development": [("friedman", 300, "trees")], "evaluation": [("kin8nm", 300, "trees"), ("boston", 300, "column")]}


def meta(folder):
    return json.loads((DATA / folder / "meta.json").read_text())


def simulated(name, path):
    """Friedman's first function of ten numbers, with little or much noise; or a plane in noise as strong as itself."""
    draw = random.Random(name)
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*(f"x{i}" for i in range(10)), "y"])
        for _ in range(6000):
            x = [draw.random() for _ in range(10)]
            if name == "linear_noisy":
                y = sum((i + 1) * v for i, v in enumerate(x)) + draw.gauss(0, 6)
            else:
                y = 10 * math.sin(math.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]
                y += draw.gauss(0, 5 if name == "friedman_noisy" else 0.5)
            out.writerow([*(f"{v:.6f}" for v in x), f"{y:.6f}"])
    return 6000


def with_column(table, target, path, seed):
    """The table with predictions of a poor teacher: shrunk to the mean, shifted, noisy."""
    draw = random.Random(seed)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    known = [float(row[target]) for row in rows if row[target]]
    mean = sum(known) / len(known)
    sd = math.sqrt(sum((y - mean) ** 2 for y in known) / len(known))
    with open(path, "w", newline="") as file:
        out = csv.DictWriter(file, [*rows[0], "given"])
        out.writeheader()
        for row in rows:
            y = float(row[target]) if row[target] else mean
            out.writerow({**row, "given": f"{mean + 0.6 * (y - mean) + 0.2 * sd + draw.gauss(0, 0.4 * sd):.6g}"})


def prepare(case, folder):
    """Table, target and flags of a case: its training rows and test rows by a split file, all others left out."""
    name, size, teacher = case
    source, target, flags = SETS[name]
    table = folder / "table.csv"
    if source:
        about = meta(source)
        rows, table = about["rows"], DATA / source / about["file"]
    else:
        rows = simulated(name, table)
    if teacher == "column":
        given = folder / "given.csv"
        with_column(table, target, given, f"{name} {size}")
        table = given
    order = list(range(rows))
    random.Random(f"{name} {size}").shuffle(order)
    part = ["drop"] * rows
    for row in order[:size]:
        part[row] = "train"
    for row in order[size:size + TEST_ROWS]:
        part[row] = "test"
    lines, start = ["split,set,start,stop"], 0
    for row in range(1, rows + 1):
        if row == rows or part[row] != part[start]:
            if part[start] != "train":
                lines.append(f"case,{part[start]},{start},{row}")
            start = row
    (folder / "split.csv").write_text("\n".join(lines) + "\n")
    (folder / "weak.toml").write_text(WEAK)
    kind = [str(folder / "weak.toml") if flag == "WEAK" else flag for flag in TEACHERS[teacher]]
    return [str(table), "--target", target, "--split-file", f"{folder}/split.csv:case", "--quality", "fast", "--threads", THREADS,
            "--quiet", "--json", *flags, *kind]


def run(part, case):
    """The result of one half of a case, run if it is missing; only the main process ever prints what came out, in the document."""
    path = RESULTS / f"{'-'.join(map(str, case))}.{part}.json"
    if path.exists() or RENDER:
        return json.loads(path.read_text()) if path.exists() else None
    with tempfile.TemporaryDirectory() as folder:
        flags = prepare(case, Path(folder))
        if part == "truth":
            command = [str(LIMBECK), "distill", *flags, "--steps", str(STEPS), "--out", f"{folder}/run"]
        else:
            command = [str(LIMBECK), "preflight", *flags, "--steps", str(STEPS)]
        start = time.time()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.time() - start
    if done.returncode != 0:
        sys.exit(f"{case} failed:\n{done.stderr}")
    found = json.loads(done.stdout)
    if part == "truth":
        found = {key: found[key] for key in ("verdict", "gap_closed", "test", "version")}
    found["seconds"] = round(seconds, 2)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".tmp").write_text(json.dumps(found, indent=1) + "\n")
    path.with_suffix(".tmp").rename(path)
    print(f"{' '.join(map(str, case))} {part}: {seconds:.1f} s", flush=True)
    return found


def main():
    if not DATA.is_dir():
        print(f"skipped: no data sets in {DATA}; set LIMBECK_DATA to the folder that holds them")
        return
    groups = [g for g in CASES if g in sys.argv[1:]] or list(CASES)
    parts = [p for p in ("preflight", "truth") if p in sys.argv[1:]] or ["preflight", "truth"]
    for group in groups:
        for case in CASES[group]:
            for part in parts:
                run(part, case)


if __name__ == "__main__":
    main()
