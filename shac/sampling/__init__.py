"""Samples of the region that a cascade accepts."""

from shac.sampling.cascade import Cascade
from shac.sampling.draws import Draw, SampleReport
from shac.sampling.encoding import encode_uniforms, uniforms_of
from shac.sampling.estimating import DrawEstimate
from shac.sampling.mixing import MixedSample, sample_until_mixed
from shac.sampling.policy import draw_all, draw_relaxing
from shac.sampling.rbf import Merit, PointCoordinates
from shac.sampling.region import Marginal, Volume
from shac.sampling.slice_sampling import slice_sample
from shac.sampling.threshold import CalibratedModel, calibrate_threshold

__all__ = [
    "CalibratedModel",
    "Cascade",
    "Draw",
    "DrawEstimate",
    "Marginal",
    "Merit",
    "MixedSample",
    "PointCoordinates",
    "SampleReport",
    "Volume",
    "calibrate_threshold",
    "draw_all",
    "draw_relaxing",
    "encode_uniforms",
    "sample_until_mixed",
    "slice_sample",
    "uniforms_of",
]
