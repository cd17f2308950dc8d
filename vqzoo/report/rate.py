"""The section on how many bits images need, and what they lose."""

from vqzoo import measures, plots
from vqzoo.measures import rates
from vqzoo.measures.reconstruction import decode_tiers
from vqzoo.report.document import Skipped
from vqzoo.report.likelihood import tier_bits

TEXT = (
    "Bits per pixel of the codes against PSNR, from the top tier down to all of them: "
    "as raw indices (log2 K bits each), by the frequencies of the codes, and by the "
    "priors' exact likelihood where there are priors. Beside them JPEG and WebP, each "
    "image a file of its own, without headers and tables, which would be most of a "
    "small file; the table has whole files too. All are of the same test images, at "
    "most 1,000 of them. Images that were JPEG files before come back from JPEG better "
    "than others would."
)
NAMES = {
    "raw": "codes, raw indices",
    "unigram": "codes, by frequency",
    "prior": "codes, by the priors",
}


def fill(subject, section):
    """Rate and distortion of the codes and of image formats."""
    images = subject.images[: subject.sizes.some]
    series, table = {}, []
    with section.attempt("rate of the codes"):
        subject.need_whole_codes()
        for name, points in _of_codes(subject, section, images).items():
            series[NAMES[name]] = [p[1] for p in points], [p[2] for p in points]
            for tiers, rate, psnr in points:
                table.append((f"{NAMES[name]}, {tiers}", rate, "-", psnr))
                key = f"{name}_{tiers.replace(' + ', '_')}"
                section.add({f"{key}_bits_per_pixel": rate, f"{key}_psnr": psnr})
            section.add({f"{name}_bits_per_pixel": rate, "psnr": psnr})
    for file_format in rates.FORMATS:
        rows = rates.codec_curve(images, file_format)
        series[file_format] = (
            [row["data_bits_per_pixel"] for row in rows],
            [row["psnr"] for row in rows],
        )
        for row in rows:
            name = f"{file_format}, quality {row['quality']}"
            bits = row["data_bits_per_pixel"], row["bits_per_pixel"]
            table.append((name, *bits, row["psnr"]))
            key = f"{file_format.lower()}_{row['quality']}"
            section.add({f"{key}_bits_per_pixel": bits[0], f"{key}_psnr": row["psnr"]})
    section.picture(
        "Rate and distortion",
        f"{len(images):,} test images; further up and to the left is better.",
        plots.curves(series, "bits per pixel", "PSNR (dB)", log_x=True),
    )
    section.table(
        f"Rate and distortion, {len(images):,} test images",
        ("what", "bits per pixel", "with headers", "PSNR (dB)"),
        table,
    )


def _of_codes(subject, section, images):
    """Points `(tiers, bits per pixel, PSNR)` of each way of counting."""
    codes = subject.some_codes(len(images))
    bits = _prior_bits(subject, section)
    points, total = {}, {}
    for tier in subject.tiers:
        kept = [other.index <= tier.index for other in subject.tiers]
        rebuilt = decode_tiers(subject.decode, codes, kept)
        psnr = measures.reconstruction_error(images, rebuilt)["psnr"]
        found = rates.code_rates(
            codes[tier.index],
            subject.train_codes[tier.index],
            tier.num_embeddings,
            subject.num_pixels,
            bits.get(tier.name),
        )
        tiers = " + ".join(t.name for t in subject.tiers[: tier.index + 1])
        for name, rate in found.items():
            total[name] = total.get(name, 0.0) + rate
            points.setdefault(name, []).append((tiers, total[name], psnr))
    return points


def _prior_bits(subject, section):
    with section.attempt("rate by the priors"):
        if subject.drawn is None:
            raise Skipped("there is no prior: give the folder of a prior's run")
        return {name: row["test"] for name, row in tier_bits(subject).items()}
    return {}
