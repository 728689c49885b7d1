"""Small model files of other libraries, with what those libraries predict: fixtures of the tests of imported teachers.

    python3 evidence/fixtures.py        # needs numpy, pandas, lightgbm, xgboost, onnx, onnxruntime

Simulated data with missing values and categories; writes crates/limbeck-teach/tests/fixtures/. Nothing else in the project needs Python
or these libraries: the tests read the files.
"""

from pathlib import Path

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import xgboost as xgb
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent.parent / "crates" / "limbeck-teach" / "tests" / "fixtures"
ROWS, TRAIN = 1000, 4000
NUMBERS = ["flow", "load", "head"]
KINDS = ["brass", "cast iron", "pvc", "steel", "zinc"]


def simulate(rng, rows):
    """Three numbers (one with zeros, two with gaps), a category with gaps, and a positive target."""
    flow = rng.normal(0, 1, rows).round(4)
    load = np.where(rng.random(rows) < 0.3, 0.0, rng.gamma(2.0, 1.5, rows)).round(4)
    head = rng.uniform(-2, 2, rows).round(4)
    kind = rng.integers(0, len(KINDS), rows)
    target = 3 + np.sin(2 * flow) + 0.4 * load + 0.5 * head * (kind % 2) + 0.6 * kind + rng.gamma(2.0, 0.2, rows)
    x = pd.DataFrame({"flow": flow, "load": load, "head": head})
    x.loc[rng.random(rows) < 0.1, "flow"] = np.nan
    x.loc[rng.random(rows) < 0.05, "head"] = np.nan
    x["kind"] = pd.Categorical.from_codes(np.where(rng.random(rows) < 0.05, -1, kind), KINDS)
    return x, target


def lightgbm_models(x, y, test):
    base = {"num_leaves": 12, "learning_rate": 0.3, "verbose": -1, "num_threads": 1, "seed": 1, "min_data_in_leaf": 20,
            "deterministic": True, "cat_smooth": 1.0, "min_data_per_group": 10, "max_cat_to_onehot": 2}
    variants = {
        "lightgbm_regression": {"objective": "regression"},
        "lightgbm_poisson": {"objective": "poisson", "zero_as_missing": True},
        "lightgbm_tweedie": {"objective": "tweedie", "use_missing": False},
        "lightgbm_sqrt": {"objective": "regression", "reg_sqrt": True},
        "lightgbm_forest": {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
        "lightgbm_linear": {"objective": "regression", "linear_tree": True, "num_leaves": 5},
    }
    for name, params in variants.items():
        model = lgb.train(base | params, lgb.Dataset(x, y, free_raw_data=False), 8 if name == "lightgbm_regression" else 5)
        text = model.model_to_string()
        # The parameters behind the trees are left out: the file is smaller, and readers skip them.
        head, tail = text.split("\nparameters:")
        (OUT / f"{name}.txt").write_text(head + "\nparameters:\nend of parameters\n" + tail.split("end of parameters\n")[1])
        # The pandas list is part of the file, and the Booster read from it answers as the one in memory.
        predicted = lgb.Booster(model_file=str(OUT / f"{name}.txt")).predict(test)
        assert np.allclose(predicted, model.predict(test), rtol=1e-12)
        yield name, predicted


def xgboost_models(x, y, test):
    base = {"max_depth": 4, "eta": 0.4, "nthread": 1, "seed": 1, "max_cat_to_onehot": 2}
    variants = {
        "xgboost_squared": ("reg:squarederror", {}, NUMBERS),
        "xgboost_categories": ("reg:squarederror", {}, [*NUMBERS, "kind"]),
        "xgboost_poisson": ("count:poisson", {}, NUMBERS),
        "xgboost_tweedie": ("reg:tweedie", {"tweedie_variance_power": 1.3}, NUMBERS),
        "xgboost_gamma": ("reg:gamma", {}, NUMBERS),
        "xgboost_dart": ("reg:squarederror", {"booster": "dart", "rate_drop": 0.4, "one_drop": 1}, NUMBERS),
    }
    for name, (objective, params, columns) in variants.items():
        data = xgb.DMatrix(x[columns], y, enable_categorical=True)
        model = xgb.train(base | params | {"objective": objective}, data, 4)
        model.save_model(OUT / f"{name}.json")
        yield name, model.predict(xgb.DMatrix(test[columns], enable_categorical=True))


def save_onnx(name, nodes, weights, inputs):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(i, TensorProto.FLOAT, ["rows", n]) for i, n in inputs],
        [helper.make_tensor_value_info("pred", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, OUT / f"{name}.onnx")


def run_onnx(name, feed):
    session = onnxruntime.InferenceSession(OUT / f"{name}.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0].ravel()


def onnx_networks(rng, test):
    """Networks of random weights: agreement does not need a good fit."""
    draw = lambda *shape: (rng.normal(size=shape) / np.sqrt(shape[0])).astype("f")
    columns = {name: test[name].fillna(0.0).to_numpy("f").reshape(-1, 1) for name in NUMBERS}
    whole = np.hstack(list(columns.values()))
    node = helper.make_node
    # As PyTorch exports a perceptron: Gemm with transposed weights.
    save_onnx("onnx_gemm", [
        node("Gemm", ["x", "w1", "b1"], ["h1"], transB=1), node("Relu", ["h1"], ["a1"]),
        node("Gemm", ["a1", "w2", "b2"], ["h2"], transB=1), node("Tanh", ["h2"], ["a2"]),
        node("Gemm", ["a2", "w3", "b3"], ["pred"], transB=1),
    ], {"w1": draw(24, 3) * 3, "b1": draw(24), "w2": draw(16, 24) * 2, "b2": draw(16), "w3": draw(1, 16) * 4, "b3": draw(1)}, [("x", 3)])
    yield "onnx_gemm", run_onnx("onnx_gemm", {"x": whole})
    # Named inputs, and most of the other operations.
    positive = lambda n: rng.uniform(0.5, 2, n).astype("f")
    save_onnx("onnx_named", [
        node("Concat", ["head", "flow", "load"], ["x"], axis=1),
        node("Sub", ["x", "mean"], ["c"]), node("Div", ["c", "scale"], ["s"]),
        node("MatMul", ["s", "w1"], ["m1"]), node("Add", ["m1", "b1"], ["h1"]),
        node("BatchNormalization", ["h1", "gain", "shift", "mu", "var"], ["n1"]),
        node("LeakyRelu", ["n1"], ["l1"], alpha=0.1), node("Elu", ["l1"], ["e1"]), node("Sigmoid", ["h1"], ["g1"]),
        node("Mul", ["e1", "g1"], ["a1"]), node("Softplus", ["a1"], ["p1"]), node("Clip", ["p1", "low", "high"], ["k1"]),
        node("Flatten", ["k1"], ["f1"]), node("MatMul", ["f1", "w2"], ["m2"]), node("Cast", ["m2"], ["t2"], to=1),
        node("Identity", ["t2"], ["i2"]), node("Reshape", ["i2", "to"], ["pred"]),
    ], {"mean": draw(3), "scale": positive(3), "w1": draw(3, 12) * 2, "b1": draw(12), "gain": positive(12), "shift": draw(12),
        "mu": draw(12), "var": positive(12), "low": np.float32(0.1), "high": np.float32(2.5), "w2": draw(12, 1) * 3,
        "to": np.array([-1, 1], dtype=np.int64)}, [("head", 1), ("flow", 1), ("load", 1)])
    yield "onnx_named", run_onnx("onnx_named", columns)


def onnx_trees(rng, test):
    """A forest of full trees with random tests, once per aggregate."""
    depth, trees = 4, 6
    whole = test[NUMBERS].to_numpy("f")
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"]
    for name, aggregate in [("onnx_sum", "SUM"), ("onnx_average", "AVERAGE")]:
        rows, targets = [], []
        # ONNX Runtime serves one mode per ensemble best; the second ensemble asks another question.
        mode = modes[0] if aggregate == "SUM" else modes[1]
        for tree in range(trees):
            inner = 2 ** depth - 1
            for node in range(2 * inner + 1):
                if node < inner:
                    feature = int(rng.integers(0, 3))
                    value = float(np.float32(np.nanquantile(whole[:, feature], rng.uniform(0.1, 0.9))))
                    rows.append((tree, node, feature, mode, value, 2 * node + 1, 2 * node + 2, int(rng.integers(0, 2))))
                else:
                    rows.append((tree, node, 0, "LEAF", 0.0, 0, 0, 0))
                    targets.append((tree, node, 0, float(np.float32(rng.normal()))))
        column = lambda table, at: [row[at] for row in table]
        ensemble = helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["pred"], domain="ai.onnx.ml", n_targets=1, aggregate_function=aggregate, base_values=[0.25],
            nodes_treeids=column(rows, 0), nodes_nodeids=column(rows, 1), nodes_featureids=column(rows, 2), nodes_modes=column(rows, 3),
            nodes_values=column(rows, 4), nodes_truenodeids=column(rows, 5), nodes_falsenodeids=column(rows, 6),
            nodes_missing_value_tracks_true=column(rows, 7), target_treeids=column(targets, 0), target_nodeids=column(targets, 1),
            target_ids=column(targets, 2), target_weights=column(targets, 3), post_transform="NONE")
        save_onnx(name, [ensemble], {}, [("x", 3)])
        yield name, run_onnx(name, {"x": whole})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20)
    x, y = simulate(rng, TRAIN)
    test, test_y = simulate(rng, ROWS)
    test.assign(target=test_y.round(5)).to_csv(OUT / "rows.csv", index=False)
    predicted = {}
    for source in (lightgbm_models(x, y, test), xgboost_models(x, y, test), onnx_networks(rng, test), onnx_trees(rng, test)):
        predicted |= {name: np.asarray(values, "f8") for name, values in source}
    pd.DataFrame(predicted).to_csv(OUT / "expected.csv", index=False, float_format="%.7g")
    print(f"{sum(f.stat().st_size for f in OUT.iterdir())} bytes in {OUT}")


if __name__ == "__main__":
    main()
