import pickle
import warnings
from typing import Any

import pytest

optuna = pytest.importorskip("optuna")

from shac.integrations.optuna import SHACSampler  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial: Any) -> float:
    x = trial.suggest_float("x", -5.0, 10.0)
    y = trial.suggest_float("y", 1e-3, 10.0, log=True)
    z = trial.suggest_float("z", 0.0, 1.0, step=0.25)
    n = trial.suggest_int("n", 1, 9, step=2)
    w = trial.suggest_int("w", 8, 512, log=True)
    kind = trial.suggest_categorical("kind", ["a", None, 3, True])
    return float((x - 2) ** 2 + (y - 1) ** 2 + z + abs(n - 5) + abs(w - 64) / 64 + (kind is not None))


def study_of(sampler: Any, n_trials: int, function: Any = objective, **options: Any) -> Any:
    study = optuna.create_study(sampler=sampler, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(function, n_trials=n_trials)
    return study


def test_an_unchanged_study_finds_better_settings_than_at_random() -> None:
    sampler = SHACSampler(seed=1)
    study = study_of(sampler, 150)
    assert 4 <= len(sampler.classifiers) <= 10
    late = sorted(trial.value for trial in study.trials[-30:])
    random = sorted(trial.value for trial in study_of(optuna.samplers.RandomSampler(seed=1), 30).trials)
    assert late[15] < 0.5 * random[15]


def test_the_same_seed_gives_the_same_trials() -> None:
    runs = [[trial.params for trial in study_of(SHACSampler(seed=seed), 60).trials] for seed in (3, 3, 4)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_study_goes_on_from_its_storage_with_a_new_sampler() -> None:
    whole = study_of(SHACSampler(seed=3), 60)
    storage = optuna.storages.InMemoryStorage()
    study_of(SHACSampler(seed=3), 33, storage=storage, study_name="s")
    resumed = optuna.load_study(study_name="s", storage=storage, sampler=SHACSampler(seed=3))
    # The first trial's parameters are independent of each other, and those of the rest come from number and trials
    resumed.optimize(objective, n_trials=27)
    assert [trial.params for trial in resumed.trials[1:]] == [trial.params for trial in whole.trials[1:]]


def test_later_trials_pass_every_classifier() -> None:
    sampler = SHACSampler(seed=5, points_per_classifier=20, max_classifiers=2, skip_cv_checks=True)
    study = study_of(sampler, 80, lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1))
    assert len(sampler.classifiers) == 2
    X = [[trial.params["x"], trial.params["y"]] for trial in study.trials[41:]]
    for model in sampler.classifiers:
        assert model.predict(X).all()


def test_maximising_goes_the_other_way() -> None:
    sampler = SHACSampler(seed=0)
    study = study_of(sampler, 80, lambda trial: trial.suggest_float("x", 0, 1), direction="maximize")
    assert min(trial.params["x"] for trial in study.trials[-10:]) > 0.8


def test_failed_and_pruned_trials_are_the_bad_half() -> None:
    def sometimes(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if x < 0.3:
            raise RuntimeError("too small")
        if x < 0.6:
            raise optuna.TrialPruned
        return float(x)

    study = optuna.create_study(sampler=SHACSampler(seed=0))
    study.optimize(sometimes, n_trials=80, catch=(RuntimeError,))
    states = [trial.state.name for trial in study.trials]
    assert states[:20].count("COMPLETE") < 14
    assert states[-15:].count("COMPLETE") == 15


def test_parameters_of_some_trials_only_are_drawn_at_random() -> None:
    def conditional(trial: Any) -> float:
        kind = trial.suggest_categorical("kind", ["line", "square"])
        size = trial.suggest_float("size", 0, 1)
        power = trial.suggest_int("power", 2, 5) if kind == "square" else 1
        return float(size**power)

    study = study_of(SHACSampler(seed=0), 60, conditional)
    assert min(trial.value for trial in study.trials) < 0.01


def test_trials_run_in_threads_and_in_batches_of_ask_and_tell() -> None:
    study = optuna.create_study(sampler=SHACSampler(seed=0))
    study.optimize(objective, n_trials=60, n_jobs=2)
    assert len(study.trials) == 60
    asked = optuna.create_study(sampler=SHACSampler(seed=0))
    for _ in range(6):
        trials = [asked.ask() for _ in range(10)]
        for trial in trials:
            asked.tell(trial, objective(trial))
    assert len({tuple(trial.params.items()) for trial in asked.trials}) == 60


def test_a_sampler_can_be_sent_to_another_process() -> None:
    sampler = SHACSampler(seed=7, points_per_classifier=10)
    study_of(sampler, 30)
    copy = pickle.loads(pickle.dumps(sampler))  # noqa: S301  # as Optuna's users do
    assert (copy.seed, copy.points_per_classifier, copy.classifiers) == (7, 10, [])
    study_of(copy, 12)


def test_what_it_cannot_do_is_refused() -> None:
    study = optuna.create_study(sampler=SHACSampler(), directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="multi-objective"):
        study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)
    for options in ({"points_per_classifier": 1}, {"max_classifiers": 0}, {"seed": -1}, {"seed": "x"}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}: expected an integer"):
            SHACSampler(**options)
