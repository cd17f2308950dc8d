"""Masked pixels, the corruption of a denoising autoencoder."""

import keras

from vqzoo.layers.autoencoding import corruption


@keras.saving.register_keras_serializable("vqzoo")
class MaskingCorruption(corruption.Corruption):
    """Sets pixels to 0 during training; at inference the images pass unchanged.

    In every image the same number of pixels is masked, all channels of a pixel
    together; 0 is mid gray. To corrupt images at inference too, call
    `vqzoo.layers.autoencoding.corruption.masking_corruption` with a seed.

    Args:
        rate: float in [0, 1], nu in the paper: share of the pixels that are masked.
            Defaults to 0.25.
        seed: int or None, of the masks.
    Input shape: `(batch, ..., channels)`, float; the axes but the first are known.
    Output shape: same.
    State: none beside the seed. Replicas of one batch draw from the same stream, each
        its own rows, so that the masks equal one device's on the joined batch.
    Raises: ValueError: if `rate` is not in [0, 1].
    Source: Vincent et al. 2008, "Extracting and composing robust features with
        denoising autoencoders", section 2.3. Differs: whole pixels are masked, and 0
        is mid gray instead of black.
    Example:
        >>> MaskingCorruption(0.5)(np.ones((2, 8, 8, 3)), training=True).shape
        TensorShape([2, 8, 8, 3])
    """

    def __init__(self, rate=0.25, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise ValueError(f"expected rate in [0, 1], received rate={rate}")
        self._start(locals())

    def _corrupt(self, images):
        return corruption.masking_corruption(images, self.rate, self.seed_generator)
