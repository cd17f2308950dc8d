"""What TensorFlow Serving reads, and what its user reads."""

CONFIG = """\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}/saved_model"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""

README = """\
# {name}

A trained `{model_class}` of vqzoo: `{model_name}`, {weights:,} weights.

| tier | codes of an image | codes in the codebook | length of a code |
|---|---|---|---|
{tiers}
{metrics}
| file | what |
|---|---|
| `model.keras` | the Keras model; images are float32 in [-0.5, 0.5] |
| `saved_model/{version}/` | the SavedModel: uint8 images, int32 codes, float32 inside |
| `models.config` | the configuration of TensorFlow Serving |
| `manifest.json` | shapes, sums of the files, versions, metrics |

## In Python

```python
import keras, vqzoo

model = keras.saving.load_model("model.keras")
codes = model.encode(images)  # a tuple, one tensor a tier: {tier_names}
images = model.decode(codes)
```

## As a service

From this folder:

```sh
docker run --rm -p 8500:8500 -p 8501:8501 -v "$PWD:/models/{name}:ro" \\
  tensorflow/serving --model_config_file=/models/{name}/models.config
```

The server takes the highest version number in `saved_model/`, also one that appears
while it runs. Port 8500 is gRPC, port 8501 is REST:

```sh
URL=http://localhost:8501/v1/models/{name}
curl "$URL"           # AVAILABLE when the model is loaded
curl "$URL/metadata"  # the signatures
```

| signature | inputs | outputs |
|---|---|---|
{signatures}

`?` is the batch, of any size. An input of another shape or dtype, or a code that the
codebook does not have, is answered with an error.

Encode a black image; the answer has the codes of each tier:

```sh
python3 -c 'import json; print(json.dumps({{"signature_name": "encode",
  "instances": [{image}]}}))' |
  curl -d @- "$URL:predict"
```

Decode codes, here code 0 everywhere; the answer is an image, rows of pixels:

```sh
python3 -c 'import json; print(json.dumps({{"signature_name": "decode",
  "instances": [{{{codes}}}]}}))' |
  curl -d @- "$URL:predict"
```

{sampling}Without a `signature_name`, images come back as the model rebuilds them.
"""


SAMPLING = """\
Draw images, here two of any class, at temperature 0.9; a label is a place in
`class_names` in manifest.json:

```sh
curl -d '{"signature_name": "sample",
  "inputs": {"label": [-1, -1], "temperature": 0.9, "seed": 1}}' "$URL:predict"
```

"""


def config(name):
    """The models.config of TensorFlow Serving.

    Args:
        name: str, of the model and of the artifact's folder below `/models`.
    """
    return CONFIG.format(name=name)


def readme(name, facts):
    """The README.md of an artifact.

    Args:
        name: str, under which the model is served.
        facts: dict of `manifest.describe`.
    """
    height, width, channels = facts["images"]["shape"]
    tiers = facts["tiers"]
    return README.format(
        name=name,
        model_class=facts["model"]["class"],
        model_name=facts["model"]["name"],
        weights=facts["model"]["weights"],
        version=facts["saved_model"]["version"],
        tier_names=", ".join(tier["name"] for tier in tiers),
        tiers="\n".join(map(_tier_row, tiers)),
        metrics=_metrics_table(facts["metrics"]),
        signatures=_signature_rows(facts["saved_model"]["signatures"]),
        image=f"[[[0] * {channels}] * {width}] * {height}",
        codes=",\n    ".join(map(_zero_codes, tiers)),
        sampling=SAMPLING if facts["priors"] else "",
    )


def _tier_row(tier):
    grid = " x ".join(map(str, tier["grid"]))
    sizes = f"{tier['num_embeddings']} | {tier['embedding_dim']}"
    return f"| {tier['name']} | {grid} | {sizes} |"


def _zero_codes(tier):
    zeros = "0"
    for size in reversed(tier["grid"]):
        zeros = f"[{zeros}] * {size}"
    return f'"{tier["name"]}_codes": {zeros}'


def _signature_rows(signatures):
    return "\n".join(
        f"| `{name}` | {_tensors(facts['inputs'])} | {_tensors(facts['outputs'])} |"
        for name, facts in signatures.items()
    )


def _tensors(specs):
    return ", ".join(
        f"`{name}` {spec['dtype']} {_shape(spec['shape'])}"
        for name, spec in specs.items()
    )


def _shape(shape):
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def _metrics_table(metrics):
    """A table for each split that was measured, with an empty line around it."""
    tables = []
    for split, measures in metrics.items():
        rows = [f"| {name} | {value:.4g} |" for name, value in measures.items()]
        tables.append("\n".join([f"\n| {split} | |", "|---|---|", *rows, ""]))
    return "".join(tables)
