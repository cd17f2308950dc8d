"""The reconstruction of an image from all tiers or some, and where it differs."""

from vqzoo.app import pictures, widgets
from vqzoo.measures.reconstruction import reconstruction_error

HELP = (
    "The first image and its reconstruction. Switch tiers off to see what the "
    "others hold. In a hierarchy, the mean code vector replaces a tier that is "
    "off."
)


def look(explored, images, shown):
    """Pictures of an image, its reconstruction and their difference, and a text.

    Args:
        explored: `Explored`.
        images: float `(2, H, W, C)`; the first is reconstructed.
        shown: ints, the tiers that are on.

    Returns:
        `(image, rebuilt, errors, text)`: three uint8 pictures and Markdown. Without a
        tier the last two pictures are None and the text says so.
    """
    image = images[:1]
    shown_image = pictures.picture(image[0])
    if not shown:
        return shown_image, None, None, "All tiers are off. Switch at least one on."
    rebuilt = explored.reconstruct(image, shown)
    errors, white = pictures.error_map(image[0], rebuilt[0])
    text = _figures(explored, image, rebuilt, white)
    if explored.model.is_hybrid:
        text += (
            "\n\nThe decoder of this model takes real numbers beside the codes. This "
            "tab uses them if all tiers are on; the other tabs decode only codes."
        )
    return (
        shown_image,
        pictures.picture(rebuilt[0]),
        pictures.enlarge(errors),
        text,
    )


def _figures(explored, image, rebuilt, white):
    errors = reconstruction_error(image, rebuilt)
    ssim = f", SSIM {errors['ssim']:.3f}" if "ssim" in errors else ""
    height, width, channels = explored.image_shape
    packed = explored.num_bytes
    bits = 8 * packed / (height * width)
    return (
        f"**PSNR {errors['psnr']:.2f} dB{ssim}.** White in the error map is a "
        f"difference of {white:.0f} of 255 levels. The image has "
        f"{height * width * channels:,} bytes; its {explored.num_codes:,} codes have "
        f"{packed:,} ({bits:.2f} bits per pixel) before any compression."
    )


def build(page):
    """Puts the tab on a `widgets.Page`."""
    gr, explored, images = page.gr, page.explored, page.images
    gr.Markdown(HELP)
    shown = widgets.tier_boxes(gr, explored, "reconstruct-tiers", "Tiers in use")
    with gr.Row():
        outputs = [
            widgets.picture_of(gr, label, f"reconstruct-{name}")
            for name, label in (
                ("image", "Image"),
                ("rebuilt", "Reconstruction"),
                ("errors", "Error map (absolute difference)"),
            )
        ]
    outputs.append(gr.Markdown(elem_id="reconstruct-text"))

    def refresh(images, shown):
        return look(explored, images, shown)

    shown.input(refresh, [images, shown], outputs, **page.quiet)
    return refresh, [images, shown], outputs
