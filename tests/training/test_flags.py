"""Every setting of every recipe changes the run, or is refused with its flag."""

import dataclasses
import importlib
import pkgutil

import pytest

from vqzoo import quantizers, recipes, registry, training
from vqzoo.training import settings
from vqzoo.training.kinds import coding

NAMES = [module.name for module in pkgutil.iter_modules(recipes.__path__)]
RECIPES = {
    name: importlib.import_module(f"vqzoo.recipes.{name}").RECIPE for name in NAMES
}
OTHER = {
    "quantizer": ("fsq", "gradient"),
    "quantizer_options": (("num_stages=7",),),
    "num_embeddings": (96,),
    "embedding_dim": (24,),
    "commitment_cost": (0.75,),
    "decay": (0.9,),
    "codebook_init": ("k_means", "random_normal"),
    "restart_threshold": (0.25,),
    "sorted_codes": (True, False),
    "noise_stddev": ((0.75,),),
    "noise_boundary": ("clip",),
    "annealing_share": (0.6,),
}
AUTOENCODERS = [n for n, r in RECIPES.items() if type(r) is training.Recipe]


def others(recipe, name):
    return [value for value in OTHER[name] if value != getattr(recipe, name)]


@pytest.mark.parametrize("name", AUTOENCODERS)
@pytest.mark.parametrize("field", OTHER)
def test_a_setting_of_the_quantizer_is_used_or_refused(name, field):
    for value in others(RECIPES[name], field):
        recipe = dataclasses.replace(RECIPES[name], **{field: value})
        try:
            recipe.check_used()
        except ValueError as error:
            assert f"--{field}" in str(error) or field == "quantizer"
        else:
            default = getattr(training.Recipe(), field)
            assert field in recipe._asked_for() or value == default


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_makes_no_setting_that_nothing_uses(name):
    RECIPES[name].check_used()
    assert RECIPES[name].name == name


def test_all_settings_of_quantizers_are_tried():
    fields = dataclasses.fields(coding.QuantizerSettings)
    assert {field.name for field in fields} == set(OTHER)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantizer": "fsq", "decay": 0.5}, "--decay .*--quantizer=fsq.* by .*ema"),
        ({"model": "vae_32", "quantizer": "fsq"}, "--quantizer .*--model=vae_32.*hqa"),
        ({"model": "vae_32", "noise_stddev": (1.0,)}, "--noise_stddev .*--model=vae"),
        ({"noise_boundary": "wrap"}, "--noise_boundary .*--noise_stddev"),
    ],
)
def test_what_is_not_used_says_who_uses_it(changes, said, tmp_path):
    recipe = training.Recipe(**changes, runs_dir=str(tmp_path / "runs"), smoke=True)
    with pytest.raises(ValueError, match=said):
        recipe.run()
    assert list(tmp_path.iterdir()) == []  # Before anything is written.


@pytest.mark.parametrize("name", registry.names("quantizers"))
def test_who_is_said_to_use_a_setting_takes_it(name):
    for field in sorted(quantizers.uses(name) & {"decay", "restart_threshold"}):
        recipe = training.Recipe(quantizer=name, **{field: OTHER[field][0]})
        recipe.check_used()
        assert field in recipe._asked_for()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (training.Recipe, {"data_dir": "there"}),
        (training.Recipe, {"classes": ("cat",)}),
        (training.Recipe, {"weight_decay": 0.1}),
        (training.GANRecipe, {"gan_loss": "non_saturating", "drift": 0.1}),
        (training.GANRecipe, {"gan_loss": "non_saturating", "gradient_penalty": 1.0}),
    ],
)
def test_what_data_optimizer_or_loss_do_not_use_is_refused(kind, changes):
    with pytest.raises(ValueError, match=f"--{list(changes)[-1]} is not used by"):
        kind(**changes)


def test_a_gan_of_one_scale_fades_nothing():
    with pytest.raises(ValueError, match="--fade_share .*--gan=dcgan.* progressive"):
        training.GANRecipe(gan="dcgan", fade_share=0.5).check_used()


def test_flags_that_a_kind_does_not_use_are_no_flags_of_it():
    fields = {field.name for field in dataclasses.fields(training.GANRecipe)}
    steps = {field.name for field in dataclasses.fields(settings.StepSettings)}
    assert not fields & (steps | {"optimizer", "learning_rate_schedule"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimizer": "lion"}, {"beta_2": 0.99}),
        ({"optimizer": "adamw", "weight_decay": 0.1}, {"weight_decay": 0.1}),
        ({"clip_norm": 2.0}, {"global_clipnorm": 2.0}),
        ({"accumulation_steps": 3}, {"gradient_accumulation_steps": 3}),
        ({"average_decay": 0.9}, {"use_ema": True, "ema_momentum": 0.9}),
        ({"learning_rate": 0.5}, {"learning_rate": 0.5}),
    ],
)
def test_a_setting_of_the_optimizer_reaches_it(changes, expected):
    config = training.Recipe(**changes).make_optimizer(100).get_config()
    plain = training.Recipe().make_optimizer(100).get_config()
    assert {name: config[name] for name in expected} == pytest.approx(expected)
    assert config != plain


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.0, 0.5, 1.0, 1.0, 1.0]), ("cosine", [0.0, 0.5, 1.0, 0.5, 0.0])],
)
def test_a_schedule_rises_and_ends_with_the_run(schedule, expected):
    recipe = training.Recipe(
        learning_rate=1.0, learning_rate_schedule=schedule, warmup_share=0.2
    )
    rate = recipe._rate(100)
    rates = [float(rate(step)) for step in (0, 10, 20, 60, 100)]
    assert rates == pytest.approx(expected, abs=1e-6)
