"""report.html in a real Chromium: the browser of examples works, nothing is asked of a network, it fits a phone."""

import pytest

from syneg_data.report.page import render_page
from syneg_data.report.page.browser import Bounds
from tests.report.chromium import chromium, installed
from tests.report.pages import AUDIT, HOSTILE, build

pytestmark = pytest.mark.skipif(
    installed() is None, reason="no Chromium or Chrome is installed (chromium, google-chrome)"
)


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(**build(queries=30, audit=AUDIT)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page, and afterwards makes sure that it complained of nothing and asked for nothing."""
    contexts, complaints, requests = [], [], []

    def open_(anchor="", **options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address + anchor)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests and all(url.split("#")[0] == address for url in requests)


def count(page):
    return page.inner_text("#count")


def search(page, words, expected):
    page.fill("#search", words)
    page.wait_for_function("words => document.getElementById('count').textContent === words", arg=expected)


def test_it_opens_on_the_first_query_with_everything_about_it(opened):
    page = opened()
    assert count(page) == "30 of 30 queries"
    shown = page.inner_text("#query")
    assert "query number 0" in shown and "The training example" in shown
    heads = [head.split("\n")[0] for head in page.locator("#query > .card > header").all_inner_texts()]
    assert [head.split(" ")[0] for head in heads] == ["positive", "used", "used", "used"]
    assert "length: shorter than" in shown and "relevance 0.500, of the positive 0.900, threshold 0.810" in shown
    page.click("#query details:has-text('reflection') summary")
    assert HOSTILE["script"] in page.inner_text("#query")
    page.click("summary:has-text('false negative: 1')")
    assert "above the threshold: it may answer the query (above_threshold)" in page.inner_text("#query")
    page.click("summary:has-text('drafts that came to nothing: 1')")
    assert "draft truncated" in page.inner_text("#query") and "no end <b>" in page.inner_text("#query")


def test_search_finds_words_of_texts_and_marks_them(opened):
    page = opened()
    search(page, "mined 4 OF 17", "1 of 30 queries")
    assert "number 17" in page.inner_text("#query h3")
    assert page.inner_text("#query h3 mark") == "17"
    search(page, "no such words", "0 of 30 queries")
    assert "No query matches" in page.inner_text("#query")
    page.click("#clear")
    assert count(page) == "30 of 30 queries" and page.locator("#list li").count() == 12


def test_filters_hide_what_does_not_match(opened):
    page = opened()
    page.select_option("#verdict", "false_negative")
    assert count(page) == "30 of 30 queries"
    assert page.locator("#query .card:visible").count() == 2, "the positive, and the false negative, which is unfolded"
    assert "3 more that the filter hides" in page.inner_text("#query")
    page.select_option("#strategy", "syneg")
    assert count(page) == "0 of 30 queries", "no written text is a false negative"
    page.select_option("#verdict", "draft truncated")
    assert count(page) == "30 of 30 queries"
    page.select_option("#source", "mined:bm25")
    assert count(page) == "0 of 30 queries"
    page.click("#clear")
    options = page.locator("#verdict option").all_inner_texts()
    assert options == [
        "any verdict", "used", "kept, not used", "ambiguous", "too easy", "false negative", "duplicate",
        "draft truncated",
    ]  # fmt: skip


def test_pages_of_the_list(opened):
    page = opened()
    assert page.inner_text("#place") == "1 / 3" and page.is_disabled("#before")
    page.click("#after")
    page.click("#after")
    assert page.inner_text("#place") == "3 / 3" and page.is_disabled("#after")
    assert page.locator("#list li").count() == 6
    page.click("#list li:last-child a")
    page.wait_for_function("document.querySelector('#query h3').textContent.includes('number 29')")
    assert page.evaluate("location.hash") == "#query=q029"


def test_a_link_opens_its_query_and_its_page_of_the_list(opened):
    page = opened("#query=q013")
    assert "number 13" in page.inner_text("#query h3")
    assert page.inner_text("#place") == "2 / 3"
    assert "number 13" in page.inner_text("#list a[aria-current]")
    page.evaluate("location.hash = '#query=nowhere'")
    page.wait_for_function("document.getElementById('query').textContent.includes('nowhere is not on this page')")
    page.evaluate("location.hash = '#query=%'")
    page.evaluate("location.hash = '#query=q002'")
    page.wait_for_function("document.querySelector('#query h3')?.textContent.includes('number 2')")


def test_a_link_beats_a_filter_that_hides_its_query(opened):
    page = opened()
    search(page, "mined 4 of 17", "1 of 30 queries")
    page.evaluate("location.hash = '#query=q003'")
    page.wait_for_function("document.querySelector('#query h3').textContent.includes('number 3')")
    assert count(page) == "30 of 30 queries" and page.input_value("#search") == ""


def test_arrows_go_from_query_to_query_but_not_while_typing(opened):
    page = opened()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    assert "number 12" in page.inner_text("#query h3") and page.inner_text("#place") == "2 / 3"
    page.keyboard.press("ArrowLeft")
    assert "number 11" in page.inner_text("#query h3") and page.evaluate("location.hash") == "#query=q011"
    page.keyboard.press("/")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.id") == "search"
    assert "number 11" in page.inner_text("#query h3")


def test_long_texts_fold(opened):
    page = opened("#query=q008")
    card = page.locator("#query .card", has=page.locator("button[aria-expanded]")).first
    button = card.locator("button")
    folded = card.bounding_box()["height"]
    button.click()
    assert button.inner_text() == "less" and card.bounding_box()["height"] > folded
    assert "the whole text has 200,0" in card.inner_text()


def test_hostile_texts_do_nothing(opened):
    page = opened()
    for _ in range(len(HOSTILE)):
        page.evaluate("document.querySelectorAll('#query details').forEach(part => { part.open = true; })")
        page.keyboard.press("ArrowRight")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#query img, #query script, #query a, iframe").count() == 0
    page.evaluate("location.hash = '#query=q003'")
    page.wait_for_function("document.querySelector('#query h3').textContent.includes('number 3')")
    assert "⟨U+202E⟩" in page.inner_text("#query h3")


def test_the_policy_stops_what_is_not_the_pages_own(browser, address):
    page = browser.new_page()
    blocked = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(address)
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\">'"
        ' + \'<p onclick="window.hacked = 9" id="trap">trap</p>\')'
    )
    page.click("#trap")
    assert page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in text for text in blocked)
    page.close()


@pytest.mark.parametrize("width", [320, 390, 760, 1200])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened("#query=q008", viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_it_is_dark_where_the_reader_likes_it_dark(opened):
    colours = {}
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        colours[scheme] = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
    assert colours["light"] == ["rgb(246, 245, 241)", "rgb(27, 31, 36)"]
    assert colours["dark"] == ["rgb(17, 21, 26)", "rgb(230, 232, 235)"]


def test_printed_it_has_no_controls(opened):
    page = opened()
    page.emulate_media(media="print")
    assert not page.is_visible("#filters") and not page.is_visible("nav") and not page.is_visible(".found")
    assert page.is_visible("#query h3") and page.is_visible("#funnel svg")


def test_without_its_script_it_says_what_is_missing(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert "need its script to be shown" in page.inner_text("#examples")
    assert not page.is_visible("#filters") and page.is_visible("#funnel svg")
    context.close()


def test_a_sample_says_where_the_other_queries_are(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render_page(**build(hostile=False), bounds=Bounds(queries=3)), encoding="utf-8")
    page = browser.new_page()
    page.goto(f"{path.as_uri()}#query=nowhere")
    assert "holds 3 of 30" in page.inner_text("#query")
    page.close()
