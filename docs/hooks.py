"""What the site adds to the pages in docs/: files of the repository, and the reference.

A page may link to any file of the repository by its path, as on a host of repositories:
the file comes along under the same path, Markdown as a page. The reference has a page
for each package, with what the package exports.
"""

import ast
import functools
import pathlib
import re

import gallery
import notebooks

ROOT = pathlib.Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"(\]\()(?!\w+:|[#/<])([^)\s#]+)(#[^)\s]*)?(?=[)\s])")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
# Single files whose public functions are part of the reference.
MODULES = ("images", "ops", "trained")
# What a package gives on demand, in words that only Python reads.
ON_DEMAND = {
    "vqzoo.datasets": {
        "Split": "vqzoo.datasets.splits.Split",
        "Splits": "vqzoo.datasets.splits.Splits",
        "describe": "vqzoo.datasets.summary.describe",
    }
}


def on_config(config):
    """Adds to each section of the navigation the pages of its folder it does not name.

    The folder of a section is that of its first page.
    """
    made = [*reference_pages(), *gallery.pages(ROOT)]
    there = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
    for section in config.nav:
        for pages in section.values():
            named = [
                page if isinstance(page, str) else [*page.values()][0] for page in pages
            ]
            folder = named[0].rpartition("/")[0]
            pages += [
                uri
                for uri in (*there, *made)
                if folder and uri.startswith(f"{folder}/") and uri not in named
            ]
    return config


def on_files(files, config):
    """Adds the reference, the galleries, and what the pages link to."""
    from mkdocs.structure.files import File, InclusionLevel

    made = reference_pages() | gallery.pages(ROOT)
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    pages = files.documentation_pages()
    for path in sorted(notebooks.FOLDER.glob("*.ipynb")):
        text, pictures = notebooks.as_markdown(notebooks.read(path), path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, data in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=data))
    todo = [(DOCS / file.src_uri, file.content_string) for file in pages]
    seen = {path for path, _ in todo}
    while todo:
        path, text = todo.pop()
        for target in linked(path, text):
            outside = target.is_relative_to(ROOT) and not target.is_relative_to(DOCS)
            if target in seen or not outside or not target.is_file():
                continue
            seen.add(target)
            uri = target.relative_to(ROOT).as_posix()
            files.append(
                File.generated(
                    config,
                    uri,
                    abs_src_path=str(target),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
            )
            if target.suffix == ".md":
                todo.append((target, target.read_text("utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links between docs/ and the rest of the repository to those of the site."""
    uri = page.file.src_uri
    here = ROOT / uri if is_outside(uri) else DOCS / uri

    def turned(match):
        target = resolve(here, match[2])
        if not target.is_relative_to(ROOT):
            return match[0]
        if target.suffix == ".ipynb":
            target = target.with_suffix(".md")  # its page
        root = DOCS if target.is_relative_to(DOCS) else ROOT
        target = target.relative_to(root).as_posix()
        up = "../" * uri.count("/")
        return f"{match[1]}{up}{target}{match[3] or ''}"

    return outside_of_code(lambda text: LINK.sub(turned, text), markdown)


def is_outside(uri):
    """Whether a page of the site is a file outside of docs/."""
    return not (DOCS / uri).exists() and (ROOT / uri).is_file()


def outside_of_code(change, text):
    """Changes a page's text, its blocks of code excepted."""
    parts, end = [], 0
    for block in FENCE.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def resolve(here, link):
    """The file that a link on a page means; a folder's README.md for the folder."""
    target = pathlib.Path(here.parent, link).resolve()
    return target / "README.md" if (target / "README.md").is_file() else target


def linked(path, text):
    """The files of the repository that a page links to."""
    return {resolve(path, match[2]) for match in LINK.finditer(FENCE.sub("", text))}


@functools.cache
def exported():
    """The public names by package: dict to dict of name to where it is defined."""
    packages = {}
    for path in sorted((ROOT / "vqzoo").rglob("__init__.py")):
        name = ".".join(path.parent.relative_to(ROOT).parts)
        places = _places(name, ast.parse(path.read_text("utf-8")))
        places |= ON_DEMAND.get(name, {})
        if name != "vqzoo" and places:
            packages[name] = places
    for module in MODULES:
        path = ROOT / "vqzoo" / f"{module}.py"
        body = ast.parse(path.read_text("utf-8")).body
        packages[f"vqzoo.{module}"] = {
            node.name: f"vqzoo.{module}.{node.name}"
            for node in body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
        }
    return packages


def _places(package, tree):
    """What a package's __init__ exports of its own, each with its whole name."""
    places = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.module.startswith(f"{package}."):
                for alias in node.names:
                    places[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Call) and "on_demand" in ast.unparse(node.func):
            for name, place in ast.literal_eval(node.args[1]).items():
                places[name] = f"{package}.{place}"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            places[node.name] = f"{package}.{node.name}"
    return places


def reference_pages():
    """The pages of the reference: dict from place in the site to Markdown."""
    pages, lines = {}, []
    for package, places in exported().items():
        uri = f"{package.removeprefix('vqzoo.')}.md"
        text = _text_of(package)
        lines.append(f"| [`{package}`]({uri}) | {text} |")
        parts = [f"# {package}\n\n{text}\n"]
        parts += [f"::: {place}\n" for place in places.values() if _is_object(place)]
        pages[f"reference/{uri}"] = "\n".join(parts)
    table = "\n".join(["| package | what |", "|---|---|", *lines])
    pages["reference/index.md"] = (
        "# Reference\n\nEvery public class and function, from its docstring. Images "
        "are float32 (height, width, channels) in [-0.5, 0.5], codes are int32.\n\n"
        f"{table}\n"
    )
    return pages


def _is_object(place):
    """Whether a name is a function or a class: other data has no docstring."""
    module, _, name = place.rpartition(".")
    return name in {
        node.name
        for node in ast.parse(_file_of(module).read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _file_of(module):
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _text_of(package):
    docstring = ast.get_docstring(ast.parse(_file_of(package).read_text("utf-8"))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")
