"""Gaussian noise on images, the corruption of a denoising autoencoder."""

import keras

from vqzoo.arguments import check_not_negative
from vqzoo.layers.autoencoding import corruption


@keras.saving.register_keras_serializable("vqzoo")
class GaussianCorruption(corruption.Corruption):
    """Adds Gaussian noise to images during training; at inference they pass unchanged.

    To corrupt images at inference too, call
    `vqzoo.layers.autoencoding.corruption.gaussian_corruption` with a seed.

    Args:
        stddev: float, of the noise, in units of the images, whose range is 1. Defaults
            to 0.1.
        seed: int or None, of the noise.
    Input shape: `(batch, ..., channels)`, float.
    Output shape: same, not clipped.
    State: none beside the seed. Replicas of one batch draw from the same stream, each
        its own rows, so that the noise equals one device's on the joined batch.
    Raises: ValueError: if `stddev` is negative.
    Source: Vincent et al. 2010, "Stacked denoising autoencoders", JMLR 11, additive
        isotropic noise. Differs: nothing.
    Example:
        >>> GaussianCorruption(0.2)(np.ones((2, 8, 8, 3)), training=True).shape
        TensorShape([2, 8, 8, 3])
    """

    def __init__(self, stddev=0.1, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_not_negative(stddev=stddev)
        self._start(locals())

    def _corrupt(self, images):
        return corruption.gaussian_corruption(images, self.stddev, self.seed_generator)
