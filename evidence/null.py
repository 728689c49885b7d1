"""False verdicts of whole runs: students whose teacher is the target itself, so that the distilled student and the baseline learn the same.

  python3 evidence/null.py [RUNS]     30 runs by default, at --quality fast with 3 seeds; prints each verdict, then the counts

The teacher's column is a copy of the target. There is nothing to take from it that the targets do not say, and every "helps" or "hurts" is false, provided that the search gives both sides the
same freedom: where only the baseline is tuned (weight decay, schedules), "hurts" is what that tuning is worth.
"""
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

LIMBECK = pathlib.Path(__file__).parent.parent / "target/release/limbeck"
LAWS = [
    lambda x: 2 * x[0] - x[1] + 0.5 * x[2],
    lambda x: math.sin(3 * x[0]) + x[1] * x[2],
    lambda x: max(x[0], x[1]) + 0.5 * (x[2] > 0),
]


def table(path, seed):
    rng = random.Random(seed)
    law, noise = LAWS[seed % len(LAWS)], 0.1 * 2 ** (seed % 4)
    lines = ["a,b,c,y,copy"]
    for _ in range(600 + 150 * (seed % 5)):
        x = [rng.gauss(0, 1) for _ in range(3)]
        y = law(x) + noise * rng.gauss(0, 1)
        lines.append(",".join(repr(value) for value in (*x, y, y)))
    path.write_text("\n".join(lines) + "\n")


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    kinds = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for seed in range(runs):
            table(folder / "t.csv", seed)
            out = folder / f"run{seed}"
            command = [LIMBECK, "distill", folder / "t.csv", "--target", "y", "--teacher-column", "copy", "--check", "leak=warn", "--quality", "fast",
                       "--repeats", "3", "--seed", str(seed), "--quiet", "--out", out]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            report = json.loads((out / "report.json").read_text())
            kinds.append(report["verdict"]["kind"])
            print(seed, kinds[-1], report["method"]["error_saved"], flush=True)
    wrong = sum(kind in ("helps", "hurts") for kind in kinds)
    print(f"{runs} runs, {wrong} false verdicts ({100 * wrong / runs:.0f} %): " + ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds))))


main()
