"""What tests of pages in a browser share."""

import contextlib
import shutil

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium():
    """Chromium, the system's or Playwright's own; skips where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with playwright.sync_playwright() as running:
        options = {"args": ["--no-sandbox"], "executable_path": found}
        try:
            browser = running.chromium.launch(**options)
        except playwright.Error as error:
            pytest.skip(
                "needs Chromium: apt-get install chromium, or playwright install "
                f"chromium ({str(error).splitlines()[0]})"
            )
        yield browser
        browser.close()


def barriers(page):
    """Serious barriers for readers, by axe-core: dict of its rule to where."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="needs axe-core: pip install axe-playwright-python",
    )
    return {
        each["id"]: [node["html"][:150] for node in each["nodes"][:3]]
        for each in axe.Axe().run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
    }
