"""The page in headless Chromium: what is done with it, by mouse and by keyboard."""

import contextlib
import io
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers import worlds
from tests.helpers.browser import barriers
from tests.helpers.pictures import png_of_any_kind
from tests.helpers.small_models import model_of
from vqzoo import trained
from vqzoo.priors import PixelCNN, pipeline
from vqzoo.world.actions import Actions

pytest.importorskip("gradio", reason="needs the extra app")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

ROOT = pathlib.Path(__file__).parents[2]
ARTIFACT = ROOT / "export" / "vqvae2_noisy" / "model.keras"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TABS = (
    *("Reconstruct", "Codes", "Interpolate", "Sample", "Likelihood", "Codebook"),
    "Dream",
)
PATIENCE = 120_000  # ms, on a machine with other things to do


def untrained_pipeline(folder):
    """Priors that know nothing, of the artifact's codes and of two classes."""
    sizes = {"num_blocks": 1, "num_channels": 8, "first_kernel_size": 3}
    top = PixelCNN((8, 8), 512, num_classes=2, **sizes)
    above = [((8, 8), 512)]
    bottom = PixelCNN((16, 16), 512, num_classes=2, context=above, **sizes)
    model = trained.load(ARTIFACT).model
    pipeline.Pipeline(model, [top, bottom], ["cat", "dog"]).save(folder)


@contextlib.contextmanager
def running(folder, *flags):
    """The address of a page whose server is watched; at its end nothing is left."""
    temporary, home, here = (folder / name for name in ("temporary", "home", "here"))
    for made in (temporary, home, here):
        made.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(temporary),
        "HOME": str(home),
        "KERAS_HOME": str(temporary / "keras"),
        "MPLCONFIGDIR": str(temporary / "matplotlib"),
    }
    report, errors = folder / "temporary" / "report.txt", folder / "stderr.txt"
    command = [sys.executable, ROOT / "tests" / "app" / "guarded.py", report, *flags]
    with contextlib.ExitStack() as stack:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=here,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(open(errors, "w")),
            text=True,
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        line = process.stdout.readline()
        assert line.startswith("http"), errors.read_text()
        yield line.split()[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert report.read_text() == ""
    left = {path.name for path in temporary.iterdir()}
    assert left <= {"report.txt", "keras", "matplotlib"}
    assert [*here.iterdir(), *home.iterdir()] == []
    assert "Traceback" not in errors.read_text()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a page of the artifact and of priors."""
    folder = tmp_path_factory.mktemp("server")
    untrained_pipeline(folder / "prior")
    with running(folder, f"--prior={folder / 'prior'}") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        path = path or started.chromium.executable_path
        if not pathlib.Path(path).exists():
            pytest.skip("needs Chromium: apt-get install chromium")
        launched = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextlib.contextmanager
def opened(browser, server, width=1280, height=900):
    """A page that is ready; at its end it has logged no error and gone nowhere else."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    errors, strangers = [], []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request",
        lambda r: (
            None
            if r.url.startswith((server, "data:", "blob:"))
            else strangers.append(r.url)
        ),
    )
    page.goto(server)
    page.wait_for_selector("#reconstruct-errors img")
    yield page
    assert (errors, strangers) == ([], [])
    context.close()


@pytest.fixture
def page(browser, server):
    with opened(browser, server) as ready:
        yield ready


def shown(page, name):
    """The picture of that name, when it is there to be clicked on."""
    page.wait_for_function(
        "name => document.querySelector(`#${name} img`)?.naturalWidth > 0", arg=name
    )
    return page.locator(f"#{name} img")


def source_of(page, name):
    return page.locator(f"#{name} img").get_attribute("src")


def pixels_of(page, name):
    response = page.request.get(source_of(page, name))
    return np.asarray(Image.open(io.BytesIO(response.body())).convert("RGB"))


@contextlib.contextmanager
def changing(page, name):
    """Waits until the picture of that name is another one than before."""
    before = source_of(page, name)
    yield
    page.wait_for_function(
        """([name, before]) => {
            const image = document.querySelector(`#${name} img`);
            return image && image.src !== before && image.complete;
        }""",
        arg=[name, before],
    )


def open_tab(page, name):
    tab = page.get_by_role("tab", name=name, exact=True)
    if not tab.is_visible():
        page.get_by_label("More tabs").click()
        tab = page.locator(".overflow-dropdown").get_by_text(name, exact=True)
    tab.click()


def upload(page, name, data, which=0):
    with page.expect_file_chooser() as chooser:
        page.locator(f"#upload-{which}").click()
    files = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    chooser.value.set_files(files)


def set_number(page, name, value):
    box = page.locator(f"#{name} input[type=number]")
    box.fill(str(value))
    box.press("Enter")


def test_the_first_page_shows_an_image_and_what_comes_back(page):
    assert page.title() == "vqzoo explorer"
    assert "top 8 x 8, K = 512; bottom 16 x 16" in page.inner_text("body")
    image, rebuilt = (pixels_of(page, f"reconstruct-{n}") for n in ("image", "rebuilt"))
    assert image.shape == rebuilt.shape == (256, 256, 3)
    error = np.abs(image.astype(float) - rebuilt).mean()
    assert 0 < error < 20
    assert "PSNR" in page.inner_text("#reconstruct-text")


def test_tiers_are_switched_off_and_on(page):
    before = pixels_of(page, "reconstruct-rebuilt")
    with changing(page, "reconstruct-rebuilt"):
        page.get_by_label("bottom").first.uncheck()
    assert not np.array_equal(pixels_of(page, "reconstruct-rebuilt"), before)
    page.get_by_label("top").first.uncheck()
    page.get_by_text("All tiers are off").wait_for()


def test_an_upload_is_reconstructed(page, to_file):
    red = Image.new("RGB", (100, 60), (200, 30, 30))
    with changing(page, "reconstruct-rebuilt"):
        upload(page, "red.png", to_file(red))
    page.get_by_text("Uploaded: 100 x 60 pixels, cropped to the center").wait_for()
    mean = pixels_of(page, "reconstruct-rebuilt").mean(axis=(0, 1))
    assert mean[0] > 150 > 90 > mean[1]


def test_wrong_uploads_are_answered_in_plain_words(page, to_file):
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    moving = to_file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for name, data, words in (
        ("notes.txt", b"no image", "Not taken: expected an image"),
        ("cut.png", to_file(frames[0])[:60], "or one that is broken"),
        (
            "wide.png",
            png_of_any_kind(9000, 9000, 8, 0, b""),
            "at most 25 million pixels",
        ),
        ("long.png", bytes(17 * 2**20), "at most 16 MB, received 17.0 MB"),
        ("moving.gif", moving, "it is animated: the first is taken"),
        ("deep.png", to_file(np.full((40, 40), 9999, np.uint16)), "reduced to 8 bits"),
        ("print.tif", to_file(Image.new("CMYK", (40, 40)), "TIFF"), "CMYK became RGB"),
    ):
        upload(page, name, data, which=1)
        page.locator("#note-1", has_text=words).wait_for()


def test_a_code_is_edited_and_the_image_follows(page):
    open_tab(page, "Codes")
    shown(page, "codes-first")
    first, second = (pixels_of(page, f"codes-{n}") for n in ("first", "second"))
    with changing(page, "codes-first"):
        set_number(page, "code", 500)
    edited = pixels_of(page, "codes-first")
    changed = np.abs(edited.astype(int) - first).max(axis=-1) > 2
    assert changed[:64, :64].any() and not changed[-32:, -32:].any()
    assert np.array_equal(pixels_of(page, "codes-second"), second)
    page.get_by_text("index 500 (was").wait_for()
    assert "1 of 320 codes changed" in page.inner_text("#codes-text")
    with changing(page, "codes-first"):
        page.click("#reset")
    assert np.array_equal(pixels_of(page, "codes-first"), first)


def test_a_click_chooses_a_square_and_noise_and_swaps_move_codes(page):
    open_tab(page, "Codes")
    picture = shown(page, "codes-picture")
    box = picture.bounding_box()
    with changing(page, "codes-picture"):
        spot = {"x": box["width"] * 0.7, "y": box["height"] * 0.2}
        picture.click(position=spot)
    assert page.input_value("#codes-row input") == "1"
    page.get_by_text("row 1, column").wait_for()
    first, second = (pixels_of(page, f"codes-{n}") for n in ("first", "second"))
    with changing(page, "codes-first"):
        page.click("#perturb")
    assert np.array_equal(pixels_of(page, "codes-second"), second)
    with changing(page, "codes-first"):
        page.click("#reset")
    with changing(page, "codes-second"):
        page.click("#swap")
    assert not np.array_equal(pixels_of(page, "codes-first"), first)
    assert not np.array_equal(pixels_of(page, "codes-second"), second)


def test_another_tier_has_another_grid(page):
    open_tab(page, "Codes")
    with changing(page, "codes-picture"):
        page.locator("#codes-map input").click()
        page.get_by_role("option", name="bottom").click()
    with changing(page, "codes-picture"):
        set_number(page, "codes-column", 15)
    page.get_by_text("bottom, row 0, column 15").wait_for()


def test_menus_that_are_only_passed_leave_edits_alone(page):
    """A menu that is left as it was, and a choice that is followed at once."""
    open_tab(page, "Codes")
    shown(page, "codes-first")
    asked = []
    page.on("request", lambda r: asked.append(r.url) if "queue/join" in r.url else None)
    for menu in ("#menu-0 input", "#codes-map input"):
        page.locator(menu).focus()
        page.keyboard.press("Tab")
    assert asked == []
    page.locator("#codes-map input").click()
    page.get_by_role("option", name="bottom").click()
    set_number(page, "codes-column", 7)
    page.get_by_text("bottom, row 0, column 7").wait_for()


def test_strips_go_from_one_image_to_the_other(page):
    open_tab(page, "Interpolate")
    for space in ("indices", "codes", "latents", "pixels"):
        page.wait_for_selector(f"#strip-{space} img")
    strip = pixels_of(page, "strip-codes")
    assert strip.shape[1] > 8 * strip.shape[0]
    with changing(page, "strip-codes"):
        page.locator("#menu-1 input").click()
        page.get_by_role("option", name="flower").click()
    other = pixels_of(page, "strip-codes")
    assert np.array_equal(other[:, : len(other)], strip[:, : len(strip)])
    assert not np.array_equal(other[:, -len(other) :], strip[:, -len(strip) :])
    page.get_by_label("by pixels").uncheck()
    page.locator("#strip-pixels").wait_for(state="hidden")


def test_images_are_drawn_and_downloaded(page):
    open_tab(page, "Sample")
    page.locator("#class input").click()
    page.get_by_role("option", name="dog").click()
    set_number(page, "count", 5)
    page.click("#draw")
    page.wait_for_selector("#samples img")
    page.get_by_text("5 images of 320 codes each").wait_for()
    with page.expect_download() as download:
        page.click("#download")
    with np.load(download.value.path()) as stored:
        assert stored["images"].shape == (5, 32, 32, 3)
        assert stored["bottom"].shape == (5, 16, 16)
        assert stored["label"].tolist() == [1] * 5


def test_the_codebook_is_shown_code_by_code(page):
    open_tab(page, "Codebook")
    page.wait_for_selector("#codebook-places img")
    code = page.locator("#codebook-code input[type=number]").input_value()
    assert int(code) > 0
    assert f"Code {code} is used at" in page.inner_text("#codebook-text")
    patch = pixels_of(page, "codebook-patch")
    with changing(page, "codebook-axes"):
        set_number(page, "codebook-code", 511)
    page.get_by_text("Code 511 is used at").wait_for()
    assert not np.array_equal(pixels_of(page, "codebook-patch"), patch)
    sheet = shown(page, "codebook-sheet")
    with changing(page, "codebook-sheet"):
        sheet.click(position={"x": sheet.bounding_box()["width"] / 32 * 2.5, "y": 3})
    page.get_by_text("Code 2 is used at").wait_for()


def test_everything_is_reached_and_used_with_the_keyboard_alone(page):
    def walk(wanted, limit=60):
        for _ in range(limit):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({wanted!r})"):
                return
        raise AssertionError(f"the Tab key does not reach {wanted}")

    page.locator("body").press("Tab")
    walk("#menu-0 input, #menu-0 input *")
    walk("#upload-0, #upload-0 *")
    press_for_a_file(page)
    walk("#menu-1 input")
    walk("[role=tab][data-tab-id]:nth-of-type(2)")
    page.keyboard.press("Enter")
    page.wait_for_selector("#codes-first img")
    for wanted in ("#which input", "#codes-map input", "#codes-row input"):
        walk(wanted)
    walk("#code input[type=range]")
    with changing(page, "codes-first"):
        page.keyboard.press("End")
    page.get_by_text("index 511 (was").wait_for()
    for wanted in ("#codes-tiers input", "#perturb", "#swap", "#reset"):
        walk(wanted)


def press_for_a_file(page):
    """Presses Enter until files can be chosen."""
    # The browser forgets a key after 5 s, which a busy machine may need to answer it.
    for _ in range(5):
        with contextlib.suppress(playwright.TimeoutError):
            with page.expect_file_chooser(timeout=20_000):
                page.keyboard.press("Enter")
            return
    raise AssertionError("the Enter key does not open the choice of files")


OVERLAPS = """() => {
    const seen = [...document.querySelectorAll('.block, button, label')].filter(
        e => e.checkVisibility({visibilityProperty: true, opacityProperty: true})
            && !e.closest('[aria-hidden=true]'));
    const found = [];
    for (const [i, a] of seen.entries()) for (const b of seen.slice(i + 1)) {
        if (a.contains(b) || b.contains(a)) continue;
        const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
        const width = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const height = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (width > 2 && height > 2) found.push([a.outerHTML.slice(0, 120),
            b.outerHTML.slice(0, 120)]);
    }
    return found;
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overlaps_or_runs_out_of_the_page(browser, server, width, tmp_path):
    with opened(browser, server, width) as page:
        for tab in TABS:
            open_tab(page, tab)
            if tab == "Codebook":
                page.wait_for_selector("#codebook-places img")
            page.wait_for_timeout(500)
            page.screenshot(path=tmp_path / f"{tab}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
            assert page.evaluate(OVERLAPS) == [], tab


def test_two_visitors_do_not_see_each_others_edits(browser, server):
    with opened(browser, server) as one, opened(browser, server) as other:
        for page in (one, other):
            open_tab(page, "Codes")
            page.wait_for_selector("#codes-first img")
        before = pixels_of(other, "codes-first")
        with changing(one, "codes-first"):
            set_number(one, "code", 500)
        with changing(other, "codes-picture"):
            set_number(other, "codes-row", 1)
        assert np.array_equal(pixels_of(other, "codes-first"), before)


def test_codebooks_of_other_sizes_and_models_without_priors(browser, tmp_path):
    model_of(0).save(tmp_path / "model.keras")  # 8 codes above, 16 below
    with running(tmp_path, f"--model={tmp_path}") as server:
        with opened(browser, server) as page:
            open_tab(page, "Codes")
            with changing(page, "codes-picture"):
                page.locator("#codes-map input").click()
                page.get_by_role("option", name="bottom").click()
            with changing(page, "codes-first"):
                set_number(page, "code", 15)
            page.get_by_text("index 15 (was").wait_for()
            open_tab(page, "Sample")
            page.get_by_text("There is no prior").wait_for()
            assert f"--model={tmp_path}/model.keras" in page.inner_text("body")


def test_a_gray_model_with_two_codes_a_latent(browser, tmp_path, two_codes):
    two_codes.model.save(tmp_path / "model.keras")
    with running(tmp_path, f"--model={tmp_path}") as server:
        with opened(browser, server) as page:
            assert np.ptp(pixels_of(page, "reconstruct-image"), axis=-1).max() == 0
            open_tab(page, "Codes")
            with changing(page, "codes-picture"):
                page.locator("#codes-map input").click()
                page.get_by_role("option", name="bottom, code 2 of 2").click()
            page.get_by_text("First image, bottom, code 2 of 2").wait_for()
            open_tab(page, "Sample")
            page.get_by_text("this model has several").wait_for()
            open_tab(page, "Codebook")
            page.wait_for_selector("#codebook-axes img")
            page.get_by_text("A single code paints nothing here").wait_for()


def test_a_dream_is_played_by_mouse_and_keys(browser, tmp_path):
    actions = Actions(4, names=("NOOP", "FIRE", "LEFT", "DOWNRIGHTFIRE"))
    worlds.small(actions=actions).save(tmp_path)
    with running(tmp_path, f"--model={tmp_path}") as server:
        for width in (1280, 390):
            with opened(browser, server, width) as page:
                open_tab(page, "Dream")
                shown(page, "dream-codes")
                page.wait_for_timeout(500)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.evaluate(OVERLAPS) == []
                assert barriers(page) == {}
                with changing(page, "dream-codes"):
                    page.keyboard.press("ArrowLeft")
                page.click("#act-1")
                page.get_by_text("2 actions").wait_for()
                page.keyboard.press("Space")  # the mouse left it no other button
                page.get_by_text("3 actions").wait_for()
                page.get_by_role("button", name="Begin anew").focus()
                page.keyboard.press("Enter")
                page.get_by_text("0 actions").wait_for()
                page.keyboard.press("Control+1")  # is the browser's
                page.keyboard.press("1")
                page.get_by_text("1 actions").wait_for()


def test_the_address_keeps_the_tab(page, server):
    open_tab(page, "Interpolate")
    page.wait_for_function("location.hash === '#Interpolate'")
    # Another page: one that is loaded anew logs that its connections ended.
    again = page.context.new_page()
    again.goto(server + "#Interpolate")
    for name in ("Interpolate", "Codebook"):
        again.evaluate("name => { location.hash = name }", name)
        again.get_by_role("tab", name=name, exact=True, selected=True).wait_for()


def test_no_tab_has_a_serious_barrier(page):
    found = {}
    for name in TABS:
        open_tab(page, name)
        # What is not there yet is shown faint.
        page.wait_for_timeout(500)
        page.wait_for_function("!document.querySelector('.pending, .generating')")
        for each, where in barriers(page).items():
            found.setdefault(each, []).append((name, where))
    assert found == {}


def test_a_port_that_is_taken_is_an_error_without_a_traceback(server):
    port = server.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "-m", "vqzoo.app", f"--model={ARTIFACT}"]
    finished = subprocess.run(
        [*command, f"--port={port}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 1
    assert f"expected a free port, received --host=127.0.0.1 --port={port}" in (
        finished.stderr
    )
    assert "Traceback" not in finished.stderr
