"""Explores a model in a browser: `vqzoo app --model=export/my_model`."""

import importlib.util
import sys

from vqzoo import frame
from vqzoo.app import loading
from vqzoo.datasets import READING, reading_of
from vqzoo.frame import Failure, Flag

LOOPBACK = ("127.0.0.1", "localhost", "::1")
FLAGS = {
    "What is explored": [
        Flag("model", "", "a .keras file, or the folder of an artifact or a run"),
        Flag("prior", "", "folder of a prior's run or artifact, to draw images"),
    ],
    "The sample images": [
        Flag("dataset", "photos", "photos, 'folder' or the name of a data set"),
        Flag("data_dir", "", "folder of the data set"),
        Flag("classes", (), "names of the only classes to use; empty: all"),
        *(Flag(name, *text, kind=float) for name, text in READING.items()),
    ],
    "The page": [
        Flag("host", "127.0.0.1", "the address to listen on"),
        Flag(
            "port", 0, "0: the first free one from 7860 on", at_least=0, at_most=65535
        ),
    ],
}


def main(argv):
    """Serves the page as the command line says; returns the exit code of `frame`."""
    return frame.run(argv, __doc__, FLAGS, _serve, prepare=_with_model)


def _with_model(values):
    if not values.model and not values.prior:
        raise ValueError("expected --model=FILE.keras, --model=FOLDER or --prior=RUN")
    return values


def _serve(values):
    if importlib.util.find_spec("gradio") is None:
        raise Failure("the page needs Gradio: pip install vqzoo[app]")
    loaded = loading.load(values.model, values.prior)
    # After it, as they import TensorFlow: a wrong path is an error at once.
    from vqzoo.app import gallery, page

    images = gallery.load(
        loaded.model.image_shape,
        values.dataset,
        values.data_dir or None,
        values.classes,
        **reading_of(values),
    )
    if values.host not in LOOPBACK:
        print(f"Whoever reaches {values.host} can use the page.", file=sys.stderr)
    options = {"host": values.host, "port": values.port or None}
    with page.serving(loaded, images, **options) as url:
        print(f"{url}  (Ctrl-C ends it)", flush=True)
        page.wait_for_a_signal()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
