"""Hyper-parameter search by Successive Halving and Classification (SHAC, arXiv 1805.10255)."""
