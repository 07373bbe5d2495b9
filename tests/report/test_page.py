"""report.html as text: the same bytes each time, its figures those of the report, and nothing in it that could run."""

import base64
import hashlib
import html.parser
import json
import re
import xml.etree.ElementTree as ET
from copy import deepcopy

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.pipeline import build as build_recipe
from syneg_data.publishing.release import open_release
from syneg_data.recipe import load_recipe
from syneg_data.report.page import page_of, render_page
from syneg_data.report.page.browser import Bounds
from syneg_data.report.page.charts import histogram, number
from syneg_data.report.page.escaping import embedded_json, visible
from syneg_data.report.page.tally import tally_of, threshold_of
from syneg_data.report.terminal import print_result
from tests.report.pages import AUDIT, HOSTILE, build, data_of, no_rows
from tests.validation.world import json_of, save_words, write_data, write_recipe, write_run


@pytest.fixture(scope="module")
def page():
    return render_page(**build(audit=AUDIT))


class Elements(html.parser.HTMLParser):
    """Every element of a page with its attributes, and the words that it shows of itself."""

    def __init__(self, page):
        super().__init__()
        self.found, self.words, self._inside = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style", "title"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


# ---- bytes


def test_the_same_build_gives_the_same_page(page):
    assert render_page(**build(audit=AUDIT)) == page


def test_the_order_of_a_reports_keys_does_not_show():
    made = build()
    turned = json.loads(json.dumps(made["report"]), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert render_page(**{**made, "report": turned}) == render_page(**made)


def test_no_time_is_in_it(page):
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b|\d\d:\d\d:\d\d|seconds", page)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A build with mined negatives alone, without a language model."""
    home = tmp_path_factory.mktemp("page")
    save_words(home / "words")
    write_data(home / "data")
    write_run(home / "run.txt")
    recipe = write_recipe(home, home / "data", home / "run.txt", home / "words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNEG_CACHE", str(home / "cache"))
        done = build_recipe(load_recipe(recipe), home / "out")
    return home / "out", done


def test_a_build_leaves_it_and_its_files_give_it_again(folder):
    out, _ = folder
    written = (out / "report.html").read_bytes()
    entry = json_of(out, "manifest.json")["files"]["report.html"]
    assert entry["sha256"] == hashlib.sha256(written).hexdigest()
    assert page_of(open_release(str(out))).encode() == written


def test_a_build_without_a_model_says_nothing_of_generation(folder):
    text = Elements((folder[0] / "report.html").read_text()).text
    assert "What the gate saw" in text and "What the audit found" in text
    assert "What was written" not in text and "Output of the generator" not in text


def test_a_build_without_an_audit_has_no_such_section():
    assert "What the audit found" not in Elements(render_page(**build())).text


def test_the_printed_result_names_the_page(folder, capsys):
    done = folder[1]
    print_result(done.report, done.run, "builds/made")
    assert "look at them: builds/made/report.html" in capsys.readouterr().out


# ---- figures


def test_its_figures_are_the_reports(page):
    text = Elements(page).text
    for expected in [
        "training examples 30 of 30 queries",
        "hard negatives 90 60 mined · 30 synthetic",
        "candidates seen 300 each with",
        "kept by the gate 50% of 240 judged",
        "Mine candidates 210 180 positive 30 -",
        "Generate drafts 90 60 - truncated 30",
        "Validate candidates 240 120 ambiguous 30 false_negative 30 too_easy 60",
        "Mix candidates 120 90 not_selected 30",
        "tokens written 3,600 1,200 for replies that were not kept",
        "requests 90 0 replies to a second attempt or later",
        "synthetic:syneg 30 33% 0.5",
        "known positives 30",
        "mined:bm25 180",
        "synthetic:syneg 60",
        "length: shorter than 60 / 90",
        "generation.engine some-model==1.0 " + "cd" * 32,
        "Published under cc-by-4.0 . Corpus, queries and judgements: cc0-1.0. Output of the generator: apache-2.0.",
    ]:
        assert expected in text, expected


def test_its_examples_are_the_rows(page):
    made, data = build(audit=AUDIT), data_of(page)
    candidates = made["tables"]["candidates"].to_pylist()
    shown = [row for query in data["queries"] for row in query["candidates"]]
    assert len(data["queries"]) == data["of"] == 30
    assert sorted(row["id"] for row in shown) == sorted(row["doc_id"] for row in candidates)
    fates = [row["fate"] for row in shown]
    counts = {"used": 90, "not_selected": 30, "too_easy": 60, "false_negative": 30, "ambiguous": 30, "duplicate": 30}
    assert {fate: fates.count(fate) for fate in set(fates)} == counts
    assert sum(len(query["drafts"]) for query in data["queries"]) == 30
    first = data["queries"][0]
    assert first["examples"] == [
        {
            "positive": "q000-p", "negatives": ["synthetic-q000-0", "q000-m0", "q000-m1"],
            "sources": ["synthetic:syneg", "mined:bm25", "mined:bm25"],
        }
    ]  # fmt: skip
    written = next(row for row in first["candidates"] if row["id"] == "synthetic-q000-1")
    assert written["attributes"] == [["length", "shorter than"], ["domain", "Virology"]]
    assert written["notes"] == [["reasoning", HOSTILE["script"]]]
    assert (written["fate"], written["reason"], written["relevance"]) == ("too_easy", "within_random", 0.05)
    assert written["threshold"] == 0.81, "0.9 less a margin of a tenth of it"
    assert data["texts"]["q000-p"] == ["A title the answer to 0", 23]


def test_the_audit_is_drawn_where_there_is_one(page):
    elements = Elements(page)
    for expected in [
        "violated query_blind_auc: 0.81, asked for at most 0.75",
        "holds near_duplicates: 4, asked for at most 10",
        "source_length_auc 0.71 0.65 to 0.77 · n = 90",
        "Length alone tells written from mined negatives in seven cases of ten.",
        "near_duplicates 4 n = 60",
        "contamination - n = 0 The recipe names no evaluation split.",
    ]:
        assert expected in elements.text
    drawn = [attributes.get("aria-label") for tag, attributes in elements.found if tag == "svg"]
    assert "query_blind_auc: 0.81, 95 % interval 0.78 to 0.84" in drawn
    assert {"Length, mined", "Length, synthetic", "Length, positive", "Hardness, mined"} <= set(drawn)
    assert sum(attributes.get("class") == "chance" for _, attributes in elements.found) == 4, "two AUCs, two rerankers"


def test_without_an_audit_it_has_no_section_of_it():
    made = build(queries=2)
    assert 'id="audit"' not in render_page(**made)
    assert 'href="#audit"' not in render_page(**made)
    empty = {"measures": [], "gates": [], "on_fail": "warn", "details": {}}
    assert "The recipe sets no gate" in render_page(**{**made, "report": {**made["report"], "audit": empty}})


def test_ragged_mixing_exports_and_exam_are_shown():
    made = build(queries=2)
    report = deepcopy(made["report"])
    report["mixing"] = {
        "kind": "pooled", "negatives_per_example": {"2": 1, "10": 1}, "sources": {"mined:bm25": 60}, "backfilled": 7,
        "synthetic_per_mined": None, "capped": 3,
    }  # fmt: skip
    report["exports"] = [
        {"kind": "beir", "path": "exports/beir", "files": ["x"], "rows": 2, "what": "a folder", "load": "…"}
    ]
    report["critic"] = {
        "cases": 40, "balanced_accuracy": 0.52, "minimum": 0.65, "passed": False,
        "by_kind": {"planted_copy": {"cases": 8, "truth": "yes", "right": 3, "said_on_topic": 2}},
    }  # fmt: skip
    report["review"] = {
        "by": "second", "kept": {"judged": 50, "relevant": 3, "rate": 0.06, "low": 0.0206, "high": 0.1622},
        "sources": {}, "refused": {"judged": 0, "relevant": 0, "rate": None, "low": None, "high": None}, "kappa": None,
        "without_score": 0,
    }  # fmt: skip
    text = Elements(render_page(**{**made, "report": report})).text
    for expected in [
        "examples drawn 2 1 10 1",
        "backfilled 7 capped 3 kind pooled synthetic per mined -",
        "beir 2 a folder exports/beir",
        "FAILED, so it judged no draft: balanced accuracy 0.52, more than 0.65 asked for",
        "planted copy 8 yes 3",
        "second judged a sample again: 3 of 50 negatives",
        "false negatives left 6.0%",
    ]:
        assert expected in text, expected


def test_a_build_without_rows_in_some_tables_has_a_page():
    made = build(queries=2)
    for config in ("candidates", "scores", "generations", "qrels"):
        made["tables"] = {**made["tables"], config: no_rows(made["tables"][config])}
    data = data_of(render_page(**made))
    assert [query["candidates"] for query in data["queries"]] == [[], []]


def test_rows_may_come_as_a_stream():
    class Stream:
        def __init__(self, rows):
            self._rows = rows

        def table(self):
            return self._rows

    made = build(queries=2)
    streams = {config: Stream(rows) for config, rows in made["tables"].items()}
    assert render_page(**{**made, "tables": streams}) == render_page(**made)


# ---- what it holds at most


def test_a_large_build_is_sampled_by_seed_and_says_so():
    made = build(queries=30, hostile=False)
    data = data_of(page := render_page(**made, bounds=Bounds(queries=7)))
    assert (len(data["queries"]), data["of"]) == (7, 30)
    order = [f"q{n:03}" for n in range(30)]
    drawn = sorted(order, key=lambda q: hashlib.sha256(f"13:{q}".encode()).hexdigest())[:7]
    assert [query["id"] for query in data["queries"]] == sorted(drawn)
    assert "A seeded sample of 7 of 30 queries" in Elements(page).text


def test_it_has_room_for_so_many_characters():
    made = build(queries=30, hostile=False)
    whole = len(embedded_json(data_of(render_page(**made))))
    half = data_of(render_page(**made, bounds=Bounds(size=whole // 2)))
    assert 10 < len(half["queries"]) < 20
    assert len(data_of(render_page(**made, bounds=Bounds(size=1)))["queries"]) == 1, "one is always shown"


def test_the_room_is_measured_in_bytes_since_other_scripts_take_three_for_a_character():
    made = build(queries=30, hostile=False)
    corpus = made["tables"]["corpus"]
    written = pa.array(["\u6587" * 1000] * corpus.num_rows)
    made["tables"]["corpus"] = corpus.set_column(corpus.schema.get_field_index("text"), "text", written)
    data = data_of(render_page(**made, bounds=Bounds(size=200_000)))
    assert 1 < len(data["queries"]) < 30
    assert len(embedded_json([data["queries"], data["texts"]]).encode()) <= 200_000


def test_long_texts_are_cut_and_crowded_queries_thinned():
    made = build(queries=9)
    data = data_of(render_page(**made, bounds=Bounds(length=100, candidates=2)))
    lengths = {len(text) for text, _ in data["texts"].values()}
    assert max(lengths) <= 100 + 3 * len("⟨U+202E⟩")
    assert max(length for _, length in data["texts"].values()) > 200_000
    for query in data["queries"]:
        assert query["left_out"] == 9 - len(query["candidates"]) == 3
        assert {"q000-m0", "q000-m1"} <= {row["id"] for row in data["queries"][0]["candidates"]}


# ---- nothing in it can run


def test_only_its_own_script_and_style_are_allowed(page):
    elements = Elements(page)
    policy = next(a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for tag in ("style", "script"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_hostile_texts_make_no_element_and_no_attribute(page):
    plain = Elements(render_page(**build(hostile=False, audit=AUDIT)))
    hostile = Elements(page)
    assert {tag for tag, _ in hostile.found} == {tag for tag, _ in plain.found}
    assert sum(tag == "script" for tag, _ in hostile.found) == 2
    for tag, attributes in hostile.found:
        assert not any(name.startswith("on") or name in ("src", "style", "action") for name in attributes), tag
        assert attributes.get("href", "#").startswith("#")


@pytest.mark.parametrize("where", ["name", "source", "model", "reranker", "attribute", "state"])
def test_names_are_escaped_too(where):
    evil, made = HOSTILE["image"] + HOSTILE["bidi"] + HOSTILE["nul"], build(queries=2)
    report, lock = deepcopy(made["report"]), deepcopy(made["lock"])
    if where == "name":
        lock["recipe"]["publishing"]["pretty_name"] = evil
    elif where == "source":
        report["origins"][0]["source"] = evil
    elif where == "model":
        lock["inputs"]["generation.engine"]["model"] = evil
    elif where == "reranker":
        report["validation"]["rerankers"][0]["name"] = evil
    elif where == "attribute":
        report["attributes"][0]["value"] = evil
    else:
        report["stages"]["generate"]["failed"] = {evil: 2}
    elements = Elements(page := render_page(report=report, lock=lock, tables=made["tables"]))
    assert not [tag for tag, _ in elements.found if tag == "img"]
    assert '<img src="http://hostile.example/x.png" onerror="window.hacked = 2">' in elements.text
    assert "\u202e" not in page and "\x00" not in page and "⟨U+202E⟩" in page


def test_hidden_characters_are_shown(page):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    query = data_of(page)["queries"][3]
    assert query["text"] == "query number 3 abc ⟨U+202E⟩ txt.exe ⟨U+2066⟩ hidden ⟨U+2069⟩"


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_embedded_json_is_the_value_and_has_no_character_of_html(value):
    text = embedded_json(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


@given(st.text(alphabet=st.characters()))
def test_visible_text_can_be_stored_and_stays_what_it_is(text):
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown
    assert text.isalnum() is False or shown == text


# ---- drawings


def test_a_histogram_is_drawn_to_scale_and_is_xml():
    drawn = ET.fromstring(
        histogram("two <bins>", [0.0, 0.5, 1.0], {"used": [2, 0], "too_easy": [2, 1]}, {"used": "u", "too_easy": "e"})
    )
    bars = {(bar.get("class"), bar.find("title").text): float(bar.get("height")) for bar in drawn.iter("rect")}
    assert drawn.get("aria-label") == "two <bins>"
    assert bars == {
        ("f-used", "u: 2 from 0 to 0.5"): pytest.approx(68.0),
        ("f-too_easy", "e: 2 from 0 to 0.5"): pytest.approx(68.0),
        ("f-too_easy", "e: 1 from 0.5 to 1"): pytest.approx(34.0),
    }


def test_every_drawing_of_the_page_is_xml_with_a_name(page):
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) > 20
    for drawing in drawings:
        assert ET.fromstring(drawing).get("aria-label")


@pytest.mark.parametrize(
    "value, shown", [(0.5, "0.5"), (0.12345, "0.123"), (3, "3"), (1234567, "1,234,567"), (151.7, "152"), (0.0, "0")]
)
def test_numbers_for_people(value, shown):
    assert number(value) == shown


RULES = {
    "relative": ({"rerankers": [{"bar": {"rule": "relative", "margin": 0.1}}]}, 0.9, 0.81),
    "relative, below zero": ({"rerankers": [{"bar": {"rule": "relative", "margin": 0.1}}]}, -2.0, -2.2),
    "level": ({"rerankers": [{"bar": {"rule": "absolute", "maximum": 0.7}}]}, 0.9, 0.7),
    "curve": (
        {"rerankers": [{"bar": {"rule": "calibrated", "maximum": 0.8, "lean": 0.0, "middle": 1.0, "slope": 2.0}}]},
        0.95, 0.8,
    ),
    "never above the positive": (
        {"rerankers": [{"bar": {"rule": "calibrated", "maximum": 0.8, "lean": 0.0, "middle": 1.0, "slope": 2.0}}]},
        0.6, 0.6,
    ),
    "joint": (
        {
            "joint": {"rule": "calibrated", "maximum": 0.5, "lean": 1.0, "middle": 0.0},
            "rerankers": [{"bar": {"rule": "relative", "margin": 0.1}}],
        },
        0.75, 0.75,
    ),
    "two that differ": (
        {"rerankers": [{"bar": {"rule": "absolute", "maximum": m}} for m in (0.4, 0.6)]}, 0.9, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_thresholds_are_the_gates(name):
    validation, reference, expected = RULES[name]
    assert threshold_of(validation)(reference) == (None if expected is None else pytest.approx(expected, abs=1e-4))


def test_the_tally_draws_the_band_of_thresholds():
    made = build(queries=2)
    found = tally_of(made["tables"]["candidates"], made["report"]["validation"])
    assert (found.levels, found.band(), found.thresholds) == ([0.81], None, [0.81, 0.81])
    assert found.scores["mined:bm25"]["false_negative"] == [0] * 19 + [2]
    found.thresholds = [i / 100 for i in range(101)]
    assert found.band() == (0.05, 0.95)
