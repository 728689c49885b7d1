#!/usr/bin/env python3
"""Coverage and width of prediction intervals on real data: writes docs/coverage.md. Needs nothing beyond python3 and a built limbeck; with numpy,
pyarrow and onnxruntime, intervals are computed again from predictions, and exported ONNX files are checked.

Each result is kept in evidence/results-intervals/, so that an interrupted series goes on where it was. Delete a file to measure it again.

  RENDER=1           only write the document, from the results that exist
  LIMBECK=FILE       the program to measure (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data)
"""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
RENDER = os.environ.get("RENDER") == "1"
RESULTS = ROOT / "evidence" / "results-intervals"
LIMBECK = os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck")
# A small teacher and short schedules: the coverage does not depend on how good the student is.
FAST = ["--quality", "fast", "--repeats", "1", "--max-repeats", "1", "--teacher", "trees", "--steps", "3000", "--munge-rows", "20000"]
# Set, splits, time column.
SETS = {
    "concrete": ("concrete", ["s00", "s01", "s02"], None),
    "air_quality": ("air_quality", ["random0"], None),
    "air_quality, later rows": ("air_quality", ["time"], "time"),
    "kin8nm": ("kin8nm", ["s00"], None),
    "california": ("california", ["random0"], None),
}
# Ways to make intervals: scaled; none, for the error without held-out rows; in folds.
WAYS = {
    "scaled": ["--interval", "0.9"],
    "none": [],
}
FOLDS = {"folds": ["--interval", "0.9", "--calibration-folds", "5"]}
LEVELS = [0.8, 0.9, 0.95]


def ways(name):
    return {**WAYS, **(FOLDS if name == "concrete" else {})}


def onnx(run, table, target):
    """Largest difference between the exported ONNX model and `limbeck predict`, in mean widths, for predictions and ends at 90 %; none without onnxruntime."""
    try:
        import numpy
        import onnxruntime
    except ImportError:
        return None
    subprocess.run([LIMBECK, "export", run, "--to", "onnx", "--out", f"{run}/onnx", "--quiet"], check=True)
    told = subprocess.run([LIMBECK, "predict", run, table, "--interval", "0.9", "--quiet"], check=True, capture_output=True, text=True).stdout
    rows = list(csv.DictReader(told.splitlines()))[:2000]
    session = onnxruntime.InferenceSession(f"{run}/onnx/student.onnx")
    feeds = {}
    for one in session.get_inputs():
        cells = [row[one.name] for row in rows]
        if "double" in one.type:
            feeds[one.name] = numpy.array([[float(cell) if cell else math.nan] for cell in cells])
        elif "string" in one.type:
            feeds[one.name] = numpy.array([[cell] for cell in cells], dtype=object)
        else:
            return None
    names = {"prediction": target, "prediction_low": f"{target}_low_90", "prediction_high": f"{target}_high_90"}
    found = dict(zip([one.name for one in session.get_outputs()], session.run(None, feeds)))
    told = {key: numpy.array([float(row[key]) for row in rows]) for key in names}
    width = (told["prediction_high"] - told["prediction_low"]).mean()
    return max(float(abs(found[name][:, 0] - told[key]).max() / width) for key, name in names.items())


def again(run, table, target):
    """Intervals at 90 % computed again, from predictions and the parts of the rows: the share of calibration rows inside, the least share that the method asks for,
    and coverage and mean width on test rows with a constant width. None without pyarrow."""
    try:
        import pyarrow.parquet
    except ImportError:
        return None
    labels = pyarrow.parquet.read_table(f"{run}/labels.parquet").to_pylist()
    told = subprocess.run([LIMBECK, "predict", run, table, "--interval", "0.9", "--quiet"], check=True, capture_output=True, text=True).stdout
    rows = list(csv.DictReader(told.splitlines()))
    part = {name: [rows[int(one["row"])] for one in labels if one["set"] == name] for name in ("calibration", "test")}
    number = lambda row, name: float(row[name])
    inside = [number(row, "prediction_low") <= number(row, target) <= number(row, "prediction_high") for row in part["calibration"]]
    errors = {name: [abs(number(row, target) - number(row, "prediction")) for row in own] for name, own in part.items()}
    rank = math.ceil(round(0.9 * (len(inside) + 1), 9))
    half = sorted(errors["calibration"])[rank - 1]
    return {"inside": sum(inside), "rank": rank, "coverage": mean(error <= half for error in errors["test"]), "width": 2 * half}


def run(case, split, way):
    path = RESULTS / f"{case.replace(', ', '-').replace(' ', '-')}-{split}-{way}.json"
    if path.exists() or RENDER:
        return json.loads(path.read_text()) if path.exists() else None
    name, _, time = SETS[case]
    meta = json.loads((DATA / name / "meta.json").read_text())
    drop = [*meta.get("alt_targets", []), *meta.get("not_features", {})]
    drop = [column["name"] if isinstance(column, dict) else column for column in drop]
    table = DATA / name / meta["file"]
    with tempfile.TemporaryDirectory() as folder:
        command = [LIMBECK, "distill", table, "--target", meta["target"], "--split-file", f"{DATA / name / 'splits.csv'}:{split}", *FAST,
                   *ways(name)[way], "--out", f"{folder}/run", "--json", "--quiet"]
        command += ["--drop", ",".join(drop)] if drop else []
        command += ["--time", time] if time else []
        print(case, split, way, "...", flush=True)
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stderr}")
        report = json.loads(done.stdout)
        kept = {
            "rmse": report["test"]["shipped"]["rmse"],
            "test": report["data"]["test"],
            "bytes": report["student"]["bytes"],
            "seconds": report["measured"]["seconds"],
            "intervals": report.get("prediction_intervals"),
            "onnx": onnx(f"{folder}/run", table, meta["target"]) if way == "scaled" else None,
            "again": again(f"{folder}/run", table, meta["target"]) if way == "scaled" else None,
        }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")
    return kept


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def level(result, wanted):
    return next(one for one in result["intervals"]["levels"] if abs(one["level"] - wanted) < 1e-9)


def band(result, wanted):
    """Two standard deviations of the coverage, from test rows and calibration rows, if rows are independent."""
    n, m = result["intervals"]["rows"], result["test"]
    return 2 * math.sqrt(wanted * (1 - wanted) * (1 / m + 1 / (n + 2)))


def percent(value):
    return f"{100 * value:.1f}"


def document(results):
    out = ["# Coverage of prediction intervals", ""]
    out.append(f"Made by `make coverage` (`evidence/intervals.py`): `{' '.join(FAST)} --interval 0.9`. Test rows calibrate nothing. *Expected* is two standard deviations "
               "of the coverage around the level, by chance of test and calibration rows, if rows are independent. Widths are in units of the RMSE of the same student on test rows.")
    out += ["", "| data | split | calibration rows | test rows | 80 % | expected | 90 % | expected | 95 % | expected | mean width at 90 % |", "|---|---|---:|---:|---:|---|---:|---|---:|---|---:|"]
    inside = outside = 0
    for (case, split, way), one in results.items():
        if way not in ("scaled", "folds"):
            continue
        cells = []
        for wanted in LEVELS:
            own, far = level(one, wanted), band(one, wanted)
            cells += [percent(own["coverage"]), f"{percent(wanted - far)} to {percent(min(1, wanted + far))}"]
            if "later" not in case:
                fits = abs(own["coverage"] - wanted) <= far
                inside, outside = inside + fits, outside + (not fits)
        folds = ", in folds" if way == "folds" else ""
        out.append(f"| {case}{folds} | {split} | {one['intervals']['rows']} | {one['test']} | {' | '.join(cells)} | {level(one, 0.9)['width'] / one['rmse']:.2f} |")
    out += ["", f"Of the {inside + outside} coverages of random splits, {inside} are within the expected range.", ""]
    out += ["## Width and cost", "",
            "Means over splits. *Thirds* is the coverage at 90 % in the rows with the lowest, middle and highest third of predictions. *Constant* is the width and the coverage at 90 % of the same student with one width for "
            "all rows. *RMSE* is that of the shipped student, divided by that of a run without intervals, which learns from the calibration rows as well.", "",
            "| data | way | width at 90 % / RMSE | thirds | constant: width / RMSE | coverage | RMSE | file, bytes more |", "|---|---|---:|---|---:|---:|---:|---:|"]
    for case, (name, splits, _) in SETS.items():
        for way in ways(name):
            own = [results[case, split, way] for split in splits if (case, split, way) in results]
            if way == "none" or not own:
                continue
            thirds = [mean(level(one, 0.9)["slices"][at]["coverage"] for one in own) for at in range(3)]
            constant = [one for one in own if one.get("again")]
            beside = [f"{mean(one['again']['width'] / one['rmse'] for one in constant):.2f}", percent(mean(one["again"]["coverage"] for one in constant))] if constant else ["–", "–"]
            pairs = [(results[case, split, way], results[case, split, "none"]) for split in splits if (case, split, way) in results and (case, split, "none") in results]
            cost = [f"{mean(a['rmse'] / b['rmse'] for a, b in pairs):.3f}", f"{mean(a['bytes'] - b['bytes'] for a, b in pairs):.0f}"] if pairs else ["–", "–"]
            out.append(f"| {case} | {way} | {mean(level(one, 0.9)['width'] / one['rmse'] for one in own):.2f} | {', '.join(map(percent, thirds))} | {' | '.join(beside)} | {' | '.join(cost)} |")
    checked = [one["again"] for one in results.values() if one.get("again")]
    if checked:
        exact = sum(one["inside"] == one["rank"] for one in checked)
        out += ["", f"Intervals at 90 % were computed again from the predictions: in {exact} of {len(checked)} runs, exactly ⌈0.9 (n + 1)⌉ of the n calibration rows are inside."]
    differences = [one["onnx"] for one in results.values() if one.get("onnx") is not None]
    if differences:
        out += ["", f"ONNX Runtime and `limbeck predict` on 2000 rows of each of {len(differences)} students: predictions and ends of intervals at 90 % differ by at most {max(differences):.1e} mean widths."]
    return "\n".join(out) + "\n"


def main():
    if not DATA.is_dir():
        sys.exit(f"no data sets in {DATA}; set LIMBECK_DATA")
    results = {}
    for way in [*WAYS, *FOLDS]:
        for case, (name, splits, _) in SETS.items():
            for split in splits:
                made = run(case, split, way) if way in ways(name) else None
                if made:
                    results[case, split, way] = made
    (ROOT / "docs" / "coverage.md").write_text(document(results))


main()
