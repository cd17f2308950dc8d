"""Each field of each recipe changes what is built or fitted, or is an error."""

import dataclasses
import importlib
import pkgutil

import pytest

from tests.helpers.dry_runs import notes_of, notes_of_sweep
from vqzoo import recipes, training

RECIPES = {
    module.name: importlib.import_module(f"vqzoo.recipes.{module.name}").RECIPE
    for module in pkgutil.iter_modules(recipes.__path__)
}
KINDS = (
    training.Recipe,
    training.PriorRecipe,
    training.GANRecipe,
    training.BlendRecipe,
)
# Other values, of which the first is taken that a recipe does not have.
OTHER = {
    "name": ("another",),
    "strategy": ("mirrored",),
    "precision": ("mixed_bfloat16",),
    "runs_dir": ("elsewhere",),
    "dataset": ("sprites", "photos"),
    "data_dir": ("there",),
    "classes": (("cat", "dog", "bird", "horse"),),
    "resize": ("pad",),
    "frames": ("all",),
    "value_range": ((0.0, 99.0),),
    "layout": ("class",),
    "labels": ("labels.csv",),
    "validation_shards": ("validation.tar",),
    "test_shards": ("test.tar",),
    "image_column": ("photo",),
    "label_column": ("kind",),
    "key_column": ("id",),
    "index_dir": ("elsewhere",),
    "optimizer": ("lion",),
    "learning_rate_schedule": ("cosine", "constant"),
    "model_options": (("num_channels=24",),),
    "augmentation": (("flip",), ("crop",)),
    "image_size": (32, 64),
    "quantizer": ("fsq", "gradient"),
    "quantizer_options": (("num_stages=7",),),
    "codebook_init": ("k_means",),
    "noise_stddev": ((0.75,),),
    "noise_boundary": ("clip",),
    "tiers": (("top",),),
    "prior_options": (("num_channels=7",),),
    "codes_dir": ("elsewhere",),
    "prior": ("pixelcnn", "pixelsnail"),
    "gan": ("dcgan", "progressive"),
    "gan_loss": ("non_saturating", "wgan_gp"),
    "gan_space": ("indices",),
    "measure_steps": (500,),
    "scale_steps": ((300, 500),),
    "tier_scale_steps": (("bottom=(300,500)",),),
    "tier_scale_batch_sizes": (("bottom=(8,16)",),),
    "scale_batch_sizes": ((16,),),
    "loss": (("l1",),),
    "classifier": ("other.keras",),
    "lpips_backbone": ("vgg16.pth",),
    "lpips_weights": ("vgg.pth",),
    "discriminator": ("style",),
    "discriminator_options": (("num_channels=24",),),
    "adversarial_loss": ("non_saturating",),
    "start_from": ("there",),
    "parents": (("cat", "dog"),),
    "blend_range": ((0.4, 0.6),),
}
FIELDS = [
    (name, field.name)
    for name, recipe in RECIPES.items()
    if type(recipe) in KINDS
    for field in dataclasses.fields(recipe)
]


def another(recipe, field):
    """Another value of a field."""
    value = getattr(recipe, field)
    if field == "model":
        others = ["other.keras"] if value.endswith(".keras") else ["vae_32", "vae_64"]
    elif field in OTHER:
        others = OTHER[field]
    elif isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int):
        others = [value + 3]
    elif isinstance(value, str):
        others = ["another"]
    else:
        others = [value / 2 or 0.5]
    return next(other for other in others if other != value)


@pytest.fixture(scope="module")
def known():
    """What the recipes do as they are, by name."""
    return {}


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_setting_changes_the_run_or_is_refused(name, field, known, monkeypatch):
    recipe = RECIPES[name]
    if name not in known:
        known[name] = notes_of(recipe, monkeypatch)
        assert len(known[name]) > 5
    try:
        changed = dataclasses.replace(recipe, **{field: another(recipe, field)})
        noted = notes_of(changed, monkeypatch)
    except ValueError as error:
        assert f"--{field}" in str(error)
    else:
        assert noted != known[name]


@pytest.mark.parametrize("name", sorted({name for name, _ in FIELDS}))
def test_two_runs_of_a_recipe_do_the_same(name, known, monkeypatch):
    first = known.get(name) or notes_of(RECIPES[name], monkeypatch)
    assert notes_of(RECIPES[name], monkeypatch) == first


SWEEPS = sorted(set(RECIPES) - {name for name, _ in FIELDS})
SWEEPS = [name for name in SWEEPS if hasattr(RECIPES[name], "jobs")]
# Of the whole sweep, not of its runs.
OF_SWEEPS = {"name", "seed", "runs_dir", "resume"}


def runs_of(sweep):
    """The models that a sweep trains and the priors that it fits to them."""
    rows = [(row, sweep.run_of(row, 0, "runs")) for row, _ in sweep.jobs()]
    return [
        (row.name, sweep.trained_of(row) or run, sweep.prior_of(row, run, "m.keras"))
        for row, run in rows
    ]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_setting_reaches_the_runs_of_a_sweep_or_is_refused(name):
    sweep = RECIPES[name]
    before = runs_of(sweep)
    for field in [field.name for field in dataclasses.fields(training.Recipe)]:
        if field in OF_SWEEPS:
            continue
        try:
            changed = dataclasses.replace(sweep, **{field: another(sweep, field)})
            changed.check_used()
        except ValueError as error:
            assert f"--{field}" in str(error)
        else:
            assert runs_of(changed) != before or is_of_data(sweep, field), field


def is_of_data(sweep, field):
    """Whether it is of the data, which models that are there are measured on."""
    fitted = [row for row, _ in sweep.jobs() if not sweep.trained_of(row)]
    how = ("strategy", "precision", "save_steps", "tensorboard", "check_numerics")
    data = ("dataset", "data_dir", "classes", "max_bytes", "smoke")
    return not fitted and field in (*how, *data)


def of_sweep(sweep, field):
    """Another value of a field that sweeps alone have, or of the seed."""
    value, name = getattr(sweep, field), sweep.jobs()[-1][0].name
    condition = "trained=other.keras" if sweep.trained else "epochs=77"
    if "trained" in sweep.conditions[0]:
        condition = "trained=other.keras"
    return {
        "conditions": (*sweep.conditions, f"another@7: {condition}"),
        "seeds": (5,),
        "only": (name,),
        "trained": "another.keras",
        "measurements": (*sweep.measurements, "redundancy"),
        "shown": sweep.shown[:-1],
        "axis": "another axis",
        "num_images": 7,
        "quick": True,
        "representation": "vectors",
        "judge": "another.keras",
        "prior_settings": (*sweep.prior_settings, "save_steps=77"),
        "prior_conditions": (*sweep.prior_conditions, "another: save_steps=77"),
        "prior_measurements": (*sweep.prior_measurements, "redundancy"),
        "models_with_priors": (
            sweep.parsed()[0].model if len(sweep.conditions) > 1 else "none",
        ),
        "claims": (f"words: [{sweep.jobs()[0][0].name}]a.b > 0",),
        "baseline": sweep.jobs()[0][0].name if name == value else name,
        "seed": 5,
    }[field]


@pytest.mark.parametrize("name", SWEEPS)
def test_a_setting_of_sweeps_alone_changes_them_or_is_refused(
    name, tmp_path, monkeypatch
):
    conditions = RECIPES[name].conditions
    few = conditions if len(conditions) < 12 else (*conditions[:3], conditions[-1])
    sweep = dataclasses.replace(RECIPES[name], conditions=few)
    before = notes_of_sweep(sweep, tmp_path, monkeypatch)
    assert notes_of_sweep(sweep, tmp_path, monkeypatch) == before
    own = {field.name for field in dataclasses.fields(sweep)}
    own -= {field.name for field in dataclasses.fields(training.Recipe)}
    for field in ("seed", *sorted(own)):
        try:
            changed = dataclasses.replace(sweep, **{field: of_sweep(sweep, field)})
            noted = notes_of_sweep(changed, tmp_path, monkeypatch)
        except ValueError as error:
            assert f"--{field}" in str(error)
        else:
            assert noted != before, field


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wordy(training.PriorRecipe):
    """A recipe with a setting that nothing uses."""

    unused: int = 1


def test_a_setting_that_nothing_uses_is_seen(monkeypatch):
    first = notes_of(Wordy(), monkeypatch)
    assert notes_of(Wordy(unused=2), monkeypatch) == first
    assert notes_of(Wordy(seed=2), monkeypatch) != first
