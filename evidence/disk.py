#!/usr/bin/env python3
"""Takes the disk away from `limbeck distill` at different moments and looks at what it says and leaves; then gives it back and goes on with
--resume, whose result must have the bytes of a run that was left in peace.

A disk that is full is a small file system in memory; a disk that may not be written any more is the folder of the run with a read-only mount
over it, put there at a random moment. Both hold for root too. Needs the right to mount; says so and ends where it is missing.

  python3 evidence/disk.py             LIMBECK=FILE: the program [default: target/release/limbeck]
"""
import random
import re
import subprocess
import tempfile
import time
from pathlib import Path

from kill import KINDS, LIMBECK, QUICK, contents, prepare

SIZES = [64, 160, 300, 500, 800, 1200, 2000, 3000, 4000, 5000, 6000, 8000]
MOMENTS = 12


def mount(place, *options):
    return subprocess.run(["mount", *options, "tmpfs", str(place)], capture_output=True, text=True)


def refused(done, what):
    """Asserts a clear end: exit 2 and one message with the system's words, and nothing under the final name."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and "panicked" not in done.stderr, (what, done.returncode, done.stderr)
    return errors[0]


def without_disk():
    """What was seen, in a sentence, and the messages; none of both where nothing can be mounted."""
    draw = random.Random(9)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        prepare(folder)
        place = folder / "small"
        place.mkdir()
        first = mount(place, "-t", "tmpfs", "-o", "size=1m")
        if first.returncode != 0:
            return f"skipped: no right to mount: {first.stderr.strip()}", set()
        try:
            flags = [*KINDS["network"], *QUICK]
            start = time.perf_counter()
            subprocess.run([LIMBECK, "distill", "t.csv", *flags, "--out", "whole"], cwd=folder, check=True, capture_output=True)
            seconds = time.perf_counter() - start
            whole = contents(folder / "whole")
            full = {"resumed": 0, "begun anew": 0, "done in spite of it": 0}
            words = set()
            for turn, kilobytes in enumerate(SIZES):
                out = f"small/full-{turn}"
                used = int(subprocess.run(["du", "-sk", str(place)], capture_output=True, text=True).stdout.split()[0])
                mount(place, "-o", f"remount,size={used + kilobytes}k")
                done = subprocess.run([LIMBECK, "distill", "t.csv", *flags, "--out", out], cwd=folder, capture_output=True, text=True)
                mount(place, "-o", "remount,size=200m")
                full[finish(folder, out, flags, done, whole, words)] += 1
            readonly = {"resumed": 0, "begun anew": 0, "done in spite of it": 0}
            for turn in range(MOMENTS):
                out = f"small/readonly-{turn}"
                process = subprocess.Popen([LIMBECK, "distill", "t.csv", *flags, "--out", out], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                time.sleep(seconds * draw.uniform(0.02, 0.95))
                unfinished = folder / f"{out}.unfinished"
                held = unfinished.exists() and subprocess.run(["mount", "--bind", unfinished, unfinished], capture_output=True).returncode == 0
                # A file that is being written at the moment keeps the mount from turning read-only.
                for _ in range(500 if held else 0):
                    if subprocess.run(["mount", "-o", "remount,bind,ro", unfinished], capture_output=True).returncode == 0:
                        break
                    time.sleep(0.002)
                stdout, stderr = process.communicate()
                if held:
                    subprocess.run(["umount", unfinished], check=False)
                done = subprocess.CompletedProcess([], process.returncode, stdout, stderr)
                readonly[finish(folder, out, flags, done, whole, words)] += 1
        finally:
            subprocess.run(["umount", str(place)], check=False)
    words_of = lambda ends: ", ".join(f"{n} {what}" for what, n in ends.items())
    return (f"full disk at {len(SIZES)} sizes: {words_of(full)}; read-only at {MOMENTS} moments: {words_of(readonly)}; every result has the bytes of "
            "a run left in peace"), words


def finish(folder, out, flags, done, whole, words):
    """What became of a run without a disk, brought to its end."""
    final, unfinished = folder / out, folder / f"{out}.unfinished"
    if done.returncode == 0:
        assert contents(final) == whole, out
        return "done in spite of it"
    message = refused(done, out)
    words.add(re.sub(r"[\w.-]*\.piece", "….piece", message.replace(str(folder), "").replace(out, "RUN")))
    assert not final.exists(), out
    how = "begun anew"
    if unfinished.exists():
        assert "--resume" in message, message
        subprocess.run([LIMBECK, "distill", "--resume", out, "--quiet"], cwd=folder, check=True, capture_output=True)
        how = "resumed"
    else:
        subprocess.run([LIMBECK, "distill", "t.csv", *flags, "--out", out], cwd=folder, check=True, capture_output=True)
    assert contents(final) == whole, out
    assert not [path for path in final.rglob("*") if ".tmp" in path.name], out
    return how


def main():
    seen, words = without_disk()
    print(seen + "".join(f"\n  {line}" for line in sorted(words)))


if __name__ == "__main__":
    main()
