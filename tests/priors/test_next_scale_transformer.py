import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.helpers.case import Case, random_codes
from vqzoo.codec.exact import ExactPrior
from vqzoo.export import sampling
from vqzoo.layers import MultiScaleResidualQuantizer, VectorQuantizer
from vqzoo.models import VQVAE
from vqzoo.priors import MaskGIT, NextScaleTransformer, PixelCNN
from vqzoo.priors.pipeline import Pipeline

SMALL = {"grids": (1, 2, 3), "num_layers": 2, "num_channels": 8, "num_heads": 2}
CASES = [
    Case(
        "NextScaleTransformer",
        lambda: NextScaleTransformer((1, 14), 4, **SMALL, seed=1),
        (random_codes(2, 1, 14),),
        random=True,
    ),
]
REFUSED = [
    (lambda: NextScaleTransformer((1, 14), 4), "expected grids, .*vqvae_var_32"),
    (
        lambda: NextScaleTransformer((1, 13), 4, **SMALL),
        r"\(1, 13\) codes in a row, received grids=.*\(1, 14\)",
    ),
    (
        lambda: NextScaleTransformer((1, 14), 4, context=[((1, 2), 4)], **SMALL),
        "no context",
    ),
]


@functools.cache
def prior_of(num_classes=0):
    keras.utils.set_random_seed(0)
    dropout = 0.1 if num_classes else 0
    known = {"num_classes": num_classes, "label_dropout": dropout}
    prior = NextScaleTransformer((1, 14), 5, **SMALL, **known)
    generator = np.random.default_rng(0)
    for weight in prior.trainable_variables:
        noise = generator.normal(0, 0.3, weight.shape)
        weight.assign(weight.value + noise.astype("float32"))
    return prior


def condition_of(num_classes):
    return {"label": [0, 2, 1]} if num_classes else None


each_condition = pytest.mark.parametrize("num_classes", [0, 3])


@each_condition
def test_cached_samples_are_those_of_the_whole_network(num_classes):
    prior, condition = prior_of(num_classes), condition_of(num_classes)
    cached = prior.sample(3, condition, seed=1)
    assert cached.shape == (3, 1, 14) and cached.dtype == np.int32
    np.testing.assert_array_equal(
        cached, prior.sample(3, condition, seed=1, cached=False)
    )
    assert not np.array_equal(cached, prior.sample(3, condition, seed=2))


def test_a_scale_depends_on_the_coarser_ones_alone():
    prior, ends = prior_of(), (0, 1, 5, 14)
    codes = np.random.default_rng(0).integers(5, size=(1, 1, 14)).astype("int32")
    before = ops.convert_to_numpy(prior(codes))[0, 0]
    for start, end in itertools.pairwise(ends):
        for place in range(start, end):
            changed = codes.copy()
            changed[0, 0, place] = (changed[0, 0, place] + 1) % 5
            moved = np.abs(ops.convert_to_numpy(prior(changed))[0, 0] - before)
            moved = moved.max(axis=-1)
            assert moved[:end].max() < 1e-6
            assert end == 14 or moved[end:].max() > 1e-3


def test_likelihoods_are_exact():
    keras.utils.set_random_seed(1)
    sizes = {**SMALL, "grids": (1, 2)}
    prior = NextScaleTransformer((1, 5), 3, **sizes)
    every = np.array(list(itertools.product(range(3), repeat=5)), "int32")[:, None]
    total = np.exp(prior.log_prob(every)).sum()
    assert total == pytest.approx(1, abs=1e-4)
    drawn = prior.sample(4000, seed=0)
    share = (drawn[:, 0, 0] == 1).mean()
    expected = np.exp(prior.log_probs(every))[0, 0, 0], share
    of_one = np.exp(prior.log_prob(every[every[:, 0, 0] == 1])).sum()
    assert share == pytest.approx(of_one, abs=0.03), expected


def test_guidance_moves_the_logits_of_a_whole_scale():
    prior = prior_of(3)
    label = {"label": 1}
    plain = prior.sample(6, label, seed=0)
    guided = prior.sample(6, label, guidance=5.0, seed=0)
    assert (plain != guided).any()
    np.testing.assert_array_equal(
        guided, prior.sample(6, label, guidance=5.0, seed=0, cached=False)
    )
    late = {"guidance": 5.0, "guidance_schedule": "linear", "seed": 0}
    # It sets in after the first scale, which stays as it was.
    drawn = prior.sample(6, label, **late)
    np.testing.assert_array_equal(drawn[:, 0, 0], plain[:, 0, 0])


def test_place_by_place_gives_the_logits_of_the_whole_network():
    prior = prior_of(3)
    exact = ExactPrior(prior)
    codes = np.random.default_rng(1).integers(5, size=(2, 1, 14)).astype("int32")
    condition, seen = {"label": [0, 2]}, []

    def choose(logits, place):
        seen.append(logits)
        return codes[:, 0, place]

    np.testing.assert_array_equal(exact.run(2, condition, choose), codes)
    ((_, expected),) = exact.logits(codes, condition)
    np.testing.assert_allclose(np.stack(seen, axis=1), expected, atol=1e-12)


def tokenizer():
    quantizer = MultiScaleResidualQuantizer(VectorQuantizer(5, 2), (1, 2, 3))
    small = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}
    return VQVAE(quantizer, image_shape=(12, 12, 3), **small)


def test_a_pipeline_draws_images_of_scales_and_refuses_priors_of_grids():
    model = tokenizer()
    samples = Pipeline(model, [prior_of()]).sample(3, seed=0)
    assert samples.images.shape == (3, 12, 12, 3)
    assert samples.codes[0].shape == (3, 1, 14) and np.isfinite(samples.log_prob).all()
    np.testing.assert_allclose(samples.images, model.decode(samples.codes), atol=1e-5)
    message = "prior of scales, as the bottom codes stand, received PixelCNN"
    with pytest.raises(ValueError, match=f"{message}.*next_scale, transformer"):
        Pipeline(model, [PixelCNN((1, 14), 5, num_channels=4)])
    masked = {"num_layers": 1, "num_channels": 4, "num_heads": 1}
    few = Pipeline(model, [MaskGIT((1, 14), 5, **masked)])
    (one_pass,), (three,) = (few.sample(3, seed=0, num_steps=n).codes for n in (1, 3))
    expected = few.priors[0].sample(3, seed=_first_seed(), num_steps=1)
    np.testing.assert_array_equal(one_pass, expected)
    assert (one_pass != three).any()
    with pytest.raises(ValueError, match="maskgit, for num_steps=3, received NextSc"):
        Pipeline(model, [prior_of()]).sample(3, num_steps=3)


def _first_seed():
    """What a pipeline with seed 0 draws with first."""
    return int(np.random.default_rng(0).integers(2**31))


def test_the_served_signature_draws_scales_with_and_without_guidance():
    sample = sampling.trace(Pipeline(tokenizer(), [prior_of(3)]))
    count = tf.ones(2)
    inputs = {"label": tf.constant([1, 2]), "seed": tf.constant([3, 4])}
    drawn = sample(**inputs, temperature=count, guidance=count)
    codes = drawn["bottom_codes"].numpy()
    assert codes.shape == (2, 1, 14) and drawn["images"].shape == (2, 12, 12, 3)
    # Each row depends on its own inputs alone.
    other = {**inputs, "seed": tf.constant([3, 5])}
    again = sample(**other, temperature=count, guidance=count)["bottom_codes"].numpy()
    np.testing.assert_array_equal(again[0], codes[0])
    assert np.any(again[1] != codes[1])
    guided = sample(**inputs, temperature=count, guidance=8 * count)
    assert np.any(guided["bottom_codes"] != codes)


def test_a_next_scale_prior_is_not_one_of_grids():
    model = VQVAE(VectorQuantizer(5, 2), image_shape=(8, 28, 3), num_channels=4)
    with pytest.raises(ValueError, match="prior of grid.*NextScaleTransformer"):
        Pipeline(model, [prior_of()])
