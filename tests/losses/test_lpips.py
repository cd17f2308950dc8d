import sys
import types

import keras
import numpy as np
import pytest
from keras import ops

from vqzoo import losses
from vqzoo.arguments import dtype_policy
from vqzoo.losses import lpips


def images_of(seed, side=32):
    generator = np.random.default_rng(seed)
    return generator.uniform(-0.5, 0.5, (2, side, side, 3)).astype("float32")


def vgg16_features():
    """The convolutions of VGG16, configuration D, in PyTorch."""
    import torch

    layers, channels = [], 3
    for width in (64, 64, 0, 128, 128, 0, *[256] * 3, 0, *[512] * 3, 0, *[512] * 3, 0):
        if width:
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
            channels = width
        else:
            layers.append(torch.nn.MaxPool2d(2))
    return torch.nn.Sequential(*layers)


@pytest.fixture(scope="module")
def torchvision():
    """What the package lpips takes from torchvision, which builds for CPUs lack."""
    models = types.ModuleType("torchvision.models")
    models.vgg16 = lambda **_: types.SimpleNamespace(features=vgg16_features())
    package = types.ModuleType("torchvision")
    package.models = models
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchvision", package)
        patch.setitem(sys.modules, "torchvision.models", models)
        yield


@pytest.fixture(scope="module")
def reference(tmp_path_factory, torchvision):
    """The package's own distance on random weights of VGG16, and a file of these."""
    if keras.backend.backend() != "torch":
        pytest.skip("needs KERAS_BACKEND=torch")
    torch, package = map(pytest.importorskip, ("torch", "lpips"))
    torch.manual_seed(0)
    network = package.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    names = {}
    for part in network.net.children():
        for number, layer in part.named_children():
            for name, value in layer.state_dict().items():
                names[f"features.{number}.{name}"] = value
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(names, path)
    return network, path


@pytest.mark.parametrize(
    ("side", "policy"), [(32, "float32"), (48, "float32"), (32, "mixed_bfloat16")]
)
def test_it_is_the_distance_of_the_package_lpips(reference, side, policy):
    import torch

    network, path = reference
    pairs = images_of(0, side), images_of(1, side)
    with torch.no_grad():
        # The package takes images in [-1, 1].
        tensors = (torch.tensor(2 * x.transpose(0, 3, 1, 2)) for x in pairs)
        expected = network(*tensors).numpy().ravel()
    with dtype_policy(policy):
        found = ops.convert_to_numpy(losses.make_lpips(path)(*pairs))
    assert expected.min() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    gray = [x[..., :1] for x in pairs]
    assert ops.convert_to_numpy(losses.make_lpips(path)(*gray)).shape == (2,)


def test_mixed_precision_does_not_round_its_features(monkeypatch):
    monkeypatch.setattr(lpips, "torch_arrays", lambda *_: {})
    monkeypatch.setattr(lpips, "_fill", lambda *_: None)  # random weights stay
    monkeypatch.setattr(lpips, "_heads", lambda _: [np.float32(1)] * 5)
    found = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(0)
        with dtype_policy(policy):
            distance = losses.make_lpips("vgg.safetensors")
            found.append(ops.convert_to_numpy(distance(images_of(0), images_of(1))))
    assert found[0].min() > 0
    np.testing.assert_array_equal(*found)


def test_a_file_of_something_else_is_named(reference, tmp_path):
    import torch

    path = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"expected features.0.weight in .*conv1"):
        losses.make_lpips(path)
    _, right = reference
    with pytest.raises(ValueError, match=r"expected lin0.model.1.weight.*vgg16.pth"):
        losses.make_lpips(right, weights=right)


def test_a_file_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match="VGG16 in a file, received nowhere"):
        losses.make_lpips("nowhere.pth")
