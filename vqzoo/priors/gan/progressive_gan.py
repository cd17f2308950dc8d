"""A progressive GAN over the latents of code grids, and its named models."""

import keras

from vqzoo.priors.gan import growing
from vqzoo.priors.gan.gan_prior import Critic, GANPrior, adopt
from vqzoo.registry import named


@keras.saving.register_keras_serializable("vqzoo")
class ProgressiveCritic(Critic):
    """The critic of a progressive GAN: maps of latents to a score, high for real ones.

    It mirrors the generator. Where the paper and its public code leave a choice: losses
    are means; biases are not scaled; a scale fades in on both sides; the minibatch
    deviation uses the variance of a population; the gradient penalty passes through it;
    optimizers and averaged weights persist from scale to scale.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        embedding_dim: int, D.
        channels: sequence of int, of each scale from the coarsest on.
        num_residual_layers: int, gated residual layers of a scale.
        num_condition_layers: int, gated residual layers over the codes above, a scale.
        kernel_size: odd int.
        attention_size: int, side of the grid that has self-attention.
        **kwargs: `num_classes`, `context`, `dtype` and `name`: see `Prior`.
    Input shape: latents `(batch, height, width, D)`; with a condition a dict of them as
        `latents`, and more as in `AutoregressivePrior`.
    Output shape: `(batch, 1)`, float32.
    Raises: ValueError: as `ProgressiveGAN`.
    Source: Karras et al. 2018, arXiv 1710.10196; projection: Miyato and Koyama 2018,
        arXiv 1802.05637; Coppock's thesis, section 3.2 and table 6.3. Differs: see
        above.
    Example:
        >>> critic = ProgressiveCritic((8, 8), 16, 4, channels=(8, 8))
        >>> critic(np.ones((4, 8, 8, 4), "float32")).shape
        TensorShape([4, 1])
    """

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        embedding_dim,
        *,
        channels=(512, 256, 64, 32),
        num_residual_layers=4,
        num_condition_layers=4,
        kernel_size=3,
        attention_size=32,
        **kwargs,
    ):
        adopt(self, locals())
        self.critic = growing.Critic(self, dtype=self.layer_dtype, name="critic")
        self._connect()


@named("progressive")
@keras.saving.register_keras_serializable("vqzoo")
class ProgressiveGAN(GANPrior):
    """The generator of a progressive GAN: noise to a map of latents, then to codes.

    It grows from a coarse grid to the whole one, each time to twice the sides; while a
    scale fades in, what the scale below gives is mixed with it. Codes are those nearest
    to the latents. `ProgressiveCritic` is its opponent during training.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        embedding_dim: int, D, length of a code.
        channels: sequence of int, of each scale from the coarsest on; the number of
            scales is its length.
        noise_dim: int.
        num_residual_layers: int, gated residual layers of a scale.
        num_condition_layers: int, gated residual layers over the codes above, a scale.
        kernel_size: odd int.
        attention_size: int, side of the grid that has self-attention.
        **kwargs: `num_classes`, `context`, `dtype` and `name`: see `Prior`.
    Input shape: noise `(batch, noise_dim)`; with a condition a dict of it as `noise`,
        and more as in `AutoregressivePrior`.
    Output shape: `(batch, height, width, D)`, float32: latents in units in which the
        codes have mean 0 and root mean square 1.
    State: codebook `(K, D)` in those units; see `set_codebook`.
    Raises: ValueError: if a size is not positive, or the grid cannot be halved for each
        scale.
    Source: Karras et al. 2018, arXiv 1710.10196; Coppock's thesis, section 3.2 and
        table 6.3. Differs: see `ProgressiveCritic`.
    Example:
        >>> prior = ProgressiveGAN((8, 8), 16, 4, channels=(8, 8), noise_dim=8)
        >>> prior.sample(2, seed=0).shape
        (2, 8, 8)
    """

    critic_class = ProgressiveCritic
    smoke_options = {
        "channels": (8, 8),
        "num_residual_layers": 1,
        "num_condition_layers": 1,
        "noise_dim": 8,
    }

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        embedding_dim,
        *,
        channels=(512, 256, 64, 32),
        noise_dim=512,
        num_residual_layers=4,
        num_condition_layers=4,
        kernel_size=3,
        attention_size=32,
        **kwargs,
    ):
        adopt(self, locals())
        self.generator = growing.Generator(
            self, dtype=self.layer_dtype, name="generator"
        )
        self._connect()

    @property
    def num_scales(self):
        """Number of grids that it grows through."""
        return len(self.channels)


def progressive_gan_top_32(num_embeddings=512, embedding_dim=64, **overrides):
    """The generator over 32 x 32 top codes: 4 scales from 4 x 4 on.

    Args:
        num_embeddings: int, K.
        embedding_dim: int, D.
        **overrides: arguments of `ProgressiveGAN`.

    Returns:
        `ProgressiveGAN`.

    Source: Coppock's thesis, table 6.3.
    """
    settings = {"name": "progressive_gan_top_32", **overrides}
    return ProgressiveGAN((32, 32), num_embeddings, embedding_dim, **settings)


def progressive_gan_bottom_64(num_embeddings=512, embedding_dim=64, **overrides):
    """The generator over 64 x 64 bottom codes given 32 x 32 top codes: 5 scales.

    Args:
        num_embeddings: int, K of both tiers.
        embedding_dim: int, D.
        **overrides: arguments of `ProgressiveGAN`.

    Returns:
        `ProgressiveGAN`.

    Source: Coppock's thesis, table 6.3.
    """
    settings = {
        "name": "progressive_gan_bottom_64",
        "context": (((32, 32), num_embeddings),),
        "channels": (512, 256, 64, 32, 16),
        **overrides,
    }
    return ProgressiveGAN((64, 64), num_embeddings, embedding_dim, **settings)
