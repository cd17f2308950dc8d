"""The command line: `python -m vqzoo.export RUN TARGET [--overwrite]`."""

import sys

from absl import flags

from vqzoo.export.artifact import export
from vqzoo.export.files import ExportError, folder_bytes

USAGE_ERROR = 2
USAGE = """Usage: python -m vqzoo.export RUN TARGET [--overwrite]
  RUN     folder of a finished training run, or a .keras file
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
        target, version = export(*arguments, overwrite=values.overwrite)
    except ExportError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    _report(target, version)
    return 0


def _report(target, version):
    saved_model = target / "saved_model" / str(version)
    print(
        f"""
Exported and checked: {target}
  model.keras       {(target / "model.keras").stat().st_size:,} bytes
  {f"saved_model/{version}":<17} {folder_bytes(saved_model):,} bytes
What next:
  load it     import keras, vqzoo; keras.saving.load_model("{target / "model.keras"}")
  serve it    the commands are in {target / "README.md"}"""
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
