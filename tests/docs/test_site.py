"""The site: built without a warning, it asks nobody for anything, and can be read and searched from a folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.docs.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "docs/mkdocs.yml", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_built_and_none_loads_anything_from_elsewhere(site: Path) -> None:
    sources = (ROOT / "docs" / "pages").rglob("*.md")
    names = {path.relative_to(ROOT / "docs" / "pages").with_suffix(".html") for path in sources}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert built == {*names, Path("404.html")}
    loads = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?(?:https?:)?//|<link[^>]+href=\"?(?:https?:)?//")
    for name in built:
        text = (site / name).read_text(encoding="utf-8")
        assert not loads.search(text), name


def test_no_page_of_the_site_is_in_a_wheel() -> None:
    assert not list((ROOT / "harness").rglob("*.md"))


@pytest.fixture
def show(chromium: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    """Open a page from its folder; no request may leave it, and no error may be logged."""
    troubles: list[str] = []
    contexts = []

    def opened(name: str, *, width: int = 1280, **options: object) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith(("file:", "data:", "blob:", "about:")) or troubles.append(asked.url)
            ),
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto((site / name).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window(site: Path, show: Callable[..., Page], width: int) -> None:
    page = show("index.html", width=width)
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        wide = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
        assert wide <= 0, path.relative_to(site)


@pytest.mark.browser
def test_the_search_works_from_a_folder(show: Callable[..., Page]) -> None:
    page = show("index.html")
    page.get_by_role("textbox", name="Search").fill("known-bad")
    found = page.locator(".md-search-result__link").first
    expect(found).to_be_visible()
    found.click()
    page.wait_for_url("**/*.html**")
    assert page.url.startswith("file:")


@pytest.mark.browser
@pytest.mark.parametrize("name", ["tutorial.html", "reference/config.html"])
def test_a_page_is_whole_without_scripts(show: Callable[..., Page], name: str) -> None:
    page = show(name, java_script_enabled=False)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.get_by_role("heading", level=2).count() > 3


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["tutorial.html", "clients.html"])
def test_text_can_be_read(show: Callable[..., Page], name: str, scheme: str) -> None:
    page = show(name, color_scheme=scheme)
    options = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found = Axe().run(page, context="article", options=options)
    assert found.violations_count == 0, found.generate_report()
