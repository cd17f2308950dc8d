"""What tests of pages in a browser share."""

import pytest


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
