import numpy as np

from tests.helpers.case import Case, random_floats
from vqzoo.layers import SelfAttention

CASES = [
    Case(
        "SelfAttention",
        lambda: SelfAttention(),
        (random_floats(3, 2, 3, 8),),
        unmoved=("queries", "keys", "values", "outputs"),
    ),
]
REFUSED = [
    (lambda: SelfAttention(0), "reduction=0"),
    (
        lambda: SelfAttention()(np.zeros((1, 2, 2, 4), "float32")),
        r"at least 8 channels.*\(1, 2, 2, 4\)",
    ),
]


def inputs_of(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def test_it_starts_as_the_identity():
    inputs = inputs_of(2, 3, 4, 16)
    layer = SelfAttention()
    np.testing.assert_array_equal(layer(inputs), inputs)
    assert float(layer.scale) == 0 and layer.scale.trainable


def test_it_adds_the_attention_of_the_formula_times_the_scale():
    inputs = inputs_of(2, 3, 4, 16)
    layer = SelfAttention()
    layer(inputs)
    layer.scale.assign(0.5)
    flat = inputs.reshape(2, 12, 16)
    maps = (layer.queries, layer.keys, layer.values, layer.outputs)
    f, g, h, v = (each.kernel.numpy() for each in maps)
    assert f.shape == g.shape == (16, 2) and h.shape == (16, 8)
    scores = np.einsum("bpd,bqd->bpq", flat @ f, flat @ g)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    expected = flat + 0.5 * (weights @ (flat @ h)) @ v
    np.testing.assert_allclose(
        layer(inputs).numpy().reshape(2, 12, 16), expected, atol=1e-4
    )
