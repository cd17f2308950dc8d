"""Tables of speed and memory, from the files in benchmarks/results.

A figure stands in a table only if a file holds it; benchmarks that have not run leave
their rows out. Each function takes `read`, from a benchmark's name to its results, or
{} where it has not run.
"""

from vqzoo.studies import cells, codec_rows, encode_rows, world_rows

# Case, batch size, images per second; precision, milliseconds.
IMAGES_TARGETS = (("vqvae_32_batch_256", 256, 1500), ("vqvae_32_batch_32", 32, 700))
STEP_TARGETS = (("float32", 213), ("mixed_bfloat16", 159))
SERVING_TARGET = 0.8  # of the throughput of `predict`
TWINS_TARGET = 3
# Case, contestant that is slower, contestant that is faster, times that is asked for.
RATIOS = (
    ("gated_8", "predict", "cached", 40),
    ("gated_8", "whole", "cached", 20),
    ("gated_16", "whole", "cached", 60),
    ("maskgit_8", "cached", "maskgit", 5),
    ("pixelsnail_32", "batch 1", "gan", 100),
    ("scales_16", "raster", "scales", 8),
    ("scales_16", "raster", "five scales", 8),
)
WORDS = {
    "gated_8": "64 grids of 8 x 8, gated PixelCNN of 12 x 64",
    "gated_16": "64 grids of 16 x 16, gated PixelCNN of 12 x 128",
    "pixelsnail_32": "32 x 32 codes",
    "maskgit_8": "64 grids of 8 x 8",
    "scales_16": "64 grids of 16 x 16, transformers of 6 x 192",
    "raster": "cached, in raster order",
    "scales": "next-scale, 10 scales of 680 codes",
    "five scales": "next-scale, 5 scales of 341 codes",
    "cached": "cached, one position at a time",
    "whole": "the whole network for each position",
    "predict": "a loop of `predict`",
    "maskgit": "MaskGIT in 12 steps",
    "batch 1": "PixelSNAIL of table 6.1, one image",
    "gan": "the progressive GAN of table 6.3, one image",
}
HEADER = ("what", "vqzoo", "beside it", "target", "")


def beside_others(read):
    """What vqzoo does beside other libraries and beside its targets."""
    return HEADER, *(row for find in ROWS for row in find(read))


def twins(read):
    """The training step of each quantizer beside its twin in another library."""
    rows = [("quantizer", "vqzoo", "twin", "times as fast", f"{TWINS_TARGET}x")]
    for name, pair in read("quantizer_twins").get("pairs", {}).items():
        times = pair["times_faster"]["median"]
        milliseconds = [
            f"{pair['seconds'][who]['median'] * 1e3:.1f} ms"
            for who in ("vqzoo", "torch")
        ]
        verdict = "met" if times >= TWINS_TARGET else "missed"
        rows.append((f"`{name}`", *milliseconds, f"{times:.1f}x", verdict))
    return rows


def converted(read):
    """Converted models beside their originals in PyTorch."""
    rows = [("256 x 256 images", "vqzoo", "original", "times as fast", "1.2x")]
    for name, run in read("converted").get("runs", {}).items():
        times = run["times_faster"]["median"]
        seconds = [f"{_median(run, 'seconds', w):.2f} s" for w in ("vqzoo", "torch")]
        rows.append((name, *seconds, f"{times:.2f}x", cells.verdict(times, 1.2)))
    if load := read("converted").get("load"):
        took = f"{load['seconds']:.1f} s, {load['processor_seconds']:.1f} s of a core"
        memory = f"{load['peak_more'] / load['bytes']:.2f} times the file"
        fits = load["seconds"] < 10 and load["peak_more"] < 2.5 * load["bytes"]
        name = f"load of {load['bytes'] / 1e6:.0f} MB, memory at its peak"
        rows.append((name, took, "", memory, "met" if fits else "missed"))
    return rows


def originals(read):
    """How far converted models are from the definitions of other packages."""
    rows = [("original", "family", "codes equal", "codes used", "latents", "pixels")]
    for name, case in read("originals").get("cases", {}).items():
        differences = [f"{case[each]:.0e}" for each in ("latents", "pixels")]
        share = f"{case['codes']:.2%}"
        rows.append(
            (name, case["family"], share, str(case["codes_used"]), *differences)
        )
    return rows


def _join(*verdicts):
    return ", ".join(dict.fromkeys(verdicts))


def _median(spreads, *keys):
    for key in keys:
        spreads = spreads[key]
    return spreads["median"]


def quantizer_rows(read):
    """The quantizer's training step beside two libraries."""
    rows = []
    peers = {"torch": "vector-quantize-pytorch", "sonnet": "Sonnet"}
    targets = {("512", "torch"): 12, ("8192", "torch"): 10}
    for size, result in read("quantizer_step").get("sizes", {}).items():
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
                    cells.verdict(times, target),
                )
            )
    return rows


def memory_rows(read):
    """Extra memory of the look-up in a large codebook."""
    results = read("lookup_memory")
    if not results:
        return []
    extra = max(_median(mode, "extra_mb") for mode in results["modes"].values())
    return [
        (
            f"look-up, {results['vectors']:,} vectors, K = {results['codes']:,}",
            f"{extra:.0f} MB more",
            f"all scores: {results['all_scores_mb'] / 1e3:.1f} GB",
            "< 512 MB",
            cells.verdict(extra, 512, at_least=False),
        )
    ]


def throughput_rows(read):
    """Training speed of `fit`, beside the arithmetic that the machine has.

    Images per second are those of the precision that `--precision=auto` takes there.
    """
    results = read("throughput")
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
        cells.verdict(images, target),
    )


def _step_row(case, precision, target):
    milliseconds = _median(case, "step_seconds", precision) * 1e3
    return (
        f"step of `vqvae2_64`, batch 32, {precision}",
        f"{milliseconds:.0f} ms",
        _share(case, precision),
        f"<= {target} ms",
        cells.verdict(milliseconds, target, at_least=False),
    )


def _share(case, precision):
    share = _median(case, "share_of_matrix_product", precision)
    return f"{share:.0%} of the speed of a matrix product"


def import_rows(read):
    """Time of `import vqzoo` after Keras."""
    backends = read("import_time").get("backends", {})
    return [
        (
            f"`import vqzoo`, {backend}",
            f"{_median(result, 'vqzoo'):.3f} s",
            f"keras: {_median(result, 'keras'):.2f} s",
            "< 0.3 s",
            cells.verdict(_median(result, "vqzoo"), 0.3, at_least=False),
        )
        for backend, result in backends.items()
    ]


def sampling_rows(read):
    """Samplers beside each other, and PixelSNAIL's seconds per image."""
    cases = read("sampling").get("cases", {})
    rows = []
    for name, slow, fast, target in RATIOS:
        if name not in cases:
            continue
        times = cases[name]["ratios"][f"{slow} / {fast}"]["median"]
        seconds = cases[name]["seconds"]
        rows.append(
            (
                f"sampling {WORDS[name]}: {WORDS[fast]}",
                f"{seconds[fast]['median']:.2f} s, {times:.{0 if times > 10 else 1}f}x "
                "as fast",
                f"{WORDS[slow]}: {seconds[slow]['median']:.2f} s",
                f"{target}x",
                cells.verdict(times, target),
            )
        )
    if "pixelsnail_32" in cases:
        seconds = cases["pixelsnail_32"]["seconds"]
        for batch, target in ((1, 30), (16, 4)):
            each = seconds[f"batch {batch}"]["median"] / batch
            rows.append(
                (
                    f"sampling {WORDS['pixelsnail_32']}: PixelSNAIL of "
                    f"table 6.1, batch {batch}",
                    f"{each:.1f} s an image",
                    "",
                    f"<= {target} s",
                    cells.verdict(each, target, at_least=False),
                )
            )
    return rows


def serving_rows(read):
    """A SavedModel's `encode` and `decode` beside `predict` in the same process."""
    rows = []
    for case, contestants in read("serving").get("cases", {}).items():
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
                    cells.verdict(times, SERVING_TARGET),
                )
            )
    return rows


def load_rows(read):
    """What a load of many clients, one request in ten malformed, did to a server."""
    results = read("load_run")
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


def explorer_rows(read):
    """The explorer's first page and its edits."""
    rows = []
    for name, case in read("explorer").get("cases", {}).items():
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
                    cells.verdict(seconds, target, at_least=False),
                )
            )
    return rows


ROWS = (
    quantizer_rows,
    memory_rows,
    throughput_rows,
    import_rows,
    sampling_rows,
    world_rows.imagination_rows,
    world_rows.collecting_rows,
    serving_rows,
    load_rows,
    encode_rows.beside_targets,
    codec_rows.beside_formats,
    explorer_rows,
)
