"""The two images that the tabs work on: chosen from a list, or uploaded."""

import numpy as np

from vqzoo.app import pictures, uploads, widgets

NAMES = ("First image", "Second image")


def put(images, which, image):
    """The two images `(2, H, W, C)`, one of them replaced."""
    changed = images.copy()
    changed[which] = image
    return changed


def choose(samples, images, which, name):
    """A sample image by its name.

    Args:
        samples: dict from a name to an image.
        images: float `(2, H, W, C)`.
        which: int, 0 or 1.
        name: str.

    Returns:
        `(images, note)`.
    """
    if name not in samples:
        return images, f"There is no image named {name!r}."
    return put(images, which, samples[name]), ""


def upload(images, which, data):
    """An image of the bytes that were sent.

    Args:
        images: float `(2, H, W, C)`.
        which: int, 0 or 1.
        data: bytes or None.

    Returns:
        `(images, note, is_taken)`: with bytes that give no image, the images are as
        they were and the note says why.
    """
    if data is None:
        return images, "You have not uploaded anything.", False
    try:
        image, notes = uploads.read(data, images.shape[1:])
    except uploads.UploadError as error:
        return images, f"**Not taken:** {error}.", False
    return put(images, which, image), f"Uploaded: {'; '.join(notes)}.", True


def build(gr, samples):
    """Puts the two pickers on the page.

    Args:
        gr: the module gradio.
        samples: dict from a name to an image, at least one.

    Returns:
        `(images, changed)`: the `gr.State` of both images, and the events after which
        it holds other ones.
    """
    names = list(samples)
    chosen = [names[0], names[min(1, len(names) - 1)]]
    images = gr.State(np.stack([samples[name] for name in chosen]))
    changed = []
    with gr.Row():
        for which, name in enumerate(chosen):
            with gr.Column(min_width=310), gr.Row(elem_classes=["picker"]):
                changed += _picker(gr, samples, images, which, name)
    return images, changed


def _picker(gr, samples, images, which, name):
    """One picker: a picture, a menu, a button and a note."""
    with gr.Column(scale=0, min_width=140):
        value = pictures.picture(samples[name])
        picture = widgets.picture_of(
            gr, NAMES[which], f"picked-{which}", value=value, buttons=[], height=150
        )
    with gr.Column(min_width=140):
        menu = gr.Dropdown(
            list(samples), value=name, label="Sample", elem_id=f"menu-{which}"
        )
        button = gr.UploadButton(
            "Upload an image", type="binary", size="sm", elem_id=f"upload-{which}"
        )
        note = gr.Markdown(elem_id=f"note-{which}")

    def pick(images, name):
        images, text = choose(samples, images, which, name)
        return images, pictures.picture(images[which]), text

    def take(images, data, name):
        images, text, is_taken = upload(images, which, data)
        # The menu names what is shown: nothing of it after an upload.
        name = None if is_taken else name
        return images, pictures.picture(images[which]), text, name

    # One queue for both pickers: each puts its image beside the other's.
    queue = {"concurrency_id": "images"}
    quiet = {**widgets.QUIET, **queue}
    return [
        menu.select(pick, [images, menu], [images, picture, note], **quiet),
        button.upload(
            take,
            [images, button, menu],
            [images, picture, note, menu],
            api_visibility="private",
            trigger_mode="always_last",  # else one that follows quickly is lost
            **queue,
        ),
    ]
