"""PixelRNN over code grids, and its named models."""

import keras

from vqzoo.arguments import check_one_of
from vqzoo.layers import DiagonalBiLSTM, RowLSTM
from vqzoo.priors.convolutional_prior import ResidualPrior
from vqzoo.registry import named

CELLS = ("row", "diagonal")


@named("pixelrnn")
@keras.saving.register_keras_serializable("vqzoo")
class PixelRNN(ResidualPrior):
    """Autoregressive prior of LSTMs that go over the grid by rows or by diagonals.

    Args:
        grid_shape: `(height, width)` of the codes.
        num_embeddings: int, K. Number of codes.
        cell: `"row"`, the Row LSTM, or `"diagonal"`, the Diagonal BiLSTM.
        num_layers: int, LSTMs, each with a residual connection around.
        units: int, h of the LSTMs; the features between have 2h channels.
        num_output_layers: int, linear layers before the logits.
        first_kernel_size: odd int.
        num_condition_blocks: int, residual blocks over the codes of the tiers above.
        **kwargs: what all priors take, such as `num_classes`: see `Prior`.
    Input shape: codes, int32 `(batch, height, width)`; with a condition a dict, see
        `AutoregressivePrior`.
    Output shape: `(batch, height, width, K)`, float32 logits.
    Raises: ValueError: if a size is not positive, `cell` is unknown or a grid above
        does not divide this one.
    Source: van den Oord et al. 2016, arXiv 1601.06759, figure 5 and table 1. Differs:
        codes are embedded; a condition is added before each LSTM.
    Example:
        >>> prior = PixelRNN((4, 4), 16, num_layers=1, units=4)
        >>> prior.sample(2, seed=0).shape
        (2, 4, 4)
    """

    smoke_options = {"num_layers": 1, "units": 8}
    cached_layers = "lstms"

    def __init__(
        self,
        grid_shape,
        num_embeddings,
        *,
        cell="diagonal",
        num_layers=7,
        units=64,
        num_output_layers=2,
        first_kernel_size=7,
        num_condition_blocks=2,
        **kwargs,
    ):
        check_one_of(CELLS, cell=cell)
        self._make(locals(), "num_layers")

    def _make_layers(self):
        channels = 2 * self.units
        self._make_first(channels, self.first_kernel_size)
        make = RowLSTM if self.cell == "row" else DiagonalBiLSTM
        self.lstms = [
            make(self.units, dtype=self.layer_dtype, name=f"lstm_{i}")
            for i in range(self.num_layers)
        ]
        self.wide = [self._dense(channels, f"wide_{i}") for i in range(self.num_layers)]
        self._make_head(channels)

    def _through(self, features, condition, step):
        for lstm, wide in zip(self.lstms, self.wide):
            if condition is not None:
                features = features + condition
            features = features + wide(step(lstm, features))
        return features


def pixelrnn_row_8(num_embeddings=512, **overrides):
    """The Row LSTM over 8 x 8 codes: 4 LSTMs of 64 units, 1,247,616 weights.

    Args:
        num_embeddings: int, K.
        **overrides: arguments of `PixelRNN`.

    Returns:
        `PixelRNN`.

    Source: none; as wide as the `pixelcnn_8` and `gated_pixelcnn_8` beside it.
    """
    settings = {"name": "pixelrnn_row_8", "cell": "row", "num_layers": 4}
    return PixelRNN((8, 8), num_embeddings, **{**settings, **overrides})


def pixelrnn_diagonal_8(num_embeddings=512, **overrides):
    """The Diagonal BiLSTM over 8 x 8 codes: 4 LSTMs of 64 units, 1,183,104 weights.

    Args and returns: as in `pixelrnn_row_8`.
    """
    settings = {"name": "pixelrnn_diagonal_8", "num_layers": 4}
    return PixelRNN((8, 8), num_embeddings, **{**settings, **overrides})
