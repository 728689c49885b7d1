#!/usr/bin/env python3
"""Does this tree compute what a base commit computes? Runs both on small tables and compares every figure and file.

    make same BASE=<commit>

The base is built in a worktree under target/same/. Each recipe is run by both programs on one table of 600 rows with gaps, categories, groups
and times. Compared are all figures of `report.json` but wall-clock ones (keys by KEYS, old → new), and, byte by byte, `predictions.parquet`,
`labels.parquet` and the students' files. A file that differs in bytes alone is compared by its columns where pyarrow is installed.

  ONLY=NAME,…    some of the recipes
  LIMBECK=FILE   the program to compare (default target/release/limbeck)
"""
import csv
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "same"
FIXTURES = ROOT / "crates" / "limbeck-teach" / "tests" / "fixtures"
ROWS = 600

# Keys of `report.json` that have another name or place in this tree: the base's path → this tree's, parts joined by dots.
KEYS = {}
# The same for the last parts of a path, wherever it begins.
ENDS = {"trees.step": "trees.learning_rate"}
# Parts of a path that have another name, wherever they are: the base's → this tree's.
PARTS = {"alone": "baseline", "lone": "baselines", "valid_error_alone": "valid_error_baseline"}
# Values that have another name: the same for the last part of a path and its value.
VALUES = {("kind", "alone"): "baseline", ("ships", "alone"): "baseline"}
# Columns of `labels.parquet` and `predictions.parquet` that have another name.
COLUMNS = {"spread": "std", "believed": "accepted", "alone": "baseline"}
# What differs from run to run, and what tells the programs apart.
IGNORED = {"measured", "version", "schema"}

# What differs for a reason that is named here.
NAMED = {
    "teacher.bytes": "the teacher's file names its options, some of which have new names",
    "verdict.sentence": "words",
    "gap_closed.reason": "words",
    "teacher.notes": "words",
    "verdict.reasons": "words",
}


def is_named(path):
    """True for a key whose values may differ; places in lists do not count."""
    words = ".".join(part for part in path.split(".") if not part.isdigit())
    return any(words == name or words.endswith(f".{name}") for name in NAMED)


BASIC = "--quality fast --steps 1200 --params 600 --repeats 2 --max-repeats 2 --threads 1 --quiet --seed 7"
PLAIN = "--drop again,given,given_sd,batch,at"
# name: flags. `{fixtures}` is the folder of model files, `{here}` that of the tables.
RECIPES = {
    "default": PLAIN,
    "features": f"{PLAIN} --preset features",
    "small_data": f"{PLAIN} --preset small-data",
    "noisy_teacher": f"{PLAIN} --preset noisy-teacher",
    "house_price": f"{PLAIN} --preset house-price",
    "quantile": f"{PLAIN} --quantile 0.9",
    "gaussian": f"{PLAIN} --head gaussian --temperature 2",
    "binned": f"{PLAIN} --head binned",
    "hints": f"{PLAIN} --teacher network --hints attention",
    "progressive": f"{PLAIN} --teacher network --hints hint --progressive",
    "slopes": f"{PLAIN} --teacher network --slope-rows 500",
    "augmented": f"{PLAIN} --boundary-rows 300 --mixup-rows 300 --perturb-rows 300 --adversarial-rows 100",
    "rounds": f"{PLAIN} --residual-rounds 1",
    "targets": "--drop given,given_sd,batch,at --target target,again",
    "command": f"{PLAIN} --teacher-command 'python3 {{here}}/teacher.py'",
    # The flag's name of earlier versions, which both programs take.
    "column": "--drop again,batch,at --teacher-column given --teacher-spread given_sd",
    "lightgbm": f"{PLAIN} --teacher-model {{fixtures}}/lightgbm_regression.txt",
    "onnx": f"{PLAIN},kind --teacher-model {{fixtures}}/onnx_gemm.onnx",
    "groups": "--drop again,given,given_sd,at --group batch",
    "time": "--drop again,given,given_sd,batch --time at",
    "resumed": f"{PLAIN} --checkpoint-every 0.2s",
    "trees": f"{PLAIN} --student trees",
    "linear": f"{PLAIN} --student linear",
    "auto": f"{PLAIN} --student auto",
    "preflight": PLAIN,
}
TEACHER = '''import csv, sys
for row in csv.DictReader(sys.stdin):
    print(3.5 + 0.4 * float(row["load"] or 1) + 0.3 * float(row["flow"] or 0))
'''


def tables(folder):
    """One table for all recipes: rows of the model files' fixtures, with more columns."""
    with open(FIXTURES / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))[:ROWS]
    columns = [*rows[0], "again", "given", "given_sd", "batch", "at"]
    with open(folder / "table.csv", "w", newline="") as file:
        out = csv.DictWriter(file, columns)
        out.writeheader()
        for at, row in enumerate(rows):
            y = float(row["target"])
            wave = math.sin(at * 12.9898) * 0.3
            extra = {"again": f"{1.5 * y + math.cos(at) * 0.2:.6f}", "given": f"{y + wave:.6f}", "given_sd": f"{0.2 + 0.1 * abs(wave):.6f}", "batch": at // 8, "at": at}
            out.writerow({**row, **extra})
        file.flush()
    # Networks read no gaps.
    text = (folder / "table.csv").read_text().splitlines()
    (folder / "filled.csv").write_text("\n".join(line for line in text if ",," not in line and not line.startswith(",")) + "\n")
    (folder / "teacher.py").write_text(TEACHER)


def build_base(base):
    """The base's program, built in a worktree of its own."""
    tree = WORK / "worktree"
    commit = subprocess.run(["git", "rev-parse", "--verify", f"{base}^{{commit}}"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    program = WORK / f"limbeck-{commit[:12]}"
    if not program.exists():
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, capture_output=True)
        subprocess.run(["git", "worktree", "add", "--force", "--detach", str(tree), commit], cwd=ROOT, check=True, capture_output=True)
        try:
            subprocess.run(["cargo", "build", "--release", "--locked", "--workspace"], cwd=tree, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(WORK / "target")})
            shutil.copy(WORK / "target" / "release" / "limbeck", program)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, capture_output=True)
    return program


def run(program, name, flags, folder):
    """The run's folder, or for a preflight its figures."""
    here = folder / "tables"
    words = shlex.split(flags.format(fixtures=FIXTURES, here=here))
    table = "filled.csv" if name == "onnx" else "table.csv"
    target = [] if "--target" in words else ["--target", "target"]
    if name == "preflight":
        command = [program, "preflight", table, *target, *words, *BASIC.split(), "--json"]
        done = subprocess.run([str(word) for word in command], cwd=here, capture_output=True, text=True)
        must(done, name)
        return json.loads(done.stdout)
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    command = [str(word) for word in [program, "distill", table, *target, *words, *BASIC.split(), "--out", out]]
    if name == "resumed":
        killed = subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        if not (out / "report.json").exists():
            command = [str(program), "distill", "--resume", str(out), "--quiet"]
            must(subprocess.run(command, cwd=here, capture_output=True, text=True), name)
        return out
    must(subprocess.run(command, cwd=here, capture_output=True, text=True), name)
    return out


def must(done, name):
    if done.returncode != 0:
        sys.exit(f"{name} failed ({done.returncode}): {' '.join(map(str, done.args))}\n{done.stdout}{done.stderr}")


def figures(value, path=()):
    """All leaves of a report, by their path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in IGNORED:
                yield from figures(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from figures(inner, (*path, str(at)))
    else:
        yield ".".join(path), value


def renamed(path):
    path = ".".join(PARTS.get(part, part) for part in path.split("."))
    for old, new in KEYS.items():
        if path == old or path.startswith(f"{old}."):
            return new + path[len(old):]
    for old, new in ENDS.items():
        if path.endswith(f".{old}"):
            return path[: -len(old)] + new
    return path


def value_now(path, value):
    """A value of the base's report with the name that this tree gives it."""
    return VALUES.get((path.rpartition(".")[2], value), value) if isinstance(value, str) else value


def compare_reports(base, tree):
    old = {renamed(path): value_now(path, value) for path, value in figures(base) if not is_named(path)}
    new = {path: value for path, value in figures(tree) if not is_named(path)}
    out = [f"{path}: {old[path]!r} → {new[path]!r}" for path in old if path in new and old[path] != new[path]]
    out += [f"{path} is missing" for path in old if path not in new]
    return out


def added(base, tree):
    """Keys of `report.json` that only the tree has; they are counted, but are no differences."""
    reports = [(base, tree)] if isinstance(base, dict) else [
        [json.loads(path.read_text()) for path in (base / name, tree / name)]
        for name in sorted({path.relative_to(base) for path in base.glob("**/report.json")})
        if (tree / name).exists()
    ]
    count = 0
    for old, new in reports:
        known = {renamed(path) for path, _ in figures(old)}
        count += sum(1 for path, _ in figures(new) if path not in known and not is_named(path))
    return count


def columns_differ(base, tree):
    """True unless two Parquet files hold the same columns; None where nobody can tell."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError:
        return None
    old, new = (parquet.read_table(path).replace_schema_metadata() for path in (base, tree))
    if base.name == "predictions.parquet" and counted_from_one(old, new):
        old = old.set_column(old.column_names.index("row"), "row", new["row"])
    old = old.rename_columns([name if name in new.column_names else COLUMNS.get(name, name) for name in old.column_names])
    if old.column_names != new.column_names:
        return True
    try:
        # Positions were once written as floats.
        return not old.cast(new.schema).equals(new)
    except pyarrow.ArrowInvalid:
        return True


def counted_from_one(old, new):
    """True if rows of the base are counted from 1, as they once were, and those of the tree from 0."""
    old, new = old["row"].to_pylist(), new["row"].to_pylist()
    return len(old) == len(new) and all(a == b + 1 for a, b in zip(old, new))


def compare_files(base, tree):
    out = []
    for pattern in ("**/predictions.parquet", "**/labels.parquet", "**/student*.limbeck"):
        names = sorted({path.relative_to(folder) for folder in (base, tree) for path in folder.glob(pattern)})
        for name in names:
            old, new = base / name, tree / name
            if not (old.exists() and new.exists()):
                out.append(f"{name}: only in one of both")
            elif old.read_bytes() != new.read_bytes() and (name.suffix != ".parquet" or columns_differ(old, new) is not False):
                out.append(f"{name}: other bytes")
    return out


def compare(base, tree):
    if isinstance(base, dict):
        return compare_reports(base, tree)
    reports = sorted({path.relative_to(folder) for folder in (base, tree) for path in folder.glob("**/report.json")})
    out = []
    for name in reports:
        if not ((base / name).exists() and (tree / name).exists()):
            out.append(f"{name}: only in one of both")
            continue
        out += [f"{name}: {line}" for line in compare_reports(*(json.loads((folder / name).read_text()) for folder in (base, tree)))]
    if not reports:
        out.append("no report")
    return out + compare_files(base, tree)


def main():
    base = sys.argv[1] if len(sys.argv) > 1 else ""
    if not base:
        sys.exit("name the base: make same BASE=<commit>")
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    unknown = set(only) - set(RECIPES)
    if unknown:
        sys.exit(f"ONLY: no recipe {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    programs = {"base": build_base(base), "tree": Path(os.environ.get("LIMBECK") or ROOT / "target" / "release" / "limbeck")}
    for side in programs:
        shutil.rmtree(WORK / side, ignore_errors=True)
        (WORK / side / "tables").mkdir(parents=True)
        tables(WORK / side / "tables")
    start, failed = time.time(), []
    for name in only or RECIPES:
        sides = [run(program, name, RECIPES[name], WORK / side) for side, program in programs.items()]
        differences = compare(*sides)
        new = added(*sides)
        print(f"{name}: {'same' if not differences else f'{len(differences)} differences'}{f', {new} new figures' if new else ''}", flush=True)
        for line in differences[:12]:
            print(f"  {line}")
        failed += [name] if differences else []
    print(f"{len(only or RECIPES) - len(failed)} of {len(only or RECIPES)} recipes are the same; {time.time() - start:.0f} s")
    sys.exit(1 if failed else 0)


main()
