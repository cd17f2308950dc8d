import csv
import dataclasses
import importlib
import json
import pathlib
import re
import shlex
import shutil

import pytest

from vqzoo.recipes import video_prior, world_study
from vqzoo.recipes.vqvae import RECIPE
from vqzoo.runs import files
from vqzoo.studies import card


@pytest.fixture
def run(tmp_path):
    """A finished run with made-up numbers."""
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = {**RECIPE.identity(), "epochs": 3, "quantizer_options": ["decay=0.9"]}
    recipe |= {"name": "other", "data_dir": "/home/me/cifar.tar"}
    settings = {"recipe": recipe, "dtype_policy": "float32", "image_shape": [32, 32, 3]}
    (folder / "recipe.json").write_text(
        json.dumps({**settings, "device": "4 cores", "source": "/home/me/cifar.tar"})
    )
    (folder / "metrics.json").write_text(json.dumps({"test": {"psnr": 25.125}}))
    with open(folder / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("step", "seconds"), (10, 1.5), (20, 2.5)])
    for name in ("codebook", "reconstructions"):
        (folder / f"{name}.png").write_bytes(name.encode())
    return folder


def test_a_card_of_world_models_knows_what_their_stages_ran_on(run, tmp_path):
    whole = tmp_path / "runs" / "world_study" / "1"
    (whole / "runs" / "vae_0").mkdir(parents=True)
    shutil.copytree(run, whole / "runs" / "vae_0" / "1")
    recipe = dataclasses.asdict(world_study.RECIPE)
    (whole / "recipe.json").write_text(json.dumps({"recipe": recipe}))
    (whole / "metrics.json").write_text(json.dumps({"test": {}}))
    (whole / "sweep.json").write_text("[]")
    (whole / "table.md").write_text("| eye |")
    text = card.write(whole, tmp_path / "recipes" / "world_study").read_text()
    for line in (
        "| data | episodes of ALE/Pong-v5 |",
        "| device | 4 cores |",
        "| training | 20 steps in 4 s, float32 |",
    ):
        assert line in text


def test_a_run_of_priors_has_its_histories_in_the_tiers(run, tmp_path):
    (run / "top").mkdir()
    (run / "history.csv").rename(run / "top" / "history.csv")
    text = card.write(run, tmp_path / "recipes" / "pixelsnail_prior").read_text()
    assert "| device | 4 cores |\n| training | 20 steps in 4 s, float32 |" in text


def test_a_card_says_how_the_run_was_made_and_what_came_of_it(run, tmp_path):
    readme = card.write(run, tmp_path / "recipes" / "vqvae")
    _, front, text = readme.read_text().split("---\n", 2)
    assert text.startswith("# vqvae: A VQ-VAE with the moving-average codebook\n")
    (index,) = json.loads(front.partition("model-index: ")[2])
    (result,) = index["results"]
    assert index["name"] == "vqvae" and result["dataset"]["split"] == "test"
    assert result["metrics"] == [{"type": "psnr", "name": "psnr", "value": 25.125}]
    for flag in ("--quantizer_options=decay=0.9", "--data_dir=cifar.tar", "--epochs=3"):
        assert flag in text
    # In the order of the fields, as --help has them.
    flags = re.findall(r" --(\w+)=", text)
    fields = [field.name for field in dataclasses.fields(RECIPE)]
    assert flags == sorted(flags, key=fields.index) and len(flags) == 3
    assert "--name" not in text
    assert "| training | 20 steps in 4 s, float32 |\n| energy | 0.000111 kWh" in text
    assert "| psnr | 25.125 |" in text
    assert "| data | photos cifar.tar, images of 32 x 32 x 3 |" in text
    assert text.endswith(
        "![codebook](codebook.png)\n![reconstructions](reconstructions.png)\n"
    )
    assert (readme.parent / "codebook.png").read_bytes() == b"codebook"
    assert json.loads((readme.parent / "metrics.json").read_text())["test"]
    papers = json.loads((readme.parent / "recipe.json").read_text())
    assert papers["recipe"]["data_dir"] == papers["source"] == "cifar.tar"


@pytest.mark.parametrize(
    ("shape", "words"), [([8], "vectors of 8"), ([9, 2], "signals of 9 x 2")]
)
def test_a_card_says_what_the_items_are(shape, words, run, tmp_path):
    settings = json.loads((run / "recipe.json").read_text())
    (run / "recipe.json").write_text(json.dumps({**settings, "image_shape": shape}))
    assert f", {words} |" in card.write(run, tmp_path / "vqvae").read_text()


@pytest.mark.parametrize(
    ("shape", "recipe", "expected"),
    [
        ([32, 32, 3], {}, "image-to-image"),
        ([8], {}, "feature-extraction"),
        ([32, 32, 3], {"class_conditional": True}, "unconditional-image-generation"),
    ],
)
def test_hubs_read_what_was_learned(shape, recipe, expected, run, tmp_path):
    settings = json.loads((run / "recipe.json").read_text())
    settings |= {"image_shape": shape, "recipe": settings["recipe"] | recipe}
    (run / "recipe.json").write_text(json.dumps(settings))
    assert result_of(card.write(run, tmp_path / "vqvae"))["task"]["type"] == expected


def result_of(readme):
    _, front, _ = readme.read_text().split("---\n", 2)
    ((result,),) = (i["results"] for i in json.loads(front.split("model-index: ")[1]))
    return result


def test_a_card_shows_an_evaluation_under_its_protocol_and_keeps_it(run, tmp_path):
    folder, target = tmp_path / "evaluation", tmp_path / "vqvae"
    folder.mkdir()
    numbers = {"sets": {"samples_named_surely": 0.5}, "cost": {"kwh": 1.0}}
    found = {"metrics": numbers, "protocol": {"name": "clean_fid_1k", "num_images": 9}}
    (folder / "metrics.json").write_text(json.dumps({**found, "facts": {"x": "/home"}}))
    readme = card.write(run, target, folder)
    text, result = readme.read_text(), result_of(readme)
    expected = "## Evaluation, protocol: clean_fid_1k\n\n| | |\n|---|---|\n"
    assert f"\n\n{expected}| sets: samples_named_surely | 0.5 |\n\n![codebook]" in text
    assert "kwh" not in text and "/home" not in (target / "evaluation.json").read_text()
    assert result["dataset"]["args"]["protocol"]["num_images"] == 9
    name = "sets: samples_named_surely"
    assert {"type": name, "name": name, "value": 0.5} in result["metrics"]
    assert card.write(run, target).read_text() == text
    with pytest.raises(files.RunError, match="folder of an evaluation, received"):
        card.write(run, target, tmp_path)


def test_energy_is_measured_where_all_epochs_have_it(run, tmp_path):
    with open(run / "history.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("step", "seconds", "joules"), (1, 1.5, 60), (2, 2.5, 140)])
    text = card.write(run, tmp_path / "vqvae").read_text()
    assert "(50 W, measured)" in text
    (run / "history.csv").write_text("step,seconds,joules\n1,1.5,60\n2,2.5,nan\n")
    text = card.write(run, tmp_path / "vqvae").read_text()
    assert "(100 W, assumed)" in text


def test_a_card_says_how_many_classes_were_chosen(run, tmp_path):
    settings = json.loads((run / "recipe.json").read_text())
    settings["recipe"]["classes"] = ["cat", "dog"]
    (run / "recipe.json").write_text(json.dumps(settings))
    text = card.write(run, tmp_path / "vqvae").read_text()
    assert "| photos cifar.tar, 2 of its classes, images of 32 x 32 x 3 |" in text
    assert " --classes=cat,dog" in text


def test_a_card_has_the_figures_beside_those_of_the_test_split(run, tmp_path):
    metrics = {"test": {"psnr": 25.125}, "samples": {"white": 0.75}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = card.write(run, tmp_path / "vqvae").read_text()
    assert "| psnr | 25.125 |\n| samples: white | 0.75 |\n" in text


def test_text_below_the_pictures_stays(run, tmp_path):
    target = tmp_path / "recipes" / "vqvae"
    readme = card.write(run, target)
    readme.write_text(readme.read_text() + "\nSeen by a person.\n")
    assert card.write(run, target).read_text().endswith("\n\nSeen by a person.\n")


def test_the_card_of_a_prior_of_films_shows_its_film_above_the_words(run, tmp_path):
    target = tmp_path / "recipes" / "video_prior"
    settings = json.loads((run / "recipe.json").read_text())
    settings["recipe"] = {**video_prior.RECIPE.identity(), "name": "other"}
    (run / "recipe.json").write_text(json.dumps(settings))
    (run / "film.gif").write_bytes(b"film")
    readme = card.write(run, target)
    assert (target / "film.gif").read_bytes() == b"film"
    text = readme.read_text()
    assert "![codebook](codebook.png)\n![film](film.gif)\n![rec" in text
    assert '"task": {"type": "video-to-video", "name": "video prediction"}' in text
    (run / "reconstructions.png").unlink()
    readme = card.write(run, target)  # What ends with a film.
    readme.write_text(readme.read_text() + "\nSeen by a person.\n")
    text = card.write(run, target).read_text()
    assert text.endswith("![film](film.gif)\n\nSeen by a person.\n")


def test_a_text_that_is_no_card_stays_below_the_card(run, tmp_path):
    target = tmp_path / "recipes" / "vqvae"
    target.mkdir(parents=True)
    (target / "README.md").write_text("# vqvae\n\nEarlier rows: rows.json.\n")
    text = card.write(run, target).read_text()
    assert text.endswith("reconstructions.png)\n\nEarlier rows: rows.json.\n")
    assert card.write(run, target).read_text() == text


def test_a_sweep_of_trained_models_has_a_card(run, tmp_path):
    (run / "history.csv").unlink()
    (run / "sweep.json").write_text("[]")
    text = card.write(run, tmp_path / "vqvae").read_text()
    assert "| training | 0 steps in 0 s, float32 |" in text


def test_an_unfinished_run_is_refused(run, tmp_path):
    (run / "metrics.json").unlink()
    with pytest.raises(files.RunError, match=r"finished run.*metrics\.json"):
        card.write(run, tmp_path / "vqvae")


def test_a_name_that_is_no_recipe_is_refused(run, tmp_path):
    with pytest.raises(files.RunError, match="recipe's name, received nonsense"):
        card.write(run, tmp_path / "nonsense")


def test_a_card_of_other_data_has_the_text_of_its_recipe(run, tmp_path):
    text = card.write(run, tmp_path / "recipes" / "vqvae_fashion").read_text()
    text = text.split("---\n", 2)[2]
    assert text.startswith("# vqvae_fashion: A VQ-VAE with the moving-average codebook")
    assert "`python -m vqzoo.recipes.vqvae --" in text


# What a sweep shows and a condition that came later change no run. A VAE has no codes.
FREE = ("--shown=", "--conditions=")
NO_CODES = {("vae", "--restart_threshold=0.1")}


def test_the_command_of_a_card_gives_the_settings_of_its_run():
    """Also where a recipe has other settings of its own by now."""
    lost = set()
    for path in pathlib.Path(__file__).parents[2].glob("recipes/*/recipe.json"):
        text = (path.parent / "README.md").read_text()
        shown = shlex.split(re.search(r"\| command \| `([^`]+)`", text)[1])
        name = shown[2].rpartition(".")[2]
        recipe = importlib.import_module(shown[2]).RECIPE
        command = card._command(name, recipe, json.loads(path.read_text())["recipe"])
        flags = set(shlex.split(command)) - set(shown)
        lost |= {(path.parent.name, f) for f in flags if not f.startswith(FREE)}
    assert lost - NO_CODES == set()


def test_cards_begin_with_the_docstrings_of_their_recipes():
    for path in pathlib.Path(__file__).parents[2].glob("recipes/*/README.md"):
        if card.RESULT in (text := path.read_text()):
            assert f"{card.head(path.parent.name)}\n\n| | |" in text, path.parent.name
