"""Samples of the region that a cascade accepts."""

from shac.sampling.cascade import Cascade
from shac.sampling.draws import Draw, SampleReport
from shac.sampling.policy import draw_all, draw_relaxing
from shac.sampling.region import Marginal, Volume
from shac.sampling.slice_sampling import slice_sample, uniforms_of
from shac.sampling.threshold import CalibratedModel, calibrate_threshold

__all__ = [
    "CalibratedModel",
    "Cascade",
    "Draw",
    "Marginal",
    "SampleReport",
    "Volume",
    "calibrate_threshold",
    "draw_all",
    "draw_relaxing",
    "slice_sample",
    "uniforms_of",
]
