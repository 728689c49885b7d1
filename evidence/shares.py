#!/usr/bin/env python3
"""Students of few days and of one share, taught by LSTMs of many: writes docs/shares.md. Needs python3 with pandas and pyarrow, and a built limbeck.

Predicted is the logarithm of the volatility of the next five days. Teachers learn from all days before the test days, or from all other shares; students
are GRUs that carry their state. Each result is kept in evidence/results-shares/. Delete a file to measure it again.

  RENDER=1           only write the document, from the results that exist
  LIMBECK=FILE       the program to measure (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the script says so and ends
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data") / "stocks"
RESULTS = ROOT / "evidence" / "results-shares"
LIMBECK = os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck")
RENDER = os.environ.get("RENDER") == "1"

# Models see returns and their volatility, and never a price.
HISTORY = "adj_close.logret1,volume.logret1,adj_close.vol5,adj_close.vol22"
OPTIONS = ["--target", "y_vol5", "--series", "ticker", "--time", "date", "--drop", "y_ret1,open,high,low,close,adj_close,volume", "--history", HISTORY,
           "--student", "gru", "--memory", "carried", "--window", "22", "--params", "2000", "--measure", "qlike_log_volatility", "--quality", "fast"]
DAYS = [7, 37, 149, None]
OTHERS = 6
VALID = 0.2


def run(table, splits, out, more):
    command = [LIMBECK, "distill", table, "--split-file", f"{splits}:own", *OPTIONS, *more, "--quiet", "--out", out]
    began, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads((out / "report.json").read_text())
    measures = {one["name"]: one for one in (report.get("measures") or {}).get("models", [])}
    sides = ["teacher", "baseline", "distilled", "shipped"]
    return {
        "rows": [report["data"][part] for part in ("train", "valid", "test")],
        "blocks": (report.get("method") or {}).get("blocks"),
        "errors": {side: [report["test"][side]["rmse"], report["test"][side]["r2"], measures.get(side, {}).get("qlike")] for side in sides},
        "saved": report["verdict"]["error_saved"],
        "verdict": report["verdict"]["kind"],
        "shipped": report["shipped"]["kind"],
        "audit": all(one["passed"] for one in report["data"]["series"]["audit"]),
        "wall_s": round(time.time() - began, 1),
        "user_s": round(after.ru_utime - before.ru_utime, 1),
    }


def write_split(place, parts):
    """A split file with one line for each stretch of rows of one part."""
    lines, start = ["split,set,start,stop"], 0
    for at in range(1, len(parts) + 1):
        if at == len(parts) or parts[at] != parts[start]:
            if parts[start] != "train":
                lines.append(f"own,{parts[start]},{start},{at}")
            start = at
    place.write_text("\n".join(lines) + "\n")


def parts_of(frame):
    """The part of each row in the split of the data set."""
    import pandas

    parts = ["train"] * len(frame)
    splits = pandas.read_csv(DATA / "splits.csv")
    for line in splits[splits.split == "time"].itertuples():
        parts[line.start:line.stop] = [line.set] * (line.stop - line.start)
    return parts


def latest(frame, parts, days):
    """The parts of a student that learns from the latest days: a fifth of them are validation days, and earlier days are left out."""
    known = sorted({date for date, part in zip(frame.date, parts) if part in ("train", "val")})
    known = known[-days:] if days else known
    first, valid = known[0], known[-max(1, round(VALID * len(known)))]
    def own(date, part):
        if part not in ("train", "val"):
            return part
        return "drop" if date < first else "val" if date >= valid else "train"
    return [own(date, part) for date, part in zip(frame.date, parts)]


def kept(name, make):
    path = RESULTS / f"{name}.json"
    if not path.exists() and not RENDER:
        print(name, "...", end=" ", flush=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        found = make()
        path.write_text(json.dumps(found, indent=1) + "\n")
        print("done", flush=True)
    return json.loads(path.read_text()) if path.exists() else None


def measure_days(folder):
    """One teacher on all days, and students on the latest days."""
    import pandas

    frame = pandas.read_parquet(DATA / "stocks.parquet")
    parts = parts_of(frame)
    write_split(folder / "all.csv", parts)
    first = run(DATA / "stocks.parquet", folder / "all.csv", folder / "all", ["--teacher", "lstm"])
    labels = pandas.read_parquet(folder / "all" / "labels.parquet")
    labels = labels[labels["set"].isin(["train", "val", "valid", "test"])]
    frame["taught"] = float("nan")
    frame.loc[labels["row"].astype(int), "taught"] = labels["teacher"].to_numpy()
    table = folder / "taught.parquet"
    frame.to_parquet(table)
    found = {"teacher": first}
    for days in DAYS:
        write_split(folder / "own.csv", latest(frame, parts, days))
        found[str(days or "all")] = run(table, folder / "own.csv", folder / f"days{days}", ["--teacher-column", "taught"])
    return found


def measure_shares(folder):
    """A teacher on all shares but a few, and for each of these a student on its latest 60 days."""
    import pandas

    frame = pandas.read_parquet(DATA / "stocks.parquet")
    parts = parts_of(frame)
    names = sorted(frame.ticker.unique())
    chosen = names[len(names) // (2 * OTHERS)::len(names) // OTHERS][:OTHERS]
    rest = ~frame.ticker.isin(chosen)
    others = frame[rest].reset_index(drop=True)
    others.to_parquet(folder / "others.parquet")
    write_split(folder / "others.csv", [part for part, kept in zip(parts, rest) if kept])
    found = {"teacher": run(folder / "others.parquet", folder / "others.csv", folder / "others", ["--teacher", "lstm"])}
    for name in chosen:
        of = frame.ticker == name
        own = frame[of].reset_index(drop=True)
        own.to_parquet(folder / "own.parquet")
        write_split(folder / "own.csv", latest(own, [part for part, kept in zip(parts, of) if kept], 60))
        found[name] = run(folder / "own.parquet", folder / "own.csv", folder / f"of-{name}", ["--teacher-model", folder / "others"])
    return found


def number(value):
    return "–" if value is None else f"{value:.4g}"


def row(name, found):
    errors, saved = found["errors"], found["saved"]
    interval = f"{number(saved['value'])} ({number(saved.get('low'))} to {number(saved.get('high'))})"
    cells = [" / ".join(number(value) for value in errors[side][::2]) for side in ("teacher", "baseline", "distilled", "shipped")]
    return f"| {name} | {found['rows'][0]} + {found['rows'][1]} | {found['rows'][2]} | {' | '.join(cells)} | {interval} | {found['verdict']} |"


def table(rows):
    return f"""| case | training + validation rows | test rows | teacher | alone | distilled | shipped | saved | distillation |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}"""


def document(days, shares):
    text = f"""# Students of few days and of one share

Written by `evidence/shares.py`. Predicted is the logarithm of the volatility of the next five days of 470 shares; test days are the year 2019. Students are GRUs of at most 2000 parameters that carry their state. They and their teachers, LSTMs, see the log returns of price and volume and the volatility of the last 5 and 22 days, and never a price. Errors are RMSE / QLIKE of the volatility; *saved* is the RMSE alone minus distilled, with its 95 % interval over stretches of test days and over seeds. `--quality fast`.
"""
    if days:
        rows = [row(f"{name} days" if name != "teacher" else "all training days, first run", found) for name, found in days.items()]
        text += f"\n## The latest days\n\nThe teacher learns from all training days. Students learn from the latest days before the test days, a fifth of them validation days, with the teacher's labels of these days. The labels are a column of the table, so there are no new rows.\n\n{table(rows)}\n"
    if shares:
        rows = [row(name if name != "teacher" else "the other shares, first run", found) for name, found in shares.items()]
        wins = sum(found["errors"]["distilled"][0] < found["errors"]["baseline"][0] for name, found in shares.items() if name != "teacher")
        text += f"\n## One share with 60 days\n\nThe teacher learns from all other shares. A student learns from the latest 60 days of one share, and from new series that the teacher labels. The distilled student has the smaller RMSE on {wins} of {len(shares) - 1} shares.\n\n{table(rows)}\n"
    return text


def main():
    if not DATA.is_dir():
        sys.exit(f"skipped: no data set in {DATA}; set LIMBECK_DATA to the folder that holds the data sets")
    found = []
    for name, measure in [("days", measure_days), ("shares", measure_shares)]:
        with tempfile.TemporaryDirectory() as place:
            found.append(kept(name, lambda: measure(Path(place))))
    (ROOT / "docs" / "shares.md").write_text(document(*found))


if __name__ == "__main__":
    main()
