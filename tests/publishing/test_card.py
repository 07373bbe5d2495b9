"""The card: numbers from the build, prose from a file, and nothing in either that breaks the page."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st

from syneg_data.errors import InputError
from syneg_data.export.parquet import write_configs, write_split
from syneg_data.publishing.card import dataset_info, read_prose, render_card

REPORT = {
    "schema": 1,
    "name": "small",
    "seed": 13,
    "examples": 41,
    "negatives_per_example": 3,
    "stages": {
        "load": {"unit": "pair", "in": 50, "kept": 48, "rejected": {"no_document": 2}, "failed": {}},
        "mine": {"unit": "candidate", "in": 900, "kept": 850, "rejected": {"positive": 50}, "failed": {}},
        "generate": {"unit": "draft", "in": 96, "kept": 80, "rejected": {"copied": 10}, "failed": {"invalid": 6}},
        "validate": {"unit": "candidate", "in": 930, "kept": 500, "rejected": {"too_easy": 430}, "failed": {}},
        "mix": {
            "unit": "candidate", "in": 500, "kept": 123, "rejected": {"not_selected": 377}, "failed": {},
            "pairs": {"unit": "pair", "in": 48, "kept": 41, "rejected": {"too_few_mined": 7}, "failed": {}},
        },
    },
    "tokens": {"in": 12345, "out": 6789, "cached": 0, "wasted": {"copied": 300, "invalid": 33}},
    "origins": [{"source": "synthetic:syneg", "count": 41, "mean": 0.4321}],
    "validation": {
        "rerankers": [
            {
                "name": "crossed", "positives": 48, "mined": 850, "random": 500, "auc_random": 0.9912,
                "auc_mined": 0.8765,
                "bar": {"rule": "calibrated", "maximum": 0.5, "slope": 10.968, "intercept": -5.36331},
            },
            {
                "name": "llm", "positives": 48, "mined": 0, "random": 100, "auc_random": 0.95, "auc_mined": None,
                "bar": {"rule": "absolute", "maximum": 0.5},
            },
        ]
    },
}  # fmt: skip
REVIEW = {
    "by": "second",
    "kept": {"judged": 100, "relevant": 7, "rate": 0.07, "low": 0.0343, "high": 0.1375},
    "sources": {},
    "refused": {"judged": 0, "relevant": 0, "rate": None, "low": None, "high": None},
    "kappa": 0.8123,
    "without_score": 0,
}
ROWS = {"triplet": {"train": 123}, "n-tuple": {"train": 41}, "ids": {"train": 41}}
PROSE = {"what": "What it is.", "limits": "Its limits.", "license": "Mind the licence.", "citation": "Cite it."}


def card(title=None, language=("en",), license="cc-by-4.0", **changes):
    return render_card(
        **{
            "report": REPORT,
            "prose": PROSE,
            "publishing": {"license": license, "pretty_name": title, "language": language},
            "source_license": "cc0-1.0",
            "terms": "apache-2.0",
            "split": "train",
            "rows": ROWS,
            "features": [{"config_name": "triplet", "features": [{"name": "query", "dtype": "string"}]}],
            "models": [{"role": "generation.engine", "label": "some-model==1.0", "sha256": "ab" * 32}],
            "recipe_name": "small.yaml",
            "fingerprint": "cd" * 32,
            **changes,
        }
    )


def front_matter(text):
    """What the Hub reads: the YAML between the first line and the next line of three dashes."""
    assert text.startswith("---\n")
    return yaml.safe_load(text[4:].split("\n---\n", 1)[0])


def body(text):
    return text[4:].split("\n---\n", 1)[1]


def test_front_matter():
    assert front_matter(card("A title", ("en", "de"))) == {
        "pretty_name": "A title",
        "language": ["en", "de"],
        "license": "cc-by-4.0",
        "task_categories": ["text-retrieval", "sentence-similarity"],
        "task_ids": ["document-retrieval"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["found", "machine-generated"],
        "multilinguality": ["multilingual"],
        "size_categories": ["n<1K"],
        "source_datasets": ["original"],
        "tags": [
            "sentence-transformers", "synthetic", "hard-negatives", "dense-retrieval", "information-retrieval", "text",
        ],
        "configs": [
            {
                "config_name": "triplet",
                "data_files": [{"split": "train", "path": "triplet/train-*.parquet"}],
                "default": True,
            },
            {"config_name": "n-tuple", "data_files": [{"split": "train", "path": "n-tuple/train-*.parquet"}]},
            {"config_name": "ids", "data_files": [{"split": "train", "path": "ids/train-*.parquet"}]},
        ],
        "dataset_info": [{"config_name": "triplet", "features": [{"name": "query", "dtype": "string"}]}],
    }  # fmt: skip


def test_the_same_build_gives_the_same_card():
    assert card() == card()


def test_numbers_are_the_reports():
    text = body(card())
    assert "41 training examples for dense retrieval, each a query, a relevant document and 3 hard\n" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for expected in [
        "| `triplet` | 123 | query, positive, negative; a row per negative |",
        "| load | pair | 50 | 48 | no_document 2 | - |",
        "| generate | draft | 96 | 80 | copied 10 | invalid 6 |",
        "| mix | candidate | 500 | 123 | not_selected 377 | - |",
        "| mix, pairs | pair | 48 | 41 | too_few_mined 7 | - |",
        "| synthetic:syneg | 41 | 0.4321 |",
        f"| generation.engine | some-model==1.0 | `{'ab' * 32}` |",
    ]:
        assert expected in rows
    assert "The generator read 12345 and wrote 6789 tokens;\n333 of those were written for attempts" in text
    assert "Published under **cc-by-4.0**. Corpus, queries and judgements: cc0-1.0. Output of the generator:" in text
    assert f"Recipe fingerprint `{'cd' * 32}`" in text
    for prose in PROSE.values():
        assert prose in text


def section(text, title):
    """The lines below one heading."""
    return body(text).split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_what_the_gate_is_worth_is_the_reports():
    gate = section(card(), "What the gate is worth")
    assert [line for line in gate.splitlines() if line.startswith("| ")][1:] == [
        "| crossed | 48 | 0.9912 | 0.8765 | calibrated: maximum 0.5, slope 10.968, intercept -5.36331 |",
        "| llm | 48 | 0.95 | - | absolute: maximum 0.5 |",
    ]
    assert "second opinion" not in gate.lower()
    assert "One logistic curve" not in gate


def test_a_curve_over_all_scores_stands_on_the_card():
    joint = {"rule": "calibrated", "maximum": 0.5, "slope crossed": 2.5, "slope llm": 0.75, "intercept": -3.25}
    report = {**REPORT, "validation": {**REPORT["validation"], "joint": joint}}
    assert (
        "One logistic curve over all their scores decides: "
        "maximum 0.5, slope crossed 2.5, slope llm 0.75, intercept -3.25.\n"
    ) in section(card(report=report), "What the gate is worth")


def test_a_second_opinion_stands_on_the_card():
    said = " ".join(section(card(report={**REPORT, "review": REVIEW}), "What the gate is worth").split())
    assert (
        "A second opinion (second) on a sample: 7 of 100 negatives that the gate kept are relevant (95 % interval "
        "0.0343 to 0.1375). Agreement with the gate beyond chance (Cohen's kappa): 0.8123."
    ) in said


def test_a_second_opinion_on_nothing_has_no_interval():
    nothing = {**REVIEW, "kept": REVIEW["refused"], "kappa": None}
    said = " ".join(section(card(report={**REPORT, "review": nothing}), "What the gate is worth").split())
    assert "0 of 0 negatives that the gate kept are relevant. Agreement" in said
    assert said.endswith("(Cohen's kappa): -.")
    assert "None" not in said


def test_without_a_generator_nothing_is_called_synthetic():
    text = card(terms=None, report={name: value for name, value in REPORT.items() if name != "tokens"} | {"tokens": {}})
    front = front_matter(text)
    assert "synthetic" not in front["tags"]
    assert front["language_creators"] == ["found"]
    assert "The generator read" not in text
    assert "Output of the generator" not in text


def test_a_title_is_the_recipes_name_by_default():
    assert front_matter(card())["pretty_name"] == "small"
    assert "\n# small\n" in card()


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
    " \t ",
    "x" * 3000,
    "word " * 900,
]


@pytest.mark.parametrize("title", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_title_breaks_neither_front_matter_nor_page(title):
    text = card(title, ("en", "de"), "cc-by-sa-4.0")
    front = front_matter(text)
    assert front["pretty_name"] == title
    assert (front["language"], front["license"]) == (["en", "de"], "cc-by-sa-4.0")
    hub = DatasetCard(text).data
    assert (hub.pretty_name, hub.language, hub.license) == (title, ["en", "de"], "cc-by-sa-4.0")
    plain = body(card("Plain", ("en", "de"), "cc-by-sa-4.0"))
    heading = body(text).split("\n\n", 1)[0].strip()
    assert heading.startswith("#")
    assert "\n" not in heading
    assert not re.search(r"(?<!\\)[`*_\[\]<>|#{}]", heading[1:])
    assert body(text).split("\n\n")[1:] == plain.split("\n\n")[1:]


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_title_changes_licence_or_language(title):
    front, plain = front_matter(card(title)), front_matter(card("Plain"))
    # YAML has line breaks of its own (U+0085), so white space may come back as other white space.
    assert front.pop("pretty_name").split() == title.split()
    assert front == {name: value for name, value in plain.items() if name != "pretty_name"}


def test_a_model_name_is_no_table_cell():
    text = card(models=[{"role": "mining[0]", "label": "a|b\n| evil | row |", "sha256": "ef" * 32}])
    assert r"| mining\[0\] | a\|b \| evil \| row \| | `" + "ef" * 32 + "` |" in text.splitlines()


def test_prose_is_no_template():
    text = card(prose={**PROSE, "what": "{{ 7 * 7 }} {% for x in y %}", "limits": "{# gone #}"})
    assert "{{ 7 * 7 }} {% for x in y %}" in text
    assert "{# gone #}" in text


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (9_999, "1K<n<10K"), (10_000, "10K<n<100K"),
        (100_000, "100K<n<1M"), (1_000_000, "1M<n<10M"), (10_000_000, "n>10M"),
    ],
)  # fmt: skip
def test_size_categories(rows, category):
    assert front_matter(card(rows={**ROWS, "triplet": {"train": rows}}))["size_categories"] == [category]


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
    assert "arXiv 2412.17250" in prose["citation"]


def test_splits_to_evaluate_on_are_named_and_counted():
    rows = {**ROWS, "queries": {"train": 41, "dev": 8, "test": 300}, "qrels": {"train": 44, "dev": 9, "test": 339}}
    text = card(rows=rows)
    entry = next(c for c in front_matter(text)["configs"] if c["config_name"] == "qrels")
    assert [part["split"] for part in entry["data_files"]] == ["train", "dev", "test"]
    assert entry["data_files"][2]["path"] == "qrels/test-*.parquet"
    flat = " ".join(body(text).split())
    assert "split `dev` of `queries` and `qrels` (8 queries), split `test` of" in flat
    assert "(300 queries); they search" in flat
    assert "To evaluate on" not in body(card())


def test_prose_that_is_not_text_is_the_users_fault(tmp_path):
    path = tmp_path / "card.md"
    path.write_bytes(b"## what\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"card\.md"):
        read_prose(path)


def test_dataset_info_of_a_split_of_several_files_counts_all_of_them(tmp_path):
    table = pa.table({"text": [f"text number {i}" for i in range(5000)], "n": list(range(5000))})
    rows = write_split(tmp_path / "corpus", "train", table, group=1 << 15, file=1 << 16)
    assert len(rows) > 1 and all(pq.read_metadata(tmp_path / "corpus" / name).num_row_groups > 1 for name in rows)
    (info,) = dataset_info(tmp_path, {"corpus": {"train": 5000}})
    assert info["download_size"] == sum((tmp_path / "corpus" / name).stat().st_size for name in rows)
    assert info["dataset_size"] == info["splits"][0]["num_bytes"] == pytest.approx(table.nbytes, rel=0.001)


def test_every_export_is_shown_with_the_lines_that_load_it():
    export = {"path": "exports/tevatron", "rows": 41, "what": "lines for Tevatron", "load": 'train = read("FOLDER/x")'}
    text = body(card(report={**REPORT, "exports": [export]}))
    assert '`exports/tevatron`, 41 rows: lines for Tevatron.\n\n```python\ntrain = read("FOLDER/x")\n```\n' in text
    assert "## For other trainers" not in body(card())


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
