"""The table of what models of true size take, from benchmarks/results/scale.json."""

GPU_GIB = 24
PEAK = 989e12  # floating point operations a second of an H100 (SXM) in bfloat16
UTILIZATION = 0.4  # of the peak: assumed, what good training code reaches
HEADER = (
    "system",
    "weights",
    "a step (core s), of images",
    "its memory (GiB)",
    "a sample (core s)",
    "an evaluation (core s)",
    "multiply-adds of an image in a step",
    "own batch",
    "GiB at it",
    f"steps of accumulation in {GPU_GIB} GiB",
    "protocol",
    "days on 1 H100",
    "on 8",
)


def days(row):
    """Days of a protocol on one GPU by its multiply-adds, or None where it has none.

    Args:
        row: dict with `phases`, each with `steps`, `batch` and `multiply_adds` of an
            image, or None: those of the row.
    """
    phases = row["phases"]
    adds = [phase["multiply_adds"] or row["multiply_adds"] for phase in phases]
    if not phases or None in adds:
        return None
    images = (phase["steps"] * phase["batch"] for phase in phases)
    total = sum(count * each for count, each in zip(images, adds))
    return 2 * total / (PEAK * UTILIZATION) / 86_400


def accumulation(row):
    """How many steps must be accumulated to one for a batch to fit on a GPU.

    Args:
        row: dict with `batch`, `gib` of it and, of large models, `gib_per_image`.
    """
    each = row.get("gib_per_image", row["gib"] / row["batch"])
    fixed = max(row["gib"] - each * row["batch"], 0)
    for number in range(1, row["batch"] + 1):
        if fixed + each * -(-row["batch"] // number) <= GPU_GIB:
            return number
    return row["batch"]


def lines(results):
    """The cells of the table, the header first; systems by their days, then by name.

    Args:
        results: dict with `rows` by the systems' names.
    """
    rows = results.get("rows", {}).items()
    ordered = sorted(rows, key=lambda pair: (-(days(pair[1]) or 0), pair[0]))
    return HEADER, *(_cells(name, row) for name, row in ordered)


def _cells(name, row):
    alone, adds = days(row), row["multiply_adds"]
    return (
        f"`{name}`",
        f"{row['weights']:,}",
        f"{row['step_seconds']:.2g}, {row['measured_batch']}",
        f"{row['measured_gib']:.2f}",
        "-" if row["sample_seconds"] is None else f"{row['sample_seconds']:.2g}",
        f"{row['evaluation_seconds']:.2g}",
        "in a loop" if adds is None else f"{adds / 1e9:.3g} G",
        str(row["batch"]),
        f"{row['gib']:.1f}",
        str(accumulation(row)),
        row.get("protocol") or "-",
        "-" if alone is None else f"{alone:.2g}",
        "-" if alone is None else f"{alone / 8:.2g}",
    )
