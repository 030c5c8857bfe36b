"""The report's page in a real browser, with the network off: nothing asked for, nothing cut off."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from plotly.offline import get_plotlyjs

from pipeline.analysis.report import ReportContent, draw_pictures, render_page
from pipeline.config import check_study
from pipeline.trial import SearchSummary, TrialState
from tests.analysis.report.builders import (
    CONFIRMATION,
    DOCUMENT,
    content,
    effect,
    finalists,
    interaction,
    study,
    summary,
    table,
    without_answer,
)
from tests.long_form import in_long_form

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)"
)
LARGEST_BYTES = 6_000_000
EVIL = "http://evil.example"
HOSTILE = (
    "</script><script>window.hacked=1</script><img src=x onerror='window.hacked=2'> {{ 7 * 7 }} "
    f'"quoted" {{% raw %}} <a href="javascript:window.hacked=3">click</a> <b>&amp;</b> '
    f"<!-- ${{7*7}} %{{x}} <a href='{EVIL}'>k</a> <img src={EVIL}/j.png> $x^2$ \u2028"
)
SHORT = f"<img src={EVIL} onerror=window.hacked=5>"
LINK = '<a href="http://e">k</a>'
"""So short that a figure's label shows all of it, and Plotly would make a link of it."""


def hostile() -> ReportContent:
    """A study in which every text is an attack."""
    own = {"model": {"class_path": "theirs.Net"}, "data": {"class_path": "theirs.Data"}}
    space = {"flavour": {"choices": [SHORT, LINK, "</script>"]}}
    config = check_study(DOCUMENT | own | {"space": space, "question": HOSTILE}, "test")
    rows, curves = table(
        [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL], config.objective
    )
    texts = [SHORT, LINK, HOSTILE]
    for row, text in zip(rows, texts, strict=True):
        row.params.clear()
        row.params["flavour"] = text
    rows[2] = replace(rows[2], cause=HOSTILE, warning=HOSTILE)
    words = {"values": (SHORT, LINK), "losses": (0.1, 0.0), "sds": (0.1, 0.0)}
    told = effect("flavour", **words, is_as_good=(False, True))
    pair = interaction(parameters=("flavour", HOSTILE), sentence=HOSTILE)
    return content(
        study=config,
        rows=rows,
        curves=curves,
        summary=summary(effects=(told,), interactions=(pair,)),
        confirmation={
            "candidates": [{"number": 0, "mean": 0.1, "metrics": {HOSTILE: {"mean": 1.0}}}]
        }
        | {"tied": [HOSTILE], "winner": HOSTILE},
        faults=[HOSTILE],
    )


def with_finalists() -> ReportContent:
    """A study that ends with three trials of its best setting."""
    rows, curves = table([TrialState.COMPLETE] * 12, study().objective)
    again = finalists(rows, 3, 12)
    return content(rows=[*rows, *again], curves=curves)


def maximized() -> ReportContent:
    """Of an accuracy."""
    return content(study=study(objective={"metric": "val_accuracy", "direction": "maximize"}))


def regression() -> ReportContent:
    """Of R², and of no rate."""
    config = study(
        data={"name": "digits", "task": "regression"},
        objective={"metric": "val_r2", "direction": "maximize"},
        space={"depth": 0, "batch_size": {"choices": [16, 32]}, "learning_rate": 0.1},
    )
    return content(study=config, summary=summary(effects=(), interactions=()), confirmation=None)


def own_module() -> ReportContent:
    """Of a module that logs its score by a name of its own."""
    own = {"model": {"class_path": "mine.Net"}, "space": {"p": {"low": 0.0, "high": 1.0}}}
    objective = {"metric": "valid/f1 score", "direction": "maximize"}
    return without_answer([TrialState.COMPLETE] * 3, study=study(**own, objective=objective))


def large() -> ReportContent:
    """A thousand trials of many layers and epochs."""
    states = [TrialState.COMPLETE] * 700 + [TrialState.PRUNED] * 200 + [TrialState.FAIL] * 100
    given = content(states, n_epochs=200, study=study(search={"trials": 1_000}))
    for row in given.rows:
        row.params.update({f"dropout_{layer}": row.number / 1e3 + 1 / 7 for layer in range(4, 11)})
    return given


STUDIES: dict[str, Any] = {
    "hostile": hostile,
    "one trial": lambda: without_answer([TrialState.COMPLETE]),
    "all failed": lambda: without_answer([TrialState.FAIL] * 3),
    "no trial": without_answer,
    "maximized": maximized,
    "regression": regression,
    "own module": own_module,
    "finalists": with_finalists,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int, scheme: Any) -> Iterator[Page]:
    """The page as it is drawn without a network; any complaint of the browser is an error."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn]")
    yield page
    assert complaints == [file.as_uri()]
    context.close()


def wait_until(page: Page, condition: str) -> None:
    """Wait for what the page does of itself; its policy lets no predicate be evaluated inside."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {condition}")


def check_layout(page: Page) -> None:
    """Hold a page to its promise: figures are drawn, and nothing is cut off."""
    n_figures = page.locator("[data-figure]").count()
    assert page.locator("[data-figure] svg.main-svg:first-child").count() == n_figures
    assert page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert page.evaluate(CUT_OFF) == []


CUT_OFF = """[...document.querySelectorAll("p, li, h1, h2, h3, td, th, dd, figcaption, .detail")]
    .filter((one) => !one.closest(".scroll, details, .hidden") && one.offsetParent)
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1
        || one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
    .map((one) => one.textContent.slice(0, 80))"""


@needs_chromium
@pytest.mark.slow
def test_page_reads_at_every_width_in_light_dark_and_print(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_page(content()), encoding="utf-8")
    with opened(browser, file, 1280, "light") as page:
        check_layout(page)
        assert page.locator("[data-figure]").count() == 14
        assert page.locator("h1").inner_text() == DOCUMENT["question"]
        words = page.locator(".answer tr", has_text="dropout_1")
        assert words.bounding_box()["y"] < 700  # type: ignore[index]  # in the first screenful
        light = page.locator(".xtick text").first.evaluate("one => getComputedStyle(one).fill")
        page.set_viewport_size({"width": 400, "height": 800})
        page.emulate_media(color_scheme="dark")
        wait_until(page, "document.querySelector('.main-svg').clientWidth < 400")
        check_layout(page)
        dark = page.locator(".xtick text").first.evaluate("one => getComputedStyle(one).fill")
        assert light != dark
        page.set_viewport_size({"width": 703, "height": 1000})  # of A4 without margins
        page.emulate_media(color_scheme="dark", media="print")
        wait_until(page, "document.querySelector('.main-svg').clientWidth === 310")
        check_layout(page)
        printed = page.locator(".xtick text").first.evaluate("one => getComputedStyle(one).fill")
        assert printed == light


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["hostile", *(in_long_form(name) for name in STUDIES if name != "hostile")],
)
def test_page_of_any_study_loads_nothing_runs_nothing_and_is_not_cut(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(render_page(STUDIES[name]()), encoding="utf-8")
    with opened(browser, file, 400, "dark") as page:
        check_layout(page)
        assert page.evaluate("window.hacked") is None
        assert page.locator("a:not([href^='#']), img").count() == 0
        assert page.locator("script").count() == 3
        assert "49" not in page.locator("h1").inner_text()


@pytest.mark.parametrize("name", STUDIES)
def test_page_without_the_library_names_no_address(name: str) -> None:
    page = render_page(STUDIES[name]()).replace(get_plotlyjs(), "")
    found = set(re.findall(r"https?://[a-z.]*", page))
    assert all(EVIL.startswith(one) for one in found)  # as a text, which may be cut
    assert not re.findall(r"<[^>]+\b(?:src|href|action|data)=[\"'](?!#)", page)
    assert page.count("<script") == 3
    assert page.count("</script>") == 3


def test_figures_are_json_without_nan_whatever_was_measured() -> None:
    page = render_page(hostile())
    (text,) = re.findall(r'<script type="application/json" id="drawn">(.*?)</script>', page)
    drawn = json.loads(text, parse_constant=pytest.fail)
    assert set(drawn["themes"]) == {"light", "dark"}
    assert len(drawn["figures"]) > 8


@pytest.mark.slow
def test_page_of_a_thousand_trials_says_what_it_leaves_out() -> None:
    given = large()
    page = render_page(given)
    assert len(page.encode()) < LARGEST_BYTES
    assert "Of many trials 50 are drawn, evenly from the best to the worst." in page
    assert "Every 2th epoch is drawn." in page
    assert "600 more trials are left out here" in page


def test_page_has_a_section_for_each_part_of_the_story() -> None:
    page = render_page(content())
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "Answer",
        "What to do next",
        "Leaderboard",
        "Curves: the best against the rest",
        "Effects, layer by layer",
        "Importance",
        "Interactions",
        "Settings",
        "History of the search",
        "Generalization gap",
        "Confirmation on new seeds",
        "Where the time went",
        "Reproduce it",
    ]
    assert page.index("<h1>") < page.index(DOCUMENT["question"], page.index("<h1>"))


def test_page_says_in_a_line_what_is_absent() -> None:
    page = render_page(without_answer([TrialState.COMPLETE] * 3))
    for line in (
        "There are too few complete settings to tell effects.",
        "No two parameters are known to depend on one another in this study.",
        "Not confirmed yet.",
        "Where the seconds went was not kept by the version that ran this study.",
    ):
        assert line in page


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"candidates": None},
        {"candidates": [3, {"number": "x"}], "seeds": "many"},
        {"candidates": [{"number": 1, "mean": 0.1, "metrics": 3}], "tied": "1", "winner": {}},
    ],
)
def test_a_confirmation_of_another_form_leaves_the_page_whole(found: dict[str, Any]) -> None:
    assert "Leaderboard" in render_page(content(confirmation=found))
    assert "test f1" in render_page(content(confirmation=CONFIRMATION))


def test_pictures_are_drawn_of_what_there_is() -> None:
    pictures = draw_pictures(content())
    assert set(pictures) == {"history.png", "curves.png", "effects.png"}
    assert all(one.startswith(b"\x89PNG") for one in pictures.values())
    assert set(draw_pictures(without_answer([TrialState.COMPLETE]))) == {
        "history.png",
        "curves.png",
    }
    assert draw_pictures(without_answer()) == {}


def test_pictures_of_a_hostile_study_are_drawn() -> None:
    found = summary(effects=(effect("$\\frac{"),))
    assert isinstance(found, SearchSummary)
    assert draw_pictures(content(study=study(question="$\\frac{ 中 </"), summary=found))


CSS = (files("pipeline.analysis.report") / "templates/page.css").read_text("utf-8")
ON = [
    *(("ink", ground) for ground in ("ground", "card", "none-ground")),
    *((ink, ground) for ink in ("soft", "accent") for ground in ("ground", "card")),
    *((name, f"{name}-ground") for name in ("ok", "caution", "bad", "none")),
]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), ON)
def test_texts_stand_out_from_their_ground(ink: str, ground: str, scheme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[scheme]
    colors = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    assert contrast(colors[ink], colors[ground]) >= 4.5  # WCAG 2.2, level AA


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    """The relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
