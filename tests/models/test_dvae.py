import keras
import numpy as np
from keras import ops

from tests.helpers.case import Case, random_images
from vqzoo.models import DiscreteVAE, dalle_dvae
from vqzoo.quantizers import OneHotQuantizer

TINY = {"image_shape": (8, 8, 3), "num_channels": 16, "channel_multipliers": (1, 2)}
TINY |= {"num_residual_blocks": 1, "first_channels": 3}


def tiny(**options):
    return DiscreteVAE(OneHotQuantizer(5, seed=1), **{**TINY, **options})


CASES = [Case("DiscreteVAE", tiny, (random_images(2, 8, 8, 3),), random=True)]
REFUSED = [
    (lambda: tiny(image_shape=(8, 9, 3)), r"divide by 2.*\(8, 9, 3\)"),
    (lambda: tiny(num_channels=6), "num_channels.*6"),
    (lambda: tiny(channel_multipliers=()), "num_groups=0"),
]


def test_the_named_model_has_its_weights_and_grid():
    with keras.StatelessScope(initialize_variables=False):
        model = dalle_dvae()
    counted = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert f"{counted:,}" in " ".join(dalle_dvae.__doc__.split())
    assert (model.stride, model.quantizer.num_embeddings) == (8, 8192)


def test_codes_are_the_largest_logits_and_values_stay_inside():
    model, images = tiny(), random_images(2, 8, 8, 3)
    logits = ops.convert_to_numpy(model.latents(images)[0])
    (codes,) = map(ops.convert_to_numpy, model.encode(images))
    np.testing.assert_array_equal(codes, logits.argmax(axis=-1))
    decoded = ops.convert_to_numpy(model.decode(codes))
    np.testing.assert_allclose(decoded, ops.convert_to_numpy(model(images)), atol=1e-6)
    assert np.abs(decoded).max() < 0.625 and decoded.std() > 0


def test_other_sides_are_encoded_too():
    model, images = tiny(image_shape=(None, None, 3)), random_images(1, 6, 10, 3)
    assert model.encode(images)[0].shape == (1, 3, 5)
