"""The explorer: seconds to the first picture, and from an edit to the image.

Each round starts `python -m vqzoo.app`, opens its page in headless Chromium and waits
for the reconstruction. Then it changes one code after the other and waits for each
decoded image. The browser and the server share the machine.

    python -m benchmarks.explorer

About 3 minutes on two cores, for the artifacts of CIFAR-10 and of faces.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from benchmarks import measure

ARTIFACTS = ("vqvae2_noisy", "vqvae2_noisy_faces")
EDITS = 20
HEADER = ("model", "first page, s", "of it CPU, s", "edit, s", "slowest edit, s")
CHANGED = """before => {
    const image = document.querySelector('#codes-first img');
    return image && image.src !== before && image.complete;
}"""


def main(flags):
    """Measures the page and writes explorer.json."""
    machine = measure.machine()
    with _browser() as browser:
        contestants = {
            name: lambda path=f"export/{name}": _visit(browser, path)
            for name in ARTIFACTS
        }
        taken = measure.take_turns(contestants, flags.rounds, warmup=0)
    cases = {name: _summary(visits) for name, visits in taken.items()}
    measure.write("explorer", {"cases": cases, "machine": machine})
    rows = [
        (name, *(f"{case[key]['median']:.2f}" for key in case))
        for name, case in cases.items()
    ]
    measure.print_table(HEADER, rows)


@contextlib.contextmanager
def _browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        path = shutil.which("chromium") or started.chromium.executable_path
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _visit(browser, path):
    """Seconds to the first page, and a list of seconds of edits."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "vqzoo.app", f"--model={path}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as server:
        try:
            page = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(server.stdout.readline().split()[0])
            page.wait_for_selector("#reconstruct-rebuilt img")
            first = time.perf_counter() - began
            cpu = _cpu_seconds(server.pid)
            edits = _edit(page)
            page.close()
        finally:
            server.send_signal(signal.SIGTERM)
    return {"first_page": first, "cpu": cpu, "edits": edits}


def _cpu_seconds(process):
    """Processor seconds of a process: its time on an idle machine."""
    fields = (
        pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _edit(page):
    """Changes one code after the other: a list of seconds."""
    page.get_by_role("tab", name="Codes").click()
    page.wait_for_selector("#codes-first img")
    box = page.locator("#code input[type=number]")
    taken = []
    for number in range(EDITS):
        before = page.locator("#codes-first img").get_attribute("src")
        began = time.perf_counter()
        box.fill(str(20 + 23 * number))
        box.press("Enter")
        page.wait_for_function(CHANGED, arg=before)
        taken.append(time.perf_counter() - began)
    return taken


def _summary(visits):
    edits = [took for visit in visits for took in visit["edits"]]
    slowest = [max(visit["edits"]) for visit in visits]
    return {
        "first_page_seconds": measure.spread([v["first_page"] for v in visits]),
        "server_cpu_seconds": measure.spread([v["cpu"] for v in visits]),
        "edit_seconds": measure.spread(edits),
        "slowest_edit_seconds": measure.spread(slowest),
    }


if __name__ == "__main__":
    measure.run(main, rounds=(5, "visits of each page"))
