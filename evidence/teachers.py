#!/usr/bin/env python3
"""Measures the teacher alone and writes docs/teachers.md. Needs nothing beyond python3 and a built limbeck.

Each result is kept in evidence/results-teachers/, one file per program, set and split, so that an interrupted series goes on where it
was. Delete a file to measure it again. RMSE is that of the teacher's labels on test rows; seconds are user seconds of `limbeck label` without new rows.

  RENDER=1           only write the document, from the results that exist
  ONLY=A,B           only these sets
  LIMBECK=FILE       the program to measure (default target/release/limbeck)
  BEFORE=FILE        an older program to measure beside it
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data)
  LIGHTGBM=1         tune a LightGBM on the same rows, too (needs lightgbm, numpy and pandas): 24 random settings, early stopping, on
                     validation rows or 5 folds, then the mean of five seeds on all rows
  AUTOGLUON=1        fit AutoGluon's medium preset on the same rows, too (needs autogluon.tabular with all its models)
"""
import csv
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
RESULTS = ROOT / "evidence" / "results-teachers"
RENDER = os.environ.get("RENDER") == "1"
ONLY = os.environ.get("ONLY", "").split(",") if os.environ.get("ONLY") else None
PROGRAMS = {"after": os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck"), "before": os.environ.get("BEFORE")}

# Sets and their splits; small ones by the mean over several.
SETS = {
    "boston": ["s00", "s01", "s02"],
    "concrete": ["s00", "s01", "s02"],
    "energy": ["s00", "s01", "s02"],
    "diabetes": ["s0", "s1", "s2"],
    "ames": ["random0", "random1", "random2"],
    "kin8nm": ["s00"],
    "power_plant": ["s00"],
    "california": ["random0"],
    "air_quality": ["random0"],
    "kin40k": ["s00"],
}
SIMULATED = {"smooth": ["smooth"], "steps": ["steps"], "hourly": ["hourly"]}
TIME = {"hourly_time": ("hourly", "hourly_time", "hour_index"), "air_quality_time": ("air_quality", "time", "time")}
# Large tables: the time column, and n where every n-th row is read.
THINNED = {"beijing_air_time": ("beijing_air", "time", 8), "stocks_time": ("stocks", "date", 12)}


def simulated():
    folder = RESULTS.parent / "simulated"
    if not (folder / "splits.csv").exists():
        subprocess.run([sys.executable, ROOT / "evidence" / "simulate.py", folder], check=True)
    return folder


def thinned(name):
    """A CSV of some rows of a large table, and its split file; none where pandas and pyarrow are missing."""
    folder = RESULTS.parent / "simulated"
    table, splits = folder / f"{name}.csv", folder / f"{name}-splits.csv"
    if not splits.exists():
        import pandas

        folder.mkdir(exist_ok=True)
        meta = json.loads((DATA / THINNED[name][0] / "meta.json").read_text())
        frame = pandas.read_parquet(DATA / THINNED[name][0] / meta["file"])
        part = ["train"] * len(frame)
        for row in csv.DictReader((DATA / THINNED[name][0] / "splits.csv").open()):
            if row["split"] == "time":
                start, stop = int(row["start"]), int(row["stop"])
                part[start:stop] = [row["set"]] * (stop - start)
        kept = [at for at in range(0, len(frame), THINNED[name][2]) if part[at] != "drop"]
        frame.iloc[kept].to_csv(table, index=False)
        lines = [f"time,{part[at]},{row},{row + 1}" for row, at in enumerate(kept) if part[at] != "train"]
        splits.write_text("split,set,start,stop\n" + "\n".join(lines) + "\n")
    return table, splits


def source(name):
    """Table, target, columns that are no features, split file, split names, time column."""
    if name in THINNED:
        meta = json.loads((DATA / THINNED[name][0] / "meta.json").read_text())
        table, splits = thinned(name)
        return table, meta["target"], meta.get("alt_targets", []), splits, ["time"], THINNED[name][1]
    if name in TIME:
        name, split, time = TIME[name]
        table, target, drop, splits, _, _ = source(name)
        return table, target, drop, splits, [split], time
    if name in SIMULATED:
        folder = simulated()
        header = (folder / f"{name}.csv").open().readline().strip().split(",")
        return folder / f"{name}.csv", header[-1], [], folder / "splits.csv", SIMULATED[name], None
    meta = json.loads((DATA / name / "meta.json").read_text())
    drop = [*meta.get("alt_targets", []), *meta.get("not_features", {})]
    drop = [column["name"] if isinstance(column, dict) else column for column in drop]
    return DATA / name / meta["file"], meta["target"], drop, DATA / name / "splits.csv", SETS[name], None


def test_rmse(labels, table, target):
    with open(table, newline="", encoding="utf-8") as file:
        truth = [row[target] for row in csv.DictReader(file)]
    errors = []
    with open(labels, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["set"] == "test":
                errors.append((float(row["teacher"]) - float(truth[int(float(row["row"]))])) ** 2)
    return math.sqrt(sum(errors) / len(errors))


def measure(program, name, split):
    table, target, drop, splits, _, time = source(name)
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.csv"
        # New rows change nothing of the teacher.
        (Path(folder) / "recipe.toml").write_text("[transfer]\nmunge_rows = 0\n")
        command = [program, "label", table, "--target", target, "--split-file", f"{splits}:{split}", "--out", labels, "--quiet",
                   "--recipe", Path(folder) / "recipe.toml"]
        command += ["--drop", ",".join(drop)] if drop else []
        command += ["--time", time] if time else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stderr}")
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        return {"rmse": test_rmse(labels, table, target), "seconds": seconds}


def prepared(name, split):
    """Features, target and part (`train`, `val` or `test`) of each row, and the time column if the split follows time."""
    import numpy
    import pandas

    table, target, drop, splits, _, time = source(name)
    frame = pandas.read_csv(table, keep_default_na=False, na_values=[""])
    part = numpy.array(["train"] * len(frame), dtype=object)
    for row in csv.DictReader(open(splits, encoding="utf-8")):
        if row["split"] == split:
            part[int(row["start"]):int(row["stop"])] = row["set"]
    keep = frame[target].notna().to_numpy() & (part != "drop")
    frame, part = frame[keep], part[keep]
    y = frame.pop(target).to_numpy(float)
    frame = frame.drop(columns=[column for column in [*drop, time] if column in frame])
    for column in frame:
        if not pandas.api.types.is_numeric_dtype(frame[column]):
            moments = pandas.to_datetime(frame[column], errors="coerce")
            if moments.notna().mean() > 0.99:
                for piece in ("hour", "dayofweek", "month"):
                    frame[f"{column}_{piece}"] = getattr(moments.dt, piece)
                frame = frame.drop(columns=column)
            else:
                frame[column] = frame[column].astype("category")
    return frame, y, part, time


def autogluon(name, split):
    """AutoGluon with its medium preset, on the same rows: it holds out its own validation rows unless the split has some, or the last fifth in time."""
    import numpy
    from autogluon.tabular import TabularPredictor

    frame, y, part, time = prepared(name, split)
    frame["limbeck_target"] = y
    learn = numpy.flatnonzero(part != "test")
    tuning = None
    if (part == "val").any():
        learn, tuning = numpy.flatnonzero(part == "train"), frame[part == "val"]
    elif time:
        cut = int(0.8 * len(learn))
        learn, tuning = learn[:cut], frame.iloc[learn[cut:]]
    with tempfile.TemporaryDirectory() as folder:
        predictor = TabularPredictor("limbeck_target", problem_type="regression", eval_metric="root_mean_squared_error", path=folder, verbosity=0)
        predictor.fit(frame.iloc[learn], tuning_data=tuning, presets="medium_quality", num_cpus=2)
        predicted = predictor.predict(frame[part == "test"]).to_numpy()
    return {"rmse": float(numpy.sqrt(numpy.mean((predicted - y[part == "test"]) ** 2)))}


def lightgbm(name, split):
    """A LightGBM tuned as a careful practitioner would."""
    import lightgbm
    import numpy

    frame, y, part, time = prepared(name, split)
    test = part == "test"
    learn = numpy.flatnonzero(~test)
    if (part == "val").any():
        folds = [(numpy.flatnonzero(part == "train"), numpy.flatnonzero(part == "val"))]
    elif time:
        cut = int(0.8 * len(learn))
        folds = [(learn[:cut], learn[cut:])]
    else:
        order = numpy.random.default_rng(0).permutation(learn)
        folds = [(numpy.setdiff1d(learn, held), held) for held in numpy.array_split(order, 5)]
        folds = folds if len(learn) < 6000 else folds[:1]
    rng, best = random.Random(f"{name} {split}"), (math.inf, None, None)
    for _ in range(24):
        options = {"objective": "regression", "learning_rate": 0.05, "num_leaves": rng.choice([7, 15, 31, 63, 127]), "verbose": -1,
                   "min_data_in_leaf": rng.choice([3, 5, 10, 20, 50]), "feature_fraction": rng.choice([0.4, 0.6, 0.8, 1.0]),
                   "bagging_fraction": rng.choice([0.7, 0.85, 1.0]), "bagging_freq": 1, "lambda_l2": rng.choice([0, 0.1, 1, 10]), "num_threads": 2}
        errors, rounds = [], []
        for fit, held in folds:
            data = lightgbm.Dataset(frame.iloc[fit], y[fit])
            model = lightgbm.train(options, data, 3000, valid_sets=[lightgbm.Dataset(frame.iloc[held], y[held], reference=data)],
                                   callbacks=[lightgbm.early_stopping(100, verbose=False)])
            errors.append(numpy.mean((model.predict(frame.iloc[held]) - y[held]) ** 2))
            rounds.append(model.best_iteration)
        if numpy.mean(errors) < best[0]:
            best = (numpy.mean(errors), options, int(numpy.mean(rounds) * 1.1))
    _, options, rounds = best
    data = frame.iloc[learn]
    models = [lightgbm.train({**options, "seed": seed}, lightgbm.Dataset(data, y[learn]), rounds) for seed in range(5)]
    mean = numpy.mean([model.predict(frame[test]) for model in models], axis=0)
    return {"rmse": float(numpy.sqrt(numpy.mean((mean - y[test]) ** 2)))}


# Public libraries on the same rows.
PEERS = {"lightgbm": lightgbm, "autogluon": autogluon}


def result(kind, name, split):
    path = RESULTS / f"{kind}-{name}-{split}.json"
    if path.exists():
        return json.loads(path.read_text())
    if RENDER or not (PROGRAMS.get(kind) or kind in PEERS and os.environ.get(kind.upper()) == "1"):
        return None
    print(f"{kind} {name} {split} ...", end=" ", flush=True)
    found = PEERS[kind](name, split) if kind in PEERS else measure(PROGRAMS[kind], name, split)
    print(f"{found['rmse']:.4g}, {found.get('seconds', 0):.0f} s", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".tmp").write_text(json.dumps(found))
    path.with_suffix(".tmp").rename(path)
    return found


def mean(values):
    return sum(values) / len(values)


def row(name):
    splits = source(name)[4]
    found = {kind: [result(kind, name, split) for split in splits] for kind in ("before", "after", *PEERS)}
    figure = {kind: mean([r["rmse"] for r in each]) if all(each) else None for kind, each in found.items()}
    seconds = {kind: mean([r["seconds"] for r in found[kind]]) if all(found[kind]) else None for kind in ("before", "after")}
    both = figure["before"] and figure["after"]
    error = ""
    if both and len(splits) > 1:
        differences = [a["rmse"] - b["rmse"] for a, b in zip(found["after"], found["before"])]
        m = mean(differences)
        error = f" ± {math.sqrt(sum((d - m) ** 2 for d in differences) / (len(differences) - 1) / len(differences)) / figure['before']:.1%}"
    shown = lambda value, form=".4g": "–" if value is None else format(value, form)
    change = f"{figure['after'] / figure['before'] - 1:+.1%}{error}" if both else "–"
    cells = [name, len(splits), shown(figure["before"]), shown(figure["after"]), change, shown(figure["lightgbm"]),
             *([shown(figure["autogluon"])] if has_autogluon() else []), shown(seconds["before"], ".0f"), shown(seconds["after"], ".0f")]
    return "| " + " | ".join(map(str, cells)) + " |", figure["after"] / figure["before"] if both else None


def has_autogluon():
    return any(RESULTS.glob("autogluon-*"))


def has_parquet():
    import importlib.util

    found = all(importlib.util.find_spec(name) for name in ("pandas", "pyarrow"))
    if not found:
        print("skipped: " + ", ".join(THINNED) + " need pandas and pyarrow")
    return found


def table(names):
    names = [name for name in names if ONLY is None or name in ONLY]
    rows = [row(name) for name in names]
    columns = ["set", "splits", "before", "now", "change", "tuned LightGBM", *(["AutoGluon medium"] if has_autogluon() else []), "s before", "s now"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(line for line, _ in rows)]
    ratios = [ratio for _, ratio in rows if ratio]
    if ratios:
        lines += ["", f"Geometric mean of now ÷ before over {len(ratios)} sets: {math.exp(mean([math.log(r) for r in ratios])):.3f}."]
    return "\n".join(lines)


def main():
    text = f"""# Teachers

Written by `make teachers` (`evidence/teachers.py`). The tables show the test RMSE of the teacher that `limbeck label` fits by default, in the target's unit,
as mean over splits. *Before* is an earlier version, whose teacher was boosted trees and four small networks. The change has its paired standard error over
splits. Seconds are user seconds of the whole command, without new rows.

## Public sets

{table(SETS)}

## Simulated tables

Made by `evidence/simulate.py`: 15 000 rows × 26 columns with steps and constants; 308 smooth rows; 17 000 hourly counts.

{table(SIMULATED)}

## Splits by time

The last rows in time are the test rows. Of `beijing_air` and `stocks`, every eighth and every twelfth row is read.

{table([*TIME, *(THINNED if has_parquet() else {})])}
"""
    (ROOT / "docs" / "teachers.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
