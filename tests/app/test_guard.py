"""Requests of strangers to the explorer's server, and what 20 browsers get of it."""

import asyncio
import concurrent.futures
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from PIL import Image

from tests.helpers.small_models import model_of
from vqzoo.app import gallery, guard, page
from vqzoo.runs import lock

HOST = "127.0.0.1:7860"
FILE = "/tmp/x/samples.npz"


async def application(scope, receive, send):
    """Answers with what it was asked; a query says what the answer names."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message.get("more_body"):
            break
    named = scope["query_string"].decode()
    answer = json.dumps({"path": named, "body": body.decode()}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Browser:
    """What keeps a cookie and asks a guarded application."""

    def __init__(self, guarded):
        self.guarded, self.cookie = guarded, None

    def ask(self, path, method="GET", body=b"", query="", **headers):
        """The status and the text of an answer."""
        headers = {"host": HOST, "content-length": str(len(body)), **headers}
        if self.cookie:
            headers["cookie"] = f"a=b; {self.cookie}"
        scope = {
            "type": "http",
            "path": path,
            "method": method,
            "query_string": query.encode(),
            "headers": [
                (k.encode(), v.encode()) for k, v in headers.items() if v is not None
            ],
        }
        parts = [body[:3], body[3:]]
        sent = []

        async def receive():
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message):
            sent.append(message)

        asyncio.run(self.guarded(scope, receive, send))
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                self.cookie = value.decode().partition(";")[0]
                assert "HttpOnly; SameSite=Strict" in value.decode()
        return sent[0]["status"], sent[1]["body"].decode()


@pytest.fixture
def guarded():
    return guard.Guard(application, host="127.0.0.1", largest=100)


@pytest.fixture
def browser(guarded):
    return Browser(guarded)


@pytest.mark.parametrize("host", [HOST, "localhost:7860", "192.168.0.7", "[::1]:7860"])
def test_an_address_and_a_name_of_this_machine_are_answered(host, browser):
    assert browser.ask("/", host=host)[0] == 200
    assert browser.ask("/", host=host, origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "", None, "a@b"])
def test_a_name_that_a_stranger_pointed_here_is_refused(host, browser):
    status, text = browser.ask("/", host=host)
    assert status == 421 and "is not served as" in text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1"])
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join"])
def test_a_request_of_another_site_is_refused(path, origin, browser):
    assert browser.ask(path, "POST", b"{}", origin=origin)[0] == 403
    assert browser.ask(path, "POST", b"{}", origin=f"http://{HOST}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://a.b",
        "/gradio_api/call/pick",
        "/gradio_api/run/predict",
        "/gradio_api/vibe-code",
        "/gradio_api/",
        "/monitoring",
        "/login",
        "/gradio_api/../monitoring",
    ],
)
def test_what_the_page_does_not_ask_for_is_not_there(path, browser):
    assert browser.ask(path)[0] == 404
    assert browser.ask("/", "DELETE")[0] == 404


def test_the_length_of_what_is_sent_is_bounded_before_it_is_read(browser):
    upload = "/gradio_api/upload"
    assert browser.ask(upload, "POST", b"x" * 100)[0] == 200
    status, text = browser.ask(upload, "POST", b"x" * 101)
    assert status == 413 and "at most 100 bytes, received 101" in text
    assert browser.ask("/gradio_api/queue/join", "POST", b" " * 2**21)[0] == 413
    unknown = {"content-length": None}
    assert browser.ask(upload, "POST", b"x", **unknown)[0] == 411


def test_a_file_is_for_the_browser_that_was_shown_it(guarded, browser):
    file = f"/gradio_api/file={FILE}"
    assert browser.ask(file)[0] == 403
    assert browser.ask("/config", query=FILE)[0] == 200
    assert browser.ask(file)[0] == 200
    assert browser.ask(f"{file}x")[0] == 403
    assert Browser(guarded).ask(file)[0] == 403


def test_a_session_is_that_of_the_browser_that_began_it(guarded, browser):
    other = Browser(guarded)
    data, join = "/gradio_api/queue/data", "/gradio_api/queue/join"
    body = json.dumps({"session_hash": "abc", "data": [1]}).encode()
    status, text = browser.ask(join, "POST", body)
    assert status == 200 and json.loads(text)["body"] == body.decode()
    assert browser.ask(data, query="session_hash=abc")[0] == 200
    for path, options in (
        (data, {"query": "session_hash=abc"}),
        ("/gradio_api/heartbeat/abc", {}),
        (join, {"method": "POST", "body": body}),
    ):
        assert other.ask(path, **options)[0] == 403
    assert other.ask(data, query="session_hash=abd")[0] == 200
    assert other.ask(join, "POST", b"[" * 10**5)[0] == 200


def test_what_is_kept_of_browsers_is_bounded(guarded, monkeypatch):
    monkeypatch.setattr(guard, "_BROWSERS", 4)
    monkeypatch.setattr(guard, "_KEPT", 3)
    for _ in range(9):
        browser = Browser(guarded)
        for number in range(9):
            browser.ask("/config", query=f"{number}")
    assert len(guarded._browsers) == 4
    assert {len(shown) for shown in guarded._browsers.values()} == {3}


HOLDER = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print(1, flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_killed_explorer_is_removed_and_that_of_another_stays(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders = [tmp_path / f"{page.PREFIX}{name}" for name in ("dead", "alive", "other")]
    for folder in folders:
        folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    lock.release(lock.hold(folders[0]))
    (folders[0] / lock.LOCK).write_text("process 4711 on here")
    (elsewhere / lock.LOCK).write_text("")
    (tmp_path / f"{page.PREFIX}link").symlink_to(elsewhere)
    command = [sys.executable, "-c", HOLDER, str(folders[1] / lock.LOCK)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.readline()
        try:
            page.remove_left()
        finally:
            process.kill()
    assert [folder.exists() for folder in folders] == [False, True, True]
    assert (elsewhere / lock.LOCK).exists()


class User:
    """A browser that speaks to the real server."""

    def __init__(self, address, number):
        import httpx

        self.client = httpx.Client(base_url=address, timeout=120)
        self.session = f"session{number}"
        assert self.client.get("/").status_code == 200

    def choose(self, config, name):
        """The path and the pixels of the picture of a sample that is chosen."""
        kinds = {
            part["id"]: part["props"].get("elem_id") for part in config["components"]
        }
        event = next(
            e
            for e in config["dependencies"]
            if kinds.get(e["targets"][0][0]) == "menu-0"
        )
        body = {
            "data": [None, name],
            "fn_index": event["id"],
            "session_hash": self.session,
        }
        assert self.client.post("/gradio_api/queue/join", json=body).status_code == 200
        answers = f"/gradio_api/queue/data?session_hash={self.session}"
        with self.client.stream("GET", answers) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    path = message["output"]["data"][1]["path"]
                    break
        return path, self.client.get(f"/gradio_api/file={path}")


@contextlib.contextmanager
def serving(folder):
    """The address of a page of a model, in a process that is killed at the end."""
    command = [sys.executable, "-m", "vqzoo.app", f"--model={folder}"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.kill()


@pytest.mark.slow
def test_twenty_users_get_their_own_answers_and_none_of_another(tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason="needs the extra app")
    model_of(0).save(tmp_path / "model.keras")
    samples = gallery.load(model_of(0).image_shape).samples
    # The first two are on the page from the beginning, which everybody sees.
    names = list(samples)[2:]
    chosen = [names[number % len(names)] for number in range(20)]
    with serving(tmp_path) as address:
        users = [User(address, number) for number in range(20)]
        config = users[0].client.get("/config").json()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(User.choose, users, [config] * 20, chosen))
        for name, (_, answer) in zip(chosen, answers):
            assert answer.status_code == 200
            (tmp_path / "x.png").write_bytes(answer.content)
            shown = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"))
            expected = np.rint((samples[name] + 0.5) * 255)
            step = len(shown) // len(expected)
            np.testing.assert_allclose(shown[::step, ::step], expected, atol=1)
        other = User(address, 20).client
        for user, (path, _) in zip(users, answers):
            assert other.get(f"/gradio_api/file={path}").status_code == 403
            query = f"session_hash={user.session}"
            assert other.get(f"/gradio_api/queue/data?{query}").status_code == 403
            user.client.close()
        other.close()
    left = pathlib.Path(path).parents[1]
    assert left.parent == tmp_path and left.name.startswith(page.PREFIX)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    page.remove_left()
    assert not left.exists()
