"""The HTML report in a real Chromium: it can be read, used by keyboard, and does nothing that it should not."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests import browser
from tests.harness.html_reports import (
    COULD_NOT_RUN,
    DRIFT,
    HOSTILE,
    MATCH,
    case,
    column,
    many_rows,
    report,
    table,
    worst,
)

from goldlock.render import html
from goldlock.results import InputRows, Rung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from goldlock.report import Report

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
REPORTS = {"drift": DRIFT, "match": MATCH, "could not run": COULD_NOT_RUN, "hostile": HOSTILE}
FITS = 80
"""More rows than a window can show, and far fewer than a report has."""


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a report; at the end no request, console message, error or dialog may have come of it."""
    troubles: list[str] = []
    contexts = []

    def opened(shown: Report, *, width: int = 1280, **options: object) -> Page:
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(html.render(shown), encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)

        def judge(route: object) -> None:
            if route.request.url == path.as_uri():  # type: ignore[attr-defined]
                route.continue_()  # type: ignore[attr-defined]
                return
            troubles.append(f"asked for {route.request.url}")  # type: ignore[attr-defined]
            route.abort()  # type: ignore[attr-defined]

        page.route("**/*", judge)
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def cells(page: Page, column: int) -> list[str]:
    """The texts of one column of the rows that are in the document."""
    found: list[str] = page.evaluate(
        "column => [...document.querySelectorAll('#case-1-rows tbody tr:not(.spacer)')].map(r => r.cells[column].textContent)",
        column,
    )
    return found


def headings(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        "() => [...document.querySelectorAll('#case-1-rows thead th')].map(cell => cell.textContent.trim())"
    )
    return found


def tools(page: Page) -> Locator:
    return page.locator("#case-1-rows .tools")


def numbered(text: str) -> float:
    return math.inf if text == "inf" else float(text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", REPORTS)
def test_axe_finds_nothing_and_the_page_keeps_to_the_window(
    name: str, scheme: str, width: int, show: Callable[..., Page]
) -> None:
    page = show(REPORTS[name], width=width, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    # Best practices and the newest criteria too, not only WCAG 2 A and AA.
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.response["violations"] == [], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")


@pytest.mark.parametrize(
    ("shown", "word"), [(DRIFT, "drift"), (MATCH, "match"), (COULD_NOT_RUN, "could not run")]
)
def test_the_verdict_is_the_first_thing_that_is_read(
    shown: Report, word: str, show: Callable[..., Page]
) -> None:
    page = show(shown, width=390)
    heading = page.get_by_role("heading", level=1)
    assert word in heading.inner_text().lower()
    assert heading.bounding_box()["y"] < 200  # type: ignore[index]
    assert page.get_by_role("heading").first.inner_text() == heading.inner_text()


def test_environment_and_outputs_stand_side_by_side_where_there_is_room(show: Callable[..., Page]) -> None:
    for width, beside in ((1280, True), (390, False)):
        page = show(DRIFT, width=width)
        one, other = (page.locator(name).bounding_box() for name in ("#environment", "#outputs"))
        assert one is not None
        assert other is not None
        assert (one["y"] == other["y"] and one["x"] < other["x"]) is beside


def test_the_theme_is_switched_by_keyboard_and_kept(show: Callable[..., Page]) -> None:
    page = show(DRIFT, color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button = page.get_by_role("button", name="Dark")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
    assert Axe().run(page, options={"resultTypes": ["violations"]}).violations_count == 0
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_a_reader_whose_system_is_dark_can_have_it_light(show: Callable[..., Page]) -> None:
    page = show(DRIFT, color_scheme="dark")
    button = page.get_by_role("button", name="Dark")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_every_column_sorts_up_and_down_by_click(show: Callable[..., Page]) -> None:
    page = show(DRIFT)
    for place, name in enumerate(headings(page)):
        button = page.locator("#case-1-rows .grid thead button").nth(place)
        seen = {}
        for _ in range(2):
            button.click()
            direction = page.locator("#case-1-rows .grid thead th").nth(place).get_attribute("aria-sort")
            texts = [text for text in cells(page, place) if text not in {"", "nan"}]
            numbers = all(
                text.replace("-", "").replace(".", "").replace("e", "").isdigit() or text == "inf"
                for text in texts
            )
            keys = [numbered(text) for text in texts] if numbers else texts
            assert keys == sorted(keys, reverse=direction == "descending"), name  # type: ignore[type-var]
            seen[direction] = texts
        assert set(seen) == {"ascending", "descending"}
        # What has no place in an order stands last, whichever way it goes.
        assert [text for text in cells(page, place) if text in {"", "nan"}] == cells(page, place)[
            len(texts) :
        ]


def test_rows_sort_and_filter_by_keyboard(show: Callable[..., Page]) -> None:
    page = show(DRIFT)
    row = headings(page).index("Row")
    page.locator("#case-1-rows .grid thead button").nth(row).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#case-1-rows .grid thead th").nth(row)).to_have_attribute("aria-sort", "ascending")
    numbers = [int(text) for text in cells(page, row)]
    assert numbers == sorted(numbers)
    expect(page.locator("#announce")).to_have_text("Sorted by Row, ascending")

    tools(page).get_by_label("Column").focus()
    page.keyboard.type("lab")
    assert set(cells(page, 0)) == {"label"}
    expect(page.locator("#case-1-rows .shown-rows")).to_have_text("2 of 52 rows")
    tools(page).get_by_label("Column").select_option("")
    tools(page).get_by_label("Rung").select_option("drifted")
    assert set(cells(page, 1)) == {"drifted"}
    tools(page).get_by_label("Text").focus()
    page.keyboard.type("PETAL-7")
    expect(page.locator("#case-1-rows .shown-rows")).to_have_text("1 of 52 rows")
    page.keyboard.type(" and nothing like it")
    expect(page.locator("#case-1-rows .grid .nothing")).to_have_text("No row is like that.")


def test_a_column_leads_to_its_rows(show: Callable[..., Page]) -> None:
    page = show(DRIFT)
    page.get_by_role("button", name="Show all 2 in the table of rows").click()
    assert cells(page, 0) == ["label", "label"]
    assert page.evaluate("document.activeElement.className").startswith("scroller")


def test_a_hundred_thousand_rows_stay_a_handful_in_the_document(show: Callable[..., Page]) -> None:
    page = show(many_rows(100_000))
    expect(page.locator("#case-1-rows .shown-rows")).to_have_text("100,000 rows")
    row, absolute = headings(page).index("Row"), headings(page).index("Absolute")
    assert 0 < page.locator("#case-1-rows .grid tr").count() < FITS
    assert page.locator("#case-1-rows .grid").get_attribute("aria-rowcount") == "100001"

    page.locator("#case-1-rows .grid thead button").nth(absolute).click()
    distances = [float(text) for text in cells(page, absolute)]
    assert distances[0] == 99_999
    assert distances == sorted(distances, reverse=True)
    page.locator("#case-1-rows .grid thead button").nth(row).click()
    assert cells(page, row)[:3] == ["0", "1", "2"]

    page.locator("#case-1-rows .scroller").evaluate(
        "scroller => scroller.scrollTop = scroller.scrollHeight / 2"
    )
    expect(page.locator("#case-1-rows .grid tbody")).to_contain_text(re.compile("step-50000"))
    assert page.locator("#case-1-rows .grid tr").count() < FITS
    page.locator("#case-1-rows .scroller").focus()
    page.keyboard.press("End")
    expect(page.locator("#case-1-rows .grid tbody")).to_contain_text("step-99999")
    last = page.locator("#case-1-rows .grid tbody tr:not(.spacer)").last
    assert last.locator("td").nth(row).inner_text() == "99999"
    box, scroller = last.bounding_box(), page.locator("#case-1-rows .scroller").bounding_box()
    assert box is not None
    assert scroller is not None
    assert box["y"] + box["height"] <= scroller["y"] + scroller["height"] + 1

    tools(page).get_by_label("Text").fill("step-9999")
    expect(page.locator("#case-1-rows .shown-rows")).to_have_text("11 of 100,000 rows")
    assert sorted(map(int, cells(page, row))) == [9999, *range(99990, 100_000)]
    tools(page).get_by_label("Text").fill("")
    expect(page.locator("#case-1-rows .shown-rows")).to_have_text("100,000 rows")
    assert page.locator("#case-1-rows .grid tr").count() < FITS


def test_rows_that_are_folded_away_are_there_when_unfolded(show: Callable[..., Page]) -> None:
    page = show(MATCH)
    fold = page.locator(".rows > details")
    assert fold.get_attribute("open") is None
    fold.locator("summary").click()
    expect(page.locator("#case-1-rows .grid tbody td").first).to_be_visible()
    assert page.locator("#case-1-rows .grid tbody tr").count() > 1


def test_without_a_script_the_first_fifty_rows_are_there(show: Callable[..., Page]) -> None:
    page = show(many_rows(120), java_script_enabled=False)
    assert page.locator("#case-1-rows .grid tbody tr").count() == 50
    assert page.get_by_text("Shown here: the first 50.").is_visible()
    for hidden in (".tools", "#theme", "button.copy"):
        assert not page.locator(hidden).first.is_visible()
    assert page.get_by_role("heading", level=1).is_visible()


def test_hostile_text_stays_text(show: Callable[..., Page]) -> None:
    page = show(HOSTILE, width=390)
    assert page.evaluate("document.querySelectorAll('img, iframe, object, base, form').length") == 0
    assert page.evaluate("[...document.scripts].filter(each => each.type !== 'application/json').length") == 1
    assert page.evaluate("window.owned") is None
    handlers = "[...document.querySelectorAll('*')].some(e => [...e.attributes].some(a => /^on|^style$/.test(a.name)))"
    before = page.evaluate(handlers.replace("|^style$", ""))
    assert before is False
    assert "<img src=x onerror=" in page.locator("main").inner_text()


def test_the_command_and_the_facts_are_copied(show: Callable[..., Page]) -> None:
    page = show(DRIFT, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).press("Enter")
    expect(page.locator("#announce")).to_have_text("Copied to the clipboard")
    assert (
        page.evaluate("navigator.clipboard.readText()") == "goldlock verify --image mini:1 --html report.html"
    )
    facts = page.locator("button[data-copy=facts]")
    facts.click()
    expect(facts).to_have_text("Copied")
    assert "CPU: Xeon (x86-64-v4)\n" in page.evaluate("navigator.clipboard.readText()")


def test_where_there_is_no_clipboard_the_text_is_selected(show: Callable[..., Page]) -> None:
    page = show(DRIFT)
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('no'); }; }")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#announce")).to_contain_text("Selected")
    assert page.evaluate("getSelection().toString()") == "goldlock verify --image mini:1 --html report.html"


def test_on_paper_everything_is_unfolded_and_light(show: Callable[..., Page]) -> None:
    page = show(DRIFT, color_scheme="dark")
    folds = page.locator("details:not([open])")
    rows = page.locator("#case-1-rows .grid tbody tr")
    folded, drawn = folds.count(), rows.count()
    assert folded > 0
    page.evaluate("() => { dispatchEvent(new Event('beforeprint')); }")
    page.emulate_media(media="print")
    assert (folds.count(), rows.count()) == (0, 50)
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    for hidden in ("#theme", "#case-1-rows .tools", "button.copy"):
        assert not page.locator(hidden).first.is_visible()
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="screen")
    page.evaluate("() => { dispatchEvent(new Event('afterprint')); }")
    assert (folds.count(), rows.count()) == (folded, drawn)


def test_nothing_moves_for_readers_who_want_no_motion(show: Callable[..., Page]) -> None:
    for motion, behaviour in (("reduce", "auto"), ("no-preference", "smooth")):
        page = show(DRIFT, reduced_motion=motion)
        assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == behaviour


def test_plots_have_names_and_descriptions(show: Callable[..., Page]) -> None:
    page = show(DRIFT)
    plot = page.get_by_role("img", name="Expected against actual").first
    assert "the diagonal is where both are equal" in (plot.locator("desc").text_content() or "")
    assert page.get_by_role("img", name="Distances of all pairs, in ULP").count() == 1


def test_inputs_stand_beside_the_rows_that_they_led_to(show: Callable[..., Page]) -> None:
    rows = tuple(worst(row, 1.0, 2.0) for row in (3, 1))
    inputs = InputRows(names=("petal",), rows={3: ("three",), 1: ("one",)})
    page = show(report(case(table(column(Rung.DRIFTED, "p", count=2, worst=rows)), inputs=inputs)))
    place = headings(page).index("petal")
    page.locator("#case-1-rows .grid thead button").nth(headings(page).index("Row")).click()
    assert cells(page, place) == ["one", "three"]


def test_a_browser_is_found_or_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "_found", lambda: None)
    monkeypatch.setattr(browser.Machine, "debian", lambda _: False)
    browser.executable.cache_clear()
    with pytest.raises(browser.NoBrowserError, match="GOLDLOCK_ALLOW_NO_BROWSER=1"):
        browser.executable()
    monkeypatch.undo()
    assert browser.executable()


def test_as_root_on_debian_a_browser_is_installed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\ncase "$*" in *update*) exit 100;; esac\n')
    apt.chmod(0o755)
    release = tmp_path / "os-release"
    release.write_text("ID=debian\n")
    machine = browser.Machine(root=True, search_path=str(tmp_path), os_release=release)
    assert browser._install(machine) == ""
    update, install = (tmp_path / "said").read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install -y --no-install-recommends chromium")
    assert "installing chromium (apt-get)" in capfd.readouterr().err

    assert "sudo apt-get install chromium" in browser._install(replace(machine, root=False))
    apt.write_text("#!/bin/sh\necho no network >&2\nexit 100\n")
    assert browser._install(machine) == "apt-get ended with 100:\nno network\n"
