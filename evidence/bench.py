#!/usr/bin/env python3
"""Speed, beside PyTorch, ONNX Runtime and LightGBM where they are installed; writes evidence/bench.md. Compare by ratio: the machines are noisy.

  LIMBECK_BENCH=DIR     scripts of the other side (default ../shared/bench); without them ours is measured alone, and said so
  LIMBECK_PYTHON=FILE   a Python with torch, onnx, onnxruntime, lightgbm (default: this one)
"""
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = Path(os.environ.get("LIMBECK_BENCH") or ROOT.parent / "shared" / "bench")
PYTHON = os.environ.get("LIMBECK_PYTHON") or sys.executable
ROUNDS = 3


def cargo(name):
    done = subprocess.run(["cargo", "bench", "--workspace", "--locked", "--bench", name], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"cargo bench failed:\n{done.stderr}")
    return done.stdout


# Networks whose training step is measured: what they are, our name, and the options of the other side.
NETWORKS = [
    ("an 8→64→64→1 perceptron", "dense", ["--model", "mlp", "--hidden", "64,64", "--rows", "20000"]),
    ("a GRU of 32 units over 30 steps of 8 inputs", "gru32x30", ["--model", "gru", "--hidden", "32", "--seq", "30", "--rows", "20480"]),
]


def ours():
    """Microseconds per step, by name of the network."""
    return {line["input"]: line["step_us_median"] for line in lines(cargo("train_step"))}


def torch(options):
    """Microseconds per step of the same network in PyTorch; None where it cannot be measured."""
    script = BENCH / "train_throughput.py"
    if not script.exists():
        return None
    command = [PYTHON, script, *options, "--features", "8", "--batch", "256", "--threads", "1"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return 1e6 / json.loads(done.stdout.splitlines()[-1])["steps_per_s"]


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def prediction():
    """Microseconds per row of students on 8 columns, beside the same graphs in ONNX Runtime, and of a LightGBM model."""
    all_mine = lines(cargo("speed"))
    mine = [line for line in all_mine if "bins" in line]
    done = subprocess.run([PYTHON, ROOT / "evidence" / "others.py"], capture_output=True, text=True)
    theirs = lines(done.stdout)
    onnx = {(line["bins"], line["hidden"]): line for line in theirs if "bins" in line}
    out = ["\n## Prediction\n", "Microseconds per row, one thread: one row at a time (encoded, and raw columns through the encoder) and 10 000 rows in one call.\n",
           "| student on 8 columns | row | raw row | in 10 000 | raw, in 10 000 | ONNX Runtime: row | in 10 000 | ratio: row | in 10 000 |", "|---|" + "---|" * 8]
    for line in mine:
        other = onnx.get((line["bins"], line["hidden"]))
        name = f"{line['bins'] or 'no'} bins → {line['hidden']} → {line['hidden']} → 1"
        cells = [f"{line[key]:.3f}" for key in ("row_us", "raw_row_us", "batch_us", "raw_batch_us")]
        if other:
            cells += [f"{other[key]:.3f}" for key in ("row_us", "batch_us")] + [f"{other[key] / line[key]:.1f}×" for key in ("row_us", "batch_us")]
        else:
            cells += ["–"] * 4
        out.append(f"| {name} | " + " | ".join(cells) + " |")
    out += recurrent([line for line in all_mine if "cell" in line], [line for line in theirs if "state" in line])
    for line in (line for line in theirs if "bins" not in line and "state" not in line):
        out.append(f"\n{line['name']} ({line['version']}): {line['row_us']:.1f} µs a row, {line['batch_us']:.2f} µs in 10 000.")
    out += [f"\n{line}" for line in done.stderr.splitlines() if line.startswith("not measured")]
    return [*out, ""]


def recurrent(mine, theirs):
    """Microseconds per row of a GRU of 32 units on 8 inputs, whose state is carried or whose last 30 rows are replayed, beside ONNX Runtime."""
    gru = next((line for line in mine if line["cell"] == "gru"), None)
    if gru is None:
        return []
    other = {line["state"]: line["row_us"] for line in theirs}
    rows = [("state carried, a row at a time", gru["row_us"], other.get(True)), ("the last 30 rows replayed", 30 * gru["window_row_us"], other.get(False))]
    out = ["\nA GRU of 32 units on 8 inputs, one thread, microseconds per row.\n", "| mode | limbeck | ONNX Runtime | ratio |", "|---|---|---|---|"]
    for name, own, theirs in rows:
        ratio, theirs = ("–", "–") if theirs is None else (f"{theirs / own:.1f}×", f"{theirs:.2f}")
        out.append(f"| {name} | {own:.2f} | {theirs} | {ratio} |")
    return out


def main():
    out = ["## Speed\n", "Training step, batch 256, one thread, microseconds; rounds alternate between the two sides.\n",
           "| network | round | limbeck | PyTorch | ratio |", "|---|---|---|---|---|"]
    for number in range(1, ROUNDS + 1):
        mine = ours()
        for name, key, options in NETWORKS:
            theirs = torch(options)
            ratio = "–" if theirs is None else f"{theirs / mine[key]:.2f}"
            theirs = "not installed" if theirs is None else f"{theirs:.0f}"
            out.append(f"| {name} | {number} | {mine[key]:.0f} | {theirs} | {ratio} |")
            print(out[-1], flush=True)
    out += prediction()
    (ROOT / "evidence" / "bench.md").write_text("\n".join(out))
    print("wrote evidence/bench.md")


main()
