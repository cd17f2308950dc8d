import numpy as np
import pytest
from keras import ops

from tests.helpers.small_models import make_model
from vqzoo.priors import (
    DCGAN,
    HybridTransformer,
    MaskGIT,
    PixelCNN,
    Transformer,
    conditions,
    raster,
)
from vqzoo.priors.pipeline import Pipeline

SIZES = {"num_layers": 1, "num_channels": 8, "num_heads": 1}
LABELS = {"num_classes": 2, "label_dropout": 0.1}
KINDS = {
    "pixelcnn": lambda: PixelCNN((2, 3), 5, num_channels=8, **LABELS),
    "transformer": lambda: Transformer((2, 3), 5, **SIZES, **LABELS),
    "maskgit": lambda: MaskGIT((2, 3), 5, **SIZES, **LABELS),
    "rotary_maskgit": lambda: MaskGIT((2, 3), 5, block="rotary", **SIZES, **LABELS),
}
BATCH = 8


@pytest.fixture(scope="module", params=KINDS)
def prior(request):
    """A prior whose classes differ by far."""
    made = KINDS[request.param]()
    embedding = made.conditions.of_label.embeddings
    embedding.assign(3 * np.random.default_rng(0).normal(size=embedding.shape))
    if request.param == "rotary_maskgit":
        kernel = made.modulations.kernel
        kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))
    return made


def inputs_of(prior, scale):
    generator = np.random.default_rng(0)
    inputs = {
        name: raster.random_numbers(generator, kind, (BATCH, *shape))
        for name, (kind, shape) in prior.random_inputs().items()
    }
    inputs["temperature"] = np.ones(BATCH, "float32")
    inputs["guidance"] = np.full(BATCH, scale, "float32")
    return inputs | conditions.arrays(prior, BATCH, {"label": 1})


def drawn(prior, scale, schedule="constant", **options):
    sampler = prior.sampler(guidance_schedule=schedule, **options)
    return np.asarray(sampler.predict_on_batch(inputs_of(prior, scale)))


def test_scale_1_is_the_class_and_scale_0_is_none(prior):
    with_class = prior.sample(BATCH, {"label": 1}, seed=0)
    np.testing.assert_array_equal(drawn(prior, 1.0), with_class)
    np.testing.assert_array_equal(drawn(prior, 0.0), prior.sample(BATCH, seed=0))
    guided = prior.sample(BATCH, {"label": 1}, guidance=4.0, seed=0)
    np.testing.assert_array_equal(drawn(prior, 4.0), guided)
    assert (guided != with_class).any()


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_codes_are_those_of_logits_that_are_guided_by_hand(schedule):
    prior = KINDS["pixelcnn"]()
    embedding = prior.conditions.of_label.embeddings
    embedding.assign(3 * np.random.default_rng(0).normal(size=embedding.shape))
    uniform = inputs_of(prior, 3.0)["uniform"]
    expected = np.zeros((BATCH, 2, 3), "int32")
    for place in range(6):
        row, column = divmod(place, 3)
        share = place / 5
        on = {
            "constant": 1,
            "linear": share,
            "cosine": (1 - np.cos(np.pi * share)) / 2,
        }[schedule]
        logits = [
            ops.convert_to_numpy(
                prior({"codes": expected, "label": np.full(BATCH, label)})
            )[:, row, column].astype("float64")
            for label in (1, 2)
        ]
        guided = logits[1] + (1 + 2 * on) * (logits[0] - logits[1])
        p = np.exp(guided - guided.max(axis=-1, keepdims=True))
        cumulative = np.cumsum(p / p.sum(axis=-1, keepdims=True), axis=-1)
        expected[:, row, column] = (cumulative < uniform[:, [place]]).sum(axis=-1)
    np.testing.assert_array_equal(drawn(prior, 3.0, schedule), expected)
    np.testing.assert_array_equal(drawn(prior, 3.0, schedule, cached=False), expected)


def test_guidance_sets_in_after_the_first_pass_of_a_masked_prior():
    prior = KINDS["maskgit"]()
    embedding = prior.conditions.of_label.embeddings
    embedding.assign(3 * np.random.default_rng(0).normal(size=embedding.shape))
    scales = []
    sampler = prior.sampler(guidance_schedule="linear", num_steps=3)
    at = sampler.guide.at
    sampler.guide.at = lambda share: scales.append(share) or at(share)
    sampler({**inputs_of(prior, 3.0), **random_of(prior, 3)})
    assert scales == [0, 0.5, 1]


def random_of(prior, num_steps):
    generator = np.random.default_rng(0)
    return {
        name: raster.random_numbers(generator, kind, (BATCH, *shape))
        for name, (kind, shape) in prior.random_inputs(num_steps=num_steps).items()
    }


def test_values_beside_codes_are_those_of_the_class():
    prior = HybridTransformer((2, 2), 5, 2, **SIZES, **LABELS)
    codes, values = prior.sample(4, {"label": 1}, guidance=2.0, seed=0)
    assert codes.shape == (4, 2, 2) and values.shape == (4, 2, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance": -0.5}, "guidance of at least 0, received guidance=-0.5"),
        ({"guidance": float("nan")}, "guidance=nan"),
        ({"guidance": float("inf")}, "guidance=inf"),
        ({"guidance": "2"}, "guidance='2'"),
        ({"guidance_schedule": "late"}, "constant, linear, cosine, received .*late"),
    ],
)
def test_guidance_out_of_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        KINDS["pixelcnn"]().sample(1, {"label": 1}, **options)


def test_a_prior_that_always_saw_its_class_cannot_be_guided():
    prior = PixelCNN((2, 3), 5, num_channels=8, num_classes=2)
    message = r"fitted with and without labels \(label_dropout=0.1\).*guidance=2.0"
    with pytest.raises(ValueError, match=message):
        prior.sample(1, {"label": 1}, guidance=2.0)


def test_a_pipeline_guides_the_tiers_that_know_codes_without_a_class():
    model = make_model("two tiers")
    top, bottom = ((8, 8), 16), ((16, 16), 16)
    small = {"num_channels": 8, "num_blocks": 1, "first_kernel_size": 3}
    guided = PixelCNN(*top, **small, **LABELS)
    plain = PixelCNN(*bottom, context=[top], **small, num_classes=2)
    gan = DCGAN(*bottom, 4, context=[top], channels=(8, 8), num_classes=2)
    for other in (plain, gan):
        drawn = Pipeline(model, [guided, other])
        samples = drawn.sample(2, 1, guidance=5.0, seed=0)
        again = drawn.sample(2, 1, guidance=(5.0, 1.0), seed=0)
        np.testing.assert_array_equal(samples.codes[0], again.codes[0])
        np.testing.assert_array_equal(samples.images, again.images)
        with pytest.raises(ValueError, match="label_dropout"):
            drawn.sample(2, 1, guidance=(1.0, 5.0))
    with pytest.raises(ValueError, match="one guidance, or one for each of 2 tiers"):
        drawn.sample(2, 1, guidance=(1.0, 5.0, 1.0))
