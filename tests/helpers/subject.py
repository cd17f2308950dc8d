"""A small model, images of three classes, and what is measured of them."""

import numpy as np

from tests.helpers import pipelines
from tests.helpers.small_models import model_of
from vqzoo.measures import Data, Sizes, Subject

CLASSES = ("dark", "red", "bright")
SIZES = Sizes(
    images=48,
    train_images=60,
    some=24,
    few=8,
    pairs=4,
    points=24,
    compared=40,
    judge_steps=3,
    retrain_steps=2,
    samples=12,
    factor_images=9,
)
OPTIONS = {
    "retrain": False,
    "quick": True,
    "representation": "indices",
    "watts": 100.0,
    "carbon_intensity": 0.4,
    "training_hours": 0.0,
}


def images_of(count, seed, side=16, channels=3):
    """Images of three classes by turns, and their labels."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(-0.3, 0.3, (count, side // 4, side // 4, channels))
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)
    labels = np.arange(count) % 3
    images += (np.array([-0.2, 0.0, 0.2])[labels])[:, None, None, None]
    images[labels == 1, :, :, 0] += 0.2
    return images.astype("float32"), labels


def data_of(count=48, num_train=60, *, labeled=True, **options):
    """`Data` of such images."""
    images, labels = images_of(count, 1, **options)
    train_images, train_labels = images_of(num_train, 2, **options)
    return Data(
        name="made up",
        images=images,
        labels=labels if labeled else None,
        train_images=train_images,
        train_labels=train_labels if labeled else None,
        class_names=CLASSES if labeled else (),
        fingerprint="f00d" * 16,
    )


def pipeline_of(model, num_classes=3):
    """Priors over the codes of `model_of`, not trained."""
    return pipelines.pipeline_of(num_classes, names=CLASSES, model=model)


def subject_of(model=None, data=None, *, sizes=SIZES, options=None, **rest):
    """`Subject` of a small model with two tiers, or of another one."""
    model = model_of(0) if model is None else model
    data = data_of() if data is None else data
    return Subject(model, data, sizes, options={**OPTIONS, **(options or {})}, **rest)
