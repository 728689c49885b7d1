#!/usr/bin/env python3
"""Prediction by ONNX Runtime and LightGBM, one thread: the other side of `cargo bench --bench speed`.

Prints one JSON line per model: the students of that bench as ONNX graphs (random weights: speed does not depend on them), on
encoded rows, and a LightGBM model of usual size. A library that is not installed is left out, and said so on stderr.
"""
import json
import sys
import tempfile
import time
from pathlib import Path

COLUMNS, ROWS = 8, 10_000


def best(call, rounds=15):
    """Seconds per call, the best of several rounds of at least 10 ms."""
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        if time.perf_counter() - start > 0.01:
            break
        calls *= 2
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        found.append((time.perf_counter() - start) / calls)
    return min(found)


def measure(name, predict, data, **more):
    rows = [data[i:i + 1].copy() for i in range(200)]
    at = [0]

    def one():
        at[0] = (at[0] + 1) % len(rows)
        predict(rows[at[0]])

    row, batch = best(one), best(lambda: predict(data))
    print(json.dumps({"name": name, "row_us": round(row * 1e6, 3), "batch_us": round(batch * 1e6 / len(data), 4), **more}), flush=True)


def onnx_student(np, onnx, bins, hidden):
    """Piecewise-linear encoding (with bins), two hidden layers with ReLU, one output."""
    from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(0)
    nodes, values, current, width = [], [], "x", COLUMNS

    def constant(name, array):
        values.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    if bins:
        edges = np.linspace(-2, 2, bins + 1, dtype=np.float32)
        low = constant("low", np.broadcast_to(edges[:-1], (1, COLUMNS, bins)).copy())
        inverse = constant("inverse", np.broadcast_to(1 / np.diff(edges), (1, COLUMNS, bins)).astype(np.float32).copy())
        nodes += [helper.make_node("Unsqueeze", ["x", constant("axis", np.array([2], np.int64))], ["u"]),
                  helper.make_node("Sub", ["u", low], ["d"]), helper.make_node("Mul", ["d", inverse], ["s"]),
                  helper.make_node("Clip", ["s", constant("zero", np.float32(0)), constant("one", np.float32(1))], ["c"]),
                  helper.make_node("Flatten", ["c"], ["ple"])]
        current, width = "ple", COLUMNS * bins
    for index, out in enumerate([hidden, hidden, 1]):
        w = constant(f"w{index}", rng.normal(size=(width, out)).astype(np.float32))
        b = constant(f"b{index}", rng.normal(size=out).astype(np.float32))
        last = index == 2
        nodes.append(helper.make_node("Gemm", [current, w, b], ["y" if last else f"g{index}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"g{index}"], [f"r{index}"]))
            current, width = f"r{index}", out
    graph = helper.make_graph(nodes, "student", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", COLUMNS])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_runtime():
    import numpy as np
    import onnx
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    data = np.random.default_rng(1).uniform(-0.5, 0.5, (ROWS, COLUMNS)).astype(np.float32)
    for bins, hidden in [(16, 32), (16, 64), (16, 128), (0, 64)]:
        session = onnxruntime.InferenceSession(onnx_student(np, onnx, bins, hidden).SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
        measure("ONNX Runtime", lambda x, session=session: session.run(None, {"x": x}), data, bins=bins, hidden=hidden,
                version=onnxruntime.__version__)


def onnx_gru(np, onnx, carried):
    """A GRU of 32 units on 8 inputs and a linear output: one step with its state in and out, or the last 30 rows."""
    from onnx import TensorProto, helper, numpy_helper
    rng = np.random.default_rng(0)
    units, steps = 32, 1 if carried else 30
    shapes = {"W": (1, 3 * units, COLUMNS), "R": (1, 3 * units, units), "B": (1, 6 * units), "w": (units, 1), "b": (1,)}
    values = [numpy_helper.from_array(rng.normal(scale=0.2, size=shape).astype(np.float32), name) for name, shape in shapes.items()]
    values.append(numpy_helper.from_array(np.array([0], np.int64), "axis"))
    state = ["h"] if carried else [""]
    nodes = [helper.make_node("GRU", ["x", "W", "R", "B", "", *state], ["", "next"], hidden_size=units, linear_before_reset=1),
             helper.make_node("Squeeze", ["next", "axis"], ["last"]), helper.make_node("Gemm", ["last", "w", "b"], ["y"])]
    info = helper.make_tensor_value_info
    inputs = [info("x", TensorProto.FLOAT, [steps, 1, COLUMNS])] + ([info("h", TensorProto.FLOAT, [1, 1, units])] if carried else [])
    outputs = [info("y", TensorProto.FLOAT, [1, 1])] + ([info("next", TensorProto.FLOAT, [1, 1, units])] if carried else [])
    graph = helper.make_graph(nodes, "gru", inputs, outputs, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def onnx_recurrent():
    import numpy as np
    import onnx
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for carried in (True, False):
        session = onnxruntime.InferenceSession(onnx_gru(np, onnx, carried).SerializeToString(), options, providers=["CPUExecutionProvider"])
        x = np.random.default_rng(1).uniform(-0.5, 0.5, (1 if carried else 30, 1, COLUMNS)).astype(np.float32)
        feed = {"x": x, "h": np.zeros((1, 1, 32), np.float32)} if carried else {"x": x}

        def call():
            found = session.run(None, feed)
            if carried:
                feed["h"] = found[1]

        print(json.dumps({"name": "ONNX Runtime", "state": carried, "row_us": round(best(call) * 1e6, 3), "version": onnxruntime.__version__}), flush=True)


def light_gbm():
    import lightgbm
    import numpy as np
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, (20_000, COLUMNS))
    y = np.sin(3 * x[:, 0]) * x[:, 1] + x[:, 2] ** 2 + 0.1 * rng.normal(size=len(x))
    options = {"objective": "regression", "num_leaves": 63, "learning_rate": 0.05, "num_threads": 1, "verbosity": -1}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), 500)
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(Path(folder) / "model.txt")
        booster = lightgbm.Booster(model_file=Path(folder) / "model.txt")
    measure("LightGBM, 500 trees of 63 leaves", lambda x: booster.predict(x, num_threads=1), x[:ROWS], version=lightgbm.__version__)


for library in (onnx_runtime, onnx_recurrent, light_gbm):
    try:
        library()
    except ImportError as error:
        print(f"not measured: {error}", file=sys.stderr)
