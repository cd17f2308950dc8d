"""TiTok: an image as a short sequence of tokens, between two vision transformers."""

import keras
from keras import ops

from vqzoo.arguments import check_one_of, check_positive_ints
from vqzoo.layers import VectorQuantizerEMA
from vqzoo.layers.causal.transformer_blocks import make_blocks
from vqzoo.models import convolutional, tiers
from vqzoo.models.one_grid import OneGridModel
from vqzoo.ops import mean_of
from vqzoo.replicas import ReplicaLosses

TARGETS = ("pixels", "codes")


@keras.saving.register_keras_serializable("vqzoo")
class TiTok(OneGridModel):
    """Autoencoder whose bottleneck is a sequence of tokens, not a grid.

    A transformer reads the patches of an image and learned latent tokens, and outputs
    only the tokens. The quantizer maps each to a code. A second transformer reads the
    quantized tokens and a mask token for each patch, and turns the mask tokens into
    patches.

    With a `tokenizer`, the second transformer predicts logits of the tokenizer's codes,
    whose decoder makes the image. The paper then trains in two stages:
    `targets="codes"`, with the cross-entropy to the tokenizer's codes of the image, and
    then `targets="pixels"`, with a fixed encoder and quantizer.

    Args:
        quantizer: a quantizer layer, for example `VectorQuantizerEMA(4096, 12)`.
        image_shape: `(height, width, channels)`; `patch_size` divides the sides.
        patch_size: int, side of a patch in pixels; with a tokenizer its stride.
        num_tokens: int, tokens per image.
        num_channels: int, of both transformers.
        num_layers: int, blocks of each transformer.
        num_heads: int, a divisor of the channels.
        hidden_ratio: int, hidden channels of plain perceptrons over `num_channels`.
        block: `"plain"`, or `"rotary"`: `RotaryTransformerBlock`s. Patches are rotated
            by their place in the image. Tokens have none and are not rotated: they tell
            patches apart by where these are, and each other by their learned vectors.
            Its heads have a multiple of 4 channels.
        tokenizer: a trained model of one grid of codes, or None.
        targets: `"pixels"`, or `"codes"` for the first stage with a tokenizer.
        dtype: dtype policy of the layers. Defaults to the global policy.
        name: str or None, of the model.
    Input shape: `(batch, *image_shape)`, float in [-0.5, 0.5].
    Output shape: same, float32, not clipped. Codes: a tuple of one tensor,
        `(batch, 1, num_tokens)`, int32.
    Losses: those of the quantizer; with `targets="codes"` also the cross-entropy, nats
        per code of the tokenizer, and `compile(model.training_loss())` then adds none.
    Raises: ValueError: if patches do not fit the image or the tokenizer, heads do not
        fit the channels, or codes are the targets without a tokenizer.
    Source: Yu et al. 2024, arXiv 2406.07550, section 3; rotary positions of patches
        alone: Fang et al. 2023 (EVA-02), arXiv 2303.11331. Differs: latent tokens have
        no separate position embeddings; without a tokenizer, a linear map and a 3 x 3
        convolution make the pixels.
    Example:
        >>> model = titok_64(num_channels=32, num_layers=1)
        >>> model.encode(np.zeros((2, 64, 64, 3), "float32"))[0].shape
        TensorShape([2, 1, 32])
    """

    def __init__(
        self,
        quantizer,
        *,
        image_shape=(64, 64, 3),
        patch_size=8,
        num_tokens=32,
        num_channels=192,
        num_layers=4,
        num_heads=4,
        hidden_ratio=4,
        block="plain",
        tokenizer=None,
        targets="pixels",
        dtype=None,
        name=None,
    ):
        check_positive_ints(
            patch_size=patch_size,
            num_tokens=num_tokens,
            num_channels=num_channels,
            num_layers=num_layers,
        )
        check_one_of(TARGETS, targets=targets)
        convolutional.check_fixed(image_shape)
        convolutional.check_image_shape(image_shape, patch_size)
        grid = tuple(side // patch_size for side in image_shape[:2])
        _check_tokenizer(tokenizer, targets, image_shape, grid)
        self._keep(locals())
        self.encoder = _TokenEncoder(self, grid, name="encoder")
        self.projection = convolutional.projection(self, quantizer.embedding_dim)
        if tokenizer is None:
            self.decoder = keras.Sequential(
                [
                    _PatchDecoder(self, grid, patch_size**2 * image_shape[2]),
                    _Pixels(patch_size, dtype=self.layer_dtype),
                    keras.layers.Conv2D(
                        image_shape[2], 3, padding="same", dtype=self.layer_dtype
                    ),
                ],
                name="decoder",
            )
        else:
            size = tokenizer.quantizer.num_embeddings
            self.decoder = _PatchDecoder(self, grid, size, name="decoder")
            if targets == "codes":
                tokenizer.trainable = False
            self.through = _ThroughTokenizer(tokenizer, name="through_tokenizer")
        self.to_float32 = convolutional.float32_output()
        self._finish_images()

    @property
    def stride(self):
        """The divisor of the sides of images."""
        return self.patch_size

    @property
    def layouts(self):
        (layout,) = super().layouts
        return ("tokens" if layout == "grid" else layout,)

    def training_loss(self):
        return "mse" if self.targets == "pixels" else _none

    def reconstruction_loss(self, items, outputs):
        losses = super().reconstruction_loss(items, outputs)
        return losses if self.targets == "pixels" else ops.zeros_like(losses)

    def decode(self, codes, sides=None):
        """Images of codes: float32 `(batch, height, width, channels)`.

        Args:
            codes: int `(batch, 1, num_tokens, ...)`, alone or in a tuple.
            sides: as in `VQVAE2.decode`.

        Raises:
            ValueError: if there are more or fewer tokens than the encoder has.
        """
        (codes,) = tiers.checked_codes(codes, self.quantizers)
        if self.layouts == ("tokens",) and codes.shape[1:3] != (1, self.num_tokens):
            raise ValueError(
                f"expected codes of the {self.num_tokens} tokens that the encoder has, "
                f"(batch, 1, {self.num_tokens}), received shape={tuple(codes.shape)}"
            )
        return super().decode(codes, sides)

    def from_quantized(self, quantized, sides=None):
        return self._decoded(*quantized)

    def _rebuild(self, images):
        quantized = self.quantizer(self.projection(self.encoder(images)))
        return self._decoded(quantized, images if self.targets == "codes" else None)

    def _decoded(self, quantized, images=None):
        decoded = self.decoder(quantized)
        if self.tokenizer is not None:
            decoded = self.through(decoded, images)
        return self.to_float32(decoded)

    def _check_shape(self, images):
        super()._check_shape(images)
        self._check_call(images)


def _check_tokenizer(tokenizer, targets, image_shape, grid):
    if tokenizer is None:
        if targets == "codes":
            raise ValueError(
                "expected a tokenizer, whose codes are the targets, received "
                "tokenizer=None, targets='codes'"
            )
        return
    shapes = [tuple(tokenizer.image_shape)]
    if tokenizer.layouts == ("grid",) and None not in shapes[0]:
        shapes += tiers.grid_shapes(tokenizer)
    layers = tokenizer.quantizers
    several = any(layer.code_axes or layer.is_hybrid for layer in layers)
    if shapes != [tuple(image_shape), grid] or several:
        raise ValueError(
            f"expected a tokenizer of images {tuple(image_shape)} with one code for "
            f"each of {grid} patches, received one of images and codes {shapes}, "
            f"quantized by {[type(layer).__name__ for layer in layers]}"
        )


def _none(targets, outputs):
    """Zeros `(batch,)`, as `add_loss` adds the whole loss."""
    return 0.0 * ops.mean(outputs, axis=(1, 2, 3))


class _Transformer(keras.layers.Layer):
    """Abstract: blocks over patches and tokens, each with a learned vector.

    Args:
        owner: the model, which has the sizes.
        grid: `(height, width)` of the patches.
    """

    def __init__(self, owner, grid, **kwargs):
        super().__init__(dtype=owner.layer_dtype, **kwargs)
        self.grid, self.num_patches = grid, grid[0] * grid[1]
        self.num_tokens, self.channels = owner.num_tokens, owner.num_channels
        self.blocks, self.norm = make_blocks(
            owner, causal=False, grids=(grid,), num_tokens=owner.num_tokens
        )

    def build(self, input_shape):
        small = keras.initializers.RandomNormal(stddev=0.02)
        places = self.num_patches + self.num_tokens
        self.vectors = self.add_weight(
            name="vectors", shape=(places, self.channels), initializer=small
        )
        self.inner.build(input_shape)
        for block in self.blocks:
            block.build((None, 1, places, self.channels))
        self.norm.build((None, 1, places, self.channels))

    def _through(self, patches, tokens):
        """Features `(batch, 1, patches + tokens, channels)` after the blocks."""
        features = ops.concatenate([patches, tokens], axis=1)
        features = features + ops.cast(self.vectors, features.dtype)
        features = features[:, None]
        for block in self.blocks:
            features = block(features)
        return self.norm(features)


class _TokenEncoder(_Transformer):
    """Images to features of tokens, `(batch, 1, num_tokens, channels)`."""

    def __init__(self, owner, grid, **kwargs):
        super().__init__(owner, grid, **kwargs)
        sizes, dtype = (self.channels, owner.patch_size), owner.layer_dtype
        self.inner = keras.layers.Conv2D(
            *sizes, strides=owner.patch_size, name="patches", dtype=dtype
        )

    def call(self, images):
        patches = self.inner(images)
        patches = ops.reshape(patches, (-1, self.num_patches, self.channels))
        batch = ops.shape(patches)[0]
        tokens = ops.zeros((batch, self.num_tokens, self.channels), patches.dtype)
        return self._through(patches, tokens)[:, :, self.num_patches :]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, self.num_tokens, self.channels)


class _PatchDecoder(_Transformer):
    """Quantized tokens `(batch, 1, num_tokens, D)` to outputs of each patch."""

    def __init__(self, owner, grid, num_outputs, **kwargs):
        super().__init__(owner, grid, **kwargs)
        dtype = owner.layer_dtype
        self.inner = keras.layers.Dense(self.channels, name="tokens", dtype=dtype)
        self.outputs = keras.layers.Dense(num_outputs, name="outputs", dtype=dtype)

    def build(self, input_shape):
        super().build(input_shape)
        self.outputs.build((None, *self.grid, self.channels))

    def call(self, quantized):
        tokens = self.inner(quantized)[:, 0]
        batch = ops.shape(tokens)[0]
        patches = ops.zeros((batch, self.num_patches, self.channels), tokens.dtype)
        features = self._through(patches, tokens)[:, 0, : self.num_patches]
        return self.outputs(ops.reshape(features, (-1, *self.grid, self.channels)))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.grid, self.outputs.units)


class _Pixels(keras.layers.Layer):
    """Rearranges channels of patches `(batch, h, w, side * side * C)` as pixels."""

    def __init__(self, side, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def call(self, patches):
        height, width, channels = patches.shape[1:]
        side, channels = self.side, channels // self.side**2
        pixels = ops.reshape(patches, (-1, height, width, side, side, channels))
        pixels = ops.transpose(pixels, (0, 1, 3, 2, 4, 5))
        return ops.reshape(pixels, (-1, height * side, width * side, channels))


class _ThroughTokenizer(keras.layers.Layer):
    """Logits of a tokenizer's codes to images, by the mean of its code vectors.

    With images, their codes are the targets of the logits. Only the decoder may learn.

    Args:
        tokenizer: a model of one grid of codes.
    """

    def __init__(self, tokenizer, **kwargs):
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self._losses = ReplicaLosses()
        self.tokenizer = tokenizer
        for layer in (tokenizer.encoder, tokenizer.projection, tokenizer.quantizer):
            layer.trainable = False

    def call(self, logits, images=None):
        logits = ops.cast(logits, "float32")
        if images is not None:
            (codes,) = self.tokenizer.encode(images)
            log_p = ops.log_softmax(logits, axis=-1)
            chosen = ops.take_along_axis(log_p, codes[..., None], axis=-1)
            self.add_loss(-mean_of(chosen))
        codes = ops.arange(logits.shape[-1], dtype="int32")
        vectors = ops.cast(self.tokenizer.quantizer.decode(codes), "float32")
        vectors = ops.matmul(ops.softmax(logits, axis=-1), vectors)
        return self.tokenizer.from_quantized((vectors,))

    def compute_output_shape(self, logits_shape, images_shape=None):
        return (logits_shape[0], *self.tokenizer.image_shape)


def titok_64(quantizer=None, tokenizer=None, **overrides):
    """A small TiTok: 64 x 64 images, 32 tokens of 4,096 codes, for two cores.

    Two transformers of 4 blocks, 192 channels and 4 heads over 8 x 8 patches;
    3,675,552 trainable weights with the default quantizer.

    Args:
        quantizer: function from the tier's index, 0, to a quantizer layer. Defaults to
            `VectorQuantizerEMA(4096, 12, normalize=True)`.
        tokenizer: as in `TiTok`, or the path of its `.keras` file.
        **overrides: arguments of `TiTok`.

    Returns:
        `TiTok`.

    Source: Yu et al. 2024, arXiv 2406.07550; the sizes are ours.
    """
    if isinstance(tokenizer, str):
        tokenizer = keras.saving.load_model(tokenizer, compile=False)
    make = quantizer or (
        lambda tier: VectorQuantizerEMA(4096, 12, normalize=True, name="quantizer")
    )
    defaults = {"name": "titok_64", "tokenizer": tokenizer}
    return TiTok(make(0), **{**defaults, **overrides})
