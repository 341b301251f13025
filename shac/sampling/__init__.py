"""Samples of the region that a cascade accepts."""

from shac.sampling.cascade import Cascade
from shac.sampling.draws import Draw, SampleReport
from shac.sampling.policy import draw_all, draw_relaxing
from shac.sampling.region import Marginal, Volume
from shac.sampling.threshold import keeping_share
from shac.sampling.walk import uniforms_of, walk

__all__ = [
    "Cascade",
    "Draw",
    "Marginal",
    "SampleReport",
    "Volume",
    "draw_all",
    "draw_relaxing",
    "keeping_share",
    "uniforms_of",
    "walk",
]
