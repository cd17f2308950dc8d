"""Every measurement on a small model, and on what cannot be measured."""

import dataclasses
import functools

import numpy as np
import pytest

from tests.helpers import subject as small
from vqzoo import layers, models, plots, registry
from vqzoo.measures import (
    as_json,
    disentanglement,
    factor_information,
    judge,
    measure,
    rate_distortion,
)
from vqzoo.measures.data import check_labels
from vqzoo.measures.reconstruction import reconstruction_error
from vqzoo.ops import main_axis_order
from vqzoo.report import render

SLOW = ("samples", "likelihood", "classification_accuracy_score", "disentanglement")
SLOW += ("guidance",)
NAMES = registry.names("measures")
# Measures of other models: of dense codes, hybrid latents, vectors, sequences, worlds.
OF_OTHERS = ("filters", "hybrid_rate", "identifiers", "posterior", "ranking", "signals")
OF_OTHERS += ("control", "imagination", "state_variables")
TINY = {"num_channels": 8, "residual_channels": 4, "num_residual_blocks": 1}


def section_of(subject, name):
    (section,) = measure(subject, [name])
    return section


@pytest.fixture(scope="module")
def subject():
    sizes = {"val_top_latent_log_volume": -1.0, "val_top_latent_norm": 2.0}
    history = [
        {"epoch": n + 1, "seconds": 36.0, "loss": loss, "val_loss": loss + 1}
        | {"val_top_perplexity": 4.0 + n, "val_top_usage": 0.5, **sizes}
        for n, loss in enumerate((4.0, 2.0, 3.0, 1.0))
    ]
    return small.subject_of(history=history)


@pytest.fixture(scope="module")
def sections(subject):
    names = set(NAMES) - {*SLOW, *OF_OTHERS}
    return {name: section_of(subject, name) for name in sorted(names)}


@functools.cache
def autoencoder_subject():
    model = models.VAE(image_shape=(16, 16, 3), latent_dim=5, stride=4, **TINY)
    return small.subject_of(model)


def test_numbers_alone_are_those_of_a_page_without_its_figures(
    subject, sections, monkeypatch
):
    def refuse(*arguments, **options):
        raise AssertionError("a figure was drawn")

    assert sections["reconstruction"].pictures != []
    for name in plots.__all__:
        monkeypatch.setattr(plots, name, refuse)
    names = sections.keys() - {"cost"}  # Its speeds are never the same twice.
    for section in measure(subject, names, draws=False):
        assert section.metrics == sections[section.name].metrics
        assert section.skipped == sections[section.name].skipped
        assert section.pictures == []


def test_every_section_of_a_whole_model_has_numbers(sections):
    assert all(section.metrics for section in sections.values())
    assert not any("all of it" in section.skipped for section in sections.values())
    for section in sections.values():
        assert all(np.isfinite(value) for value in section.metrics.values())


def test_errors_are_of_the_images_and_of_each_tier(sections, subject):
    found = sections["reconstruction"]
    rebuilt = np.clip(subject.model(subject.images), -0.5, 0.5)
    error = np.mean((rebuilt - subject.images) ** 2)
    assert found.metrics["mean_squared_error"] == pytest.approx(error, rel=1e-4)
    assert found.metrics["all_tiers_psnr"] > found.metrics["top_alone_psnr"] - 1
    assert found.skipped.keys() == {"MS-SSIM"}  # 16 pixels have one scale


def test_codebooks_are_counted_over_all_images(sections, subject):
    found = sections["codebook"].metrics
    used = len(np.unique(subject.codes[0])) / 8
    assert found["top_usage"] == used and "bottom_rank_correlation" in found


def test_a_bypassed_tier_is_told_in_words(sections):
    words = sections["latent_maps"].remarks
    assert len(words) == 2 and all("cost" in each for each in words)
    assert sections["latent_maps"].metrics.keys() >= {
        "top_shuffled_loss",
        "bottom_bypassed",
        "top_label_bits",
    }


def test_a_probe_reads_classes_that_differ_in_brightness(sections):
    found = sections["probe"].metrics
    assert found["bottom_vectors_accuracy"] > found["top_indices_majority_accuracy"]
    assert "top_indices_10_labels" in found
    # There are 60 training images: efficiency takes 10,000 labels.
    reason = sections["probe"].skipped["statistical efficiency of top, indices"]
    assert "100 and 10,000 labels" in reason


def test_brittleness_has_psnr_and_agreement_of_each_tier(sections):
    found = sections["brittleness"].metrics
    assert found["top_0.1_1_psnr"] >= found["top_1_1_psnr"]
    assert 0 <= found["bottom_0.5_10_agreement"] <= 1
    assert "bottom_0.5_50_psnr" not in found  # 16 codes
    assert found["bottom_sorted_0.25_1_psnr"] >= found["bottom_sorted_1_1_psnr"] > 0
    assert 0 <= found["top_sorted_1_1_agreement"] <= 1
    assert sections["brittleness"].skipped == {}


def test_sorting_changes_nothing_where_codes_are_in_their_order(subject, sections):
    section = sections["brittleness"].metrics
    layer = subject.tiers[1].layer
    codebook = np.asarray(layer.codebook)
    order = np.asarray(main_axis_order(codebook))
    layer.codebook.assign(codebook[order])
    try:
        again = small.subject_of(subject.model)
        found = section_of(again, "brittleness").metrics
    finally:
        layer.codebook.assign(codebook)
    for key in ("0.25_1_psnr", "1_1_psnr"):
        expected = section[f"bottom_sorted_{key}"]
        assert found[f"bottom_{key}"] == pytest.approx(expected, rel=1e-3)
        assert found[f"bottom_sorted_{key}"] == pytest.approx(expected, rel=1e-3)


def test_mid_points_are_compared_with_blends_and_real_images(sections):
    found = sections["interpolation"]
    for row in ("indices", "codes", "latents", "pixels", "real", "rebuilt"):
        assert found.metrics[f"{row}_nearest_real"] > 0
    assert found.metrics["indices_likeness"] > 0 and len(found.remarks) == 3


def test_rates_add_up_over_tiers_and_formats_stand_beside_them(sections):
    found = sections["rate_distortion"].metrics
    assert found["raw_top_bits_per_pixel"] == 4 * 3 / 256
    both = found["raw_top_bottom_bits_per_pixel"]
    assert both == pytest.approx(4 * 3 / 256 + 16 * 4 / 256)
    assert found["unigram_top_bits_per_pixel"] <= 4 * 3.2 / 256
    assert found["jpeg_92_psnr"] > found["jpeg_5_psnr"]
    reason = sections["rate_distortion"].skipped["rate by the priors"]
    assert "folder of a prior" in reason


def test_formats_and_codes_are_measured_on_the_same_images(
    sections, subject, monkeypatch
):
    found = sections["rate_distortion"].metrics
    assert found["psnr"] == found["raw_top_bottom_psnr"]
    assert found["raw_bits_per_pixel"] == found["raw_top_bottom_bits_per_pixel"]
    assert "24 test images" in sections["rate_distortion"].tables[0].title
    measured = []

    def codec_curve(images, file_format):
        measured.append(images)
        return []

    monkeypatch.setattr(rate_distortion, "codec_curve", codec_curve)
    section = section_of(subject, "rate_distortion")
    for images in measured:
        np.testing.assert_array_equal(images, subject.images[:24])
    rebuilt = subject.rebuilt[:24]
    psnr = reconstruction_error(subject.images[:24], rebuilt)["psnr"]
    assert len(measured) == 2 and section.metrics["psnr"] == pytest.approx(psnr)


def test_sets_stand_beside_their_floor(sections):
    found = sections["sets"].metrics
    assert found["floor_fd_resnet"] > 0 and found["reconstructions_fd_resnet"] > 0
    assert 0 <= found["reconstructions_precision"] <= 1
    assert "FID" in sections["sets"].skipped and "samples" in sections["sets"].skipped
    # Brightness tells the classes, to the judge too.
    assert found["floor_of_the_class"] == sections["judge"].metrics["top1"]
    assert 0 <= found["reconstructions_of_the_class"] <= 1


def test_the_steepest_rise_and_the_hours_are_those_of_the_history(sections):
    found = sections["training"].metrics
    assert found["training_loss_jump"] == 1 and found["training_loss_record"] == 2
    cost = sections["cost"].metrics
    assert cost["training_hours"] == pytest.approx(0.04)
    assert cost["training_co2_kg"] == pytest.approx(0.04 * 0.1 * 0.4)
    assert cost["encoding_multiply_adds"] > 10_000
    assert cost["encoding_images_per_second"] > 0


def test_rises_of_the_training_loss_are_those_within_epochs(subject):
    losses = [{"step": 10 * n + 10, "loss": v} for n, v in enumerate((4, 1, 3.5, 2))]
    section = section_of(
        small.subject_of(history=subject.history, losses=losses), "training"
    )
    found = section.metrics
    assert found["training_loss_jump"] == 2.5 and found["training_loss_records"] == 4
    assert found["validation_loss_jump"] == 1 and section.remarks == []
    (table,) = section.tables
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["training"] == (2.5, pytest.approx(2.5 / 3), "step 30", 4)
    assert rows["validation"][2:] == ("epoch 3", 4)


def test_without_losses_of_steps_it_is_said_that_epochs_are_compared(sections):
    (said,) = sections["training"].remarks
    assert "no losses.csv" in said and "from epoch to epoch" in said


def test_the_page_of_all_sections_shows_no_nan(sections):
    page = render("t", {}, list(sections.values()))
    assert "nan<" not in page and "inf<" not in page
    assert page.count("<section") == len(sections) + 1
    numbers = as_json(list(sections.values()))
    assert numbers["metrics"]["probe"] == sections["probe"].metrics
    assert numbers["skipped"]["sets"]["FID"]


def test_priors_are_measured_and_their_samples_compared():
    model = small.model_of(0)
    subject = small.subject_of(model, pipeline=small.pipeline_of(model))
    likelihood = section_of(subject, "likelihood").metrics
    assert 2 < likelihood["top_test_bits_per_code"] < 4
    expected = 4 * likelihood["top_test_bits_per_code"]
    expected += 16 * likelihood["bottom_test_bits_per_code"]
    assert likelihood["test_bits_per_pixel"] == pytest.approx(expected / 256)
    samples = section_of(subject, "samples")
    assert samples.metrics["diversity"] > 0 and samples.metrics["bits_per_sample"] > 0
    assert samples.metrics["nearest_training_image_ratio"] > 0
    assert len(samples.pictures) == 3
    rate = section_of(subject, "rate_distortion").metrics
    assert rate["prior_top_bottom_bits_per_pixel"] == pytest.approx(
        likelihood["test_bits_per_pixel"]
    )
    sets = section_of(subject, "sets").metrics
    assert sets["samples_fd_resnet"] > 0 and sets["samples_floor_fd_resnet"] > 0
    assert 0 <= sets["samples_of_the_class"] <= 1


def test_a_perceptual_distance_that_is_given_is_measured(subject):
    def distance(images, outputs):
        return np.abs(images - outputs).mean(axis=(1, 2, 3))

    given = small.subject_of(options={"lpips": distance})
    section = section_of(given, "reconstruction")
    some = slice(given.sizes.some)
    expected = distance(given.images[some], given.rebuilt[some]).mean()
    assert section.metrics["lpips"] == pytest.approx(expected, rel=1e-5)
    assert any("LPIPS of" in remark for remark in section.remarks)
    assert "lpips" not in section_of(subject, "reconstruction").metrics


def test_samples_are_compared_beside_as_many_real_images():
    model = small.model_of(0)
    subject = small.subject_of(
        model,
        small.data_of(9, labeled=False),
        pipeline=small.pipeline_of(model, num_classes=0),
        options={"inception": lambda images: images.reshape(len(images), -1)[:, :4]},
    )
    assert len(subject.samples.images) == 12
    section = section_of(subject, "sets")
    table, of_inception = section.tables
    counts = {row[0]: row[1] for row in table.rows}
    assert list(counts.values()) == [9, 9, 9, 9]
    assert "as many as samples" in list(counts)[2]
    assert "60 real training images" in table.title
    assert [row[1:3] for row in of_inception.rows] == [
        (9, 60),
        (9, 9),
        (9, 60),
        (9, 60),
    ]
    found = section.metrics
    assert found["samples_floor_fid"] == found["floor_fid"]


def test_too_few_samples_leave_the_other_sets():
    model = small.model_of(0)
    sizes = dataclasses.replace(small.SIZES, samples=3)
    subject = small.subject_of(
        model,
        small.data_of(labeled=False),
        sizes=sizes,
        pipeline=small.pipeline_of(model, num_classes=0),
    )
    section = section_of(subject, "sets")
    assert "more than 3 vectors" in section.skipped["samples"]
    assert section.metrics["floor_fd_encoder"] > 0
    assert len(section.tables[0].rows) == 2


def test_samples_of_one_class_leave_the_score_of_the_other_images(monkeypatch):
    def fit(images, labels, num_classes, steps):
        check_labels(labels, 1)
        return Named()

    class Named:
        def accuracy(self, images, labels, top):
            return 0.5

    monkeypatch.setattr(judge, "fit_classifier", fit)
    model = small.model_of(0)
    subject = small.subject_of(
        model, pipeline=small.pipeline_of(model), options={"retrain": True}
    )
    subject.samples = dataclasses.replace(subject.samples, labels=np.zeros(12, int))
    section = section_of(subject, "classification_accuracy_score")
    assert section.metrics["real_top1"] == section.metrics["reconstructions_top1"]
    assert section.metrics["reconstructions_of_real"] == 1
    assert [row[0] for row in section.tables[0].rows] == ["real", "reconstructions"]
    assert "at least 2 classes" in section.skipped["samples"]
    assert section.skipped.keys() == {"samples"}


@pytest.mark.slow
def test_the_accuracy_score_is_of_real_of_rebuilt_and_of_drawn_images():
    model = small.model_of(0)
    subject = small.subject_of(
        model, pipeline=small.pipeline_of(model), options={"retrain": True}
    )
    found = section_of(subject, "classification_accuracy_score").metrics
    assert {"real_top1", "reconstructions_top1", "samples_top1"} <= found.keys()
    assert found.get("real_of_real", 1) == 1


def test_disentanglement_is_measured_of_images_with_known_factors(monkeypatch):
    def sample_factors(count, generator):
        return np.stack([generator.integers(n, size=count) for n in (3, 2)], axis=1)

    def images_of(factors):
        images = np.zeros((len(factors), 16, 16, 1), "float32")
        images[:, :8] += (factors[:, 0] / 2 - 0.5)[:, None, None, None]
        images[:, 8:] += (factors[:, 1] - 0.5)[:, None, None, None]
        return images

    def scores(sample_factors, represent, num_test):
        """One of the measures: all of them take minutes."""
        assert num_test == small.SIZES.factor_images
        factors = sample_factors(200, np.random.default_rng(0))
        codes = represent(factors)
        assert codes.shape in ((200, 8), (200, 16))  # a share for each code
        gap = factor_information.mutual_information_gap(codes, factors)
        return {"gap": gap, "gap_floor": 0.1}

    monkeypatch.setattr(disentanglement, "disentanglement_scores", scores)
    options = {"factors": (sample_factors, images_of), "representation": "histogram"}
    section = section_of(small.subject_of(options=options), "disentanglement")
    assert section.skipped == {}
    assert 0 <= section.metrics["top_histogram_gap"] <= 1
    ((name, _, floor, *_),) = section.tables[0].rows
    assert (name, floor) == ("gap", 0.1)


def test_images_with_known_factors_of_another_size_are_refused():
    def images_of(factors):
        return np.zeros((len(factors), 64, 64, 1), "float32")

    options = {"factors": (lambda n, g: np.zeros((n, 2), int), images_of)}
    section = section_of(small.subject_of(options=options), "disentanglement")
    assert "are 64 x 64, the model's 16 x 16" in section.skipped["all of it"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("codebook", "the model has no codes"),
        ("latent_maps", "the model has no codes"),
        ("brittleness", "the model has no codes"),
        ("disentanglement", "--factors=sprites"),
        ("classification_accuracy_score", "--retrain"),
        ("training", "no history.csv"),
    ],
)
def test_a_model_without_codes_skips_what_takes_codes(name, reason):
    section = section_of(autoencoder_subject(), name)
    assert reason in section.skipped["all of it"] and section.metrics == {}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("reconstruction", "psnr"),
        ("probe", "latents_accuracy"),
        ("latents", "latents_first_axis_share"),
        ("interpolation", "latents_likeness"),
        ("likelihood", "elbo"),
        ("samples", "diversity"),
    ],
)
def test_a_model_without_codes_has_all_that_takes_none(name, number):
    section = section_of(autoencoder_subject(), name)
    assert np.isfinite(section.metrics[number])


def test_data_without_labels_has_no_probe_and_is_compared_by_the_encoder():
    subject = small.subject_of(data=small.data_of(labeled=False))
    for name in ("probe", "judge"):
        reason = section_of(subject, name).skipped["all of it"]
        assert "made up has no labels" in reason
    assert "floor_fd_encoder" in section_of(subject, "sets").metrics
    brittle = section_of(subject, "brittleness")
    assert "top_1_1_psnr" in brittle.metrics
    assert "no judge" in brittle.skipped["the top tier"]
    assert len(section_of(subject, "latents").pictures) >= 4


def with_labels(labels, train_labels):
    data = small.data_of(len(labels), len(train_labels))
    fields = {**vars(data), "labels": labels, "train_labels": train_labels}
    return small.subject_of(data=type(data)(**fields))


def test_one_class_alone_has_no_probe_and_no_judge():
    subject = with_labels(np.zeros(20, int), np.zeros(30, int))
    for name in ("probe", "judge"):
        assert "at least 2 classes" in section_of(subject, name).skipped["all of it"]
    assert (
        "one class"
        in section_of(subject, "latent_maps").skipped["information about the label"]
    )
    assert subject.features_name == "encoder"


def test_fewer_images_than_folds_have_no_probe():
    subject = with_labels(np.array([0, 1, 0, 1]), np.arange(6) % 2)
    reason = section_of(subject, "probe").skipped["all of it"]
    assert "with 5 members or more, received class counts [2, 2]" in reason


def test_classes_of_fewer_images_than_folds_are_left_out_of_the_probe():
    labels = np.repeat([0, 1, 2], [20, 3, 20])
    section = section_of(with_labels(labels, np.arange(60) % 3), "probe")
    assert section.remarks == [
        "Left out: 1 of 3 classes, with 3 of 43 images, as there are 5 folds and fewer "
        "images of each of these classes."
    ]
    assert section.metrics["left_out_images"] == 3
    assert section.metrics["top_indices_majority_accuracy"] == 0.5
    (table,) = (each for each in section.tables if each.title == "Accuracy, 5 folds")
    assert {row[-1] for row in table.rows} == {40}
    assert "top_indices_10_labels" in section.metrics


def test_one_image_is_measured_as_far_as_it_goes():
    subject = small.subject_of(data=small.data_of(1, 1))
    found = measure(subject, ("reconstruction", "interpolation"))
    assert np.isfinite(found[0].metrics["psnr"])
    assert found[1].skipped == {"all of it": "it needs two images"}


def test_hybrid_latents_are_rebuilt_whole_and_skip_what_takes_codes_alone():
    layer = layers.ProjectedLatents(
        layers.VectorQuantizer(8, 4, codebook_init="random_normal")
    )
    subject = small.subject_of(models.VQVAE(layer, image_shape=(16, 16, 3), **TINY))
    found = section_of(subject, "reconstruction")
    expected = np.clip(subject.model(subject.images), -0.5, 0.5)
    np.testing.assert_allclose(subject.rebuilt, expected, atol=1e-5)
    assert "hybrid" in found.skipped["tiers left out"]
    assert "hybrid" in section_of(subject, "brittleness").skipped["all of it"]
    assert "bottom_usage" in section_of(subject, "codebook").metrics


def test_several_indices_for_each_latent_are_measured_where_they_can_be():
    stages = [
        layers.VectorQuantizer(8, 4, codebook_init="random_normal") for _ in range(2)
    ]
    subject = small.subject_of(
        models.VQVAE(layers.ResidualQuantizer(stages), image_shape=(16, 16, 3), **TINY)
    )
    found = section_of(subject, "codebook")
    assert {"bottom_1_ordering", "bottom_2_ordering"} <= found.metrics.keys()
    probe = section_of(subject, "probe")
    assert "bottom_one_hot_accuracy" in probe.metrics
    assert "several indices" in probe.skipped["bottom, code vectors"]
    rate = section_of(subject, "rate_distortion").metrics
    assert rate["raw_bottom_bits_per_pixel"] == 16 * 2 * 3 / 256
    assert "one code" in section_of(subject, "interpolation").skipped["all of it"]


def test_tiers_that_are_decoded_apart_are_not_called_bypassed():
    tiers = [
        layers.VectorQuantizer(8, 4, codebook_init="random_normal") for _ in range(2)
    ]
    model = models.SeparateVQVAEs(tiers, image_shape=(16, 16, 3), **TINY)
    found = section_of(small.subject_of(model), "latent_maps")
    assert "decoded on its own" in found.skipped["shuffled tiers"]
    assert "top_bypassed" not in found.metrics


def test_priors_of_other_classes_are_not_asked_for_the_likelihood():
    model = small.model_of(0)
    drawn = small.pipeline_of(model, num_classes=2)
    section = section_of(small.subject_of(model, pipeline=drawn), "likelihood")
    reason = "the priors know the classes dark, red, the data has dark, red, bright"
    assert section.skipped == {"all of it": reason}


def test_fid_is_of_the_network_that_the_user_gives():
    def features(images):
        return images.reshape(len(images), -1)[:, :20]

    subject = small.subject_of(
        data=small.data_of(labeled=False), options={"inception": features}
    )
    section = section_of(subject, "sets")
    found = section.metrics
    assert found["floor_fid"] > 0 and found["reconstructions_fid"] > 0
    assert (
        "samples_fid" not in found
        and "folder of a prior" in section.skipped["FID of samples"]
    )
