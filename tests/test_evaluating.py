"""Hidden tracks of playlists: what is drawn, what is compared, what is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

from commands import call, refused
from recommender import evaluation, plots, reports
from recommender import profile as profiles
from recommender.errors import ParameterError
from recommender.evaluation import Evaluation, Hearing, hearing
from recommender.evaluation.playlists import METHODS, Trial, bootstrap_within
from recommender.parameters import RECIPES
from recommender.profile import TrackRef
from sounds import make, tone
from test_reports import HOSTILE, Page, check_self_contained, rows

N_FEATURES = 12
N_MINE, N_OTHERS = 10, 60


def hearing_of(features: list[NDArray[np.float16]], recipe: str = "default") -> Hearing:
    refs = tuple(
        TrackRef(content_hash=f"{n:08x}" + "0" * 56, path=f"/music/{n}.mp3")
        for n in range(len(features))
    )
    return Hearing(
        recipe=RECIPES[recipe],
        fingerprint="0123456789abcdef",
        tracks=refs,
        features=tuple(features),
    )


def two_kinds(seed: int = 0, n_mine: int = N_MINE, n_others: int = N_OTHERS) -> Hearing:
    """The first tracks sound alike; the others do not, and are far from them."""
    rng = np.random.default_rng(seed)
    features = []
    for n in range(n_mine + n_others):
        x = rng.normal(0, 0.3, (4, N_FEATURES))
        x[:, 0 if n < n_mine else 1 + n % (N_FEATURES - 1)] += 3.0
        features.append(x.astype(np.float16))
    return hearing_of(features)


HEARING = two_kinds()
MINE = list(range(N_MINE))
NOBODY: list[str | None] = [None] * (N_MINE + N_OTHERS)


@pytest.fixture(scope="module")
def evaluated() -> Evaluation:
    return evaluation.evaluate_playlists(HEARING, NOBODY, {"mine": MINE}, n_seeds=3)


# What is compared ---------------------------------------------------------------------------------


def test_cosines_are_those_of_mean_features() -> None:
    others, liked = np.arange(20, 50), np.array([0, 3, 4, 9])
    candidates = np.array([1, 2, 5, 30, 60])
    x = np.array([f.astype(np.float64).mean(0) for f in HEARING.features])
    expected = cosine_similarity(x - x[others].mean(0))[np.ix_(candidates, liked)]
    directions = HEARING.directions(others)
    nearest = np.sort(expected, axis=1)[:, -3:].mean(1)
    # Measured: 3e-16 both.
    np.testing.assert_allclose(
        hearing.centroid(directions, liked, candidates), expected.mean(1), atol=1e-12
    )
    np.testing.assert_allclose(
        hearing.neighbours(directions, liked, candidates), nearest, atol=1e-12
    )
    one = hearing.neighbours(directions, liked[:1], candidates)
    np.testing.assert_allclose(one, expected[:, 0], atol=1e-12)


def test_scores_are_those_of_the_profile() -> None:
    liked, others = np.arange(5), np.arange(20, 60)
    profile = HEARING.learn(liked, others, seed=3)
    assert profile.learner.seed == 3
    assert [track.path for track in profile.liked] == [f"/music/{n}.mp3" for n in range(5)]
    found = HEARING.scores(profile, np.array([7, 66]))
    alone = [
        profile.track_score(HEARING.features[n], HEARING.tracks[n].content_hash) for n in (7, 66)
    ]
    np.testing.assert_array_equal(found, alone)


def test_of_too_much_other_music_a_part_is_drawn() -> None:
    many: list[Any] = list(range(hearing.MAX_TRACKS + 10))
    mine: list[Any] = [-1, -2]
    some, notes = evaluation.at_most(mine, many)
    assert some[:2] == mine
    assert len(set(some)) == hearing.MAX_TRACKS + 2
    assert set(some[2:]) <= set(many)
    assert "4,010" in notes[0]
    assert "4,000" in notes[0]
    few: Any = evaluation.at_most([many[1]], many[:9])
    assert few == ([1, *range(9)], [])


# What is drawn ------------------------------------------------------------------------------------


def test_what_is_hidden_lies_among_the_other_music(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned: list[tuple[set[str], set[str]]] = []
    original = profiles.train

    def train(
        name: str, recipe: Any, fingerprint: str, liked: Any, others: Any, **rest: Any
    ) -> Any:
        learned.append(({t.path for t, _ in liked}, {t.path for t, _ in others}))
        return original(name, recipe, fingerprint, liked, others, **rest)

    monkeypatch.setattr(profiles, "train", train)
    found = evaluation.evaluate_playlists(HEARING, NOBODY, {"mine": MINE}, n_seeds=2)
    assert len(learned) == 2
    for trial, (liked, others) in zip(found.trials, learned, strict=True):
        assert liked == {f"/music/{n}.mp3" for n in trial.liked}
        assert others == {f"/music/{n}.mp3" for n in trial.candidates}
        assert set(trial.hidden) <= set(trial.candidates)
        assert sorted([*trial.liked, *trial.candidates]) == list(range(N_MINE + N_OTHERS))
        assert sorted([*trial.liked, *trial.hidden]) == MINE
        assert len(trial.liked) == N_MINE // 2
    assert list(found.trials[0].liked) != list(found.trials[1].liked)


def drawn(**options: Any) -> Evaluation:
    """Draws alone: nothing is learned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hearing, "learn", lambda *_, **__: None)
        patch.setattr(Hearing, "scores", lambda *given: np.zeros(len(given[2])))
        return evaluation.evaluate_playlists(HEARING, **options)


@given(
    st.lists(st.sampled_from(["A", "a", "B", "C", None]), min_size=70, max_size=70),
    st.integers(1, 9),
)
def test_hidden_artists_are_unheard(artists: list[str | None], n_liked: int) -> None:
    known = {(artist or str(i)).lower() for i, artist in enumerate(artists[:N_MINE])}
    options: dict[str, Any] = {"artists": artists, "playlists": {"mine": MINE}}
    options |= {"n_seeds": 2, "n_liked": n_liked, "unheard_artists": True}
    if len(known) < 2:
        with pytest.raises(ParameterError, match="by one artist"):
            drawn(**options)
        return
    for trial in drawn(**options).trials:
        heard = {artists[i].lower() for i in trial.liked if artists[i]}
        assert sorted([*trial.liked, *trial.hidden]) == MINE
        assert len(trial.liked) > 0 < len(trial.hidden)
        assert {i for i in range(70) if (artists[i] or "").lower() not in heard} - set(
            trial.liked
        ) == set(trial.candidates)


def test_draws_do_not_depend_on_other_playlists() -> None:
    alone = drawn(artists=NOBODY, playlists={"b": [1, 2, 3, 4]}, n_seeds=2)
    both = drawn(artists=NOBODY, playlists={"a": [6, 7], "b": [4, 3, 2, 1]}, n_seeds=2)
    assert both.playlists == ("a", "b")
    for one, other in zip(alone.trials, both.of("b"), strict=True):
        np.testing.assert_array_equal(one.liked, other.liked)
        np.testing.assert_array_equal(one.scores["random"], other.scores["random"])


def test_as_many_are_known_as_is_asked_for() -> None:
    for n in range(1, N_MINE):
        (trial,) = drawn(artists=NOBODY, playlists={"a": MINE}, n_seeds=1, n_liked=n).trials
        assert (len(trial.liked), len(trial.hidden)) == (n, N_MINE - n)


@pytest.mark.parametrize(
    ("mine", "n_liked", "words"),
    [
        ([], None, "0 tracks"),
        ([1], None, "longer playlist"),
        ([1, 2], 2, "--liked"),
        (list(range(51)), None, "19 tracks beside it"),
    ],
)
def test_too_little_music(mine: list[int], n_liked: int | None, words: str) -> None:
    with pytest.raises(ParameterError, match=f"^gloomy: .*{words}"):
        drawn(artists=NOBODY, playlists={"gloomy": mine}, n_liked=n_liked)


# What comes out -----------------------------------------------------------------------------------


def test_tracks_that_sound_alike_are_found(evaluated: Evaluation) -> None:
    for method in ("profile", "centroid", "nearest"):
        np.testing.assert_array_equal(evaluated.values("auc", method), np.ones((1, 3)))
    assert evaluated.interval("ndcg_10").low == 1
    for trial in evaluated.trials:
        assert sorted(trial.ranks()) == [1, 2, 3, 4, 5]
        assert trial.found(5) == pytest.approx(5)
        assert trial.found(4) == pytest.approx(4)
    assert (evaluated.k, evaluated.metrics[-1]) == (13, "recall_13")  # a fifth of 65
    assert evaluated.found_shares([5 / 65, 1.0]).tolist() == [1, 1]


def test_the_same_again(evaluated: Evaluation) -> None:
    again = evaluation.evaluate_playlists(HEARING, NOBODY, {"mine": MINE}, n_seeds=3)
    for one, other in zip(evaluated.trials, again.trials, strict=True):
        for method in METHODS:
            np.testing.assert_array_equal(one.scores[method], other.scores[method])


def a_trial(scores: list[float], hidden: list[int], playlist: str = "mine") -> Trial:
    return Trial(
        playlist=playlist,
        seed=0,
        liked=np.array([100]),
        hidden=np.array(hidden),
        candidates=np.arange(len(scores)),
        scores=dict.fromkeys(METHODS, np.array(scores)),
    )


def test_equal_scores_share_their_ranks() -> None:
    trial = a_trial([0.9, 0.5, 0.5, 0.5, 0.1], [0, 2, 4])
    assert trial.ranks().tolist() == [1, 3, 5]
    assert trial.found(1) == pytest.approx(1)
    assert trial.found(2) == pytest.approx(1 + 1 / 3)  # one of three that are equal
    assert trial.found(5) == pytest.approx(3)


def test_chance_is_the_mean_of_random_orders() -> None:
    rng = np.random.default_rng(0)
    trials = [a_trial(rng.random(50).tolist(), [3, 10, 20, 44]) for _ in range(4_000)]
    assert trials[0].chance(20) == pytest.approx(1.6)
    # Deviation of a mean of 4,000: 0.015; measured: 0.003.
    assert np.mean([t.found(20) for t in trials]) == pytest.approx(1.6, abs=0.06)
    assert trials[0].chance(500) == 4


@pytest.mark.parametrize(("n", "k"), [(4, 1), (44, 8), (99, 19), (100, 20), (5_000, 20)])
def test_the_list_is_short_where_there_is_little(n: int, k: int) -> None:
    scores = np.linspace(0, 1, n).tolist()
    found = Evaluation(trials=(a_trial(scores, [0]), a_trial([*scores, 0.5], [0], "b")))
    assert found.k == k


def test_intervals_of_one_playlist_are_the_bootstrap_of_its_draws() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.1, (1, 12))
    for x in (values, values.T):  # one playlist, or one draw of each
        mine = bootstrap_within(x, n_replicates=20_000)
        theirs = scipy.stats.bootstrap(
            (values.ravel(),), np.mean, n_resamples=20_000, method="percentile", rng=1
        ).confidence_interval
        assert mine.value == pytest.approx(values.mean(), abs=1e-12)
        # Measured: 0.0006, with an interval of 0.09.
        assert (mine.low, mine.high) == pytest.approx(tuple(theirs), abs=0.003)


def test_intervals_are_wider_over_playlists_that_differ() -> None:
    draws = np.random.default_rng(0).normal(0, 0.01, (6, 20))
    alike = bootstrap_within(draws)
    differing = bootstrap_within(draws + np.linspace(0, 1, 6)[:, None])
    assert differing.high - differing.low > 20 * (alike.high - alike.low)
    same = bootstrap_within(np.full((3, 4), 0.25))
    assert (same.value, same.low, same.high) == (0.25, 0.25, 0.25)


# Charts and pages ---------------------------------------------------------------------------------


def test_the_curve_shows_what_is_found() -> None:
    shares = [0.01, 0.1, 1.0]
    found = {"profile": np.array([0.2, 0.8, 1.0]), "random": np.array(shares)}
    (axis,) = plots.found_curve(shares, found).axes
    drawn = {str(line.get_label()): line.get_xydata() for line in axis.get_lines()}
    assert drawn.keys() == found.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(drawn[name], np.column_stack([shares, values]))


def page_of(tmp_path: Path, found: Evaluation, titles: list[str], **more: Any) -> Page:
    path = tmp_path / "quality.html"
    options: dict[str, Any] = {"recipe": "default", "settings": {"draws": 3}} | more
    reports.write_evaluation(path, found, titles=titles, methods=METHODS, **options)
    return Page(path)


def test_the_page_tells_the_figures(tmp_path: Path, evaluated: Evaluation) -> None:
    titles = [f"track {n}" for n in range(N_MINE + N_OTHERS)]
    page = page_of(tmp_path, evaluated, titles, notes=["something is missing"])
    check_self_contained(page)
    result = page.section("result").text
    assert (
        "Of 5 tracks of mine that were hidden, 5 are in the first 13 of 65 (mean of 3 draws)."
        " Chance would be 1.0." in result
    )
    assert "something is missing" in result
    head, *body = rows(page.section("methods").all("table")[0])
    assert head[1:5] == ["AUC", "AP", "nDCG@10", "recall@13"]
    assert [row[0] for row in body] == list(METHODS)
    assert body[0][1] == "1.000 (1.00–1.00)"  # noqa: RUF001
    assert len(page.section("curve").all("svg")) == 1
    hidden = rows(page.section("tracks").all("table")[0])[1:]
    times = {title: int(n) for title, *_, n, _ in hidden}
    counts = [sum(n in trial.hidden for trial in evaluated.trials) for n in MINE]
    assert times == {titles[n]: counts[n] for n in MINE if counts[n]}


def test_several_playlists_have_a_table(tmp_path: Path) -> None:
    trials = (a_trial([0.1 * n for n in range(30)], [29, 3]), a_trial([0.5] * 30, [1], "other"))
    found = Evaluation(trials=trials)
    page = page_of(tmp_path, found, [f"track {n}" for n in range(30)])
    assert "Of 3 tracks of 2 playlists that were hidden, 1.2 are" in page.section("result").text
    head, mine, other = rows(page.section("result").all("table")[0])
    assert head[4:6] == ["found in the first 6", "by chance"]
    assert mine[:6] == ["mine", "3", "2", "30", "1.0", "0.4"]
    assert other[:6] == ["other", "2", "1", "30", "0.2", "0.2"]


def test_names_are_only_text(tmp_path: Path) -> None:
    for text in HOSTILE:
        trial = a_trial([0.1 * n for n in range(30)], [29, 3], playlist=text)
        page = page_of(
            tmp_path, Evaluation(trials=(trial,)), [text] * 30, settings={text: text}, notes=[text]
        )
        check_self_contained(page)
        shown = " ".join(text.split())
        assert shown in page.section("result").text
        assert shown in page.section("tracks").text


# The command --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A playlist of noises, and a library of tones."""
    folder = tmp_path_factory.mktemp("music")
    for n in range(6):
        source = f"anoisesrc=color=pink:amplitude=0.4:seed={n}:sample_rate=44100:duration=9"
        make(folder / "playlist" / f"noise {n}.wav", source)
    for n in range(22):
        tone(folder / "library" / f"tone {n:02}.wav", hz=200.0 * 1.15**n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(folder / "home"))
        yield folder


def test_the_command_tells_and_writes(music: Path) -> None:
    html = music / "quality.html"
    command = ["evaluate", music / "playlist", "--library", music / "library", "--seeds", "2"]
    told = call(*command, "--html", html, "--unheard-artists")
    assert told.code == 0
    assert (
        "playlist: of 3 tracks that were hidden, 3 are in the first 5 of 25; chance would be 0.6"
        " (mean of 2 draws)" in told.out
    )
    assert "recall@5" in told.out
    assert "28 of 28 tracks have no artist's tag" in told.err
    check_self_contained(Page(html))
    answer = call(*command, "--json").json
    assert (answer["recipe"], answer["first"], answer["n_draws"]) == ("default", 5, 2)
    (playlist,) = answer["playlists"]
    assert (playlist["name"], playlist["n_hidden"], playlist["found"]) == ("playlist", 3, 3)
    for draw in playlist["draws"]:
        paths = {*draw["liked"], *(track["path"] for track in draw["hidden"])}
        assert paths == {str(music / "playlist" / f"noise {n}.wav") for n in range(6)}
        assert sorted(track["rank"] for track in draw["hidden"]) == [1, 2, 3]
    assert answer["metrics"]["profile"]["auc"] == {"value": 1, "low": 1, "high": 1}
    assert json.loads(json.dumps(answer)) == call(*command, "--json").json  # the same again


def test_the_command_explains_what_is_missing(music: Path) -> None:
    library = ["--library", music / "library"]
    refused(call("evaluate", music / "nothing", *library), "nothing")
    refused(call("evaluate", music / "playlist", *library, "--liked", "6"), "playlist", "--liked")
    refused(
        call("evaluate", music / "playlist", "--library", music / "playlist"),
        "0 tracks beside it",
        "--library",
    )
    refused(call("evaluate", music / "playlist", *library, "--html", "/nowhere/x.html"), "nowhere")
