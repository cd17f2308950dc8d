"""How smoothly training went."""

import numpy as np


def largest_jump(losses):
    """The largest rise of a loss from one record to the next.

    Args:
        losses: sequence of float, at least two, in the order of training.

    Returns:
        dict: `jump`, in the units of the loss, 0 for one that never rises; `share`, the
        jump over the range of all losses, in [0, 1]; `record`, the index of the record
        after the jump, 0 where there is none.

    Raises:
        ValueError: if there are fewer than two records, or one is not finite.

    Source: Vila, final project on hybrid latents, compares the stability of losses by
        eye; the number is ours.
    """
    losses = np.asarray(losses, "float64")
    if losses.ndim != 1 or len(losses) < 2 or not np.isfinite(losses).all():
        raise ValueError(
            f"expected two or more finite losses, received {losses.tolist()}"
        )
    rises = np.diff(losses)
    record = int(np.argmax(rises))
    if rises[record] <= 0:
        return {"jump": 0.0, "share": 0.0, "record": 0}
    jump = float(rises[record])
    return {"jump": jump, "share": jump / float(np.ptp(losses)), "record": record + 1}
