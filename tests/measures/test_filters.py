import numpy as np
import pytest

from tests.helpers import subject as small
from tests.helpers.case import FEW_CHANNELS
from vqzoo.measures import measure
from vqzoo.measures.filters import areas, filters, shown
from vqzoo.models import Autoencoder


def decode(latents):
    """Unit 0 lights one of 4 pixels, unit 1 all alike, over a gray image."""
    (latents,) = latents
    images = np.full((len(latents), 2, 2, 1), 0.1)
    images[:, 0, 0, 0] += latents[:, 0]
    return images + latents[:, 1, None, None, None]


def test_a_filter_is_what_a_unit_adds_at_its_mean_where_it_is_active():
    latents = np.array([[0, 3, 0], [0, 1, 0], [0.5, 0, 0]], "float32")
    drawn = filters(decode, latents)
    assert len(drawn) == 2  # the third unit is never active
    np.testing.assert_allclose(drawn[0], 2)  # the one that is active most often
    np.testing.assert_allclose(drawn[1, :, :, 0], [[0.5, 0], [0, 0]], atol=1e-7)


def test_the_area_is_the_share_of_pixels_that_change():
    one, all_alike, two, none = np.zeros((4, 2, 2, 3))
    one[0, 1] = 7
    all_alike[:] = -0.1
    two[0] = 1
    found = areas(np.stack([one, all_alike, two, none]))
    np.testing.assert_allclose(found, [0.25, 1, 0.5, 0])


def test_filters_are_drawn_as_strong_as_can_be():
    drawn = shown(np.array([0.01, -4.0, 0]).reshape(3, 1, 1, 1))
    assert drawn.ravel().tolist() == [0.5, -0.5, 0]


def test_a_report_has_them_of_a_sparse_autoencoder_and_of_no_codes():
    model = Autoencoder(
        image_shape=(16, 16, 3), latent_dim=6, num_active=2, **FEW_CHANNELS
    )
    (section,) = measure(small.subject_of(model), ["filters"])
    assert section.metrics["active_units"] == pytest.approx(2)
    assert 2 <= section.metrics["units_in_use"] <= 6
    assert 0 < section.metrics["area"] <= 1
    (section,) = measure(small.subject_of(), ["filters"])
    (reason,) = section.skipped.values()
    assert "not a single vector" in reason
