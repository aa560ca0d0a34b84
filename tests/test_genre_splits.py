import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender.errors import DatasetError, ParameterError
from recommender.genres.dealing import deal
from recommender.genres.sources import LabelledTrack, Part, read
from recommender.genres.splits import Split, folds, split, split_pieces


def track(i: int, genre: str, group: str | None = None, fold: int | None = None) -> LabelledTrack:
    path = Path(f"/music/{i:05d}.flac")
    known = group is not None
    return LabelledTrack(
        path=path, genre=genre, group=group or str(path), artist_known=known, fold=fold
    )


def with_groups(pairs: Iterable[tuple[str, str]]) -> list[LabelledTrack]:
    return [track(i, genre, group) for i, (genre, group) in enumerate(pairs)]


def parts_of(found: Split) -> tuple[list[int], ...]:
    return found.training.tolist(), found.validation.tolist(), found.test.tolist()


def check_parted_well(tracks: Sequence[LabelledTrack], found: Split) -> None:
    """Every track is in one part, and every group too."""
    parts = parts_of(found)
    assert sorted(itertools.chain(*parts)) == list(range(len(tracks)))
    groups = [{tracks[i].group for i in part} for part in parts]
    for a, b in itertools.combinations(groups, 2):
        assert not a & b


# At most 6 genres; groups of up to 12 tracks, whose genres may be several.
COLLECTIONS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 40).map(str)), min_size=1, max_size=120
).map(with_groups)
SHARES = st.sampled_from([(0.1, 0.2), (0.0, 0.2), (0.3, 0.0), (0.0, 0.0), (0.33, 0.33)])


@given(COLLECTIONS, SHARES, st.integers(0, 3))
def test_no_group_is_ever_parted(
    tracks: list[LabelledTrack], shares: tuple[float, float], seed: int
) -> None:
    validation, test = shares
    try:
        found = split(tracks, validation=validation, test=test, seed=seed)
    except DatasetError as error:
        assert "--min-tracks" in str(error)
        return
    check_parted_well(tracks, found)
    genres = {t.genre for t in tracks}
    for part, share in zip(parts_of(found), (1.0, validation, test), strict=True):
        assert {tracks[i].genre for i in part} == (genres if share else set())


@given(COLLECTIONS, st.integers(3, 5), st.integers(0, 3))
def test_no_group_is_in_two_folds(tracks: list[LabelledTrack], n_folds: int, seed: int) -> None:
    try:
        found = folds(tracks, n_folds=n_folds, seed=seed)
    except DatasetError as error:
        assert "--min-tracks" in str(error)
        return
    assert len(found) == n_folds
    for one, following in itertools.pairwise([*found, found[0]]):
        check_parted_well(tracks, one)
        assert one.validation.tolist() == following.test.tolist()
        assert {tracks[i].genre for i in one.test} == {t.genre for t in tracks}
    assert sorted(itertools.chain(*(one.test for one in found))) == list(range(len(tracks)))


@given(st.lists(st.integers(3, 12), min_size=1, max_size=8), st.integers(0, 3), st.data())
def test_three_artists_of_its_own_are_enough_for_a_genre(
    n_artists: list[int], seed: int, data: st.DataObject
) -> None:
    sizes = st.integers(1, 20)
    tracks = with_groups(
        (str(genre), f"{genre} {artist}")
        for genre, n in enumerate(n_artists)
        for artist in range(n)
        for _ in range(data.draw(sizes))
    )
    check_parted_well(tracks, split(tracks, seed=seed))


@given(
    st.lists(st.frozensets(st.integers(0, 2), min_size=1), min_size=3, max_size=7),
    st.integers(0, 3),
)
@example([frozenset(genres) for genres in ({0, 2}, {0}, {1, 2}, {0, 1, 2}, {1})], 0)  # 2nd attempt
def test_a_way_is_found_where_there_is_one(contents: list[frozenset[int]], seed: int) -> None:
    """All ways of dealing out a few groups are tried here."""
    pairs = [(i, genre) for i, genres in enumerate(contents) for genre in sorted(genres)]
    names = sorted({genre for _, genre in pairs})
    group = np.array([i for i, _ in pairs])
    y = np.array([names.index(genre) for _, genre in pairs])

    def covers(part: Sequence[int]) -> bool:
        return len({(g, part[i]) for i, g in zip(group, y, strict=True)}) == 3 * len(names)

    possible = any(covers(part) for part in itertools.product(range(3), repeat=len(contents)))
    part, lacking = deal(group, y, np.array([0.7, 0.1, 0.2]), seed)
    assert (not lacking) == possible
    if possible:
        assert covers([part[group == i][0] for i in range(len(contents))])


def test_shares_hold_in_each_genre() -> None:
    rng = np.random.default_rng(0)
    pairs = [
        (genre, f"{genre} {artist}")
        for genre, n in {"rock": 300, "jazz": 60, "folk": 25}.items()
        for artist in range(n)
        for _ in range(int(rng.integers(1, 6)))
    ]
    tracks = with_groups(pairs)
    found = split(tracks, validation=0.1, test=0.2)
    totals = Counter(genre for genre, _ in pairs)
    for part, share in zip(parts_of(found), (0.7, 0.1, 0.2), strict=True):
        counts = Counter(tracks[i].genre for i in part)
        for genre, n in totals.items():
            # An artist has 5 tracks at most; measured: 0.5 tracks.
            assert abs(counts[genre] - share * n) <= 1


def test_the_seed_decides_and_the_order_does_not() -> None:
    tracks = with_groups((f"genre {i % 3}", f"artist {i // 2}") for i in range(120))
    once, again, other = split(tracks), split(tracks), split(tracks, seed=1)
    assert parts_of(once) == parts_of(again) != parts_of(other)
    turned = split(tracks[::-1])
    assert [119 - i for i in turned.test[::-1]] == once.test.tolist()
    assert folds(tracks)[2].test.tolist() == folds(tracks)[2].test.tolist()


def test_what_was_kept_apart_is_said() -> None:
    tracks = with_groups((f"genre {i % 2}", f"artist {i // 4}") for i in range(80))
    assert split(tracks).description == "By artist: none is on both sides."
    some = [*tracks, *(track(100 + i, f"genre {i % 2}") for i in range(5))]
    assert "5 of 85 tracks" in split(some).description
    none = [track(i, f"genre {i % 2}") for i in range(80)]
    assert "no artist is known" in split(none).description
    assert folds(tracks)[1].description == "Fold 2 of 5. By artist: none is on both sides."


def test_too_few_artists() -> None:
    tracks = with_groups(
        [("jazz", f"j{i}") for i in range(9)]
        + [("disco", "d1")] * 4
        + [("disco", "d2")] * 3
        + [("polka", "p")]
    )
    with pytest.raises(DatasetError, match=r"in all 3 parts: disco \(2\), polka \(1\).*tracks 8$"):
        split(tracks)
    with pytest.raises(DatasetError, match=r"in all 2 parts: polka \(1\).*tracks 2$"):
        split(tracks, validation=0)
    with pytest.raises(DatasetError, match=r"in all 5 parts: disco \(2\), polka \(1\)"):
        folds(tracks)
    check_parted_well(tracks, split(tracks, validation=0, test=0))
    with pytest.raises(DatasetError, match="no tracks"):
        split([])


def test_two_artists_of_all_genres_are_too_few_though_others_are_there() -> None:
    """Every genre has three artists, but whichever way these are dealt out, one is lacking."""
    tracks = with_groups(
        (genre, artist)
        for genre, artists in {"a": "123", "b": "124", "c": "134", "d": "234"}.items()
        for artist in artists
    )
    with pytest.raises(DatasetError, match="too few artists"):
        split(tracks)


@pytest.mark.parametrize(
    ("validation", "test"), [(0.5, 0.5), (-0.1, 0.2), (0.1, -0.2), (1.0, 0.0), (float("nan"), 0.1)]
)
def test_shares_that_make_no_sense(validation: float, test: float) -> None:
    tracks = with_groups((f"genre {i % 2}", f"artist {i}") for i in range(20))
    with pytest.raises(ParameterError, match="nothing to train on"):
        split(tracks, validation=validation, test=test)
    with pytest.raises(ParameterError, match="nothing to train on"):
        split_pieces(np.zeros(9, np.int64), 2, validation=validation, test=test)


def of_set(parts: str, groups: str) -> list[LabelledTrack]:
    names: dict[str, Part] = {"t": "training", "v": "validation", "e": "test"}
    return [
        dataclasses.replace(track(i, f"genre {i % 2}", f"artist {group}"), part=names[part])
        for i, (part, group) in enumerate(zip(parts, groups, strict=True))
    ]


def test_own_split() -> None:
    found = split(of_set("ttvtete", "1234567"), kind="own")
    assert parts_of(found) == ([0, 1, 3, 5], [2], [4, 6])
    assert found.kind == "own"
    assert found.description == "The set's own split."
    leaking = split(of_set("ttvtete", "1214547"), kind="own")
    assert "artists in more than one part: 1, " in leaking.description


def test_own_split_without_validation() -> None:
    tracks = of_set("tttttttttttteeee", "0123456789abcdef")
    found = split(tracks, kind="own", validation=0.2)
    check_parted_well(tracks, found)
    assert found.test.tolist() == [12, 13, 14, 15]
    assert len(found.validation) == 2
    assert split(tracks, kind="own", validation=0).validation.tolist() == []


def test_no_own_split() -> None:
    tracks = of_set("ttvtete", "1234567")
    part_missing = [*tracks[:-1], dataclasses.replace(tracks[-1], part=None)]
    for some in (part_missing, []):
        with pytest.raises(DatasetError, match="no split of its own"):
            split(some, kind="own")
    untrained = [dataclasses.replace(t, genre="new" if t.part == "test" else "old") for t in tracks]
    with pytest.raises(DatasetError, match=r"new \(2\)"):
        split(untrained, kind="own")


def with_folds(numbers: Sequence[int | None]) -> list[LabelledTrack]:
    return [track(i, f"genre {i % 2}", f"artist {i // 2}", fold) for i, fold in enumerate(numbers)]


def test_own_folds() -> None:
    tracks = with_folds([7, 7, 3, 3, 10, 10, 3, 3])
    found = folds(tracks)
    assert [one.kind for one in found] == ["own"] * 3
    assert [one.test.tolist() for one in found] == [[2, 3, 6, 7], [0, 1], [4, 5]]
    assert [one.validation.tolist() for one in found] == [[0, 1], [4, 5], [2, 3, 6, 7]]
    assert parts_of(split(tracks, kind="own")) == parts_of(found[0])


@pytest.mark.parametrize(
    "numbers",
    [
        [0, 0, 1, 1, 2, 2, 0, None],
        [0, 0, 1, 1, 0, 0, 1, 1],
        [0, 0, 1, 2, 2, 2, 0, 0],  # parts an artist
    ],
)
def test_own_folds_that_are_no_use(numbers: list[int | None]) -> None:
    tracks = with_folds(numbers)
    found = folds(tracks, n_folds=3)
    assert [one.kind for one in found] == ["artist"] * 3
    for one in found:
        check_parted_well(tracks, one)


def test_own_folds_in_which_a_genre_is_not_trained() -> None:
    tracks = [*with_folds([0, 0, 1, 1, 2, 2]), track(9, "polka", "p", 1)]
    with pytest.raises(DatasetError, match=r"polka \(1\)"):
        folds(tracks)


def test_two_folds_are_too_few() -> None:
    with pytest.raises(ParameterError, match="2 folds are too few"):
        folds(with_folds([0] * 20), n_folds=2)


def test_the_leak_leaks() -> None:
    y = np.repeat([0, 1, 2], [30, 20, 10])
    found = split_pieces(y, 10)
    parts = parts_of(found)
    assert sorted(itertools.chain(*parts)) == list(range(600))
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert Counter(y[np.array(part) // 10].tolist()) == {
            0: 300 * share,
            1: 200 * share,
            2: 100 * share,
        }
    shared = {i // 10 for i in parts[0]} & {i // 10 for i in parts[2]}
    assert len(shared) > 40  # of 60: a track is wholly in one part with a probability of 3 %
    assert found.kind == "leaky"
    assert "illusion" in found.description
    assert parts_of(split_pieces(y, 10)) == parts != parts_of(split_pieces(y, 10, seed=1))


def test_pieces_are_not_tracks() -> None:
    with pytest.raises(ParameterError, match="2 or more"):
        split_pieces(np.zeros(9, np.int64), 1)
    with pytest.raises(ParameterError, match="parts pieces, not tracks"):
        split(with_folds([0] * 20), kind="leaky")


def test_real_artists(audio: Path) -> None:
    tracks = read(audio / "manifest.csv", min_tracks=40).tracks
    assert folds(tracks)[0].kind == "own"
    bare = [dataclasses.replace(t, fold=None) for t in tracks]
    for found in [split(bare), *folds(bare)]:
        check_parted_well(bare, found)
        n = Counter(bare[i].genre for i in found.test)
        for genre, total in Counter(t.genre for t in bare).items():
            assert abs(n[genre] / total - 0.2) < 0.02  # measured: 0.0143
