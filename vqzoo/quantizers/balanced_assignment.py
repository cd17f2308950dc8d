"""Assignment by optimal transport: every code gets as many latents as the others."""

import keras
from keras import ops

from vqzoo.arguments import check_positive, check_positive_ints
from vqzoo.ops import mean_of
from vqzoo.quantizers.assignments import CodebookAssignment


@keras.saving.register_keras_serializable("vqzoo")
class BalancedAssignment(CodebookAssignment):
    """Gives all codes nearly equal shares of the latents of a batch during training.

    Sinkhorn's iterations find the entropic transport plan between latents and codes of
    equal weights; each latent goes to the code that has most of it. At inference the
    nearest code is taken. It suits batches with several latents for each code. Give it
    to a quantizer as `assignment`; of a residual quantizer, to the last stage.

    Args:
        epsilon: float above 0, of the entropy, as a share of the mean squared distance:
            what it is at the end of the iterations, which begin near 1.
        num_iterations: int.
    Input shape: the nearest codes `(N,)`, int32; with them go `latents`, float
        `(N, D)`, and `codebook`, float `(K, D)`.
    Output shape: codes `(N,)`, int32, in [0, K).
    State: none. Replicas balance their own latents.
    Raises: ValueError: if an argument is not positive.
    Source: Asano et al. 2020, arXiv 1911.05371, section 3.2; for semantic IDs Zheng et
        al. 2024, arXiv 2311.09049 (LC-Rec), section 3.2. Differs: epsilon is relative
        and falls.
    Example:
        >>> points = np.array([[0.0], [0.1], [0.2], [1.0]], "float32")
        >>> options = {"latents": points, "codebook": points[::3], "training": True}
        >>> codes = BalancedAssignment()(np.array([0, 0, 0, 1]), **options)
        >>> codes.numpy().tolist()
        [0, 0, 1, 1]
    """

    def __init__(self, epsilon=0.02, *, num_iterations=50, **kwargs):
        super().__init__(autocast=False, **kwargs)
        check_positive(epsilon=epsilon)
        check_positive_ints(num_iterations=num_iterations)
        epsilon = float(epsilon)
        self._keep(locals())
        self.built = True

    def call(self, codes, latents, codebook, training=False):
        if not (training and self.trainable):
            return ops.cast(codes, "int32")
        latents, codebook = ops.stop_gradient(latents), ops.stop_gradient(codebook)
        squares = ops.sum(ops.square(latents), axis=1, keepdims=True)
        distances = squares - 2 * ops.matmul(latents, ops.transpose(codebook))
        distances = distances + ops.sum(ops.square(codebook), axis=1)
        finite = ops.isfinite(squares)
        distances = ops.where(finite, distances, 0.0)
        unit = ops.maximum(mean_of(distances, finite[:, 0]), 1e-30)
        scores = ops.where(finite, -distances / unit, -1e30)
        prices = ops.zeros((1, codebook.shape[0]))
        for step in range(self.num_iterations):
            # With a large entropy first, few iterations are enough for a small one.
            epsilon = self.epsilon ** ((step + 1) / self.num_iterations)
            rows = ops.logsumexp((scores + prices) / epsilon, axis=1, keepdims=True)
            rows = ops.where(finite, rows, 0.0)
            columns = ops.logsumexp(scores / epsilon - rows, axis=0, keepdims=True)
            prices = -epsilon * columns
        return ops.cast(ops.argmax(scores + prices, axis=1), "int32")
