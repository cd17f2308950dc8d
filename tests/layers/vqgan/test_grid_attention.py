import numpy as np
from keras import ops

from tests.helpers.case import Case, random_floats
from vqzoo.layers import GridAttention

CASES = [
    Case(
        "GridAttention",
        lambda: GridAttention(num_groups=2),
        (random_floats(3, 2, 3, 4),),
        # A constant added to all keys changes no weight of attention.
        unmoved=("key/bias",),
    )
]
REFUSED = [
    (lambda: GridAttention(num_groups=0), "num_groups=0"),
    (lambda: GridAttention(num_groups=3).build((None, 2, 2, 4)), "num_groups=3"),
]


def test_it_adds_attention_over_all_places():
    inputs = random_floats(2, 3, 4, 6)
    layer = GridAttention(num_groups=2)
    layer.build(inputs.shape)
    flat = ops.convert_to_numpy(layer.norm(inputs)).reshape(2, 12, 6)

    def dense(part, values):
        kernel, bias = (ops.convert_to_numpy(w) for w in part.weights)
        return values @ kernel + bias

    query, key, value = (dense(p, flat) for p in (layer.query, layer.key, layer.value))
    weights = np.exp(query @ key.transpose(0, 2, 1) / 6**0.5)
    weights /= weights.sum(-1, keepdims=True)
    expected = inputs + dense(layer.result, weights @ value).reshape(inputs.shape)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(inputs)), expected, atol=1e-5)
