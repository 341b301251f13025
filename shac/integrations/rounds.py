"""The rounds of a search with cross-validation: what is asked for, fitted rung by rung, and told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from shac.errors import EmptyRegionError
from shac.integrations.folds import Evaluation
from shac.store.manifest import holds_search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shac.engine import SHAC
    from shac.engine.configurations import Configuration
    from shac.integrations.distributions import SettingsOf
    from shac.integrations.folds import FoldResults
    from shac.space import HyperParameterList

__all__ = ["CrossValidatedRounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidatedRounds:
    """Runs a search whose evaluations are fits of all folds.

    Parameters
    ----------
    engine : SHAC
    folds : FoldResults
        Those that are known; what is evaluated is added.
    space : HyperParameterList
    settings_of : callable
        Returns what the estimator is given for a configuration.
    rungs : tuple of int
        Of the resource.
    resource : str, optional
        The parameter that a rung sets.
    evaluate : callable
        Fits evaluations of a rung and adds their results; returns the error where all fits failed.
    score : callable
        Returns the score of an evaluation by its number and rung.
    is_kept : bool
        Whether results are written to the engine's folder.
    skip_cv_checks : bool
    """

    engine: SHAC
    folds: FoldResults
    space: HyperParameterList
    settings_of: SettingsOf
    rungs: tuple[int, ...]
    resource: str | None
    evaluate: Callable[[list[Evaluation]], ValueError | None]
    score: Callable[[int, int], float]
    is_kept: bool
    skip_cv_checks: bool

    def run(self) -> None:
        """Evaluate round after round, to the end of the budget.

        Raises
        ------
        ValueError
            scikit-learn's, where no fit succeeded.
        """
        failed_rounds = 0
        while asked := _ask_round(self.engine):
            self.recover(asked[0].number)
            scores, error = self._evaluate_round(asked)
            for configuration in asked:
                self.engine.tell(configuration, scores[configuration.number], skip_cv_checks=self.skip_cv_checks)
            failed_rounds = 0 if error is None else failed_rounds + 1
            is_over = (
                failed_rounds == self.engine.max_failed_rounds or len(self.engine.dataset) == self.engine.total_budget
            )
            if error is not None and is_over and not self.folds.has_success():
                raise error
        self.recover(len(self.engine.dataset))

    def recover(self, end: int) -> None:
        """Take in the results of evaluations whose scores were told before; those of an open round stand alone."""
        for number in self.folds.missing(end):
            rows = self.engine.dataset.X
            row = rows[number] if number < len(rows) else self.folds.row_read(number, self.space)
            for rung in self.folds.rungs_read(number):
                self.folds.recover(self._evaluation(number, row, rung))

    def _evaluate_round(self, asked: list[Configuration]) -> tuple[dict[int, float | None], ValueError | None]:
        """Return the scores by number, None of what is worse than others were, and the error of a round that failed."""
        scores: dict[int, float | None] = {}
        left, error = asked, None
        for rung, amount in enumerate(self.rungs):
            wanted = [self._evaluation(c.number, self.space.flat_row(c), rung) for c in left]
            missing = [evaluation for evaluation in wanted if not self.folds.knows(evaluation)]
            failure = self.evaluate(missing) if missing else None
            error = failure if rung == 0 else error
            if self.is_kept:
                self.folds.write(self.engine.save_dir)  # before the scores: a search that goes on has all results
                if not holds_search(self.engine.save_dir):
                    self.engine.save_data()  # or the rungs of the first round would be nobody's
            of_rung = {c.number: self.score(c.number, rung) for c in left}
            scores |= of_rung
            if amount == self.rungs[-1]:
                break
            left = [c for c in left if np.isfinite(of_rung[c.number])]
            worse = {c.number for c in left if self.engine.report(c, amount, of_rung[c.number])}
            scores |= dict.fromkeys(worse)
            left = [c for c in left if c.number not in worse]
            if not left:
                break
        return scores, error

    def _evaluation(self, number: int, row: Sequence[Any], rung: int) -> Evaluation:
        texts = tuple(c.to_text(value) for c, value in zip(self.space.columns, row, strict=True))
        candidate, amount = self.settings_of(self.space.to_parameters(row)), self.rungs[rung]
        if self.resource is not None:
            candidate = {**candidate, self.resource: amount}
        round_number = number // self.engine.num_workers + 1
        return Evaluation(number, texts, candidate, round_number, rung=rung, resource=amount)


def _ask_round(engine: SHAC) -> list[Configuration]:
    """Ask for what is left of a round, whose configurations are told in the order of their numbers."""
    first = _ask(engine, 1)
    if not first:
        return []
    number = first[0].number
    end = min((number // engine.num_workers + 1) * engine.num_workers, engine.total_budget)
    return first + (_ask(engine, end - number - 1) if end > number + 1 else [])


def _ask(engine: SHAC, n: int) -> list[Configuration]:
    """Ask, and let classifiers be failed where samples might be waited for without end, or are proven not to exist."""
    space = engine.state.space
    try:
        asked = engine.ask(n, relax_checks=not (space.has_quantile and space.has_cdf))
    except EmptyRegionError:
        asked = engine.ask(n, relax_checks=True)
    return cast("list[Configuration]", asked)
