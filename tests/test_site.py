"""The site as `make docs` built it, in a browser: links, search, accessibility."""

import functools
import html.parser
import http.server
import json
import pathlib
import threading
import urllib.parse

import pytest

from tests.helpers.browser import barriers, chromium

ROOT = pathlib.Path(__file__).parents[1]
SITE = ROOT / "build" / "site"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.xdist_group("site"),
    pytest.mark.skipif(not SITE.is_dir(), reason="needs the site: make docs"),
]
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
# Cards are alike: a few of them stand for all.
SHOWN = [p for p in PAGES if not p.startswith(("recipes/", "export/"))]
SHOWN += [p for p in PAGES if p.startswith(("recipes/noise", "export/vqvae2/"))]
WORDS = (
    "FSQ",
    "freeze",
    "collapse",
    "PixelSNAIL",
    "TF Serving",
    "semantic ID",
    "world model",
)
# Pages of each kind, for what takes longer.
KINDS = (
    "index.html",
    "guide/quantizers.html",
    "reference/metrics.html",
    "models/index.html",
    "results/claims.html",
    "results/quantizers.html",
    "science/index.html",
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=SITE)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def page():
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)  # a machine with other things to do
        page.said, page.asked = [], []
        page.on("console", lambda m: m.type == "error" and page.said.append(m.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda each: page.asked.append(each.url))
        yield page


@pytest.fixture
def light(page):
    """The page without the index of its search, which costs more than all else."""
    index = json.loads((SITE / "search" / "search_index.json").read_text()) | {
        "docs": []
    }
    page.route("**/search_index.json", lambda route: route.fulfill(json=index))
    yield page
    page.unroute("**/search_index.json")


def test_every_page_fits_asks_nobody_else_and_has_no_error(light, address):
    playwright = pytest.importorskip("playwright.sync_api")
    page = light
    wide = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for name in SHOWN:
            page.goto(address + name, wait_until="domcontentloaded")
            try:  # What slides in is wide for a moment.
                page.wait_for_function(
                    "document.documentElement.scrollWidth <= innerWidth", timeout=3000
                )
            except playwright.TimeoutError:
                wide.append((name, width))
    page.set_viewport_size({"width": 1280, "height": 900})
    elsewhere = {url for url in page.asked if not url.startswith((address, "blob:"))}
    assert (wide, page.said, elsewhere) == ([], [], set())


class Links(html.parser.HTMLParser):
    """What a page links to, and the places that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes.get("id"), attributes.get("name")}
        self.links += [attributes[k] for k in ("href", "src") if attributes.get(k)]


def test_no_link_is_broken():
    read = {name: Links((SITE / name).read_text("utf-8")) for name in PAGES}
    broken = []
    for name, links in read.items():
        for link in links.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc or name == "404.html":
                continue
            target = (SITE / name).parent / urllib.parse.unquote(parts.path)
            target = target.resolve() if parts.path else (SITE / name)
            target = target / "index.html" if target.is_dir() else target
            known = read.get(target.relative_to(SITE).as_posix())
            place = urllib.parse.unquote(parts.fragment)
            if not target.is_file() or (known and place not in known.places):
                broken.append((name, link))
    assert broken == []


@pytest.mark.parametrize("words", WORDS)
def test_search_finds(page, address, words):
    page.goto(address)
    page.keyboard.press("/")
    page.locator(".md-search__input").fill(words)
    result = page.locator(".md-search-result__item").first
    result.wait_for(timeout=10_000)
    assert words.split()[0].lower() in result.inner_text().lower()


@pytest.mark.parametrize(("scheme", "names"), [("light", KINDS), ("dark", KINDS[:2])])
def test_no_serious_barrier(light, address, scheme, names):
    page = light
    page.emulate_media(color_scheme=scheme)
    page.goto(address)
    page.evaluate("localStorage.clear()")  # the scheme that was chosen before
    found = {}
    for name in names:
        page.goto(address + name)
        if serious := barriers(page):
            found[name] = serious
    page.emulate_media(color_scheme="light")
    assert found == {}
