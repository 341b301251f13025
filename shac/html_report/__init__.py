"""A search as one HTML file (``pip install 'shac[report]'``)."""

from shac.html_report.page import write_report

__all__ = ["write_report"]
