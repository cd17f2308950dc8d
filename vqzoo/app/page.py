"""The page: two images, tabs, and the server that shows it on this machine."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import tempfile
import threading
import uuid

from vqzoo.app import (
    codebook,
    codes,
    dream,
    guard,
    interpolate,
    likelihood,
    picker,
    reconstruct,
    sample,
    uploads,
    widgets,
)
from vqzoo.app.explored import Explored
from vqzoo.runs import lock
from vqzoo.runs.files import RunError

TITLE = "vqzoo explorer"
PREFIX = "vqzoo-app-"  # of the temporary folder
# In their order. A tab is a module with `build`, from a `widgets.Page` to what it runs
# when the images change: `(function, inputs, outputs)` or None.
TABS = {
    "Reconstruct": reconstruct,
    "Codes": codes,
    "Interpolate": interpolate,
    "Sample": sample,
    "Likelihood": likelihood,
    "Codebook": codebook,
    "Dream": dream,
}
# Labels and buttons stand above pictures, not on them; pixels stay squares.
STYLE = """
.pixels { display: flex; flex-direction: column; }
.pixels img { image-rendering: pixelated; }
.pixels label[data-testid="block-label"] {
    position: static; border: none; width: auto; overflow-wrap: anywhere;
}
.pixels:has(.icon-button-wrapper button) label { margin-right: 2em; }
.pixels .image-container { position: static; flex: 1; min-height: 0; }
.pixels .icon-button-wrapper:not(:has(button)) { display: none; }
.picker { align-items: flex-start; flex-wrap: nowrap; }
button[role="tab"].selected { color: var(--body-text-color); }
"""
# Keeps the tab in the address, and opens the one that the address names.
SCRIPT = """() => {
  const tabs = () => [...document.querySelectorAll("button[role=tab]")];
  const name = (button) => button.textContent.trim();
  const open = (left) => {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const tab = tabs().find((each) => name(each) === wanted);
    if (!tab && wanted && left) setTimeout(() => open(left - 1), 100);
    if (tab && tab.ariaSelected !== "true") tab.click();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[role=tab], .overflow-dropdown button");
    if (button && tabs().some((each) => name(each) === name(button)))
      history.replaceState(null, "", "#" + encodeURIComponent(name(button)));
  }, true);
  // A key plays the dream, where its button is seen and nothing is written.
  document.addEventListener("keydown", (event) => {
    const key = event.key === " " ? "Space" : event.key;
    const button = document.getElementById("act-" + key);
    if (!button?.offsetParent || event.target.matches("input, textarea")) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    // These press the button that the Tab key reached.
    if (["Enter", "Space"].includes(key) && event.target.closest("button, a")) return;
    event.preventDefault();
    button.click();
  });
  // A button that the mouse pressed leaves the keys to the dream.
  document.addEventListener("click", (event) => {
    if (event.detail) event.target.closest("button")?.blur();
  }, true);
  addEventListener("hashchange", () => open(0));
  // gradio names its empty boxes, but does not say what they are.
  const name_boxes = () =>
    document.querySelectorAll(".empty[aria-label]:not([role])").forEach(
      (box) => box.setAttribute("role", "img"));
  new MutationObserver(name_boxes).observe(document.body,
    { childList: true, subtree: true });
  name_boxes();
  open(50);
}"""
# Before gradio is imported: it reads them then.
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}
_LARGEST_REQUEST = 4 * uploads.MAX_BYTES  # below it the page itself says what is wrong
_HOUR = 3600
_SESSIONS = 64  # whose images and edits are kept


def import_gradio(folder):
    """The module gradio, told to keep to this machine and to a temporary folder.

    Args:
        folder: path of the folder for uploads and for pictures on their way.
    """
    os.environ.update(QUIET, GRADIO_TEMP_DIR=str(folder))
    local = ("127.0.0.1", "localhost", os.environ.get("NO_PROXY", ""))
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, local))
    import gradio

    return gradio


def _save_once(image, cache_dir, name="image", format="webp"):
    """The path of a picture's file, named by its content and written once.

    gradio 6.31 writes such a file again each time, in its place: a browser that fetches
    it meanwhile gets a part of it, and the server logs a wrong Content-Length.
    """
    from gradio.processing_utils import encode_pil_to_bytes

    data = encode_pil_to_bytes(image, format)
    folder = pathlib.Path(cache_dir) / hashlib.sha256(data).hexdigest()
    path = (folder / f"{name}.{format}").resolve()
    if not path.exists():
        folder.mkdir(exist_ok=True, parents=True)
        aside = folder / f"{uuid.uuid4().hex}.{format}"
        aside.write_bytes(data)
        aside.replace(path)
    return str(path)


def build(gr, loaded, gallery, folder):
    """The page, not served yet.

    Args:
        gr: the module gradio.
        loaded: `trained.Trained`, of a model with quantizers; or a world, whose only
            tab without them is the dream.
        gallery: `gallery.Gallery`.
        folder: path of a temporary folder.

    Returns:
        `gradio.Blocks`.
    """
    parts = {"gr": gr, "loaded": loaded, "folder": folder, "images": None}
    parts |= {"explored": None, "counted": None}
    page = gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(_HOUR // 6, _HOUR)
    )
    with page:
        if not loaded.model.quantizers:
            gr.Markdown(f"# {TITLE}\n{loaded.environment}")
            _tab("Dream", dream, parts)
            return page
        explored = Explored(loaded.model)
        gr.Markdown(f"# {TITLE}\n{explored.describe()}")
        images, changed = picker.build(gr, gallery.samples)
        parts |= {"explored": explored, "images": images}
        parts |= {"counted": codebook.Counted(explored, gallery.counted)}
        with gr.Tabs():
            refreshers = [_tab(name, module, parts) for name, module in TABS.items()]
        _follow(page, changed, list(filter(None, refreshers)))
    return page


def _tab(name, module, parts):
    """Builds a tab; its name and what it runs when the images change, or None."""
    quiet = {**widgets.QUIET, "concurrency_id": name}
    with parts["gr"].Tab(name) as tab:
        refresh = module.build(widgets.Page(tab=tab, quiet=quiet, **parts))
    return refresh and (name, refresh)


def _follow(page, changed, refreshers):
    """Lets the tabs follow the images, one after the other: the first is seen first."""
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    for begin in (page.load, *(event.then for event in changed)):
        for name, refresh in refreshers:
            begin = begin(*refresh, concurrency_id=name, **quiet).then


@contextlib.contextmanager
def serving(loaded, gallery, *, host="127.0.0.1", port=None):
    """Serves the page while the context lasts; gives its address.

    Args:
        loaded: as in `build`.
        gallery: as in `build`.
        host: str, the address to listen on.
        port: int, or None for the first free one from 7860 on.

    Raises:
        OSError: if the port is taken.
    """
    remove_left()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        held = lock.hold(pathlib.Path(folder))
        gr = import_gradio(folder)
        gr.processing_utils.save_pil_to_cache = _save_once
        page = build(gr, loaded, gallery, folder)
        page.queue(max_size=64)
        try:
            yield _launch(gr, page, host, port)
        finally:
            page.close(verbose=False)
            lock.release(held)


def remove_left():
    """Removes the temporary folders of explorers that were killed."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # A link of that name is somebody else's doing.
        if folder.is_symlink() or not (folder / lock.LOCK).is_file():
            continue
        with contextlib.suppress(RunError):  # It still runs, or is not ours.
            held = lock.hold(folder)
            shutil.rmtree(folder, ignore_errors=True)
            lock.release(held)


def _launch(gr, page, host, port):
    """Starts the server in a thread of its own: the address of the page."""
    theme = gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["monospace"]
    ).set(
        body_text_color_subdued="*neutral_500",
        block_info_text_color="*neutral_500",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
    )
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            inbrowser=False,
            share=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            max_file_size=_LARGEST_REQUEST,
            app_kwargs={"middleware": [_guarded(host)]},
            state_session_capacity=_SESSIONS,
            theme=theme,
            css=STYLE,
            js=SCRIPT,
        )
    except OSError as error:
        ports = port or "7860 to 7959"
        raise OSError(
            f"expected a free port, received --host={host} --port={ports}, where "
            "nothing can listen"
        ) from error
    return url


def _guarded(host):
    from starlette.middleware import Middleware

    return Middleware(guard.Guard, host=host, largest=_LARGEST_REQUEST)


def wait_for_a_signal():
    """Returns when the process is asked to end, so that it can clean up."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()
