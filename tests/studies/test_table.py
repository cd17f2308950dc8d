import json

from vqzoo.studies import table


def test_rows_before_sweeps_are_read_by_their_keys(tmp_path, capsys):
    path = tmp_path / "rows.json"
    rows = {
        "ema 64 noise 0 seed 0": {"quantizer": "ema", "psnr": 20.0},
        "ema 64 noise 0 seed 1": {"quantizer": "ema", "psnr": 22.0},
        "noisy, pixelcnn, True, 3": {"psnr": 5.0},
        "real images": {"psnr": 9.0},
    }
    path.write_text(json.dumps({"settings": {}, "rows": rows}))
    kept = table.read(path)
    assert [(row["condition"], row["seed"]) for row in kept] == [
        ("ema 64 noise 0", 0),
        ("ema 64 noise 0", 1),
        ("noisy, pixelcnn, True", 3),
        ("real images", 0),
    ]
    assert kept[0]["metrics"] == {"psnr": 20.0}
    assert table.main(["table", str(path), "psnr"]) == 0
    assert "| ema 64 noise 0 | 2 | 21.00 (20.00 to 22.00) |" in capsys.readouterr().out


def test_the_rows_of_a_sweep_are_taken_as_they_are(tmp_path, capsys):
    path = tmp_path / "sweep.json"
    rows = [
        {"condition": name, "seed": 0, "metrics": {"a.b": value}}
        for name, value in (("x", 2.0), ("y", 3.0))
    ]
    path.write_text(json.dumps(rows))
    assert table.read(path) == rows
    assert table.main(["table", str(path), "a.b", "over=x"]) == 0
    assert "Over x, seed by seed" in capsys.readouterr().out


def test_what_is_missing_is_said(tmp_path, capsys):
    assert table.main(["table"]) == 2
    assert table.main(["table", str(tmp_path / "none"), "psnr"]) == 1
    assert "received" in capsys.readouterr().err


def test_sections_of_metrics_and_tables_of_cards_are_rows(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"test": {"psnr": 2.0}, "class_names": []}))
    assert table.read(path) == [
        {"condition": "test", "seed": 0, "metrics": {"psnr": 2.0}}
    ]
    card = tmp_path / "README.md"
    card.write_text("# x\n\n| | a | b |\n|---|---|---|\n| c | 1,234.5 % | words |\n")
    assert table.read(card) == [{"condition": "c", "seed": 0, "metrics": {"a": 1234.5}}]
