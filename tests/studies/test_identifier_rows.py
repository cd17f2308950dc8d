from vqzoo.studies import identifier_rows


def said(unique, error):
    return {
        "unique": unique,
        "largest_group": 3.0,
        "least_usage": 0.99,
        "relative_error": error,
        "cosine": 0.9,
        "recall": 0.1,
    }


RESULTS = {
    "images": {
        "ours": {
            "nearest codes": {"0": said(0.9, 0.1), "1": said(0.92, 0.2)},
            "last codes reassigned": {"0": said(1.0, 0.1)},
        },
        "peers": {"faiss": {"0": said(0.8, 0.3)}},
        "stability": {"another seed": [0.5, 0.75, 1.0], "of all items": {}},
    },
    "timings": {
        "training step": {
            "vqzoo": {"median": 0.01},
            "torch": {"median": 0.05},
            "over ours": {"torch": {"median": 4.0}},
        },
        "codes": {
            "quantizer": {"median": 2.0},
            "model": {"median": 8.0},
            "faiss, beam of 1": {"median": 1.0},
            "over ours": {"faiss, beam of 1": {"median": 0.5}},
        },
    },
}


def read(name):
    return RESULTS


def test_a_contestant_has_the_median_and_the_range_of_its_seeds():
    _, nearest, reassigned, faiss = identifier_rows.unique(read)
    assert nearest[:3] == ("images", "vqzoo, nearest codes", "2")
    assert nearest[3] == "91.00% (90.00% to 92.00%)"
    assert reassigned[3] == "100.00%" and faiss[1] == "faiss"


def test_targets_are_of_the_worst_seed_and_errors_of_the_median():
    rows = {row[1]: row[3:] for row in identifier_rows.targets(read)[1:]}
    assert rows["unique, nearest codes"] == ("90.00%", "missed by 7%")
    assert rows["unique, last codes reassigned"] == ("100.00%", "met")
    assert rows["codes in use, nearest codes"] == ("99.00%", "met")
    assert rows["relative error over that of faiss"] == ("0.500", "met")


def test_times_are_those_within_rounds():
    _, step, codes, model = identifier_rows.timings(read)
    assert step[1:] == ("10.0 ms", "ResidualVQ: 50.0 ms", "4.00x", "3x", "met")
    assert codes[3:] == ("0.50x", "0.67x", "missed by 25%")
    assert model[3:] == ("0.12x", "", "")


def test_what_has_not_run_leaves_a_head():
    for table in ("unique", "options", "noise", "stability", "timings", "targets"):
        assert len(getattr(identifier_rows, table)(lambda name: {})) == 1
    assert identifier_rows.stability(read)[1:] == [
        ("another seed", "50.0%", "75.0%", "100.0%")
    ]
