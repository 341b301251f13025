"""Samples of the region that a cascade accepts."""

from shac.sampling.cascade import Cascade
from shac.sampling.compiled import read_by_core
from shac.sampling.draws import Draw, SampleReport, UniformRows
from shac.sampling.encoding import encode_uniforms, uniforms_of
from shac.sampling.estimating import DrawEstimate
from shac.sampling.mixing import MixedSample, sample_until_mixed
from shac.sampling.policy import draw_all, draw_candidates, draw_relaxing
from shac.sampling.rbf import SAME_POINT, Merit, PointCoordinates, merit_of
from shac.sampling.region import Marginal, Volume
from shac.sampling.slice_sampling import slice_sample
from shac.sampling.threshold import CalibratedClassifier, calibrate_threshold

__all__ = [
    "SAME_POINT",
    "CalibratedClassifier",
    "Cascade",
    "Draw",
    "DrawEstimate",
    "Marginal",
    "Merit",
    "MixedSample",
    "PointCoordinates",
    "SampleReport",
    "UniformRows",
    "Volume",
    "calibrate_threshold",
    "draw_all",
    "draw_candidates",
    "draw_relaxing",
    "encode_uniforms",
    "merit_of",
    "read_by_core",
    "sample_until_mixed",
    "slice_sample",
    "uniforms_of",
]
