"""The sparsity of a k-sparse autoencoder."""

import keras
from keras import ops

from vqzoo.arguments import Configured, check_at_least, check_positive_ints


@keras.saving.register_keras_serializable("vqzoo")
class KSparse(Configured, keras.layers.Layer):
    """Keeps the k largest activations of each vector and sets the others to 0.

    Exactly k are kept; of equal ones, those that come first. Largest means largest in
    value, not in size, so that a kept activation may be negative. The gradient passes
    through the kept ones alone.

    Args:
        num_active: int, k in the paper.
        inference_factor: float of at least 1, alpha in the paper: at inference
            alpha * k, rounded, are kept, or all where that is more. The paper finds
            features of a somewhat larger alpha better for classification. Defaults to
            1, the same in training and at inference.
    Input shape: `(batch, ..., units)`, float.
    Output shape: same.
    Raises: ValueError: if `num_active` is not positive or more than `units`, or
        `inference_factor` is below 1.
    Source: Makhzani and Frey 2013, arXiv 1312.5663, section 2.1. Differs: nothing.
    Example:
        >>> KSparse(2)(np.array([[3.0, 1.0, 2.0]])).numpy().tolist()
        [[3.0, 0.0, 2.0]]
    """

    def __init__(self, num_active, *, inference_factor=1.0, **kwargs):
        super().__init__(**kwargs)
        check_positive_ints(num_active=num_active)
        check_at_least(1, inference_factor=inference_factor)
        self._keep(locals())

    def build(self, input_shape):
        if self.num_active > input_shape[-1]:
            raise ValueError(
                f"expected num_active of at most the {input_shape[-1]} units, received "
                f"num_active={self.num_active}"
            )

    def call(self, activations, training=False):
        factor = 1 if training and self.trainable else self.inference_factor
        order = ops.argsort(-ops.cast(activations, "float32"), axis=-1)
        # The order has no ties, so that ranks are a permutation too.
        ranks = ops.argsort(order, axis=-1)
        kept = ranks < round(factor * self.num_active)
        return ops.where(kept, activations, ops.zeros_like(activations))

    def compute_output_shape(self, activations_shape):
        return activations_shape
