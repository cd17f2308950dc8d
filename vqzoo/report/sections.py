"""All measurements of a report, in their order."""

from vqzoo.report import (
    brittleness,
    codebooks,
    cost,
    factors,
    interpolation,
    judge,
    latents,
    likelihood,
    probe,
    rate,
    reconstruction,
    samples,
    sets,
    training,
)

ACCURACY_SCORE_TEXT = (
    "Classifiers learn from real training images, from reconstructions of them and "
    "from samples, in equally many steps, and real test images judge them: the nearer "
    "to real data, the more of the classes the images carry."
)
# Name, title, text, function.
MEASUREMENTS = (
    ("reconstruction", "Reconstruction", reconstruction.TEXT, reconstruction.fill),
    ("codebook", "Codebooks", codebooks.TEXT, codebooks.fill),
    ("latent_maps", "Maps of codes", codebooks.MAPS_TEXT, codebooks.fill_maps),
    ("rate_distortion", "Rate and distortion", rate.TEXT, rate.fill),
    ("probe", "What a probe reads", probe.TEXT, probe.fill),
    ("latents", "How latents lie", latents.TEXT, latents.fill),
    ("judge", "The judge", judge.TEXT, judge.fill),
    ("brittleness", "Brittleness", brittleness.TEXT, brittleness.fill),
    ("interpolation", "Interpolation", interpolation.TEXT, interpolation.fill),
    ("likelihood", "Likelihood", likelihood.TEXT, likelihood.fill),
    ("sets", "Sets of images", sets.TEXT, sets.fill),
    ("samples", "Samples", samples.TEXT, samples.fill),
    (
        "classification_accuracy_score",
        "Classification accuracy score",
        ACCURACY_SCORE_TEXT,
        samples.fill_accuracy_score,
    ),
    ("disentanglement", "Disentanglement", factors.TEXT, factors.fill),
    ("training", "Training", training.TEXT, training.fill),
    ("cost", "Cost", cost.TEXT, cost.fill),
)
# What a reader looks for first: section, number, words.
GLANCE = (
    ("reconstruction", "psnr", "PSNR of test images (dB)"),
    ("reconstruction", "mean_squared_error", "mean squared error"),
    ("reconstruction", "ssim", "SSIM"),
    ("codebook", "top_perplexity", "set perplexity of the top codes"),
    ("codebook", "bottom_perplexity", "set perplexity of the bottom codes"),
    ("likelihood", "test_bits_per_pixel", "bits per pixel under the priors"),
    ("probe", "top_indices_accuracy", "probe on top indices"),
    ("probe", "bottom_indices_accuracy", "probe on bottom indices"),
    ("sets", "samples_fd_resnet", "FD-resnet of samples"),
    ("sets", "samples_floor_fd_resnet", "its floor, real images in equal number"),
    ("cost", "weights", "weights"),
)


def named(names):
    """The measurements of some names, in their order; of no names all."""
    return [each for each in MEASUREMENTS if each[0] in names or not names]


def glance(sections):
    """`(words, value, section name)` of the numbers that there are."""
    by_name = {section.name: section for section in sections}
    return [
        (words, by_name[section].metrics[number], section)
        for section, number, words in GLANCE
        if section in by_name and number in by_name[section].metrics
    ]
