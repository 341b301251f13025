"""What differs between versions of XGBoost, and must not differ for a search. CI runs it with the oldest, too."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import cascades
import numpy as np
import pytest
import searches
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

import shac
from shac import model_edits
from shac.classifier import Classifier
from shac.errors import UnsupportedModelError
from shac.export import export_forest, ubjson_of
from shac.model_edits import base_score_in, load_classifier, shifted_base_score, with_base_score

X = np.random.default_rng(0).random((300, 3), dtype=np.float32)


def trained(positive_share: float) -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, X.sum(axis=1) < np.quantile(X.sum(1), positive_share))


def as_written_by_3_1(model: xgboost.XGBClassifier, base_score: str) -> bytes:
    """The model's JSON with the base score as XGBoost from 3.1 on writes it."""
    document = json.loads(bytes(model.get_booster().save_raw(raw_format="json")))
    document["learner"]["learner_model_param"]["base_score"] = f"[{base_score}]"
    return json.dumps(document).encode()


@settings(max_examples=50, deadline=None)
@given(shift=st.floats(-20, 20), positive_share=st.sampled_from([0.1, 0.5, 0.83]))
def test_lower_margins_are_lower_by_the_shift(shift: float, positive_share: float) -> None:
    model = trained(positive_share)
    before = export_forest(model).base_score
    margin = np.log(before / (1 - before))
    data = ubjson_of(model.get_booster())
    lower = Classifier(with_base_score(data, shifted_base_score(base_score_in(data), shift))).model
    shifted = np.clip(margin - shift, -13.7, 13.7)
    difference = model.predict(X, output_margin=True) - lower.predict(X, output_margin=True)
    rounding = 1.2e-7 * (1 + np.exp(shifted))  # of a probability in float32, as a margin
    assert difference == pytest.approx(margin - shifted, abs=1e-5 + rounding)
    margins = shac.Cascade([lower], cascades.unit_space(3)).margins(X)[:, 0]
    assert np.array_equal(margins, lower.predict(X, output_margin=True))


@pytest.mark.parametrize("base_score", [1e-30, 5e-7, 1e-6, 1.1e-6, 0.5, 1 - 1.1e-6, 1 - 5e-7, 1 - 6e-8])
def test_margins_are_those_of_xgboost_for_every_base_score(base_score: float) -> None:
    document = json.loads(bytes(trained(0.5).get_booster().save_raw(raw_format="json")))
    parameters = document["learner"]["learner_model_param"]
    parameters["base_score"] = (
        f"[{base_score:.8e}]" if parameters["base_score"].startswith("[") else f"{base_score:.8e}"
    )
    model = xgboost.XGBClassifier(n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.load_model(bytearray(json.dumps(document).encode()))
    margins = shac.Cascade([model], cascades.unit_space(3)).margins(X)[:, 0]
    assert np.array_equal(margins, model.predict(X, output_margin=True))


def test_a_default_search_keeps_the_shares_of_the_prior_that_its_strategy_asks_for(tmp_path: Path) -> None:
    engine = searches.engine(total_budget=120, num_batches=6, save_dir=tmp_path / "s", strategy="guided")
    engine.fit()
    rows = prior_rows(engine)
    stages = range(len(engine.classifiers) + 1)
    left = np.array([engine.cascade.prefix(stage).accepts(rows).mean() for stage in stages])
    asked = [engine.strategy.share_at(stage, engine.total_classifiers) or 1.0 for stage in stages[:-1]]
    # A threshold is set on 256 samples, and margins have ties, so that a share is seldom the one asked for. Thresholds
    # that are not set at all leave 0.0001 of the prior after five stages.
    assert 0.15 < left[-1] / np.prod(asked) < 3
    assert (left[1:] / left[:-1] > 0.15).all()


def prior_rows(engine: shac.SHAC) -> Any:
    space = engine._search.space
    return space.encode_rows(space.values_from_uniforms(np.random.default_rng(1).random((20_000, space.num_columns))))


@pytest.mark.parametrize("base_score", ["9.75E-1", "1.10000001E-1", "5E-1"])
def test_a_base_score_in_brackets_is_read_by_every_version(base_score: str) -> None:
    model = load_classifier(as_written_by_3_1(trained(0.5), base_score), float(base_score))
    assert np.float32(export_forest(model).base_score) == np.float32(base_score)
    margins = shac.Cascade([model], cascades.unit_space(3)).margins(X)[:, 0]
    assert np.array_equal(margins, model.predict(X, output_margin=True))
    saved_again = load_classifier(bytes(model.get_booster().save_raw(raw_format="ubj")), float(base_score))
    assert np.array_equal(saved_again.predict(X, output_margin=True), margins)


def test_a_version_that_cannot_be_made_to_read_the_base_score_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded_as_half(data: bytes, arguments: Any) -> xgboost.XGBClassifier:
        return trained(0.5)

    monkeypatch.setattr(model_edits, "_loaded", loaded_as_half)
    with pytest.raises(UnsupportedModelError, match=r"expected the base score 0\.125, got .* by XGBoost [0-9.]+"):
        load_classifier(b"", 0.125)


def test_the_manifest_names_the_version_that_wrote_it(tmp_path: Path) -> None:
    searches.engine(total_budget=20, num_batches=2, save_dir=tmp_path / "s").save_data()
    assert searches.read_manifest(tmp_path / "s")["xgboost"] == xgboost.__version__


WITH_A_LOCALE = """
import locale, sys
import shac

locale.setlocale(locale.LC_ALL, "{language}")
assert locale.localeconv()["decimal_point"] == "{decimal_point}"
space = [shac.UniformHP("x", 0.0, 1.0), shac.UniformHP("y", 0.0, 1.0)]
search = shac.SHAC(lambda worker_id, p: p["x"] * p["y"], space, 40, 4, save_dir=sys.argv[1], seed=0)
search.concurrent_evaluators()
search.fit()
restored = shac.SHAC(None, None, 40, 4, save_dir=sys.argv[1])
restored.restore_data()
assert restored.predict(num_samples=3, seed=1) == search.predict(num_samples=3, seed=1)
"""


def test_a_decimal_comma_changes_nothing(tmp_path: Path) -> None:
    if shutil.which("localedef") is None:
        pytest.skip("no localedef")
    made = subprocess.run(
        ["localedef", "--inputfile=de_DE", "--charmap=UTF-8", tmp_path / "de_DE.UTF-8"],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"localedef has no German here: {made.stderr.decode()}")
    tables = []
    for decimal_point, language in ((",", "de_DE.UTF-8"), (".", "C")):
        script = WITH_A_LOCALE.format(language=language, decimal_point=decimal_point)
        folder = tmp_path / language
        subprocess.run(
            [sys.executable, "-c", script, folder],
            env={**os.environ, "LOCPATH": str(tmp_path)},
            check=True,
            timeout=120,
        )
        names = ("dataset.csv", "manifest.json", *(f"classifiers/{stage:02d}.ubj" for stage in range(3)))
        tables.append([(folder / name).read_bytes() for name in names])
    assert tables[0] == tables[1]
