"""The shape of the package: who imports whom, and what `import vqzoo` costs."""

import ast
import doctest
import functools
import inspect
import pathlib
import re

import keras
import numpy as np
import pytest

import vqzoo
from vqzoo import registry

ROOT = pathlib.Path(vqzoo.__file__).parent
# A part may import itself and the floors below its own.
FLOORS = (
    ("version", "registry", "frame"),
    ("arguments", "ids", "images", "ops"),
    ("metrics", "replicas", "runs"),
    ("quantizers",),
    ("layers",),
    ("models",),
    ("losses",),
    ("priors",),
    ("convert", "world"),
    ("trained",),
    ("",),  # vqzoo itself
    ("measures",),
    ("report",),
    ("training",),
    ("studies",),
    ("recipes",),
)
RANKS = {name: rank for rank, floor in enumerate(FLOORS) for name in floor}
# What is done with a trained model: each on its own, above `trained`, beside the rest.
DOORS = ("app", "codec", "encode", "export", "serving")
COMMANDS = (
    "__main__",
    "cli",
    "compress",
    "conversion",
    "decompress",
    "evaluate",
    "sample",
    "verify",
)
APART = ("datasets", "plots")
LONGEST = 350
LATER = ("lazily", "import_module")
# Whoever asks one of these what it is shows that its protocol lacks a word.
PROTOCOLS = ("layers", "models", "priors", "quantizers")
ASKED = {"gan", "layer", "layers", "model", "prior", "priors", "quantizer"}
NAMES_IN_A_RUN = {
    "best.keras",
    "codebooks.npz",
    "history.csv",
    "last.keras",
    "losses.csv",
    "metrics.json",
    "recipe.json",
    "state.npz",
}
WITHOUT_TENSORFLOW = (
    "arguments",
    "images",
    "ops",
    "replicas",
    "metrics",
    "layers",
    "models",
    "priors",
    "trained",
    "version",
    "",
)
HEAVY = {
    "PIL",
    "constriction",
    "gradio",
    "keras_cv",
    "matplotlib",
    "scipy",
    "skimage",
    "sklearn",
    "tensorflow_datasets",
    "tensorflow_probability",
}

FILES = sorted(ROOT.rglob("*.py"))
each_file = pytest.mark.parametrize(
    "path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES]
)


@functools.cache
def imports(path):
    """All modules that a file imports, each with whether it does so at top level.

    `from a import b` names `a.b` where that is a module of ours, else `a`.
    """
    tree = ast.parse(path.read_text())
    nested = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [
                f"{node.module}.{alias.name}"
                if module_file(f"{node.module}.{alias.name}")
                else node.module
                for alias in node.names
            ]
        elif isinstance(node, ast.Call) and _called(node) in LATER:
            # Taken when it is used: an import all the same.
            names = [a.value for a in node.args if isinstance(a, ast.Constant)]
            found += [(name, False) for name in names]
            continue
        elif isinstance(node, ast.Call) and _called(node) == "on_demand":
            package = ".".join(("vqzoo", *path.parent.relative_to(ROOT).parts))
            places = ast.literal_eval(node.args[1]).values()
            modules = {place.rpartition(".")[0] for place in places}
            found += [(f"{package}.{module}", False) for module in sorted(modules)]
            continue
        else:
            continue
        found += [(name, node not in nested) for name in names]
    return found


def test_what_is_imported_later_is_an_import_in_a_function(tmp_path):
    path = tmp_path / "file.py"
    path.write_text(
        "import os\n"
        "from vqzoo import ops, version\n"
        "from vqzoo.registry import lazily\n"
        'training = lazily("vqzoo.training.main")\n'
        'models = registry.lazily("vqzoo.models")\n'
        'trained = importlib.import_module("vqzoo.trained")\n'
        "def work():\n"
        "    import json\n"
    )
    assert sorted(imports(path)) == [
        ("json", False),
        ("os", True),
        ("vqzoo.models", False),
        ("vqzoo.ops", True),
        ("vqzoo.registry", True),
        ("vqzoo.trained", False),
        ("vqzoo.training.main", False),
        ("vqzoo.version", True),
    ]


def _called(call):
    """The last name of the function of an `ast.Call`."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", None)


def module_file(name):
    """The file of a module of ours, or None."""
    if name.split(".")[0] != "vqzoo":
        return None
    path = ROOT.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if name != "vqzoo" and candidate.exists():
            return candidate
    return ROOT / "__init__.py" if name == "vqzoo" else None


def part(path):
    """The first folder or file under vqzoo/ that a file belongs to."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported_parts(path):
    """The parts of vqzoo that a file imports, other than its own."""
    files = [module_file(name) for name, _ in imports(path)]
    return {part(file) for file in files if file} - {part(path)}


def reached(start):
    """All files of ours that an import of `start` runs."""
    todo, seen = [ROOT / "__init__.py", start], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            names = [name for name, at_top in imports(path) if at_top]
            todo += [file for file in map(module_file, names) if file]
            todo += [
                parent / "__init__.py"
                for parent in path.parents
                if parent.is_relative_to(ROOT)
            ]
    return seen


def allowed(mine):
    """The parts that a part of vqzoo may import."""
    if mine in (*APART, "report"):  # a page of findings, whoever made them
        return set()
    if mine in COMMANDS:
        return {*RANKS, *DOORS, *APART, *COMMANDS}
    rank = RANKS[""] + 1 if mine in DOORS else RANKS[mine]
    below = {name for name in RANKS if RANKS[name] < rank}
    if mine == "export":
        below.add("serving")
    if mine == "app":
        # The page shows of two images what a report shows of a data set: the same
        # numbers by the same functions, none of which trains anything.
        below.add("measures")
    return below | set(APART) if rank >= RANKS["priors"] else below


def test_every_part_has_its_place():
    parts = {part(path) for path in FILES}
    assert parts <= {*RANKS, *DOORS, *COMMANDS, *APART}


@each_file
def test_imports_point_one_way(path):
    assert imported_parts(path) - allowed(part(path)) == set()


def test_no_name_on_demand_is_that_of_a_module_beside_it():
    # The import of the module would put it in the place of what has its name.
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _called(node) == "on_demand":
                names = ast.literal_eval(node.args[1])
                beside = {other.stem for other in path.parent.iterdir()}
                assert beside & set(names) == set(), path


def test_no_file_reaches_itself():
    taken = {
        path: {module_file(name) for name, _ in imports(path)} - {None, path}
        for path in FILES
    }
    # Files that nothing else needs go first; what is left at the end is a circle.
    while free := [path for path, needs in taken.items() if not needs & set(taken)]:
        for path in free:
            del taken[path]
    assert sorted(map(str, taken)) == []


def test_every_file_is_short_enough_to_be_read():
    lines = {
        str(path.relative_to(ROOT)): path.read_text().count("\n") for path in FILES
    }
    assert {n for n in lines if lines[n] > LONGEST} == set()


def test_only_runs_knows_the_names_of_files_in_a_run():
    for path in FILES:
        if part(path) != "runs":
            nodes = ast.walk(ast.parse(path.read_text()))
            known = {node.value for node in nodes if isinstance(node, ast.Constant)}
            assert known & NAMES_IN_A_RUN == set(), path


def test_image_files_are_opened_in_one_place():
    opening = [p for p in FILES if re.search(r"Image\.open\(", p.read_text())]
    assert opening == [ROOT / "datasets" / "images.py"]


def test_only_where_a_kind_is_made_it_is_known_by_name():
    for package, flag in (("priors", "prior"), ("quantizers", "quantizer")):
        kinds = set(registry.names(package))
        for path in FILES:
            if part(path) not in (package, "recipes"):
                compared = {
                    constant.value
                    for node in ast.walk(ast.parse(path.read_text()))
                    if isinstance(node, ast.Compare) and flag in names_in(node)
                    for constant in ast.walk(node)
                    if isinstance(constant, ast.Constant)
                }
                assert compared & kinds == set(), path


@functools.cache
def classes_of_models():
    """The part of each class of quantizers, layers, models and priors, by its name."""
    return {
        node.name: part(path)
        for path in FILES
        if part(path) in PROTOCOLS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }


def names_in(node):
    """All names and attributes in an expression."""
    nodes = list(ast.walk(node))
    named = {each.id for each in nodes if isinstance(each, ast.Name)}
    return named | {each.attr for each in nodes if isinstance(each, ast.Attribute)}


def questions_of_kind(path):
    """Calls that ask a model, quantizer or prior of what kind it is."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        asked, options = names_in(node.args[0]), names_in(node.args[1])
        if _called(node) in ("isinstance", "issubclass"):
            homes = {classes_of_models().get(name, part(path)) for name in options}
            if homes - {part(path)}:
                yield ast.unparse(node)
        elif _called(node) == "hasattr" or (
            _called(node) == "getattr" and len(node.args) == 3
        ):
            if asked & ASKED and part(path) not in PROTOCOLS:
                yield ast.unparse(node)


def test_no_one_asks_a_model_of_what_kind_it_is():
    questions = {
        str(path.relative_to(ROOT)): list(questions_of_kind(path)) for path in FILES
    }
    asking = {name for name, asked in questions.items() if asked}
    assert asking == set()


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if part(path) in WITHOUT_TENSORFLOW],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_layers_models_and_metrics_never_import_a_backend(path):
    roots = {name.split(".")[0] for name, _ in imports(path)}
    assert roots & {"tensorflow", "jax", "torch", "tf_keras"} == set()


def test_nothing_that_import_vqzoo_reaches_is_heavy():
    files = reached(ROOT / "__init__.py")
    assert {part(path) for path in files} >= {"", "layers", "metrics", "models", "ops"}
    heavy = [
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name, at_top in imports(path)
        if at_top and name.split(".")[0] in HEAVY
    ]
    assert heavy == []


def test_plots_and_evaluation_import_heavy_packages_only_where_used():
    started = [path for path in FILES if part(path) in ("plots", "measures")]
    files = set().union(*map(reached, started))
    heavy = {name for f in files for name, at_top in imports(f) if at_top}
    assert {name.split(".")[0] for name in heavy} & HEAVY == set()
    everywhere = {name for f in files for name, _ in imports(f)}
    assert {name.split(".")[0] for name in everywhere} & HEAVY != set()


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if part(path) == "recipes"],
    ids=lambda path: path.name,
)
def test_a_recipe_defines_no_class(path):
    tree = ast.parse(path.read_text())
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert classes == []
    assert ast.get_docstring(tree)


def public_classes():
    modules = (vqzoo.layers, vqzoo.metrics, vqzoo.models, vqzoo.priors)
    public = [getattr(m, name) for m in modules for name in m.__all__]
    return [each for each in public if isinstance(each, type)]


@pytest.mark.parametrize("made", public_classes(), ids=lambda made: made.__name__)
@pytest.mark.parametrize(
    "section", ["Args:", "Input shape:", "Output shape:", "Source:", "Example:"]
)
def test_a_public_class_is_described(made, section):
    lines = inspect.getdoc(made).splitlines()
    assert lines[0].endswith(".")
    assert [line for line in lines if line.startswith(section)] != []


@pytest.mark.parametrize("made", public_classes(), ids=lambda made: made.__name__)
def test_every_constructor_argument_is_described(made):
    lines = inspect.getdoc(made).splitlines()
    described = {line.split(":")[0].strip() for line in lines if line.startswith("   ")}
    parameters = inspect.signature(made.__init__).parameters
    arguments = {name for name in parameters if name not in ("self", "kwargs")}
    assert arguments - described == set()


@pytest.mark.parametrize("made", public_classes(), ids=lambda made: made.__name__)
def test_the_example_of_a_class_gives_what_it_says(made):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the examples show TensorFlow's shapes")
    names = {"np": np}
    for module in (vqzoo.layers, vqzoo.metrics, vqzoo.models, vqzoo.priors):
        names |= {name: getattr(module, name) for name in module.__all__}
    example = doctest.DocTestParser().get_doctest(
        made.__doc__, names, made.__name__, None, 0
    )
    report = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert (result.attempted >= 1, report) == (True, [])


BLOCKED = """
import sys


class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras"):
            raise ImportError(f"{name} is blocked")


sys.meta_path.insert(0, Block())
import keras
import numpy as np

before = {name.split(".")[0] for name in sys.modules}
import vqzoo
from vqzoo.layers import NoisyAssignment, VectorQuantizerEMA

new = {name.split(".")[0] for name in sys.modules} - before
assert new == {"vqzoo"}, new
noise = NoisyAssignment(1.0, seed=1)
quantizers = [VectorQuantizerEMA(4, 2, assignment=noise) for _ in range(2)]
model = vqzoo.models.VQVAE2(
    quantizers,
    image_shape=(8, 8, 1),
    bottom_stride=2,
    num_channels=4,
    residual_channels=2,
    num_residual_blocks=1,
)
images = np.linspace(-0.5, 0.5, 2 * 64, dtype="float32").reshape(2, 8, 8, 1)
model(images, training=True)
codes = model.encode(images)
assert [c.shape for c in codes] == [(2, 2, 2), (2, 4, 4)], codes
rebuilt = np.asarray(model.decode(codes))
assert rebuilt.std() > 0
assert np.array_equal(rebuilt, np.asarray(model(images)))
assert "tensorflow" not in sys.modules
print("whole")
"""


def test_the_library_works_on_jax_without_tensorflow(run_python):
    finished = run_python("-c", BLOCKED, backend="jax")
    assert finished.stdout.split() == ["whole"]


def test_what_tests_share_stands_in_helpers():
    tests = pathlib.Path(__file__).parent
    ours = {path.stem for path in tests.rglob("*.py")}
    for path in tests.rglob("*.py"):
        if path.parent.name == "serving" or path.name == "make.py":  # programs
            continue
        taken = {name for name, _ in imports(path)}
        assert {name for name in taken if name in ours} == set(), path
        assert {
            n for n in taken if n.startswith("tests.") and "helpers" not in n
        } == set()


def test_no_two_test_files_have_one_name():
    names = [path.name for path in pathlib.Path(__file__).parent.rglob("test_*.py")]
    assert len(names) == len(set(names))  # pytest imports them by it.
