"""The command `vqzoo`: everything that the library does, by name.

vqzoo train vqvae2_noisy --epochs=3
vqzoo list recipes|models|quantizers|priors|datasets|artifacts
vqzoo COMMAND --help
"""

import ast
import difflib
import importlib
import json
import pathlib
import sys

from vqzoo import frame, registry
from vqzoo.version import __version__

FOLDER = pathlib.Path(__file__).parent
# A command has the name of its module, whose `main` takes the command line.
COMMANDS = {
    "sample": "vqzoo.sample",
    "evaluate": "vqzoo.evaluate",
    "export": "vqzoo.export.__main__",
    "compress": "vqzoo.compress",
    "decompress": "vqzoo.decompress",
    "encode": "vqzoo.encode.__main__",
    "decode": "vqzoo.encode.decoding",
    "verify": "vqzoo.verify",
    "convert": "vqzoo.conversion",
    "app": "vqzoo.app.__main__",
    "card": "vqzoo.studies.card",
    "results": "vqzoo.studies.results",
}
OWN = {"train": "Trains a recipe", "list": "Lists what there is to choose from"}


def main(argv=None):
    """Does what the command line says, and returns the exit code of `frame`.

    Args:
        argv: list of str, the program's name first. Defaults to `sys.argv`.
    """
    argv = sys.argv if argv is None else argv
    name, rest = "".join(argv[1:2]), argv[2:]
    if name in ("--help", "-h", ""):
        texts = OWN | {command: _command_text(command) for command in COMMANDS}
        frame.show(f"{__doc__}\n{_table(texts)}")
        return 0 if name else frame.USAGE_ERROR
    if name == "--version":
        print(f"vqzoo {__version__}")
        return 0
    commands = {"train": _train, "list": _list}
    if name not in (*commands, *COMMANDS):
        return _unknown("command", name, (*OWN, *COMMANDS))
    command = commands.get(name) or importlib.import_module(COMMANDS[name]).main
    return command([f"vqzoo {name}", *rest])


def _train(argv):
    texts = _recipes()
    usage = f"Trains a recipe: `vqzoo train NAME --epochs=3`.\n\n{_table(texts)}"
    if argv[1:2] in ([], ["--help"], ["-h"]):
        return frame.run([*argv, "--help"], usage, {}, None)
    name = argv[1]
    if name not in texts:
        return _unknown("recipe", name, texts)
    recipe = importlib.import_module(f"vqzoo.recipes.{name}")
    from vqzoo import training

    return training.main(
        recipe.RECIPE, [f"{argv[0]} {name}", *argv[2:]], recipe.__doc__
    )


def _list(argv):
    usage = f"Lists what there is: `vqzoo list {'|'.join(KINDS)}`."
    flag = frame.Flag("artifacts_dir", "export", "the folder of the artifacts")

    def show(values, kind):
        if kind not in KINDS:
            return _unknown("list", kind, KINDS)
        entries = KINDS[kind](values)
        frame.show(_table(entries) if entries else f"no {kind}")
        return 0

    return frame.run(argv, usage, {"Where": [flag]}, show, arguments=["what to list"])


def _unknown(kind, name, names):
    near = difflib.get_close_matches(name, names, 3) or names
    print(
        f"expected another {kind} than {name!r}, such as {', '.join(near)}\n"
        "See --help for all.",
        file=sys.stderr,
    )
    return frame.USAGE_ERROR


def _table(texts):
    width = max(map(len, texts))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in texts.items())


def _command_text(name):
    path = FOLDER.parent.joinpath(*COMMANDS[name].split(".")).with_suffix(".py")
    return _first_line(_tree(path)).partition(":")[0]


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def _first_line(node):
    """The first line of the docstring of a module, a class or a function."""
    return (ast.get_docstring(node) or "").partition("\n")[0].rstrip(".")


def _recipes(values=None):
    paths = sorted((FOLDER / "recipes").glob("[a-z]*.py"))
    return {
        path.stem: _first_line(ast.parse(path.read_text("utf-8"))) for path in paths
    }


def _models(values):
    """The functions of vqzoo.models that make a model of a fixed size."""
    public = _tree(FOLDER / "models" / "__init__.py")
    names = {alias.name for node in public.body for alias in getattr(node, "names", ())}
    functions = _definitions("models", ast.FunctionDef)
    return {name: text for name, text, _ in functions if name in names}


def _named(package):
    """What `registry.named` names in a package."""
    definitions = _definitions(package, ast.FunctionDef | ast.ClassDef)
    texts = {
        decorator.args[0].value: text
        for _, text, decorators in definitions
        for decorator in decorators
        if isinstance(decorator, ast.Call)
        and ast.unparse(decorator.func).endswith("named")
    }
    return {name: texts[name] for name in registry.names(package)}


def _definitions(package, kind):
    """Name, first line and decorators of all that the files of a package define.

    What has no docstring is described by the first class of its file.
    """
    definitions = []
    for path in sorted(FOLDER.joinpath(*package.split(".")).glob("*.py")):
        body = _tree(path).body
        classes = [node for node in body if isinstance(node, ast.ClassDef)]
        for node in body:
            if isinstance(node, kind):
                texts = map(_first_line, (node, *classes))
                text = next(filter(None, texts), "")
                definitions.append((node.name, text, node.decorator_list))
    return definitions


def _datasets(values):
    from vqzoo.datasets import DATASETS

    return {name: entry.text for name, entry in DATASETS.items()}


def _artifacts(values):
    texts = {}
    for path in sorted(pathlib.Path(values.artifacts_dir).glob("*/manifest.json")):
        manifest = json.loads(path.read_text("utf-8"))
        model = manifest["model"]
        tiers = " and ".join(
            f"{' x '.join(map(str, tier['grid']))} {tier['name']} codes"
            for tier in manifest["tiers"]
        )
        texts[str(path.parent)] = f"{model['class']} {model['name']}, {tiers}"
    return texts


KINDS = {
    "recipes": _recipes,
    "models": _models,
    "quantizers": lambda values: _named("quantizers"),
    "priors": lambda values: _named("priors") | _named("priors.gan"),
    "datasets": _datasets,
    "artifacts": _artifacts,
}

if __name__ == "__main__":
    sys.exit(main())
