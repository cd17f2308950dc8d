"""Explores a model in a browser: `python -m vqzoo.app --model=export/my_model`."""

import functools
import importlib.util
import sys

from absl import flags

USAGE_ERROR = 2
LARGEST_PORT = 65535
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(argv):
    """Serves the page as the command line says, and returns the exit code.

    Args:
        argv: list of str, the program's name first.

    Returns:
        int: 0 when the page was served and asked to end, 1 when it cannot be served
        for a reason that the user can mend, 2 on an unknown flag or an impossible
        value.
    """
    values = _flags()
    try:
        rest = values(argv)[1:]
        if values.help:
            print(f"{__doc__}\n{values.get_help()}")
            return 0
        if rest:
            raise ValueError(f"expected flags such as --port=7860, received {rest}")
        if not values.model and not values.prior:
            raise ValueError(
                "expected --model=FILE.keras, --model=FOLDER or --prior=RUN"
            )
    except (flags.Error, ValueError) as error:
        print(f"{error}\nSee --help for all flags.", file=sys.stderr)
        return USAGE_ERROR
    if importlib.util.find_spec("gradio") is None:
        print("Error: the page needs Gradio: pip install vqzoo[app]", file=sys.stderr)
        return 1
    return _serve(values)


def _flags():
    values = flags.FlagValues()
    bounds = {"lower_bound": 0, "upper_bound": LARGEST_PORT}
    define_port = functools.partial(flags.DEFINE_integer, **bounds)
    for define, name, default, text in (
        (
            flags.DEFINE_string,
            "model",
            "",
            "a .keras file, an artifact's folder or run",
        ),
        (flags.DEFINE_string, "prior", "", "folder of a prior's run, to draw images"),
        (flags.DEFINE_string, "dataset", "photos", "sample images; 'folder' or a name"),
        (flags.DEFINE_string, "data_dir", "", "where the data set of that name lies"),
        (flags.DEFINE_list, "classes", [], "only these classes of it; empty: all"),
        (flags.DEFINE_string, "host", "127.0.0.1", "the address to listen on"),
        (define_port, "port", 0, "0: the first free one from 7860 on"),
        (flags.DEFINE_bool, "help", False, "show this help"),
    ):
        define(name, default, text, flag_values=values)
    return values


def _serve(values):
    # Here, as they import TensorFlow: --help and wrong flags answer at once.
    from vqzoo.app import gallery, loading, page

    try:
        loaded = loading.load(values.model, values.prior)
        images = gallery.load(
            loaded.model.image_shape,
            values.dataset,
            values.data_dir or None,
            tuple(values.classes),
        )
        if values.host not in LOOPBACK:
            print(f"Whoever reaches {values.host} can use the page.", file=sys.stderr)
        options = {"host": values.host, "port": values.port or None}
        with page.serving(loaded, images, **options) as url:
            print(f"{url}  (Ctrl-C ends it)", flush=True)
            page.wait_for_a_signal()
    except (OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
