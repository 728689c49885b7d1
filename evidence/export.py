#!/usr/bin/env python3
"""Runs exported students where they will run: ONNX Runtime, and C by every compiler found, with sanitizers. Writes docs/export.md.

Random students with every encoding and operation, or a folder of exported ones, are compared with what limbeck's runtime predicted for their golden
rows. A format that refuses a student has to say so in words.

  python3 evidence/export.py [COUNT]     COUNT random students [default: 1200]
  CC="gcc;clang"                         compilers, separated by semicolons [default: those found among gcc, clang and `python3 -m ziglang cc`]
  RANDOM_STUDENTS=FILE                   the example program [default: built by cargo]

Needs the Python packages onnx, onnxruntime and numpy; says so and ends where they are missing.
"""
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
except ImportError as missing:
    sys.exit(f"skipped: {missing}; pip install onnx onnxruntime numpy")


def compilers():
    if os.environ.get("CC"):
        return [shlex.split(command) for command in os.environ["CC"].split(";")]
    found = [[name] for name in ("gcc", "clang") if shutil.which(name)]
    if subprocess.run([sys.executable, "-m", "ziglang", "version"], capture_output=True).returncode == 0:
        found.append([sys.executable, "-m", "ziglang", "cc"])
    return found


def version(compiler):
    return subprocess.run([*compiler, "--version"], capture_output=True, text=True).stdout.splitlines()[0]


def run_c(compiler, folder, number, flags):
    """Largest difference of a student's test program, or what went wrong."""
    name = f"s{number}"
    with tempfile.TemporaryDirectory() as work:
        program = f"{work}/test"
        built = subprocess.run([*compiler, *FLAGS, *flags, f"{name}.c", f"{name}_test.c", "-lm", "-o", program], cwd=folder, capture_output=True, text=True)
        if built.returncode:
            return f"does not compile: {built.stderr[:600]}"
        done = subprocess.run([program], capture_output=True, text=True)
    if done.returncode:
        return f"exit {done.returncode}: {done.stdout[-200:]} {done.stderr[:600]}"
    return float(done.stdout.split("max |difference| ")[1].split(",")[0])


def in_order(session, feed, state, golden):
    """The predictions for all golden rows; those of a recurrent student are consecutive rows of one series."""
    memory, rows = golden.get("memory"), len(golden["rows"])
    if memory is None:
        return np.hstack(session.run(None, feed))
    found = []
    carried = None if state is None else np.zeros((1, state.shape[1]), dtype=np.float32)
    for row in range(rows):
        if memory == "carried":
            *outputs, carried = session.run(None, {**{name: values[row:row + 1] for name, values in feed.items()}, state.name: carried})
        else:
            first = max(0, row + 1 - memory["rolling"])
            # Twice the same window: a batch of two rows.
            outputs = session.run(None, {name: np.repeat(values[first:row + 1].T, 2, axis=0) for name, values in feed.items()})
            assert all(np.allclose(output[0], output[1], rtol=1e-5) for output in outputs), "rows of a batch differ"
        found.append(np.hstack(outputs)[0])
    return np.array(found)


def run_onnx(folder, number):
    """Largest difference in ONNX Runtime, relative to the size of the predictions, or what went wrong."""
    path = folder / f"{number}.onnx"
    golden = json.loads((folder / f"{number}.json").read_text())
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        feed, state = {}, None
        for wanted in session.get_inputs():
            if golden.get("memory") == "carried" and wanted.name.startswith("state"):
                state = wanted
                continue
            # A date is one input; its parts are columns DATE.PART.
            place = next(at for at, name in enumerate(golden["columns"]) if name == wanted.name or name.startswith(wanted.name + "."))
            cells = [row["raw"][place] for row in golden["rows"]]
            if wanted.type == "tensor(string)":
                values = np.array([[cell["text"] if cell else ""] for cell in cells], dtype=object)
            elif wanted.type == "tensor(int64)":
                # The smallest integer is a missing date.
                values = np.array([[np.iinfo(np.int64).min if cell is None else cell["time"]] for cell in cells], dtype=np.int64)
            else:
                values = np.array([[math.nan if cell is None else float.fromhex(cell)] for cell in cells], dtype=np.float64)
            feed[wanted.name] = values
        found = in_order(session, feed, state, golden)
    except Exception as error:  # noqa: BLE001: whatever it is, it is a result
        return f"{type(error).__name__}: {str(error)[:600]}"
    expected = np.array([[float.fromhex(y) for y in row.get("predictions") or [row["prediction"]]] for row in golden["rows"]])
    size = np.maximum(np.abs(expected), np.maximum(expected.std(axis=0), 1e-30))
    return float(np.max(np.abs(found - expected) / size))


def judge(results, bar):
    good = [r for r in results.values() if isinstance(r, float) and r <= bar]
    bad = {number: r for number, r in results.items() if not (isinstance(r, float) and r <= bar)}
    return good, bad


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1200
    program = os.environ.get("RANDOM_STUDENTS")
    lines = []
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        command = [program] if program else ["cargo", "run", "--release", "--locked", "-q", "-p", "limbeck-export", "--example", "random", "--"]
        subprocess.run([*command, str(count), str(folder), "7"], cwd=ROOT, check=True)
        jobs = []
        for compiler in compilers():
            for label, flags in (("-O2", ["-O2"]), ("-O1, address and undefined sanitizers", SANITIZE)):
                jobs.append((f"{version(compiler)}, {label}", "c", lambda n, c=compiler, f=flags: run_c(c, folder, n, f), math.inf))
        jobs.append((f"ONNX Runtime {ort.__version__}, after the checker of onnx {onnx.__version__}", "onnx", lambda n: run_onnx(folder, n), 1e-5))
        for label, kind, work, bar in jobs:
            refused = {int(path.name.split(".")[0]): path.read_text() for path in folder.glob(f"*.{kind}.refused")}
            numbers = [n for n in range(count) if n not in refused]
            with ThreadPoolExecutor(2) as pool:
                results = dict(zip(numbers, pool.map(work, numbers)))
            good, bad = judge(results, bar)
            failed += len(bad)
            unit = "of the larger of prediction and its standard deviation" if kind == "onnx" else "in the target's unit"
            lines.append(f"| {label} | {len(good)} | {len(refused)} | {len(bad)} | {max(good, default=float('nan')):.2g} {unit} |")
            print(lines[-1], flush=True)
            for number, what in list(bad.items())[:5]:
                print(f"  student {number}: {what}", file=sys.stderr)
            reasons = sorted({text.split(": ", 1)[1] for text in refused.values()})
            lines.extend(f"| | | | | refused: {reason} |" for reason in reasons)
    text = "\n".join([
        "# Do exported students predict the same?\n",
        "Written by `evidence/export.py`. It compares predictions of limbeck's runtime with predictions of the exported files, for "
        f"{count} random students with every encoding of columns, every operation, parts of dates, numbers that mean missing, and one or three outputs. Each student predicts 24 random rows "
        "with missing values, texts that training did not have, numbers at the edges of bins and numbers far beyond them.\n",
        "The tolerance of C is the tolerance of golden vectors: 1e-5 of the prediction and the target's scale. The tolerance of ONNX is 1e-5 of the larger of the "
        f"prediction and the standard deviation of the student's predictions. C is compiled with `{' '.join(FLAGS)}`.\n",
        "| where | agree | refused with a message | differ or fail | largest difference |\n|---|---|---|---|---|",
        *lines,
    ])
    target = ROOT / "docs" / "export.md"
    target.write_text(text + "\n")
    print(f"wrote {target.relative_to(ROOT)}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
