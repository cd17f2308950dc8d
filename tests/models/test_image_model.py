import numpy as np
import pytest
from keras import ops

from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import HQA, VAE, VQVAE2, Autoencoder, SeparateVQVAEs

SMALL = {
    "num_channels": 4,
    "residual_channels": 2,
    "num_residual_blocks": 1,
    "image_shape": (8, 8, 1),
}


def tiers():
    return [VectorQuantizerEMA(4, 2) for _ in range(2)]


@pytest.mark.parametrize(
    ("make", "decoded"),
    [
        (lambda: VQVAE2(tiers(), bottom_stride=2, **SMALL), ("top", "bottom")),
        (lambda: HQA(tiers(), bottom_stride=2, **SMALL), ("bottom",)),
        (lambda: SeparateVQVAEs(tiers(), strides=(4, 2), **SMALL), ("bottom",)),
    ],
    ids=["joint", "stacked", "separate"],
)
def test_other_codes_of_a_tier_matter_where_it_is_decoded(make, decoded):
    model = make()
    assert model.decoded_tiers == decoded
    codes = model.encode(
        np.linspace(-0.5, 0.5, 64, dtype="float32").reshape(1, 8, 8, 1)
    )
    images = ops.convert_to_numpy(model.decode(codes))
    for tier, name in enumerate(model.tier_names):
        others = tuple((c + 1) % 4 if t == tier else c for t, c in enumerate(codes))
        changed = ops.convert_to_numpy(model.decode(others))
        assert np.array_equal(changed, images) == (name not in decoded)


def test_a_model_without_a_likelihood_is_fitted_by_the_mean_square():
    model = Autoencoder(latent_dim=2, **SMALL)
    images = np.zeros((2, 8, 8, 1), "float32")
    outputs = images + np.array([0.5, 0.1], "float32")[:, None, None, None]
    errors = ops.convert_to_numpy(model.reconstruction_loss(images, outputs))
    np.testing.assert_allclose(errors, [0.25, 0.01], rtol=1e-5)
    assert model.training_loss() == "mse"
    assert not model.can_sample and not model.has_bound


def test_a_model_with_a_likelihood_is_fitted_by_it():
    model = VAE(latent_dim=2, **SMALL)
    assert model.training_loss() == model.reconstruction_loss
    assert model.can_sample and model.has_bound
    assert model.decoded_tiers == ()
