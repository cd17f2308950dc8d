import dataclasses
import json
import shutil
import types

import filelock
import pytest

from tests.helpers.processes import without_pictures
from vqzoo import studies, training
from vqzoo.datasets import factors
from vqzoo.measures import data
from vqzoo.runs import files
from vqzoo.runs.folder import Run
from vqzoo.studies import card, sweep_loop, sweep_table
from vqzoo.studies.sweep_recipe import Condition
from vqzoo.training.command import parse

pytestmark = pytest.mark.xdist_group("sweep")  # One run serves several tests.
TINY = studies.SweepRecipe(
    name="tiny_sweep",
    model="vqvae_32",
    model_options=("num_residual_blocks=1",),
    epochs=1,
    max_steps_per_epoch=2,
    batch_size=4,
    precision="float32",
    strategy="none",
    tensorboard=False,
    smoke=True,
    conditions=("noisy@0.5: noise_stddev=0.5", "plain: noise_stddev=0.0"),
    seeds=(0,),
    measurements=("reconstruction", "codebook"),
    shown=("reconstruction.psnr", "codebook.bottom_usage"),
    axis="sigma",
)


@pytest.fixture(scope="module", autouse=True)
def pictures_of_sweeps_alone():
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch.setattr)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    runs = tmp_path_factory.mktemp("sweep")
    return studies.run_sweep(dataclasses.replace(TINY, runs_dir=str(runs)))


def rows_of(folder):
    return json.loads((folder / "sweep.json").read_text())


def test_a_sweep_leaves_rows_a_table_and_curves(finished):
    rows = rows_of(finished)
    assert [row["condition"] for row in rows] == ["noisy 0.5", "plain"]
    assert [row["place"] for row in rows] == [0.5, None]
    table = (finished / "table.md").read_text().splitlines()
    assert table[0].startswith("| condition | seeds | PSNR (reconstruction) |")
    for line, row in zip(table[2:], rows):
        assert line.startswith(f"| {row['condition']} | 1 | ")
        assert f"{row['metrics']['reconstruction.psnr']:.2f}" in line
    medians = Run(finished).metrics()["test"]
    expected = rows[1]["metrics"]["codebook.bottom_usage"]
    assert medians["plain: codebook.bottom_usage"] == expected
    assert {path.name for path in finished.glob("*.png")} == {
        "reconstruction_psnr.png",
        "codebook_bottom_usage.png",
        "codebooks.png",
        "reconstructions.png",
    }


def test_each_run_has_its_condition(finished):
    folders = {path.name: path for path in (finished / "runs").iterdir()}
    assert set(folders) == {"noisy_0.5_0", "plain_0"}
    (run,) = folders["noisy_0.5_0"].iterdir()
    assert json.loads((run / "recipe.json").read_text())["recipe"]["noise_stddev"] == [
        0.5
    ]


def test_a_finished_sweep_takes_another_condition(finished, monkeypatch):
    ran, run = [], training.Recipe.run

    def counted(recipe):
        ran.append(recipe.name)
        return run(recipe)

    monkeypatch.setattr(training.Recipe, "run", counted)
    before = rows_of(finished)
    more = dataclasses.replace(
        TINY,
        runs_dir=str(finished.parents[1]),
        resume=True,
        conditions=(TINY.conditions[0], "noisy@1: noise_stddev=1.0"),
    )
    assert studies.run_sweep(more) == finished
    assert ran == ["noisy_1_0"]
    assert rows_of(finished)[:2] == before
    table = (finished / "table.md").read_text()
    assert "noisy 1 |" in table and "plain |" in table


def test_a_condition_that_became_another_is_refused(finished):
    other = dataclasses.replace(
        TINY,
        runs_dir=str(finished.parents[1]),
        resume=True,
        conditions=("noisy@0.5: noise_stddev=0.7",),
    )
    with pytest.raises(files.RunError, match=r"noisy 0\.5.*received.*0\.7"):
        studies.run_sweep(other)
    other = dataclasses.replace(other, conditions=TINY.conditions, epochs=2)
    other = dataclasses.replace(other, max_steps_per_epoch=1)
    with pytest.raises(files.RunError, match="--max_steps_per_epoch"):
        studies.run_sweep(other)


def test_a_sweep_that_was_stopped_goes_on(finished, tmp_path, monkeypatch):
    recipe = dataclasses.replace(TINY, runs_dir=str(tmp_path))
    run = training.Recipe.run

    def stopped(own):
        if own.name.startswith("plain"):
            raise files.Stopped("SIGTERM", 143)
        return run(own)

    monkeypatch.setattr(training.Recipe, "run", stopped)
    with pytest.raises(files.Stopped):
        studies.run_sweep(recipe)
    (folder,) = (tmp_path / "tiny_sweep").iterdir()
    assert len(rows_of(folder)) == 1 and not (folder / "metrics.json").exists()
    monkeypatch.setattr(training.Recipe, "run", run)
    resumed = dataclasses.replace(recipe, resume=True)
    assert studies.run_sweep(resumed) == folder
    assert rows_of(folder) == rows_of(finished)[:2]


def test_processes_share_the_runs_of_a_sweep(finished, tmp_path, capsys):
    folder = tmp_path / "tiny_sweep" / "20260101-000000"
    shutil.copytree(finished, folder)
    for name in ("sweep.json", "metrics.json", "table.md"):
        (folder / name).unlink()
    rows = rows_of(finished)[:2]
    files.write_json(folder / "sweep.json", [])
    recipe = dataclasses.replace(TINY, runs_dir=str(tmp_path), resume=True)
    with filelock.FileLock(folder / "locks" / "noisy_0.5_0.lock"):
        assert studies.run_sweep(recipe) == folder
    assert rows_of(folder) == [rows[1]] and not (folder / "table.md").exists()
    assert "1 of the 2 runs" in capsys.readouterr().out
    assert studies.run_sweep(recipe) == folder
    assert rows_of(folder) == [rows[1], rows[0]]
    assert (folder / "table.md").read_text().splitlines()[2].startswith("| noisy 0.5 |")


def test_what_another_process_has_mended_is_not_run_again(finished, monkeypatch):
    """Both saw the failed run when they began, and one of them was at it first."""
    failed = {("noisy 0.5", 0), ("plain", 0)}
    monkeypatch.setattr(sweep_loop, "_open", lambda recipe: (Run(finished), failed))
    before = rows_of(finished)
    monkeypatch.setattr(sweep_loop, "_row", lambda *arguments: pytest.fail("ran"))
    assert studies.run_sweep(TINY) == finished
    assert rows_of(finished) == before


def test_a_run_that_diverges_is_noted_and_the_others_go_on(tmp_path):
    wild = dataclasses.replace(
        TINY,
        runs_dir=str(tmp_path),
        conditions=("wild@1: learning_rate=1e30", TINY.conditions[1]),
    )
    said = r"1 of 2 runs failed.*: wild 1, seed 0 \(.* not finite at step 2\)"
    with pytest.raises(files.RunError, match=said):
        studies.run_sweep(wild)
    (folder,) = (tmp_path / "tiny_sweep").iterdir()
    failed, plain = rows_of(folder)
    assert failed["metrics"] == {} and "not finite at step 2" in failed["failed"]
    assert plain["metrics"]["reconstruction.psnr"] > 0 and "failed" not in plain
    table = (folder / "table.md").read_text()
    assert "| wild 1 | 0, 1 failed | - | - |" in table
    assert f"Failed: wild 1, seed 0 ({failed['failed']}).\n" in table
    medians = Run(folder).metrics()["test"]
    assert {name.partition(":")[0] for name in medians} == {"plain"}
    # Tried again, here with a setting that lets it through.
    tamed = ("wild@1: learning_rate=1e-4", TINY.conditions[1])
    again = dataclasses.replace(wild, conditions=tamed, resume=True)
    assert studies.run_sweep(again) == folder
    assert [row["condition"] for row in rows_of(folder)] == ["plain", "wild 1"]
    assert "failed" not in (folder / "table.md").read_text()
    assert len(list((folder / "failed" / "wild_1_0").iterdir())) == 1


def test_what_does_not_concern_one_run_alone_ends_the_sweep(tmp_path, monkeypatch):
    def full(own):
        raise files.RunError("cannot write: No space left on device")

    monkeypatch.setattr(training.Recipe, "run", full)
    with pytest.raises(files.RunError, match="^cannot write"):
        studies.run_sweep(dataclasses.replace(TINY, runs_dir=str(tmp_path)))


def test_a_run_that_was_trained_under_other_changes_is_not_taken(finished):
    (own, *_) = TINY.shrunk().parsed()
    run = TINY.shrunk().run_of(own, 0, finished / "runs")
    kept = sweep_loop.finished(run)
    assert kept.parent == finished / "runs" / "noisy_0.5_0"
    other = dataclasses.replace(run, noise_stddev=(0.7,))
    with pytest.raises(files.RunError, match="--noise_stddev"):
        sweep_loop.finished(other)


def test_nothing_to_resume_is_said(tmp_path):
    recipe = dataclasses.replace(TINY, runs_dir=str(tmp_path), resume=True)
    with pytest.raises(files.RunError, match="no sweep with sweep.json in"):
        studies.run_sweep(recipe)


def test_workers_on_several_machines_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    with pytest.raises(files.RunError, match="unset TF_CONFIG"):
        studies.run_sweep(dataclasses.replace(TINY, runs_dir=str(tmp_path)))


def test_a_card_holds_the_table_of_a_sweep(finished, tmp_path, monkeypatch):
    from vqzoo.recipes import noise_sweep

    monkeypatch.setattr(noise_sweep, "RECIPE", TINY)
    readme = card.write(finished, tmp_path / "recipes" / "noise_sweep")
    text = readme.read_text()
    assert (finished / "table.md").read_text().strip() in text
    assert "| seed | 0, a run of each condition each |" in text
    assert "![codebook_bottom_usage](codebook_bottom_usage.png)" in text
    assert (readme.parent / "sweep.json").exists()


def test_numbers_have_names_for_people():
    assert sweep_table.words("sigma (indices)") == "sigma (indices)"
    assert sweep_table.words("probe.top_accuracy") == "top accuracy (probe)"
    moved = sweep_table.words("brittleness.bottom_0.25_10_psnr")
    assert moved == "PSNR (dB), 25% of bottom indices moved by 10"


def test_conditions_are_read():
    recipe = dataclasses.replace(
        TINY,
        conditions=(
            "a b@2: model_options=('seed=1','x=(1,2)') decay=0.9",
            "c: noise_stddev=(0.1,)",
        ),
        model="vqvae2_32",
    )
    first, second = recipe.parsed()
    options = {"model_options": ("seed=1", "x=(1,2)"), "decay": 0.9}
    assert first == Condition("a b 2", "a b", 2.0, options, model="a b 2")
    assert second == Condition("c", "c", None, {"noise_stddev": (0.1,)}, model="c")
    own = recipe.run_of(first, 7, "elsewhere")
    assert type(own) is training.Recipe
    assert (own.name, own.seed, own.decay) == ("a_b_2_7", 7, 0.9)
    assert own.runs_dir == "elsewhere" and own.model == "vqvae2_32"


def test_flags_take_conditions():
    argv = ["sweep", "--conditions=p@1: noise_stddev=(1.0,0.2),q: decay=0.9"]
    argv += ["--seeds=3,4"]
    recipe = parse(TINY, argv)
    assert [c.name for c in recipe.parsed()] == ["p 1", "q"]
    assert recipe.parsed()[0].changes == {"noise_stddev": (1.0, 0.2)}
    assert recipe.seeds == (3, 4)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"conditions": ()}, "--conditions to be one or more"),
        ({"conditions": ("a: decay=0.9", "a: decay=0.8")}, "of another name"),
        ({"conditions": ("a+b: decay=0.9", "a b: decay=0.8")}, "of another name"),
        ({"conditions": ("a, b: decay=0.9",)}, "of the form NAME@NUMBER"),
        ({"conditions": ("decay=0.9",)}, "of the form NAME@NUMBER"),
        ({"conditions": ("a@x: decay=0.9",)}, "of the form NAME@NUMBER"),
        ({"conditions": ("a: decay",)}, "of the form NAME@NUMBER"),
        ({"conditions": ("a: seed=3",)}, "--conditions to be settings of"),
        ({"conditions": ("a: decay=2",)}, "--decay to be in"),
        ({"seeds": ()}, "--seeds to be different numbers"),
        ({"seeds": (1, 1)}, "--seeds to be different numbers"),
        ({"measurements": ("psnr",)}, "--measurements to be some of"),
        ({"shown": ("probe.accuracy",)}, "--shown to be numbers of"),
        ({"shown": ("psnr",)}, "--shown to be numbers of"),
        ({"axis": "likelihood.bits"}, "--axis to be numbers of"),
        ({"num_images": 0}, "--num_images to be at least 1"),
        ({"prior_settings": ("layers=3",)}, "--prior_settings to be some of"),
    ],
)
def test_what_cannot_work_names_its_flag(settings, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(TINY, **settings)


def test_a_prior_is_fitted_to_the_model_of_the_run():
    recipe = dataclasses.replace(
        TINY, prior_settings=("prior=pixelcnn", "epochs=3", "tiers=('top',)")
    )
    condition = recipe.parsed()[0]
    own = recipe.run_of(condition, 5, "runs")
    prior = recipe.prior_of(condition, own, "runs/model.keras")
    assert (prior.prior, prior.epochs, prior.tiers) == ("pixelcnn", 3, ("top",))
    assert prior.model == "runs/model.keras" and prior.smoke and prior.seed == 5
    assert TINY.prior_of(condition, own, "runs/model.keras") is None
    recipe = dataclasses.replace(recipe, dataset="folder", classes=("ant", "bee"))
    own = recipe.run_of(recipe.parsed()[0], seed=3, runs_dir="runs")
    prior = recipe.prior_of(condition, own, "runs/model.keras")
    assert own.classes == prior.classes == ("ant", "bee")


def test_disentanglement_is_of_the_data_where_its_factors_are_known(monkeypatch):
    loaded, model = [], types.SimpleNamespace(image_shape=(32, 32, 3))
    monkeypatch.setattr(factors, "load", lambda *arguments: loaded.append(arguments))
    for dataset, data_dir in (("photos", ""), ("dsprites", "tfds")):
        recipe = dataclasses.replace(
            TINY,
            dataset=dataset,
            data_dir=data_dir,
            measurements=("disentanglement",),
            shown=("disentanglement.beta_vae",),
        )
        name = sweep_loop._factors(recipe, recipe.measurements)
        assert "factors" in data.options(model, recipe, name)
    names = [name for name, *_ in loaded]
    assert names == ["sprites", "dsprites"]
    assert loaded[1][1:] == ((32, 32, 3), "tfds")
    assert sweep_loop._factors(TINY, TINY.measurements) == ""


def made_up(condition, place, seed, **metrics):
    return {
        "condition": condition,
        "series": condition.split()[0],
        "place": place,
        "seed": seed,
        "metrics": metrics,
    }


def test_medians_and_spreads_are_of_the_seeds():
    name = "reconstruction.psnr"
    rows = [
        made_up("a 1", 1.0, seed, **{name: value})
        for seed, value in enumerate((20.0, 26.0, 22.0))
    ]
    rows += [made_up("a 2", 2.0, 0, **{name: 30.0}), made_up("b", None, 0)]
    table = sweep_table.table(rows, TINY.shown)
    assert "| a 1 | 3 | 22.00 (20.00 to 26.00) | - |" in table
    assert "| a 2 | 1 | 30.00 | - |" in table and "| b | 1 | - | - |" in table
    series, spreads, _ = sweep_table._curves(TINY, rows, name)
    assert series == {"a": ((1.0, 2.0), (22.0, 30.0))}
    assert spreads == {"a": ((2.0, 0.0), (4.0, 0.0))}  # To the least and the most.
    rows += [made_up(key, None, 0, **{name: 25.0}) for key in ("level", "a")]
    series, _, levels = sweep_table._curves(TINY, rows, name)
    assert series["level"] == ((1.0, 2.0), (25.0, 25.0))
    assert series["a"] == ((1.0, 2.0), (22.0, 30.0))
    assert series["a, level"] == series["level"]
    assert levels == {"level": 25.0, "a": 25.0}


def test_runs_that_failed_are_not_in_the_medians():
    name = "reconstruction.psnr"
    rows = [made_up("a 1", 1.0, seed, **{name: 20.0 + seed}) for seed in (0, 2)]
    rows.append({**made_up("a 1", 1.0, 3), "failed": "the loss is not finite"})
    table = sweep_table.table(rows, TINY.shown)
    assert "| a 1 | 2, 1 failed | 21.00 (20.00 to 22.00) | - |" in table
    assert "\nFailed: a 1, seed 3 (the loss is not finite).\n" in table
    assert sweep_table.medians(TINY.shown, rows) == {"a 1: reconstruction.psnr": 21.0}
    assert sweep_table._agreement(rows[::-1]) is None


def test_what_has_no_place_on_a_measured_axis_is_a_level():
    rate, psnr = "codebook.bottom_perplexity", "reconstruction.psnr"
    recipe = dataclasses.replace(TINY, axis=rate)
    rows = [
        made_up(f"a {k}", float(k), 0, **{rate: k / 9, psnr: 20.0 + k}) for k in (1, 2)
    ]
    rows.append(made_up("b 512", 512.0, 0, **{psnr: 30.0}))
    series, _, _ = sweep_table._curves(recipe, rows, psnr)
    assert series["a"] == ((1 / 9, 2 / 9), (21.0, 22.0))
    assert series["b 512"] == ((1 / 9, 2 / 9), (30.0, 30.0))
    assert "| b 512 | 1 | 30.00 | - |" in sweep_table.table(rows, recipe.shown)


def test_without_any_place_on_the_axis_the_picture_has_bars():
    rows = [
        made_up(key, None, 0, **{"reconstruction.psnr": value})
        for key, value in (("b", 30.0), ("c", 25.0))
    ]
    axis = sweep_table._picture(TINY, rows, "reconstruction.psnr").axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["b", "c"]
    assert [bar.get_width() for bar in axis.patches] == [30.0, 25.0]
    assert sweep_table._picture(TINY, rows, "codebook.bottom_usage") is None
    assert list(sweep_table.pictures(TINY, rows)) == ["reconstruction_psnr"]


def test_a_measured_axis_takes_image_formats_beside_it():
    rate = "rate_distortion.prior_bottom_bits_per_pixel"
    recipe = dataclasses.replace(
        TINY,
        measurements=("reconstruction", "rate_distortion"),
        shown=("rate_distortion.psnr", "reconstruction.psnr"),
        axis=rate,
    )
    formats = {
        f"rate_distortion.jpeg_{quality}_{kind}": value
        for quality, bits, psnr in ((50, 1.0, 30.0), (5, 0.2, 20.0))
        for kind, value in (("bits_per_pixel", bits), ("psnr", psnr))
    }
    rows = [
        made_up(f"a {i}", i, 0, **{rate: bits, **dict.fromkeys(recipe.shown, psnr)})
        for i, (bits, psnr) in enumerate(((0.5, 25.0), (0.3, 24.0)))
    ]
    rows[1]["metrics"] |= formats  # The run before may have failed.
    series, _, _ = sweep_table._curves(recipe, rows, "rate_distortion.psnr")
    assert series["a"] == ((0.3, 0.5), (24.0, 25.0))
    assert series["JPEG"] == ((0.2, 1.0), (20.0, 30.0))
    # Those numbers are of other images than the formats'.
    series, _, _ = sweep_table._curves(recipe, rows, "reconstruction.psnr")
    assert series == {"a": ((0.3, 0.5), (24.0, 25.0))}


def test_measures_of_disentanglement_are_compared_over_runs():
    rows = [
        made_up(f"m {i}", None, 0, **{"disentanglement.a": i, "disentanglement.b": -i})
        for i in range(3)
    ]
    for row in rows:
        row["metrics"]["reconstruction.psnr"] = 20.0
    figure = sweep_table._agreement(rows)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["a", "b"]
    cells = {text.get_text() for text in figure.axes[0].texts}
    assert cells == {"1", "-1"}
    rows.insert(0, made_up("without", None, 0))
    assert sweep_table._agreement(rows) is not None
    assert sweep_table._agreement(rows[:3]) is None


def test_priors_are_compared_on_each_model():
    recipe = dataclasses.replace(
        TINY,
        prior_settings=("tiers=bottom",),
        prior_conditions=(
            "pixel: prior=pixelcnn epochs=3",
            "gan: gan=dcgan scale_steps=5",
        ),
        prior_measurements=("likelihood", "run"),
        shown=("reconstruction.psnr", "run.training_seconds"),
        only=("plain",),
    )
    rows = [row for row, _ in recipe.jobs()]
    assert [row.name for row in rows] == ["plain", "plain, pixel", "plain, gan"]
    assert [recipe.measured(row) for row in rows[:2]] == [
        ("reconstruction", "codebook"),
        ("likelihood", "run"),
    ]
    runs = [recipe.run_of(row, 0, "runs") for row in rows]
    assert {run.name for run in runs} == {"plain_0"}  # One model for all of them.
    assert recipe.prior_of(rows[0], runs[0], "m.keras") is None
    pixel, gan = (recipe.prior_of(row, runs[0], "m.keras") for row in rows[1:])
    assert type(pixel) is training.PriorRecipe and type(gan) is training.GANRecipe
    assert (pixel.name, pixel.epochs, pixel.prior) == ("plain_0_pixel", 3, "pixelcnn")
    assert (gan.gan, gan.scale_steps) == ("dcgan", (5,))
    assert pixel.tiers == gan.tiers == ("bottom",)
    with pytest.raises(ValueError, match="GANRecipe: .* 'epochs'"):
        dataclasses.replace(recipe, prior_settings=("epochs=3",))
    few = dataclasses.replace(recipe, only=()).shrunk()
    assert [row.name for row, _ in few.jobs()] == [
        "noisy 0.5",
        "noisy 0.5, pixel",
        "noisy 0.5, gan",
    ]


def test_a_trained_model_is_taken_in_the_place_of_one_that_is_trained():
    recipe = dataclasses.replace(
        TINY, trained="a.keras", conditions=("a: ", "b: trained=b.keras decay=0.9")
    )
    a, b = recipe.parsed()
    assert (recipe.trained_of(a), recipe.trained_of(b)) == ("a.keras", "b.keras")
    assert recipe.run_of(b, 0, "runs").decay == 0.9


def test_numbers_over_a_baseline_are_of_equal_seeds():
    rows = [
        made_up(name, None, seed, **{"reconstruction.psnr": value})
        for name, values in {"plain": (10.0, 20.0), "noisy": (20.0, 30.0, 1.0)}.items()
        for seed, value in enumerate(values)
    ]
    text = sweep_table.table(rows, ("reconstruction.psnr",), "plain")
    _, over = text.split("\nOver plain, seed by seed:\n\n")
    assert over.splitlines()[2:] == ["| noisy | 3 | 1.750 (1.500 to 2.000) |"]
