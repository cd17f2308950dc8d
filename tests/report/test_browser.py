"""The report in a browser: Playwright with Debian's Chromium or its own."""

import numpy as np
import pytest

from tests.helpers import subject as small
from tests.helpers.browser import barriers, chromium
from tests.helpers.small_models import model_of
from vqzoo import registry
from vqzoo.measures import measure
from vqzoo.report import render

pytestmark = pytest.mark.slow
LEFT_OUT = ("classification_accuracy_score", "disentanglement", "identifiers")
NAMES = [name for name in registry.names("measures") if name not in LEFT_OUT]


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = model_of(0)
    history = [
        {"epoch": n + 1, "seconds": 36.0, "loss": 3 - n, "val_loss": 4 - n}
        | {"val_top_perplexity": 4.0 + n, "val_top_usage": 0.5}
        for n in range(3)
    ]
    subject = small.subject_of(
        model, pipeline=small.pipeline_of(model), history=history
    )
    sections = measure(subject, NAMES)
    page = render("A small model", {"model": "small"}, sections)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page)
    return path


@pytest.fixture(params=[1280, 390])
def opened(request, browser, path):
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda each: page.asked.append(each.url))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    yield page
    page.close()


def test_nothing_is_fetched_and_nothing_is_wrong(opened, path):
    elsewhere = [url for url in opened.asked if not url.startswith("data:")]
    assert elsewhere == [path.as_uri()]
    assert opened.said == []


def test_the_page_is_as_wide_as_the_window(opened):
    width = opened.viewport_size["width"]
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    wider = opened.evaluate(
        """[...document.querySelectorAll('h1, h2, h3, p, figcaption, img, summary')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert wider == []


def test_every_figure_is_drawn_and_keeps_its_shape(opened):
    figures = opened.evaluate(
        """[...document.images].map(e => [e.naturalWidth / e.naturalHeight,
        e.width / e.height, e.width])"""
    )
    assert len(figures) > 20
    for natural, shown, width in figures:
        assert shown == pytest.approx(natural, rel=0.02) and width > 250


def test_every_section_is_reached_from_the_contents(opened):
    links = opened.evaluate(
        "[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))"
    )
    assert len(links) == len(NAMES)
    opened.click(f"nav a[href='{links[-1]}']")
    top = opened.evaluate(
        f"document.querySelector('{links[-1]}').getBoundingClientRect().top"
    )
    assert top < 900


def test_text_is_large_and_dark_enough(opened):
    texts = opened.evaluate(
        """[...document.querySelectorAll('p, td, th, figcaption, a, h2')].map(e => {
        const s = getComputedStyle(e); return [parseFloat(s.fontSize), s.color]})"""
    )
    for size, color in texts:
        assert size >= 14
        red, green, blue = map(int, color[4:-1].split(","))
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in (red / 255, green / 255, blue / 255)
        ]
        luminance = np.dot(linear, [0.2126, 0.7152, 0.0722])
        assert 1.05 / (luminance + 0.05) > 7


def test_nobody_meets_a_serious_barrier(opened):
    assert barriers(opened) == {}


def test_no_cell_is_empty_or_not_a_number(opened):
    cells = opened.evaluate(
        "[...document.querySelectorAll('td, th')].map(e => e.textContent.trim())"
    )
    assert len(cells) > 200
    assert not {"", "nan", "inf", "-inf", "None"} & {cell.lower() for cell in cells}
