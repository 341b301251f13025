"""The best of evaluated configurations: the one with the best score, or the Pareto front of several objectives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shac.html_tables import table_html
from shac.labels import check_objective
from shac.nondominated import front_of
from shac.objectives import Objectives
from shac.replicates import Replicates

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Mapping, Sequence

__all__ = ["RankedEvaluations"]

_MOST_ROWS = 10  # of a table in a notebook


class RankedEvaluations:
    """Base of `Dataset`; see there."""

    X: list[list[Any]]
    Y: list[Any]
    objective: str | tuple[str, ...] | Mapping[str, str]

    def get_best_parameters(self, objective: str | None = None) -> OrderedDict[str, Any]:
        """Return the configuration with the best score.

        Of equals it is the one whose five nearest configurations have the best mean score: a perfect score on few test
        rows may be luck, and is less likely to be where other configurations are good, too.

        Where evaluations of the same configuration have different scores, scores are noisy, and the best of many is
        the luckiest: then configurations are compared by their mean scores, each two standard errors to the worse.

        Parameters
        ----------
        objective : {'max', 'min'}, optional
            That of the search by default; 'max' for a dataset of none.

        Returns
        -------
        OrderedDict

        Raises
        ------
        ValueError
            If `objective` is neither, no score is finite, or there are several objectives: see `pareto_front`.
        """
        self.check_single("get_best_parameters")
        if not (ranked := self.ranked(objective)):
            raise ValueError(f"dataset: expected at least one finite score, got none among {len(self.Y)}")
        return self.prepare_parameter(self.X[ranked[0][0]])

    def pareto_front(self) -> list[tuple[OrderedDict[str, Any], tuple[float, ...]]]:
        """Return the configurations that no other dominates, and their scores, one of each objective.

        One dominates another that is not worse in any objective, and better in one.

        Returns
        -------
        list of (OrderedDict, tuple of float)
            The best in the first objective first; equal ones in the order of their evaluation. Empty where no
            evaluation has scores.

        Raises
        ------
        ValueError
            If there is a single objective.

        Examples
        --------
        >>> from shac import Dataset, UniformHP
        >>> dataset = Dataset([UniformHP("x", 0.0, 1.0)])
        >>> dataset.objective = {"accuracy": "max", "seconds": "min"}
        >>> for x, scores in ((0.1, (0.8, 5.0)), (0.2, (0.9, 7.0)), (0.3, (0.8, 9.0))):
        ...     dataset.add_sample([x], scores)
        >>> [(dict(configuration), scores) for configuration, scores in dataset.pareto_front()]
        [({'x': 0.2}, (0.9, 7.0)), ({'x': 0.1}, (0.8, 5.0))]
        """
        return [(self.prepare_parameter(self.X[i]), tuple(self.Y[i])) for i in self.pareto_indices()]

    def pareto_indices(self) -> list[int]:
        """Return the numbers of the evaluations of `pareto_front`, in its order; see there."""
        objectives = self.objectives
        if objectives is None:
            raise ValueError(
                f"pareto_front: expected two objectives or more, got {self.objective!r}; get_best_parameters() returns "
                "the best configuration"
            )
        losses = objectives.losses(self.Y)
        return sorted(front_of(losses).tolist(), key=lambda i: (*losses[i], i))

    @property
    def objectives(self) -> Objectives | None:
        """Names and directions of several objectives; None where there is one.

        Raises
        ------
        ValueError
            If `objective` is none.
        """
        return Objectives.of(self.objective)

    def to_html(self, caption: str) -> str:
        """Return the best evaluations as a small table for a notebook.

        Parameters
        ----------
        caption : str
            What stands above it.

        Returns
        -------
        str
            HTML, all of whose texts are escaped.
        """
        objectives = self.objectives
        if objectives is None:
            chosen: list[tuple[int, Any]] = [(i, (score,)) for i, score in self.ranked()[:_MOST_ROWS]]
        else:
            chosen = [(i, self.Y[i]) for i in self.pareto_indices()[:_MOST_ROWS]]
        if not chosen:
            return table_html(caption, (), ())
        head = ["evaluation", *(("score",) if objectives is None else objectives.names)]
        rows = [[i, *map(float, scores), *self.X[i]] for i, scores in chosen]
        return table_html(caption, [*head, *self.column_names()], rows)

    def _repr_html_(self) -> str:
        return self.to_html(repr(self))

    def column_names(self) -> list[str]:
        raise NotImplementedError

    def prepare_parameter(self, sample: Sequence[Any]) -> OrderedDict[str, Any]:
        raise NotImplementedError

    def check_single(self, what: str) -> None:
        """Raise ValueError if there are several objectives, of which none has a best score.

        Parameters
        ----------
        what : str
            What needs a single one, for the message.
        """
        if self.objectives is not None:
            raise ValueError(
                f"{what}: expected a single objective, got {self.objective!r}; pareto_front() returns the "
                "configurations that no other dominates"
            )

    def ranked(self, objective: str | None = None) -> list[tuple[int, float]]:
        """Return the numbers of evaluations, the best first, and their scores; see `get_best_parameters`.

        Parameters
        ----------
        objective : {'max', 'min'}, optional
            That of the search by default.

        Returns
        -------
        list of (int, float)
            Of those with a finite score. Where scores are noisy, each configuration is there once, with the number of
            its first evaluation and its mean score.

        Raises
        ------
        ValueError
            If `objective` is neither.
        """
        own: Any = self.objective if objective is None else objective
        check_objective(own)
        sign = -1.0 if own == "max" else 1.0
        return [(entry.number, sign * entry.loss) for entry in Replicates.of(self.X, self.Y, own).ranked()]
