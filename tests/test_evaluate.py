import json
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from tests.helpers import subject as small
from tests.helpers.small_models import model_of
from vqzoo import evaluate, measures
from vqzoo.measures import data, disentanglement, judge, protocols


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder of images of three classes, with a test split."""
    folder = tmp_path_factory.mktemp("images")
    for split, count, seed in (("train", 45, 1), ("test", 30, 2)):
        images, labels = small.images_of(count, seed)
        levels = np.round((np.clip(images, -0.5, 0.5) + 0.5) * 255).astype("uint8")
        for index, (image, label) in enumerate(zip(levels, labels)):
            path = folder / split / small.CLASSES[label] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "model.keras"
    model_of(0).save(path)
    return path


@pytest.fixture
def small_sizes(monkeypatch):
    monkeypatch.setattr(data, "QUICK", small.SIZES)


def run(model, data_dir, out, *arguments):
    return evaluate.main(
        [
            "evaluate",
            str(model),
            "--dataset=folder",
            f"--data_dir={data_dir}",
            f"--out={out}",
            "--quick",
            *arguments,
        ]
    )


def test_a_model_leaves_a_page_and_its_numbers(
    model_path, data_dir, tmp_path, small_sizes, capsys
):
    only = "--only=reconstruction,codebook,probe,training"
    assert run(model_path, data_dir, tmp_path / "deep" / "out", only) == 0
    numbers = json.loads((tmp_path / "deep" / "out" / "metrics.json").read_text())
    assert numbers["metrics"]["reconstruction"]["psnr"] > 0
    assert numbers["metrics"]["probe"]["top_indices_accuracy"] >= 0
    assert numbers["settings"]["quick"] is True
    assert "no history.csv" in numbers["skipped"]["training"]["all of it"]
    page = (tmp_path / "deep" / "out" / "report.html").read_text()
    assert "VQVAE2" in page and "dark, red, bright" not in page.split("<nav>")[1]
    said = capsys.readouterr()
    assert "report.html" in said.out and "Training" in said.out
    assert "Codebooks: " in said.err and "sections" in said.err


def test_damaged_and_hostile_files_among_the_data_are_named(
    model_path, data_dir, tmp_path, capsys
):
    hostile = tmp_path / "hostile"
    shutil.copytree(data_dir, hostile)
    good = (hostile / "test" / small.CLASSES[0]).glob("*.png")
    (next(good).with_name("cut.png")).write_bytes(next(good).read_bytes()[:60])
    folder = hostile / "train" / small.CLASSES[1]
    (folder / "empty.png").touch()
    (folder / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n")
    Image.new("1", (9000, 9000)).save(folder / "bomb.png")
    assert run(model_path, hostile, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said and not (tmp_path / "out").exists()
    for name in ("cut.png", "empty.png", "script.png", "bomb.png"):
        assert name in said


def test_the_folder_of_a_run_brings_its_history(
    model_path, data_dir, tmp_path, small_sizes
):
    shutil.copy(model_path, tmp_path / "model.keras")
    rows = "epoch,step,seconds,loss,val_loss\n1,20,1.5,3,4\n2,40,1.5,2,5\n"
    (tmp_path / "history.csv").write_text(rows)
    (tmp_path / "losses.csv").write_text("step,loss\n10,3.5\n20,2.5\n30,4.0\n40,2\n")
    assert run(tmp_path, data_dir, tmp_path / "out", "--only=training") == 0
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert numbers["metrics"]["training"]["validation_loss_jump"] == 1
    assert numbers["metrics"]["training"]["training_loss_jump"] == 1.5


@pytest.fixture(scope="module")
def prior_run(tmp_path_factory):
    drawn = small.pipeline_of(model_of(0))
    # The data's classes are in the order of their names.
    drawn.class_names = tuple(sorted(small.CLASSES))
    folder = tmp_path_factory.mktemp("priors") / "run"
    drawn.save(folder)
    return folder


def test_the_folder_of_a_prior_is_measured_with_its_likelihood(
    prior_run, data_dir, tmp_path, small_sizes
):
    out = tmp_path / "out"
    assert run(prior_run, data_dir, out, "--only=likelihood") == 0
    numbers = json.loads((out / "metrics.json").read_text())
    assert numbers["metrics"]["likelihood"]["test_bits_per_pixel"] > 0
    assert "PixelCNN, PixelCNN" in (out / "report.html").read_text()


@pytest.mark.slow
def test_samples_of_a_prior_teach_a_classifier(
    prior_run, data_dir, tmp_path, small_sizes
):
    out, score = tmp_path / "out", "classification_accuracy_score"
    assert run(prior_run, data_dir, out, f"--only={score}", "--retrain") == 0
    numbers = json.loads((out / "metrics.json").read_text())
    assert 0 <= numbers["metrics"][score]["samples_top1"] <= 1
    cells = re.findall("<t[dh][^>]*>([^<]*)<", (out / "report.html").read_text())
    rows = {name: cells[cells.index(name) + 1] for name in ("real", "samples")}
    assert rows["real"] == rows["samples"] == "41"


def test_a_judge_is_kept_and_judges_again_without_training(
    model_path, data_dir, tmp_path, small_sizes, monkeypatch, capsys
):
    flags = ("--only=judge", "--judge_steps=2")
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(model_path, data_dir, first, *flags) == 0
    assert "2 steps of 64 images" in (first / "report.html").read_text()
    monkeypatch.setattr(judge, "fit_classifier", None)
    given = f"--judge={first / 'judge.keras'}"
    assert run(model_path, data_dir, second, "--only=judge", given) == 0
    top1 = [
        json.loads((out / "metrics.json").read_text())["metrics"]["judge"]["top1"]
        for out in (first, second)
    ]
    assert top1[0] == top1[1] and not (second / "judge.keras").exists()
    assert run(model_path, data_dir, second, given, "--classes=red,dark") == 1
    assert "logits of 2 classes and features" in capsys.readouterr().err


def test_scales_of_guidance_below_0_are_refused(model_path, data_dir, tmp_path, capsys):
    assert run(model_path, data_dir, tmp_path, "--guidance_scales=1,-2") == 2
    assert "--guidance_scales of at least 0, received [-2.0]" in capsys.readouterr().err


def test_rejection_needs_a_prior_to_draw_from(model_path, data_dir, tmp_path, capsys):
    arguments = ("--only=samples", "--reject=judge.keras")
    assert run(model_path, data_dir, tmp_path, *arguments) == 1
    assert "folder of a prior's run with --reject" in capsys.readouterr().err


def test_chosen_classes_are_all_there_is_to_measure(
    model_path, data_dir, tmp_path, small_sizes, capsys
):
    arguments = ("--only=probe", "--classes=red,dark")
    assert run(model_path, data_dir, tmp_path, *arguments) == 0
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["facts"]["classes"] == "0 dark, 1 red"
    assert numbers["facts"]["images"] == "20 of 20 test, 27 of 27 training, at random"
    assert numbers["settings"]["classes"] == ["red", "dark"]
    assert run(model_path, data_dir, tmp_path, "--classes=blue") == 1
    assert "--classes to be of bright, dark, red, received blue" in (
        capsys.readouterr().err
    )


def test_factors_that_are_not_there_say_how_to_get_them(
    model_path, tmp_path, monkeypatch, capsys
):
    from vqzoo.datasets import preparation

    monkeypatch.setattr(preparation, "_has_network", lambda builder: False)
    arguments = [str(model_path), f"--data_dir={tmp_path}", "--factors=shapes3d"]
    assert evaluate.main(["evaluate", *arguments, f"--out={tmp_path}"]) == 1
    assert "tfds build shapes3d --data_dir=DIR" in capsys.readouterr().err


def test_sprites_are_made_in_the_size_of_the_model(
    model_path, data_dir, tmp_path, small_sizes, monkeypatch
):
    def scores(sample_factors, represent, num_test):
        assert num_test == small.SIZES.factor_images
        codes = represent(sample_factors(6, np.random.default_rng(0)))
        return {"codes": codes.shape[1], "codes_floor": 0}

    monkeypatch.setattr(disentanglement, "disentanglement_scores", scores)
    arguments = ("--only=disentanglement", "--factors=sprites")
    assert run(model_path, data_dir, tmp_path, *arguments) == 0
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["metrics"]["disentanglement"]["top_indices_codes"] == 4


def test_images_are_drawn_at_random_and_not_class_by_class(data_dir):
    from vqzoo import datasets

    splits = datasets.load("folder", data_dir=data_dir, image_size=16)
    stored = splits.test.arrays()[1]
    assert stored.tolist() == sorted(stored)
    few = measures.Data.of(splits, measures.Sizes(images=12))
    assert len(few.images) == 12 and len(np.unique(few.labels)) == 3
    assert (few.num_test, few.num_train) == (30, splits.train.size)
    assert len(measures.Data.of(splits, measures.Sizes(images=1000)).images) == 30


def test_the_report_says_how_many_images_of_the_split_it_measured(
    model_path, data_dir, tmp_path, small_sizes, monkeypatch
):
    monkeypatch.setattr(data, "MOST_BYTES", 20 * 16 * 16 * 3 * 4)
    for flag, count in (("--num_images=0", 20), ("--num_images=25", 25)):
        assert run(model_path, data_dir, tmp_path, "--only=training", flag) == 0
        facts = json.loads((tmp_path / "metrics.json").read_text())["facts"]
        assert facts["images"].startswith(f"{count} of 30 test, ")
        assert facts["images"].endswith("training, at random")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "expected MODEL, received"),
        (["a.keras", "b.keras"], "received ['a.keras', 'b.keras']"),
        (["a.keras", "--datasets=x"], "datasets"),
        (["a.keras", "--only=probe,psnr"], "--only to be some of brittleness"),
        (
            ["a.keras", "--factors=cars"],
            "--factors to be empty or one of sprites, dsprites",
        ),
        (["a.keras", "--representation=index"], "one of indices, sorted_indices"),
        (["a.keras", "--num_images=-1"], "--num_images to be at least 0"),
        (["a.keras", "--watts=0"], "--watts to be above 0, received 0.0"),
        (["a.keras", "--lpips_weights=vgg.pth"], "--lpips_backbone with"),
    ],
)
def test_a_wrong_command_line_says_why(arguments, text, capsys):
    assert evaluate.main(["evaluate", *arguments]) == 2
    assert text in capsys.readouterr().err


def test_help_lists_the_flags(capsys):
    assert evaluate.main(["evaluate", "--help"]) == 0
    assert "--[no]quick" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nowhere.keras", "or a .keras file, received"),
        (".", "expected a finished run, received"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(name, text, data_dir, tmp_path, capsys):
    assert run(tmp_path / name, data_dir, tmp_path / "out") == 1
    assert text in capsys.readouterr().err


def test_images_of_another_size_are_refused(model_path, data_dir, tmp_path, capsys):
    assert run(model_path, data_dir, tmp_path / "out", "--image_size=8") == 1
    error = capsys.readouterr().err
    assert "images of (16, 16, 3) for the model, received (8, 8, 3)" in error


def test_images_that_are_too_small_are_refused(data_dir, tmp_path, capsys):
    from vqzoo.layers import VectorQuantizer
    from vqzoo.models import VQVAE

    sizes = {"num_channels": 4, "residual_channels": 2, "num_residual_blocks": 1}
    layer = VectorQuantizer(8, 2, codebook_init="random_normal")
    VQVAE(layer, image_shape=(32, 32, 3), **sizes).save(tmp_path / "m.keras")
    assert run(tmp_path / "m.keras", data_dir, tmp_path / "out") == 1
    assert "16 x 16 pixels" in capsys.readouterr().err


def test_a_model_of_another_library_is_refused(data_dir, tmp_path, capsys):
    inputs = keras.Input((16, 16, 3))
    keras.Model(inputs, inputs).save(tmp_path / "other.keras")
    assert run(tmp_path / "other.keras", data_dir, tmp_path / "out") == 1
    assert "expected a model of vqzoo.models" in capsys.readouterr().err


def test_without_out_the_report_goes_to_the_runs(
    model_path, data_dir, tmp_path, small_sizes, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run(model_path, data_dir, "", "--only=training") == 0
    (folder,) = (tmp_path / "runs" / "evaluate").iterdir()
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "report.html"}


def test_another_scale_than_that_of_the_training_is_said(capsys):
    twelve, fourteen = {"12 bits": [0, 4095]}, {"14 bits": [0, 16383]}
    evaluate._warn_of_range({"values": twelve}, {"values": twelve})
    evaluate._warn_of_range({}, {"values": twelve})
    assert capsys.readouterr().err == ""
    evaluate._warn_of_range({"values": twelve}, {"values": fourteen})
    assert "--value_range=0,4095 scales them as it learned" in capsys.readouterr().err


def test_a_protocol_stands_beside_the_numbers_and_others_are_refused(
    model_path, data_dir, tmp_path, monkeypatch, capsys
):
    small_one = protocols.Protocol(
        num_images=20, num_samples=20, num_reference=30, inception_resize="clean"
    )
    monkeypatch.setitem(protocols.PROTOCOLS, "clean_fid_1k", small_one)
    monkeypatch.setattr(data, "Sizes", lambda: small.SIZES)
    flags = [str(model_path), "--dataset=folder", f"--data_dir={data_dir}"]
    flags += ["--only=sets", "--protocol=clean_fid_1k"]
    first, second = tmp_path / "first", tmp_path / "second"
    assert evaluate.main(["evaluate", *flags, f"--out={first}"]) == 0
    record = json.loads((first / "metrics.json").read_text())["protocol"]
    assert record["num_reference"] == 30 and len(record["features"]["resnet"]) == 16
    flags += [f"--beside={first}", f"--out={second}"]
    assert evaluate.main(["evaluate", *flags]) == 0
    assert "Beside first" in (second / "report.html").read_text()
    capsys.readouterr()
    assert evaluate.main(["evaluate", *flags, "--quick"]) != 0
    assert "--quick=False with --protocol=clean_fid_1k" in capsys.readouterr().err
