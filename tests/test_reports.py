"""Pages are read back as a browser would read them: parsed, not searched."""

import dataclasses
import math
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import reports
from recommender.errors import ParameterError
from recommender.genres import metrics
from recommender.genres.runs import Run
from recommender.parameters import SPECTROGRAMS
from recommender.training import Epoch

GENRES = ("blues", "jazz", "metal", "rock")
MATRIX = np.array([[6, 2, 0, 0], [1, 9, 0, 0], [0, 0, 3, 1], [0, 2, 4, 12]])
VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 191 }}",
    "{% for x in y %}",
    "</style></section>",
    "--><b>&amp;",
    "javascript:alert(1)",
    "$x_{1$ 音楽",
)


def scores(matrix: NDArray[np.int64]) -> metrics.Scores:
    """Scores whose confusion is `matrix`."""
    true, said = (np.repeat(index.ravel(), matrix.ravel()) for index in np.indices(matrix.shape))
    return metrics.scores(true, np.eye(len(matrix))[said])


def history(n: int) -> tuple[Epoch, ...]:
    return tuple(
        Epoch(
            number=i,
            n_epochs=40,
            loss=2 / i,
            accuracy=1 - 1 / i,
            score=-abs(i - 5.0),
            validation_loss=1 + 1 / i,
            validation_accuracy=0.5,
            seconds=1.0,
        )
        for i in range(1, n + 1)
    )


RUN = Run(
    system="cnn2d-mel",
    title="Two-dimensional convolutions",
    source="A thesis of two inputs",
    published="73 % accuracy (random pieces)",
    collection="GTZAN",
    genres=GENRES,
    split_kind="artist",
    split_description="No artist is in two parts.",
    n_training=1210,
    n_validation=35,
    n_test=40,
    history=history(8),
    scores=scores(MATRIX),
    failures=(("jazz.00054.wav", "no sound in it"),),
    settings={"training": {"learning_rate": 1e-4, "hidden": (64, 32)}, "class_weights": None},
    seed=7,
    versions={"torch": "2.13.0", "python": "3.11.2"},
    created="2025-01-02T03:04:05",
    training_s=200.4,
    n_parameters=2_331_148,
)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    def all(self, tag: str = "", css_class: str = "") -> list["Element"]:
        """Elements below this one, in the order of the page."""
        found = []
        for child in self.children:
            classes = child.attributes.get("class", "").split()
            if tag in ("", child.tag) and (not css_class or css_class in classes):
                found.append(child)
            found += child.all(tag, css_class)
        return found

    @property
    def text(self) -> str:
        return " ".join("".join(self.own).split())


class Page(HTMLParser):
    """A page as a tree; each element's text includes that of those within."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.root = Element("", {})
        self.open = [self.root]
        self.bytes = path.read_bytes()
        self.feed(self.bytes.decode("utf-8"))
        self.close()
        assert self.open == [self.root], [element.tag for element in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.own.append(data)

    def section(self, name: str) -> Element:
        (found,) = [e for e in self.root.all() if e.attributes.get("id") == name]
        return found


def rows(table: Element) -> list[list[str]]:
    return [[cell.text for cell in row.children] for row in table.all("tr")]


def page_of(tmp_path: Path, run: Run = RUN, **more: Any) -> Page:
    path = tmp_path / "run.html"
    reports.write_run(path, run, **more)
    return Page(path)


def everything(n_frames: int = 40) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "kind": "mel",
        "spectrogram": SPECTROGRAMS["default"],
        "examples": {
            genre: rng.uniform(-1, 1, (n_frames, 128)).astype(np.float32) for genre in GENRES
        },
        "kernels": (
            rng.standard_normal((8, 128, 4)).astype(np.float32),
            rng.standard_normal((6, 8, 2)).astype(np.float32),
        ),
        "som": rng.integers(0, 4, (5, 6, len(GENRES))),
    }


def check_self_contained(page: Page) -> None:
    """No element or style reaches out of the page, links within it lead somewhere, nothing runs."""
    elements = page.root.all()
    assert not {e.tag for e in elements} & {"script", "link", "iframe", "object", "embed", "base"}
    ids = [e.attributes["id"] for e in elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"{name} of {element.tag}"
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                inside = value.startswith("#") and value[1:] in ids
                assert inside or value.startswith("data:image/png;base64,"), value[:80]
            for target in re.findall(r"url\(([^)]*)\)", value):
                if name in ("style", "clip-path", "fill", "stroke", "mask", "filter"):
                    assert target.startswith("#")
                    assert target[1:] in ids
    styles = [e.text for e in elements if e.tag == "style"]
    assert len(styles) == 1
    assert not re.search(r"url\(|@import|expression|//", styles[0])


def test_every_section_is_there(tmp_path: Path) -> None:
    page = page_of(tmp_path, **everything())
    sections = [e.attributes["id"] for e in page.root.all("section")]
    assert sections == [
        "result",
        "split",
        "training",
        "confusion",
        "genres",
        "inputs",
        "kernels",
        "map",
        "failures",
        "settings",
    ]
    (contents,) = page.root.all("nav")
    assert [link.attributes["href"][1:] for link in contents.all("a")] == sections
    for name in ("training", "inputs", "kernels", "map"):
        assert page.section(name).all("svg")
    assert len(page.section("inputs").all("svg")) == 1 + len(GENRES)
    check_self_contained(page)
    assert page.bytes.startswith(b"<!doctype html>")


def test_it_tells_the_numbers(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    result = page.section("result").text
    assert "30 of 40 test tracks" in result
    assert "75.0 %" in result
    assert f"{RUN.scores.macro_f1:.3f}" in result
    assert "always naming rock" in result  # 18 of 40
    assert "45.0 %" in result
    assert "73 % accuracy (random pieces)" in result
    split = page.section("split")
    assert "No artist is in two parts." in split.text
    assert [row[:2] for row in rows(split.all("table")[0])[1:]] == [
        ["training", "1,210"],
        ["validation", "35"],
        ["test", "40"],
    ]
    training = page.section("training").text
    assert "3 min 20 s" in training
    assert "2,331,148 parameters" in training
    assert "8 of at most 40 epochs" in training
    assert "the weights of epoch 5" in training
    assert rows(page.section("failures").all("table")[0])[1:] == [
        ["jazz.00054.wav", "no sound in it"]
    ]
    settings, versions = page.section("settings").all("table")
    assert rows(settings)[1:] == [
        ["seed", "7"],
        ["training.learning_rate", "0.0001"],
        ["training.hidden", "64, 32"],
        ["class_weights", "none"],
    ]
    assert rows(versions)[1:] == [["torch", "2.13.0"], ["python", "3.11.2"]]
    assert "2025-01-02T03:04:05" in page.root.all("footer")[0].text
    header = page.root.all("header")[0].text
    assert all(text in header for text in (RUN.system, RUN.title, RUN.source, RUN.collection))


def test_the_interval_is_wilsons(tmp_path: Path) -> None:
    n, p, z = 40, 0.75, 1.959964
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    text = f"{100 * (middle - half):.1f} % to {100 * (middle + half):.1f} %"
    assert text in page_of(tmp_path).section("result").text


def test_the_matrix_is_the_numbers(tmp_path: Path) -> None:
    section = page_of(tmp_path).section("confusion")
    head, *body = rows(section.all("table", "matrix")[0])
    assert head == ["true \\ predicted", *GENRES, "recall"]
    assert [row[0] for row in body] == list(GENRES)
    np.testing.assert_array_equal([[int(n or 0) for n in row[1:-1]] for row in body], MATRIX)
    assert [row[-1] for row in body] == ["75.0 %", "90.0 %", "75.0 %", "66.7 %"]
    cells = section.all("td", "right")
    shares = [float(cell.attributes["style"].removeprefix("--share: ")) for cell in cells]
    assert shares == [0.75, 0.9, 0.75, 0.67]
    assert [cell.text for cell in section.all("td", "wrong")] == ["2", "1", "1", "2", "4"]
    assert section.all("p")[0].text == (
        "Most often taken for another: rock for metal (4 of 18), blues for jazz (2 of 8), "
        "rock for jazz (2 of 18), jazz for blues (1 of 10), metal for rock (1 of 4)."
    )


def test_scores_by_genre_are_the_numbers(tmp_path: Path) -> None:
    head, *body, last = rows(page_of(tmp_path).section("genres").all("table")[0])
    assert head == ["genre", "test tracks", "precision", "recall", "F1"]
    said, true, right = MATRIX.sum(0), MATRIX.sum(1), np.diag(MATRIX)
    precision, recall, f1 = right / said, right / true, 2 * right / (said + true)
    assert body == [
        [GENRES[i], f"{true[i]}", f"{precision[i]:.3f}", f"{recall[i]:.3f}", f"{f1[i]:.3f}"]
        for i in range(4)
    ]
    assert last == [
        "macro mean",
        "40",
        *(f"{x.mean():.3f}" for x in (precision, recall, f1)),
    ]


def test_genres_that_do_not_occur(tmp_path: Path) -> None:
    matrix = np.array([[3, 0, 0], [1, 1, 0], [0, 0, 0]])
    run = dataclasses.replace(RUN, genres=("a", "b", "c"), scores=scores(matrix))
    page = page_of(tmp_path, run)
    assert rows(page.section("confusion").all("table")[0])[-1] == ["c", "", "", "", "none"]
    last = rows(page.section("genres").all("table")[0])[-1]
    assert last == ["macro mean", "5", "0.875", "0.750", f"{run.scores.macro_f1:.3f}"]
    assert run.scores.macro_f1 == pytest.approx((6 / 7 + 2 / 3) / 2)


def test_a_leaky_split_is_called_what_it_is(tmp_path: Path) -> None:
    assert not page_of(tmp_path).root.all("div", "alarm")
    leaky = dataclasses.replace(RUN, split_kind="leaky", split_description="Pieces lie on both.")
    page = page_of(tmp_path, leaky)
    (alarm,) = page.section("result").all("div", "alarm")
    assert "illusion" in alarm.text
    assert "Pieces lie on both." in alarm.text
    assert "95 %" not in page.section("result").text  # pieces of one track are not independent
    assert "30 of 40 test pieces" in page.section("result").text


def test_what_there_is_not_is_said(tmp_path: Path) -> None:
    matrix = np.diag([2, 3, 1, 4])
    bare = dataclasses.replace(
        RUN, published="", history=(), failures=(), n_parameters=0, scores=scores(matrix)
    )
    page = page_of(tmp_path, bare, kind="handmade")
    assert "no figure" in page.section("result").text
    assert "not trained by epochs" in page.section("training").text
    assert "parameters" not in page.section("training").text
    assert not page.section("training").all("svg")
    assert "No test track was taken for another genre" in page.section("confusion").text
    assert "Every file could be used" in page.section("failures").text
    assert not {"inputs", "kernels", "map"} & {e.attributes["id"] for e in page.root.all("section")}
    check_self_contained(page)


@pytest.mark.parametrize("kind", ["mfcc", "embeddings"])
def test_pictures_of_other_inputs(tmp_path: Path, kind: str) -> None:
    x = np.random.default_rng(0).standard_normal((30, 20)).astype(np.float32)
    page = page_of(tmp_path, kind=kind, spectrogram=SPECTROGRAMS["default"], examples={"blues": x})
    inputs = page.section("inputs")
    assert len(inputs.all("svg")) == 1  # its colours are its own: no bar for all
    assert "above the mean" in inputs.text


def test_hand_made_features_are_pictured_by_spectrogram(tmp_path: Path) -> None:
    inputs = page_of(tmp_path, **(everything() | {"kind": "handmade"})).section("inputs")
    assert len(inputs.all("svg")) == 1 + len(GENRES)
    assert "statistics of hand-made features" in inputs.text


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    matrix = np.full((8, 8), 2)
    more = everything()
    more["examples"] = dict.fromkeys(HOSTILE, more["examples"]["jazz"])
    more["som"] = np.ones((2, 2, 8), np.int64)
    name = "".join(HOSTILE)
    run = dataclasses.replace(
        RUN,
        system=name,
        title=name,
        source=name,
        published=name,
        collection=name,
        genres=HOSTILE,
        split_kind="leaky",
        split_description=name,
        scores=scores(matrix),
        failures=((name, name),),
        settings={name: name},
        versions={name: name},
        created=name,
    )
    page = page_of(tmp_path, run, **more)
    check_self_contained(page)
    text = " ".join(name.split())
    for section in ("result", "split", "failures", "settings"):
        assert text in page.section(section).text
    assert text in page.root.all("title")[0].text
    assert text in page.root.all("h1")[0].text
    assert rows(page.section("genres").all("table")[0])[1][0] == HOSTILE[0]
    assert page.section("inputs").all("figcaption", "name")[2].text == HOSTILE[2]
    labels = [svg.attributes["aria-label"] for svg in page.section("inputs").all("svg")]
    assert f"A piece of the genre {HOSTILE[1]}" in labels
    assert b"1337" not in page.bytes


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """File and folder names may hold any bytes."""
    name = "a\udcff\x00\x1b\ufffe"
    run = dataclasses.replace(RUN, genres=(name, *GENRES[1:]), failures=((name, "broken"),))
    more = everything()
    more["examples"] = {name: more["examples"]["blues"]}
    check_self_contained(page_of(tmp_path, run, **more))


def test_a_large_run_is_a_small_page(tmp_path: Path) -> None:
    n = 1000
    rng = np.random.default_rng(0)
    genres = tuple(f"genre number {i}" for i in range(n))
    matrix = rng.poisson(0.02, (n, n)) + np.diag(rng.integers(1, 20, n))
    run = dataclasses.replace(
        RUN,
        genres=genres,
        scores=scores(matrix),
        history=history(20_000),
        failures=tuple((f"{'x' * 200}/{i}.mp3", "cannot be decoded " * 5) for i in range(5000)),
    )
    page = page_of(
        tmp_path,
        run,
        kind="mel",
        spectrogram=SPECTROGRAMS["default"],
        examples={genre: rng.uniform(-1, 1, (660, 128)).astype(np.float32) for genre in genres},
        kernels=(
            rng.standard_normal((256, 128, 4)).astype(np.float32),
            rng.standard_normal((128, 256, 2)).astype(np.float32),
        ),
        som=rng.integers(0, 9, (20, 20, n)),
    )
    assert len(page.bytes) <= 2e6
    check_self_contained(page)
    assert "40 most frequent of 1,000 genres" in page.section("confusion").text
    assert "300 most frequent of 1,000 genres" in page.section("genres").text
    assert "first 16 of 1,000" in page.section("inputs").text
    assert "5,000 files could not be used; the first 200" in page.section("failures").text
    often = np.sort(np.argsort(-matrix.sum(1), kind="stable")[:40])
    shown = rows(page.section("confusion").all("table")[0])[1:]
    assert [row[0] for row in shown] == [genres[i] for i in often]
    recall = 100 * np.diag(matrix) / matrix.sum(1)
    assert [row[-1] for row in shown] == [f"{recall[i]:.1f} %" for i in often]


def test_a_page_is_the_same_each_time(tmp_path: Path) -> None:
    assert page_of(tmp_path, **everything()).bytes == page_of(tmp_path, **everything()).bytes


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"b/a\.html: the report cannot be written"):
        reports.write_run(tmp_path / "b" / "a.html", RUN)


def test_it_is_read_without_torch() -> None:
    """The library of networks takes seconds to load, and a page needs none of it."""
    code = "import sys, recommender.reports; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def colours(css: str) -> dict[str, tuple[float, float, float]]:
    hexadecimal = re.findall(r"--([\w-]+): #([0-9a-f]{6});", css)
    decimal = re.findall(r"--([\w-]+): (\d+) (\d+) (\d+);", css)
    found = {
        name: tuple(int(value[i : i + 2], 16) for i in (0, 2, 4)) for name, value in hexadecimal
    }
    found |= {name: (int(r), int(g), int(b)) for name, r, g, b in decimal}
    return {name: (r / 255, g / 255, b / 255) for name, (r, g, b) in found.items()}


def contrast(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """Ratio of luminances as WCAG 2 defines it."""

    def luminance(colour: tuple[float, float, float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_apart(tmp_path: Path) -> None:
    """WCAG AA: 4.5 of text, 3 of what charts are drawn with; in light, dark and on paper."""
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    css = page_of(tmp_path).root.all("style")[0].text
    blocks = re.findall(r":root \{(.*?)\}", css)
    light, dark, paper = (colours(block) for block in blocks)
    assert set(light) == set(dark)
    for theme in (light, light | dark, light | paper):
        page, card, ink = theme["page"], theme["card"], theme["ink"]
        # Cells of the matrix are between the page and their full colour.
        for behind in (page, card, theme["right"], theme["wrong"]):
            assert contrast(ink, behind) >= 4.5
        for text in (theme["muted"], theme["link"]):
            assert min(contrast(text, page), contrast(text, card)) >= 4.5
        assert contrast(theme["alarm"], theme["alarm-page"]) >= 4.5
        for line in (theme["first"], theme["second"]):
            assert contrast(line, page) >= 3
        assert contrast(theme["first"], theme["line"]) >= 3  # a bar in its frame


def prediction(
    name: str = "a.mp3", n: int = 5, genres: tuple[str, ...] = GENRES
) -> reports.Prediction:
    shares = np.random.default_rng(n).dirichlet(np.ones(len(genres)), n)
    return reports.Prediction(
        name=name,
        genres=genres,
        times_s=3 * np.arange(n, dtype=np.float64),
        shares=shares,
        piece_s=3.0,
    )


def predicted(tmp_path: Path, *predictions: reports.Prediction, **more: Any) -> Page:
    path = tmp_path / "prediction.html"
    reports.write_prediction(path, predictions, network="mine.safetensors", **more)
    return Page(path)


def test_a_prediction_is_the_numbers(tmp_path: Path) -> None:
    one, two = prediction(), prediction("b.mp3", 1)
    page = predicted(tmp_path, one, two)
    check_self_contained(page)
    means = one.shares.mean(axis=0)
    order = np.argsort(-means)
    section = page.section("file-1")
    assert rows(section.all("table")[0])[1:] == [
        [GENRES[i], "", f"{100 * means[i]:.1f} %"] for i in order
    ]
    widths = [bar.attributes["style"] for bar in section.all("span", "bar")]
    assert widths == [f"--share: {100 * means[i]:.1f}%" for i in order]
    assert len(section.all("svg")) == 1
    assert "5 pieces of 3 s" in section.text
    assert "hears this file as one piece" in page.section("file-2").text
    table = rows(page.section("files").all("table")[0])
    assert [row[0] for row in table[1:]] == ["a.mp3", "b.mp3"]
    assert table[1][1:3] == [GENRES[order[0]], f"{100 * means[order[0]]:.1f} %"]
    assert "mine.safetensors" in page.root.all("header")[0].text


def test_predictions_of_many_files(tmp_path: Path) -> None:
    many = [prediction(f"{i}.mp3", 400) for i in range(200)]
    page = predicted(tmp_path, *many, failures=[(f"{i}.txt", "no sound") for i in range(3)])
    assert len(page.bytes) <= 2e6
    check_self_contained(page)
    assert len(rows(page.section("files").all("table")[0])) == 201
    assert len(page.root.all("section", "file")) == 40
    assert "3 files could not be used" in page.section("failures").text


def test_hostile_predictions_are_only_text(tmp_path: Path) -> None:
    page = predicted(
        tmp_path,
        *(prediction(name, genres=HOSTILE) for name in (*HOSTILE, "a\udcff\x00")),
        failures=[(HOSTILE[0], HOSTILE[1])],
    )
    check_self_contained(page)
    assert [h2.text for h2 in page.root.all("h2")][1:9] == list(HOSTILE)
    assert b"1337" not in page.bytes


def test_one_prediction_and_none(tmp_path: Path) -> None:
    alone = predicted(tmp_path, prediction())
    assert "Genres of one file" in alone.root.all("h1")[0].text
    assert "files" not in [e.attributes["id"] for e in alone.root.all("section")]
    nothing = predicted(tmp_path, failures=[("a.mp3", "no sound")])
    assert [e.attributes["id"] for e in nothing.root.all("section")] == ["failures"]
