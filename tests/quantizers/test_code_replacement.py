import types

import keras
import numpy as np
import pytest
from keras import ops

from tests.helpers.four_codes import CODEBOOK
from vqzoo.quantizers.code_replacement import replace_unused


def layer(offset=0.0, **options):
    """What the function asks of a quantizer of four codes."""
    started = CODEBOOK - offset
    return types.SimpleNamespace(
        num_embeddings=4,
        seed_generator=keras.random.SeedGenerator(1),
        codebook_start=keras.Variable(started),
        codebook_offset=keras.Variable(CODEBOOK - started),
        ema_counts=keras.Variable(np.ones(4, "float32")),
        started=keras.Variable(1.0),
        on_move=None,
        **{"decay": 0.0, "restart_threshold": 0.5, **options},
    )


def codebook_after(quantizer, codes):
    replace_unused(quantizer, np.array(codes, "int32"), ops.convert_to_tensor(CODEBOOK))
    moved = quantizer.codebook_start.value + quantizer.codebook_offset.value
    return ops.convert_to_numpy(moved)


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_an_unused_code_goes_beside_a_used_one_and_the_others_stay(offset):
    quantizer = layer(offset)
    codebook = codebook_after(quantizer, [0, 1, 1, 3])
    np.testing.assert_allclose(codebook[[0, 1, 3]], CODEBOOK[[0, 1, 3]])
    distances = np.linalg.norm(codebook[2] - CODEBOOK[[0, 1, 3]], axis=1)
    assert 0 < distances.min() < 0.5  # the noise has a deviation of 0.1
    counts = ops.convert_to_numpy(quantizer.ema_counts.value)
    assert counts.tolist() == [1, 2, 1, 1]


def test_each_used_code_serves_once_before_one_serves_twice():
    codebook = codebook_after(layer(), [0, 3])
    distances = np.linalg.norm(codebook[:, None] - CODEBOOK[[0, 3]], axis=-1)
    assert sorted(distances[[1, 2]].argmin(axis=1)) == [0, 1]


def test_counts_are_a_moving_average():
    quantizer = layer(decay=0.75)
    codebook_after(quantizer, [0, 0, 1, 2, 2, 2, 3])
    counts = ops.convert_to_numpy(quantizer.ema_counts.value)
    assert counts.tolist() == [1.25, 1.0, 1.5, 1.0]


def test_a_threshold_of_0_places_none_anew():
    codebook = codebook_after(layer(restart_threshold=0.0), [0, 0, 0])
    np.testing.assert_allclose(codebook, CODEBOOK)
