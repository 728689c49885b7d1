#!/usr/bin/env python3
"""Speed, beside PyTorch where it is installed; writes evidence/bench.md. Compare by ratio: the machines are noisy.

  LIMBECK_BENCH=DIR     scripts of the other side (default ../shared/bench); without them ours is measured alone, and said so
  LIMBECK_PYTHON=FILE   a Python with torch (default: this one)
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


def ours():
    lines = [json.loads(line) for line in cargo("train_step").splitlines() if line.startswith("{")]
    return next(line["step_us_median"] for line in lines if line["input"] == "dense")


def torch():
    """Microseconds per step of the same network in PyTorch; None where it cannot be measured."""
    script = BENCH / "train_throughput.py"
    if not script.exists():
        return None
    command = [PYTHON, script, "--model", "mlp", "--hidden", "64,64", "--rows", "20000", "--features", "8", "--batch", "256", "--threads", "1"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        return None
    return 1e6 / json.loads(done.stdout.splitlines()[-1])["steps_per_s"]


def main():
    out = ["## Speed\n", "Training step of an 8→64→64→1 perceptron, batch 256, one thread, microseconds; rounds alternate between the two sides.\n",
           "| round | limbeck | PyTorch | ratio |", "|---|---|---|---|"]
    for number in range(1, ROUNDS + 1):
        mine, theirs = ours(), torch()
        ratio = "–" if theirs is None else f"{theirs / mine:.2f}"
        theirs = "not installed" if theirs is None else f"{theirs:.0f}"
        out.append(f"| {number} | {mine:.0f} | {theirs} | {ratio} |")
        print(out[-1], flush=True)
    out.append("\nPrediction, as `cargo bench --bench speed` prints it:\n\n```text\n" + cargo("speed").strip() + "\n```\n")
    (ROOT / "evidence" / "bench.md").write_text("\n".join(out))
    print("wrote evidence/bench.md")


main()
