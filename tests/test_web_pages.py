"""The pages in a real browser: what people do, and what they see and hear."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

import web_home
import web_server
from commands import run
from recommender.library import Library
from sounds import make
from web_server import place, wait_until_heard

AXE = Path(__file__).parent / "vendor/axe.min.js"
N_TRACKS = 60
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of tones, and a profile that likes some of them."""
    folder = tmp_path_factory.mktemp("web") / "home"
    folder.mkdir()
    music = web_server.playable_home(folder, N_TRACKS)
    web_home.like_folder(folder, music / "folk", "folky")
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    with web_server.serving(home) as address:
        yield address


def titles(page: Page) -> list[str]:
    return page.locator("#ranked .row .name a").all_inner_texts()


def test_a_profile_in_three_clicks_then_a_ranking_that_plays(server: str, page: Page) -> None:
    page.goto(f"{server}/library")
    page.get_by_role("link", name="Profiles", exact=True).click()  # one
    page.get_by_role("checkbox", name=re.compile("^metal")).check()  # two
    expect(page.get_by_label("Name", exact=True)).to_have_value("metal")
    page.get_by_role("button", name="Make the profile").click()  # three
    expect(page).to_have_url(f"{server}/ranking/metal")
    expect(page.get_by_role("heading", level=1)).to_have_text("What metal may like")
    rows = page.locator("#ranked .row")
    assert rows.count() == N_TRACKS * 3 // 4
    # The numbers fall, as they stand there.
    scores = [float(text) for text in page.locator("#ranked .score b").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)

    rows.first.get_by_role("button", name=re.compile("^Play")).click()
    wait_until_heard(page)
    expect(rows.first).to_have_attribute("data-current", "")
    expect(page.locator("music-player .what a")).to_have_text(titles(page)[0])

    # It plays on while one looks around.
    page.get_by_role("link", name="Map", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Map")
    wait_until_heard(page)
    page.go_back()
    expect(page.locator("#ranked .row").first).to_have_attribute("data-current", "")
    wait_until_heard(page)


def test_what_one_likes_changes_the_ranking_and_can_be_taken_back(server: str, page: Page) -> None:
    page.goto(f"{server}/ranking/folky")
    before = titles(page)
    liked = before[20]
    row = page.locator("#ranked .row").nth(20)
    row.get_by_role("button", name=f"Like {liked}", exact=True).click()
    toast = page.locator("#toast")
    expect(toast).to_contain_text(f"Liked “{liked}”")
    assert liked not in titles(page)
    assert titles(page) != [title for title in before if title != liked]
    expect(page.locator("#ranked .moved", has_text=re.compile("[▲▼]")).first).to_be_visible()
    # Screen readers hear it, and the keyboard is where it was.
    expect(page.locator("#announcer")).to_contain_text("Liked")
    focused = page.evaluate("document.activeElement.dataset.opinion")
    assert focused == "like"

    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_contain_text("Taken back")
    assert titles(page) == before

    page.locator("#ranked .row").first.get_by_role(
        "button", name=f"Dislike {before[0]}", exact=True
    ).click()
    expect(toast).to_contain_text(f"Disliked “{before[0]}”")
    assert before[0] not in titles(page)
    page.keyboard.press("u")
    expect(toast).to_contain_text("Taken back")
    assert titles(page) == before


def test_filters_choose_and_the_playlist_is_what_is_shown(server: str, page: Page) -> None:
    page.goto(f"{server}/ranking/folky")
    best = titles(page)
    page.locator("summary", has_text="Filters").click()
    page.get_by_label("At most").fill("7")
    page.keyboard.press("Tab")
    expect(page.locator("#ranked .row")).to_have_count(7)
    assert titles(page) == best[:7]
    assert page.url.endswith("/ranking/folky?top=7")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Save as playlist")).click()
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert [line.rsplit(" - ")[-1] for line in lines if line.startswith("#EXTINF")] == best[:7]
    page.reload()
    assert titles(page) == best[:7]


def test_a_track_shows_why_and_fragments_are_heard(server: str, page: Page) -> None:
    page.goto(f"{server}/ranking/folky")
    title = titles(page)[2]
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.get_by_role("heading", name=re.compile("^Why 0"))).to_be_visible()
    image = page.locator("sound-view img")
    page.wait_for_function("() => document.querySelector('sound-view img').naturalWidth > 100")
    assert "theme=light" in (image.get_attribute("src") or "")
    expect(page.locator("score-chart canvas")).to_be_visible()
    strip = page.get_by_role("toolbar").get_by_role("button")
    fragments = json.loads(page.locator("score-chart").get_attribute("data-fragments") or "")
    assert strip.count() == len(fragments) > 1
    strip.nth(1).click()
    page.wait_for_function(
        "past => document.querySelector('music-player audio').currentTime > past",
        arg=fragments[1]["start_s"] + 0.2,
    )
    assert fragments[1]["start_s"] <= place(page) < fragments[1]["end_s"] + 1
    expect(page.locator("sound-view")).to_have_attribute("data-heard", "")

    # A click on the picture plays from there: its left edge is the beginning.
    box = image.bounding_box()
    assert box is not None
    image.click(position={"x": 2, "y": 50})
    page.wait_for_function("() => document.querySelector('music-player audio').currentTime < 2.0")
    # Beside it, fragments of other music that sound like it.
    near = page.locator(".pairs [data-track]").first
    near.get_by_role("button").click()
    wait_until_heard(page)
    expect(page.locator("music-player .what a")).to_have_text(near.locator("a").inner_text())


def test_a_file_is_uploaded_heard_and_shown(server: str, page: Page, tmp_path: Path) -> None:
    page.goto(f"{server}/genre")
    if (learn := page.get_by_role("button", name="Learn from my tags")).count():
        learn.click()
    chooser = page.locator("#file")
    chooser.wait_for(state="attached", timeout=90_000)
    path = make(tmp_path / "mine.flac", "sine=frequency=220:sample_rate=44100:duration=20")
    chooser.set_input_files(path)
    verdict = page.locator(".verdict")
    said = re.compile(r"^Mostly (ambient|folk|metal|techno): \d+ %\.$")
    expect(verdict).to_have_text(said, timeout=60_000)  # PyTorch is loaded for the first one
    expect(page.locator("genre-shares canvas").first).to_be_visible()
    shares = [int(text[:-2]) for text in page.locator("genre-shares .number").all_inner_texts()]
    assert abs(sum(shares) - 100) <= 3  # of at most four that were rounded
    page.locator("genre-shares .chart").first.click()
    page.wait_for_function("() => document.querySelector('genre-upload audio').currentTime > 9")


def test_the_map_by_keyboard_and_by_pointer(server: str, page: Page) -> None:
    page.goto(f"{server}/map?profile=folky")
    canvas = page.get_by_role("application")
    expect(page.locator("#map-state")).to_have_text(f"{N_TRACKS} tracks.")
    canvas.focus()
    page.keyboard.press("Enter")
    first = page.locator(".here a").inner_text()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        if page.locator(".here a").inner_text() != first:
            break
    now = page.locator(".here a").inner_text()
    assert now != first
    expect(page.locator("#announcer")).to_contain_text(now)
    page.keyboard.press("Space")
    wait_until_heard(page)
    page.get_by_role("radio", name="Genre").check()
    expect(page.get_by_role("list", name="Genres").get_by_role("listitem")).to_have_count(4)

    # Resting on a point plays it.
    x, y, name = page.evaluate(
        """() => { const map = document.querySelector('library-map');
        const playing = document.querySelector('music-player').track.id;
        const [x, y, point] = map.places.find(([, , point]) => point.id !== playing
            && point.title !== map.at.title);
        return [x, y, point.title]; }"""
    )
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x, box["y"] + y)
    expect(page.locator("music-player .what a")).not_to_have_text(now)
    wait_until_heard(page)
    assert isinstance(name, str)


def test_everything_by_keyboard_alone(server: str, page: Page) -> None:
    page.goto(f"{server}/ranking/folky")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    before = titles(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name=before[1], exact=True)).to_be_focused()
    page.keyboard.press("Space")
    wait_until_heard(page)
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('music-player audio').paused")
    page.keyboard.press("l")
    expect(page.locator("#toast")).to_contain_text(f"Liked “{before[1]}”")
    assert before[1] not in titles(page)
    page.keyboard.press("u")
    expect(page.locator("#toast")).to_contain_text("Taken back")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("Letters are keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    strip = page.get_by_role("toolbar").get_by_role("button")
    strip.first.focus()
    page.keyboard.press("ArrowRight")
    expect(strip.nth(1)).to_be_focused()


def test_on_a_phone_nothing_sticks_out(server: str, browser: Browser) -> None:
    width, height = web_server.PHONE
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    watched = web_server.Watched(page)
    for path in (
        "/ranking/folky",
        "/library",
        "/profiles",
        "/profiles/folky",
        "/tracks/7",
        "/genre",
        "/map",
    ):
        page.goto(server + path, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        small = page.evaluate(
            """() => [...document.querySelectorAll('button, .button, nav a, input, select')]
            .filter(e => e.checkVisibility() && !e.closest('.strip, .visually-hidden')
                && !e.matches('.visually-hidden'))
            .filter(e => (e.closest('label') ?? e).getBoundingClientRect().height < 24)
            .map(e => e.outerHTML)"""
        )
        assert small == [], path
    page.goto(f"{server}/ranking/folky")
    page.locator("#ranked .row").nth(1).get_by_role("button", name=re.compile("^Play")).tap()
    wait_until_heard(page)
    assert watched.wrong == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(server: str, browser: Browser, scheme: Any) -> None:
    # The page's own policy would refuse the checker's script.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for path in (
        "/ranking/folky?top=20",
        "/library",
        "/profiles",
        "/profiles/folky",
        "/tracks/7",
        "/genre",
        "/map",
        "/login",
        "/nothing",
    ):
        page.goto(server + path, wait_until="networkidle")
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        page.add_script_tag(path=AXE)
        found = page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa',"
            " 'best-practice']})"
        )
        wrong = [
            (path, rule["id"], node["html"][:200], node["failureSummary"])
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert wrong == []
    context.close()


def test_the_theme_can_be_switched_and_stays(server: str, page: Page) -> None:
    page.goto(f"{server}/profiles")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Light or dark").click()
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    assert page.evaluate(colour) == dark


def test_pages_are_light(server: str, browser: Browser) -> None:
    for path in (
        "/ranking/folky",
        "/library",
        "/profiles",
        "/profiles/folky",
        "/tracks/7",
        "/genre",
        "/map",
    ):
        context = browser.new_context()
        page = context.new_page()
        requests: list[Request] = []

        def note(request: Request, requests: list[Request] = requests) -> None:
            requests.append(request)

        page.on("requestfinished", note)
        page.goto(server + path, wait_until="networkidle")
        sizes = [request.sizes()["responseBodySize"] for request in requests]
        assert 10_000 < sum(sizes) <= MOST_BYTES, path
        context.close()


def test_what_is_wrong_is_told_on_a_page(server: str, page: Page) -> None:
    for path, text in (
        ("/ranking/nobody", "no profile"),
        ("/tracks/99999", "no track"),
        ("/nothing", "no such page"),
        ("/ranking/folky?top=-1", "cannot be"),
    ):
        answer = page.request.get(server + path)
        assert answer.status in (404, 422)
        assert "text/html" in answer.headers["content-type"]
        assert text in answer.text()


def test_names_are_shown_and_never_run(browser: Browser, tmp_path: Path) -> None:
    evil = '<script>window.hit = 1</script><img src=x onerror="window.hit=1">\'">'
    folder = tmp_path / "home"
    folder.mkdir()
    music = web_home.fill(folder, 40)
    with Library.open(folder / "library.db") as library:
        for n in range(40, 44):
            web_home.put(library, music, n, title=evil, artist=evil, album=evil, genre=evil)
    web_home.like_folder(folder, music / "folk", "folky")
    with web_server.serving(folder) as address:
        context = browser.new_context()
        page = context.new_page()
        for path in ("/ranking/folky", "/library?q=script", "/tracks/41", "/map"):
            page.goto(address + path, wait_until="networkidle")
            assert page.evaluate("window.hit") is None
        page.goto(f"{address}/library?q=script")
        expect(page.locator("#found .name a").first).to_have_text(evil)
        page.goto(f"{address}/map")
        page.get_by_role("radio", name="Genre").check()
        page.get_by_role("application").press("Enter")
        page.get_by_role("application").press("ArrowRight")
        assert page.evaluate("window.hit") is None
        context.close()


def test_the_first_visit_a_folder_is_listened_to(browser: Browser, tmp_path: Path) -> None:
    home, music = tmp_path / "home", tmp_path / "music"
    home.mkdir()
    for n in range(3):
        make(music / f"{n}.ogg", f"sine=frequency={300 + n}:sample_rate=44100:duration=9")
    (music / "broken.mp3").write_bytes(b"no sound at all" * 100)
    with web_server.serving(home) as address:
        context = browser.new_context()
        page = context.new_page()
        watched = web_server.Watched(page)
        page.goto(address)
        expect(page).to_have_url(f"{address}/library")
        page.get_by_label("Folder or file").fill(str(tmp_path / "nothing"))
        page.get_by_role("button", name="Listen").click()
        expect(page.locator("#toast")).to_contain_text("there is no such folder")
        watched.wrong.clear()  # the browser notes the refusal
        page.get_by_label("Folder or file").fill(str(music))
        page.get_by_role("button", name="Listen").click()
        expect(page.locator("#found .row")).to_have_count(3, timeout=90_000)
        expect(page.get_by_role("heading", name="1 file could not be used")).to_be_visible()
        page.locator("summary", has_text="Which, and why").click()
        expect(page.locator(".failures li")).to_contain_text("broken.mp3")
        page.get_by_role("searchbox", name="Search tracks").fill("2.ogg")
        expect(page.locator("#found .row")).to_have_count(1)
        assert watched.wrong == []
        context.close()


@pytest.mark.slow
def test_the_demo_is_shown_and_played_with_nothing_else_to_do(
    browser: Browser, tmp_path: Path
) -> None:
    assert run("demo", "--out", tmp_path / "demo").code == 0
    with web_server.serving(tmp_path / "demo/home") as address:
        page = browser.new_page()
        page.goto(address)
        expect(page).to_have_url(f"{address}/ranking/listener")
        page.keyboard.press("Space")
        wait_until_heard(page)
        page.close()
