import keras
import numpy as np
import pytest

from vqzoo import registry
from vqzoo.priors import DCGAN, MaskGIT, PixelCNN

CONTEXT = (((1, 2), 3),)
ARRAYS = {
    "bottom": np.arange(8, dtype="int32").reshape(2, 2, 2),
    "label": np.array([1, 0], "int32"),
    "top": np.array([[[0, 1]], [[2, 0]]], "int32"),
}
SMALL = {
    "pixelcnn": lambda **known: PixelCNN((2, 2), 8, num_channels=4, **known),
    "maskgit": lambda **known: MaskGIT(
        (2, 2), 8, num_layers=1, num_channels=4, num_heads=1, **known
    ),
    "dcgan": lambda **known: DCGAN((2, 2), 8, 3, channels=(8, 8), **known),
}


def same(received, expected):
    keras.tree.assert_same_structure(received, expected)
    for one, other in zip(keras.tree.flatten(received), keras.tree.flatten(expected)):
        np.testing.assert_array_equal(one, other)


def test_a_prior_is_fitted_with_what_it_is_conditioned_on():
    prior = SMALL["pixelcnn"](num_classes=2, context=CONTEXT)
    inputs = {
        "codes": ARRAYS["bottom"],
        "label": ARRAYS["label"],
        "context_0": ARRAYS["top"],
    }
    pair = prior.training_pair(ARRAYS, ("top", "bottom"))
    same(pair, (inputs, ARRAYS["bottom"]))
    pair = SMALL["pixelcnn"]().training_pair(ARRAYS, ("top", "bottom"))
    same(pair, (ARRAYS["bottom"], ARRAYS["bottom"]))


def test_a_masked_prior_hides_codes_and_learns_those():
    prior = SMALL["maskgit"](num_classes=2)
    inputs, targets, weights = prior.training_pair(ARRAYS, ("bottom",), (1, 2))
    hidden, weights = np.asarray(inputs["codes"]) == 8, np.asarray(weights)
    assert 2 <= hidden.sum() < 8
    np.testing.assert_array_equal(weights > 0, hidden)
    shown = np.where(hidden, ARRAYS["bottom"], inputs["codes"])
    np.testing.assert_array_equal(shown, ARRAYS["bottom"])
    np.testing.assert_array_equal(targets, ARRAYS["bottom"])
    again = prior.training_pair(ARRAYS, ("bottom",), (1, 2))
    same(again, (inputs, targets, weights))


def test_a_gan_is_fitted_with_codes_alone():
    inputs = SMALL["dcgan"](num_classes=2).training_pair(ARRAYS, ("top", "bottom"))
    same(inputs, {"codes": ARRAYS["bottom"], "label": ARRAYS["label"]})


@pytest.mark.parametrize("kind", SMALL)
def test_a_pair_is_made_within_a_pipeline_of_data(kind):
    tf = pytest.importorskip("tensorflow")
    prior = SMALL[kind](num_classes=2, context=CONTEXT)
    tiers = ("top", "bottom")
    data = tf.data.Dataset.from_tensors(ARRAYS).enumerate(start=5)
    data = data.map(lambda n, batch: prior.training_pair(batch, tiers, (3, n)))
    same(next(data.as_numpy_iterator()), prior.training_pair(ARRAYS, tiers, (3, 5)))


@pytest.mark.parametrize(
    ("kind", "likelihood"),
    [("pixelcnn", "exact"), ("maskgit", "bound"), ("dcgan", "none")],
)
def test_a_prior_says_what_its_likelihood_is(kind, likelihood):
    prior = SMALL[kind](num_classes=2, context=CONTEXT)
    condition = prior.condition(ARRAYS["label"], [ARRAYS["top"]])
    received = prior.log_likelihood(ARRAYS["bottom"], condition)
    assert prior.likelihood == likelihood
    assert received.shape == (2,)
    assert np.isnan(received).all() == (likelihood == "none")
    if likelihood != "none":
        # Four codes of eight, of a prior that has learned nothing.
        np.testing.assert_allclose(received, 4 * np.log(1 / 8), rtol=0.6)


def test_a_prior_takes_the_part_of_the_condition_that_it_knows():
    labels, above = ARRAYS["label"], [ARRAYS["top"]]
    assert SMALL["pixelcnn"]().condition(labels, above) == {}
    assert list(SMALL["pixelcnn"](num_classes=2).condition(labels, above)) == ["label"]
    both = SMALL["pixelcnn"](num_classes=2, context=CONTEXT).condition(labels, above)
    same(both, {"label": labels, "context": above})


def test_priors_and_gans_are_named_apart():
    assert registry.names("priors") == (
        "gated_pixelcnn",
        "hybrid_transformer",
        "maskgit",
        "next_scale",
        "pixelcnn",
        "pixelrnn",
        "pixelsnail",
        "rotary_transformer",
        "sequence_transformer",
        "transformer",
    )
    assert registry.names("priors.gan") == ("dcgan", "progressive")


@pytest.mark.parametrize("name", registry.names("priors"))
def test_a_prior_of_a_smoke_run_is_small(name):
    prior = registry.find("priors", name)
    beside = {"num_values": 2} if prior.likelihood == "density" else {}
    grid_shape = (8, 8)
    if "grid" not in prior.layouts:
        beside, grid_shape = {"grids": (2, 4)}, (1, 20)
    sizes = {**beside, **prior.smoke_options}
    assert prior(grid_shape, 16, **sizes).count_params() < 20_000


@pytest.mark.parametrize("name", registry.names("priors.gan"))
def test_a_gan_makes_a_critic_of_its_sizes(name):
    gan = registry.find("priors.gan", name)
    generator = gan((8, 8), 16, 4, num_classes=3, **gan.smoke_options)
    critic = generator.make_critic("opponent")
    sizes = critic.get_config()
    assert sizes.pop("name") == critic.name == "opponent"
    assert sizes.items() <= generator.get_config().items()
    assert critic.count_params() < 20_000
