"""Layers and models in somebody's PyTorch program: modules, optimizers, loaders."""

import keras
import numpy as np
import pytest

from tests.helpers.case import FEW_CHANNELS, random_images, small_ema
from vqzoo.layers import VectorQuantizerEMA
from vqzoo.models import VQVAE

if keras.backend.backend() != "torch":
    pytest.skip("needs KERAS_BACKEND=torch", allow_module_level=True)
import torch


class Autoencoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(6, 4)
        self.quantizer = VectorQuantizerEMA(8, 4, name="quantizer", seed=1)
        self.quantizer.build((None, 4))
        self.decoder = torch.nn.Linear(4, 6)

    def forward(self, inputs):
        latents = self.encoder(inputs)
        return self.decoder(self.quantizer(latents, training=self.training))


def make():
    keras.backend.clear_session()
    torch.manual_seed(0)
    return Autoencoder()


def test_a_torch_optimizer_trains_a_module_with_a_quantizer():
    module = make()
    trained = {n for n, p in module.named_parameters() if p.requires_grad}
    assert trained == {
        f"{part}.{name}"
        for part in ("encoder", "decoder")
        for name in ("weight", "bias")
    }
    # 8 points: as many as there are codes.
    points = torch.randn(8, 6)
    batch = points.repeat(8, 1)
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    errors = []
    for _ in range(100):
        error = torch.nn.functional.mse_loss(module(batch), batch)
        optimizer.zero_grad()
        (error + sum(module.quantizer.losses)).backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]
    module.eval()
    codes = module.quantizer.encode(module.encoder(points))
    assert codes.dtype == torch.int32 and len(codes.unique()) >= 6


def test_a_state_dict_holds_the_codebook_and_its_averages():
    module, batch = make(), torch.randn(16, 6)
    module.train()(batch)
    again = make()
    again.load_state_dict(module.state_dict())
    assert torch.equal(again.eval()(batch), module.eval()(batch))
    counts = module.quantizer.ema_counts.value
    assert torch.equal(again.quantizer.ema_counts.value, counts)
    assert len(counts.unique()) > 1


def test_a_loader_of_torch_feeds_fit_and_a_model_is_part_of_a_module():
    model = VQVAE(small_ema(), image_shape=(8, 8, 3), **FEW_CHANNELS)
    batch = torch.from_numpy(random_images(8, 8, 8, 3))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(batch), batch_size=4
    )
    model.compile("adam", "mse")
    history = model.fit(loader, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    module = torch.nn.Sequential(model, torch.nn.Flatten())
    module(batch).mean().backward()
    gradients = [p.grad for p in module.parameters() if p.requires_grad]
    assert len(gradients) == len(model.trainable_weights)
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    # Tensors with a gradient are taken too.
    (codes,) = model.encode(batch.requires_grad_())
    assert torch.equal(model.decode(codes), model(batch))
