"""Prints the tables of speed and memory of the README from the result files.

A figure stands in the table only if a file in `benchmarks/results` holds it; benchmarks
that have not run leave their rows out. Those of studies are printed by
`python -m vqzoo.studies.table` from the files in `recipes/`.

    python -m benchmarks.table
"""

from benchmarks import codec, measure, quantizer_training, quantizer_twins, sampling

# Case, batch size, images a second; precision, milliseconds.
IMAGES_TARGETS = (("vqvae_32_batch_256", 256, 1500), ("vqvae_32_batch_32", 32, 700))
STEP_TARGETS = (("float32", 213), ("mixed_bfloat16", 159))
LOW_RATE = 0.25  # bits a pixel, up to which the codec is compared
SERVING_TARGET = 0.8  # of the throughput of `predict`
HEADER = ("what", "vqzoo", "beside it", "target", "")


def main(flags):
    """Prints the tables as Markdown."""
    del flags
    if results := measure.read("quantizer_training"):
        print("\nTraining with each quantizer:\n")
        rows = map(quantizer_training.cells, results["rows"].values())
        _show(quantizer_training.HEADER, *rows)
    if results := measure.read("quantizer_twins"):
        print("\nBeside the twins in vector-quantize-pytorch:\n")
        _show(*quantizer_twins.rows_of(results))
    if results := measure.read("codec"):
        print("\nThe codec:\n")
        _show(*codec.rows_of(results))
    print("\nBeside others:\n")
    _show(HEADER, *(row for find in ROWS for row in find()))


def _show(header, *rows):
    for cells in (header, ("---",) * len(header), *rows):
        print(f"| {' | '.join(map(str, cells))} |")


def _verdict(value, target, at_least=True):
    """Whether a figure reaches its target, and by how much it does not."""
    if value >= target if at_least else value <= target:
        return "met"
    return f"missed by {abs(value / target - 1):.0%}"


def _join(*verdicts):
    return ", ".join(dict.fromkeys(verdicts))


def _median(spreads, *keys):
    for key in keys:
        spreads = spreads[key]
    return spreads["median"]


def quantizer_rows():
    """The quantizer's training step beside two libraries."""
    rows = []
    peers = {"torch": "vector-quantize-pytorch", "sonnet": "Sonnet"}
    targets = {("512", "torch"): 12, ("8192", "torch"): 10}
    for size, result in measure.read("quantizer_step").get("sizes", {}).items():
        ours = _median(result, "seconds", "vqzoo") * 1e3
        for peer, name in peers.items():
            theirs = _median(result, "seconds", peer) * 1e3
            times = _median(result, "times_faster", "vqzoo", peer)
            target = targets.get((size, peer), 1)
            rows.append(
                (
                    f"quantizer training step, 16,384 vectors, K = {size}",
                    f"{ours:.1f} ms, {times:.1f}x as fast",
                    f"{name}: {theirs:.1f} ms",
                    f"{target}x",
                    _verdict(times, target),
                )
            )
    return rows


def memory_rows():
    """Extra memory of the look-up in a large codebook."""
    results = measure.read("lookup_memory")
    if not results:
        return []
    extra = max(_median(mode, "extra_mb") for mode in results["modes"].values())
    return [
        (
            f"look-up, {results['vectors']:,} vectors, K = {results['codes']:,}",
            f"{extra:.0f} MB more",
            f"all scores: {results['all_scores_mb'] / 1e3:.1f} GB",
            "< 512 MB",
            _verdict(extra, 512, at_least=False),
        )
    ]


def throughput_rows():
    """Training speed of `fit`, beside the arithmetic that the machine has.

    Images a second are of the precision that `--precision=auto` takes there.
    """
    results = measure.read("throughput")
    cases = results.get("cases", {})
    has_bfloat16 = results and results["machine"]["bfloat16"]
    precision = "mixed_bfloat16" if has_bfloat16 else "float32"
    rows = [
        _images_row(
            cases[name], f"`fit` of `vqvae_32`, batch {size}", precision, target
        )
        for name, size, target in IMAGES_TARGETS
        if name in cases
    ]
    case = cases.get("vqvae2_64_batch_32")
    if case:
        rows += [_step_row(case, *target) for target in STEP_TARGETS]
    return rows


def _images_row(case, what, precision, target):
    images = _median(case, "images_per_second", precision)
    return (
        f"{what}, {precision}",
        f"{images:,.0f} images/s",
        _share(case, precision),
        f">= {target:,} images/s",
        _verdict(images, target),
    )


def _step_row(case, precision, target):
    milliseconds = _median(case, "step_seconds", precision) * 1e3
    return (
        f"step of `vqvae2_64`, batch 32, {precision}",
        f"{milliseconds:.0f} ms",
        _share(case, precision),
        f"<= {target} ms",
        _verdict(milliseconds, target, at_least=False),
    )


def _share(case, precision):
    share = _median(case, "share_of_matrix_product", precision)
    return f"{share:.0%} of the speed of a matrix product"


def import_rows():
    """Time of `import vqzoo` after Keras."""
    backends = measure.read("import_time").get("backends", {})
    return [
        (
            f"`import vqzoo`, {backend}",
            f"{_median(result, 'vqzoo'):.3f} s",
            f"keras: {_median(result, 'keras'):.2f} s",
            "< 0.3 s",
            _verdict(_median(result, "vqzoo"), 0.3, at_least=False),
        )
        for backend, result in backends.items()
    ]


def sampling_rows():
    """Samplers beside each other, and PixelSNAIL's seconds an image."""
    cases = measure.read("sampling").get("cases", {})
    rows = []
    for name, slow, fast, target in sampling.RATIOS:
        if name not in cases:
            continue
        times = cases[name]["ratios"][f"{slow} / {fast}"]["median"]
        seconds = cases[name]["seconds"]
        rows.append(
            (
                f"sampling {sampling.WORDS[name]}: {sampling.WORDS[fast]}",
                f"{seconds[fast]['median']:.2f} s, {times:.{0 if times > 10 else 1}f}x "
                "as fast",
                f"{sampling.WORDS[slow]}: {seconds[slow]['median']:.2f} s",
                f"{target}x",
                _verdict(times, target),
            )
        )
    if "pixelsnail_32" in cases:
        seconds = cases["pixelsnail_32"]["seconds"]
        for batch, target in ((1, 30), (16, 4)):
            each = seconds[f"batch {batch}"]["median"] / batch
            rows.append(
                (
                    f"sampling {sampling.WORDS['pixelsnail_32']}: PixelSNAIL of "
                    f"table 6.1, batch {batch}",
                    f"{each:.1f} s an image",
                    "",
                    f"<= {target} s",
                    _verdict(each, target, at_least=False),
                )
            )
    return rows


def serving_rows():
    """A SavedModel's `encode` and `decode` beside `predict` in the same process."""
    rows = []
    for case, contestants in measure.read("serving").get("cases", {}).items():
        batch = case.removeprefix("batch_")
        for precision in ("float32", "bfloat16"):
            ours = contestants[precision]
            times = ours["of_predict"]["median"]
            rows.append(
                (
                    f"SavedModel, `encode` and `decode`, {precision}, batch {batch}",
                    f"p50 {ours['p50_ms']:.1f} ms, p99 {ours['p99_ms']:.1f} ms, "
                    f"{times:.1f}x as fast",
                    "`predict`: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms".format(
                        **contestants["predict"]
                    ),
                    f"{SERVING_TARGET}x",
                    _verdict(times, SERVING_TARGET),
                )
            )
    return rows


def load_rows():
    """What a load of many clients, one request in ten malformed, did to a server."""
    results = measure.read("load_run")
    if "memory" not in results:
        return []
    growth = results["memory"]["growth"]
    whole = results["lost"] == results["crossed"] == 0
    return [
        (
            f"{results['requests']:,} requests of {results['clients']} clients, one in "
            "ten malformed",
            f"{results['lost']} lost, {results['crossed']} crossed, memory "
            f"{growth:+.1%} over the last four fifths",
            results["server"],
            "0, 0, < 2 %",
            _join(
                "met" if whole else "missed",
                "met" if growth < 0.02 else f"missed by {growth - 0.02:.1%}",
            ),
        )
    ]


def codec_rows():
    """Codes and sizes of the codec, and its errors beside JPEG and WebP."""
    rows = []
    for label, run in measure.read("codec").get("runs", {}).items():
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
            _verdict(back, 1),
        ),
        (
            f"{what}: file above 1.01 of its information, at most",
            f"{over:.0f} bytes",
            f"information: {prior['information_bytes']:.0f} bytes",
            "32 bytes",
            _verdict(over, 32, at_least=False),
        ),
        (
            f"{what}: file with priors, header and all",
            f"{saving:.1%} smaller",
            f"indices: {prior['index_bytes']:.0f} bytes",
            ">= 12 %",
            _verdict(saving, 0.12),
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
                    f"codec, {label}, {rate:.3f} bits a pixel, {kind}",
                    f"{psnr:.2f} dB",
                    f"{name.upper()}, no larger: {theirs['psnr']:.2f} dB{larger}",
                    f"+{targets[name]:.0f} dB",
                    "met" if missing <= 0 else f"missed by {missing:.2f} dB",
                )
            )
    return rows


def explorer_rows():
    """The explorer's first page and its edits."""
    rows = []
    for name, case in measure.read("explorer").get("cases", {}).items():
        for what, key, target in (
            ("first page after start", "first_page_seconds", 10),
            ("an edit", "edit_seconds", 1),
        ):
            seconds = case[key]["median"]
            rows.append(
                (
                    f"explorer, `{name}`: {what}",
                    f"{seconds:.2f} s",
                    "",
                    f"< {target} s",
                    _verdict(seconds, target, at_least=False),
                )
            )
    return rows


ROWS = (
    quantizer_rows,
    memory_rows,
    throughput_rows,
    import_rows,
    sampling_rows,
    serving_rows,
    load_rows,
    codec_rows,
    explorer_rows,
)

if __name__ == "__main__":
    measure.run(main)
