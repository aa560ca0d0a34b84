"""The pages in a real browser, further on: work, playlists, parts of files, a token, many rows."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect
from scipy.io import wavfile

import web_home
import web_server
from commands import run
from recommender.library import Library
from sounds import tone
from web_server import place, wait_until_heard

SR = 8_000
N_LONG, LONG_S = 16, 300


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def n_heard(home: Path) -> int:
    with Library.open(home / "library.db") as library:
        ((n,),) = library._rows("SELECT count(*) FROM features")
    return int(n)


def test_a_scan_is_cancelled_and_goes_on(page: Page, own: Path) -> None:
    music = own.parent / "music"
    music.mkdir()
    t = np.arange(SR * LONG_S) / SR
    for n in range(N_LONG):
        wave = (8000 * np.sin(2 * np.pi * (200 + 20 * n) * t)).astype(np.int16)
        wavfile.write(music / f"{n}.wav", SR, wave)
    with web_server.serving(own) as address:
        page.goto(f"{address}/library")
        page.get_by_label("Folder or file").fill(str(music))
        page.get_by_role("button", name="Listen").click()
        job = page.locator("job-watch")
        expect(job.locator(".count")).to_have_text(
            re.compile(f"^[1-9] of {N_LONG}$"), timeout=90_000
        )
        # It is the server that works, not the page.
        page.reload()
        expect(job.locator(".word")).to_have_text("At work")
        expect(job.locator("progress")).to_have_attribute("max", str(N_LONG))
        job.get_by_role("button", name="Cancel").click()
        expect(job.locator(".word")).to_contain_text("Cancelled")
        expect(job.locator("progress")).to_be_hidden()
        assert 0 < n_heard(own) < N_LONG
        expect(page.locator("#announcer")).to_contain_text("Cancelled")

        job.get_by_role("button", name="Go on").click()
        expect(page.locator("#found .row")).to_have_count(N_LONG, timeout=90_000)
        assert n_heard(own) == N_LONG


def test_a_profile_of_a_playlist_from_elsewhere_and_of_picked_tracks(page: Page, own: Path) -> None:
    web_home.fill(own)
    playlist = own.parent / "On the road.m3u8"
    lines = [rf"E:\Musik\folk\{n:04} track.ogg" for n in (1, 5, 9)]
    playlist.write_text("\n".join(["#EXTM3U", *lines, r"E:\Musik\lost.ogg"]), "utf-8")
    with web_server.serving(own) as address:
        page.goto(f"{address}/profiles")
        page.locator("summary", has_text="Or pick tracks").click()
        page.get_by_label("Playlist file").set_input_files(playlist)
        chosen = page.get_by_role("list", name="Chosen").locator("> li")
        expect(chosen).to_have_count(1)
        expect(chosen).to_contain_text("On the road (3 tracks)")
        chosen.locator("summary", has_text="1 not in the library").click()
        expect(chosen.locator("details li")).to_have_text(r"E:\Musik\lost.ogg")
        expect(page.get_by_label("Name", exact=True)).to_have_value("On the road")

        page.get_by_label("Tracks", exact=True).fill("title 14")
        page.get_by_role("button", name=re.compile("^Pick Title 14 ")).click()
        page.get_by_label("Tracks", exact=True).fill("title 18")
        page.get_by_role("button", name=re.compile("^Pick Title 18 ")).click()
        expect(chosen).to_have_count(3)
        page.get_by_role("button", name=re.compile("^Remove Title 14 ")).click()
        expect(chosen).to_have_count(2)
        page.get_by_role("button", name="Make the profile").click()
        expect(page).to_have_url(f"{address}/ranking/On%20the%20road")
        page.goto(f"{address}/profiles/On the road")
        liked = page.locator("main .row .name a, main li .name a").all_inner_texts()
        assert sorted(liked) == ["Title 1", "Title 18", "Title 5", "Title 9"]


def test_a_playlist_of_no_use_is_told(browser: Browser, own: Path) -> None:
    web_home.fill(own)
    playlist = own.parent / "other.m3u8"
    playlist.write_text("a.mp3\nb.mp3\n")
    context = browser.new_context()
    page = context.new_page()
    with web_server.serving(own) as address:
        page.goto(f"{address}/profiles")
        page.locator("summary", has_text="Or pick tracks").click()
        page.get_by_label("Playlist file").set_input_files(playlist)
        toast = page.locator("#toast")
        expect(toast).to_contain_text("none of the 2 files of the playlist")
        expect(page.get_by_role("list", name="Chosen").locator("li")).to_have_count(0)
        page.get_by_label("Name", exact=True).fill("mine")
        page.get_by_role("button", name="Make the profile").click()
        expect(toast).to_contain_text("Choose what you like first")
    context.close()


def test_a_token_opens_the_door(browser: Browser, own: Path) -> None:
    music = web_home.fill(own)
    web_home.like_folder(own, music / "folk", "folky")
    context = browser.new_context()
    page = context.new_page()
    with web_server.serving(own, "--token", "open sesame, please") as address:
        page.goto(f"{address}/ranking/folky?top=7")
        expect(page).to_have_url(re.compile("/login"))
        assert page.get_by_text("folky").count() == 0
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        page.get_by_label("Token").fill("open sesame, please")
        page.get_by_role("button", name="Come in").click()
        expect(page).to_have_url(f"{address}/ranking/folky?top=7")
        expect(page.locator("#ranked .row")).to_have_count(7)
        cookies = context.cookies()
        assert cookies
        assert all(
            each["httpOnly"] and each["sameSite"] == "Strict" and "sesame" not in each["value"]
            for each in cookies
        )
    context.close()


def test_many_rows_are_paged_through(page: Page, own: Path) -> None:
    music = web_home.fill(own, 180)
    web_home.like_folder(own, music / "folk", "folky")
    with web_server.serving(own) as address:
        page.goto(f"{address}/ranking/folky")
        rows = page.locator("#ranked .row")
        seen: list[str] = []
        for n_shown in (50, 50, 50, 7):
            expect(rows).to_have_count(n_shown)
            ranks = [
                int(text)
                for text in page.locator("#ranked [data-rank]").evaluate_all(
                    "rows => rows.map((row) => row.dataset.rank)"
                )
            ]
            assert ranks == list(range(len(seen) + 1, len(seen) + n_shown + 1))
            seen += page.locator("#ranked .row .name a").all_inner_texts()
            later = page.get_by_role("link", name="Later")
            if len(seen) < 157:
                later.click()
                page.wait_for_url(f"{address}/ranking/folky?offset={len(seen)}")
        expect(later).to_have_count(0)
        assert len(set(seen)) == 157
        page.go_back()
        expect(rows.first).to_have_attribute("data-rank", "101")
        page.get_by_role("link", name="Earlier").click()
        expect(rows.first).to_have_attribute("data-rank", "51")


def test_tracks_of_a_cue_sheet_are_played_as_tracks(page: Page, home: Path, tmp_path: Path) -> None:
    """Of one file: the second of three begins in its middle, has its own length, and its end."""
    music = tmp_path / "music"
    tone(music / "album.flac", 30.0)
    tone(music / "other.flac", 10.0, hz=990.0)
    (music / "album.cue").write_text(
        'PERFORMER "The Band"\nTITLE "The Album"\nFILE "album.flac" WAVE\n'
        + "".join(
            f'  TRACK 0{n} AUDIO\n    TITLE "Part {n}"\n    INDEX 01 00:{start_s:02}:00\n'
            for n, start_s in ((1, 0), (2, 10), (3, 22))
        )
    )
    assert run("library", "scan", music).code == 0
    assert run("profile", "build", "mine", music / "other.flac").code == 0
    with web_server.serving(home) as address:
        page.goto(f"{address}/library")
        row = page.locator("#found .row", has=page.get_by_role("link", name="Part 2", exact=True))
        expect(row.locator(".length")).to_have_text("0:12")
        row.get_by_role("button", name="Play Part 2").click()
        wait_until_heard(page)
        assert place(page) < 5
        expect(page.locator("music-player .length")).to_have_text(re.compile("^0:1[12]$"))
        # Playlists name such a file as a whole, or a part of it.
        part = "#EXTVLCOPT:start-time=10\n#EXTVLCOPT:stop-time=22\n"
        for lines, n in (("album.flac\n", 3), (f"{part}E:\\album.flac\n", 1)):
            file = FilePayload(name="a.m3u8", mimeType="audio/mpegurl", buffer=lines.encode())
            answer = page.request.post(f"{address}/api/v1/playlists", multipart={"file": file})
            assert len(answer.json()["tracks"]) == n, answer.text()
        # At its end the next one begins, not what lies behind it in the file.
        page.evaluate("document.querySelector('music-player').seek(11.5)")
        expect(page.locator("music-player .what a")).to_have_text("Part 3")
        wait_until_heard(page)
        expect(page.locator("music-player .length")).to_have_text(re.compile("^0:0[78]$"))


def test_a_blend_below_a_folder_and_what_cannot_be(browser: Browser, own: Path) -> None:
    music = web_home.fill(own)
    for name in ("folk", "metal"):
        web_home.like_folder(own, music / name, f"{name} fan")
    context = browser.new_context()
    page = context.new_page()
    with web_server.serving(own) as address:
        page.goto(f"{address}/ranking/folk fan")
        rows = page.locator("#ranked .row")
        expect(rows).to_have_count(50)
        page.locator("summary", has_text="Filters").click()
        page.get_by_label("Blend with").select_option("metal fan")
        expect(page.locator("#ranked")).to_contain_text("44 tracks. Blended with metal fan.")
        page.get_by_label("Only below").fill(str(music / "techno"))
        page.keyboard.press("Tab")
        expect(rows).to_have_count(15)
        # What is wrong is told, and all stays as it was.
        shown, url = page.locator("#ranked").inner_text(), page.url
        for wrong, told in (("/nowhere", "nothing to rank: /nowhere"), ("x", "an absolute path")):
            page.get_by_label("Only below").fill(wrong)
            page.keyboard.press("Tab")
            expect(page.locator("#toast")).to_contain_text(told)
            assert (page.locator("#ranked").inner_text(), page.url) == (shown, url)
        page.goto(f"{address}/ranking/folk fan?folder=x")
        expect(page.get_by_role("heading", level=1)).to_have_text("That cannot be")
        expect(page.get_by_text("folder: must be an absolute path")).to_be_visible()
    context.close()
