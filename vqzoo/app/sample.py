"""New images: codes that priors draw, and what the model makes of them."""

import pathlib
import shlex
import tempfile

import numpy as np

from vqzoo.app import pictures, widgets

HELP = (
    "Priors draw codes, from the top tier down, and the model decodes them to "
    "images. The same settings and seed draw the same images."
)
EVERY_CLASS = "all classes"
MOST = 64
BATCH_SIZE = 4  # small, so that progress is seen


def how_to(explored, model_path):
    """How to get a prior: Markdown.

    Args:
        explored: `Explored`.
        model_path: str, the model's file as a shell takes it.
    """
    if any(map(explored.several_codes, range(len(explored.tiers)))):
        return (
            "**This model cannot draw images.** A prior draws one code for each "
            "latent, and this model has several."
        )
    return (
        "**There is no prior, so there is nothing to draw codes from.** A prior "
        "learns which codes of this model go together. Train one on the data that the "
        "model was trained on:\n\n"
        "```sh\n"
        "vqzoo train pixelsnail_prior \\\n"
        f"  --model={model_path} \\\n"
        "  --dataset=folder --data_dir=IMAGES\n"
        "```\n\n"
        "and start this page with what it wrote:\n\n"
        "```sh\n"
        "vqzoo app \\\n"
        f"  --model={model_path} \\\n"
        "  --prior=runs/pixelsnail_prior/TIME\n"
        "```"
    )


def classes(pipeline):
    """The names to choose from; empty where the priors know no classes."""
    if not pipeline.num_classes:
        return []
    names = pipeline.class_names or map(str, range(pipeline.num_classes))
    return [EVERY_CLASS, *names]


def draw(
    pipeline,
    name,
    count,
    temperature,
    top_k,
    seed,
    guidance=1.0,
    progress=lambda batches: batches,
):
    """Samples of a pipeline.

    Args:
        pipeline: `pipeline.Pipeline`.
        name: str, a class, `EVERY_CLASS`, or None without classes.
        count: int, number of images.
        temperature: float above 0.
        top_k: int, 0 for all codes.
        seed: int.
        guidance: float of at least 0, as in `Pipeline.sample`.
        progress: function that wraps the sequence of batches.

    Returns:
        `pipeline.Samples`.

    Raises:
        ValueError: if a value is out of its range.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"expected 1 to {MOST} images, received {count}")
    if not seed >= 0:
        raise ValueError(f"expected a seed of at least 0, received {seed}")
    label = None if name in (None, EVERY_CLASS) else pipeline.label_of(name)
    return pipeline.sample(
        count,
        label,
        temperature=temperature,
        top_k=top_k or None,
        guidance=guidance,
        seed=seed,
        batch_size=BATCH_SIZE,
        progress=progress,
    )


def look(samples, tiers):
    """What the tab shows of samples.

    Returns:
        `(picture, text)`: a uint8 picture and Markdown.
    """
    count = len(samples.images)
    columns = int(np.ceil(np.sqrt(count)))
    picture = pictures.sheet(samples.images, columns, least_side=512)
    bits = -samples.log_prob.mean() / np.log(2)
    if samples.values:
        bits = np.nan  # They have a density.
    known = "" if np.isnan(bits) else f" {bits:,.0f} bits each under the priors."
    places = sum(codes[0].size for codes in samples.codes)
    tiers = " and ".join(tiers)
    return picture, f"{count} images of {places} codes each ({tiers}).{known}"


def write(samples, tiers, folder):
    """Writes samples as `samples.npz` into a new folder in `folder`: its path."""
    path = pathlib.Path(tempfile.mkdtemp(dir=folder), "samples.npz")
    np.savez_compressed(path, **samples.to_arrays(tiers))
    return str(path)


def build(page):
    """Puts the tab's components on a `widgets.Page`."""
    gr, pipeline = page.gr, page.loaded.pipeline
    if pipeline is None:
        model_path = shlex.quote(str(page.loaded.file))
        gr.Markdown(how_to(page.explored, model_path), elem_id="sample-how-to")
        return
    gr.Markdown(HELP)
    settings = _settings(gr, pipeline)
    button = gr.Button("Draw images", variant="primary", elem_id="draw")
    text = gr.Markdown("Nothing drawn yet.", elem_id="sample-text")
    picture = widgets.picture_of(gr, "Samples", "samples")
    download = gr.DownloadButton(
        "Download codes and images (.npz)", interactive=False, elem_id="download"
    )
    button.click(
        _answer(gr, pipeline, page.folder),
        settings,
        [text, picture, download],
        api_visibility="private",
        show_progress_on=picture,
    )


def _answer(gr, pipeline, folder):
    """What the button does."""
    bar = gr.Progress()

    def answer(name, count, temperature, top_k, seed, guidance, progress=bar):
        def wrapped(batches):
            return progress.tqdm(batches, desc="drawing", unit="batches")

        try:
            settings = int(count), float(temperature), int(top_k), int(seed)
            samples = draw(pipeline, name, *settings, float(guidance), wrapped)
        except (TypeError, ValueError) as error:
            return f"Nothing drawn: {error}", gr.update(), gr.update()
        shown, words = look(samples, pipeline.tiers)
        path = write(samples, pipeline.tiers, folder)
        return words, shown, gr.update(value=path, interactive=True)

    return answer


def _settings(gr, pipeline):
    """Class, number, temperature, top-k, seed and guidance."""
    names = classes(pipeline)
    largest = max(prior.num_embeddings for prior in pipeline.priors)
    with gr.Row():
        label = gr.State(None)
        if names:
            label = gr.Dropdown(
                names, value=EVERY_CLASS, label="Class", elem_id="class"
            )
        count = gr.Slider(1, MOST, value=8, step=1, label="Images", elem_id="count")
        seed = gr.Number(0, precision=0, minimum=0, label="Seed", elem_id="seed")
    with gr.Row():
        temperature = gr.Slider(
            0.1,
            2,
            value=1,
            step=0.05,
            label="Temperature",
            info="below 1: likelier and less diverse samples",
        )
        top_k = gr.Slider(
            0,
            largest,
            value=0,
            step=1,
            label="Top-k",
            info="draw only the k likeliest codes; 0: all",
        )
        guidance = gr.State(1.0)
        if any(prior.label_dropout for prior in pipeline.priors):
            guidance = gr.Slider(
                0,
                5,
                value=1,
                step=0.1,
                label="Guidance",
                info="above 1: more of the class, less variety",
                elem_id="guidance",
            )
    return [label, count, temperature, top_k, seed, guidance]
