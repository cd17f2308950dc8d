"""Vector quantizer that draws soft codes with the Gumbel softmax."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_positive
from vqzoo.ops import straight_through
from vqzoo.quantizers import soft_codes
from vqzoo.quantizers.base import add_state, counted_rows
from vqzoo.quantizers.transformed_quantizer import batch_normalized
from vqzoo.registry import named
from vqzoo.replicas import replica_position, sum_across_replicas


@keras.saving.register_keras_serializable("vqzoo")
class GumbelVectorQuantizer(soft_codes.MovedCodebook):
    """Replaces each latent by a random mixture of codes that hardens during training.

    A latent defines probabilities of the codes, proportional to exp(-|z - e_k|^2).
    During training, the decoder receives the codes weighted by a Gumbel softmax sample
    of them, whose temperature falls linearly with the training steps; at a low one that
    is one code, drawn by its probability. The gradient is that of the sample, for
    latents and codes. At inference the nearest, most probable code is taken. Latents
    are taken in blocks of 2**22 / K: the N x K probabilities are never stored.

    Args:
        num_embeddings: int, K in the paper. Number of codes.
        embedding_dim: int, D in the paper. Length of a code.
        temperature: float above 0, of the first training step. Defaults to 0.667.
        final_temperature: float above 0. Defaults to 0.001.
        annealing_steps: int, training steps from the first temperature to the final
            one, which stays. Defaults to 100,000.
        commitment_cost: float, of the expected distance. Defaults to 0.001.
        divergence_cost: float, of the divergence from equal probabilities. Defaults to
            0.001.
        codebook_init: `"data"` (latents of the first training batch, with a little
            noise) or a Keras initializer. Defaults to `"data"`.
        assignment: must be None: there is no chosen code that could be perturbed.
        seed: int or None, of the start and the samples.
    Input shape: `(batch, ..., embedding_dim)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: commitment_cost * mean(sum_k q_k |z - e_k|^2) / D, whose gradient moves
        latents and codes, and divergence_cost * mean(KL(q || uniform)) / D, in nats.
    State: codebook_start `(K, D)`, not trainable, codebook_offset `(K, D)`, trainable,
        whose sum is the codebook; steps `()`, training steps so far; started `()`.
        Replicas draw noise of their own.
    Raises: ValueError: if a size, a temperature or `annealing_steps` is not positive, a
        cost is negative, an assignment is given, or the last axis of the input is not
        `embedding_dim`.
    Source: Williams et al. 2020, arXiv 2002.08111; Jang et al. 2016, arXiv
        1611.01144; Coppock's thesis, section 2.4.8, eq. 2.15. Differs: no draw at
        inference; the codes start on latents and are not reset.
    Example:
        >>> quantizer = GumbelVectorQuantizer(256, 64)
        >>> quantizer(np.ones((2, 8, 8, 64), "float32"), training=True).shape
        TensorShape([2, 8, 8, 64])
    """

    cost_arguments = {"commitment": "commitment_cost", "divergence": "divergence_cost"}

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        *,
        temperature=0.667,
        final_temperature=0.001,
        annealing_steps=100_000,
        commitment_cost=0.001,
        divergence_cost=0.001,
        codebook_init="data",
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(num_embeddings, embedding_dim, assignment=assignment, **kwargs)
        soft_codes.refuse_assignment(assignment)
        check_positive(
            temperature=temperature,
            final_temperature=final_temperature,
            annealing_steps=annealing_steps,
        )
        self._keep(locals())

    def build(self, input_shape):
        super().build(input_shape)
        self.steps = add_state(self, "steps", (), "zeros")

    @property
    def current_temperature(self):
        """Temperature of the next training step, float32 scalar."""
        share = ops.minimum(self.steps / self.annealing_steps, 1.0)
        return (1 - share) * self.temperature + share * self.final_temperature

    def _quantize(self, latents, training, mask=None):
        rows, codebook = self._rows(latents), self.codebook
        if training:
            codebook = self._start_codebook(rows, mask)
            quantized = self._sample(rows, codebook, self.current_temperature)
            seen = ops.sum(ops.cast(counted_rows(rows, mask), "float32"))
            seen = ops.minimum(sum_across_replicas(seen), 1.0)
            self.steps.assign(self.steps + seen)
        else:
            quantized = straight_through(
                rows, self._choose(latents, codebook, False)[1]
            )
        return quantized, _terms(rows, codebook, mask)

    def _sample(self, rows, codebook, temperature):
        """Codes weighted by a Gumbel softmax sample for each row, `(N, D)`."""
        seed = self.seed_generator.next()

        def sample(rows, valid, index, codebook):
            scores = -soft_codes.squared_distances(rows, codebook)
            noise = _gumbel(ops.shape(scores), _BlockSeed(seed, index))
            weights = ops.softmax((scores + noise) / temperature, axis=1)
            return (ops.matmul(weights, codebook),), (ops.sum(valid),)

        blocks = soft_codes.over_blocks(sample, rows, (codebook,), self.num_embeddings)
        return blocks[0][0]


class _BlockSeed(keras.random.SeedGenerator):
    """The seed of one block: the same whenever its sample is computed anew."""

    def __init__(self, seed, index):
        # Odd steps far apart: neighboring seeds of users must not meet.
        index = ops.cast(index, seed.dtype) * 747796405
        replica = ops.cast(replica_position()[0], seed.dtype) * 277803737
        self.value = ops.stack([seed[0] + index + replica, seed[1]])

    def next(self, ordered=True):
        return self.value


def _gumbel(shape, seed):
    uniform = keras.random.uniform(shape, 1e-20, 1.0, seed=seed)
    return -ops.log(-ops.log(uniform))


def _terms(rows, codebook, mask):
    """Expected squared distance, and divergence from equal probabilities, over D."""

    def sums(rows, valid, index, codebook):
        distances = soft_codes.squared_distances(rows, codebook)
        log_q = ops.log_softmax(-distances, axis=1)
        q = valid * ops.exp(log_q)
        sums = ops.sum(q * distances), ops.sum(q * log_q), ops.sum(valid)
        return (valid,), sums

    num_codes, dim = codebook.shape
    _, (distance, q_log_q, count) = soft_codes.over_blocks(
        sums, rows, (codebook,), num_codes, mask
    )
    num_values = dim * ops.maximum(count, 1.0)
    seen = ops.minimum(count, 1.0)
    divergence = q_log_q / num_values + seen * math.log(num_codes) / dim
    return {"commitment": distance / num_values, "divergence": divergence}


@named("gumbel")
def _make(settings, **options):
    options = settings.options(options, "assignment", "seed")
    options = settings.annealing() | options
    layer = GumbelVectorQuantizer(*settings.sizes(), **options)
    return batch_normalized(layer)  # Short latents would be near to all codes.
