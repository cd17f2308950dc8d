"""What a server says of a model's signatures."""

import dataclasses
import math

# A signature of every SavedModel, not for users, with neither inputs nor types.
INITIALIZATION = "__saved_model_init_op"


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or an output.

    Args:
        dtype: str, such as `"uint8"`, or `"string"` for bytes.
        shape: tuple of int, the batch first; -1 for any size.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def row_values(self):
        """How many values one row of a batch has."""
        return math.prod(self.shape[1:])


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a served model.

    Args:
        name: str.
        inputs: `{name: Tensor}`.
        outputs: `{name: Tensor}`.
    """

    name: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def codes(self, tensors):
        """Names of the codes among the inputs or outputs, top first."""
        from vqzoo.models import tiers

        count = sum(name.endswith("_codes") for name in tensors)
        return [f"{tier}_codes" for tier in tiers.tier_names(count)]
