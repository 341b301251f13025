import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

import shac
from shac.labels import label_scores

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
    assert len(sampler.classifiers) == 14
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
    resumed.optimize(objective, n_trials=27)
    assert [trial.params for trial in resumed.trials] == [trial.params for trial in whole.trials]


def test_trials_that_are_enqueued_are_the_next_ones_and_are_learnt_from() -> None:
    study = optuna.create_study(sampler=SHACSampler(seed=3))
    fixed = {"x": 2.0, "y": 1.0, "z": 0.0, "n": 5, "w": 64, "kind": None}
    study.enqueue_trial(fixed)
    study.enqueue_trial({"x": -1.0})
    study.optimize(objective, n_trials=15)
    study.enqueue_trial(fixed | {"n": 7})
    study.optimize(objective, n_trials=15)
    assert study.trials[0].params == fixed
    assert study.trials[1].params["x"] == -1.0
    assert study.trials[15].params == fixed | {"n": 7}
    assert study.best_trial.number == 0
    assert [len(study.trials), len(study.sampler.classifiers)] == [30, 2]
    resumed = optuna.create_study(sampler=SHACSampler(seed=3))
    resumed.add_trials(study.trials)
    nexts = [each.ask(study.trials[2].distributions).params for each in (study, resumed)]
    assert nexts[0] == nexts[1]


SPACE = [
    shac.LogIntegerHP("layers", 1, 64),
    shac.DiscreteHP("optimizer", ["sgd", "adam", None]),
    shac.LogUniformHP("rate", 1e-3, 10.0),
    shac.UniformHP("shift", -5.0, 10.0),
    shac.DiscreteHP("width", [16, 32, 64]),
]


def loss_of(values: Any) -> float:
    loss = (values["shift"] - 2) ** 2 + (math.log(values["rate"]) - 1) ** 2 + abs(values["layers"] - 5)
    return float(loss + (values["optimizer"] != "adam") + abs(values["width"] - 32) / 16)


def suggested(trial: Any) -> float:
    values = {
        "shift": trial.suggest_float("shift", -5.0, 10.0),
        "rate": trial.suggest_float("rate", 1e-3, 10.0, log=True),
        "layers": trial.suggest_int("layers", 1, 64, log=True),
        "optimizer": trial.suggest_categorical("optimizer", ["sgd", "adam", None]),
        "width": trial.suggest_categorical("width", [16, 32, 64]),
    }
    return loss_of(values)


@pytest.mark.parametrize("strategy", ["guided", "pooled", "paper"])
def test_a_study_of_whole_rounds_has_the_configurations_that_shac_evaluates(strategy: str) -> None:
    engine = shac.SHAC(None, SPACE, 80, 8, "min", save_dir="search", seed=5, strategy=strategy)
    while asked := engine.ask(1):
        engine.tell(asked[0], loss_of(asked[0]))
    evaluated = [dict(engine.state.space.to_parameters(row)) for row in engine.dataset.X]
    sampler = SHACSampler(seed=5, points_per_classifier=10, max_classifiers=7, strategy=strategy)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial(evaluated[0])  # until a trial has finished, Optuna does not know the search space
    study.optimize(suggested, n_trials=80)
    assert [trial.params for trial in study.trials] == evaluated


@pytest.mark.parametrize("whole_batches", [True, False])
def test_trials_asked_for_in_batches_are_those_of_shac(whole_batches: bool) -> None:
    engine = shac.SHAC(None, SPACE, 40, 4, "min", save_dir="search", seed=6)
    study = optuna.create_study(sampler=SHACSampler(seed=6, points_per_classifier=10, max_classifiers=3))
    for _ in range(10):  # the first round
        (asked,) = engine.ask(1)
        engine.tell(asked, loss_of(asked))
        study.enqueue_trial(dict(asked))
    study.optimize(suggested, n_trials=10)
    while asked_for := engine.ask(10):
        trials = [study.ask() for _ in asked_for]
        scores = [suggested(trial) for trial in trials]
        assert [trial.params for trial in trials] == [dict(configuration) for configuration in asked_for]
        told = list(zip(trials, scores, asked_for, strict=True))
        for trial, score, configuration in told if whole_batches else told[::-1]:
            study.tell(trial, score)
            engine.tell(configuration, score)
    assert len(study.trials) == 40


def conditional(trial: Any) -> float:
    kind = trial.suggest_categorical("optimizer", ["sgd", "adam"])
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    moment = trial.suggest_float("momentum", 0, 1) + trial.suggest_float("décay", 0, 1) if kind == "sgd" else 0.5
    return float((math.log10(rate) + 3) ** 2 + moment)


def test_a_study_with_conditional_parameters_goes_on_as_if_it_had_never_stopped() -> None:
    whole = study_of(SHACSampler(seed=3), 50, conditional)
    storage = f"sqlite:///{Path('study.db').absolute()}"
    for count in (7, 18, 25):
        sampler = SHACSampler(seed=3)
        study = optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)
        study.optimize(conditional, n_trials=count)
    assert [trial.params for trial in study.trials] == [trial.params for trial in whole.trials]


def test_parameters_drawn_independently_do_not_depend_on_each_other() -> None:
    sampler = SHACSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    trials = [study.ask() for _ in range(200)]
    pairs = [(trial.suggest_float("a", 0, 1), trial.suggest_float("b", 0, 1)) for trial in trials]
    inside = sum(a > 0.5 and b > 0.5 for a, b in pairs)
    assert abs(inside - 50) < 5 * math.sqrt(200 * 0.25 * 0.75)  # 5 standard errors
    assert len(set(pairs)) == 200


def test_a_study_of_two_threads_whose_space_is_defined_by_run_never_fails() -> None:
    for seed in range(6):
        study = optuna.create_study(sampler=SHACSampler(seed=seed, points_per_classifier=4))
        study.optimize(conditional, n_trials=30, n_jobs=2)
        assert {trial.state.name for trial in study.trials} == {"COMPLETE"}


def test_trials_that_run_at_once_differ() -> None:
    study = study_of(SHACSampler(seed=0), 25, suggested)
    trials = [study.ask() for _ in range(23)]  # more than a round
    for trial in trials:
        suggested(trial)
    assert len({tuple(trial.params.items()) for trial in trials}) == 23


def test_one_sampler_serves_two_studies() -> None:
    alone = [study_of(SHACSampler(seed=2), 30, function) for function in (suggested, conditional)]
    sampler = SHACSampler(seed=2)
    both = [optuna.create_study(sampler=sampler) for _ in range(2)]
    for _ in range(15):
        for study, function in zip(both, (suggested, conditional), strict=True):
            study.optimize(function, n_trials=2)
    assert [[t.params for t in study.trials] for study in both] == [[t.params for t in study.trials] for study in alone]


def test_a_study_goes_on_after_its_last_classifier() -> None:
    sampler = SHACSampler(seed=1, points_per_classifier=5, max_classifiers=3)
    study = study_of(sampler, 60, suggested)
    assert len(sampler.classifiers) == 3
    assert min(trial.value for trial in study.trials[40:]) < min(trial.value for trial in study.trials[:20])


def test_values_at_the_ends_of_steps_are_taken_as_they_are() -> None:
    study = study_of(SHACSampler(seed=0), 40, lambda trial: -trial.suggest_float("x", 0.0, 0.3, step=0.1))
    assert study.best_value == -0.3
    odd = (("a", 1), "b", float("nan"), 1, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna says that other storages cannot hold tuples
        study = optuna.create_study(sampler=SHACSampler(seed=0))
        study.optimize(lambda trial: float(trial.suggest_categorical("c", odd) == "b"), n_trials=30)
    assert sum(trial.value == 0 for trial in study.trials[20:]) > 5


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

    sampler = SHACSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(sometimes, n_trials=80, catch=(RuntimeError,))
    state = sampler._searches[0].state
    pruned = {trial.number for trial in study.trials[: len(state)] if trial.state == optuna.trial.TrialState.PRUNED}
    assert state.pruned.keys() == pruned
    assert pruned
    states = [trial.state.name for trial in study.trials]
    assert states[:10].count("COMPLETE") < 8
    assert states[-15:].count("COMPLETE") >= 10  # the best lies at the edge of what is pruned
    assert study.best_value < 0.601


def in_steps(trial: Any) -> float:
    """Report losses that come down, at first the more steeply the further from the best setting."""
    x = trial.suggest_float("x", 0.0, 1.0)
    y = trial.suggest_float("y", 0.0, 1.0)
    loss = (x - 0.8) ** 2 + (y - 0.3) ** 2
    for step in range(1, 10):
        trial.report(loss - 0.02 * step if loss > 0.3 else loss + 0.1 / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(loss)


@pytest.mark.parametrize(
    "pruner", [optuna.pruners.MedianPruner(), optuna.pruners.SuccessiveHalvingPruner(reduction_factor=3)]
)
def test_what_a_pruner_of_optuna_ends_is_labelled_worse_and_never_taken_for_the_best(pruner: Any) -> None:
    sampler = SHACSampler(seed=0, max_classifiers=5)
    study = study_of(sampler, 61, in_steps, pruner=pruner)
    state = sampler._searches[0].state
    trials = study.trials[: len(state)]
    pruned = {trial.number: trial for trial in trials if trial.state == optuna.trial.TrialState.PRUNED}
    complete = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len(pruned) + len(complete) == len(state) == 60
    assert state.pruned == {number: trial.intermediate_values[trial.last_step] for number, trial in pruned.items()}
    assert all(math.isnan(state.scores[number]) for number in pruned)
    scores, worst = state.scores_to_learn("min"), max(trial.value for trial in complete)
    assert {scores[number] for number in pruned} == {worst}
    assert min(state.pruned.values()) < worst  # what they reported last would not have made all of them the bad half
    labels = label_scores(scores, "min")
    assert not labels[list(pruned)].any()
    assert labels[study.best_trial.number] == 1
    assert study.best_trial.number not in pruned
    assert study.best_value == min(trial.value for trial in complete)
    late = [trial for trial in trials[-20:] if trial.number not in pruned]
    assert sum(trial.value for trial in late) / len(late) < sum(trial.value for trial in complete) / len(complete)


def breaks(trial: Any) -> tuple[float]:
    return (0.5 - trial.params["x"],)


def test_trials_that_break_a_constraint_are_the_bad_half() -> None:
    storage = optuna.storages.InMemoryStorage()
    sampler = SHACSampler(seed=0, max_classifiers=5, constraints_func=breaks)
    assert pickle.loads(pickle.dumps(sampler)).constraints_func is breaks  # noqa: S301
    study = study_of(sampler, 33, lambda trial: trial.suggest_float("x", 0, 1), storage=storage, study_name="s")
    scores = sampler._searches[0].state.scores
    assert len(scores) == 30
    assert [math.isnan(score) for score in scores] == [trial.params["x"] < 0.5 for trial in study.trials[:30]]
    assert min(trial.value for trial in study.trials if trial.params["x"] >= 0.5) < 0.52
    # Another sampler knows of the constraints by the storage
    other = SHACSampler(seed=0, max_classifiers=5)
    resumed = optuna.load_study(study_name="s", storage=storage, sampler=other)
    resumed.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert str(other._searches[0].state.scores) == str(scores)
    with pytest.raises(TypeError, match="constraints_func: expected a function of a trial, got 3"):
        SHACSampler(constraints_func=3)  # type: ignore[arg-type]


def test_constraints_that_a_trial_sets_itself_count() -> None:
    def constrained(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        if not hasattr(trial, "set_constraint"):
            pytest.skip("Optuna 4 has none")
        trial.set_constraint("room", 0.5 - x)
        return float(x)

    sampler = SHACSampler(seed=0)
    study = study_of(sampler, 11, constrained)
    scores = sampler._searches[0].state.scores
    assert [math.isnan(score) for score in scores] == [trial.params["x"] < 0.5 for trial in study.trials[:10]]


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
    assert (copy.seed, copy.points_per_classifier, copy.strategy, copy.classifiers) == (7, 10, "guided", [])
    study_of(copy, 12)


def test_a_study_of_two_objectives_is_the_search_of_them() -> None:
    def objective(trial: Any) -> tuple[float, float]:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        if trial.number == 13:
            raise optuna.TrialPruned
        return x + (y - 0.3) ** 2, x**2 - 2 * x - (y - 0.3) ** 2

    def studied() -> Any:
        study = optuna.create_study(sampler=SHACSampler(seed=5), directions=["maximize", "minimize"])
        study.optimize(objective, n_trials=60)
        return study

    study = studied()
    assert [trial.params for trial in study.trials] == [trial.params for trial in studied().trials]
    assert len(study.sampler.classifiers) > 1
    # Both are better the larger x is, and the farther y is from 0.3 where both ask for it
    best = [trial.params for trial in study.best_trials]
    assert max(values["x"] for values in best) > 0.95


def test_what_it_cannot_do_is_refused() -> None:
    for options in ({"points_per_classifier": 1}, {"max_classifiers": 0}, {"seed": -1}, {"seed": "x"}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}: expected an integer"):
            SHACSampler(**options)
    with pytest.raises(ValueError, match="strategy: expected a Strategy or one of"):
        SHACSampler(strategy="best")
