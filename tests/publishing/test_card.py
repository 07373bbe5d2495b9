"""The card: numbers from the build, prose from a file, and nothing in either that breaks the page."""

import difflib
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from syneg_data.errors import InputError
from syneg_data.export.parquet import write_configs, write_split
from syneg_data.publishing.card import dataset_info, read_prose
from syneg_data.publishing.markdown import code, fenced, number
from syneg_data.publishing.models import Credit
from tests.publishing.golden import GOLDEN, PROSE, PUBLISHING, REPORT, ROWS, card

PLAIN = {
    **PUBLISHING,
    "license": "cc-by-4.0",
    "license_name": None,
    "license_link": None,
    "source_datasets": (),
    "retriever": None,
}
OPEN = {"publishing": PLAIN, "terms": "apache-2.0"}


def without(*parts):
    """The report without some of its parts."""
    return {name: value for name, value in REPORT.items() if name not in parts}


def titled(title, **changes):
    return card(**{**OPEN, "publishing": {**PLAIN, "pretty_name": title, **changes}})


def test_the_card_is_the_golden_one():
    """`python -m tests.publishing.golden` writes it; look at what has changed before you commit that."""
    golden, found = GOLDEN.read_text(encoding="utf-8"), card()
    changed = difflib.unified_diff(golden.splitlines(), found.splitlines(), "golden", "now", lineterm="", n=1)
    assert golden == found, "\n".join(changed)


def front_matter(text):
    """What the Hub reads: the YAML between the first line and the next line of three dashes."""
    assert text.startswith("---\n")
    return yaml.safe_load(text[4:].split("\n---\n", 1)[0])


def body(text):
    return text[4:].split("\n---\n", 1)[1]


def test_front_matter():
    assert front_matter(card()) == {
        "pretty_name": "A small set",
        "language": ["en", "de"],
        "license": "other",
        "license_name": "llama3.1-and-cc-by-4.0",
        "license_link": "https://example.org/LICENSE.txt",
        "task_categories": ["text-retrieval", "sentence-similarity"],
        "task_ids": ["document-retrieval"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found", "machine-generated"],
        "multilinguality": ["multilingual"],
        "size_categories": ["1K<n<10K"],
        "source_datasets": ["extended|BeIR/scifact"],
        "tags": [
            "sentence-transformers", "synthetic", "hard-negatives", "dense-retrieval", "information-retrieval", "text",
        ],
        "configs": [
            {
                "config_name": "triplet",
                "data_files": [{"split": "train", "path": "triplet/train-*.parquet"}],
                "default": True,
            },
            *(
                {
                    "config_name": name,
                    "data_files": [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in splits],
                }
                for name, splits in list(ROWS.items())[1:]
            ),
        ],
        "dataset_info": [{"config_name": "triplet", "features": [{"name": "query", "dtype": "string"}]}],
    }  # fmt: skip


def test_front_matter_of_a_plain_set():
    front = front_matter(titled("Mine", language=("de",)))
    assert (front["license"], front["multilinguality"]) == ("cc-by-4.0", ["monolingual"])
    assert front["source_datasets"] == ["original"]
    assert not {"license_name", "license_link"} & set(front)


def test_the_hub_client_reads_the_same():
    hub = DatasetCard(card()).data.to_dict()
    assert hub == front_matter(card())


def test_the_order_of_a_report_does_not_matter():
    """report.json is sorted, a build's report is in the order of the line."""
    again = json.loads(json.dumps(REPORT, sort_keys=True))
    assert card(report=again) == card()


def section(text, title):
    """The lines below one heading."""
    return body(text).split(f"\n## {title}\n")[1].split("\n## ")[0]


LACKING = ("tokens", "critic", "exports", "relabelled", "restyled_positives", "mixing", "review", "attributes", "audit")


def test_parts_that_a_build_lacks_leave_no_trace():
    rows = {"triplet": {"train": 1}, "n-tuple": {"train": 1}}
    text = card(report=without(*LACKING), terms=None, models=(), publishing=PLAIN, rows=rows)
    assert re.findall(r"^#{2,3} (.*)$", body(text), re.MULTILINE) == [
        "Load it",
        "What became of every row",
        "Where the negatives come from",
        "How many negatives are relevant after all",
        "What the gate is worth",
        "Limits",
        "Licence",
        "Reproduce it",
        "Citation",
    ]
    assert "Not measured: no second judge" in text
    assert not re.search(r"None|Undefined|generator|SyNeg|To evaluate on", text)
    assert "No language model wrote a text of this set." in text
    assert front_matter(text)["language_creators"] == ["found"]
    assert "synthetic" not in front_matter(text)["tags"]


def test_no_section_is_empty_and_no_line_is_left_blank_twice():
    for text in (card(), card(report=without("audit", "exports", "critic", "review"))):
        assert not re.search(r"^(#+) .*\n+\1 ", body(text), re.MULTILINE)
        assert "\n\n\n" not in body(text).lstrip("\n")
        assert text.endswith("\n")


def test_an_audit_without_figures_has_no_section():
    assert "## Audit" not in card(report={**REPORT, "audit": {"measures": [], "gates": [], "on_fail": "warn"}})


def test_a_gate_with_one_bound():
    gate = {"measure": "query_blind_auc", "min": 0.5, "max": None, "value": 0.7, "holds": True}
    text = card(report={**REPORT, "audit": {**REPORT["audit"], "gates": [gate]}})
    assert "| `query_blind_auc` | at least 0.500 | 0.700 | yes |" in text.splitlines()


def test_a_ragged_set_says_so():
    rows = {("ragged" if name == "n-tuple" else name): splits for name, splits in ROWS.items()}
    mixing = {**REPORT["mixing"], "negatives_per_example": {"1": 41, "3": 1000}}
    text = card(rows=rows, report={**REPORT, "mixing": mixing})
    assert 'examples = load_dataset("FOLDER", "ragged", split="train")' in text
    assert "| `ragged` | 1,041 | `query`, `positive`, `negatives` (a list): a row per example |" in text
    assert "a relevant document and up to 3 hard" in text
    assert "Not all examples have equally many: 1 negative in 41 examples, 3 negatives in 1,000 examples." in text
    assert "n-tuple" not in text


def test_one_example_with_one_negative_is_no_plural():
    text = card(report={**REPORT, "examples": 1, "negatives_per_example": 1})
    assert "\n1 training example for dense" in text and "a relevant document and 1 hard\nnegative. Every" in text
    assert "\nThe negative of an example in one row, and" in text


def test_relevance_is_from_0_to_1_only_where_every_rule_makes_it_so():
    first, second = REPORT["validation"]["rerankers"]
    assert second["bar"]["rule"] == "absolute"
    assert "of a negative, on the scale of its reranker: the nearer" in card()
    calibrated = card(report={**REPORT, "validation": {"agree": "any", "rerankers": [first]}})
    assert "of a negative, from 0 to 1: the nearer" in calibrated


def test_a_curve_over_all_scores_stands_in_place_of_the_single_ones():
    joint = {"rule": "calibrated", "maximum": 0.5, "slope crossed": 2.5, "slope llm": 0.75, "intercept": -3.25}
    report = {**REPORT, "validation": {**REPORT["validation"], "joint": joint}}
    gate = section(card(report=report), "How many negatives are relevant after all")
    assert (
        "One logistic curve over all their scores decides: "
        "intercept -3.25, maximum 0.5, slope crossed 2.5, slope llm 0.75.\n"
    ) in gate
    assert "Fitted for" not in gate


def test_a_second_opinion_on_nothing_has_no_interval():
    nothing = {"of": 0, "judged": 0, "relevant": 0, "rate": None, "low": None, "high": None}
    review = {"by": "reader", "kept": nothing, "sources": {}, "refused": nothing, "kappa": None, "without_score": 0}
    said = section(card(report={**REPORT, "review": review}), "How many negatives are relevant after all")
    assert "| kept | 0 | 0 | - | - |" in said
    assert "a kappa (Cohen) of -; intervals are Wilson's.\n" in said
    assert "The judge errs too" not in said


def test_a_title_is_the_recipes_name_by_default():
    assert front_matter(titled(None))["pretty_name"] == "small"
    assert "\n# small\n" in titled(None)


def test_the_command_to_reproduce_is_one_word_whatever_the_recipe_is_called():
    text = card(recipe_name="my $(rm -rf) `x`\n```\n# y.yaml")
    lines = section(text, "Reproduce it").splitlines()
    assert lines[6] == "syneg-data build 'my $(rm -rf) `x` ``` # y.yaml'"
    assert lines[7] == "```"


DIRECTIONS = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
HOSTILE = [
    "---",
    "a\n---\nlicense: mit",
    "a\r\n---\r\nlanguage: [xx]",
    "'quoted' \"twice\": yes # no comment",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "x: y: z",
    "- item\n- item",
    "&anchor *alias !tag |",
    "null",
    "1e5",
    "<script>alert(1)</script>",
    "# heading\n## limits",
    "![img](http://example.org/x.png) [link](javascript:x) `code` **bold** | cell |",
    "\u0085\u2028\u2029\ufeff\x7f\x9b",
    "naïve 日本語 🎈",
    "\u202efdp.exe\u202c \u2066x\u2069 \u200fy",
    "&amp; &#60;script&#62; <!-- --> <b onclick=x>",
    "https://example.org/ www.example.org user@example.org $x$ ~~y~~",
    "```\nout of code\n```\n~~~",
    " \t ",
    "x" * 3000,
    "word " * 900,
]


@pytest.mark.parametrize("title", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_title_breaks_neither_front_matter_nor_page(title):
    text = titled(title, license="cc-by-sa-4.0")
    front = front_matter(text)
    assert front["pretty_name"] == title
    assert (front["language"], front["license"]) == (["en", "de"], "cc-by-sa-4.0")
    hub = DatasetCard(text).data
    assert (hub.pretty_name, hub.language, hub.license) == (title, ["en", "de"], "cc-by-sa-4.0")
    plain = body(titled("Plain", license="cc-by-sa-4.0"))
    heading = body(text).split("\n\n", 1)[0].strip()
    assert heading.startswith("#")
    assert "\n" not in heading
    assert not re.search(r"(?<!\\)[`*_\[\]<>|#{}&~@$]", heading[1:])
    assert body(text).split("\n\n")[1:] == plain.split("\n\n")[1:]
    assert not DIRECTIONS & set(text)


PLAIN_FRONT = front_matter(titled("Plain"))


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_title_changes_licence_or_language(title):
    front, plain = front_matter(titled(title)), PLAIN_FRONT
    # YAML has line breaks of its own (U+0085), so white space may come back as other white space.
    assert front.pop("pretty_name").split() == title.split()
    assert front == {name: value for name, value in plain.items() if name != "pretty_name"}


HOSTILE_REPORT = {
    **REPORT,
    "origins": [{"source": f"synthetic:{text}", "count": 1, "mean": 0.5} for text in HOSTILE],
    "attributes": [{**REPORT["attributes"][0], "strategy": text, "axis": text, "value": text} for text in HOSTILE],
    "review": {**REPORT["review"], "by": HOSTILE[1], "sources": {text: REPORT["review"]["kept"] for text in HOSTILE}},
    "audit": {
        **REPORT["audit"],
        "measures": [{**REPORT["audit"]["measures"][0], "name": text, "sentence": text} for text in HOSTILE],
        "gates": [{**REPORT["audit"]["gates"][0], "measure": text} for text in HOSTILE],
    },
    "exports": [{**REPORT["exports"][0], "kind": text, "path": text, "what": text, "load": text} for text in HOSTILE],
}


def page(text):
    """What a reader of Markdown makes of a card: the kinds of its blocks, and what each line of a page shows."""
    tokens = MarkdownIt("commonmark").enable("table").parse(body(text))
    inner = [part for token in tokens for part in (token.children or ())]
    return tokens, inner


def test_no_name_or_sentence_in_a_report_breaks_the_page():
    tokens, inner = page(card(report=HOSTILE_REPORT, models=[Credit(x, x, "ef" * 32, x, False) for x in HOSTILE]))
    plain, _ = page(card())
    kinds = [(token.type, token.tag) for token in tokens]
    assert {kind for kind, _ in kinds} <= {token.type for token in plain}, "no block that a plain card has not"
    comments = {token.content.strip() for token in tokens if token.type == "html_block"}
    assert comments == {
        "<!-- syneg-data: what FOLDER is -->",
        "<!-- syneg-data: what FOLDER is among exports -->",
        "<!-- syneg-data: loading lines -->",
    }
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    wanted = [plain[at + 1].content for at, token in enumerate(plain) if token.type == "heading_open"]
    assert headings == [title for title in wanted if title not in ("Query-blind shortcut", "Texts", "Contamination")]
    assert not [part for part in inner if part.type in ("html_inline", "image")]
    assert {part.attrs["href"] for part in inner if part.type == "link_open"} == {
        "report.html", "https://example.org/LICENSE.txt", "https://huggingface.co/someone/small-retriever",
    }  # fmt: skip
    rows = [tokens[at : at + 40] for at, token in enumerate(tokens) if token.type == "tr_open"]
    assert len(rows) > 5 * len(HOSTILE)


def test_a_hostile_name_shows_as_it_is():
    name = "a|b <b>&lt; *c* _d_ [e](f) `g` www.example.org user@example.org $h$ ~~i~~ {{ j }}"
    tokens, _ = page(card(models=[Credit("did", name, "ef" * 32, None, False)]))
    cells = [token.children for token in tokens if token.type == "inline" and "example" in token.content]
    assert name in ["".join(part.content for part in cell) for cell in cells]


def test_code_cannot_be_ended_from_within():
    assert fenced("```\n# out\n````", "python") == "`````python\n```\n# out\n````\n`````"
    assert code("a`b|c") == "``a`b\\|c``"
    assert code("`") == "`` ` ``"
    assert code("") == "`  `"


def test_prose_is_no_template():
    text = card(prose={**PROSE, "what": "{{ 7 * 7 }} {% for x in y %}", "limits": "{# gone #}"})
    assert "{{ 7 * 7 }} {% for x in y %}" in text
    assert "{# gone #}" in text


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K"),
        (100_000, "100K<n<1M"), (1_000_000, "1M<n<10M"), (10_000_000, "10M<n<100M"), (10**12, "n>1T"),
    ],
)  # fmt: skip
def test_size_categories(rows, category):
    assert front_matter(card(rows={**ROWS, "triplet": {"train": rows}}))["size_categories"] == [category]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.5, "0.500"), (1.0, "1.000"), (0, "0"), (1204, "1,204"), (1204.0, "1,204"), (17.25, "17.250")],
)
def test_figures(value, shown):
    assert number(value) == shown


WHOLE = (
    "Preface\n\n## what\nWords.\n\n### part\nMore.\n\n## limits\n\nNone.\n\n## license \nFree.\n## citation\nX 2024.\n"
)


def test_prose_is_read_by_section(tmp_path):
    path = tmp_path / "card.md"
    path.write_text(WHOLE)
    assert read_prose(path) == {
        "what": "Words.\n\n### part\nMore.",
        "limits": "None.",
        "license": "Free.",
        "citation": "X 2024.",
    }


@pytest.mark.parametrize("section", ["what", "limits", "license", "citation"])
def test_a_missing_section_is_named(tmp_path, section):
    path = tmp_path / "card.md"
    path.write_text(WHOLE.replace(f"## {section}", "Some other line"))
    with pytest.raises(InputError, match=r"card\.md: .* exactly \['what', 'limits', 'license', 'citation'\]"):
        read_prose(path)


def test_an_unknown_section_and_one_that_stands_twice_are_refused(tmp_path):
    path = tmp_path / "card.md"
    for extra in ("## biases\nSome.\n", "## limits\nOthers.\n"):
        path.write_text(WHOLE + extra)
        with pytest.raises(InputError, match="has sections"):
            read_prose(path)


def test_without_a_file_the_prose_is_stock(tmp_path):
    prose = read_prose(tmp_path / "none.md")
    assert set(prose) == {"what", "limits", "license", "citation"}
    assert len(prose["citation"]) > 20


@pytest.mark.parametrize(
    ("section", "words"),
    [("```python\nx", "a block of code"), ("~~~~\n~~~", "a block of code"), ("<!-- x", "a comment")],
)
def test_prose_that_hides_the_rest_of_the_card_is_refused(tmp_path, section, words):
    path = tmp_path / "card.md"
    path.write_text(WHOLE.replace("None.", section))
    with pytest.raises(InputError, match=rf"card\.md: section limits: {words} is not closed"):
        read_prose(path)


def test_blocks_that_are_closed_are_prose(tmp_path):
    path = tmp_path / "card.md"
    closed = "```python\nx\n~~~\n```\n<!-- note -->\n~~~~\n~~~\n~~~~~"
    path.write_text(WHOLE.replace("None.", closed))
    assert read_prose(path)["limits"] == closed


def test_prose_that_is_not_text_is_the_users_fault(tmp_path):
    path = tmp_path / "card.md"
    path.write_bytes(b"## what\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"card\.md"):
        read_prose(path)


def test_dataset_info_of_a_split_of_several_files_counts_all_of_them(tmp_path):
    table = pa.table({"text": [f"text number {i}" for i in range(50_000)], "n": list(range(50_000))})
    rows = write_split(tmp_path / "corpus", "train", table, group=1 << 15, file=1 << 18)
    assert len(rows) > 1 and all(pq.read_metadata(tmp_path / "corpus" / name).num_row_groups > 1 for name in rows)
    (info,) = dataset_info(tmp_path, {"corpus": {"train": 50_000}})
    assert info["download_size"] == sum((tmp_path / "corpus" / name).stat().st_size for name in rows)
    assert info["dataset_size"] == info["splits"][0]["num_bytes"] == pytest.approx(table.nbytes, rel=0.01)


def test_dataset_info_is_read_off_the_files(tmp_path):
    ids = pa.table({"query_id": ["a", "b"], "scores": [[0.5], [0.25, 1.0]]})
    queries = {"train": pa.table({"_id": ["a"]}), "test": pa.table({"_id": ["b", "c"]})}
    write_configs(tmp_path, {"ids": {"train": ids}, "queries": queries})
    first, second = dataset_info(tmp_path, {"ids": {"train": 2}, "queries": {"train": 1, "test": 2}})
    assert first["config_name"] == "ids"
    assert first["features"] == [
        {"name": "query_id", "dtype": "string"},
        {"name": "scores", "list": "float64"},
    ]
    (split,) = first["splits"]
    assert (split["name"], split["num_examples"]) == ("train", 2)
    assert first["download_size"] == (tmp_path / "ids" / "train-00000-of-00001.parquet").stat().st_size
    assert second["config_name"] == "queries"
    assert [(s["name"], s["num_examples"]) for s in second["splits"]] == [("train", 1), ("test", 2)]
    sizes = [s["num_bytes"] for s in second["splits"]]
    assert second["dataset_size"] == sum(sizes)
    assert 0 < sizes[0] < sizes[1]
