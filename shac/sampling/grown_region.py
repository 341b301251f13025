"""The region's boxes, grown with a cascade: each stage goes on from those of the stages before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shac.sampling.region import Volume

if TYPE_CHECKING:
    from shac.sampling.compiled import CompiledCascade
    from shac.sampling.extension import core

__all__ = ["GrownRegion"]

_DIVISIONS_OF_A_STAGE = 512


class GrownRegion:
    """Boxes that are divided anew for each stage; built when first asked for.

    Parameters
    ----------
    compiled : CompiledCascade
        The stages.
    shorter : GrownRegion, optional
        That of all stages but the last, kept until this one is built; made anew by default.
    """

    def __init__(self, compiled: CompiledCascade, shorter: GrownRegion | None = None) -> None:
        self._compiled = compiled
        self._shorter = shorter
        self._region: core.Region | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the stages alone; the boxes are made again when they are asked for."""
        return type(self), (self._compiled,)

    def volume(self) -> Volume:
        """Bound the mass that passes every stage.

        Raises
        ------
        ValueError
            If the space has parameters without a quantile function, or there are more stages or thresholds than a
            region can index.
        """
        return Volume(*self._built().volume()) if self._compiled.forests else Volume(1.0, 1.0)

    def _built(self) -> core.Region:
        if self._region is None:
            if not self._compiled.forests:
                self._region = self._compiled.regions().region(0, 1)
            else:
                shorter = self._shorter or GrownRegion(self._compiled.with_forests(self._compiled.forests[:-1]))
                grown = shorter._built().extended(self._compiled.stages[-1])
                self._region, self._shorter = grown.refined(_DIVISIONS_OF_A_STAGE), None
        return self._region
