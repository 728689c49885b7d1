#!/usr/bin/env python3
"""Reads a run's event files back by the tensorboard package and compares them with metrics.csv and report.json.

  python3 evidence/events.py RUN

Needs the Python package tensorboard; says so and ends where it is missing.
"""
import csv
import json
import math
import sys
from pathlib import Path

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
except ImportError as missing:
    sys.exit(f"skipped: {missing}; pip install tensorboard")


def load(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    events.Reload()
    return events


def main():
    run = Path(sys.argv[1])
    report = json.loads((run / "report.json").read_text())
    root = load(run / "tensorboard")
    text = root.Tensors("verdict")[0].tensor_proto.string_val[0].decode()
    assert text == report["verdict"]["sentence"], text
    assert "[objective]" in root.Tensors("recipe")[0].tensor_proto.string_val[0].decode()
    for side in ("teacher", "baseline", "distilled", "shipped"):
        found = root.Scalars(f"test/rmse_{side}")[0].value
        assert math.isclose(found, report["test"][side]["rmse"], rel_tol=1e-6), (side, found)
        histogram = root.Histograms(f"residuals/{side}")[0].histogram_value
        assert histogram.num == report["data"]["test"] == sum(histogram.bucket)
    content = root.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    hparams = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert hparams["parameters"].number_value == report["student"]["parameters"] and hparams["teacher"].string_value == report["teacher"]["kind"]
    with open(run / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    compared = 0
    for folder in sorted(path for path in (run / "tensorboard").iterdir() if path.is_dir()):
        events = load(folder)
        tags = events.Tags()["scalars"]
        own = [row for row in rows if row["training"] == folder.name]
        assert own, folder.name
        for tag in tags:
            # A list has a tag for each layer.
            name, _, layer = tag.partition("/")
            value = lambda row: row[name].split(" ")[int(layer) - 1] if layer else row[name]
            known = {int(row["step"]): float(value(row)) for row in own if row[name]}
            found = {event.step: event.value for event in events.Scalars(tag)}
            assert known.keys() == found.keys(), (folder.name, tag)
            assert all(math.isclose(known[step], found[step], rel_tol=1e-5, abs_tol=1e-30) for step in known), (folder.name, tag)
            compared += len(known)
        assert {"loss", "loss_hard", "learning_rate"} <= set(tags), tags
        assert any(tag.startswith("weights/") for tag in events.Tags()["histograms"]), folder.name
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == len(rows) and all(line["training"] == row["training"] and line["step"] == int(row["step"]) for line, row in zip(lines, rows))
    print(f"{compared} scalars of {len(rows)} points, text, histograms, those of weights and hyperparameters as written; metrics.jsonl has the same lines")


if __name__ == "__main__":
    main()
