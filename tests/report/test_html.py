"""The page: whole, safe, alone, and the same every time."""

import json
import os
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from stormsail.report.format import clean
from stormsail.report.html import neat, plan_html
from stormsail.report.text_plan import plan_sections
from tests.report.fake import HOSTILE, bare_plan, big_plan, fake_plan

MAKERS = {"fake": fake_plan, "bare": bare_plan, "big": big_plan}
VOID = {"meta", "input", "br", "link", "img", "hr"}
LOADS = {"src", "srcset", "data", "poster", "action", "formaction", "background", "cite", "xlink:href"}


class Page(HTMLParser):
    """Collects what matters of a page and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.inside:
            self.inside[self.open[-1]][-1] += data
        else:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


@cache
def html(name: str) -> str:
    return plan_html(MAKERS[name](), digest="ab12" * 16)


@cache
def page(name: str) -> Page:
    return Page(html(name))


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_well_formed_and_every_anchor_leads_somewhere(name: str) -> None:
    assert not page(name).open
    ids = [attrs["id"] for _, attrs in page(name).tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = [attrs["href"] for tag, attrs in page(name).tags if tag == "a"]
    assert len(anchors) >= 13 and {str(a) for a in anchors} <= {f"#{i}" for i in ids}
    assert {attrs["for"] for tag, attrs in page(name).tags if tag == "label"} <= set(ids)


@pytest.mark.parametrize("name", MAKERS)
def test_it_asks_nothing_of_the_network(name: str) -> None:
    for tag, attrs in page(name).tags:
        assert tag not in {"link", "iframe", "object", "embed", "img", "base", "form"}
        assert not LOADS & set(attrs), (tag, attrs)
        assert "url(" not in (attrs.get("style") or "")
    assert all("url(" not in css and "@import" not in css for css in page(name).inside["style"])
    policy = [
        a["content"] for t, a in page(name).tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy and str(policy[0]).startswith("default-src 'none'") and "http" not in str(policy[0])


def test_plotly_is_there_once() -> None:
    assert sum(len(script) > 1_000_000 for script in page("fake").inside["script"]) == 1


@pytest.mark.parametrize("name", MAKERS)
def test_the_chapters_are_those_of_the_text_and_in_its_order(name: str) -> None:
    keys = [section.key for section in plan_sections(MAKERS[name]())]
    found = [attrs["id"] for tag, attrs in page(name).tags if tag == "section"]
    assert found == [*keys, "origins", "glossary", "signature"]


@pytest.mark.parametrize("name", MAKERS)
def test_every_sentence_and_every_cell_is_on_the_page(name: str) -> None:
    words = page(name).words
    for section in plan_sections(MAKERS[name]()):
        for sentence in section.lead:
            assert " ".join(neat(sentence).split()) in words
        for table in section.tables:
            for text in [c.text for row in table.rows for c in row.cells] + [reason for _, reason in table.notes]:
                assert " ".join(neat(text).split()) in words


def test_a_hostile_name_is_only_ever_text() -> None:
    assert "<script>alert" not in html("fake")
    assert clean(HOSTILE) in page("fake").words
    assert not any("alert('x')" in script for script in page("fake").inside["script"])


def test_figures_are_data_with_a_caption_and_a_place() -> None:
    holders = [attrs for tag, attrs in page("fake").tags if tag == "script" and attrs.get("class") == "figure"]
    data = [s for s in page("fake").inside["script"] if s.startswith('{"data"')]
    assert len(holders) == len(data) == 9
    assert all(json.loads(text)["layout"]["xaxis"]["title"]["text"] for text in data)
    ids = {attrs.get("id") for _, attrs in page("fake").tags}
    assert {attrs["data-for"] for attrs in holders} <= ids
    assert sum(tag == "figcaption" for tag, _ in page("fake").tags) == 9


def test_missing_parts_say_why() -> None:
    words = page("bare").words
    assert "Figure unavailable: no data." in words and "Figure unavailable: no coin has a beta." in words
    assert "No contest of estimators was held." in words and "unavailable" in words


def test_all_rows_of_a_large_plan_are_there_and_the_rest_can_be_opened() -> None:
    assert page("big").words.count("COIN199") >= 5
    assert "Show 185 more" in page("big").words


def test_tables_of_many_columns_are_set_closer_and_print_never_takes_the_rules_of_a_small_screen() -> None:
    plan = fake_plan()
    page = plan_html(plan)
    wide = sum(len(table.columns) > 8 for section in plan_sections(plan) for table in section.tables)
    assert page.count('<table class="dense"') == wide > 0
    assert "@media screen and (max-width" in page and "@media (max-width" not in page


def test_it_is_signed_with_the_digest_or_says_that_there_is_none() -> None:
    assert "ab12" * 16 in page("fake").words
    assert "2024-08-04 00:00 UTC" in page("fake").words
    assert "not tied to a plan file" in Page(plan_html(bare_plan())).words


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import hashlib; from tests.report.fake import fake_plan; from stormsail.report.html import plan_html; "
        "print(hashlib.sha256(plan_html(fake_plan(), digest='x').encode()).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
