"""The public names of the package: what they load, what a type checker sees, and that they are a build's stages."""

import pkgutil
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest

import syneg_data
from syneg_data import (
    Collection,
    Document,
    Hit,
    Judged,
    Mined,
    PathModel,
    Verdict,
    build,
    examine,
    generate,
    load_recipe,
    mine,
    mix,
    read_build,
    training_tables,
    validate,
)
from syneg_data.engines.scripted import ScriptedServer
from syneg_data.errors import InputError
from syneg_data.execution import Silence
from syneg_data.mining import Bm25, Guards
from syneg_data.mixing import Hybrid, MinedOnly
from syneg_data.validation import BiEncoderReranker, Relative, Validation
from tests.validation.test_written import TONES, TWIN, drafts
from tests.validation.world import engine_at, files_of, save_words, write_data, write_recipe, write_run

HEAVY = {"torch", "transformers", "sentence_transformers", "pyarrow", "datasets", "pydantic", "numpy", "bm25s", "yaml"}


def test_importing_the_package_loads_nothing():
    program = (
        "import sys, syneg_data\n"
        "assert 'build' in dir(syneg_data)\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}), sorted(m for m in sys.modules if m.startswith('syneg_data')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['syneg_data']"


def test_rows_and_collections_load_no_library():
    program = (
        "import sys\n"
        "from syneg_data import Candidate, Collection, Document, Example, Hit, SynegError, Verdict\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", syneg_data.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    found = getattr(syneg_data, name)
    assert len(found.__doc__) > 20
    assert name not in {module.name for module in pkgutil.iter_modules(syneg_data.__path__)}, "a room would hide it"


def test_a_name_that_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="'syneg_data' has no attribute 'nonsense'"):
        _ = syneg_data.nonsense


USER = """
from pathlib import Path

from syneg_data import Collection, Document, Mixed, PathModel, build, load_recipe, mine, mix, read_build, validate
from syneg_data.mining import Bm25
from syneg_data.mixing import Mixing
from syneg_data.validation import CrossEncoderReranker, Floor, Relative, Validation

collection = Collection({"d": Document("d", "text")}, {"q": "query"}, {"q": {"d": 1}})
judge = CrossEncoderReranker(model=PathModel(path="models/judge"))
gate = Validation(rerankers=(judge,), rule=Relative(margin=0.1), floor=Floor(sample=50))
mined = mine(collection, [Bm25(depth=5)])
reveal_type(mined.candidates[0].sources[0].score)
reveal_type(build("recipe.yaml").folder)
reveal_type(read_build(Path("builds/it")).examples)
reveal_type(load_recipe("recipe.yaml").recipe.validation)


def use(spec: Mixing) -> Mixed:
    return mix(collection, spec, validate(collection, gate, mined, seed=1))


mine(collection, "bm25")
Relative(margin="wide")
build(3)
"""
# The libraries below take most of a minute, and none of their types is asked for.
SETTINGS = """
[mypy]
strict = true
follow_imports = silent
[mypy-torch.*,transformers.*,numpy.*,huggingface_hub.*,rich.*,jinja2.*,yaml.*,aiohttp.*,httpx.*,matplotlib.*]
follow_imports = skip
"""


def test_a_strict_type_checker_sees_real_types(tmp_path, root):
    """Outside the package's own settings, and without the plugin of pydantic."""
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", tmp_path / "cache", "user.py"],
        cwd=tmp_path,
        env={"PATH": "", "MYPYPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        'user.py:13: note: Revealed type is "float | None"',
        'user.py:14: note: Revealed type is "pathlib.Path | None"',
        'user.py:15: note: Revealed type is "list[syneg_data.records.Example]"',
        'user.py:16: note: Revealed type is "syneg_data.validation.Validation"',
        'user.py:23: error: Argument 2 to "mine" has incompatible type "str"; expected '
        '"Sequence[Bm25 | Dense | RunFile]"  [arg-type]',
        'user.py:24: error: Argument "margin" to "Relative" has incompatible type "str"; expected "float"  [arg-type]',
        'user.py:25: error: Argument 1 to "build" has incompatible type "int"; expected '
        '"RecipeFile | str | Path"  [arg-type]',
    ]


def test_the_package_says_that_it_is_typed(root):
    """The wheel holds whatever lies in the package."""
    assert (root / "syneg_data" / "py.typed").is_file()
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["syneg_data"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    save_words(folder / "words")
    write_data(folder / "data", changes=[("f001", TWIN)])
    write_run(folder / "run.txt", shapes=("half", "low", "off", "near", "p"))
    return folder


@pytest.fixture(autouse=True)
def cache(home, monkeypatch):
    monkeypatch.setenv("SYNEG_CACHE", str(home / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="module")
def file(home):
    """A recipe with written negatives and written positives, on a scripted language model."""
    with ScriptedServer(drafts) as server:
        generation = {
            "engine": engine_at(server),
            "strategies": [
                {"kind": "syneg", "per_pair": 3, "attributes": {"tone": list(TONES)}},
                {"kind": "restyle"},
            ],
            "reflection": {"kind": "none"},
            "terms": "apache-2.0",
        }
        mixing = {"kind": "hybrid", "synthetic": 1, "mined": 1, "restyled": 0.5}
        where = (home / "data", home / "run.txt", home / "words", {"rule": {"kind": "relative"}})
        yield load_recipe(write_recipe(home / "recipe", *where, generation=generation, mixing=mixing))


@pytest.fixture(scope="module")
def past(home, file):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNEG_CACHE", str(home / "cache"))
        patch.delenv("OPENAI_API_KEY", raising=False)
        done = build(str(file.path), str(home / "built"))
    return read_build(done.folder)


def test_the_functions_are_the_stages_of_a_build(file, past):
    """The same calls on plain objects give the rows of the build's tables, one for one."""
    recipe = file.recipe
    collection = recipe.source.load(recipe.seed)
    mined = mine(collection, recipe.mining, guards=recipe.guards)
    written = generate(collection, recipe.generation, mined, seed=recipe.seed)
    judged = validate(collection, recipe.validation, mined, written, seed=recipe.seed)
    mixed = mix(collection, recipe.mixing, judged, written, strategies=recipe.generation.strategies, seed=recipe.seed)
    stages = past.report["stages"]
    assert (len(mined.candidates), len(written.rows)) == (stages["mine"]["in"], 24) == (30, 24)
    assert plain(judged.verdicts) == past.judged.verdicts
    assert plain(judged.restyled) == past.judged.restyled
    assert len(judged.restyled) == 6
    assert judged.scores == past.judged.scores
    assert judged.facts == past.judged.facts
    assert mixed.examples == past.examples
    tables = training_tables(collection, mixed, written)
    for config, table in tables.items():
        assert table.to_pylist() == past.release.table(config).to_pylist(), config
    assert [table.shape for table in tables.values()] == [(12, 3), (6, 4), (6, 5)]


def test_the_figures_of_the_audit_are_those_of_the_build(file, past):
    recipe = file.recipe
    collection = recipe.source.load(recipe.seed)
    written = generate(collection, recipe.generation, seed=recipe.seed)
    found = examine(collection, past.mix(), past.judged, written, seed=recipe.seed)
    known = {row["name"]: row for row in past.report["audit"]["measures"]}
    assert len(found.measures) > 10
    assert {m.name: (m.value, m.n) for m in found.measures if m.value is not None} == {
        m.name: (known[m.name]["value"], known[m.name]["n"]) for m in found.measures if m.value is not None
    }


def plain(verdicts):
    """As a build keeps them: without the scores beside the deciding one, which are rows of their own."""
    return [replace(verdict, scores=()) for verdict in verdicts]


def test_a_build_read_back_has_every_text_that_was_judged(file, past):
    recipe = file.recipe
    collection = recipe.source.load(recipe.seed)
    written = generate(collection, recipe.generation, mine(collection, recipe.mining), seed=recipe.seed)
    judged = {verdict.doc_id for verdict in (*past.judged.verdicts, *past.judged.restyled)}
    texts = {document.doc_id: document for document in written.documents()}
    assert set(past.collection.documents) == {*collection.documents, *texts}
    assert len(texts) == 24
    assert texts.keys() <= judged
    assert all(past.collection.documents[doc_id] == document for doc_id, document in texts.items())
    assert past.collection.queries == collection.queries
    assert past.collection.qrels == collection.qrels


def test_mixing_anew_without_a_change_gives_the_build(past):
    assert past.mix().examples == past.examples
    assert past.mix(judged=past.rejudge(rule=past.recipe.validation.rule)).examples == past.examples
    assert any(example.positive_id.startswith("synthetic-") for example in past.examples)


def test_another_gate_and_another_mixing(past):
    """`near` (0.68966) and `half` (0.6) lie below 0.95 * 0.8, the drafts of tone `dry` have 0.44721."""
    assert past.judged.counts() == {"duplicate": 1, "false_negative": 6, "keep": 24, "too_easy": 11}
    judged = past.rejudge(rule=Relative(margin=0.2))
    assert judged.counts() == {"duplicate": 1, "false_negative": 12, "keep": 18, "too_easy": 11}
    assert repr(judged) == "Judged(1 duplicate, 12 false_negative, 18 keep, 11 too_easy)"
    hardest = past.mix(MinedOnly(mined=1)).examples[0]
    assert (hardest.negative_ids[0][2:], hardest.scores) == ("-near", (0.68966,))
    assert past.mix(MinedOnly(mined=1), judged).examples[0].scores == (0.6,)


def test_a_past_build_tells_the_story_of_a_query(past):
    story = past.explain("q00")
    assert [row["doc_id"] for row in story["candidates"] if row["reason"] == "positive"] == ["00-p"]
    with pytest.raises(InputError, match="no query 'q99'"):
        past.explain("q99")


def test_what_is_no_build_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no manifest\.json of a build"):
        read_build(tmp_path)


def test_a_build_says_in_a_line_what_it_is(file, home, past):
    again = build(file, home / "built")
    assert repr(again) == f"Build('world', 6 examples, {str(home / 'built')!r})"
    assert again.run["build_reused"] is True
    early = build(file, home / "built", until="mine")
    assert repr(early) == "Build('world', no examples yet, 'no folder yet')"
    assert repr(past) == "PastBuild('built')"
    assert repr(past.collection) == "Collection(228 documents, 6 queries, 6 pairs)"
    assert repr(file) == f"RecipeFile({str(file.path)!r})"


class Interrupted(Silence):
    """A person who presses Ctrl-C in a stage, once its first rows are there."""

    def __init__(self, stage):
        self.stage, self.now = stage, ""

    def start(self, stage, total, unit):
        self.now = stage

    def advance(self, items, *, reused=False):
        if self.now == self.stage:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stage", ["mine", "generate", "validate"])
def test_an_interrupted_call_goes_on_in_the_same_process(file, home, past, stage, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build(file, tmp_path / "it", progress=Interrupted(stage))
    assert not (tmp_path / "it").exists()
    done = build(file, tmp_path / "it")
    assert done.run["chunks_resumed"] == {"mine": 3, "generate": 4, "validate": 5}[stage]
    assert files_of(tmp_path / "it") == files_of(home / "built")


def test_a_recipe_is_built_from_anywhere(home, past, monkeypatch, tmp_path):
    """It is read in one folder and built from another; its prose is found, and `out` is relative to where one is."""
    (home / "cards").mkdir()
    prose = "".join(f"## {name}\n\nWords on {name}.\n\n" for name in ("what", "limits", "license", "citation"))
    (home / "cards" / "world.md").write_text(prose)
    monkeypatch.chdir(home)
    file = load_recipe("recipe/world.yaml")
    monkeypatch.chdir(tmp_path)
    done = build(file, "here/it")
    assert done.folder == tmp_path / "here" / "it"
    assert "Words on limits." in (done.folder / "README.md").read_text()


CORPUS = Collection(
    {"a": Document("a", "zinc helps"), "b": Document("b", "zinc harms"), "c": Document("c", "Zinc, harms!")},
    {"q": "zinc"},
    {"q": {"a": 1}},
)


def test_a_collection_of_ones_own_is_mined():
    found = mine(CORPUS, [Bm25(depth=3)])
    assert [(row.doc_id, row.reason) for row in found.candidates] == [("a", "positive"), ("b", "")]
    assert [(twin.doc_id, twin.same_as) for twin in found.twins] == [("c", "b")]


def test_guards_are_the_recipes_or_those_that_are_named():
    """Two of three sequences of words are shared, 0.67 of them."""
    texts = {"a": "zinc helps against colds", "b": "zinc helps against colds indeed"}
    alike = Collection({key: Document(key, text) for key, text in texts.items()}, {"q": "zinc"}, {"q": {"a": 1}})
    assert [row.reason for row in mine(alike, [Bm25()]).candidates] == ["positive", ""]
    strict = mine(alike, [Bm25()], guards=Guards(near_duplicate=0.5))
    assert [row.reason for row in strict.candidates] == ["positive", "near_duplicate_of_positive"]


def test_examples_with_more_and_fewer_negatives_are_lists():
    kept = [
        Verdict("q", None, "b", "mined", (Hit("bm25", 1, 2.0),), 0.4, 0.9, (), "keep", ""),
        Verdict("q", "a", "d", "synthetic", (Hit("syneg", 1, None),), 0.5, 0.9, (), "keep", ""),
        Verdict("r", None, "b", "mined", (Hit("bm25", 1, 2.0),), 0.3, 0.9, (), "keep", ""),
    ]
    texts = {**CORPUS.documents, "d": Document("d", "Zinc mends bones")}
    whole = Collection(texts, {"q": "zinc", "r": "what helps"}, {"q": {"a": 1}, "r": {"a": 1}})
    mixed = mix(whole, Hybrid(synthetic=1, mined=1, shortage="ragged"), Judged(kept))
    tables = {name: table.to_pylist() for name, table in training_tables(whole, mixed).items()}
    assert list(tables) == ["triplet", "ragged", "ids"]
    assert tables["ragged"] == [
        {"query": "zinc", "positive": "zinc helps", "negatives": ["Zinc mends bones", "zinc harms"]},
        {"query": "what helps", "positive": "zinc helps", "negatives": ["zinc harms"]},
    ]
    assert len(tables["triplet"]) == 3
    even = training_tables(whole, mix(whole, Hybrid(synthetic=1, mined=1), Judged(kept)))
    assert {name: table.shape for name, table in even.items()} == {"triplet": (2, 3), "n-tuple": (1, 4), "ids": (1, 5)}


def test_two_of_one_name_are_refused(home):
    with pytest.raises(InputError, match=r"^mining\[1\]: the name 'bm25' is taken; give each entry a `name`"):
        mine(CORPUS, [Bm25(), Bm25(depth=7)])
    words = PathModel(path=home / "words")
    twice = [BiEncoderReranker(model=words), BiEncoderReranker(model=words, max_length=9)]
    with pytest.raises(InputError, match=r"^validation.rerankers\[1\]: the name 'bi_encoder' is taken"):
        validate(CORPUS, Validation(rerankers=twice), Mined())


def test_a_gate_that_does_not_fit_together_is_refused(home):
    words = PathModel(path=home / "words")
    unfit = Validation(rerankers=[BiEncoderReranker(model=words)], rule=Relative(), ambiguous="keep")
    with pytest.raises(InputError, match=r"^validation.ambiguous: the rule has no band of doubt"):
        validate(CORPUS, unfit, Mined())
    double = [BiEncoderReranker(model=words), BiEncoderReranker(name="other", model=words)]
    with pytest.raises(InputError, match=r"^validation.rerankers\[1\]: says what validation.rerankers\[0\] says"):
        validate(CORPUS, Validation(rerankers=double), Mined())
