import shutil

import numpy as np
import pytest

from tests.helpers.small_models import SMALL, make_model
from vqzoo.export import ExportError, checks, signatures, verification, wire
from vqzoo.images import to_images
from vqzoo.layers import ProjectedLatents, VectorQuantizer
from vqzoo.models import VQVAE
from vqzoo.models.cloning import clone

CODES = np.zeros((2, 25, 40), "int32")
IMAGES = np.full((2, 4, 4, 3), 100, "uint8")
EXPECTED = {"file/top": CODES, "file/decoded": IMAGES}


def change(array, count, by):
    changed = array.copy()
    changed.ravel()[:count] += array.dtype.type(by)
    return changed


def test_equal_answers_differ_in_nothing():
    assert checks.compare("file", EXPECTED, {"top": CODES}, IMAGES) == {
        "codes": 2000,
        "differing_codes": 0,
        "largest_image_difference": 0,
    }


def test_what_rounding_does_is_counted_and_passes():
    codes = {"top": change(CODES, 2, 1)}
    images = change(IMAGES, 5, 1)
    found = checks.compare("file", EXPECTED, codes, images)
    assert (found["differing_codes"], found["largest_image_difference"]) == (2, 1)


def test_more_than_one_code_in_a_thousand_is_an_error():
    with pytest.raises(ExportError, match="file gives 3 of 2000 codes another value"):
        checks.compare("file", EXPECTED, {"top": change(CODES, 3, 1)}, IMAGES)


def test_more_than_one_level_is_an_error():
    with pytest.raises(ExportError, match="file gives images that differ by 2 of 255"):
        checks.compare("file", EXPECTED, {"top": CODES}, change(IMAGES, 1, 2))


def test_the_test_images_are_black_white_a_ramp_a_board_and_noise():
    black, white, ramp, board, *noise = wire.make_images((16, 24, 3))
    assert (black.max(), white.min()) == (0, 255)
    assert (ramp[0, 0, 0], ramp[-1, -1, 2], ramp[3, 0, 0]) == (0, 255, 20)
    assert (board[3, 3, 0], board[3, 4, 0], board[4, 4, 0]) == (0, 255, 0)
    assert abs(np.mean(noise) - 127.5) < 10


BFLOAT16 = {
    "images": IMAGES,
    "saved_model/top": CODES,
    "saved_model/decoded": IMAGES,
    "saved_model/rebuilt": change(IMAGES, 9, 30),
}


def test_bfloat16_may_choose_other_codes_as_long_as_images_come_back():
    codes, decoded = {"top": change(CODES, 500, 1)}, change(IMAGES, 5, 16)
    rebuilt = change(IMAGES, 9, 31)
    found = checks.compare_bfloat16(BFLOAT16, codes, decoded, rebuilt)
    assert found == {
        "codes": 2000,
        "differing_codes": 500,
        "largest_image_difference": 16,
        "error_over_float32": round(31**2 / 30**2, 4),
    }


def test_bfloat16_that_blurs_images_is_an_error():
    with pytest.raises(ExportError, match="bfloat16 gives images that differ by 17"):
        checks.compare_bfloat16(BFLOAT16, {"top": CODES}, change(IMAGES, 1, 17), IMAGES)
    with pytest.raises(ExportError, match="with an error of 96.00, saved_model with"):
        checks.compare_bfloat16(BFLOAT16, {"top": CODES}, IMAGES, change(IMAGES, 9, 32))


def test_a_check_that_does_not_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "COMMAND", "import time; time.sleep(60)")
    monkeypatch.setattr(verification, "TIMEOUT_SECONDS", 0.2)
    reason = "loading and checking the artifact took longer than 0.2 seconds"
    with pytest.raises(ExportError, match=reason):
        verification._run(tmp_path / "expected.npz")


@pytest.mark.slow
def test_a_saved_model_of_other_weights_is_found_by_the_fresh_process(tmp_path):
    trained = make_model("two tiers")
    other = make_model("two tiers")
    other.projections[0].kernel.assign(-other.projections[0].kernel)
    trained.save(tmp_path / "model.keras")
    signatures.save(other, tmp_path / "saved_model" / "1")
    with pytest.raises(ExportError, match="not what was trained: saved_model gives"):
        verification.verify(tmp_path, 1, trained, {"float32": trained})
    shutil.copy(tmp_path / "model.keras", tmp_path / "whole.keras")
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(ExportError, match="not what was trained: .*model.keras"):
        verification.verify(tmp_path, 1, trained, {"float32": other})


@pytest.mark.slow
def test_a_hybrid_model_rebuilds_with_more_than_its_codes(tmp_path):
    quantizer = ProjectedLatents(VectorQuantizer(12, 3))
    model = VQVAE(quantizer, image_shape=(16, 32, 3), **SMALL)
    assert model.is_hybrid
    model.save(tmp_path / "model.keras")
    served = clone(model)
    signatures.save(served, tmp_path / "saved_model" / "1")
    found = verification.verify(tmp_path, 1, model, {"float32": served})
    assert found["saved_model"]["differing_codes"] == 0
    images = to_images(IMAGES.repeat(4, 1).repeat(8, 2))
    assert np.any(
        np.asarray(model.reconstruct(images))
        != np.asarray(model.decode(model.encode(images)))
    )
