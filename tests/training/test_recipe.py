import dataclasses
import types
import weakref

import numpy as np
import pytest
from absl import flags

from vqzoo import training
from vqzoo.runs import files
from vqzoo.training.command import main, parse


def test_every_field_is_a_flag_with_its_own_type():
    arguments = [
        "recipe",
        "--epochs=3",
        "--dataset=cifar10",
        "--classes=sea horse,emu",
        "--noise_stddev=1.0,0.5",
        "--learning_rate=0.01",
        "--augmentation=flip,crop",
        "--quantizer=fsq",
        "--quantizer_options=levels=(8,5,5),name=digits",
        "--model_options=strides=[8,4]",
        "--resume",
        "--notensorboard",
    ]
    recipe = parse(training.Recipe(), arguments)
    assert recipe == training.Recipe(
        epochs=3,
        dataset="cifar10",
        classes=("sea horse", "emu"),
        noise_stddev=(1.0, 0.5),
        learning_rate=0.01,
        augmentation=("flip", "crop"),
        quantizer="fsq",
        quantizer_options=("levels=(8,5,5)", "name=digits"),
        model_options=("strides=[8,4]",),
        resume=True,
        tensorboard=False,
    )


def test_no_flag_leaves_the_recipe_as_it_is():
    recipe = training.Recipe(
        noise_stddev=(0.25, 1.0),
        augmentation=("flip",),
        quantizer_options=("levels=(8, 5)",),
    )
    assert parse(recipe, ["recipe"]) == recipe


@pytest.mark.parametrize("flag", ["--epochz=3", "--epochs=three", "--noise_stddev=a"])
def test_unknown_flags_and_wrong_types_are_errors(flag):
    with pytest.raises(flags.Error, match=flag.split("=")[0][2:]):
        parse(training.Recipe(), ["recipe", flag])


@pytest.mark.parametrize(
    "setting",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"decay": 1.0},
        {"restart_threshold": 1.5},
        {"noise_stddev": (-1.0,)},
        {"noise_stddev": ()},
        {"learning_rate": 0.0},
        {"noise_boundary": "bounce"},
        {"strategy": "tpu"},
        {"model": "vqvae_33"},
        {"name": "a/b"},
    ],
    ids=str,
)
def test_impossible_values_name_their_flag(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"--{name} "):
        training.Recipe(**setting)


def test_an_impossible_value_ends_the_command_line_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        main(training.Recipe(), ["recipe", "--epochs=0"])
    assert end.value.code == 2
    assert "--epochs" in capsys.readouterr().err


def test_an_argument_that_is_no_flag_ends_the_command_line_with_2(capsys):
    with pytest.raises(SystemExit) as end:
        main(training.Recipe(), ["recipe", "epochs=3"])
    assert end.value.code == 2
    assert "epochs=3" in capsys.readouterr().err


def test_help_lists_every_flag(capsys):
    with pytest.raises(SystemExit) as end:
        main(training.Recipe(), ["recipe", "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(f.name in text for f in dataclasses.fields(training.Recipe))


def test_noise_can_differ_between_tiers():
    recipe = training.Recipe(noise_stddev=(1.0, 0.5), smoke=True).shrunk()
    model = recipe.build_model((64, 64, 3))
    assert [q.assignment.stddev for q in model.quantizers] == [1.0, 0.5]


def test_a_wrong_number_of_noise_levels_names_the_flag():
    recipe = training.Recipe(noise_stddev=(1.0, 0.5, 0.1), smoke=True).shrunk()
    with pytest.raises(ValueError, match="--noise_stddev to have 1 value or 2"):
        recipe.build_model((64, 64, 3))


def test_codes_that_no_step_places_start_on_latents_of_images():
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (16, 32, 32, 3))
    split = types.SimpleNamespace(arrays=lambda limit: (images[:limit], None))
    recipe = training.Recipe(
        model="vqvae2_32",
        model_options=("num_channels=8", "residual_channels=4"),
        quantizer="implicit_neural",
        num_embeddings=8,
        embedding_dim=4,
        batch_size=4,
    )
    model = recipe.build_model((32, 32, 3), 10)
    begun = model.get_weights()
    loaded = dataclasses.replace(recipe, start_from="a run")
    loaded.prepare(model, types.SimpleNamespace(train=split))
    for weight, before in zip(model.get_weights(), begun, strict=True):
        np.testing.assert_array_equal(weight, before)
    recipe.prepare(model, types.SimpleNamespace(train=split))
    for layer, latents in zip(model.quantizers, model.latents(images), strict=True):
        codes = layer.encode(latents)
        errors = [
            np.mean(np.square(latents - layer.decode(codes[..., :count])))
            for count in (1, 2, 3, 4)
        ]
        assert errors == sorted(errors, reverse=True)
        assert errors[0] < 0.6 * np.var(latents, axis=(0, 1, 2)).mean()
        assert errors[-1] < 0.2 * errors[0]


def test_smoke_shrinks_numbers_only():
    recipe = training.Recipe(smoke=True, noise_stddev=(1.0,), model="vqvae2_32")
    small = recipe.shrunk()
    assert (small.epochs, small.max_steps_per_epoch, small.batch_size) == (2, 3, 4)
    assert (small.model, small.noise_stddev) == ("vqvae2_32", (1.0,))


@pytest.mark.parametrize(
    ("error", "arguments", "code"),
    [(files.Stopped, ("SIGTERM", 143), 143), (files.RunError, ("no data",), 1)],
)
def test_nothing_of_a_run_is_left_at_the_end(error, arguments, code, monkeypatch):
    held = []

    class Iterator:
        pass

    def run(recipe):
        iterator = Iterator()
        iterator.itself = iterator  # A cycle, as frames and tracebacks make them.
        held.append(weakref.ref(iterator))
        raise error(*arguments)

    monkeypatch.setattr(training.Recipe, "run", run)
    with pytest.raises(SystemExit) as stop:
        main(training.Recipe(), ["recipe"])
    assert stop.value.code == code
    assert stop.value.__context__ is None
    assert held[0]() is None


def test_no_epoch_is_the_best_before_the_last_tier_learns():
    recipe = training.Recipe(
        name="hqa",
        model="hqa_32",
        quantizer="ema",
        num_embeddings=4,
        embedding_dim=2,
        model_options=("num_channels=8", "num_residual_blocks=1", "tier_steps=2"),
    )
    model = recipe.build_model((32, 32, 3))
    found = []
    for steps in (4, 5):
        model.schedule.steps.assign(steps)
        found.append(recipe.measure(model, np.zeros((2, 32, 32, 3), "float32")))
    assert found[0]["loss"] == np.inf and np.isfinite(found[1]["loss"])
    assert found[0]["psnr"] == found[1]["psnr"]
