"""The transformer blocks of the priors that are made of them."""

from vqzoo.layers import TransformerBlock


def transformer_blocks(prior, *, causal):
    """The blocks of a prior, one behind the other.

    Args:
        prior: with `num_layers`, `num_heads`, `hidden_ratio`, `num_channels`,
            `dropout`, `seed` and `layer_dtype`.
        causal: bool. Whether a place sees only itself and the places before it.

    Returns:
        list of `TransformerBlock`.
    """
    return [
        TransformerBlock(
            prior.num_heads,
            prior.hidden_ratio * prior.num_channels,
            causal=causal,
            dropout=prior.dropout,
            seed=None if prior.seed is None else prior.seed + index,
            dtype=prior.layer_dtype,
            name=f"block_{index}",
        )
        for index in range(prior.num_layers)
    ]
