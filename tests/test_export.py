import json
from typing import Any

import cascades
import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

import shac
from shac.export import export_forest, read_document
from shac.sampling.extension import core


def make_data(rows: int = 200, width: int = 4, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    X = random.random((rows, width), dtype=np.float32)
    return X, ((X**2).sum(axis=1) + 0.1 * random.random(rows) > width / 3).astype(np.int64)


def compile_model(model: Any) -> core.Forest:
    return shac.Cascade([model], cascades.unit_space(model.n_features_in_))._compiled.forests[0]


def document_of(model: xgboost.XGBClassifier) -> Any:
    return json.loads(bytes(model.get_booster().save_raw(raw_format="json")))


@pytest.fixture
def model() -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(*make_data())


def test_arrays_have_a_node_for_each_of_the_models(model: xgboost.XGBClassifier) -> None:
    arrays = export_forest(model)
    lines = "".join(model.get_booster().get_dump()).splitlines()
    assert len(arrays.left) == len(lines)
    assert arrays.num_features == 4
    assert len(arrays.tree_begin) == 6
    assert arrays.value.dtype == np.float32


def test_a_booster_and_its_classifier_export_alike(model: xgboost.XGBClassifier) -> None:
    ours, boosters = export_forest(model), export_forest(model.get_booster())
    assert np.array_equal(ours.value, boosters.value)
    assert ours.base_score == boosters.base_score


def test_early_stopping_keeps_the_trees_that_predict_uses() -> None:
    X, y = make_data(300, seed=1)
    rng = np.random.default_rng(2)
    model = xgboost.XGBClassifier(n_estimators=100, early_stopping_rounds=3, n_jobs=1, num_parallel_tree=2)
    model.fit(X[:150], y[:150], eval_set=[(X[150:], rng.permutation(y[150:]))], verbose=False)
    assert model.best_iteration < 99
    cascade = shac.Cascade([model], cascades.unit_space(4))
    rows = rng.random((1000, 4), dtype=np.float32)
    assert np.array_equal(cascade.margins(rows)[:, 0], model.predict(rows, output_margin=True))
    assert np.array_equal(cascade.accepts(rows), model.predict(rows) == 1)
    assert len(export_forest(model).tree_begin) - 1 == 2 * (model.best_iteration + 1)


def test_a_booster_of_an_early_stopped_classifier_predicts_with_all_its_trees() -> None:
    X, y = make_data(300, seed=1)
    model = xgboost.XGBClassifier(n_estimators=50, early_stopping_rounds=3, n_jobs=1)
    model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], verbose=False)
    booster = model.get_booster()
    margins = shac.Cascade([booster], cascades.unit_space(4)).margins(X)[:, 0]
    assert np.array_equal(margins, booster.predict(xgboost.DMatrix(X), output_margin=True))


@pytest.mark.parametrize("text", ["5.6666666E-1", "[5.6666666E-1]", "0.56666666"])
def test_base_scores_of_old_and_new_formats_are_read(model: xgboost.XGBClassifier, text: str) -> None:
    document = document_of(model)
    document["learner"]["learner_model_param"]["base_score"] = text
    assert read_document(document).base_score == pytest.approx(0.56666666)


def test_leaves_are_those_that_pruning_left() -> None:
    X, y = make_data(300)
    model = xgboost.XGBClassifier(n_estimators=20, gamma=2.0, tree_method="exact", n_jobs=1).fit(X, y)
    forest = compile_model(model)
    assert forest.num_nodes <= len(export_forest(model).left)
    margins = shac.Cascade([model], cascades.unit_space(4)).margins(X)[:, 0]
    assert np.array_equal(margins, cascades.predict_margins(model, X))


def test_what_is_no_model_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"expected an XGBClassifier or a Booster, got str"):
        export_forest("model.ubj")
    with pytest.raises(TypeError, match="XGBRegressor"):
        export_forest(xgboost.XGBRegressor())


def test_an_unfitted_classifier_is_refused() -> None:
    with pytest.raises(shac.UnsupportedModelError, match="fitted"):
        export_forest(xgboost.XGBClassifier())


def test_a_missing_value_other_than_nan_is_refused() -> None:
    with pytest.raises(shac.UnsupportedModelError, match=r"missing=0\.0"):
        export_forest(xgboost.XGBClassifier(n_estimators=2, missing=0.0).fit(*make_data()))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"booster": "dart"}, "'dart'"),
        ({"booster": "gblinear"}, "'gblinear'"),
        ({"objective": "binary:hinge"}, "'binary:hinge'"),
        ({"objective": "reg:logistic"}, "'reg:logistic'"),
        ({"objective": "multi:softprob", "num_class": 3}, "'multi:softprob'"),
    ],
)
def test_models_of_another_kind_are_refused_by_name(settings: dict[str, Any], found: str) -> None:
    X, y = make_data()
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, **settings}, xgboost.DMatrix(X, y), 2)
    with pytest.raises(shac.UnsupportedModelError, match=found):
        export_forest(booster)


def test_multi_label_models_are_refused() -> None:
    X, y = make_data()
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, np.stack([y, 1 - y], axis=1))
    with pytest.raises(shac.UnsupportedModelError, match="one target, got 2"):
        export_forest(model)


def test_categorical_splits_are_refused_with_their_tree() -> None:
    codes = np.random.default_rng(0).integers(0, 8, 300)
    data = xgboost.DMatrix(
        codes[:, None].astype(np.float32), np.isin(codes, [1, 4, 6]), feature_types=["c"], enable_categorical=True
    )
    booster = xgboost.train({"objective": "binary:logistic", "tree_method": "hist", "max_cat_to_onehot": 1}, data, 2)
    with pytest.raises(shac.UnsupportedModelError, match="categorical one in tree 0"):
        export_forest(booster)


def test_vector_leaves_are_refused(model: xgboost.XGBClassifier) -> None:
    document = document_of(model)
    document["learner"]["gradient_booster"]["model"]["trees"][1]["tree_param"]["size_leaf_vector"] = "3"
    with pytest.raises(shac.UnsupportedModelError, match="vectors in tree 1"):
        read_document(document)


def test_absent_fields_are_named(model: xgboost.XGBClassifier) -> None:
    document = document_of(model)
    del document["learner"]["learner_model_param"]["base_score"]
    with pytest.raises(shac.InvalidModelError, match="base_score"):
        read_document(document)


@pytest.mark.parametrize("field", ["right_children", "split_indices", "split_conditions", "default_left"])
def test_arrays_that_are_cut_short_are_named(model: xgboost.XGBClassifier, field: str) -> None:
    document = document_of(model)
    document["learner"]["gradient_booster"]["model"]["trees"][3][field].pop()
    with pytest.raises(shac.InvalidModelError, match=f"{field} in tree 3"):
        read_document(document)


def test_numbers_out_of_range_are_named(model: xgboost.XGBClassifier) -> None:
    document = document_of(model)
    document["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"][0] = 10**12
    with pytest.raises(shac.InvalidModelError, match="left_children"):
        read_document(document)
