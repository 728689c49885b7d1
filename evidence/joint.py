#!/usr/bin/env python3
"""One student for several targets against one for each, at equal bytes: writes docs/joint.md. Needs nothing beyond python3, a C compiler and a built limbeck.

Each result is kept in evidence/results-joint/, so that an interrupted series goes on where it was. Delete a file to measure it again.

  RENDER=1           only write the document, from the results that exist
  QUICK=1            one seed and short schedules, to see that everything runs; writes no document
  LIMBECK=FILE       the program to measure (default target/release/limbeck)
  LIMBECK_DATA=DIR   where the data sets are (default ../shared/data); without it the real set is left out, and that is said
"""
import csv
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("LIMBECK_DATA") or ROOT.parent / "shared" / "data")
QUICK = os.environ.get("QUICK") == "1"
RENDER = os.environ.get("RENDER") == "1"
RESULTS = ROOT / "evidence" / ("results-joint-quick" if QUICK else "results-joint")
LIMBECK = os.environ.get("LIMBECK") or str(ROOT / "target" / "release" / "limbeck")
SEEDS = range(1 if QUICK else 5)
# Parameters of each separate student.
PARAMS = 500
OPTIONS = ["--quality", "fast", "--quiet", *(["--steps", "1000"] if QUICK else [])]


def building(draw):
    """Heating and cooling load of a room, in kWh/m² a year, from its shape: steady losses through walls, roof and glass, gains of sun and people."""
    length, width, height = draw.uniform(5, 20), draw.uniform(4, 12), draw.choice([2.5, 3.0, 3.5, 5.0])
    glass, facing = draw.choice([0.0, 0.1, 0.25, 0.4]), draw.choice(["north", "east", "south", "west"])
    wall_u, roof_u, air = draw.uniform(0.15, 1.5), draw.uniform(0.1, 0.8), draw.uniform(0.2, 1.2)
    floor, walls = length * width, 2 * (length + width) * height
    pane = glass * walls / 4
    losses = wall_u * (walls - pane) + 1.3 * pane + roof_u * floor + 0.33 * air * floor * height
    sun = pane * {"north": 120, "east": 300, "south": 420, "west": 330}[facing] * 0.6
    gains = 0.5 * sun + 25 * floor
    heating = max(0.0, 24 * 2900 * losses / 1000 - 0.8 * gains) / floor
    cooling = (0.7 * sun + 18 * floor + 24 * 300 * losses / 1000 * (1.0 if height < 4 else 1.2)) / floor
    inputs = [length, width, height, glass, facing, wall_u, roof_u, air]
    return inputs, [heating * draw.gauss(1, 0.03), cooling * draw.gauss(1, 0.03)]


def bridge(draw):
    """Two principal strains, in 1e-6, and the temperature, in °C, of a steel plate from three quarter bridges at 0°, 45° and 90° and a thermistor's divider."""
    mean, half, angle = draw.uniform(-600, 600), draw.uniform(0, 900), draw.uniform(0, math.pi)
    temperature, supply = draw.uniform(-20, 90), draw.uniform(4.5, 5.5)
    millivolts = []
    for gauge in (0.0, math.pi / 4, math.pi / 2):
        strain = mean + half * math.cos(2 * (gauge - angle)) + 11.5 * (temperature - 20) * 0.4
        change = 2.05 * (1 - 2e-4 * (temperature - 20)) * strain * 1e-6
        millivolts.append(1000 * supply * change / (4 + 2 * change) + draw.gauss(0, 0.004))
    resistance = 10_000 * math.exp(3950 * (1 / (temperature + 273.15) - 1 / 298.15))
    divider = supply * resistance / (resistance + 10_000) + draw.gauss(0, 0.002)
    return [*millivolts, supply, divider], [mean + half, mean - half, temperature]


# name: what it is, columns, targets, rows, row by row.
SIMULATED = {
    "building": ("simulated: heating and cooling load of a room", "length,width,height,glass,facing,wall_u,roof_u,air", ["heating", "cooling"], 2000, building),
    "bridge": ("simulated: strain rosette of three bridges", "v0_mv,v45_mv,v90_mv,supply_v,thermistor_v", ["strain_max", "strain_min", "temp_c"], 3000, bridge),
}
AIR = ["ref_co", "ref_no2", "ref_nox"]
TITLES = {"air_quality": "real: carbon monoxide, nitrogen dioxide and nitrogen oxides from five gas sensors"}
TITLES.update({name: entry[0] for name, entry in SIMULATED.items()})
TARGETS = {"air_quality": AIR, **{name: entry[2] for name, entry in SIMULATED.items()}}


def table(name, path):
    """Writes the table; false where it is not there."""
    if name in SIMULATED:
        _, columns, targets, rows, row = SIMULATED[name]
        draw = random.Random(f"joint {name}")
        with path.open("w") as out:
            out.write(",".join([columns, *targets]) + "\n")
            for _ in range(rows):
                inputs, values = row(draw)
                out.write(",".join([*(x if isinstance(x, str) else f"{x:.6g}" for x in inputs), *(f"{y:.7g}" for y in values)]) + "\n")
        return True
    source = DATA / "air_quality" / "air_quality.csv"
    if not source.exists():
        return False
    # Rows that have all targets, so that both ways see the same ones.
    with source.open() as file, path.open("w") as out:
        writer = csv.writer(out)
        lines = csv.reader(file)
        header = next(lines)
        kept = [at for at, column in enumerate(header) if column in AIR or not column.startswith("ref_") and column != "time"]
        needed = [header.index(target) for target in AIR]
        writer.writerow([header[at] for at in kept])
        writer.writerows([line[at] for at in kept] for line in lines if all(line[at] for at in needed))
    return True


def distill(work, name, out, targets, params, seed, *more):
    command = [LIMBECK, "distill", f"{name}.csv", "--target", ",".join(targets), "--params", str(params), "--seed", str(seed), "-o", out, *OPTIONS, *more]
    start = time.time()
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - start
    reports = [json.loads((work / out / target / "report.json").read_text()) for target in targets]
    subprocess.run([LIMBECK, "export", out, "--to", "c", "--out", f"{out}-c", "--quiet"], cwd=work, check=True)
    return {
        "seconds": seconds,
        "teacher": [report["test"]["teacher"]["rmse"] for report in reports],
        "shipped": [report["test"]["shipped"]["rmse"] for report in reports],
        "distilled": [report["test"]["distilled"]["rmse"] for report in reports],
        "bytes": reports[0]["joint"]["bytes"] if "joint" in reports[0] else sum(report["student"]["bytes"] for report in reports),
        "parameters": reports[0]["joint"]["parameters"] if "joint" in reports[0] else sum(report["student"]["parameters"] for report in reports),
        **in_c(work, f"{out}-c", targets),
    }


def in_c(work, folder, targets):
    """Bytes of constants, and nanoseconds for the predictions of all targets of one row."""
    names = sorted(path.stem for path in (work / folder).glob("*.h"))
    constants = sum(int(re.search(r"about (\d+) bytes of constants", (work / folder / f"{name}.h").read_text())[1]) for name in names)
    # The rows of the test program, in one long loop: what it calls is called often.
    body = []
    for name in names:
        rows = re.findall(r"((?:    row\.\w+ = [^;]+;\n)+)", (work / folder / f"{name}_test.c").read_text())
        call = f"{name}_predict(&row, out); sum += out[0];" if len(names) == 1 and len(targets) > 1 else f"sum += {name}_predict(&row);"
        body.append(f"    {{ {name}_row row; " + "".join(f"{row.replace(chr(10), ' ')} {call}\n" for row in rows) + "    }\n")
    rows = len(re.findall(r"_predict\(", body[0]))
    text = "".join(f'#include "{name}.h"\n' for name in names)
    text += f"#include <math.h>\n#include <stdio.h>\n#include <time.h>\nint main(void) {{ double sum = 0, out[{len(targets)}]; int i; clock_t start = clock(); (void)out;\nfor (i = 0; i < 20000; i++) {{\n"
    text += "".join(body) + f'}}\nprintf("%.3f %g\\n", 1e9 * (double)(clock() - start) / CLOCKS_PER_SEC / 20000 / {rows}, sum); return 0; }}\n'
    (work / folder / "time.c").write_text(text)
    subprocess.run(["cc", "-O2", "-o", "time", "time.c", *(f"{name}.c" for name in names), "-lm"], cwd=work / folder, check=True)
    times = [float(subprocess.run(["./time"], cwd=work / folder, check=True, capture_output=True, text=True).stdout.split()[0]) for _ in range(3)]
    return {"constants": constants, "nanoseconds": min(times)}


def measure(name, seed):
    targets = TARGETS[name]
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        if not table(name, work / f"{name}.csv"):
            return None
        found = {"separate": distill(work, name, "separate", targets, PARAMS, seed)}
        # As many bytes of constants in C, which are what a device holds: a file has a header besides.
        share = found["separate"]["constants"] / found["separate"]["parameters"]
        params = found["separate"]["parameters"]
        for attempt in range(3):
            joint = distill(work, name, f"joint{attempt}", targets, params, seed, "--joint")
            if joint["constants"] <= 1.005 * found["separate"]["constants"]:
                break
            params -= math.ceil((joint["constants"] - found["separate"]["constants"]) / share) + 10
        found["joint"] = joint
        found["small"] = distill(work, name, "small", targets, PARAMS, seed, "--joint")
    return found


T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}


def interval(values):
    """Mean and half a 95 % t interval."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return mean, T95[len(values) - 1] * sd / math.sqrt(len(values))


def ratio(found, side, at):
    """Test RMSE of a joint student against the separate one, in per cent less, with an interval over seeds."""
    logs = [math.log(one[side]["shipped"][at] / one["separate"]["shipped"][at]) for one in found]
    mean, half = interval(logs)
    low, high = (100 * (1 - math.exp(mean + s * half)) for s in (1, -1))
    return f"{100 * (1 - math.exp(mean)):+.1f} % ({low:+.1f} to {high:+.1f})"


def render():
    text = [
        "# One student for several targets, or one for each?\n",
        "Written by `evidence/joint.py`, which runs `limbeck distill --quality fast`. Each seed makes another split and other trainings; all three kinds of students use the same rows.\n",
        f"- *Separate*: one student per target, with {PARAMS} parameters each.\n"
        "- *Joint*: one student for all targets, with at most as many bytes of constants in C as the separate students together (to .5 %).\n"
        f"- *Small*: one student for all targets, with {PARAMS} parameters.\n",
        "Values of *teacher*, *separate*, *joint* and *small* are test RMSE in the target's unit, as means over seeds; for students, of the shipped file. *Saves* is the reduction of test RMSE "
        "against the separate student. It is computed from the mean over seeds of the logarithm of the ratio, and has a 95 % t interval over seeds.\n",
        "| set | target | teacher | separate | joint | small | joint saves | small saves |\n|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    costs = ["\n## Bytes and time\n", "For separate students, values are sums over the targets. *ns a row* is the time in nanoseconds that the exported C takes to predict all targets of one row, compiled with `cc -O2`.\n",
             "| set | students | file bytes | C constants | ns a row | training, s |\n|---|---|--:|--:|--:|--:|"]
    for name, targets in TARGETS.items():
        found = [json.loads(path.read_text()) for path in (RESULTS / f"{name}-{seed}.json" for seed in SEEDS) if path.exists()]
        if not found:
            continue
        mean = lambda side, key, at=None: sum(one[side][key] if at is None else one[side][key][at] for one in found) / len(found)
        for at, target in enumerate(targets):
            title = f"{name} ({TITLES[name]}; {len(found)} seeds)" if at == 0 else ""
            figures = [f"{mean('separate', 'teacher', at):.4g}", *(f"{mean(side, 'shipped', at):.4g}" for side in ("separate", "joint", "small"))]
            text.append(f"| {title} | {target} | " + " | ".join(figures) + f" | {ratio(found, 'joint', at)} | {ratio(found, 'small', at)} |")
        for side in ("separate", "joint", "small"):
            costs.append(f"| {name} | {side} | {mean(side, 'bytes'):.0f} | {mean(side, 'constants'):.0f} | {mean(side, 'nanoseconds'):.0f} | {mean(side, 'seconds'):.0f} |")
    (ROOT / "docs" / "joint.md").write_text("\n".join([*text, *costs]) + "\n")
    print("wrote docs/joint.md")


def main():
    RESULTS.mkdir(exist_ok=True, parents=True)
    for name, seed in ((name, seed) for seed in SEEDS for name in TARGETS if not RENDER):
        path = RESULTS / f"{name}-{seed}.json"
        if path.exists():
            continue
        start = time.time()
        found = measure(name, seed)
        if found is None:
            print(f"skipped {name}: not in {DATA}", file=sys.stderr)
            continue
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{name} {seed}: {time.time() - start:.0f} s", flush=True)
    if not QUICK:
        render()


if __name__ == "__main__":
    main()
