import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from cascades import bowl, train_cascade, unit_space
from searches import branin, engine

import shac
from shac.insight import (
    ColumnScale,
    gain_shares,
    list_rounds,
    stage_marginals,
    stage_volumes,
    value_text,
    view_of,
)

mpl.use("agg")

PLOTS: list[Any] = [shac.plot_history, shac.plot_region, shac.plot_importance, shac.plot_parallel, shac.plot_volume]


def sometimes(worker_id: int, parameters: Any) -> float:
    if parameters["x"] > 9:
        raise RuntimeError("too far right")
    return branin(worker_id, parameters)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> shac.SHAC:
    made = engine(sometimes, save_dir=tmp_path_factory.mktemp("search") / "run")
    made.fit()
    assert len(made.classifiers) >= 3
    return made


@pytest.fixture(autouse=True)
def _close_figures() -> Any:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize("plot", PLOTS)
def test_pictures_draw_an_engine_or_its_folder_and_return_axes(plot: Any, search: shac.SHAC) -> None:
    for source in (search, search.save_dir):
        axes = plot(source)
        assert isinstance(axes, mpl.axes.Axes)
        figure = axes.get_figure(root=True)
        assert figure is not None
        figure.savefig("picture.png")
        assert Path("picture.png").stat().st_size > 5000


@pytest.mark.parametrize("plot", PLOTS)
def test_pictures_draw_on_the_axes_they_get_and_leave_settings_alone(plot: Any, search: shac.SHAC) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    _, axes = plt.subplots()
    assert plot(search, ax=axes) is axes
    assert dict(mpl.rcParams) == before
    assert len(plt.get_fignums()) == 1


def test_plot_dataset_saves_a_file_with_a_trend(search: shac.SHAC) -> None:
    axes = shac.plot_dataset(search.dataset, to_file="scores.png", title="Branin", eval_label="value", trend_deg=2)
    assert axes.get_title(loc="left") == "Branin"
    assert axes.get_ylabel() == "value"
    assert Path("scores.png").stat().st_size > 5000
    finite = np.isfinite(search.dataset.Y)
    numbers, scores = np.arange(60)[finite], np.array(search.dataset.Y)[finite]
    trend = next(line for line in axes.get_lines() if line.get_label() == "trend")
    expected = np.polyval(np.polyfit(numbers, scores, 2), np.arange(60))
    assert np.allclose(np.asarray(trend.get_ydata(), dtype=float), expected)
    shac.plot_dataset(str(search.save_dir), to_file=None)
    search.dataset.save_dataset("shac_run")
    shac.plot_dataset()
    assert Path("dataset.png").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (3, ValueError, "expected a Dataset, an engine or a folder, got 3"),
        ("nowhere", FileNotFoundError, "nowhere"),
        (shac.Dataset([shac.UniformHP("x", 0.0, 1.0)]), ValueError, "expected at least one evaluation"),
    ],
)
def test_plot_dataset_refuses_what_it_cannot_draw(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        shac.plot_dataset(arguments, to_file=None)


@pytest.mark.parametrize("plot", PLOTS)
def test_a_search_without_results_is_refused_or_drawn(plot: Any) -> None:
    empty = engine()
    if plot is shac.plot_volume:
        assert plot(empty) is not None
    else:
        with pytest.raises(ValueError, match="search: expected at least one"):
            plot(empty)
    with pytest.raises(ValueError, match="search: expected an engine or the folder"):
        plot(3)


def test_history_shows_every_round_its_median_and_the_best(search: shac.SHAC) -> None:
    view = view_of(search)
    rounds = list_rounds(view)
    assert [(r.number, r.begin, r.end) for r in rounds] == [(i + 1, 10 * i, 10 * i + 10) for i in range(6)]
    for entry in rounds:
        assert entry.median == np.nanmedian(search.dataset.Y[entry.begin : entry.end])
        assert entry.best == np.nanmin(search.dataset.Y[entry.begin : entry.end])
    assert view.best_so_far()[-1] == np.nanmin(search.dataset.Y)


def test_marginals_are_those_of_the_samples_that_pass(search: shac.SHAC) -> None:
    view = view_of(search)
    marginals = stage_marginals(view)
    assert [m.scale.name for m in marginals] == ["x", "y"]
    many, _ = view.cascade.sample(20_000, seed=99)
    for c, found in enumerate(marginals):
        assert found.masses.shape == (len(search.classifiers) + 1, found.scale.num_bins)
        assert np.allclose(found.masses.sum(axis=1), 1)
        assert np.allclose(found.densities[0], 1)
        expected = np.bincount(found.scale.bins(many[:, c]), minlength=found.scale.num_bins) / len(many)
        # 400 samples: a bin's share is off by less than 5 standard errors, in 80 bins with a rate below 1e-4
        assert np.all(np.abs(found.masses[-1] - expected) < 5 * np.sqrt(expected / 400) + 5 / 400)
        low, high = found.interval(len(search.classifiers))
        inside = (found.scale.positions(many[:, c]) >= low) & (found.scale.positions(many[:, c]) <= high)
        assert 0.8 < inside.mean() < 0.98


def test_volumes_hold_the_share_of_the_prior_that_passes(search: shac.SHAC) -> None:
    view = view_of(search)
    volumes = stage_volumes(view.stage_draws)
    assert volumes[0].estimate == volumes[0].lower == volumes[0].upper == 1
    X, _ = view.cascade.prefix(0).sample(1_000_000, seed=7)
    for stage, volume in enumerate(volumes):
        share = view.cascade.prefix(stage).accepts(X).mean()
        # The interval has 95 %; widened to about 4 standard errors, one of 6 stages fails in 1 of 2,000 seeds
        middle, reach = volume.estimate, 2 * (volume.upper - volume.lower) / 2
        assert abs(share - middle) <= reach + 4 * (share * (1 - share) / len(X)) ** 0.5 + 1e-12
        assert volume.lower <= volume.estimate <= volume.upper


def test_an_empty_region_has_bounds_and_no_marginals() -> None:
    import xgboost

    from shac.insight.volume import StageDraws

    X = np.random.default_rng(0).random((60, 1), dtype=np.float32)
    models = [xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, y) for y in (X[:, 0] > 0.5, X[:, 0] <= 0.5)]
    space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
    last = stage_volumes(StageDraws(shac.Cascade(models, space)))[-1]
    assert last.exact
    assert last.estimate == last.lower == last.upper == 0


def test_importance_finds_the_parameter_that_matters() -> None:
    space = [shac.UniformHP("idle", 0.0, 1.0), shac.UniformHP("works", 0.0, 1.0)]
    made = engine(lambda worker_id, p: p["works"], space, total_budget=200, num_batches=4)
    made.fit()
    shares = gain_shares(view_of(made))
    assert np.allclose(shares.sum(axis=1), 1)
    assert shares[:, 1].min() > 0.6


@pytest.mark.parametrize(
    "parameter",
    [
        shac.UniformHP("p", -2.0, 3.0),
        shac.LogUniformHP("p", 1e-5, 1.0),
        shac.NormalHP("p", 1.0, 2.0),
        shac.IntegerHP("p", 1, 5),
        shac.IntegerHP("p", 1, 500),
        shac.DiscreteHP("p", ["a", None, 3]),
    ],
)
def test_positions_are_uniform_under_the_prior(parameter: Any) -> None:
    scale = ColumnScale("p", parameter)
    encoded = parameter.encode_array(parameter.sample_array(4000, np.random.default_rng(1)))
    positions = scale.positions(encoded)
    assert np.all((positions >= 0) & (positions <= 1))
    assert abs(positions.mean() - 0.5) < 5 * 0.29 / np.sqrt(4000)
    counts = np.bincount(scale.bins(encoded), minlength=scale.num_bins)
    assert np.allclose(counts / 4000, np.diff(scale.edges), atol=5 * np.sqrt(0.25 / 4000))
    assert len(scale.bin_labels()) == scale.num_bins


def test_a_parameter_without_quantile_has_a_scale() -> None:
    class Sampled(shac.AbstractHyperParameter):
        def sample(self) -> float:
            return float(self.random.normal())

    scale = ColumnScale("p", Sampled("p"))
    assert scale.positions([0.0]) == pytest.approx(0.5, abs=0.05)


def test_bounds_and_values_are_written_short() -> None:
    scale = ColumnScale("p", shac.UniformHP("p", 0.0, 0.7))
    assert (scale.text_at(0.0), scale.text_at(0.5), scale.text_at(1.0)) == ("0", "0.35", "0.7")
    assert value_text(float("nan")) == "nan"


def test_without_matplotlib_the_message_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.pyplot'] = None\n"
        "import shac\n"
        "dataset = shac.Dataset([shac.UniformHP('x', 0.0, 1.0)]); dataset.add_sample([0.5], 1.0)\n"
        "try:\n    shac.plot_dataset(dataset)\nexcept ImportError as error:\n    print(error)"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output == "pictures need matplotlib: pip install 'shac[plot]'\n"


LONG_NAMES = ["trainer.optimizer.param_groups.learning_rate.initial", "model.encoder.attention.dropout_probability"]
LONG_CHOICES = ["torchvision.models.resnet18", "torchvision.models.efficientnet_b0"]


@pytest.fixture(scope="module")
def dotted(tmp_path_factory: pytest.TempPathFactory) -> shac.SHAC:
    space = [*(shac.UniformHP(name, 0, 1) for name in LONG_NAMES), shac.DiscreteHP("backbone", LONG_CHOICES)]
    made = engine(
        lambda worker_id, p: sum(p[name] for name in LONG_NAMES),
        space=space,
        save_dir=tmp_path_factory.mktemp("dotted") / "run",
    )
    made.fit()
    return made


@pytest.mark.parametrize("plot", [shac.plot_region, shac.plot_importance, shac.plot_parallel])
def test_long_names_lie_within_the_picture_and_over_none_other(plot: Any, dotted: shac.SHAC) -> None:
    axes = plot(dotted)
    figure: Any = axes.get_figure(root=True)
    figure.canvas.draw()
    ticks = axes.get_xticklabels() if plot is shac.plot_parallel else axes.get_yticklabels()
    boxes = [tick.get_window_extent() for tick in ticks if tick.get_text()]
    assert len(boxes) == 3
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_choices_are_told_apart_by_their_endings(dotted: shac.SHAC) -> None:
    texts = [text.get_text() for text in shac.plot_parallel(dotted).texts]
    assert {"…resnet18", "…efficientnet_b0"} <= {*texts}


@pytest.mark.parametrize("plot", [shac.plot_dataset, shac.plot_history])
@pytest.mark.filterwarnings("error")
def test_scores_as_large_as_floats_are_drawn(plot: Any) -> None:
    made = engine(lambda worker_id, p: p["x"] * 1.7e307, total_budget=20, num_batches=2)
    made.fit()
    axes = plot(made) if plot is shac.plot_history else plot(made, to_file=None)
    figure: Any = axes.get_figure(root=True)
    figure.canvas.draw()
    assert axes.get_ylabel().endswith(" / 1e+300")
    assert np.nanmax(axes.lines[0].get_ydata()) * 1e300 == pytest.approx(max(made.dataset.Y))


def test_a_region_that_few_divisions_say_nothing_of_is_divided_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    from shac.insight.volume import StageDraws

    asked: list[tuple[int, int | None]] = []
    volume = shac.Cascade.volume

    def noting(cascade: shac.Cascade, stage: int | None = None, relax: int = 0, **options: Any) -> Any:
        asked.append((cascade.num_stages, options.get("max_boxes")))
        return volume(cascade, stage, relax, **options)

    monkeypatch.setattr(shac.Cascade, "volume", noting)
    for width, is_known in ((2, True), (12, False)):
        asked.clear()
        cascade = shac.Cascade(train_cascade(bowl, width, 3, 60), unit_space(width))
        bounds = StageDraws(cascade).bounds
        assert [stage for stage, most in asked if most == 512] == [0, 1, 2, 3]
        assert ((3, None) in asked) == is_known
        assert bounds[3] == volume(cascade, max_boxes=4096 if is_known else 512)
