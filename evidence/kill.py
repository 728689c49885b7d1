#!/usr/bin/env python3
"""Kills `limbeck distill` at random moments and looks at what is left: no run under the final name, or a whole one.

  python3 evidence/kill.py [COUNT]     how often [default: 200]
  LIMBECK=FILE                         the program [default: target/release/limbeck]
"""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMBECK = os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    draw = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        table = folder / "t.csv"
        table.write_text("a,b,y\n" + "".join(f"{i % 17},{i % 23},{(i % 17) * 0.5 + (i % 23) ** 0.5}\n" for i in range(400)))
        command = [LIMBECK, "distill", str(table), "--target", "y", "--quality", "fast", "--steps", "600", "--params", "600", "--teacher", "trees", "--quiet"]
        start = time.perf_counter()
        subprocess.run([*command, "--out", str(folder / "whole")], check=True, capture_output=True)
        whole = time.perf_counter() - start
        left = {"nothing": 0, "a whole run": 0, "half a run": 0}
        unfinished = 0
        for turn in range(count):
            out = folder / f"run-{turn}"
            # Half of the kills near the end, where files are written.
            wait = whole * (draw.uniform(0, 1.05) if turn % 2 else draw.uniform(0.85, 1.1))
            process = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not out.exists():
                left["nothing"] += 1
            elif subprocess.run([LIMBECK, "verify", str(out)], capture_output=True).returncode == 0:
                left["a whole run"] += 1
            else:
                left["half a run"] += 1
        unfinished = len(list(folder.glob(".run-*.unfinished-*")))
    print(f"{count} kills of a run of {whole:.1f} s: " + ", ".join(f"{what} {n}" for what, n in left.items()) + f"; {unfinished} folders named unfinished")
    sys.exit(left["half a run"] > 0)


if __name__ == "__main__":
    main()
