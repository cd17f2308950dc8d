"""LPIPS: the distance in VGG16's features that was fitted to what people see."""

import importlib.util
import pathlib

import keras
import numpy as np
from keras import ops

from vqzoo import registry
from vqzoo.arguments import dtype_policy

CHANNELS = (64, 128, 256, 512, 512)
# Layers of VGG16, and the numbers of its convolutions in torchvision's file.
_SEEN = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3")
_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
# Of images in [-1, 1]: those that LPIPS was fitted with, to torchvision's weights.
_SHIFT = np.array([-0.030, -0.088, -0.188], "float32")
_SCALE = np.array([0.458, 0.448, 0.450], "float32")
# Of Keras's weights: blue, green, red, in [0, 255].
_KERAS_MEANS = np.array([103.939, 116.779, 123.68], "float32")
_EPSILON = 1e-10
DOWNLOADED = "imagenet"


@registry.named("lpips")
def lpips(sources):
    """`make_lpips` of the files that settings name."""
    return make_lpips(**sources.lpips)


def make_lpips(backbone, weights=None):
    """The distance of Zhang et al. in the features of VGG16.

    Args:
        backbone: path of torchvision's weights of VGG16, `.pth` (it takes PyTorch to
            read) or `.safetensors`; or `"imagenet"`: those that Keras downloads. With
            these the numbers are not those of the published LPIPS, which was fitted to
            torchvision's.
        weights: path of the linear weights, as `vgg.pth` of the package lpips; None or
            empty: those of the installed package.

    Returns:
        Function of images and outputs, float32 `(batch, height, width, 1 or 3)` in
        [-0.5, 0.5] with sides of at least 16, to float32 `(batch,)`; VGG16 computes in
        float32 under every dtype policy.

    Raises:
        FileNotFoundError: if a file is missing; it says where to get it.
        ValueError: if it holds something else.

    Source: Zhang et al. 2018, arXiv 1801.03924, version 0.1. Differs: nothing with
        torchvision's weights.
    """
    features, prepared = _backbone(backbone)
    heads = _heads(weights)

    def distance(images, outputs):
        pairs = zip(heads, features(prepared(images)), features(prepared(outputs)))
        return sum(
            ops.mean(
                ops.sum(ops.square(_normalized(a) - _normalized(b)) * head, axis=-1),
                axis=(1, 2),
            )
            for head, a, b in pairs
        )

    return distance


def _normalized(features):
    features = ops.cast(features, "float32")
    square = ops.sum(ops.square(features), axis=-1, keepdims=True)
    # The root of 0 has no gradient; where all is 0 the quotient is 0 either way.
    length = ops.sqrt(ops.maximum(square, _EPSILON**2))
    return features / (length + _EPSILON)


@dtype_policy("float32")  # Small differences of features do not survive bfloat16.
def _backbone(path):
    """The layers of VGG16 that are seen, and the function that scales images for it."""
    network = keras.applications.VGG16(
        include_top=False,
        weights=DOWNLOADED if path == DOWNLOADED else None,
        input_shape=(None, None, 3),
    )
    if path != DOWNLOADED:
        _fill(network, torch_arrays(path, "weights of torchvision's VGG16"), path)
    network.trainable = False
    outputs = [network.get_layer(name).output for name in _SEEN]
    by_keras = path == DOWNLOADED

    def prepared(images):
        images = ops.cast(images, "float32")
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        if by_keras:
            return 255 * (images[..., ::-1] + 0.5) - _KERAS_MEANS
        return (2 * images - _SHIFT) / _SCALE

    return keras.Model(network.input, outputs), prepared


def _fill(network, arrays, path):
    """Puts torchvision's weights, `features.N.weight` and `.bias`, into VGG16."""
    convolutions = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    for number, layer in zip(_CONVOLUTIONS, convolutions, strict=True):
        names = [f"features.{number}.{part}" for part in ("weight", "bias")]
        if missing := [name for name in names if name not in arrays]:
            raise ValueError(
                f"expected {missing[0]} in {path}, as in torchvision's VGG16, received "
                f"{', '.join(sorted(arrays)[:4])}, ..."
            )
        kernel, bias = (arrays[name] for name in names)
        kernel = kernel.transpose(2, 3, 1, 0)
        if kernel.shape != tuple(layer.kernel.shape):
            raise ValueError(
                f"expected {names[0]} of {path} to be a kernel of "
                f"{tuple(layer.kernel.shape)}, received {kernel.shape}"
            )
        layer.set_weights([kernel, bias])


def _heads(path):
    """The linear weights: float32 `(C,)` of each layer."""
    if not path:
        spec = importlib.util.find_spec("lpips")
        if spec is None:
            raise FileNotFoundError(
                "expected the linear weights of LPIPS: pip install lpips (10 KB), or "
                "--lpips_weights=PATH, its file weights/v0.1/vgg.pth"
            )
        path = pathlib.Path(spec.origin).parent / "weights" / "v0.1" / "vgg.pth"
    arrays = torch_arrays(path, "the linear weights of LPIPS")
    names = [f"lin{i}.model.1.weight" for i in range(len(CHANNELS))]
    shapes = [arrays[name].shape if name in arrays else () for name in names]
    if shapes != [(1, count, 1, 1) for count in CHANNELS]:
        raise ValueError(f"expected {', '.join(names)} of VGG16 in {path}: {shapes}")
    return [arrays[name].reshape(-1) for name in names]


def torch_arrays(path, what):
    """The arrays of a file of PyTorch's, by name: float32."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected {what} in a file, received {path}")
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        arrays = load_file(path)
    else:
        try:
            import torch
        except ImportError as error:
            raise ValueError(
                f"{path} needs PyTorch to be read; a .safetensors file does not"
            ) from error
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        arrays = {name: tensor.numpy() for name, tensor in loaded.items()}
    return {name: np.asarray(array, "float32") for name, array in arrays.items()}
