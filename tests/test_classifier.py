import pickle
from pathlib import Path

import cascades
import numpy as np
import pytest
import xgboost

import shac
from shac.classifier import Classifier


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counts: list[int] = []
    load = xgboost.XGBClassifier.load_model

    def counted(self: xgboost.XGBClassifier, fname: bytearray) -> None:
        counts.append(len(fname))
        load(self, fname)

    monkeypatch.setattr(xgboost.XGBClassifier, "load_model", counted)
    return counts


def finished_search(folder: Path) -> shac.SHAC:
    search = shac.SHAC(None, cascades.unit_space(2), 40, 4, objective="min", save_dir=folder, seed=3)
    while batch := search.ask(10):
        for asked in batch:
            search.tell(asked, sum(float(value) for value in asked.values()))
    return search


def test_a_search_loads_no_classifier_into_xgboost_until_somebody_asks_for_it(loads: list[int], tmp_path: Path) -> None:
    search = finished_search(tmp_path)
    assert "3 of 3 classifiers" in repr(search)
    assert len(search.predict(num_samples=5)) == 5
    assert loads == []
    first = search.classifiers
    assert len(loads) == len(first) == 3
    assert all(one is other for one, other in zip(first, search.classifiers, strict=True))
    assert len(loads) == 3


def test_what_is_loaded_decides_as_the_search_does(tmp_path: Path) -> None:
    search = finished_search(tmp_path)
    X = np.random.default_rng(0).random((500, 2), dtype=np.float32)
    margins = np.column_stack([model.predict(X, output_margin=True) for model in search.classifiers])
    assert np.array_equal(search.cascade.margins(X), margins)
    again = shac.SHAC(None, None, 40, 4, objective="min", save_dir=tmp_path)
    again.restore_data()
    assert np.array_equal(again.cascade.margins(X), margins)
    files = sorted((tmp_path / "classifiers").iterdir())
    before = [file.read_bytes() for file in files]
    again.save_data()
    assert [file.read_bytes() for file in files] == before  # XGBoost writes the same numbers as other texts


def test_a_classifier_of_a_model_gives_that_model_and_its_file() -> None:
    X = np.linspace(0, 1, 20, dtype=np.float32).reshape(-1, 1)
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, X[:, 0] > 0.5)
    classifier = Classifier.of(model)
    assert classifier.model is model
    assert classifier.data == bytes(model.get_booster().save_raw(raw_format="ubj"))


@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_classifier_can_be_pickled(is_loaded: bool) -> None:
    X = np.linspace(0, 1, 20, dtype=np.float32).reshape(-1, 1)
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, X[:, 0] > 0.5)
    classifier = Classifier(Classifier.of(model).data, {"max_depth": 2})
    if is_loaded:
        assert classifier.model.max_depth == 2
    copy = pickle.loads(pickle.dumps(classifier))  # noqa: S301 - just written
    assert copy.data == classifier.data
    assert copy.model.max_depth == 2
    assert copy.model.predict(X).tolist() == model.predict(X).tolist()
