"""A prior in float64: logits of known grids at once, or one position at a time.

Both ways give logits that agree to some 1e-14, on every machine; `decisions` says why
that is enough.
"""

import keras
import numpy as np
import tensorflow as tf

from vqzoo.arguments import dtype_policy
from vqzoo.codec.container import CodecError
from vqzoo.priors import conditions

_VALUES_AT_ONCE = 2**23  # logits that stand in memory together, 64 MiB


class ExactPrior:
    """The float64 clone of an autoregressive prior.

    Args:
        prior: a prior whose `likelihood` is exact.
    """

    def __init__(self, prior):
        self.prior = prior
        self._clone = _in_float64(prior)
        self._choose = None
        shapes = {k: v.shape[1:] for k, v in conditions.inputs(prior).items()}
        signature = {
            name: tf.TensorSpec((None, *shape), tf.int32, name)
            for name, shape in shapes.items()
        }
        self._run = tf.function(
            self._place_by_place,
            input_signature=[signature, tf.TensorSpec((), tf.int32)],
            autograph=False,
        )

    def logits(self, codes, condition):
        """Logits of grids that are known, a part at a time.

        Args:
            codes: int `(batch, height, width)`.
            condition: dict as `AutoregressivePrior.log_prob` takes it.

        Returns:
            Iterator of `(start, logits)`, float64 `(part, height * width, K)`.

        Raises:
            CodecError: if a logit is not finite.
        """
        arrays = {
            "codes": codes,
            **conditions.arrays(self.prior, len(codes), condition),
        }
        places, size = int(np.prod(codes.shape[1:])), self.prior.num_embeddings
        step = max(1, _VALUES_AT_ONCE // (places * size))
        for start in range(0, len(codes), step):
            part = {name: value[start : start + step] for name, value in arrays.items()}
            logits = np.asarray(self._clone(conditions.packed(part), training=False))
            if not np.isfinite(logits).all():
                raise CodecError(
                    "expected a prior with finite logits, received one without"
                )
            yield start, logits.reshape(-1, places, size)

    def run(self, batch_size, condition, choose):
        """Goes through grids position by position.

        Args:
            batch_size: int.
            condition: dict as `AutoregressivePrior.log_prob` takes it.
            choose: function from logits `(batch, K)` and a position, an int in raster
                order, to codes `(batch,)`.

        Returns:
            int32 numpy `(batch, height, width)`.
        """
        arrays = conditions.arrays(self.prior, batch_size, condition)
        self._choose = choose
        return self._run(arrays, batch_size).numpy()

    def _place_by_place(self, arrays, batch):
        def draw(logits, place):
            codes = tf.numpy_function(self._chosen, [logits, place], tf.int32)
            return tf.ensure_shape(codes, [None])

        return self._clone.in_order(draw, dict(arrays), batch)

    def _chosen(self, logits, place):
        return self._choose(logits, int(place)).astype("int32")


def _in_float64(prior):
    # Some layers within layers follow the global policy.
    with dtype_policy("float64"):
        clone = type(prior).from_config({**prior.get_config(), "dtype": "float64"})
    # Priors keep their logits in float32 under every policy.
    clone.output_logits.dtype_policy = keras.DTypePolicy("float64")
    clone.set_weights(prior.get_weights())
    return clone
