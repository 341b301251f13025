"""A study of Optuna, by its own sampler."""

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    layers = trial.suggest_int("layers", 1, 6)
    bonus = {"relu": 0.02, "gelu": 0.03}[trial.suggest_categorical("activation", ["relu", "gelu"])]
    return 0.95 - 0.02 * abs(layers - 3) - 0.4 * abs(rate - 0.01) ** 0.5 + bonus


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(objective, n_trials=60)
print(study.best_params, study.best_value)
