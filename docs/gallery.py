"""The pages of the site that show the artifacts in export and the cards of recipes."""

import json

# Of the numbers of a run, the first that there is says how good it is.
UNITS = {
    "psnr": "dB",
    "bottom_bits_per_code": "bits per code, bottom",
    "bottom_sliced_wasserstein": "sliced Wasserstein, bottom",
}
PICTURES = ("samples.png", "reconstructions.png", "latents.png")


def pages(root):
    """Dict from place in the site to Markdown, from the files of a checkout."""
    return {
        "models/index.md": artifacts(root),
        "models/recipes.md": recipes(root),
    }


def artifacts(root):
    """A section for each folder of export/: sizes, pictures, the line that loads it."""
    parts = [
        "# Trained models",
        "Each folder of `export/` is a trained model: one file for Keras, one for "
        "TensorFlow Serving, and a manifest. They are part of the repository.",
    ]
    for path in sorted((root / "export").glob("*/manifest.json")):
        parts.append(_artifact(root, path.parent, json.loads(path.read_text("utf-8"))))
    return "\n\n".join(parts) + "\n"


def _artifact(root, folder, manifest):
    name, model = folder.name, manifest["model"]
    height, width, channels = manifest["images"]["shape"]
    tiers = ", ".join(
        f"{tier['name']} {' x '.join(map(str, tier['grid']))} of "
        f"{tier['num_embeddings']:,}"
        for tier in manifest["tiers"]
    )
    priors = ", ".join(f"{prior} ({tier})" for tier, prior in _priors(manifest).items())
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    rows = {
        "images": f"{height} x {width} x {channels}",
        "codes": tiers,
        "weights": f"{model['weights']:,} (`{model['name']}`)",
        "priors": priors,
        "size": f"{size / 2**20:.0f} MiB, all files",
        "terms": _terms(manifest),
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items() if value)
    links = [f"[its card](../../export/{name}/README.md)"]
    card = root / "recipes" / name
    pictures = []
    if (card / "README.md").is_file():
        links.append(f"[how it was trained](../../recipes/{name}/README.md)")
        pictures = [
            f"![{name}: {file.removesuffix('.png')}](../../recipes/{name}/{file})"
            for file in PICTURES
            if (card / file).is_file()
        ][:1]
    return "\n\n".join(
        [
            f"## {name}",
            *pictures,
            f"| | |\n|---|---|\n{table}",
            f'```python\nmodel = vqzoo.load("export/{name}").model\n```',
            " · ".join(links),
        ]
    )


def _terms(manifest):
    """What the model may be used for, as far as its manifest says."""
    known = manifest.get("training", {}).get("terms", "")
    return known or "those of its data: [licenses](../guide/licences.md)"


def _priors(manifest):
    tiers = manifest["priors"].get("tiers", {})
    return {tier: prior["class"] for tier, prior in tiers.items()}


def recipes(root):
    """A line for each card in recipes/, with its first picture."""
    lines = ["| recipe | what | test |", "|---|---|---|"]
    for path in sorted((root / "recipes").glob("*/README.md")):
        lines_of_card = path.read_text("utf-8").splitlines()
        title = next(s for s in lines_of_card if s.startswith("# ")).lstrip("# ")
        name, _, text = title.partition(": ")
        link = f"[`{path.parent.name}`](../../recipes/{path.parent.name}/README.md)"
        lines.append(f"| {link} | {text or name} | {_test(path.parent)} |")
    return (
        "# Cards of recipes\n\nEach recipe that was run has a card: the command, the "
        "data, the device, the numbers on the test split and the pictures.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def _test(folder):
    """The number of a run that says how good it is; "" where there is none."""
    path = folder / "metrics.json"
    test = json.loads(path.read_text("utf-8")).get("test", {}) if path.is_file() else {}
    for name, unit in UNITS.items():
        if name in test:
            return f"{test[name]:.2f} {unit}"
    return ""
