import base64
import html.parser
import io
import re

import numpy as np
import pytest

from vqzoo import plots
from vqzoo.measures import Section
from vqzoo.report import render, shown

FACTS = {"model": "a <b> & c", "weights": 1234}


class Parser(html.parser.HTMLParser):
    """Collects tags, checks that they close, and keeps the text."""

    EMPTY = ("meta", "link", "img", "br")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(page):
    parser = Parser()
    parser.feed(page)
    assert parser.open == []
    return parser


def whole_section():
    glance = {"psnr": "PSNR (dB)", "ssim": "SSIM"}
    section = Section(name="whole", title="Whole", text="All there is.", glance=glance)
    section.add({"psnr": 30.0})
    section.remarks.append("It is 30 dB.")
    section.table("Errors", ("what", "dB"), [("PSNR", 30.0), ("bad", float("nan"))])
    figure = plots.curves({"a": ([1, 2], [3, 4])}, "x", "y")
    section.picture("A curve", "It rises.", lambda: figure)
    wide = plots.strips({"row": np.zeros((4, 8, 8, 3))}, width=7.2)
    section.picture("A strip", "It is black.", lambda: wide)
    section.skipped["SSIM"] = "the images are too small"
    return section


@pytest.fixture(scope="module")
def page():
    empty = Section(name="empty", title="Empty", text="Nothing.")
    empty.skipped["all of it"] = "there are no <labels>"
    return render("A & B", FACTS, [whole_section(), empty])


def test_the_page_is_well_formed_and_says_all(page):
    found = parsed(page)
    for text in (
        "a <b> & c",
        "1,234",
        "At a glance",
        "It is 30 dB.",
        "A curve",
        "It rises.",
        "Not measured: SSIM: the images are too small.",
        "there are no <labels>",
        "Empty: all of it",
    ):
        assert text in found.text
    links = [a["href"] for tag, a in found.tags if tag == "a"]
    ids = [a["id"] for tag, a in found.tags if tag == "section"]
    assert links == ["#whole", "#empty"]
    assert ids == ["whole", "empty", "not_measured"]


def test_nothing_is_fetched(page):
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources and all(s.startswith(("data:", "#")) for s in sources)
    assert "http" not in page and "url(" not in page and "<script" not in page


def test_no_table_shows_a_nan(page):
    assert "not defined" in page
    assert not re.search(r">\s*(nan|inf|-inf)\s*<", page, re.IGNORECASE)


def test_figures_are_pictures_with_their_size_and_words(page):
    images = [a for tag, a in parsed(page).tags if tag == "img"]
    assert [a["alt"] for a in images] == ["A curve", "A strip"]
    for attributes, figure in zip(images, whole_section().pictures):
        data = base64.b64decode(attributes["src"].split(",")[1])
        from PIL import Image

        width, height = Image.open(io.BytesIO(data)).size
        inches = figure.figure.get_size_inches()
        assert width == pytest.approx(200 * inches[0], abs=1)
        assert int(attributes["width"]) == pytest.approx(width / 2, abs=1)
        assert int(attributes["height"]) == pytest.approx(height / 2, abs=1)
    wide = [a for tag, a in parsed(page).tags if tag == "figure" and a.get("class")]
    assert len(wide) == 1


def test_text_is_dark_on_a_light_ground(page):
    def luminance(color):
        short = color.lstrip("#")
        full = short if len(short) == 6 else "".join(2 * c for c in short)
        channels = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in channels
        ]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    ground = re.search(r"background: (#\w+)", page).group(1)
    colors = re.findall(r"[^-]color: (#\w+)", page)
    assert len(colors) >= 3
    for color in colors:
        assert (luminance(ground) + 0.05) / (luminance(color) + 0.05) > 7


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0.0000"),
        (1234567, "1,234,567"),
        (np.int64(4096), "4,096"),
        (31.2896, "31.29"),
        (1234.6, "1,235"),
        (0.26071, "0.2607"),
        (0.00086828, "0.0008683"),
        (0.0000086828, "8.683e-06"),
        (12345678.9, "12,345,679"),
        (float("nan"), "not defined"),
        (float("-inf"), "not defined"),
        ("-", "-"),
    ],
)
def test_numbers_are_shown_short(value, text):
    assert shown(value) == text
