import numpy as np
import pytest
from scipy import stats

from vqzoo.studies import verdicts

WORDS = "Noise helps"
HELPS = f"{WORDS}: [noisy]m.psnr > [plain]m.psnr"


def rows(**values):
    """A row for each condition and seed of one number."""
    return [
        {"condition": name, "seed": seed, "metrics": {"m.psnr": value}}
        for name, numbers in values.items()
        for seed, value in enumerate(numbers)
    ]


def test_the_interval_is_students_of_the_differences_seed_by_seed():
    noisy, plain = [3.0, 5.0, 4.5], [1.0, 2.0, 2.5]
    (found,) = verdicts.of([HELPS], rows(noisy=noisy, plain=plain))
    (one,) = found["comparisons"]
    expected = stats.ttest_rel(noisy, plain).confidence_interval(0.95)
    assert (one["low"], one["high"]) == pytest.approx(tuple(expected))
    assert one["differences"] == [2.0, 3.0, 2.0] and one["seeds"] == [0, 1, 2]
    assert found["verdict"] == "Holds" and one["mean"] == pytest.approx(7 / 3)
    low, high = (f"{one[name]:.4g}" for name in ("low", "high"))
    assert found["text"] == (
        f"Holds: {WORDS}. [noisy]m.psnr > [plain]m.psnr by 2.333 "
        f"({low} to {high}, 3 seeds)."
    )
    assert verdicts.lines([found]).endswith(f"- {found['text']}\n")


@pytest.mark.parametrize(
    ("noisy", "verdict"),
    [
        ([0.0, 0.1, 0.2], "Does not hold"),
        ([1.0, 3.0, 2.0], "Not decided"),
        ([9.0], "Not decided"),
    ],
)
def test_a_verdict_is_what_the_interval_says(noisy, verdict):
    (found,) = verdicts.of([HELPS], rows(noisy=noisy, plain=[2.0, 2.0, 2.0]))
    assert found["verdict"] == verdict and found["text"].startswith(verdict)


def test_a_claim_of_several_comparisons_needs_all_of_them():
    known = rows(a=[4.0, 4.1], b=[2.0, 2.1], c=[1.0, 1.1])
    several = "{}: [a]m.psnr - [b]m.psnr > [b]m.psnr - [c]m.psnr and [b]m.psnr > {}"
    (found,) = verdicts.of([several.format("Gaps", 0)], known)
    assert found["verdict"] == "Holds"
    np.testing.assert_allclose(found["comparisons"][0]["differences"], [1.0, 1.0])
    (found,) = verdicts.of([several.format("Gaps", 9.5)], known)
    assert found["verdict"] == "Does not hold"


def test_a_claim_whose_rows_are_missing_was_not_measured():
    (found,) = verdicts.of([HELPS], rows(plain=[1.0]))
    assert found["text"] == f"Not measured: {WORDS}."
    assert verdicts.lines([]) == ""


@pytest.mark.parametrize("claim", ["no words", "Words: [plain]m.psnr", "Words: x > 0"])
def test_a_claim_that_cannot_be_read_is_refused_with_its_flag(claim):
    with pytest.raises(ValueError, match="--claims"):
        verdicts.parse(claim)
