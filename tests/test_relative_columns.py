"""Numbers close together far from zero: encoded relative to their range, and searched as well as those near zero."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import searches

import shac
from shac.parameters.relative import RelativeColumn, encoded_finely

FINE = [
    shac.UniformHP("t", 0.0, 60.0),
    shac.UniformHP("t", -1e30, 1e30),
    shac.UniformHP("t", 0.99, 0.999),
    shac.UniformHP("t", 1e9, 1e10, log_encode=True),
    shac.LogUniformHP("t", 1e-5, 1e-1),
    shac.NormalHP("t", 10.0, 1.0),
    shac.IntegerHP("t", 0, 2**24 - 1),
    shac.IntegerHP("t", 0, 2**53 - 1),
    shac.LogIntegerHP("t", 1, 2**40),
    shac.DiscreteHP("t", [2**40, 2**40 + 1]),
]
COARSE: list[tuple[Any, Any, float]] = [  # of each the same near zero, and the range of the encodings
    (shac.UniformHP("t", 1.7e9, 1.7e9 + 60), shac.UniformHP("t", 0, 60), 1.0),
    (shac.UniformHP("t", 273.15, 273.16), shac.UniformHP("t", 0, 0.01), 1.0),
    (shac.UniformHP("t", -5e8 - 1, -5e8), shac.UniformHP("t", 0, 1), 1.0),
    (shac.UniformHP("t", 1e9, 1e9 + 1, log_encode=True), shac.UniformHP("t", 0, 1), 1.0),
    (shac.LogUniformHP("t", 1e9, 1e9 + 1), shac.UniformHP("t", 0, 1), 1.0),
    (shac.NormalHP("t", 1e9, 0.1), shac.NormalHP("t", 0, 0.1), 1.0),
    (shac.IntegerHP("t", 2**26, 2**26 + 1000), shac.IntegerHP("t", 0, 1000), 1000.0),
    (shac.IntegerHP("t", -(2**52), -(2**52) + 9), shac.IntegerHP("t", 0, 9), 9.0),
    (shac.get_parameter("ScipyHyperParameter")("t", scipy.stats.uniform(1e9, 1)), shac.UniformHP("t", 0, 1), 1.0),
    (
        shac.get_parameter("ScipyHyperParameter")("t", scipy.stats.randint(2**30, 2**30 + 10)),
        shac.IntegerHP("t", 0, 9),
        9.0,
    ),
]


@pytest.mark.parametrize("parameter", FINE, ids=str)
def test_columns_that_float32_tells_apart_keep_their_values(parameter: Any) -> None:
    assert encoded_finely(parameter) is parameter


@pytest.mark.parametrize(("parameter", "near_zero", "width"), COARSE, ids=str)
def test_other_columns_tell_as_much_apart_as_the_same_near_zero(parameter: Any, near_zero: Any, width: float) -> None:
    column = encoded_finely(parameter)
    assert isinstance(column, RelativeColumn)
    u = np.random.default_rng(0).random(2000)
    values = column.quantile(u)
    encoded = column.encode_array(values)
    assert len(np.unique(encoded)) > 0.99 * len(np.unique(near_zero.encode_array(near_zero.quantile(u))))
    assert (np.diff(encoded[np.argsort(u)]) >= 0).all()
    assert np.quantile(encoded, 0.995) - np.quantile(encoded, 0.005) == pytest.approx(width, rel=0.1)
    decoded = column.decode_array(encoded)
    if parameter.is_integer:
        assert decoded.tolist() == values.tolist()
    else:
        np.testing.assert_allclose(decoded - values, 0, atol=1e-5 * (values.max() - values.min()))
    assert all(column.from_text(column.to_text(value)) == value for value in values[:5].tolist())


@pytest.mark.parametrize(("parameter", "near_zero", "width"), COARSE, ids=str)
def test_the_cdf_of_a_relative_column_is_the_share_of_values_encoded_below(
    parameter: Any, near_zero: Any, width: float
) -> None:
    column = encoded_finely(parameter)
    u = (np.arange(100_000) + 0.5) / 100_000
    encoded = column.encode_array(column.quantile(u))
    thresholds = np.quantile(encoded, [0.0, 0.1, 0.5, 0.77, 1.0]).astype(np.float32)
    below = np.searchsorted(encoded, thresholds) / len(encoded)
    np.testing.assert_allclose(column.cdf(thresholds), below, atol=2e-5)


def search(parameter: Any, target: float, folder: str) -> shac.SHAC:
    width = parameter.max_value - parameter.min_value
    space = [parameter, shac.UniformHP("u", 0, 1)]
    made = shac.SHAC(lambda w, p: abs(p["t"] - target) / width, space, 100, 10, "min", save_dir=folder, seed=2)
    made.concurrent_evaluators()
    return made


@pytest.mark.parametrize(
    ("far", "near"),
    [
        (shac.UniformHP("t", 2.0**30, 2.0**30 + 64), shac.UniformHP("t", 0, 64)),
        (shac.IntegerHP("t", 2**26, 2**26 + 1000), shac.IntegerHP("t", 0, 1000)),
    ],
    ids=["uniform", "integer"],
)
def test_a_search_far_from_zero_finds_what_the_same_search_near_zero_finds(far: Any, near: Any) -> None:
    offset = far.min_value
    away, close = search(far, offset + 40, "far"), search(near, 40, "near")
    away.fit()
    close.fit()
    np.testing.assert_allclose(min(away.dataset.Y), min(close.dataset.Y), atol=1e-3)
    again = search(far, offset + 40, "far")
    again.restore_data()
    assert np.isfinite(again.cascade.margins(again.dataset.encode_dataset()[0])).all()


@pytest.mark.parametrize("seed", [1])  # where gaps belonged to lower sides it ended 0.018 beside the target
@pytest.mark.parametrize(
    ("parameter", "target", "width"),
    [
        (shac.UniformHP("t", 0.0, 60.0), 42.0, 60.0),
        (shac.UniformHP("t", 273.15, 273.16), 273.157, 0.01),
        (shac.IntegerHP("t", 2**26, 2**26 + 1000), 2**26 + 700, 1000.0),
    ],
    ids=str,
)
def test_no_classifier_cuts_off_the_target_of_a_distance(
    parameter: Any, target: float, width: float, seed: int
) -> None:
    space = [parameter, shac.UniformHP("u", 0, 1)]
    search = searches.engine(
        lambda worker_id, p: abs(p["t"] - target) / width, space, total_budget=200, num_batches=20, seed=seed
    )
    search.fit()
    assert min(search.dataset.Y) < 1e-3


def test_a_search_that_was_saved_with_plain_encodings_keeps_them() -> None:
    saved = search(shac.UniformHP("t", 273.15, 273.16), 273.157, "run")
    saved.fit()
    manifest = searches.read_manifest(Path("run"))
    assert manifest.pop("encodes_relatively") is True
    searches.write_manifest(Path("run"), manifest)
    old = search(shac.UniformHP("t", 273.15, 273.16), 273.157, "run")
    old.restore_data()
    assert old.state.space.encode_rows([[273.155, 0.5]])[0, 0] == np.float32(273.155)
    assert saved.state.space.encode_rows([[273.155, 0.5]])[0, 0] == pytest.approx(0.5, abs=0.01)
    old.save_data()
    assert searches.read_manifest(Path("run"))["encodes_relatively"] is False
