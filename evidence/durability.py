#!/usr/bin/env python3
"""What a run survives, and what writing things down costs: docs/durability.md.

  python3 evidence/durability.py       KILLS=N kills [default: 200], FAULTS=N faults [default: 10000]
  LIMBECK=FILE                         the program [default: target/release/limbeck]
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from disk import without_disk
from kill import LIMBECK, ROOT, kills_of, prepare

KILLS = int(os.environ.get("KILLS") or 200)
FAULTS = os.environ.get("FAULTS") or "10000"


def damage():
    """The test of damaged files, with more of them."""
    command = ["cargo", "test", "--release", "--workspace", "--locked", "-q", "--test", "faults", "--", "--nocapture"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "LIMBECK_FAULTS": FAULTS}, capture_output=True, text=True)
    seen = re.search(r"\d+ faults in \d+ files", done.stdout + done.stderr)
    if done.returncode != 0 or not seen:
        sys.exit(done.stdout + done.stderr)
    return f"{seen[0]}: each found by the manifest or without effect, no panic"


def writing():
    """Share of the time in which students train that goes into curves, event files and checkpoints, as the run measures it."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        command = [LIMBECK, "distill", "t.csv", "--target", "y", "--drop", "z", "--teacher", "trees", "--steps", "20000", "--quiet", "--checkpoint-every", "1s", "--out", "run"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        report = json.loads((Path(folder) / "run" / "report.json").read_text())
    stages = report["measured"]["stages"]
    trained = (stages["search"] + stages["refit"]) * report["measured"]["threads"]
    written = stages["curves written while training"]
    return (f"curves, JSON lines and event files took {written:.2f} of {trained:.1f} thread seconds of training ({100 * written / trained:.2f} %), "
            f"checkpoints every second {stages['checkpoints']:.2f} ({100 * stages['checkpoints'] / trained:.2f} %)")


def main():
    seen, faults = kills_of(KILLS)
    if faults:
        sys.exit("\n".join(faults))
    without, words = without_disk()
    lines = [
        "# Crash tests\n",
        "Written by `make durability`.\n",
        f"- **Killed** with SIGKILL at random moments of its stages, then continued with `--resume`, which is sometimes killed as well. {seen}.",
        f"- **Without a disk**, as root. {without}.",
        f"- **Damaged**: {damage()}.",
        f"- **What it costs**: {writing()}.",
        "\nError messages of failed writes:\n",
        "```text\n" + "\n".join(sorted(words)) + "\n```",
    ]
    (ROOT / "docs" / "durability.md").write_text("\n".join(lines) + "\n")
    print("wrote docs/durability.md")


if __name__ == "__main__":
    main()
