"""The maps of a GAN over latents at its scales, from the coarsest to the grid."""

from keras import ops

from vqzoo.arguments import check_at_least

SLOPE = 0.2  # of the leaky ReLU


def check_scales(grid_shape, embedding_dim, channels):
    """Raises ValueError for scales that no progressive GAN can have."""
    check_at_least(1, embedding_dim=embedding_dim)
    if not channels or min(channels) < 8:
        raise ValueError(
            f"expected channels of at least 8 for each scale, received {channels=}"
        )
    factor = 2 ** (len(channels) - 1)
    if any(side % factor for side in grid_shape):
        raise ValueError(
            f"expected a grid whose sides divide by {factor}, for {len(channels)} "
            f"scales, received grid_shape={tuple(grid_shape)}"
        )


def sizes(grid_shape, num_scales):
    """The grids of the scales, the coarsest first."""
    return [
        tuple(side >> (num_scales - 1 - scale) for side in grid_shape)
        for scale in range(num_scales)
    ]


def downsample(maps, steps=1):
    """Means over blocks of 2 x 2 positions, `steps` times."""
    for _ in range(steps):
        maps = ops.average_pool(maps, 2, 2)
    return maps


def upsample(maps):
    """Each position becomes 2 x 2 positions."""
    return ops.repeat(ops.repeat(maps, 2, axis=1), 2, axis=2)


def real_at(latents, num_scales, scale, fade):
    """Real latents as a scale shows them: coarse, and mixed while it fades in.

    Args:
        latents: `(batch, height, width, D)` of the whole grid.
        num_scales: int.
        scale: int, 0 for the coarsest.
        fade: float tensor in [0, 1], 1 when the scale is in.
    """
    latents = downsample(latents, num_scales - 1 - scale)
    if not scale:
        return latents
    return mixed(upsample(downsample(latents)), latents, fade)


def leaky(maps):
    """The activation of the networks."""
    return ops.leaky_relu(maps, SLOPE)


def mixed(old, new, fade):
    """From the old maps, at a fade of 0, to the new ones, at 1."""
    return old + (new - old) * ops.cast(fade, new.dtype)


def resized(maps, grid):
    """Maps on a finer or coarser grid, by repeats or by means over blocks."""
    while maps.shape[1] < grid[0]:
        maps = upsample(maps)
    while maps.shape[1] > grid[0]:
        maps = downsample(maps)
    return maps
