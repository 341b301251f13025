"""A search space of twelve parameters of which seven depend on others, with constraints, for the tests."""

from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

import shac
from shac import MISSING

CONDITIONS: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": ["sgd", "rmsprop"]},
    "schedule": {"optimizer": "sgd"},
    "step": {"schedule": "step"},
    "beta": {"optimizer": "adam"},
    "width_2": {"layers": [2, 3, 4]},
    "width_3": {"layers": [3, 4]},
    "rates": {"dropout": True, "layers": [2, 3, 4]},
}
CONSTRAINTS = ("batch * width_1 <= 16384", "lr + momentum < 0.97")


def space(constraints: Any = CONSTRAINTS) -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.UniformHP("momentum", 0.0, 1.0),  # before the parameter that it depends on
            shac.DiscreteHP("optimizer", ["sgd", "adam", "rmsprop"]),
            shac.DiscreteHP("schedule", ["constant", "step"]),
            shac.IntegerHP("step", 1, 50),
            shac.LogUniformHP("lr", 1e-5, 1e-1),
            shac.UniformHP("beta", 0.9, 0.999),
            shac.IntegerHP("layers", 1, 4),
            shac.LogIntegerHP("width_1", 16, 512),
            shac.LogIntegerHP("width_2", 16, 512),
            shac.DiscreteHP("width_3", [16, 64, 256]),
            shac.DiscreteHP("batch", [16, 32, 64, 128]),
            shac.DiscreteHP("dropout", [False, True]),
            shac.MultiUniformHP("rates", 0.0, 0.5, sample_count=2),
        ],
        conditions=CONDITIONS,
        constraints=constraints,
    )


def score(setting: dict[str, Any]) -> float:
    """A cost in which every parameter matters, smaller being better."""
    cost = (np.log10(setting["lr"]) + 3) ** 2 + abs(np.log2(setting["width_1"]) - 6)
    cost += {"sgd": 0.0, "adam": 0.4, "rmsprop": 0.8}[setting["optimizer"]]
    cost += 2 * abs(setting.get("momentum", 0.7) - 0.8) + 20 * abs(setting.get("beta", 0.97) - 0.98)
    cost += abs(setting.get("step", 30) - 20) / 20 + abs(setting["layers"] - 3) / 2
    cost += abs(np.log2(setting.get("width_2", 64)) - 7) / 2 + setting.get("width_3", 128) / 256
    cost += abs(np.log2(setting["batch"]) - 5) / 3 + sum(setting.get("rates", [0.3]))
    return float(cost)


def is_valid(setting: dict[str, Any], *, constrained: bool = True) -> bool:
    """By hand: what is there is what should be, and the constraints hold."""
    expected = {"optimizer", "lr", "layers", "width_1", "batch", "dropout"}
    expected |= {"momentum"} if setting["optimizer"] in ("sgd", "rmsprop") else set()
    expected |= {"schedule"} if setting["optimizer"] == "sgd" else set()
    expected |= {"step"} if setting.get("schedule") == "step" else set()
    expected |= {"beta"} if setting["optimizer"] == "adam" else set()
    expected |= {"width_2"} if setting["layers"] >= 2 else set()
    expected |= {"width_3"} if setting["layers"] >= 3 else set()
    expected |= {"rates"} if setting["dropout"] and setting["layers"] >= 2 else set()
    holds = setting["batch"] * setting["width_1"] <= 16384 and setting["lr"] + setting.get("momentum", 0) < 0.97
    return set(setting) == expected and (holds or not constrained)


def filtered_prior(models: list[xgboost.XGBClassifier], n: int, seed: int, *, relax: int = 0) -> NDArray[np.float32]:
    """Draw the prior by NumPy, take away what does not exist, filter by hand and by XGBoost until `n` are left."""
    free, random = space(()), np.random.default_rng(seed)
    needed = {name: {p: np.atleast_1d(v).tolist() for p, v in CONDITIONS[name].items()} for name in CONDITIONS}

    def row_of(setting: dict[str, Any]) -> list[Any]:
        row: list[Any] = []
        for p in free:
            value = setting.get(p.name, MISSING)
            row += value if isinstance(value, list) else [value] * p.num_columns
        return row

    kept = [np.empty((0, free.num_columns), dtype=np.float32)]
    while sum(map(len, kept)) < n:
        drawn = {p.name: p.sample_array(20_000, random) for p in free}
        rows = []
        for i in range(20_000):
            setting = {name: drawn[name][i] for name in drawn}
            for name in ("momentum", "schedule", "beta", "step", "width_2", "width_3", "rates"):
                if any(setting.get(p) not in values for p, values in needed[name].items()):
                    del setting[name]
            if is_valid(setting):
                rows.append(setting)
        X = free.encode_rows([row_of(setting) for setting in rows])
        failures = sum((model.predict(X) == 0 for model in models), np.zeros(len(X), dtype=int))
        kept.append(X[failures <= relax])
    return np.concatenate(kept)


def train(num_stages: int, batch_size: int = 60) -> list[xgboost.XGBClassifier]:
    models: list[xgboost.XGBClassifier] = []
    for stage in range(num_stages):
        draw = shac.Cascade(models, space()).draw(batch_size, seed=stage, method="plain")
        scores = np.array([score(space().to_parameters(row)) for row in draw.rows])
        model = xgboost.XGBClassifier(n_estimators=60, n_jobs=1)
        models.append(model.fit(draw.X, (scores < np.median(scores)).astype(int)))
    return models
