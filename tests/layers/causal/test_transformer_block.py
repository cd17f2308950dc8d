import numpy as np
import pytest

from tests.helpers.case import Case, random_floats
from tests.helpers.causality import assert_steps_give, dependencies, earlier, inputs_of
from vqzoo.layers import TransformerBlock

CASES = [
    Case(
        "TransformerBlock",
        lambda: TransformerBlock(2, 3, dropout=0.2, seed=1),
        (random_floats(3, 2, 3, 2),),
        random=True,
    ),
    Case(
        "TransformerBlock-all",
        lambda: TransformerBlock(1, 3, causal=False),
        (random_floats(3, 2, 3, 2),),
    ),
]
REFUSED = [
    (lambda: TransformerBlock(0, 4), "num_heads=0"),
    (lambda: TransformerBlock(2, 4, dropout=-0.1), "dropout=-0.1"),
]


@pytest.mark.parametrize("causal", [True, False])
def test_a_place_sees_what_it_may(causal):
    layer = TransformerBlock(2, 16, causal=causal)
    seen = dependencies(layer, inputs_of(1, 3, 4, 8))
    expected = earlier(3, 4, itself=True) | (not causal)
    np.testing.assert_array_equal(seen, expected)


def test_the_perceptron_is_added_to_what_attention_gave():
    layer, inputs = TransformerBlock(1, 6), inputs_of(1, 1, 1, 4)
    outputs = layer(inputs).numpy()[0, 0, 0]

    def normed(x):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-3)

    def dense(x, layer):
        return x @ layer.kernel.numpy() + layer.bias.numpy()

    x = inputs[0, 0, 0]
    # One place looks at itself alone: attention gives its values.
    hidden = x + dense(dense(normed(x), layer.attention.to_values), layer.mix)
    inner = layer.hidden.activation(dense(normed(hidden), layer.hidden)).numpy()
    np.testing.assert_allclose(outputs, hidden + dense(inner, layer.outputs), atol=1e-4)


def test_place_by_place_it_gives_the_outputs_of_the_whole():
    layer, inputs = TransformerBlock(2, 16), inputs_of(2, 3, 4, 8)
    expected = layer(inputs).numpy()
    state = layer.start(2, (3, 4))
    assert_steps_give(layer, state, inputs, expected, begins=False)


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"num_heads=3, shape=\(1, 2, 2, 8\)"):
        TransformerBlock(3, 16)(inputs_of(1, 2, 2, 8))
