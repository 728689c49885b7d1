"""More model files of other libraries: pipelines with texts, kernels, shared subtrees, early stopping. Fixtures as those of `fixtures.py`.

    python3 evidence/pipelines.py        # needs numpy, pandas, catboost, lightgbm, xgboost, scikit-learn, skl2onnx, onnx, onnxruntime

Reads rows.csv of the fixtures and writes model files and expected_pipelines.csv (predictions for its first 300 rows) beside it.
"""

from pathlib import Path

import catboost
import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import xgboost as xgb
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVR

OUT = Path(__file__).resolve().parent.parent / "crates" / "limbeck-teach" / "tests" / "fixtures"
NUMBERS = ["flow", "load", "head"]
ROWS = 300


def session(name, feed):
    made = onnxruntime.InferenceSession(OUT / f"{name}.onnx", providers=["CPUExecutionProvider"])
    return [np.asarray(part, "f8").ravel() for part in made.run(None, feed)]


def xgboost_models(x, y, test):
    early = xgb.XGBRegressor(n_estimators=12, max_depth=3, learning_rate=0.9, early_stopping_rounds=4, num_parallel_tree=2, subsample=0.7, random_state=1)
    early.fit(x[:200], y[:200], eval_set=[(x[200:400], y[200:400])], verbose=False)
    early.save_model(OUT / "xgboost_early.json")
    early.save_model(OUT / "xgboost_early.ubj")
    read = xgb.XGBRegressor()
    read.load_model(OUT / "xgboost_early.ubj")
    used = (read.best_iteration + 1) * 2
    assert used < len(read.get_booster().get_dump()), "early stopping must leave trees out"
    yield "xgboost_early", read.predict(test)
    share = (y - y.min() + 0.1) / (np.ptp(y) + 0.2)
    objectives = {"xgboost_logistic": ("reg:logistic", share), "xgboost_huber": ("reg:pseudohubererror", y), "xgboost_quantile": ("reg:quantileerror", y)}
    for name, (objective, labels) in objectives.items():
        params = {"max_depth": 2, "eta": 0.4, "nthread": 1, "objective": objective}
        params |= {"quantile_alpha": 0.7} if "quantile" in name else {"huber_slope": 20.0, "base_score": 4.0} if "huber" in name else {}
        model = xgb.train(params, xgb.DMatrix(x, labels), 4)
        model.save_model(OUT / f"{name}.ubj")
        yield name, model.predict(xgb.DMatrix(test))
    data = xgb.DMatrix(x)
    data.set_float_info("label_lower_bound", y)
    data.set_float_info("label_upper_bound", y + 0.5)
    model = xgb.train({"objective": "survival:aft", "max_depth": 2, "nthread": 1}, data, 4)
    model.save_model(OUT / "xgboost_aft.json")
    yield "xgboost_aft", model.predict(xgb.DMatrix(test))
    model = xgb.train({"booster": "gblinear", "nthread": 1, "eta": 0.5}, xgb.DMatrix(x, y), 10)
    model.save_model(OUT / "xgboost_linear.json")
    yield "xgboost_linear", model.predict(xgb.DMatrix(test))


def lightgbm_models(x, y, test):
    share = (y - y.min() + 0.1) / (np.ptp(y) + 0.2)
    for name, objective in {"lightgbm_entropy": "cross_entropy", "lightgbm_lambda": "cross_entropy_lambda"}.items():
        model = lgb.train({"objective": objective, "num_leaves": 5, "verbose": -1, "num_threads": 1}, lgb.Dataset(x, share), 4)
        head, tail = model.model_to_string().split("\nparameters:")
        (OUT / f"{name}.txt").write_text(head + "\nparameters:\nend of parameters\n" + tail.split("end of parameters\n")[1])
        yield name, lgb.Booster(model_file=str(OUT / f"{name}.txt")).predict(test)


def catboost_models(x, y, test):
    model = catboost.CatBoostRegressor(iterations=5, depth=3, border_count=12, loss_function="Poisson", random_seed=1, verbose=0, allow_writing_files=False)
    model.fit(x, y)
    model.save_model(OUT / "catboost_numbers.json", format="json")
    yield "catboost_numbers", model.predict(test)


def sklearn_models(x, y, test):
    full, kinds = x[NUMBERS], x[["kind"]]
    table = pd.concat([full.fillna(0.0), kinds], axis=1)
    columns = [(name, FloatTensorType([None, 1])) for name in NUMBERS] + [("kind", StringTensorType([None, 1]))]
    feed = {name: test[[name]].fillna(0.0).to_numpy("f4") for name in NUMBERS} | {"kind": test[["kind"]].to_numpy(object)}
    hot = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("k", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"])])
    order = ColumnTransformer([("n", "passthrough", NUMBERS), ("k", OrdinalEncoder(), ["kind"])])
    for name, model in {
        "onnx_hot": make_pipeline(hot, Ridge()),
        "onnx_ordinal": make_pipeline(order, GradientBoostingRegressor(n_estimators=5, max_depth=2, random_state=1)),
    }.items():
        model.fit(table, y)
        made = to_onnx(model, initial_types=columns, target_opset=15)
        onnx.save(made, OUT / f"{name}.onnx")
        yield name, session(name, feed)[0]
    plain = full.fillna(0.0).to_numpy("f4")
    kernel = ConstantKernel(1.0) * RBF(1.0) + WhiteKernel(0.1)
    for name, model in {
        "onnx_process": GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(plain[:25], y[:25]),
        "onnx_support": SVR(C=1.0).fit(plain[:60], y[:60]),
    }.items():
        made = to_onnx(model, initial_types=[("X", FloatTensorType([None, 3]))], target_opset=15, options={id(model): {"optim": None}} if "process" in name else None)
        onnx.save(made, OUT / f"{name}.onnx")
        yield name, session(name, {"X": test[NUMBERS].fillna(0.0).to_numpy("f4")})[0]
    made_up = make_pipeline(SimpleImputer(), StandardScaler(), Ridge()).fit(full.to_numpy("f4"), y)
    onnx.save(to_onnx(made_up, initial_types=[("X", FloatTensorType([None, 3]))], target_opset=15), OUT / "onnx_imputed.onnx")
    yield "onnx_imputed", session("onnx_imputed", {"X": test[NUMBERS].to_numpy("f4")})[0]


def save(name, nodes, weights, outputs=("y",), opset=18, ml=3, beside=None):
    value = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width])
    initializers = [numpy_helper.from_array(array, key) for key, array in weights.items()]
    graph = helper.make_graph(nodes, name, [value("x", 3)], [value(out, 1) for out in outputs], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)], ir_version=9)
    onnx.checker.check_model(model)
    options = {"save_as_external_data": True, "location": beside, "size_threshold": 0} if beside else {}
    if beside:
        (OUT / beside).unlink(missing_ok=True)
    onnx.save(model, OUT / f"{name}.onnx", **options)


def onnx_graphs(rng, test):
    node, f4 = helper.make_node, lambda *shape: rng.normal(0, 0.7, shape).astype("f4")
    i8 = lambda *values: np.array(values, "i8")
    gaps = test[NUMBERS].to_numpy("f4")
    filled = np.nan_to_num(gaps)
    # Missing values told and filled, columns gathered and sliced, statistics of a row, a gate, attention over three pieces.
    save("onnx_selections", [
        node("IsNaN", ["x"], ["lost"]), node("Where", ["lost", "fill", "x"], ["whole"]),
        node("Cast", ["lost"], ["flags"], to=1), node("ReduceSum", ["flags", "one"], ["count"], keepdims=1),
        node("Slice", ["whole", "from", "to", "one"], ["two"]), node("Gather", ["whole", "pick"], ["picked"], axis=1),
        node("ReduceMean", ["whole", "one"], ["mean"], keepdims=1), node("ReduceMax", ["whole", "one"], ["most"], keepdims=1),
        node("Concat", ["two", "picked", "mean", "most", "count"], ["all"], axis=1),
        node("MatMul", ["all", "w"], ["h"]), node("Split", ["h"], ["left", "right"], axis=1, num_outputs=2),
        node("Sigmoid", ["right"], ["gate"]), node("Mul", ["left", "gate"], ["gated"]),
        node("Greater", ["gated", "zero"], ["high"]), node("Not", ["high"], ["low"]), node("And", ["high", "high"], ["still"]), node("Or", ["low", "still"], ["any"]),
        node("Where", ["any", "gated", "zero"], ["kept"]),
        node("Shape", ["kept"], ["sizes"]), node("Gather", ["sizes", "first"], ["rows"], axis=0), node("Concat", ["rows", "pieces"], ["to3"], axis=0),
        node("Reshape", ["kept", "to3"], ["cube"]), node("Transpose", ["cube"], ["turned"], perm=[0, 2, 1]),
        node("MatMul", ["cube", "turned"], ["pairs"]), node("Softmax", ["pairs"], ["share"], axis=-1), node("MatMul", ["share", "cube"], ["mixed"]),
        node("Flatten", ["mixed"], ["flat"]), node("MatMul", ["flat", "v"], ["y"]),
    ], {"fill": f4(3), "zero": np.zeros(1, "f4"), "one": i8(1), "from": i8(1), "to": i8(2**62), "pick": i8(2, 0), "first": i8(0), "pieces": i8(3, 2),
        "w": f4(7, 12), "v": f4(6, 1)})
    yield "onnx_selections", session("onnx_selections", {"x": gaps})[0]

    layers = [node("Gemm", ["x", "a", "b"], ["h"]), node("Relu", ["h"], ["r"])]
    weights = {"a": f4(3, 8), "b": f4(8), "c": f4(8, 1), "d": f4(8, 1)}
    save("onnx_beside", [*layers, node("MatMul", ["r", "c"], ["y"])], {key: weights[key] for key in "abc"}, beside="onnx_beside.onnx.data")
    yield "onnx_beside", session("onnx_beside", {"x": filled})[0]
    save("onnx_two", [*layers, node("MatMul", ["r", "c"], ["low"]), node("MatMul", ["r", "d"], ["high"])], weights, outputs=("low", "high"))
    yield "onnx_two", session("onnx_two", {"x": filled})[1]

    # Node 4 has two parents: a directed graph without circles.
    save("onnx_shared", [node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, post_transform="NONE",
        nodes_treeids=[0] * 8, nodes_nodeids=list(range(8)), nodes_featureids=[0, 1, 1, 0, 2, 0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
        nodes_values=[0.1, 1.0, 2.0, 0.0, -0.3, 0.0, 0.0, 0.0], nodes_truenodeids=[2, 4, 4, 0, 7, 0, 0, 0], nodes_falsenodeids=[1, 3, 5, 0, 6, 0, 0, 0],
        nodes_missing_value_tracks_true=[1, 0, 0, 0, 1, 0, 0, 0], nodes_hitrates=[1.0] * 8,
        target_treeids=[0] * 4, target_nodeids=[3, 5, 6, 7], target_ids=[0] * 4, target_weights=[-1.5, 0.5, 2.5, 4.0])], {})
    yield "onnx_shared", session("onnx_shared", {"x": gaps})[0]

    tensor = lambda values, kind: helper.make_tensor("t", kind, [len(values)], values)
    save("onnx_ensemble", [node(
        "TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, aggregate_function=1, post_transform=0, tree_roots=[0, 3],
        nodes_featureids=[0, 1, 2, 1], nodes_modes=tensor([0, 1, 2, 6], TensorProto.UINT8), nodes_splits=tensor([0.1, 1.0, -0.3, 0.0], TensorProto.FLOAT),
        nodes_truenodeids=[1, 0, 2, 3], nodes_trueleafs=[0, 1, 1, 1], nodes_falsenodeids=[2, 1, 1, 4], nodes_falseleafs=[0, 1, 1, 1],
        nodes_missing_value_tracks_true=[0, 1, 0, 0], leaf_targetids=[0] * 5, leaf_weights=tensor([-1.0, 0.5, 2.0, 4.0, 8.0], TensorProto.FLOAT),
        membership_values=tensor([0.0, 2.0, float("nan")], TensorProto.FLOAT))], {}, opset=21, ml=5)
    yield "onnx_ensemble", session("onnx_ensemble", {"x": gaps})[0]


def main():
    rng = np.random.default_rng(21)
    rows = pd.read_csv(OUT / "rows.csv")
    rows["kind"] = rows["kind"].fillna("none")
    x, y = rows[[*NUMBERS, "kind"]], rows["target"].to_numpy()
    test = x[:ROWS]
    models = (catboost_models(x[NUMBERS], y, test[NUMBERS]), xgboost_models(x[NUMBERS], y, test[NUMBERS]), lightgbm_models(x[NUMBERS], y, test[NUMBERS]), sklearn_models(x, y, test), onnx_graphs(rng, test))
    predicted = {name: np.asarray(values, "f8").ravel() for source in models for name, values in source}
    pd.DataFrame(predicted).to_csv(OUT / "expected_pipelines.csv", index=False, float_format="%.7g")


if __name__ == "__main__":
    main()
