#!/usr/bin/env python3
"""One student for several horizons of ETTh1 (seven channels): writes docs/horizons.md. Needs nothing beyond python3 and a built limbeck.

The channels are standardized by their training rows, as usual for this data set, and become the series of one table. Each result is kept in
evidence/results-horizons/. Delete a file to measure it again.

  RENDER=1           only write the document, from the results that exist
  LOOKBACKS=96,336   numbers of earlier rows that models see
  LIMBECK=FILE       the program to measure (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
RESULTS = ROOT / "evidence" / "results-horizons"
LIMBECK = os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck")
RENDER = os.environ.get("RENDER") == "1"
LOOKBACKS = [int(one) for one in os.environ.get("LOOKBACKS", "96,336").split(",")]
HORIZONS = list(range(8, 97, 8))
# Training, validation and test hours of the forecasting literature (12, 4 and 4 months); later rows are left out.
BORDERS = [8640, 11520, 14400]
SIDES = ["teacher", "baseline", "distilled", "shipped"]


def write_table(folder):
    """The channels, one after the other, in standard deviations of their training rows; and the split."""
    with open(DATA / "etth1" / "etth1.csv", newline="") as file:
        rows = list(csv.DictReader(file))[: BORDERS[2]]
    channels = [name for name in rows[0] if name != "date"]
    lines, split = ["channel,date,value"], ["split,set,start,stop"]
    for at, channel in enumerate(channels):
        values = [float(row[channel]) for row in rows]
        known = values[: BORDERS[0]]
        mean = sum(known) / len(known)
        std = (sum((value - mean) ** 2 for value in known) / len(known)) ** 0.5
        lines += [f"{channel},{row['date']},{(value - mean) / std:.7g}" for row, value in zip(rows, values)]
        start = at * BORDERS[2]
        split += [f"time,{part},{start + first},{start + last}" for part, first, last in [("val", *BORDERS[:2]), ("test", *BORDERS[1:])]]
    (folder / "etth1.csv").write_text("\n".join(lines) + "\n")
    (folder / "splits.csv").write_text("\n".join(split) + "\n")


def measure(lookback):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_table(folder)
        options = ["--target", "value", "--series", "channel", "--time", "date", "--horizon", ",".join(map(str, HORIZONS)), "--joint", "--learn", "change",
                   "--history", f"value.diff1-{lookback - 1}", "--window", str(lookback), "--teacher", "linear", "--params", "10000", "--quality", "fast"]
        command = [LIMBECK, "distill", folder / "etth1.csv", "--split-file", f"{folder / 'splits.csv'}:time", *options, "--quiet", "--out", folder / "run"]
        began, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        reports = [json.loads((folder / "run" / f"value_ahead{horizon}" / "report.json").read_text()) for horizon in HORIZONS]
    errors = {side: [[report["test"][side][measure] for measure in ("rmse", "mae")] for report in reports] for side in SIDES}
    for at, one in enumerate(reports[0]["naive"]):
        errors[one["name"]] = [[report["naive"][at][measure] for measure in ("rmse", "mae")] for report in reports]
    verdicts = [report["verdict"]["kind"] for report in reports]
    return {
        "lookback": lookback,
        "horizons": HORIZONS,
        "test": reports[0]["data"]["test"],
        "errors": errors,
        "verdicts": {kind: verdicts.count(kind) for kind in sorted(set(verdicts))},
        "parameters": reports[0]["joint"]["parameters"],
        "bytes": reports[0]["joint"]["bytes"],
        "user_s": round(after.ru_utime - before.ru_utime, 1),
        "wall_s": round(time.time() - began, 1),
        "peak_mb": round(after.ru_maxrss / 1000),
    }


def result(lookback):
    path = RESULTS / f"etth1-{lookback}.json"
    if not path.exists() and not RENDER:
        RESULTS.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure(lookback), indent=1) + "\n")
    return json.loads(path.read_text()) if path.exists() else None


def row(found, name):
    errors = found["errors"][name]
    mse, mae = (sum(values) / len(errors) for values in ([rmse**2 for rmse, _ in errors], [mae for _, mae in errors]))
    words = {"baseline": "student trained alone", "distilled": "distilled student", "shipped": "shipped student"}
    return f"| {found['lookback']} | {words.get(name, name)} | {mse:.4f} | {mae:.4f} | {errors[0][0] ** 2:.4f} | {errors[-1][0] ** 2:.4f} |"


def document(results):
    rows = [row(found, name) for found in results for name in found["errors"]]
    sizes = [f"- lookback {found['lookback']}: {found['parameters']} parameters, {found['bytes']} bytes, {found['test']} test rows for each horizon, {found['user_s']:.0f} user seconds, {found['peak_mb']} MB; verdicts by horizon: "
             + ", ".join(f"{count} × {kind}" for kind, count in found["verdicts"].items()) for found in results]
    first, last = HORIZONS[0], HORIZONS[-1]
    return f"""# One student for several horizons

Written by `evidence/horizons.py`. ETTh1, seven channels in standard deviations of their training rows, hourly; 12, 4 and 4 months for training, validation and test. One student predicts {len(HORIZONS)} horizons ({', '.join(map(str, HORIZONS))} hours) of any channel from the last values of that channel. Errors are means over these horizons and all channels; the last two columns are the mean squared errors {first} and {last} hours ahead. Figures in the literature are means over all 96 horizons, so they cannot be compared exactly.

| lookback | model | MSE | MAE | MSE, {first} h | MSE, {last} h |
|---|---|---|---|---|---|
{chr(10).join(rows)}

*Linear on lags* is a ridge regression for each horizon, without a limit of size. The teacher is a ridge regression, too; `--quality fast`.

{chr(10).join(sizes)}
"""


def main():
    if not DATA.is_dir():
        sys.exit(f"skipped: no data sets in {DATA}; set LIMBECK_DATA to the folder that holds them")
    results = [found for found in map(result, LOOKBACKS) if found]
    (ROOT / "docs" / "horizons.md").write_text(document(results))


if __name__ == "__main__":
    main()
