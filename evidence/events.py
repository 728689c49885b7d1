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
    tags = root.Tags()
    text = root.Tensors("verdict")[0].tensor_proto.string_val[0].decode()
    assert text == report["verdict"]["sentence"], text
    assert "[objective]" in root.Tensors("recipe")[0].tensor_proto.string_val[0].decode()
    for side in ("teacher", "alone", "distilled", "shipped"):
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
        phase, side, at = folder.name.split("-")
        for tag in ("loss", "valid_error", "fidelity_rmse", "learning_rate"):
            known = {(int(row["step"]), row[tag]) for row in rows if row["side"] == side and row["phase"].startswith(phase) and row[tag]}
            for event in events.Scalars(tag) if tag in events.Tags()["scalars"] else []:
                assert any(step == event.step and math.isclose(float(value), event.value, rel_tol=1e-5) for step, value in known), (folder.name, tag, event)
                compared += 1
    print(f"{compared} scalars of {len(rows)} points, text, histograms and hyperparameters as written; tags of the run itself: {sum(len(v) for v in tags.values() if isinstance(v, list))}")


if __name__ == "__main__":
    main()
