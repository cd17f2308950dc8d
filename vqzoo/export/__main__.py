"""The command line: `python -m vqzoo.export RUN TARGET [--overwrite] [--bfloat16]`."""

import sys

from absl import flags

from vqzoo.export import warmup
from vqzoo.export.artifact import export
from vqzoo.export.files import FOLDERS, ExportError, folder_bytes
from vqzoo.trained import TrainedError

USAGE_ERROR = 2
USAGE = """Usage: python -m vqzoo.export RUN TARGET [--overwrite] [--bfloat16]
  RUN     folder of a finished training run, an artifact, or a .keras file
  TARGET  folder of the artifact, for example export/my_model; its last part is the
          name under which the model is served
"""


def main(argv):
    """Exports what the command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.

    Returns:
        int: 0 when the artifact is written, 1 when that failed for a reason that the
        user can mend, 2 on an unknown flag or a wrong number of arguments.
    """
    values = flags.FlagValues()
    flags.DEFINE_bool(
        "overwrite",
        False,
        "replace the whole folder TARGET; without it, an artifact that is there gets "
        "one more version of the SavedModel",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "bfloat16",
        False,
        "write a second SavedModel that computes in bfloat16: half the size, faster "
        "where the server's processor has bfloat16, with slightly other codes",
        flag_values=values,
    )
    flags.DEFINE_bool("help", False, "show this help", flag_values=values)
    try:
        arguments = values(argv)[1:]
        if values.help:
            print(f"{USAGE}{values.get_help()}")
            return 0
        if len(arguments) != 2:
            raise ValueError(f"expected RUN and TARGET, received {arguments}")
    except (flags.Error, ValueError) as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return USAGE_ERROR
    try:
        target, version = export(
            *arguments, overwrite=values.overwrite, bfloat16=values.bfloat16
        )
    except (ExportError, TrainedError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    _report(target, version)
    return 0


def _report(target, version):
    numbered = [f"{name}/{version}" for name in FOLDERS.values()]
    sizes = {"model.keras": (target / "model.keras").stat().st_size} | {
        path: folder_bytes(target / path)
        for path in numbered
        if (target / path).is_dir()
    }
    print(f"\nExported and checked: {target}")
    for path, size in sizes.items():
        print(f"  {path:<24} {size:,} bytes")
    if not warmup.is_possible():
        print(
            "Without requests for warming up, so that the first ones are slow: pip "
            "install 'vqzoo[serving]' and export again to have them"
        )
    print(
        f"""What next:
  load it     import keras, vqzoo; keras.saving.load_model("{target / "model.keras"}")
  serve it    cd {target} && docker compose up serving
  use it      the requests are in {target / "README.md"}"""
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
