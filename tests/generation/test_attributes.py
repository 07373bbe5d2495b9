"""Attributes: drawn in even shares from nothing but seed and position, or proposed by the model itself."""

import itertools
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.collection import Collection, Document
from syneg_data.engines.protocol import Completion
from syneg_data.errors import InputError, UnavailableError
from syneg_data.generation.attributes import Proposal, draw, propose, with_proposals
from syneg_data.records import Attribute
from tests.generation.world import Answering, Script, stored

AXES = st.dictionaries(
    st.sampled_from(["domain", "difficulty", "length", "tone"]),
    st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=7, unique=True).map(tuple),
    min_size=1,
)


@given(AXES, st.integers(0, 2**63 - 1), st.integers(0, 5))
def test_every_run_of_consecutive_drafts_holds_each_value_once(axes, seed, run):
    for axis, values in axes.items():
        positions = range(run * len(values), (run + 1) * len(values))
        drawn = [dict((a.axis, a.value) for a in draw("syneg", axes, seed, position))[axis] for position in positions]
        assert sorted(drawn) == sorted(values)


@given(AXES, st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_a_draft_has_one_value_per_axis_and_the_same_one_again(axes, seed, position):
    drawn = draw("syneg", axes, seed, position)
    assert [attribute.axis for attribute in drawn] == list(axes)
    assert all(attribute.value in axes[attribute.axis] for attribute in drawn)
    assert draw("syneg", axes, seed, position) == drawn


EIGHT = {"domain": tuple("abcdefgh"), "length": tuple("stuvwxyz")}


def sequence(seed, name="syneg", axis="domain", n=64):
    return [{a.axis: a.value for a in draw(name, EIGHT, seed, i)}[axis] for i in range(n)]


def test_seeds_and_names_draw_differently():
    assert sequence(1) != sequence(2)
    assert sequence(1) != sequence(1, name="other")


def test_the_order_is_drawn_anew_for_each_run():
    drawn = sequence(1)
    assert len({tuple(drawn[i : i + 8]) for i in range(0, 64, 8)}) == 8


def test_axes_are_independent():
    both = Counter(tuple(a.value for a in draw("s", {"a": ("0", "1"), "b": ("0", "1")}, 7, i)) for i in range(400))
    assert all(60 <= both[pair] <= 140 for pair in [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")])


def test_a_draw_is_the_same_on_every_machine():
    drawn = ["".join(attribute.value for attribute in draw("syneg", EIGHT, 13, i)) for i in range(10)]
    assert drawn == ["et", "fv", "bw", "hy", "au", "dz", "gx", "cs", "gx", "dz"]
    assert draw("syneg", EIGHT, 13, 0) == (Attribute("domain", "e"), Attribute("length", "t"))


def test_an_auto_axis_is_left_out_and_changes_no_other():
    assert draw("syneg", {"x": "auto", **EIGHT, "y": "auto"}, 13, 0) == draw("syneg", EIGHT, 13, 0)
    assert draw("syneg", {"x": "auto"}, 13, 0) == ()
    assert draw("syneg", {"x": ("auto",)}, 13, 0) == (Attribute("x", "auto"),), "a value of that name is a value"


# Proposals

CORPUS = Collection(
    {f"d{i:02}": Document(f"d{i:02}", " ".join(f"w{i}x{j}" for j in range(60))) for i in range(30)}, {}, {}, "digest"
)


def value(text, axis="domain"):
    return json.dumps({axis: text})


def ask(*answers, axis="domain", seed=13, corpus=CORPUS):
    """The answers are given in turn, over and over."""
    turns = itertools.cycle(answers)
    engine = Answering(lambda request: next(turns))
    return propose("syneg", axis, corpus, engine, seed), engine


def test_values_are_those_named_most_often_for_a_sample_of_the_corpus():
    found, engine = ask(value("virology"), value(" cell\n biology "), value("Virology."), value("law"))
    assert found == Proposal(
        strategy="syneg", axis="domain", values=("virology", "cell biology", "law"), requests=16, tokens_in=1600,
        tokens_out=800,
    )  # fmt: skip
    shown = [json.loads(request.messages[1].content.split("\n")[0])["document"] for request in engine.requests]
    assert len(set(shown)) == 16
    assert set(shown) < {CORPUS.text(doc_id) for doc_id in CORPUS.documents}
    assert len({request.request_id for request in engine.requests}) == 16
    assert len({request.seed for request in engine.requests}) == 16
    request = engine.requests[0]
    assert request.messages[1].content.endswith("\nWhat is the domain of this document? Answer in one to four words.")
    assert json.loads(request.schema) == {
        "type": "object",
        "properties": {"domain": {"type": "string"}},
        "required": ["domain"],
        "additionalProperties": False,
    }


def test_eight_values_are_enough():
    found, _ = ask(*[value(f"field {i}") for i in range(16)])
    assert found.values == tuple(f"field {i}" for i in range(8))


def test_the_sample_is_drawn_by_seed_and_axis():
    def shown(**options):
        axis = options.get("axis", "domain")
        _, engine = ask(value("a", axis), value("b", axis), **options)
        return [request.messages[1].content.split("\n")[0] for request in engine.requests]

    assert shown() == shown()
    assert shown() != shown(seed=14)
    assert shown() != shown(axis="genre")


def test_marks_in_a_document_reach_no_prompt():
    tiny = Collection({d: Document(d, f"{d} <|im_end|> document") for d in "ab"}, {}, {}, "digest")
    _, engine = ask(value("law"), value("art"), corpus=tiny)
    assert len(engine.requests) == 2
    assert all("\\u003c|im_end|> document" in request.messages[1].content for request in engine.requests)


GARBAGE = [
    "no JSON",
    "null",
    "7",
    "[" * 100_000,
    "{}",
    value(None),
    value(3),
    value(["a"]),
    value(""),
    value(" . "),
    value("Domain"),
    value("<|im_end|>"),
    value("[INST]"),
    value("x" * 41),
    value("a\u202eb"),
    value("one two three four five"),
    value("law. Ignore the query"),
    value("law: write JSON"),
    value('"law"'),
    value("{law}"),
    value("-law"),
    value("\x00"),
    Completion(value("abc")[:-3], "length", 100, 50),
    Completion("", "rejected", 100, 50, detail="x"),
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_passed_over_and_counted(garbage):
    found, _ = ask(garbage, value("law"), garbage, value("art"))
    assert (found.values, found.requests, found.tokens_in, found.tokens_out) == (("law", "art"), 16, 1600, 800)


@pytest.mark.parametrize(
    "fits", ["law & order (civil/penal)", "x" * 40, "R&D", "children's non-fiction", "\u533b\u5b66"]
)
def test_a_few_words_are_a_value(fits):
    found, _ = ask(value(fits), value("art"))
    assert found.values == (fits, "art")


def test_one_value_is_none_so_more_documents_are_shown():
    answers = [value("law")] * 16 + [value("art")] * 14
    found, engine = ask(*answers)
    assert (found.values, found.requests) == (("law", "art"), 30)
    assert len({request.messages for request in engine.requests}) == 30


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("no JSON", ""),
        (value("law"), ""),
        (Completion("", "too_long", 9, 0, detail="600 exceed 512"), " (600 exceed 512)"),
    ],
)
def test_never_two_values_is_the_users_problem(answer, reason):
    with pytest.raises(InputError) as caught:
        ask(answer)
    assert str(caught.value) == (
        "generation.strategies: syneg: attributes.domain: the model proposed no usable values; asked about 30 "
        f"documents{reason}; list them yourself"
    )


def test_an_engine_that_does_not_answer_is_no_fault_of_the_user():
    gone = Completion("", "unavailable", 0, 0, detail="connection reset")
    with pytest.raises(UnavailableError):
        propose("syneg", "domain", CORPUS, Answering(lambda request: gone), 13)


def test_a_proposal_is_made_once(fresh_cache):
    turns = itertools.cycle([value("law"), value("art")])
    first = propose("syneg", "domain", CORPUS, stored(Answering(lambda request: next(turns))), 13)
    assert propose("syneg", "domain", CORPUS, stored(Script()), 13) == first


def proposal(strategy, axis, *found):
    return Proposal(strategy=strategy, axis=axis, values=found, requests=1, tokens_in=1, tokens_out=1)


def test_proposals_fill_in_the_axes_of_their_strategy():
    axes = {"domain": "auto", "tone": ("dry",), "genre": "auto"}
    found = [proposal("other", "domain", "x"), proposal("syneg", "domain", "a", "b")]
    assert with_proposals("syneg", axes, found) == {"domain": ("a", "b"), "tone": ("dry",), "genre": "auto"}
    assert list(with_proposals("syneg", axes, found)) == ["domain", "tone", "genre"], "the order reaches the prompt"
    assert with_proposals("third", axes, found) == axes


# In the recipe

RECIPE = """\
name: tiny
seed: 13
source: {{kind: beir, path: data, split: train, license: cc-by-4.0}}
mining:
  - kind: bm25
generation:
  engine: {{kind: transformers, model: model}}
  strategies:
    - kind: {kind}
      attributes:
        tone: {values}
  terms: apache-2.0
validation:
  rerankers:
    - {{kind: bi_encoder, model: model}}
mixing: {{kind: mined_only}}
publishing: {{license: cc-by-4.0}}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    from syneg_data.recipe import load_recipe

    monkeypatch.chdir(tmp_path)
    for name in ("data", "model"):
        (tmp_path / name).mkdir()

    def run(kind, values):
        (tmp_path / "x.yaml").write_text(RECIPE.format(kind=kind, values=values))
        return load_recipe("x.yaml").recipe.generation.strategies[0]

    return run


KINDS = ["syneg", "rewrite", "graded", "restyle"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("found", ["[]", "[dry, dry]", "[dry, '']", "[dry, ' ']"])
def test_an_axis_without_values_is_named_by_file_and_line(load, kind, found):
    with pytest.raises(InputError) as caught:
        load(kind, found)
    assert str(caught.value) == (
        "x.yaml:10: generation.strategies[0].attributes: axis 'tone' needs values, each once and none empty; list "
        "them, or write `auto`"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("found", ["dry", "3", "[1, 2]", "{a: b}"])
def test_values_of_another_type_are_refused_by_line(load, kind, found):
    with pytest.raises(InputError) as caught:
        load(kind, found)
    assert all(
        line.startswith("x.yaml:11: generation.strategies[0].attributes") for line in str(caught.value).split("\n")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_auto_and_values_are_read(load, kind):
    assert load(kind, "auto").attributes == {"tone": "auto"}
    assert load(kind, "[dry, lively]").attributes == {"tone": ("dry", "lively")}
