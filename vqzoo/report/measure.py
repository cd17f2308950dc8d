"""Makes the sections of a report, one after the other."""

import time

from vqzoo.report.document import Section, Skipped

WHOLE = "all of it"


def measure(
    subject,
    measurements,
    on_start=lambda title: None,
    on_done=lambda section, seconds: None,
):
    """Makes each measurement; what cannot be measured says why and stops nothing.

    Args:
        subject: `Subject`.
        measurements: sequence of `(name, title, text, function)`; the function takes
            the subject and the `Section` that it fills.
        on_start: function of the title of a section that begins.
        on_done: function of a finished section and of its seconds.

    Returns:
        list of `Section`.
    """
    sections = []
    for name, title, text, fill in measurements:
        on_start(title)
        began = time.monotonic()
        section = Section(name=name, title=title, text=text)
        try:
            fill(subject, section)
        except (Skipped, ValueError) as error:
            section.skipped[WHOLE] = str(error)
        sections.append(section)
        on_done(section, time.monotonic() - began)
    return sections


def as_json(sections):
    """The numbers of sections, and what is missing: a dict that JSON can hold."""
    return {
        "metrics": {each.name: each.metrics for each in sections if each.metrics},
        "skipped": {each.name: each.skipped for each in sections if each.skipped},
    }
