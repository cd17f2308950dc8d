"""Runs with a composed loss: what they leave, resume and refuse."""

import dataclasses
import pathlib
import signal

import keras
import numpy as np
import pytest

from tests.helpers.processes import call, run, without_pictures
from tests.helpers.small_models import make_model
from vqzoo import training
from vqzoo.losses import load_classifier
from vqzoo.runs import files, state
from vqzoo.runs.folder import Run

pytestmark = pytest.mark.usefixtures("no_pictures")
GAME = training.Recipe(
    name="game",
    model="vqvae_32",
    model_options=("num_residual_blocks=1",),
    loss=("l2", "perceptual=0.02", "classifier=0.1", "gan=0.3"),
    lecam=0.01,
    adversarial_start=0.5,
    clip_norm=1.0,
    discriminator_options=("num_channels=4", "num_layers=2"),
    epochs=2,
    max_steps_per_epoch=5,
    batch_size=4,
    save_steps=1,
    precision="float32",
    strategy="none",
    tensorboard=False,
    smoke=True,
)


def classifier(side=32):
    """A network of the shape of the judge's, untrained."""
    keras.utils.set_random_seed(3)
    images = keras.Input((side, side, 3))
    fine = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(images)
    coarse = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(fine)
    features = keras.layers.GlobalAveragePooling2D()(coarse)
    return keras.Model(images, [keras.layers.Dense(7)(features), features])


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "classifier.keras"
    classifier().save(path)
    return path


def game_of(folder, given):
    return dataclasses.replace(GAME, classifier=str(given), runs_dir=str(folder))


@pytest.fixture
def game(tmp_path, given):
    return game_of(tmp_path / "runs", given)


@pytest.fixture(scope="module")
def played(tmp_path_factory, given):
    """The recipe `game` after its run."""
    recipe = game_of(tmp_path_factory.mktemp("played"), given)
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch.setattr)
        recipe.run()
    return recipe


def run_of(recipe):
    return Run.finished(recipe.runs_dir, recipe.name)


def test_what_is_delivered_is_the_autoencoder_of_the_last_epoch(played):
    finished = run_of(played)
    model = keras.saving.load_model(finished.model_path)
    plain = dataclasses.replace(played.shrunk(), loss=("own",), **DEFAULTS)
    expected = plain.build_model((32, 32, 3))
    assert model.count_params() == expected.count_params()
    last = keras.saving.load_model(finished.path / "last.keras")
    for weight, other in zip(model.get_weights(), last.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    row = finished.history()[-1]
    terms = [row[f"val_{name}"] for name in ("l2", "perceptual", "classifier")]
    weighted = terms[0] + 0.02 * terms[1] + 0.1 * terms[2]
    weighted += 0.25 * row["val_bottom_commitment"]
    assert row["val_loss"] == pytest.approx(weighted, rel=1e-4)
    assert row["adversarial_scale"] > 0 == finished.history()[0]["adversarial_scale"]
    assert {"l2", "perceptual", "classifier"} <= set(finished.metrics()["test"])


DEFAULTS = {
    "classifier": "",
    "lecam": 0.0,
    "adversarial_start": 0.25,
    "discriminator_options": (),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 4, 5])
def test_a_killed_game_ends_with_the_weights_of_one_that_was_not(game, played, step):
    code, output = call(run, game, step)
    assert code == -signal.SIGKILL, output
    dataclasses.replace(game, resume=True).run()
    arrays, expected = (
        state.load_arrays(run_of(recipe).path / "state.npz")[0]
        for recipe in (game, played)
    )
    for array, other in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.slow
def test_a_run_without_a_classifier_trains_one_and_keeps_it(game, capsys):
    recipe = dataclasses.replace(game, classifier="", runs_dir=f"{game.runs_dir}_own")
    path = recipe.run()
    network = load_classifier(Run(path).classifier_path, (32, 32, 3))
    assert network.outputs[0].shape == (None, 7)


def test_the_decoder_alone_moves_where_the_codes_are_to_stay(tiny, tmp_path):
    begun = make_model("two tiers")
    begun.save(tmp_path / "begun.keras")
    recipe = dataclasses.replace(
        tiny,
        smoke=False,
        epochs=1,
        max_steps_per_epoch=2,
        num_embeddings=16,
        embedding_dim=4,
        noise_stddev=(0.0,),
        model_options=("num_channels=8", "residual_channels=4"),
        loss=("l1", "gan=0.1"),
        discriminator_options=("num_channels=4", "num_layers=2"),
        start_from=str(tmp_path / "begun.keras"),
        only_decoder=True,
    )
    model = keras.saving.load_model(Run(recipe.run()).model_path)
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 32, 32, 3))
    images = images.astype("float32")
    for codes, before in zip(model.encode(images), begun.encode(images), strict=True):
        np.testing.assert_array_equal(codes, before)
    codes = begun.encode(images)
    assert np.abs(model.decode(codes) - begun.decode(codes)).max() > 1e-5
    other = dataclasses.replace(recipe, embedding_dim=8)
    with pytest.raises(ValueError, match="--start_from .* a model as vqvae2_32"):
        other.run()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss": ("l3",)}, "--loss .*of gan, classifier, l1, l2"),
        ({"loss": ("l2=-1",)}, "--loss .*weight above 0"),
        ({"loss": ("l2=nan",)}, "--loss .*weight above 0"),
        ({"loss": ("l2=x",)}, "--loss .*weight above 0"),
        ({"loss": ("l2", "l2=2")}, "--loss .*a name once"),
        ({"loss": ("gan",)}, "--loss .*one that compares pixels"),
        ({"loss": ()}, "--loss .*one that compares pixels"),
        ({"loss": ("l2", "lpips")}, "--lpips_backbone .* a file, or imagenet"),
        (
            {"loss": ("l2", "gan"), "adversarial_start": 1.0},
            "--adversarial_start .*run",
        ),
        ({"lecam": 0.1}, "--lecam is not used by --loss=.* by gan"),
        ({"classifier": "c.keras"}, "--classifier is not used by --loss"),
        ({"loss": ("l2", "gan"), "discriminator": "x"}, "--discriminator .*patch"),
        ({"only_decoder": True}, "--only_decoder is not used by --start_from"),
    ],
)
def test_a_loss_that_cannot_work_is_refused_with_its_flag(changes, said):
    with pytest.raises(ValueError, match=said):
        training.Recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"model": "hqa_32", "model_options": ("tier_steps=2",)},
            "--loss .*tier_steps of --model_options trains tiers in turn",
        ),
        ({"classifier": "nowhere.keras"}, "--classifier=nowhere.keras: expected a"),
        ({"classifier": "SMALL"}, "--classifier=.*of images of .32, 32, 3."),
        (
            {"discriminator_options": ("num_layers=5",)},
            "--discriminator_options=num_layers=5: expected images with sides of",
        ),
        ({"discriminator_options": ("depth=5",)}, "--discriminator_options=depth"),
        (
            {"loss": ("l2", "lpips"), "lpips_backbone": "no.pth", **DEFAULTS},
            "--loss=lpips, --lpips_backbone: expected weights of",
        ),
    ],
)
def test_what_does_not_fit_the_loss_is_refused_before_a_run_begins(
    game, changes, said, tmp_path
):
    if changes.get("classifier") == "SMALL":
        classifier(16).save(tmp_path / "small.keras")
        changes = {"classifier": str(tmp_path / "small.keras")}
    with pytest.raises((ValueError, files.RunError), match=said):
        dataclasses.replace(game, **changes).run()
    assert not pathlib.Path(game.runs_dir).exists()


def test_a_classifier_gives_logits(tmp_path):
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()]).save(
        tmp_path / "flat.keras"
    )
    assert load_classifier(tmp_path / "flat.keras", (8, 8, 3)).count_params() == 0
    identity = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.ReLU()])
    identity.save(tmp_path / "none.keras")
    with pytest.raises(ValueError, match="logits of two classes or more"):
        load_classifier(tmp_path / "none.keras", (8, 8, 3))
