#!/usr/bin/env python3
"""Writes simulated tables of three kinds as CSV, the same bytes each time. Needs nothing beyond python3.

  simulate.py FOLDER

  steps.csv    15 000 rows, 26 inputs: a machine with settings. Ten inputs never change; the target is made of steps in some of the
               others, whose heights depend on a setting, and of noise.
  smooth.csv   308 rows, 6 inputs: a resistance that grows exponentially with speed, as that of a sailing yacht, nearly without noise.
  hourly.csv   17 000 rows: hourly counts with days, weeks, seasons, weather and a trend; `hour_index` gives the order.
  splits.csv   rows held out for testing: every fifth at random of each table, split names `steps`, `smooth`, `hourly`; `hourly_time` holds
               out the last fifth of the hours and keeps the fifth before for validation.
"""
import math
import random
import sys
from pathlib import Path


def steps(rng, rows=15_000):
    names = [f"s{i:02}" for i in range(26)]
    constant = {2, 5, 7, 9, 12, 15, 16, 20, 23, 25}
    cuts = {i: sorted(rng.uniform(0, 100) for _ in range(rng.randint(2, 6))) for i in range(26) if i not in constant}
    heights = {(i, mode): [rng.gauss(0, 3) for _ in range(8)] for i in list(cuts)[:9] for mode in range(4)}
    level = {i: round(rng.uniform(0, 50), 1) for i in constant}
    out = []
    for _ in range(rows):
        mode = rng.randrange(4)
        load = rng.random()
        row, y = [], 0.0
        for i in range(26):
            if i in constant:
                row.append(level[i])
            elif i == 0:
                row.append(mode)
            else:
                # Readings of one machine move together.
                row.append(round(100 * min(max(0.6 * load + 0.4 * rng.random() + rng.gauss(0, 0.05), 0), 1), 2))
        for (i, m), height in heights.items():
            if m == mode and i != 0:
                y += height[sum(row[i] >= cut for cut in cuts[i])]
        y += 6 * (row[1] > 50) * (row[3] > 40) + 0.05 * row[4] + rng.gauss(0, 1.5)
        out.append([*row, round(y, 3)])
    return [*names, "y"], out


def smooth(rng, rows=308):
    hulls = [[round(rng.uniform(a, b), 2) for a, b in ((-5, 0), (0.53, 0.6), (4.34, 5.14), (2.81, 5.35), (2.73, 3.64))] for _ in range(22)]
    out = []
    for row in range(rows):
        position, prismatic, length, draught, beam = hulls[row % 22]
        froude = round(0.125 + 0.025 * (row // 22), 3)
        wave = math.exp(14.5 * (froude - 0.36) * (1 + 0.6 * (prismatic - 0.565) / 0.035 * 0.2))
        shape = 1 + 0.12 * (beam - 3.2) - 0.08 * (length - 4.75) + 0.03 * position + 0.05 * math.sin(2 * draught)
        y = 9 * wave * shape + 2 * froude * (1 + 0.3 * math.cos(3 * (prismatic - 0.56) / 0.04))
        out.append([position, prismatic, length, draught, beam, froude, round(y * math.exp(rng.gauss(0, 0.01)), 3)])
    return ["position", "prismatic", "length_displacement", "beam_draught", "length_beam", "froude", "resistance"], out


def poisson(rng, mean):
    """Normal for large means, by multiplication for small ones."""
    if mean > 40:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def hourly(rng, rows=17_000):
    out = []
    front, rain = 0.0, 0.0
    for hour in range(rows):
        day, clock = hour // 24, hour % 24
        weekday, year = day % 7, (hour % 8766) / 8766
        free = weekday >= 5
        front = 0.98 * front + rng.gauss(0, 0.8)
        rain = max(0.0, 0.9 * rain + rng.gauss(-0.03, 0.2))
        temperature = 11 - 10 * math.cos(2 * math.pi * (year - 0.05)) + 4 * math.sin(2 * math.pi * (clock - 9) / 24) + front
        humidity = min(max(60 - 1.2 * (temperature - 11) + 15 * min(rain, 2) + rng.gauss(0, 6), 10), 100)
        wind = abs(rng.gauss(12, 6))
        peak = lambda at, width: math.exp(-0.5 * ((clock - at) / width) ** 2)
        commute = 0.0 if free else 300 * peak(8, 1.1) + 330 * peak(17.5, 1.6)
        leisure = (190 if free else 70) * peak(14.5, 3.5) + 15 * peak(22, 2)
        weather = math.exp(-0.5 * ((temperature - 23) / 13) ** 2) * math.exp(-0.9 * min(rain, 3)) * (1 - 0.004 * max(wind - 15, 0)) * (1 - 0.004 * max(humidity - 70, 0))
        trend = 1 + 0.6 * hour / rows
        mean = trend * (8 + (commute * (0.4 + 0.6 * weather) + leisure * weather))
        out.append([hour, clock, weekday, 1 + int(year * 12), day // 365, round(temperature, 1), round(humidity), round(wind, 1), round(rain, 2), poisson(rng, mean)])
    return ["hour_index", "hour", "weekday", "month", "year", "temperature", "humidity", "wind", "rain", "count"], out


def ranges(rows):
    """Half-open ranges that cover the given rows."""
    found = []
    for row in sorted(rows):
        if found and found[-1][1] == row:
            found[-1][1] = row + 1
        else:
            found.append([row, row + 1])
    return found


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "simulated")
    folder.mkdir(parents=True, exist_ok=True)
    splits = ["split,set,start,stop"]
    for name, make in (("steps", steps), ("smooth", smooth), ("hourly", hourly)):
        header, rows = make(random.Random(f"limbeck {name}"))
        (folder / f"{name}.csv").write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")
        shuffled = list(range(len(rows)))
        random.Random(f"limbeck test {name}").shuffle(shuffled)
        splits += [f"{name},test,{start},{stop}" for start, stop in ranges(shuffled[:len(rows) // 5])]
        if name == "hourly":
            fifth = len(rows) // 5
            splits += [f"hourly_time,val,{len(rows) - 2 * fifth},{len(rows) - fifth}", f"hourly_time,test,{len(rows) - fifth},{len(rows)}"]
    (folder / "splits.csv").write_text("\n".join(splits) + "\n")


if __name__ == "__main__":
    main()
