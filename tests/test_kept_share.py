"""A classifier whose threshold is moved keeps the share of its region that was asked for."""

import cascades
import numpy as np
import pytest
from numpy.typing import NDArray

import shac
from shac.classifier import Classifier
from shac.sampling import calibrate_threshold

# The standard error of a share of 0.5 is 0.0035 among the samples that set the threshold, and as much among those
# that measure it: 0.02 is four standard errors of the difference. With the 256 of a search it would be less than one.
NUM_SAMPLES = 20_000
TOLERANCE = 0.02
SHARES = (0.75, 0.6, 0.5, 0.4, 0.25)


def valley(X: NDArray[np.float32]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (X[:, 1] - 4 * (X[:, 0] - 0.5) ** 2) ** 2 + 0.1 * X.sum(axis=1)
    return result


def mixed_space() -> shac.HyperParameterList:
    reals = [shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(4)]
    return shac.HyperParameterList([*reals, shac.IntegerHP("layers", 0, 5), shac.DiscreteHP("kind", ["a", "b", "c"])])


SPACES = {
    "3 reals": (cascades.unit_space(3), 200),
    "6 reals": (cascades.unit_space(6), 100),
    "12 reals": (cascades.unit_space(12), 100),
    "mixed": (mixed_space(), 100),
    "few points": (cascades.unit_space(6), 40),
}


@pytest.mark.parametrize("num_stages", [0, 2])
@pytest.mark.parametrize(("space", "num_points"), SPACES.values(), ids=SPACES)
def test_the_share_kept_of_fresh_samples_is_the_share_asked_for(
    space: shac.HyperParameterList, num_points: int, num_stages: int
) -> None:
    """Of a region of no or two stages, by the classifier that would be the next: ten cascades."""
    cascade = shac.Cascade([], space)
    X: NDArray[np.float32]
    for stage in range(num_stages + 1):
        X = cascade.sample(num_points, seed=stage)[0]
        model = cascades.train_stage(X, valley(X), n_estimators=50, min_child_weight=0.1)
        if stage < num_stages:
            cascade = cascade.extended(model)
    samples, fresh = (cascade.sample(NUM_SAMPLES, seed=seed)[0] for seed in (10, 11))
    margins = shac.Cascade([model], space).margins(samples)[:, 0]
    for share in SHARES:
        moved = calibrate_threshold(Classifier.of(model), space, samples, share)
        assert moved is not None
        accepts = shac.Cascade([moved.classifier.model], space).accepts
        assert abs(accepts(fresh).mean() - share) < TOLERANCE
        accepted = accepts(samples)
        next_best = margins == margins[~accepted].max()  # all alike, which are accepted or refused together
        assert accepted.mean() <= share < (accepted | next_best).mean()


def test_ties_lower_the_share_and_leave_at_least_the_best() -> None:
    space = cascades.unit_space(1)
    X = np.linspace(0, 0.9, 10, dtype=np.float32).reshape(-1, 1)
    model = cascades.train_stage(X, np.arange(10) // 5, n_estimators=1, max_depth=1, min_child_weight=0.0)
    for share, kept in ((0.9, 0.5), (0.5, 0.5), (0.4, 0.5), (0.1, 0.5)):  # its only two margins are five times each
        moved = calibrate_threshold(Classifier.of(model), space, X, share)
        assert moved is not None
        assert np.array_equal(
            shac.Cascade([moved.forest], space).margins(X)[:, 0], moved.classifier.model.predict(X, output_margin=True)
        )
        assert shac.Cascade([moved.classifier.model], space).accepts(X).mean() == kept
    assert calibrate_threshold(Classifier.of(model), space, X[:5], 0.5) is None
