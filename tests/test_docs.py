"""What the pages show runs: their Python, with its output, and their lines of shell."""

import ast
import doctest
import importlib
import pathlib
import re
import subprocess
import sys
import tomllib

import keras
import pytest

import vqzoo

ROOT = pathlib.Path(__file__).parents[1]
OURS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
CARDS = [*ROOT.glob("recipes/*/README.md"), *ROOT.glob("export/*/README.md")]
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n)?"
    r"```(?P<kind>python|pycon|sh)\n(?P<code>.*?)```",
    re.DOTALL,
)
SHOWN = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(path, *kinds):
    """The blocks of a page: code, kind, line, and whether they are run."""
    text = path.read_text("utf-8")
    return [
        (
            found["code"],
            found["kind"],
            text.count("\n", 0, found.start()) + 1,
            not found["skip"],
        )
        for found in BLOCK.finditer(text)
        if found["kind"] in kinds
    ]


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.once
@pytest.mark.parametrize(
    "path", [p for p in OURS if blocks(p, "python", "pycon")], ids=name
)
def test_the_python_of_a_page_runs_as_shown(path, tmp_path, monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the pages show TensorFlow's shapes")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export").symlink_to(ROOT / "export")
    names = {"__name__": "page"}
    for code, kind, line, is_run in blocks(path, "python", "pycon"):
        if not is_run:
            ast.parse(code)
        elif kind == "python":
            exec(compile("\n" * line + code, name(path), "exec"), names)
        else:
            shown = doctest.DocTestParser().get_doctest(
                code, names, name(path), None, line
            )
            said = []
            doctest.DocTestRunner(optionflags=SHOWN).run(
                shown, out=said.append, clear_globs=False
            )
            assert said == [], "".join(said)


@pytest.mark.once
def test_the_python_of_cards_is_python():
    for path in CARDS:
        for code, *_ in blocks(path, "python"):
            ast.parse(code)


@pytest.mark.once
def test_lines_of_shell_are_shell_and_name_what_there_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    targets = set(
        re.findall(r"^([\w-]+)(?: [\w-]+)*:", (ROOT / "Makefile").read_text(), re.M)
    )
    targets |= {"docs-serve"}
    for path in OURS:
        for code, _, line, is_run in blocks(path, "sh"):
            if "<" not in code and is_run:
                checked = subprocess.run(["bash", "-n"], input=code, text=True)
                assert checked.returncode == 0, f"{path}:{line}"
            for wanted in re.findall(r"\.\[([\w,]+)\]", code):
                assert set(wanted.split(",")) <= extras, f"{path}:{line}"
            for target in re.findall(r"^make ([\w-]+)", code, re.M):
                assert target in targets, f"{path}:{line}"


@pytest.mark.once
def test_links_of_pages_lead_to_files():
    link = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
    for path in OURS:
        text = BLOCK.sub("", path.read_text("utf-8"))
        broken = [
            target
            for target in link.findall(text)
            if not (path.parent / target).exists()
            and not target.startswith(
                ("../reference/", "../models/", "reference/", "models/")
            )
        ]
        assert broken == [], path


@pytest.fixture(scope="module")
def hooks():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        yield importlib.import_module("hooks")
    finally:
        sys.path.remove(str(ROOT / "docs"))


@pytest.mark.once
def test_nothing_public_is_without_a_page_of_the_reference(hooks):
    pages = "\n".join(hooks.reference_pages().values())
    exported = hooks.exported()
    of_layers = exported["vqzoo.layers"] | exported["vqzoo.quantizers"]
    missing = []
    for path in sorted((ROOT / "vqzoo").glob("*/**/__init__.py")):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        places = exported.get(package, {})
        places = of_layers if package == "vqzoo.layers" else places
        module = importlib.import_module(package)
        for public in getattr(module, "__all__", ()):
            place = f"::: {places.get(public)}\n"
            if callable(getattr(module, public)) and place not in pages:
                missing.append(f"{package}.{public}")
    assert missing == []


@pytest.mark.once
def test_the_galleries_show_every_artifact_and_every_card(hooks):
    pages = hooks.gallery.pages(ROOT)
    for path in ROOT.glob("export/*/manifest.json"):
        assert f'vqzoo.load("export/{path.parent.name}")' in pages["models/index.md"]
    for path in ROOT.glob("recipes/*/README.md"):
        assert f"recipes/{path.parent.name}/README.md" in pages["models/recipes.md"]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.filterwarnings("ignore")  # as whoever runs it
@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/notebooks/*.ipynb")), ids=name)
def test_a_notebook_gives_the_outputs_that_it_holds(path, hooks, monkeypatch):
    notebooks = hooks.notebooks
    monkeypatch.chdir(ROOT)
    kept = notebooks.read(path)
    cells = [c["outputs"] for c in kept["cells"] if c["cell_type"] == "code"]
    shown = [notebooks.texts(each) for each in notebooks.run(kept)]
    held = [notebooks.texts(each) for each in cells]
    # Trained numbers differ between machines in their digits.
    assert re.sub(r"[\d.]+", "#", str(shown)) == re.sub(r"[\d.]+", "#", str(held))
    text, pictures = notebooks.as_markdown(kept, path.stem)
    assert len(pictures) >= 2 and all(name in text for name in pictures)


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("\n") <= 150 and len(text.encode()) <= 9 * 1024


def test_versions_agree():
    version = vqzoo.__version__
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## ([\d.]+)", changes, re.M)[1] == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_every_table_of_named_models_counts_their_weights():
    text = (ROOT / "docs" / "guide" / "models.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)`.*\| ([\d,]+) \|$", text, re.M)
    source = {p.stem: p.read_text("utf-8") for p in ROOT.glob("vqzoo/models/*.py")}
    for model, weights in rows:
        assert any(
            f"def {model}(" in code and weights in code for code in source.values()
        ), model
