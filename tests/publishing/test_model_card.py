"""The card of a retriever: figures from training.json, nobody's text, and what stands in the way of publishing it."""

import difflib
import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from syneg_data.errors import InputError
from syneg_data.publishing.model_card import refusals, render_model_card
from syneg_data.publishing.released import release_card
from tests.publishing.model_golden import FACTS, GOLDEN, PLAIN, data, metrics, model_card
from tests.publishing.test_card import DIRECTIONS, HOSTILE, body, front_matter, section


def test_the_card_is_the_golden_one():
    """`python -m tests.publishing.model_golden` writes it; look at what has changed before you commit that."""
    golden, found = GOLDEN.read_text(encoding="utf-8"), model_card()
    changed = difflib.unified_diff(golden.splitlines(), found.splitlines(), "golden", "now", lineterm="", n=1)
    assert golden == found, "\n".join(changed)


def test_front_matter():
    front = front_matter(model_card())
    index = front.pop("model-index")
    assert front == {
        "language": ["en", "de"],
        "license": "other",
        "license_name": "llama3.1-community",
        "license_link": "https://example.org/llama.txt",
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "tags": [
            "sentence-transformers", "sentence-similarity", "feature-extraction", "dense", "dense-retrieval",
            "information-retrieval", "hard-negatives", "dataset_size:1041", "loss:MultipleNegativesRankingLoss",
        ],
        "base_model": "someone/small-encoder",
        "base_model_revision": "c" * 40,
        "base_model_relation": "finetune",
        "datasets": ["someone/small"],
        "metrics": ["cosine_ndcg@10", "cosine_mrr@10", "cosine_recall@10", "cosine_recall@100", "cosine_map@100"],
    }  # fmt: skip
    assert [entry["name"] for entry in index] == [
        "someone/small-encoder trained on A small set",
        "someone/small-encoder before training",
        "BM25",
    ]


def figures(index):
    """(split, queries, first metric's type, name and value) of every result."""
    return [
        (sets["split"], sets["args"]["queries"], first["type"], first["name"], first["value"])
        for sets, first in ((result["dataset"], result["metrics"][0]) for result in index["results"])
    ]


def test_the_index_has_three_models_both_readings_and_the_revision_of_the_data():
    after, before, bm25 = front_matter(model_card())["model-index"]
    assert figures(after) == [
        ("test", 300, "cosine_ndcg@10", "nDCG@10", 0.6345),
        ("test", 212, "cosine_ndcg@10", "nDCG@10", 0.579),
        ("dev", 80, "cosine_ndcg@10", "nDCG@10", 0.55),
    ]
    assert figures(before) == [
        ("test", 300, "cosine_ndcg@10", "nDCG@10, base model before training", 0.6123),
        ("test", 212, "cosine_ndcg@10", "nDCG@10, base model before training", 0.58),
        ("dev", 80, "cosine_ndcg@10", "nDCG@10, base model before training", 0.5),
    ]
    assert figures(bm25) == [
        ("test", 300, "ndcg@10", "nDCG@10, BM25", 0.65),
        ("test", 212, "ndcg@10", "nDCG@10, BM25", 0.64),
        ("dev", 80, "ndcg@10", "nDCG@10, BM25", 0.56),
    ]
    for entry in (after, before, bm25):
        for result in entry["results"]:
            assert len(result["metrics"]) == 5
            assert result["task"] == {"type": "information-retrieval", "name": "Information Retrieval"}
            assert (result["dataset"]["type"], result["dataset"]["revision"]) == ("someone/small", "d" * 40)
    assert after["results"][1]["dataset"]["name"] == (
        "A small set, test: queries none of whose positives was trained on"
    )


def test_the_hub_client_reads_all_of_it():
    read = ModelCard(model_card()).data
    assert (read.license, read.library_name, read.base_model, read.datasets) == (
        "other", "sentence-transformers", "someone/small-encoder", ["someone/small"],
    )  # fmt: skip
    assert len(read.eval_results) == 3 * 3 * 5
    values = {r.metric_value for r in read.eval_results if r.metric_name == "nDCG@10"}
    assert values == {0.6345, 0.579, 0.55}


def test_what_is_nowhere_on_the_hub_has_no_link():
    front, text = front_matter(model_card(**PLAIN)), model_card(**PLAIN)
    assert not {"base_model", "base_model_revision", "base_model_relation", "datasets", "license_name"} & set(front)
    assert (front["license"], front["model-index"][0]["results"][0]["dataset"]["type"]) == ("apache-2.0", "small")
    assert "huggingface.co" not in text and "Llama" not in text and "SyNeg:" not in text
    command = "syneg-data train small --out DIR \\\n  --epochs 3 --batch-size 32 --learning-rate 5e-05 --seed 13\n```\n"
    assert command in text
    assert "\n`small` is the folder of the data set" in text


def test_the_command_names_what_it_was_trained_from_by_revision():
    assert (
        f"syneg-data train someone/small@v1.0.0 --out DIR \\\n  --base someone/small-encoder@{'c' * 40} \\\n"
        "  --epochs 3 --batch-size 32 --learning-rate 5e-05 --seed 13\n```\n"
    ) in model_card()
    untagged = data(repo={"id": "someone/small", "tag": None, "commit": "d" * 40})
    assert f"syneg-data train someone/small@{'d' * 40} --out" in model_card(data=untagged)


def test_the_same_facts_in_any_order_give_the_same_bytes():
    """training.json is sorted, the facts of a run are in the order in which they came about."""
    assert render_model_card(json.loads(json.dumps(FACTS, sort_keys=True))) == model_card() == model_card()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.03, "from 0.6123 to 0.6345: training helped."),
        (-0.01, 0.03, "from 0.6123 to 0.6345: training is not told apart from no effect."),
        (-0.03, -0.01, "from 0.6123 to 0.6345: training made it worse."),
        (None, None, "from 0.6123 to 0.6345: there are too few queries for an interval."),
    ],
)
def test_the_headline_says_what_the_interval_says(low, high, said):
    entry = None if low is None else {"mean": 0.0222, "low": low, "high": high}
    gains = {**FACTS["gain"], "test": {**FACTS["gain"]["test"], "nDCG@10": entry}}
    text = model_card(gain=gains)
    assert f"On 300 queries of split `test` nDCG@10 went {said} The model is worse than BM25, which has 0.6500 " in text


def test_the_headline_has_both_readings():
    """The first one flatters where test queries share positives with training, so it never stands alone."""
    assert (
        " which has 0.6500 there. On the 212 of them none of whose positives was trained on it went from 0.5800 to "
        "0.5790: training is not told apart from no effect. The model is worse than BM25, which has 0.6400 there.\n"
    ) in model_card()


@pytest.mark.parametrize(("checks", "said"), [(3, True), (0, False)])
def test_a_headline_on_the_split_that_weights_were_chosen_on_says_so(checks, said):
    only = {name: {"dev": FACTS[name]["dev"]} for name in ("before", "after", "gain", "unseen")}
    text = model_card(**only, settings={**FACTS["settings"], "checks": checks})
    assert "\nOn 80 queries of split `dev` nDCG@10 went from 0.5000 to 0.5500: training helped." in text
    assert ("The best weights were chosen on this split, which flatters them.\n" in text) is said


def test_a_row_shows_both_baselines_and_both_differences():
    rows = section(model_card(), "Before and after").splitlines()
    assert rows[rows.index("### Split `test`, the 212 queries none of whose positives was trained on") + 4] == (
        "| nDCG@10 | 0.6400 | 0.5800 | 0.5790 | -0.0010 (-0.0120\xa0to\xa0+0.0100) "
        "| -0.0600 (-0.0900\xa0to\xa0-0.0300) |"
    )
    assert "No query of split `dev` has a positive that was trained on, so both readings are one." in rows


def test_a_split_whose_positives_were_all_trained_on_says_so():
    unseen = {**FACTS["unseen"], "test": {"queries": 0, "of": 300}}
    text = model_card(unseen=unseen)
    assert "Every query of split `test` has a positive that was trained on, so there is no second reading" in text
    assert len(front_matter(text)["model-index"][0]["results"]) == 2


def test_a_split_of_one_query_has_no_interval():
    none = dict.fromkeys(("nDCG@10", "MRR@10", "Recall@10", "Recall@100", "MAP@100"))
    assert "| 0.6123 | 0.6345 | - |" in model_card(gain={**FACTS["gain"], "test": none})


def test_without_a_split_to_measure_on_the_card_says_so():
    nothing = {"before": {}, "after": {}, "gain": {}, "unseen": {}}
    bm25 = {**FACTS["baselines"]["bm25"], "metrics": {}, "gain": {}, "unseen": {}}
    text = model_card(**nothing, baselines={"bm25": bm25})
    assert "Nothing was measured: the data set has no split to measure on." in text
    assert "## Before and after" not in text and "model-index" not in text and "\n- Nothing was measured.\n" in text


def test_written_negatives_are_counted_and_their_method_cited():
    text = model_card(synthetic={"negatives": 1, "of": 3123})
    assert "- 1 of the 3,123 hard negatives were written by a language model." in text and "li2024syneg" in text
    assert "written by" not in model_card(**PLAIN) and "li2024syneg" not in model_card(**PLAIN)


def test_an_objective_of_our_own_has_no_losss_name():
    settings = {**FACTS["settings"], "objective": {"kind": "ranking", "temperature": 0.05, "in_batch": False}}
    text = model_card(settings=settings)
    assert "loss:" not in text and "| objective | the positive against its own hard negatives alone" in text


def test_names_cannot_break_the_page():
    for name in HOSTILE:
        versions = {**FACTS["versions"], "torch": name}
        text = model_card(base=name, dataset=name, data=data(title=name, repo=None), base_model=None, versions=versions)
        front = front_matter(text)
        assert front["library_name"] == "sentence-transformers" and front["license"] == "other"
        assert not DIRECTIONS & set(text)
        tokens = MarkdownIt("commonmark").enable("table").parse(body(text))
        headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
        assert [title for title in headings[1:] if not title.startswith("Split")] == [
            "What it is for", "Load it", "Before and after", "How it was trained", "Limits", "Licence",
            "Reproduce it", "Citation",
        ]  # fmt: skip
        assert {t.content.strip() for t in tokens if t.type == "html_block"} == {
            "<!-- syneg-data: what FOLDER is -->", "<!-- syneg-data: loading lines -->",
        }  # fmt: skip
        inner = [part for token in tokens for part in (token.children or ())]
        assert not [part for part in inner if part.type == "html_inline"]
        assert {part.attrs["href"] for part in inner if part.type == "link_open"} == {
            "training.json", "https://example.org/llama.txt",
        }  # fmt: skip


def test_the_release_names_repository_and_tag():
    text = release_card(model_card(), "alice/small-retriever", "v1.2.3", "model")
    assert 'model = SentenceTransformer("alice/small-retriever", revision="v1.2.3")' in text
    assert "These lines load version 1.2.3 by its tag `v1.2.3`, which never moves." in text
    assert "FOLDER" not in text and "<!--" not in text
    assert text.split("\n---\n")[0] == model_card().split("\n---\n")[0]
    named = model_card(data=data(title='SentenceTransformer("FOLDER")'))
    assert release_card(named, "alice/m", "v1.0.0", "model").count('SentenceTransformer("FOLDER")') > 0


def test_a_licence_that_is_missing_is_said_and_refused():
    facts = {**FACTS, **PLAIN, "base_license": None, "license": None}
    text = render_model_card(facts)
    assert "license" not in front_matter(text)
    assert "**None yet.**" in section(text, "Licence")
    assert "because nobody states a licence of the base model. None is granted yet." in section(text, "Licence")
    assert refusals(facts, "alice/m") == [
        "the retriever has no licence, because nobody states a licence of the base model; name one with "
        "`syneg-data train ... --license ID`, which trains nothing anew"
    ]


def test_nothing_is_refused_where_all_is_well():
    assert refusals({**FACTS, **PLAIN}, "alice/m") == []
    assert refusals(FACTS, "alice/Llama-small") == []


def test_a_name_that_the_terms_ask_for():
    assert refusals(FACTS, "alice/small") == [
        "alice/small: the terms of the base model or of the generator want the name of a model to begin with Llama; "
        "push to alice/Llama-small"
    ]
    assert "**Built with Llama.**" in model_card()


def test_a_licence_that_cannot_be_is_refused():
    facts = {**FACTS, **PLAIN, "base_license": "cc-by-nc-4.0"}
    assert refusals(facts, "alice/m") == [
        "the retriever's licence apache-2.0: the base model's licence cc-by-nc-4.0 is non-commercial; choose "
        "cc-by-nc-4.0: name one with `syneg-data train ... --license ID`, which trains nothing anew"
    ]


@pytest.mark.parametrize("facts", [{}, {"data": None}, {**FACTS, "license": "mit"}, {**FACTS, "base_license": 7}])
def test_facts_of_another_version_are_refused(facts):
    with pytest.raises(InputError, match=r"training\.json: is not as this version of `train` writes it"):
        refusals(facts, "alice/m")


def test_no_section_is_empty_and_no_line_is_left_blank_twice():
    for text in (model_card(), model_card(**PLAIN)):
        assert not re.search(r"^(#+) .*\n+\1 ", body(text), re.MULTILINE)
        assert "\n\n\n" not in body(text).lstrip("\n")
        assert not re.search(r"None|Undefined|%\}", text)
        assert text.endswith("\n")


def test_yaml_that_looks_like_something_else_stays_text():
    text = model_card(data=data(title="no: yes # 1", repo=None), base_model=None)
    assert yaml.safe_load(text[4:].split("\n---\n")[0])["model-index"][0]["results"][0]["dataset"]["name"] == (
        "no: yes # 1, test: all queries"
    )


def test_metrics_are_of_the_contract():
    from syneg_data.training.metrics import METRICS

    assert tuple(metrics(1, 2, 3, 4, 5)) == METRICS
