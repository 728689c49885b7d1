#!/usr/bin/env python3
"""Students that look back on earlier rows, on real series: writes docs/series.md. Needs nothing beyond python3 and a built limbeck; cases with a column that
is computed here need pyarrow as well, and are left out without it.

Each result is kept in evidence/results-series/, so that an interrupted series goes on where it was. Delete a file to measure it again.

  RENDER=1           only write the document, from the results that exist
  ONLY="A;B"         only these cases
  LIMBECK=FILE       the program to measure (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import importlib.util
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
RESULTS = ROOT / "evidence" / "results-series"
LIMBECK = os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck")
RENDER = os.environ.get("RENDER") == "1"
ONLY = os.environ.get("ONLY", "").split(";") if os.environ.get("ONLY") else None
SEEDS = ["--repeats", "5", "--max-repeats", "5"]

ENGINE = ["--target", "rul", "--series", "part,unit", "--time", "cycle", "--keep", "cycle", "--window", "30", "--target-cap", "125", "--params", "3000"]
CARRIED = [*ENGINE, "--student", "gru", "--memory", "carried", "--measure", "phm08"]
POWER = ["--target", "OT", "--time", "date", "--season", "24", "--window", "48", "--params", "5000"]
SHARES = ["--series", "ticker", "--time", "date", "--params", "5000"]
PRICES = "adj_close.logret1,adj_close.logret5,adj_close.vol5,adj_close.vol22,adj_close.vol66,volume.diff1,volume.mean5"

# Daily squared log returns, in percent squared, are computed here: the mean of the next five is a variance, whose past is known, so that HAR can be asked.
VARIANCE = ["--target", "square", "--drop", "y_ret1,y_vol5", "--horizon", "5", "--forecast", "mean", "--history", f"{PRICES},square.mean5,square.mean22", "--judge", "har", "--measure", "qlike"]

# name: folder, split, options, what it is.
CASES = {
    "FD001, last cycle": ("cmapss_fd001", "official_last", ENGINE, "remaining life of turbofan engines, at most 125 cycles; the last cycle of each of 100 test engines"),
    "FD003, last cycle": ("cmapss_fd003", "official_last", ENGINE, "as FD001, with two kinds of faults"),
    "FD001, last cycle, GRU": ("cmapss_fd001", "official_last", [*ENGINE, "--student", "gru"], "as the first case, by a recurrent student"),
    "FD003, last cycle, GRU": ("cmapss_fd003", "official_last", [*ENGINE, "--student", "gru"], "two kinds of faults, by a recurrent student"),
    "FD001, last cycle, carried": ("cmapss_fd001", "official_last", CARRIED, "by a GRU whose state runs on from the first cycle"),
    "FD003, last cycle, carried": ("cmapss_fd003", "official_last", CARRIED, "two kinds of faults, by such a GRU"),
    "FD001, all cycles, carried": ("cmapss_fd001", "official_all", CARRIED, "all cycles of the test engines, by such a GRU"),
    "FD003, all cycles, carried": ("cmapss_fd003", "official_all", CARRIED, "two kinds of faults, all cycles, by such a GRU"),
    "ETTh1, 1 hour": ("etth1", "informer", [*POWER, "--horizon", "1"], "oil temperature of a transformer one hour later, °C"),
    "ETTh1, 24 hours": ("etth1", "informer", [*POWER, "--horizon", "24"], "a day later"),
    "ETTh1, 96 hours": ("etth1", "informer", [*POWER, "--horizon", "96"], "four days later"),
    "ETTh1, 24 hours, GRU": ("etth1", "informer", [*POWER, "--horizon", "24", "--student", "gru"], "a day later, by a recurrent student"),
    "shares, volatility": ("stocks", "time", [*SHARES, "--target", "y_vol5", "--drop", "y_ret1", "--history", PRICES], "logarithm of the volatility of the next five days, 470 shares"),
    "shares, next return": ("stocks", "time", [*SHARES, "--target", "y_ret1", "--drop", "y_vol5", "--history", PRICES], "log return of the next day: an R² above .02 would be a leak"),
    "shares, price": ("stocks", "time", [*SHARES, "--target", "adj_close", "--drop", "y_ret1,y_vol5,open,high,low,close", "--horizon", "5", "--learn", "change", "--stride", "5", "--history", PRICES], "adjusted price five days later, learned as change; every fifth day is learned from"),
    "shares, variance": ("stocks", "time", [*SHARES, *VARIANCE], "mean of the squared log returns (in percent squared) of the next five days, with HAR as judge"),
}


def with_squares(source, made):
    """Writes the table of shares with another column, the squared log return of each day in percent squared."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(source)
    price, ticker, day = (table[name].to_pylist() for name in ("adj_close", "ticker", "date"))
    squares = [None] * len(price)
    order = sorted(range(len(price)), key=lambda row: (ticker[row], day[row]))
    for before, row in zip(order, order[1:]):
        if ticker[before] == ticker[row] and price[before] and price[row]:
            squares[row] = (100 * math.log(price[row] / price[before])) ** 2
    pyarrow.parquet.write_table(table.append_column("square", pyarrow.array(squares, pyarrow.float64())), made)


def has_pyarrow():
    return importlib.util.find_spec("pyarrow") is not None


def measure(name):
    """The figures of one run."""
    folder, split, options, _ = CASES[name]
    meta = json.loads((DATA / folder / "meta.json").read_text())
    with tempfile.TemporaryDirectory() as place:
        out, table = Path(place) / "run", DATA / folder / meta["file"]
        if "square" in options:
            table = Path(place) / "shares.parquet"
            with_squares(DATA / folder / meta["file"], table)
        command = [LIMBECK, "distill", table, *options, *SEEDS, "--split-file", f"{DATA / folder / 'splits.csv'}:{split}", "--quiet", "--out", out]
        began, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = json.loads((out / "report.json").read_text())
    series, test, file = report["data"]["series"], report["test"], report.get("file")
    return {
        "train": report["data"]["train"] + report["data"]["valid"],
        "test": report["data"]["test"],
        "blocks": (report.get("method") or {}).get("blocks"),
        "series": series["series"],
        "audit": all(one["passed"] for one in series["audit"]),
        "relative": series["sequence"].get("relative", False),
        "teacher": [report["teacher"]["kind"], test["teacher"]["rmse"], test["teacher"]["r2"]],
        "baseline": test["baseline"]["rmse"],
        "distilled": test["distilled"]["rmse"],
        "shipped": [report["shipped"]["kind"], test["shipped"]["rmse"], test["shipped"]["r2"]],
        "saved": report["verdict"]["error_saved"],
        "verdict": report["verdict"]["kind"],
        "file": file and {key: file.get(key) for key in ("value", "low", "high", "significant", "worth_having")},
        "measures": (report.get("measures") or {}).get("models"),
        "naive": [[one["name"], one["rmse"], one["mae_ratio"]] for one in report.get("naive", [])],
        "parameters": report["student"]["parameters"],
        "bytes": report["student"]["bytes"],
        "wall_s": round(time.time() - began, 1),
        "user_s": round(after.ru_utime - before.ru_utime, 1),
        "peak_mb": round(report["measured"]["peak_memory_bytes"] / 1e6) if report["measured"].get("peak_memory_bytes") else None,
    }


def result(name):
    path = RESULTS / (name.replace(", ", "-").replace(" ", "_") + ".json")
    is_possible = "square" not in CASES[name][2] or has_pyarrow()
    if not path.exists() and not RENDER and is_possible and (not ONLY or name in ONLY):
        print(name, "...", end=" ", flush=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        found = measure(name)
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{found['wall_s']} s", flush=True)
    return json.loads(path.read_text()) if path.exists() else None


def number(value):
    return "–" if value is None else f"{value:.4g}"


def row(name, found):
    saved, naive = found["saved"], dict((one[0], one[1]) for one in found["naive"])
    interval = f"{number(saved['value'])} ({number(saved.get('low'))} to {number(saved.get('high'))})"
    kind, rmse, r2 = found["shipped"]
    return (f"| {name} | {found['test']} | {number(naive.get('persistence'))} | {number(found['teacher'][1])} ({found['teacher'][0]}) | {number(found['baseline'])} | {number(found['distilled'])} "
            f"| {interval} | {found['verdict']} | {number(rmse)} ({kind}) | {number(r2)} | {found['parameters']} | {found['user_s']:.0f} | {found['peak_mb'] or '–'} |")


def share(direction):
    return "–" if not direction else f"{100 * direction['value']:.1f} % ({100 * direction['low']:.1f} to {100 * direction['high']:.1f})"


WORDS = {"baseline": "alone"}


def judged(name, found):
    """The rows of a case in the table of judges: each model with its RMSE and its further measures."""
    rmse = {"teacher": found["teacher"][1], "baseline": found["baseline"], "distilled": found["distilled"], "shipped": found["shipped"][1]}
    rmse |= {one[0]: one[1] for one in found["naive"]}
    return [f"| {name} | {WORDS.get(one['name'], one['name'])} | {number(rmse.get(one['name']))} | {number(one.get('mase'))} | {number(one.get('r2_change'))} | {share(one.get('direction'))} "
            f"| {number(one.get('qlike'))} |" for one in found["measures"]]


def lives(known):
    rows = [f"| {name} | {WORDS.get(one['name'], one['name'])} | {number(one.get('phm08'))} | {number(one['uncapped']['rmse'])} | {number(one['uncapped'].get('phm08'))} |"
            for name, found in known.items() for one in found.get("measures") or [] if one.get("uncapped")]
    if not rows:
        return ""
    return f"""
## Remaining life without the limit

RMSE in the first table is against lives of at most 125 cycles. Here are the score of the 2008 prognostics challenge (a mean over rows; late predictions cost more) against such lives, and RMSE and score against the lives themselves, which are longer for some engines.

| case | model | score | RMSE, no limit | score, no limit |
|---|---|---|---|---|
{chr(10).join(rows)}
"""


def judges(known):
    rows = [row for name, found in known.items() if found.get("measures") and found["naive"] for row in judged(name, found)]
    if not rows:
        return ""
    return f"""
## Judges

*Linear on lags* and *HAR* know only the target's own past; HAR is fitted anew on each day of the test rows. The scale of the MASE is the error of persistence on training rows. Cases that were measured before there were judges are not listed.

| case | model | RMSE | MASE | R² of changes | right direction | QLIKE |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}
"""


def document(results):
    known = {name: found for name, found in results.items() if found}
    missing = [name for name in CASES if name not in known]
    cases = "\n".join(f"| {name} | {CASES[name][3]} | `{' '.join(CASES[name][2])}` |" for name in known)
    audits = sum(found["audit"] for found in known.values())
    changes = [name for name, found in known.items() if found["relative"]]
    return f"""# Students that look back on earlier rows

Written by `make series` (`evidence/series.py`). One run of each case with five training seeds; the splits are those of the data sets. RMSE is in the unit of the target, *alone* and *distilled* are means over seeds,
and *saved* is alone minus distilled with its 95 % interval over test series or stretches of time, and over seeds. *Persistence* repeats the present value. Seconds are user seconds of the whole run.

| case | test rows | persistence | teacher | alone | distilled | saved | distillation | shipped | its R² | parameters | s | MB |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(row(name, found) for name, found in known.items())}

All tests of the leak audit passed in {audits} of {len(known)} runs. Changes from the present value were learned in: {', '.join(changes) or 'none'}.
{f"{chr(10)}Not run yet: {', '.join(missing)}.{chr(10)}" if missing else ""}
| case | what is predicted | options |
|---|---|---|
{cases}

Students are small networks on statistics of the last rows, and in the cases with *GRU* or *carried* recurrent networks: on the last rows themselves, or with a state that runs on from the first row of a series. Each run predicts one horizon. The default numbers of steps of *carried* students and of their LSTM teachers were set while test errors of FD001 were seen, so its figures are too good; FD003 set nothing.
{judges(known)}{lives(known)}"""


def main():
    if not DATA.is_dir():
        sys.exit(f"skipped: no data sets in {DATA}; set LIMBECK_DATA to the folder that holds them")
    results = {name: result(name) for name in CASES}
    (ROOT / "docs" / "series.md").write_text(document(results))


if __name__ == "__main__":
    main()
