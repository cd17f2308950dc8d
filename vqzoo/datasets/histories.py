"""Items that users chose, in order of time: read from ratings, or generated."""

import csv
import dataclasses
import hashlib
import os
import pathlib

import numpy as np

# Names of columns: the first that exists; without a header, in this order.
_COLUMNS = {
    "user": ("user", "userid", "user_id", "uid"),
    "item": ("item", "itemid", "item_id", "movieid", "movie_id", "asin", "key", "iid"),
    "rating": ("rating", "score", "stars"),
    "time": ("time", "timestamp", "unix_timestamp", "date"),
}
_BLOCK = 512  # users at once


@dataclasses.dataclass(frozen=True, kw_only=True)
class Histories:
    """Items of users, oldest first; the last two of each are held out.

    Args:
        name: str.
        keys: `(items,)`, str: names of the items.
        users: list of int arrays, rows of `keys`, at least 5 each.
    """

    name: str
    keys: np.ndarray
    users: list[np.ndarray]

    @property
    def fingerprint(self) -> str:
        """sha256 of all keys and histories."""
        digest = hashlib.sha256("\n".join(self.keys.tolist()).encode())
        for items in self.users:
            digest.update(items.astype("int64").tobytes() + b"|")
        return digest.hexdigest()

    def until(self, held_out: int) -> list[np.ndarray]:
        """The histories without their last items."""
        return [items[: len(items) - held_out] for items in self.users]

    def last(self, held_out: int) -> np.ndarray:
        """The item of each user that comes after `until(held_out)`."""
        return np.array([items[len(items) - held_out] for items in self.users])

    def of(self, keys) -> tuple["Histories", np.ndarray]:
        """Histories restricted to items with one of these keys.

        Args:
            keys: sequence of names of items, compared as text.

        Returns:
            `(histories, rows)`: users with at least 5 items left, and the row in `keys`
            of each item.
        """
        place = {str(key): row for row, key in enumerate(keys)}
        rows = np.array([place.get(key, -1) for key in self.keys.tolist()], int)
        kept = np.flatnonzero(rows >= 0)
        new = np.full(len(rows), -1)
        new[kept] = np.arange(len(kept))
        users = [new[items][new[items] >= 0] for items in self.users]
        users = [items for items in users if len(items) >= 5]
        return dataclasses.replace(self, keys=self.keys[kept], users=users), rows[kept]

    def counts(self) -> np.ndarray:
        """How often each item was chosen, without held-out choices: int `(items,)`."""
        return np.bincount(np.concatenate(self.until(2)), minlength=len(self.keys))


def read(
    path: str | os.PathLike[str], *, least_rating: float = 0.0, least_items: int = 5
) -> Histories:
    """Histories of a file of ratings, such as MovieLens's `ratings.csv`.

    Columns are separated by commas, tabs or `::`. A first line without a number names
    them; without such a line they are user, item, rating and time. A repeated choice of
    an item counts once, the first time.

    Args:
        path: the file.
        least_rating: float; lower ratings do not count as choices.
        least_items: int, at least 5; users with fewer are left out.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a column is missing, a line has too few or a number is none, with
            its line; or if no user has enough items.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"expected --ratings to be a file, found none at {path}"
        )
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = file.read().splitlines()
    separator = "::" if lines and "::" in lines[0] else None
    if separator is None:
        separator = "\t" if lines and "\t" in lines[0] else ","
    if separator == "::":
        rows = [line.split("::") for line in lines]
    else:
        rows = list(csv.reader(lines, delimiter=separator))
    places, first = _places(path, rows)
    chosen = {}
    for number, row in enumerate(rows[first:], start=first + 1):
        if not row:
            continue
        user, item, rating, time = _values(path, number, row, places)
        if rating >= least_rating:
            chosen.setdefault(user, []).append((time, number, item))
    names, users = {}, []
    for events in chosen.values():
        items = dict.fromkeys(item for _, _, item in sorted(events))
        if len(items) >= max(5, least_items):
            users.append(np.array([names.setdefault(i, len(names)) for i in items]))
    if not users:
        raise ValueError(
            f"expected users with at least {least_items} items in {path}, received "
            f"{len(chosen):,} users with fewer, of ratings of {least_rating:g} or more"
        )
    return Histories(name=path.name, keys=np.array(list(names)), users=users)


def _places(path, rows):
    """The column of each kind, and the number of the first data line."""
    first = [cell.strip().lower() for cell in rows[0]] if rows else []
    if any(cell.replace(".", "", 1).isdigit() for cell in first):
        return dict(zip(_COLUMNS, range(min(4, len(first))))), 0
    places = {
        kind: next((first.index(name) for name in names if name in first), None)
        for kind, names in _COLUMNS.items()
    }
    missing = [kind for kind in ("user", "item", "time") if places[kind] is None]
    if missing:
        raise ValueError(
            f"expected columns user, item, time and perhaps rating in {path}, found no "
            f"{', '.join(missing)} among {', '.join(first) or 'nothing'}"
        )
    return {k: v for k, v in places.items() if v is not None}, 1


def _values(path, number, row, places):
    try:
        user, item = (row[places[name]].strip() for name in ("user", "item"))
        rating = float(row[places["rating"]]) if "rating" in places else np.inf
        time = float(row[places["time"]]) if "time" in places else float(number)
        if not user or not item or np.isnan(rating) or np.isnan(time):
            raise ValueError("empty")
        return user, item, rating, time
    except (IndexError, ValueError) as error:
        raise ValueError(
            f"expected user, item, rating and time in line {number} of {path}, "
            f"received {row}"
        ) from error


def generate(
    keys: np.ndarray,
    vectors: np.ndarray,
    *,
    num_users: int,
    least_items: int = 6,
    most_items: int = 30,
    seed: int = 0,
) -> Histories:
    """Users whose interests are moving points among the vectors of items.

    A user has two interests, each a point that begins at a random item. In each step
    one of them, mostly the last one, draws an item, none twice; near and popular items
    (Zipf's law) are likelier. The interest moves a third of the way there.

    Args:
        keys: `(N,)`, the names of the items.
        vectors: float `(N, D)`.
        num_users: int.
        least_items: int, length of the shortest history.
        most_items: int, length of the longest; at most N.
        seed: int.
    """
    generator = np.random.default_rng(seed)
    num_items = len(vectors)
    vectors = vectors - vectors.mean(axis=0)
    vectors = (vectors / np.sqrt(np.square(vectors).sum(axis=1).mean())).astype("f4")
    squares = np.square(vectors).sum(axis=1)
    popularity = -0.5 * np.log1p(generator.permutation(num_items)).astype("f4")
    some = vectors[generator.choice(num_items, min(num_items, 500), replace=False)]
    between = squares - 2 * some @ vectors.T + np.square(some).sum(1, keepdims=True)
    # The width of an interest covers the nearest tenth of a percent of the items.
    width = np.quantile(np.maximum(between, 0), 0.01) + 1e-6
    lengths = generator.integers(least_items, most_items + 1, num_users)
    users = []
    for start in range(0, num_users, _BLOCK):
        count = min(_BLOCK, num_users - start)
        rows = np.arange(count)
        interests = vectors[generator.integers(num_items, size=(count, 2))]
        active = np.zeros(count, int)
        seen = np.zeros((count, num_items), bool)
        drawn = np.empty((count, most_items), int)
        for step in range(most_items):
            active = np.where(generator.random(count) < 0.25, 1 - active, active)
            points = interests[rows, active]
            scores = (2 * points @ vectors.T - squares) / width + popularity
            scores[seen] = -np.inf
            scores += generator.gumbel(size=scores.shape).astype("f4")
            drawn[:, step] = scores.argmax(axis=1)
            seen[rows, drawn[:, step]] = True
            interests[rows, active] += (vectors[drawn[:, step]] - points) / 3
        ends = lengths[start : start + count]
        users += [items[:end] for items, end in zip(drawn, ends)]
    return Histories(
        name="generated users", keys=np.array(list(map(str, keys))), users=users
    )
