"""A report as one HTML page that needs no other file and no network."""

import base64
import html
import io
import math
import numbers
from typing import Any

from vqzoo.report.style import CSS

DOTS_PER_INCH = 200  # twice what a plain screen shows
CSS_PIXELS_PER_INCH = 100
WIDE = 5.5  # inches, from which on a figure stands alone
FOLDED = 12  # rows, beyond which a table is opened by its reader


def render(title, facts, sections):
    """The page, as a str.

    Args:
        title: str.
        facts: dict from a name to words or a number: what was evaluated, and how.
        sections: sequence of `measures.Section`.

    Returns:
        str of HTML, with its styles and figures inside.
    """
    parts = [
        f"<header><h1>{_text(title)}</h1>",
        _table("", (), list(facts.items())),
        "</header>",
        _glance(sections),
        _contents(sections),
        *map(_section, sections),
        _not_measured(sections),
    ]
    body = "\n".join(filter(None, parts))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"<style>{CSS}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _text(value):
    return html.escape(str(value))


def _glance(sections):
    """What a reader looks for first."""
    rows = [
        (words, section.metrics[name])
        for section in sections
        for name, words in section.glance.items()
        if name in section.metrics
    ]
    return f"<h2>At a glance</h2>\n{_table('', (), rows)}" if rows else ""


def _contents(sections):
    items = "".join(
        f'<li><a href="#{section.name}">{_text(section.title)}</a></li>'
        for section in sections
    )
    return f"<nav><h2>Contents</h2><ul>{items}</ul></nav>"


def _section(section):
    parts = [f"<h2>{_text(section.title)}</h2>", f"<p>{_text(section.text)}</p>"]
    parts += [f'<p class="remark">{_text(words)}</p>' for words in section.remarks]
    parts += [_table(t.title, t.header, t.rows, t.note) for t in section.tables]
    if section.pictures:
        figures = "".join(map(_figure, section.pictures))
        parts.append(f'<div class="figures">{figures}</div>')
    parts += [
        f'<p class="skipped">Not measured: {_text(what)}: {_text(reason)}.</p>'
        for what, reason in section.skipped.items()
    ]
    return f'<section id="{section.name}">{"".join(parts)}</section>'


def _table(title, header, rows, note=""):
    label = f' aria-label="{_text(title)}"' if title else ""
    head = "".join(f'<th scope="col">{_text(words)}</th>' for words in header)
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    lines = []
    for first, *rest in rows:
        cells = "".join(_cell(value, words=not header) for value in rest)
        lines.append(f'<tr><th scope="row">{_text(first)}</th>{cells}</tr>')
    note = f"<p>{_text(note)}</p>" if note else ""
    table = f"<table{label}>{head}<tbody>{''.join(lines)}</tbody></table>"
    table = f'<div class="scroll" tabindex="0">{table}</div>{note}'
    if len(lines) > FOLDED:
        summary = f"<summary>{_text(title)}: {len(lines)} rows</summary>"
        return f"<details>{summary}{table}</details>"
    return f"<h3>{_text(title)}</h3>{table}" if title else table


def _cell(value, words):
    """A cell; in a table of words they stand at the left, as numbers never do."""
    words = words and not isinstance(value, numbers.Number)
    return f"<td{' class=words' if words else ''}>{_text(shown(value))}</td>"


def shown(value: Any) -> str:
    """A number or word as a table shows it: about four digits, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, numbers.Number):
        return str(value)
    if isinstance(value, numbers.Integral):
        return f"{value:,}"
    if not math.isfinite(value):
        return "not defined"
    if value and abs(value) < 0.01:
        return f"{value:.4g}"
    digits = max(0, 4 - len(str(int(abs(value))))) if abs(value) >= 1 else 4
    return f"{value:,.{digits}f}"


def _figure(picture):
    figure = picture.figure
    if picture.width:
        width, height = figure.get_size_inches()
        figure.set_size_inches(picture.width, height * picture.width / width)
    width, height = figure.get_size_inches()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH)
    data = base64.b64encode(file.getvalue()).decode()
    pixels = [math.ceil(side * CSS_PIXELS_PER_INCH) for side in (width, height)]
    wide = ' class="wide"' if width >= WIDE else ""
    return (
        f"<figure{wide}><figcaption><strong>{_text(picture.title)}</strong>"
        f"{_text(picture.text)}</figcaption>"
        f'<img src="data:image/png;base64,{data}" alt="{_text(picture.title)}" '
        f'width="{pixels[0]}" height="{pixels[1]}"></figure>'
    )


def _not_measured(sections):
    rows = [
        (f"{section.title}: {what}", reason)
        for section in sections
        for what, reason in section.skipped.items()
    ]
    if not rows:
        return ""
    table = _table("", (), rows)
    return f'<section id="not_measured"><h2>Not measured</h2>{table}</section>'
