import json
import pathlib

import pytest

from vqzoo.studies import cells, claims, results

ROOT = pathlib.Path(__file__).parents[2]
ROWS = {
    f"{name} seed {seed}": {"psnr": value + seed}
    for name, value in (("plain", 20.0), ("noisy", 30.0))
    for seed in range(3)
}


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "rows.json").write_text(
        json.dumps({"rows": ROWS, "machine": {"cpu": "Z80", "date": "1976-07-01"}})
    )
    return tmp_path


def filled(checkout, mark):
    path = checkout / "docs" / "page.md"
    path.write_text(f"Before {mark}old<!-- end --> after\n")
    return results.pages(checkout)[path]


@pytest.mark.once
def test_pages_agree_with_their_files():
    stale = [str(path.relative_to(ROOT)) for path in results.stale(ROOT)]
    assert stale == [], "run `vqzoo results --write`"


@pytest.mark.once
def test_no_claim_is_without_evidence():
    judged = claims.read(ROOT / "docs" / "results" / "claims.toml")
    assert len(judged) >= 14
    assert all(claim["evidence"] and claim["where"] for claim in judged)


def test_a_table_has_medians_ranges_seeds_machine_and_date(checkout):
    text = filled(checkout, '<!-- rows rows.json "psnr|PSNR|.1f dB" -->')
    assert "| condition | n | PSNR |" in text
    assert "| plain | 3 | 21.0 (20.0 to 22.0) dB |" in text
    assert "seeds 0, 1, 2; Z80; 1976-07-01; [rows.json](../rows.json)" in text
    assert text.startswith("Before <!-- rows") and text.endswith("<!-- end --> after\n")


def test_a_value_stands_in_its_sentence(checkout):
    text = filled(checkout, '<!-- value rows.json noisy "psnr||.0f dB" -->')
    assert "-->31 dB<!-- end --> after" in text


def test_other_comments_are_no_marks(checkout):
    text = filled(
        checkout, "<!-- not run: why -->\n<!-- value rows.json plain psnr -->"
    )
    assert "<!-- not run: why -->\n" in text and "-->21.00<!-- end -->" in text


def test_conditions_are_chosen_renamed_and_compared(checkout):
    mark = '<!-- over rows.json plain "psnr|PSNR|.3f" rename="noisy~loud" -->'
    assert "| loud | 3 | 1.476 (1.455 to 1.500) |" in filled(checkout, mark)
    mark = '<!-- turned rows.json "psnr|PSNR|.0f" where=noisy -->'
    assert "| median (range) | noisy (n = 3) |" in filled(checkout, mark)


def test_a_plot_is_drawn_when_its_numbers_change_and_not_else(checkout):
    mark = '<!-- bars plot rows.json psnr "PSNR (dB)" -->'
    filled(checkout, mark)
    picture = checkout / "docs" / "pictures" / "plot.png"
    drawn = results.stale(checkout)
    assert drawn[picture].startswith(b"\x89PNG")
    picture.parent.mkdir()
    picture.write_bytes(drawn[picture])
    assert picture not in results.stale(checkout)
    other = {"other seed 0": {"psnr": 1.0}}
    (checkout / "rows.json").write_text(json.dumps({"rows": ROWS | other}))
    assert picture in results.stale(checkout)


@pytest.mark.parametrize(
    "mark",
    [
        "<!-- nonsense x -->",
        "<!-- rows none.json a -->",
        "<!-- value rows.json x psnr -->",
    ],
)
def test_a_mark_that_cannot_be_made_is_named(checkout, mark):
    with pytest.raises(ValueError, match="page.md: expected a mark"):
        filled(checkout, mark)


def test_the_command_compares_and_writes(checkout, monkeypatch, capsys):
    filled(checkout, "<!-- rows rows.json psnr -->")
    monkeypatch.chdir(checkout)
    assert results.main(["vqzoo results"]) == 1
    assert capsys.readouterr().out == "docs/page.md\n"
    assert results.main(["vqzoo results", "--write"]) == 0
    assert results.main(["vqzoo results"]) == 0


def test_numbers_are_shown_as_asked_for():
    assert cells.Column("a|b|%").cell([0.5]) == "50.0%"
    assert cells.Column("a|b|,").cell([1234.0, 1234.0]) == "1,234"
    assert cells.Column("a|b|.1f dB").cell([]) == "-"


def evidence(**given):
    return {"what": "", "file": "rows.json", "number": "psnr", "to": "noisy", **given}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ({"from": "plain", "expect": "higher"}, "yes (p < 0.001)"),
        ({"from": "plain", "expect": "lower"}, "no, the opposite (p < 0.001)"),
        ({"from": "noisy", "expect": "higher"}, "not settled (p = 1)"),
        ({"from": "plain", "at_most": 1.48}, "not settled: 2 of 3 (1.45 to 1.5)"),
        ({"from": "plain", "at_least": 9, "of": "difference"}, "yes (10)"),
        ({"at_least": 33, "of": "value"}, "no (30 to 32)"),
    ],
)
def test_rules_give_the_verdict(checkout, given, verdict):
    assert claims.judge(evidence(**given), checkout)[0] == verdict


def test_one_seed_settles_nothing(checkout):
    rows = {"plain seed 0": {"psnr": 1.0}, "noisy seed 0": {"psnr": 2.0}}
    (checkout / "rows.json").write_text(json.dumps({"rows": rows}))
    answer, _ = claims.judge(
        evidence(**{"from": "plain", "expect": "higher"}), checkout
    )
    assert answer == "not settled: one seed, higher"
    for bound in ({"at_most": 3}, {"at_least": 3}):
        answer, _ = claims.judge(evidence(**{"from": "plain", **bound}), checkout)
        assert answer == "not settled: one seed, 2"


def test_welch_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    first, second = [1.0, 2.0, 4.0], [3.0, 5.0, 5.5, 6.0]
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert claims.welch(first, second) == pytest.approx(expected)
    assert claims.welch([1.0, 1.0], [2.0, 2.0]) == 0.0


def test_the_verdicts_of_the_evidence_add_up():
    assert claims.overall(["yes (1)", "yes (2)"]) == "holds in all 2 tests"
    assert claims.overall(["no (1)"]) == "does not hold in 1 test"
    mixed = ["yes (1)", "not settled: one seed", "no (2)"]
    assert claims.overall(mixed) == (
        "holds in 1, fails in 1, is not settled in 1 of 3 tests"
    )
