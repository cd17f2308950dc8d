import numpy as np

from vqzoo import datasets


def test_values_from_128_on_are_white(tmp_path):
    from PIL import Image

    for number in range(12):
        levels = np.array([[number, 127], [128, 255 - number]], "uint8")
        Image.fromarray(levels).save(tmp_path / f"{number}.png")
    splits, gray = (
        datasets.load(name, data_dir=tmp_path, image_size=2)
        for name in ("binary_folder", "folder")
    )
    for split in (splits.train, splits.validation, splits.test):
        images, _ = split.arrays()
        assert (images[..., 0] == [[-0.5, -0.5], [0.5, 0.5]]).all()
    assert splits.train.size == gray.train.size
    assert splits.fingerprint != gray.fingerprint
