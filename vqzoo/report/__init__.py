"""Reports: measurements of a model in tables, figures and words, as one page."""

from vqzoo.report.document import Section, Skipped, shown
from vqzoo.report.measure import as_json, measure
from vqzoo.report.page import render
from vqzoo.report.sections import MEASUREMENTS, glance, named
from vqzoo.report.subject import QUICK, Data, Sizes, Subject

__all__ = [
    "Data",
    "MEASUREMENTS",
    "QUICK",
    "Section",
    "Sizes",
    "Skipped",
    "Subject",
    "as_json",
    "glance",
    "measure",
    "named",
    "render",
    "shown",
]
