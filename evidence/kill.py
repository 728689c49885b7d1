#!/usr/bin/env python3
"""Kills `limbeck distill` at random moments, goes on with --resume (which is killed at times, too), and compares the result with that of a
run that was never ended: every file that holds no times must have the same bytes.

  python3 evidence/kill.py [COUNT]     how often [default: 200]
  LIMBECK=FILE                         the program [default: target/release/limbeck]
"""
import hashlib
import json
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
QUICK = ["--quality", "fast", "--steps", "600", "--params", "600", "--quiet", "--checkpoint-every", "0.001s"]
# The table and options of runs of different stages: trees; networks with features, layer by layer, disputed rows and a teacher of residuals; two targets; a command; a recurrent student.
KINDS = {
    "trees": ["t.csv", "--target", "y", "--drop", "z", "--teacher", "trees"],
    "network": ["t.csv", "--target", "y", "--drop", "z", "--teacher", "network", "--hints", "attention", "--progressive", "--adversarial-rows", "300",
                "--recipe", "network.toml"],
    "targets": ["t.csv", "--target", "y,z", "--teacher", "trees"],
    "command": ["t.csv", "--target", "y", "--drop", "z", "--recipe", "command.toml"],
    "series": ["s.csv", "--target", "y", "--series", "s", "--time", "t", "--horizon", "1", "--window", "6", "--student", "gru", "--teacher", "trees",
               "--window-rows", "300"],
}
NETWORK = "[teacher]\nresidual_rounds = 1\nfolds = 3\n[teacher.network]\nmembers = 2\nsteps = [300, 300]\n"
COMMAND = "[teacher.command]\ncommand = \"awk -F, 'NR > 1 { print $1 * 0.5 + sqrt($2) + 0.1 }'\"\nbatch_rows = 200\n"


def prepare(folder):
    rows = (f"{i % 17},{i % 23},{(i % 17) * 0.5 + (i % 23) ** 0.5 + 0.1 * (i * 37 % 11)},{(i % 17) * (i % 23)}\n" for i in range(400))
    (folder / "t.csv").write_text("a,b,y,z\n" + "".join(rows))
    steps = (f"{s},{t},{(t * t * (s + 3)) % 13},{(t * 7) % 5 + (t * t * (s + 3)) % 13 * 0.5 + ((t - 1) ** 2 * (s + 3)) % 13 * 0.3:.3f}\n" for s in range(4) for t in range(100))
    (folder / "s.csv").write_text("s,t,a,y\n" + "".join(steps))
    (folder / "network.toml").write_text(NETWORK)
    (folder / "command.toml").write_text(COMMAND)


def contents(run):
    """SHA-256 of what must repeat, by path: times live in the rest."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_dir() or "tensorboard/" in name or path.name in ("report.html", "manifest.json", "log.txt"):
            continue
        data = path.read_bytes()
        if path.name == "report.json":
            report = json.loads(data)
            del report["measured"]
            data = json.dumps(report, sort_keys=True).encode()
        found[name] = hashlib.sha256(data).hexdigest()
    return found


def killed(command, folder, wait):
    """Starts a command and kills it after some time; true if it was killed before it was done."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, error = process.communicate(timeout=wait)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: {error.decode()}")
    return False


def kills_of(count):
    """What was seen in so many kills, in a sentence, and what went wrong."""
    draw = random.Random(5)
    left = {"nothing yet": 0, "an unfinished run": 0, "a whole run": 0}
    kills, faults = 0, []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        prepare(folder)
        whole, seconds = {}, {}
        for kind, flags in KINDS.items():
            start = time.perf_counter()
            subprocess.run([LIMBECK, "distill", *flags, *QUICK, "--out", kind], cwd=folder, check=True, capture_output=True)
            seconds[kind] = time.perf_counter() - start
            whole[kind] = contents(folder / kind)
        turn = 0
        while kills < count:
            kind = list(KINDS)[turn % len(KINDS)]
            out = f"run-{turn}"
            turn += 1
            command = [LIMBECK, "distill", *KINDS[kind], *QUICK, "--out", out]
            # A third of the kills near the end, where files are written and names given.
            wait = seconds[kind] * (draw.uniform(0.85, 1.05) if turn % 3 == 0 else draw.uniform(0, 1))
            for attempt in range(20):
                final, unfinished = folder / out, folder / f"{out}.unfinished"
                goes_on = [LIMBECK, "distill", "--resume", out, "--quiet"]
                was_killed = killed(goes_on if attempt and (unfinished.exists() or final.exists()) else command, folder, wait)
                kills += was_killed
                if not was_killed:
                    break
                left["a whole run" if final.exists() else "an unfinished run" if unfinished.exists() else "nothing yet"] += 1
                if final.exists():
                    break
                # Every second run is killed again on its way.
                wait = seconds[kind] * draw.uniform(0.2, 0.9) if turn % 2 and attempt < 3 else 600
            if contents(folder / out) != whole[kind]:
                mine = contents(folder / out)
                differ = [name for name in sorted(mine | whole[kind]) if mine.get(name) != whole[kind].get(name)]
                faults.append(f"{kind} {out}: {', '.join(differ)}")
                print(f"differs: {faults[-1]}", flush=True)
            if kind != "targets" and subprocess.run([LIMBECK, "verify", out], cwd=folder, capture_output=True).returncode != 0:
                faults.append(f"{kind} {out}: does not verify")
        stray = [path.name for path in folder.iterdir() if path.name.startswith(".") or path.name.endswith(".unfinished")]
    times = ", ".join(f"{kind} {s:.1f} s" for kind, s in seconds.items())
    seen = (f"{kills} kills in {turn} runs ({times}): the kill left " + ", ".join(f"{what} {n} times" for what, n in left.items())
            + f"; after --resume, {len(faults)} differ from a run that was never ended; stray folders: {len(stray)}")
    return seen, faults


def main():
    seen, faults = kills_of(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    print(seen)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
