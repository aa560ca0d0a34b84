"""The thesis's experiments: counts, draws, figures, commands."""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from commands import call, refused
from recommender import evaluation, plots, reports
from recommender.errors import ParameterError
from recommender.evaluation import CLOSE, MIXED, Counts, Draw, Experiment, draws
from recommender.evaluation.draws import ROLES
from recommender.evaluation.experiments import Trial
from recommender.profile import ProfileEpoch
from recommender.reports import experiment_figure
from sounds import make, tone
from test_evaluating import hearing_of, two_kinds
from test_plots import size_of
from test_reports import HOSTILE, Page, check_self_contained, rows

SMALL = Counts(liked=6, hidden=2, others=12, negatives=20, fragments=3, thesis_epochs=4)
RANDOM = np.random.default_rng(0)


def test_the_counts_are_those_of_the_thesis() -> None:
    assert (CLOSE.liked, CLOSE.hidden + CLOSE.others, CLOSE.fragments) == (21, 18, 3)
    assert CLOSE.thesis_epochs == 20
    assert (MIXED.liked + MIXED.hidden, MIXED.hidden, MIXED.negatives) == (31, 6, 800)
    assert (MIXED.fragments, MIXED.thesis_epochs) == (None, 500)


# Draws --------------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.integers(20, 2_000), st.sampled_from([CLOSE, MIXED, SMALL]))
def test_counts_fit_the_music(n_playlist: int, n_rest: int, counts: Counts) -> None:
    fitted, notes = draws.fit_counts(counts, n_playlist, n_rest)
    assert 1 <= fitted.liked <= counts.liked
    assert 1 <= fitted.hidden <= counts.hidden
    assert fitted.liked + fitted.hidden == min(n_playlist, counts.liked + counts.hidden)
    assert min(fitted.others, fitted.negatives) >= 10
    assert fitted.others <= min(counts.others, n_rest // 2)
    assert fitted.negatives == min(counts.negatives, n_rest - fitted.others)
    assert (fitted == counts) == (not notes)


@pytest.mark.parametrize(("n_playlist", "n_rest"), [(1, 500), (30, 19), (0, 0)])
def test_too_little_music(n_playlist: int, n_rest: int) -> None:
    with pytest.raises(ParameterError, match=f"{n_playlist} tracks to like and {n_rest} others"):
        draws.fit_counts(CLOSE, n_playlist, n_rest)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.integers(1, 40))
def test_cards_are_dealt_evenly(labels: list[str], n: int) -> None:
    found = draws.deal(labels, n, np.random.default_rng(0))
    assert len(set(found)) == min(n, len(labels))
    dealt, all_of = Counter(labels[i] for i in found), Counter(labels)
    for a in all_of:
        for b in all_of:  # a kind has fewer than another only if it has no more, or by one
            assert dealt[a] >= dealt[b] - 1 or dealt[a] == all_of[a]


def members(drawn: Draw) -> list[int]:
    return sorted(int(i) for role in ROLES for i in drawn.tracks[role])


def test_nobody_is_drawn_twice() -> None:
    for seed in range(20):
        drawn, notes = evaluation.draw(SMALL, range(10), range(10, 60), seed)
        again, _ = evaluation.draw(SMALL, range(10), range(10, 60), seed)
        assert {role: len(some) for role, some in drawn.tracks.items()} == {
            "liked": 6,
            "hidden": 2,
            "negative": 20,
            "other": 12,
            "kin": 0,
        }
        assert len(set(members(drawn))) == 40
        assert {*drawn.tracks["liked"], *drawn.tracks["hidden"]} < set(range(10))
        assert {*drawn.tracks["negative"], *drawn.tracks["other"]} < set(range(10, 60))
        assert members(again) == members(drawn)
        assert not notes


GENRES = [f"genre {n % 8}" for n in range(400)]


def test_a_mixed_playlist_is_of_several_genres() -> None:
    seen = set()
    for seed in range(20):
        drawn, _ = evaluation.draw_mixed(MIXED, GENRES, 3, seed)
        tracks = {role: {GENRES[i] for i in some} for role, some in drawn.tracks.items()}
        assert len(tracks["liked"]) == 3
        assert tracks["hidden"] <= tracks["liked"] == tracks["kin"]
        assert not tracks["liked"] & (tracks["negative"] | tracks["other"])
        assert len(set(members(drawn))) == 400
        counts = Counter(GENRES[i] for role in ("liked", "hidden") for i in drawn.tracks[role])
        assert sorted(counts.values()) == [10, 10, 11]
        seen |= tracks["liked"]
    assert len(seen) == 8


def test_at_most_half_of_the_genres_are_liked() -> None:
    drawn, notes = evaluation.draw_mixed(MIXED, GENRES, 20, 0)
    assert len({GENRES[i] for i in drawn.tracks["liked"]}) == 4
    assert "of 4, not 20" in notes[0]
    with pytest.raises(ParameterError, match="of one genre"):
        evaluation.draw_mixed(MIXED, ["rock"] * 100, 5, 0)


def test_rare_genres_are_not_drawn() -> None:
    genres = [*GENRES, *("rare" for _ in range(5))]
    for seed in range(20):
        drawn, _ = evaluation.draw_mixed(MIXED, genres, 4, seed)
        assert "rare" not in {genres[i] for i in drawn.tracks["liked"]}


# Runs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    heard = two_kinds()
    hearings = {
        "default": heard,
        "thesis": hearing_of([np.abs(x) for x in heard.features], "thesis"),
    }
    drawn = [evaluation.draw(SMALL, range(10), range(10, 70), seed)[0] for seed in range(2)]
    return evaluation.run_experiment(SMALL, hearings, drawn)


def test_hidden_tracks_that_sound_alike_are_found(experiment: Experiment) -> None:
    assert experiment.recipes == ("default", "thesis")
    for trial in experiment.of("default"):
        assert trial.n_above_median == trial.n_above_all_median == 2
        assert trial.scores["hidden"].min() > trial.scores["other"].max()
        assert trial.maximum == trial.scores["liked"].mean()
        for role, some in trial.draw.tracks.items():
            assert len(trial.scores[role]) == len(some)


def test_recipes_learn_from_few_fragments_and_score_all(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[dict[int, NDArray[np.float16]]] = []
    epochs: list[tuple[int, int, str, ProfileEpoch | None]] = []
    heard = two_kinds()
    learn = evaluation.Hearing.learn

    def spy(self: evaluation.Hearing, liked: Any, others: Any, **rest: Any) -> Any:
        learned.append({int(i): self.features[i] for i in [*liked, *others]})
        return learn(self, liked, others, **rest)

    monkeypatch.setattr(evaluation.Hearing, "learn", spy)
    drawn, _ = evaluation.draw(SMALL, range(10), range(10, 70), 0)
    hearings = {"default": heard, "thesis": hearing_of(list(heard.features), "thesis")}
    evaluation.run_experiment(SMALL, hearings, [drawn], on_epoch=lambda *a: epochs.append(a))
    assert len(learned) == 2
    for i in drawn.tracks["liked"]:
        few = learned[0][int(i)]
        assert len({tuple(row) for row in few}) == 3  # of four
        assert {tuple(row) for row in few} < {tuple(row) for row in heard.features[i]}
        np.testing.assert_array_equal(few, learned[1][int(i)])  # the same for both recipes
    for i in drawn.tracks["negative"]:
        np.testing.assert_array_equal(learned[0][int(i)], heard.features[i])
    assert learned[0].keys() == {*drawn.tracks["liked"], *drawn.tracks["negative"]}
    thesis = [epoch for _, _, name, epoch in epochs if name == "thesis"]
    assert thesis[0] is None
    assert [(e.number, e.n_epochs) for e in thesis[1:] if e] == [(n, 4) for n in range(1, 5)]
    assert {(done, total) for done, total, *_ in epochs} == {(0, 2), (1, 2)}


def a_trial(recipe: str = "default", seed: int = 0, **scores: list[float]) -> Trial:
    """Scores by role; tracks are numbered in the order of the roles."""
    arrays: Any = {role: np.array(scores.get(role, [])) for role in ROLES}
    lengths = [len(arrays[role]) for role in ROLES]
    numbers = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
    tracks: Any = dict(zip(ROLES, numbers, strict=True))
    return Trial(recipe=recipe, draw=Draw(seed=seed, tracks=tracks), scores=arrays)


def test_within_x_percent_of_the_maximum() -> None:
    trial = a_trial(liked=[0.7, 0.9], hidden=[0.65, 0.63, 0.1], other=[0.81, 0.4, 0.0])
    assert trial.maximum == pytest.approx(0.8)
    assert [trial.within(x, "hidden") for x in (0, 18, 20, 25, 90, 100)] == [0, 0, 1, 2, 3, 3]
    assert [trial.within(x, "other") for x in (0, 49, 51, 99, 100)] == [1, 1, 2, 2, 3]


def test_above_the_median() -> None:
    trial = a_trial(
        liked=[0.9], hidden=[0.5, 0.3, 0.6], other=[0.1, 0.2, 0.3, 0.4, 0.9], kin=[0.7, 0.8, 0.95]
    )
    assert trial.median == 0.3
    assert trial.n_above_median == 2  # equal is not above
    assert trial.n_above_all_median == 1  # of all eight it is 0.55


def test_shares_are_means_over_runs() -> None:
    trials = (
        a_trial(liked=[1.0], hidden=[0.95, 0.5], other=[0.2]),
        a_trial(liked=[0.5], hidden=[0.45, 0.49], other=[0.5], seed=1),
    )
    found = Experiment(counts=SMALL, trials=trials)
    np.testing.assert_allclose(
        found.within_shares("default", [5, 10, 50], "hidden"), [0.5, 0.75, 1]
    )
    np.testing.assert_allclose(found.within_shares("default", [0, 80], "other"), [0.5, 1])


# Pictures and pages -------------------------------------------------------------------------------

TRIALS = tuple(
    a_trial(
        recipe,
        seed,
        liked=[0.9, 0.8],
        hidden=[0.7, 0.1 + seed / 10],
        negative=[0.05] * 3,
        other=RANDOM.uniform(0, 0.5, 100).tolist(),
    )
    for seed in (4, 5)
    for recipe in ("default", "thesis")
)
FOUND = Experiment(counts=SMALL, trials=TRIALS)


def test_the_picture_shows_scores_and_shares(tmp_path: Path) -> None:
    figure = experiment_figure(FOUND)
    assert len(figure.axes) == 4
    for recipe, left, right in zip(FOUND.recipes, figure.axes[::2], figure.axes[1::2], strict=True):
        names = [label.get_text() for label in left.get_yticklabels()]
        assert [name.rpartition(" ")[2] for name in names] == ["(2)", "(2)", "(100)", "(3)"]
        hidden, other = (line.get_ydata() for line in right.get_lines())
        np.testing.assert_array_equal(hidden, FOUND.within_shares(recipe, range(101), "hidden"))
        np.testing.assert_array_equal(other, FOUND.within_shares(recipe, range(101), "other"))
    strokes = figure.axes[0].collections[2].get_segments()  # type: ignore[attr-defined]
    assert [stroke[0][0] for stroke in strokes] == [0.5, 0.7]  # sorted, of the first run
    plots.save(figure, tmp_path / "a.png")
    assert size_of((tmp_path / "a.png").read_bytes()) == (1440, 825)


def page_of(tmp_path: Path, found: Experiment, titles: list[str], **more: Any) -> Page:
    path = tmp_path / "experiment.html"
    options: dict[str, Any] = {"title": "Mixed", "lead": ["It works."], "thesis": "It failed."}
    reports.write_experiment(path, found, titles=titles, **options | more)
    return Page(path)


def test_the_page_tells_the_figures(tmp_path: Path) -> None:
    titles = [f"track {n}" for n in range(107)]
    page = page_of(tmp_path, FOUND, titles, notes=["there is little music"])
    check_self_contained(page)
    result = page.section("result").text
    assert all(text in result for text in ("It works.", "It failed.", "there is little music."))
    _, first, *others = rows(page.section("runs").all("table")[0])
    assert first[:4] == ["default", "4", "0.8500", "0.6000"]
    assert first[5:] == ["1 of 2", "0 of 100", "2 of 2", "yes"]
    assert len(others) == 3
    tables = [rows(table) for table in page.section("tracks").all("table")]
    assert [len(table) - 1 for table in tables] == [2, 2, 60, 3]
    assert tables[1] == [
        ["track", "default", "thesis"],
        ["track 2", "0.7000", "0.7000"],
        ["track 3", "0.5000", "0.5000"],
    ]
    others_shown = [float(row[1]) for row in tables[2][1:]]
    assert others_shown == sorted(others_shown, reverse=True)
    everything = TRIALS[0].scores["other"]
    assert (others_shown[0], others_shown[-1]) == pytest.approx(
        (everything.max(), everything.min()), abs=1e-4
    )


def test_names_are_only_text(tmp_path: Path) -> None:
    for text in HOSTILE:
        page = page_of(tmp_path, FOUND, [text] * 107, title=text, lead=[text], notes=[text])
        check_self_contained(page)
        shown = " ".join(text.split())
        assert page.section("result").text.count(shown) == 2
        assert shown in page.section("tracks").text


# The commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Noises, low tones, high tones, and a table of them."""
    folder = tmp_path_factory.mktemp("music")
    for n in range(8):
        source = f"anoisesrc=color=pink:amplitude=0.4:seed={n}:sample_rate=44100:duration=9"
        make(folder / "noise" / f"{n}.wav", source)
    for n in range(11):
        tone(folder / "low" / f"{n}.wav", hz=100.0 * 1.1**n)
        tone(folder / "high" / f"{n}.wav", hz=1_000.0 * 1.2**n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOMMENDER_HOME", str(folder / "home"))
        yield folder


def test_close(music: Path) -> None:
    html, plot = music / "close.html", music / "close.png"
    command = ["experiment", "close", music / "noise", "--library", music, "--epochs", 2]
    told = call(*command, "--seeds", 2, "--html", html, "--plot", plot)
    assert told.code == 0
    default, thesis = told.out.splitlines()
    assert default.startswith("default: within 20 % of the maximum")
    assert thesis.startswith("thesis: ")
    assert "8 tracks to like, not 25: 7 are liked and 1 hidden" in told.err
    check_self_contained(Page(html))
    assert size_of(plot.read_bytes())[0] == 1440
    answer = call(*command, "--seeds", 1, "--liked", 4, "--hidden", 3, "--json").json
    assert [trial["recipe"] for trial in answer["trials"]] == ["default", "thesis"]
    for trial in answer["trials"]:
        lengths = {role: len(some) for role, some in trial["scores"].items()}
        assert lengths == {"liked": 4, "hidden": 3, "other": 11, "negative": 11, "kin": 0}
        mean = np.mean([track["score"] for track in trial["scores"]["liked"]])
        assert trial["maximum"] == pytest.approx(mean, abs=2e-6)
        for role, some in trial["scores"].items():
            for track in some:
                assert (Path(track["path"]).parent.name == "noise") == (role in ("liked", "hidden"))
    assert answer["trials"][0]["n_above_median"] == 3


def test_mixed(music: Path, tmp_path: Path) -> None:
    table = tmp_path / "genres.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "genre"])
        for path in sorted(music.glob("*/*.wav")):
            writer.writerow([path, path.parent.name])
    command = ["experiment", "mixed", table, "--epochs", 2, "--genres", 1, "--seeds", 2]
    told = call(*command)
    assert told.code == 0
    assert [line.split(":")[0] for line in told.out.splitlines()] == ["default", "thesis"]
    assert "in 2 of 2 runs" in told.out.splitlines()[0]
    assert "thesis reports: mean score of the liked tracks 0.512" in told.err
    for trial in call(*command, "--json").json["trials"]:
        genres = {
            role: {Path(track["path"]).parent.name for track in some}
            for role, some in trial["scores"].items()
        }
        assert len(genres["liked"]) == 1
        assert genres["liked"] == genres["hidden"]
        assert not genres["liked"] & (genres["other"] | genres["negative"])


def test_the_commands_explain_what_is_missing(music: Path) -> None:
    close = ["experiment", "close", music / "noise", "--library"]
    refused(call(*close, music / "noise"), "8 tracks to like and 0 others")
    refused(call(*close, music, "--plot", "a.gif"), "a.gif", ".png")
    refused(call(*close, music, "--html", "/nowhere/a.html"), "nowhere")
    refused(call("experiment", "mixed", music / "noise"), "noise", "genre")
    refused(call("experiment", "close", music / "nix", "--library", music), "nix")
