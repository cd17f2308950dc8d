"""Speed of world models: rows beside their targets."""

from vqzoo.studies import cells


def imagination_rows(read):
    """Frames that a memory imagines, from kept states and by the whole network."""
    results = read("imagination")
    return [
        (
            f"imagination, 8 x 8 codes, batch 16, a context of {frames} frames",
            f"{case['frames_a_second']['cached']['median']:.0f} frames/s, "
            f"{case['ratio']['median']:.0f}x as fast",
            "the whole network for each code: "
            f"{case['frames_a_second']['whole']['median']:.1f} frames/s",
            f"{results['target']}x",
            cells.verdict(case["ratio"]["median"], results["target"]),
        )
        for frames, case in results.get("contexts", {}).items()
    ]


def collecting_rows(read):
    """Frames of a real game that two processes save."""
    results = read("collecting")
    if not results:
        return []
    one, two = (results["frames_a_second"][count]["median"] for count in "12")
    return [
        (
            f"collection of `{results['game']}`, 64 x 64 frames on disk, two processes",
            f"{two:,.0f} frames/s",
            f"one process: {one:,.0f} frames/s",
            f">= {results['target']:,} frames/s",
            cells.verdict(two, results["target"]),
        )
    ]
