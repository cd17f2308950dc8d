"""Quantizer whose latents are logits of its codes, and whose codes are one-hot."""

import math

import keras
from keras import ops

from vqzoo.arguments import check_positive
from vqzoo.ops import finite_rows, mean_of, straight_through
from vqzoo.quantizers import soft_codes
from vqzoo.quantizers.base import Quantizer, add_state, counted_rows
from vqzoo.replicas import draw_rows, sum_across_replicas


@keras.saving.register_keras_serializable("vqzoo")
class OneHotQuantizer(Quantizer):
    """Takes each latent for logits of the codes and hands the likeliest on, one-hot.

    There is no codebook: the first layer of the decoder has a row for each code. During
    training the decoder receives a Gumbel softmax sample, whose temperature falls
    linearly with the training steps.

    Args:
        num_embeddings: int, K. Number of codes, and of logits.
        temperature: float above 0, of the first training step. Defaults to 1.
        final_temperature: float above 0. Defaults to 1/16.
        annealing_steps: int, training steps from the first temperature to the final
            one, which stays. Defaults to 150,000.
        divergence_cost: float, of the divergence from equal probabilities. Defaults to
            0.001.
        assignment: must be None: there is no chosen code that could be perturbed.
        seed: int or None, of the samples.
    Input shape: `(batch, ..., K)`, float, any range.
    Output shape: same. Codes: `(batch, ...)`, int32, in [0, K).
    Losses: divergence_cost * mean(KL(q || uniform)), in nats.
    State: steps `()`, training steps so far.
    Raises: ValueError: if a size, a temperature or `annealing_steps` is not positive,
        a cost is negative, an assignment is given, or the last axis of the input is
        not `num_embeddings`.
    Source: Ramesh et al. 2021, arXiv 2102.12092, section 2.1 and appendix A.2.
        Differs: the temperature falls linearly; at inference and for its gradient the
        likeliest code stands for the sample.
    Example:
        >>> quantizer = OneHotQuantizer(16)
        >>> quantizer.encode(np.ones((2, 8, 8, 16), "float32")).shape
        TensorShape([2, 8, 8])
    """

    cost_arguments = {"divergence": "divergence_cost"}

    def __init__(
        self,
        num_embeddings,
        *,
        temperature=1.0,
        final_temperature=1 / 16,
        annealing_steps=150_000,
        divergence_cost=0.001,
        assignment=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            num_embeddings, num_embeddings, assignment=assignment, **kwargs
        )
        soft_codes.refuse_assignment(assignment)
        check_positive(
            temperature=temperature,
            final_temperature=final_temperature,
            annealing_steps=annealing_steps,
        )
        self._keep(locals())
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        super().build(input_shape)
        self.steps = add_state(self, "steps", (), "zeros")

    @property
    def codebook(self):
        """The one-hot vectors, float32 `(K, K)`."""
        return ops.eye(self.num_embeddings)

    def _nearest(self, latents):
        return ops.cast(ops.argmax(latents, axis=-1), "int32")

    def _vectors(self, codes):
        return ops.one_hot(codes, self.num_embeddings, dtype="float32")

    def _quantize(self, latents, training, mask=None):
        rows = self._rows(latents)
        if training:
            noise = draw_rows(self._noise, ops.shape(rows)[0])
            quantized = ops.softmax((rows + noise) / self._temperature(), axis=1)
            seen = ops.sum(ops.cast(counted_rows(rows, mask), "float32"))
            self.steps.assign(self.steps + ops.minimum(sum_across_replicas(seen), 1.0))
        else:
            quantized = straight_through(rows, self._vectors(self._nearest(rows)))
        # A logit of -inf would hide in a softmax.
        finite = finite_rows(rows)[:, None]
        quantized = ops.where(finite, quantized, float("nan"))
        log_q = ops.log_softmax(rows, axis=1)
        divergence = ops.sum(ops.exp(log_q) * log_q, axis=1, keepdims=True)
        divergence = mean_of(divergence + math.log(self.num_embeddings), mask)
        return quantized, {"divergence": divergence}

    def _temperature(self):
        share = ops.minimum(self.steps / self.annealing_steps, 1.0)
        return (1 - share) * self.temperature + share * self.final_temperature

    def _noise(self, num_rows):
        shape = (num_rows, self.num_embeddings)
        uniform = keras.random.uniform(shape, 1e-20, 1.0, seed=self.seed_generator)
        return -ops.log(-ops.log(uniform))
