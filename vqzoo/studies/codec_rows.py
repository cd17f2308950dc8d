"""Tables of the codec, from benchmarks/results/codec.json."""

LOW_RATE = 0.25  # bits per pixel, up to which the codec is compared


def files(results):
    """Header and rows: the files of each mode, on each set of images."""
    header = (
        "images",
        "mode",
        "codes back",
        "bytes",
        "bits per pixel",
        "PSNR",
        "beside",
    )
    rows = []
    for label, run in results["runs"].items():
        for mode, figures in run["modes"].items():
            best = mode == run["mode"]
            rows.append(
                (
                    f"{label}, {run['images']:,} of {run['image_size']} pixels",
                    f"`{mode}`",
                    f"{figures['identical'] / run['images']:.0%}",
                    f"{figures['bytes']['median']:.0f}",
                    f"{figures['bits_per_pixel']:.2f}",
                    f"{run['rate_distortion']['psnr']:.2f} dB",
                    _words(run["rate_distortion"]["matched"]) if best else "",
                )
            )
    return header, *rows


def _words(matched):
    return "; ".join(
        f"{name.upper()} {psnrs['with headers']['psnr']:.2f} "
        f"({psnrs['without headers']['psnr']:.2f} without headers)"
        for name, psnrs in matched.items()
    )


def beside_formats(read):
    """Codes and sizes of the codec, and its errors beside JPEG and WebP."""
    rows = []
    for label, run in read("codec").get("runs", {}).items():
        prior = run["modes"].get("prior", {})
        if "most_over_information" in prior:
            rows += _exact_rows(label, run["images"], prior)
        best = run["modes"][run["mode"]]
        matched = run["rate_distortion"]["matched"]
        if matched and best["bits_per_pixel"] <= LOW_RATE:
            rows += _matched_rows(label, run, best["bits_per_pixel"], matched)
    return rows


def _exact_rows(label, images, prior):
    back, over = prior["identical"] / images, prior["most_over_information"]
    saving = prior["saving_over_indices"]
    what = f"codec, {images:,} images of {label}"
    return [
        (
            f"{what}: codes that come back",
            f"{back:.2%}",
            "",
            "100 %",
            "met" if back >= 1 else "missed",
        ),
        (
            f"{what}: file above 1.01 of its information, at most",
            f"{over:.0f} bytes",
            f"information: {prior['information_bytes']:.0f} bytes",
            "32 bytes",
            "met" if over <= 32 else f"missed by {over / 32 - 1:.0%}",
        ),
        (
            f"{what}: file with priors, header and all",
            f"{saving:.1%} smaller",
            f"indices: {prior['index_bytes']:.0f} bytes",
            ">= 12 %",
            "met" if saving >= 0.12 else f"missed by {1 - saving / 0.12:.0%}",
        ),
    ]


def _matched_rows(label, run, rate, matched):
    targets = {"jpeg": 1.0, "webp": 0.0}
    psnr = run["rate_distortion"]["psnr"]
    rows = []
    for name, by_kind in matched.items():
        for kind, theirs in by_kind.items():
            missing = targets[name] - theirs["gain_db"]
            larger = f" ({theirs['larger']} larger: its smallest)" * (
                theirs["larger"] > 0
            )
            rows.append(
                (
                    f"codec, {label}, {rate:.3f} bits per pixel, {kind}",
                    f"{psnr:.2f} dB",
                    f"{name.upper()}, no larger: {theirs['psnr']:.2f} dB{larger}",
                    f"+{targets[name]:.0f} dB",
                    "met" if missing <= 0 else f"missed by {missing:.2f} dB",
                )
            )
    return rows
