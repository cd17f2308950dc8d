import numpy as np
import pytest

from vqzoo.codec import CodecError, decisions, stream
from vqzoo.codec.stream import Reader, Writer, probabilities


def random_decisions(seed, count=3000):
    generator = np.random.default_rng(seed)
    values = generator.uniform(-250, 250, count)
    share = 1 / (1 + np.exp(-values / 16))
    return values, (generator.random(count) < share).astype("int32")


def test_what_is_written_is_read():
    for seed in range(20):
        values, bits = random_decisions(seed)
        writer = Writer()
        writer.put(values[:7].reshape(7, 1), bits[:7])
        writer.put(values[7:], bits[7:])
        reader = Reader(writer.payload(0))
        parts = [reader.read(values[a:b]) for a, b in ((0, 3), (3, 4), (4, 3000))]
        assert np.array_equal(np.concatenate(parts), bits)
        assert not reader.failed


def test_a_stream_is_no_longer_than_its_information():
    values, bits = random_decisions(0)
    chances = probabilities()[np.clip(np.rint(values), -192, 192).astype(int) + 192]
    information = -np.log2(np.where(bits, chances, 1 - chances)).sum() / 8
    writer = Writer()
    writer.put(values, bits)
    assert information < len(writer.payload(0)) < information * 1.001 + 4


def test_the_table_is_the_same_whatever_the_last_bit_of_an_exponential():
    exact = 2**24 / (1 + np.exp(-np.arange(-192, 193) / 16))
    to_boundary = np.abs(exact - np.floor(exact) - 0.5)
    assert to_boundary.min() > 1e-5
    table = probabilities() * 2**24
    assert np.array_equal(table, np.rint(table)) and np.all(np.diff(table) > 0)
    assert (table[0], table[192], table[-1]) == (103, 2**23, 2**24 - 103)


def test_the_bytes_are_those_of_version_1():
    """Another range coder would not read what is on people's disks."""
    writer = Writer()
    writer.put(np.arange(-40.0, 40.0), (np.arange(80) % 3 == 0).astype("int32"))
    assert writer.payload(0).hex() == "76069dfcef3b6f3916d17e39b9bb3757"


def test_zero_bytes_at_the_end_are_not_kept_and_few_bytes_are_filled_up():
    writer = Writer()
    writer.put(np.zeros(640), np.zeros(640, "int32"))
    assert writer.payload(0) == b"" or writer.payload(0)[-1] != 0
    filled = writer.payload(90)
    assert len(filled) == 90
    for payload in (writer.payload(0), filled):
        assert not Reader(payload).read(np.zeros(640)).any()


def near_boundaries(count=200):
    """Values within the tolerance of a boundary, and the same on another machine."""
    generator = np.random.default_rng(0)
    off = 16 * decisions.TOLERANCE * generator.uniform(-0.45, 0.45, (2, count))
    boundary = generator.integers(-100, 100, count) + 0.5
    return boundary + off[0], boundary + off[1]


def test_another_machine_reads_values_that_it_would_round_otherwise():
    here, there = near_boundaries()
    assert (decisions.rounded(here) != decisions.rounded(there)).sum() > 50
    bits = np.random.default_rng(1).integers(0, 2, len(here)).astype("int32")
    writer = Writer()
    writer.put(np.zeros(5), np.zeros(5, "int32"))
    writer.put(here, bits)
    assert [position for position, _ in writer.corrections] == list(range(5, 205))
    reader = Reader(writer.payload(0), writer.corrections)
    reader.read(np.zeros(5))
    parts = [reader.read(there[:50]), reader.read(there[50:])]
    assert np.array_equal(np.concatenate(parts), bits)
    blind = Reader(writer.payload(0))
    blind.read(np.zeros(5))
    assert not np.array_equal(blind.read(there), bits)


def test_bytes_of_no_writer_never_raise():
    generator = np.random.default_rng(0)
    failed = 0
    for _ in range(300):
        values, _ = random_decisions(0, 500)
        corrections = sorted((int(p), 1) for p in generator.integers(0, 900, 3))
        reader = Reader(generator.bytes(generator.integers(0, 60)), corrections)
        bits = np.concatenate([reader.read(values), reader.read(values)])
        assert bits.min() >= 0 and bits.max() <= 1
        failed += reader.failed
    assert failed > 0


def test_without_constriction_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "constriction", None)
    with pytest.raises(CodecError, match=r"pip install 'vqzoo\[codec\]'"):
        stream.constriction()
