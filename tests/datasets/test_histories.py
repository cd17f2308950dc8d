import numpy as np
import pytest

from vqzoo.datasets import histories

ROWS = [("a", item, 5 - item / 10, 100 - item) for item in range(7)]
ROWS += [("b", item, 3, item) for item in (3, 1, 4, 0, 2, 9)]
ROWS += [("b", 3, 4, 50), ("c", 1, 5, 1), ("c", 2, 5, 2)]


def written(folder, text, name="ratings.csv"):
    path = folder / name
    path.write_text(text)
    return path


def lines(separator):
    return "\n".join(separator.join(map(str, row)) for row in ROWS) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "userId,movieId,rating,timestamp\n" + lines(","),
        lines("::"),
        lines("\t"),
        "timestamp\tUser_ID\tasin\n"
        + "".join(f"{time}\t{user}\t{item}\n" for user, item, _, time in ROWS),
    ],
    ids=["csv", "dat", "tabs", "other order"],
)
def test_ratings_of_any_kind_are_read_in_the_order_of_time(text, tmp_path):
    found = histories.read(written(tmp_path, text))
    named = [found.keys[items].tolist() for items in found.users]
    assert named == [list("6543210"), list("012349")]
    assert [len(items) for items in found.until(2)] == [5, 4]
    assert found.keys[found.last(2)].tolist() == ["1", "4"]
    assert found.keys[found.last(1)].tolist() == ["0", "9"]
    assert found.counts().sum() == 9
    assert found.counts()[found.keys.tolist().index("9")] == 0
    assert found.fingerprint == histories.read(written(tmp_path, text)).fingerprint


def test_low_ratings_are_no_choices(tmp_path):
    found = histories.read(written(tmp_path, lines("\t")), least_rating=4.5)
    assert [found.keys[items].tolist() for items in found.users] == [list("543210")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,film,time\na,b,1\n", "found no item among user, film, time"),
        ("", "found no user, item, time among nothing"),
        ("1,2,3,4\n1,2\n", r"line 2 of .*\['1', '2'\]"),
        ("user,item,time\na,b,soon\n", r"line 2 of .*soon"),
        ("1,2,nan,4\n", "line 1"),
        ("1,2,3,4\n1,3,3,4\n", "at least 5 items.*1 users with fewer"),
    ],
)
def test_what_are_no_ratings_is_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        histories.read(written(tmp_path, text))
    with pytest.raises(FileNotFoundError, match="--ratings"):
        histories.read(tmp_path / "none.csv")


def test_items_without_a_key_are_left_out(tmp_path):
    found = histories.read(written(tmp_path, lines("\t")))
    some, rows = found.of([9, 4, 3, 2, 1, 0])
    assert [some.keys[items].tolist() for items in some.users] == [
        list("43210"),
        list("012349"),
    ]
    assert [str([9, 4, 3, 2, 1, 0][row]) for row in rows] == some.keys.tolist()


def test_generated_users_choose_what_is_near_and_nothing_twice():
    vectors = np.random.default_rng(0).normal(size=(300, 4))
    keys = np.arange(300) + 7
    found = histories.generate(keys, vectors, num_users=700, most_items=12)
    again = histories.generate(keys, vectors, num_users=700, most_items=12)
    assert found.fingerprint == again.fingerprint
    assert found.keys[0] == "7" and len(found.users) == 700
    assert {len(items) for items in found.users} == set(range(6, 13))
    assert all(len(set(items.tolist())) == len(items) for items in found.users)
    steps = np.concatenate([np.diff(vectors[items], axis=0) for items in found.users])
    random = np.square(vectors[:150] - vectors[150:]).sum(axis=1)
    assert np.median(np.square(steps).sum(axis=1)) < 0.5 * np.median(random)
    counts = np.sort(found.counts())[::-1]
    assert counts[:30].sum() > 1.5 * counts[-100:].sum()
