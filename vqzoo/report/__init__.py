"""Reports: findings in tables, figures and words, as one page. Nothing is measured."""

from vqzoo.report.page import render, shown

__all__ = ["render", "shown"]
