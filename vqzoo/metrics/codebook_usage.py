"""How much of a codebook a whole data set uses."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_codes


@keras.saving.register_keras_serializable("vqzoo")
class CodebookUsage(Configured, keras.metrics.Metric):
    """Share of the codes in use and perplexity of the codes, over all batches seen.

    The state is a histogram, so that the result is the one of the whole set: a mean of
    batch perplexities is lower, since a batch cannot use every code.

    Args:
        num_embeddings: int, K.
        name: str. Defaults to `"codebook"`.
        dtype: dtype of the state. Defaults to the float type of Keras.
    Input shape: codes, any shape, int, in [0, K); -1, of masked positions, is not
        counted.
    Output shape: dict with `usage`, in [0, 1], `perplexity`, in [1, K], and
        `dead_codes`, in [0, K]; before any update `0`, `0` and `K`.
    Raises: ValueError: if `num_embeddings` is not positive, or codes are not integers
        or out of their range.
    Source: van den Oord et al. 2017, arXiv 1711.00937; perplexity is exp of the entropy
        in nats. Differs: nothing.
    Example:
        >>> metric = CodebookUsage(4)
        >>> metric.update_state([[0, 1], [1, 0]])
        >>> float(metric.result()["usage"])
        0.5
    """

    def __init__(self, num_embeddings, *, name="codebook", dtype=None):
        super().__init__(name=name, dtype=dtype)
        check_at_least(1, num_embeddings=num_embeddings)
        self._keep(locals())
        self.counts = self.add_variable(
            shape=(num_embeddings,), initializer="zeros", name="counts"
        )

    def update_state(self, codes):
        codes = ops.reshape(check_codes(codes, self.num_embeddings), (-1,))
        ones = ops.ones_like(codes, dtype=self.counts.dtype)
        self.counts.assign_add(
            ops.segment_sum(ones, codes, num_segments=self.num_embeddings)
        )

    def result(self):
        total = ops.sum(self.counts)
        share = self.counts / ops.maximum(total, 1.0)
        entropy = -ops.sum(share * ops.log(ops.maximum(share, 1e-30)))
        used = ops.sum(ops.cast(self.counts > 0, "float32"))
        return {
            "usage": used / self.num_embeddings,
            "perplexity": ops.where(total > 0, ops.exp(entropy), 0.0),
            "dead_codes": self.num_embeddings - used,
        }
