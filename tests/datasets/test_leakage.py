import numpy as np
from PIL import Image

from vqzoo.datasets.folder import load_folder
from vqzoo.datasets.leakage import near_duplicates


def smooth(number, side=64):
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def test_pictures_that_were_encoded_or_resized_anew_are_found(tmp_path):
    for number in range(40):
        path = tmp_path / "train" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        smooth(number).save(path)
    (tmp_path / "test").mkdir()
    smooth(3).save(tmp_path / "test" / "again.jpg", quality=40)
    smooth(5).resize((150, 150)).save(tmp_path / "test" / "larger.png")
    for number in range(100, 110):
        smooth(number).save(tmp_path / "test" / f"{number}.png")
    splits = load_folder(tmp_path, image_size=32, validation_fraction=0.05)
    leakage = splits.summary["leakage"]
    assert leakage["count"] == 2
    assert dict(leakage["examples"]) == {
        "test/again.jpg": "train/3.png",
        "test/larger.png": "train/5.png",
    }


def test_flat_and_noisy_pictures_are_no_duplicates():
    noise = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 3), np.uint8)
    flat = (
        np.zeros((60, 16, 16, 3), np.uint8)
        + np.arange(60, dtype=np.uint8)[:, None, None, None]
    )
    images = np.concatenate([noise, flat])
    rows = {
        "train": np.arange(0, 120, 2),
        "validation": np.arange(1, 60, 2),
        "test": np.arange(61, 120, 2),
    }
    assert near_duplicates(images, rows) == []
    images[1] = images[0]
    assert near_duplicates(images, rows) == [(1, 0)]
