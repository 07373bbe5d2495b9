"""Recipes: every error of a file at once, each as file:line: path: what; what to do."""

import re
from pathlib import Path

import pytest

from syneg_data.errors import InputError
from syneg_data.mixing import MinedOnly
from syneg_data.recipe import UNIONS, export_problems, load_recipe
from syneg_data.references import HubModel, PackageModel, PathModel
from syneg_data.spec import members

RECIPES = Path(__file__).parents[1] / "recipes"

BASE = """\
name: tiny
seed: 13
source: {kind: beir, path: data, split: train, license: cc-by-4.0}
mining:
  - kind: bm25
validation:
  rerankers:
    - kind: bi_encoder
      model: model
mixing: {kind: mined_only}
publishing: {license: cc-by-4.0}
"""

GENERATION = """\
generation:
  engine: {kind: transformers, model: model}
  strategies:
    - {kind: syneg}
  terms: apache-2.0
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Writes a recipe to `recipes/x.yaml` beside `recipes/data` and `recipes/model`, and loads it."""
    monkeypatch.chdir(tmp_path)
    for name in ("data", "model"):
        (tmp_path / "recipes" / name).mkdir(parents=True)

    def run(text, **options):
        data = text if isinstance(text, bytes) else text.encode()
        Path("recipes/x.yaml").write_bytes(data)
        return load_recipe("recipes/x.yaml", **options).recipe

    return run


@pytest.fixture
def problems(check):
    """The lines of the refusal of a recipe."""

    def run(text):
        with pytest.raises(InputError) as caught:
            check(text)
        assert caught.value.exit_code == 2
        return str(caught.value).split("\n")

    return run


def changed(*pairs):
    text = BASE
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


BM25 = "  - kind: bm25\n"

# One change to the recipe above, and the one line that it must earn.
ONE_PROBLEM = {
    "unknown key": ((BM25, BM25 + "    depht: 5\n"), "6: mining[0].depht: unknown key; did you mean 'depth'?"),
    "unknown key without a likeness": (
        (BM25, BM25 + "    colour: 5\n"),
        "6: mining[0].colour: unknown key; known here: kind, name, depth, skip, engine, k1, b, stopwords",
    ),
    "unknown section": (
        ("seed: 13", "seed: 13\ngenerations: {}"),
        "3: generations: unknown key; did you mean 'generation'?",
    ),
    "unknown kind": (("kind: bm25", "kind: bm52"), "5: mining[0]: unknown kind 'bm52'; did you mean 'bm25'?"),
    "unknown kind without a likeness": (
        ("kind: mined_only", "kind: x"),
        "10: mixing: unknown kind 'x'; known here: hybrid, pooled, synthetic_only, mined_only, quota, ambiguous, "
        "graded",
    ),
    "unknown kind of one": (
        ("kind: beir", "kind: bier"),
        "3: source: unknown kind 'bier'; did you mean 'beir'?",
    ),
    "missing kind": (("kind: bm25", "depth: 5"), "5: mining[0]: has no `kind`; add one"),
    "missing kind of a section": (("{kind: mined_only}", "{mined: 2}"), "10: mixing: has no `kind`; add one"),
    "missing field": ((", license: cc-by-4.0}\nmining", "}\nmining"), "3: source.license: missing; add it"),
    "other without a link": (
        ("{license: cc-by-4.0}", "{license: other, license_name: mine-1.0}"),
        "11: publishing.license_link: missing; license: other says nothing by itself, so state license_link",
    ),
    "a name for a licence that has one": (
        ("{license: cc-by-4.0}", "{license: cc-by-4.0, license_name: mine}"),
        "11: publishing.license_name: belongs to license: other, and this one is cc-by-4.0; remove it",
    ),
    "a language that is none": (
        ("{license: cc-by-4.0}", "{license: cc-by-4.0, language: [en, english]}"),
        "11: publishing.language[1]: unknown language 'english'; "
        "use codes of ISO 639-1, two lower-case letters such as en",
    ),
    "missing section": (("publishing: {license: cc-by-4.0}\n", ""), "1: publishing: missing; add it"),
    "text for a number": (("seed: 13", 'seed: "13"'), "2: seed: must be a valid integer, not '13'; change the value"),
    "boolean for a number": (
        ("seed: 13", "seed: true"),
        "2: seed: must be a valid integer, not True; change the value",
    ),
    "fraction for a number": (("seed: 13", "seed: 1.5"), "2: seed: must be a valid integer, not 1.5; change the value"),
    "empty for a number": (("seed: 13", "seed:"), "2: seed: must be a valid integer, not empty; change the value"),
    "negative seed": (
        ("seed: 13", "seed: -1"),
        "2: seed: must be greater than or equal to 0, not -1; change the value",
    ),
    "limit 0": (
        ("seed: 13", "seed: 13\nlimit: 0"),
        "3: limit: must be greater than or equal to 1, not 0; change the value",
    ),
    "depth 0": (
        (BM25, BM25 + "    depth: 0\n"),
        "6: mining[0].depth: must be greater than or equal to 1, not 0; change the value",
    ),
    "infinite number": (
        (BM25, BM25 + "    k1: 1e999\n"),
        "6: mining[0].k1: must be a finite number, not inf; change the value",
    ),
    "number for a name": (("name: tiny", "name: 3"), "1: name: must be a valid string, not 3; change the value"),
    "list for text": (("name: tiny", "name: [a]"), "1: name: must be a valid string, not a list; change the value"),
    "text for a mapping": (
        ("{kind: mined_only}", "mined_only"),
        "10: mixing: must be a mapping, not 'mined_only'; write its keys below it",
    ),
    "mapping for a list": (
        ("mining:\n  - kind: bm25", "mining:\n    kind: bm25"),
        "4: mining: must be a list, not a mapping; start each entry with `- `",
    ),
    "name with a slash": (
        ("name: tiny", "name: a/b"),
        "1: name: 'a/b' does not match ^[a-z0-9][a-z0-9._-]*$; choose another",
    ),
    "dev share of 1": (
        ("split: train", "split: train, dev: 1.0"),
        "3: source.dev: must be less than 1, not 1.0; change the value",
    ),
    "number for a model": (
        ("model: model", "model: 3"),
        "9: validation.rerankers[0].model: must be a mapping, not 3; write its keys below it",
    ),
    "number for a model's path": (
        ("model: model", "model: {kind: path, path: 3}"),
        "9: validation.rerankers[0].model.path: must be a valid string, not 3; change the value",
    ),
    "unknown kind of a model": (
        ("model: model", "model: {kind: hup, id: a/b, revision: c}"),
        "9: validation.rerankers[0].model: unknown kind 'hup'; did you mean 'hub'?",
    ),
    "unknown key of a model": (
        ("model: model", "model: {kind: path, path: model, rev: x}"),
        "9: validation.rerankers[0].model.rev: unknown key; known here: kind, path, license",
    ),
    "unknown licence": (
        ("license: cc-by-4.0}\nmining", "license: CC-BY-4.0}\nmining"),
        "3: source.license: unknown licence 'CC-BY-4.0'; did you mean 'cc-by-4.0'?",
    ),
    "same name twice": (
        (BM25, BM25 + BM25),
        "6: mining[1]: the name 'bm25' is taken; give each entry a `name` of its own",
    ),
    "hybrid without generation": (
        ("mined_only", "hybrid"),
        "10: mixing.kind: 'hybrid' needs a generation section with a strategy that writes negatives; "
        "add one, or use kind: mined_only",
    ),
    "quota of an unknown source": (
        ("{kind: mined_only}", "{kind: quota, sources: {bm52: 2}}"),
        "10: mixing.sources.bm52: no source 'bm52'; did you mean 'bm25'?",
    ),
    "quota of nothing": (
        ("{kind: mined_only}", "{kind: quota, sources: {}}"),
        "10: mixing.sources: is empty; add an entry",
    ),
    "quota of none": (
        ("{kind: mined_only}", "{kind: quota, sources: {bm25: 0}}"),
        "10: mixing.sources.bm25: must be greater than or equal to 1, not 0; change the value",
    ),
    "backfill from nowhere": (
        ("{kind: mined_only}", "{kind: mined_only, shortage: backfill}"),
        "10: mixing.backfill: names the sources that a shortage is filled from; add it, such as [bm25]",
    ),
    "backfill that is not asked for": (
        ("{kind: mined_only}", "{kind: mined_only, backfill: [bm25]}"),
        "10: mixing.backfill: names the sources that a shortage is filled from; set shortage: backfill, or leave "
        "it out",
    ),
    "backfill from an unknown source": (
        ("{kind: mined_only}", "{kind: mined_only, shortage: backfill, backfill: [bm25, syneg]}"),
        "10: mixing.backfill[1]: no source 'syneg'; known here: bm25",
    ),
    "lengths of what is not there": (
        ("{kind: mined_only}", "{kind: quota, sources: {bm25: 1}, match_lengths: synthetic}"),
        "10: mixing.match_lengths: there are no synthetic negatives to be like; use positive, or leave it out",
    ),
    "licence conflict": (
        ("license: cc-by-4.0}\nmining", "license: cc-by-sa-4.0}\nmining"),
        "11: publishing.license: the source's licence cc-by-sa-4.0 is share-alike; "
        "set publishing.license: cc-by-sa-4.0",
    ),
    "no derivatives": (
        ("license: cc-by-4.0}\nmining", "license: cc-by-nd-4.0}\nmining"),
        "11: publishing.license: the source's licence cc-by-nd-4.0 forbids publishing derived texts; "
        "choose another source",
    ),
    "key twice": (("seed: 13", "seed: 13\nseed: 14"), "3: recipe: key 'seed' stands twice; keep one"),
    "key twice within": (
        (BM25, BM25 + "    depth: 1\n    depth: 2\n"),
        "7: mining[0]: key 'depth' stands twice; keep one",
    ),
    "key that is a list": (("seed: 13", "seed: 13\n? [a]\n: b"), "3: recipe: a key is not text; write a word"),
    "tag": (
        ("seed: 13", "seed: !!python/name:os.system x"),
        "2: seed: tag tag:yaml.org,2002:python/name:os.system is not allowed; write a plain value",
    ),
    "date tag": (
        ("name: tiny", "name: !!timestamp 2020-01-01"),
        "1: name: tag tag:yaml.org,2002:timestamp is not allowed; write a plain value",
    ),
    "tag on a mapping": (
        ("mixing: {", "mixing: !!python/object:os.system {"),
        "10: mixing: tag tag:yaml.org,2002:python/object:os.system is not allowed; write a plain value",
    ),
    "tag on a list": (
        ("  rerankers:\n", "  rerankers: !mine\n"),
        "7: validation.rerankers: tag !mine is not allowed; write a plain value",
    ),
    "no miners": (("mining:\n  - kind: bm25", "mining: []"), "4: mining: is empty; add an entry"),
}


@pytest.mark.parametrize(("change", "line"), ONE_PROBLEM.values(), ids=list(ONE_PROBLEM))
def test_one_mistake_is_one_line(problems, change, line):
    assert problems(changed(change)) == [f"recipes/x.yaml:{line}"]


# Paths that are not there: path: what
NOT_THERE = {
    "path": (("path: data", "path: daat"), "3: source.path: no such file or folder: 'daat'"),
    "home of nobody": (("path: data", "path: ~nosuchuser/x"), "3: source.path: "),
    "overlong path": (("path: data", "path: " + "x" * 300), "3: source.path: "),
    "NUL in a path": (("path: data", 'path: "a\\0b"'), "3: source.path: "),
    "model": (
        ("model: model", "model: modle"),
        "9: validation.rerankers[0].model: 'modle' is neither an existing path nor ID@REVISION",
    ),
    "overlong model": (("model: model", "model: " + "x" * 300), "9: validation.rerankers[0].model: "),
    "model of nobody": (("model: model", "model: ~nosuchuser/x"), "9: validation.rerankers[0].model: "),
    "NUL in a model": (("model: model", 'model: "a\\0b"'), "9: validation.rerankers[0].model: "),
}


@pytest.mark.parametrize(("change", "start"), NOT_THERE.values(), ids=list(NOT_THERE))
def test_a_path_that_is_not_there_says_what_to_do(problems, change, start):
    (line,) = problems(changed(change))
    assert line.startswith(f"recipes/x.yaml:{start}")
    assert "; " in line


def test_a_loop_of_links_is_no_path(problems, tmp_path):
    (tmp_path / "recipes").mkdir(exist_ok=True)
    (tmp_path / "recipes" / "loop").symlink_to("loop")
    (line,) = problems(changed(("path: data", "path: loop")))
    assert line.startswith("recipes/x.yaml:3: source.path: ")


def test_all_mistakes_of_a_file_come_at_once_in_its_order(problems):
    text = changed(
        ("seed: 13", 'seed: "x"'),
        ("path: data, split: train, ", "path: data, splt: train, "),
        (BM25, BM25 + "    depht: 5\n  - kind: bm52\n"),
        ("{kind: mined_only}", "{kind: mined_only, shortage: keep}"),
        ("publishing: {license: cc-by-4.0}", "publishing: {license: gpl}"),
    )
    found = problems(text)
    assert [line for line in found if "mining:" not in line] == [
        "recipes/x.yaml:2: seed: must be a valid integer, not 'x'; change the value",
        "recipes/x.yaml:3: source.split: missing; add it",
        "recipes/x.yaml:3: source.splt: unknown key; did you mean 'split'?",
        "recipes/x.yaml:6: mining[0].depht: unknown key; did you mean 'depth'?",
        "recipes/x.yaml:7: mining[1]: unknown kind 'bm52'; did you mean 'bm25'?",
        "recipes/x.yaml:12: mixing.shortage: must be 'drop', 'ragged', 'backfill' or 'fail', not 'keep'; "
        "change the value",
        "recipes/x.yaml:13: publishing.license: unknown licence 'gpl'; use one of: " + found[-1].partition("of: ")[2],
    ]


def test_mistakes_come_in_the_order_of_the_file_not_of_the_schema(problems):
    first, *others = BASE.splitlines(keepends=True)
    text = "".join(reversed(others[-2:])) + "".join(others[:-2]) + first
    text = text.replace("name: tiny", "name: 3").replace("mined_only", "x").replace("seed: 13", "seed: x")
    assert [line.split(": ")[0:2] for line in problems(text)] == [
        ["recipes/x.yaml:2", "mixing"],
        ["recipes/x.yaml:3", "seed"],
        ["recipes/x.yaml:11", "name"],
    ]


def test_the_contracts_example_in_line_12(problems):
    text = "# a\n# b\n# c\n# d\n# e\n# f\n" + changed((BM25, BM25 + "    depht: 5\n"))
    assert "recipes/x.yaml:12: mining[0].depht: unknown key; did you mean 'depth'?" in problems(text)


def test_an_error_in_a_list_does_not_claim_that_the_list_is_empty(problems):
    assert [line for line in problems(changed(("kind: bm25", "kind: bm52"))) if "at least" in line] == []


def test_no_internal_tags_in_a_location(problems):
    text = changed(("      model: model\n", "      model: {kind: package, sha256: x, pakage: y}\n"))
    for line in problems(text):
        assert re.match(r"recipes/x\.yaml:\d+: validation\.rerankers(\[0\]\.model(\.\w+)?)?: ", line), line


# The gate: what stands in the validation section of the recipe above, and the lines that it must earn

LLM = "    - {kind: llm, engine: {kind: openai, base_url: http://127.0.0.1/v1, model: m, revision: r}}\n"
RERANKER = "    - kind: bi_encoder\n      model: model\n"
PAIRS = "kind: cross_encoder\n      model: model\n"
DOUBT = "  rule: {kind: relative, doubt: 0.1}\n"
GATES = {
    "llm without an llm reranker": (
        RERANKER + "  ambiguous: llm\n" + DOUBT,
        ["10: validation.ambiguous: 'llm' needs exactly one reranker of kind llm, here are 0; add or remove one"],
    ),
    "llm with two llm rerankers": (
        RERANKER + LLM + LLM.replace("kind: llm,", "kind: llm, name: other,") + "  ambiguous: llm\n" + DOUBT,
        ["12: validation.ambiguous: 'llm' needs exactly one reranker of kind llm, here are 2; add or remove one"],
    ),
    "nobody left to judge": (
        LLM + "  ambiguous: llm\n" + DOUBT,
        ["7: validation.rerankers: only the llm reranker is left to judge; add another, or use ambiguous: drop"],
    ),
    "one curve without a rule that fits one": (
        RERANKER + "  agree: joint\n  rule: {kind: percentile}\n",
        ["10: validation.agree: 'joint' needs rule.kind calibrated, not percentile; use any, all or mean"],
    ),
    "kept without doubt": (
        RERANKER + "  ambiguous: keep\n",
        ["10: validation.ambiguous: the rule has no band of doubt, so nothing is ambiguous; set rule.doubt"],
    ),
    "asked without doubt": (
        RERANKER + LLM + "  ambiguous: llm\n  rule: {kind: absolute, maximum: 0.5, doubt: 0}\n",
        ["11: validation.ambiguous: the rule has no band of doubt, so nothing is ambiguous; set rule.doubt"],
    ),
    "reviewed under a name of the gate": (
        RERANKER + "  review:\n    reranker: {kind: cross_encoder, name: bi_encoder, model: model}\n",
        [
            "11: validation.review.reranker: the name 'bi_encoder' is a reranker's of the gate; "
            "give it a name of its own"
        ],
    ),
    "two rerankers of one name": (
        RERANKER + RERANKER,
        ["10: validation.rerankers[1]: the name 'bi_encoder' is taken; give each entry a `name` of its own"],
    ),
    "everything at once": (
        LLM + LLM + "  ambiguous: llm\n",
        [
            "10: validation.ambiguous: 'llm' needs exactly one reranker of kind llm, here are 2; add or remove one",
            "7: validation.rerankers: only the llm reranker is left to judge; add another, or use ambiguous: drop",
            "10: validation.ambiguous: the rule has no band of doubt, so nothing is ambiguous; set rule.doubt",
            "9: validation.rerankers[1]: the name 'llm' is taken; give each entry a `name` of its own",
        ],
    ),
    "a number format that is none": (
        f"    - {PAIRS}      dtype: int4\n",
        ["10: validation.rerankers[0].dtype: must be 'float32', 'bfloat16' or 'int8', not 'int4'; change the value"],
    ),
    "unknown rule": (
        RERANKER + "  rule: {kind: percentil}\n",
        ["10: validation.rule: unknown kind 'percentil'; did you mean 'percentile'?"],
    ),
    "a rule beyond every relevance": (
        RERANKER + "  rule: {kind: calibrated, maximum: 1.01}\n",
        ["10: validation.rule.maximum: must be less than or equal to 1, not 1.01; change the value"],
    ),
    "a rule within a rule": (
        RERANKER + "  rule: {kind: calibrated, otherwise: {kind: relative, margin: 1}}\n",
        ["10: validation.rule.otherwise.margin: must be less than 1, not 1; change the value"],
    ),
    "a review of next to nothing": (
        RERANKER + "  review: {reranker: {kind: cross_encoder, model: model}, sample: 19}\n",
        ["10: validation.review.sample: must be greater than or equal to 20, not 19; change the value"],
    ),
    "unknown key of an llm reranker": (
        RERANKER + LLM.replace("kind: llm,", "kind: llm, wrds: 5,"),
        ["10: validation.rerankers[1].wrds: unknown key; did you mean 'words'?"],
    ),
}


@pytest.mark.parametrize(("section", "lines"), GATES.values(), ids=list(GATES))
def test_a_gate_that_does_not_fit_together(problems, section, lines):
    assert problems(changed((RERANKER, section))) == [f"recipes/x.yaml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (["dtype: int8"], "dtype int8 is not to be had with backend torch, which offers float32 and bfloat16"),
        (
            ["backend: onnx", "dtype: bfloat16"],
            "dtype bfloat16 is not to be had with backend onnx, which offers float32 and int8",
        ),
        (
            ["backend: openvino", "dtype: int8"],
            "dtype int8 is not to be had with backend openvino, which offers float32 and bfloat16",
        ),
    ],
)
def test_a_number_format_that_a_backend_does_not_offer(problems, keys, what):
    section = f"    - {PAIRS}" + "".join(f"      {key}\n" for key in keys)
    (line,) = problems(changed((RERANKER, section)))
    assert line.startswith("recipes/x.yaml:8: validation.rerankers[0]: ")
    assert f"{what}; change one of the two" in line


@pytest.mark.parametrize(
    "section",
    [
        RERANKER + LLM + "  ambiguous: llm\n" + DOUBT,
        RERANKER + "  ambiguous: keep\n  rule: {kind: calibrated, doubt: 0.1}\n",
        LLM,
        RERANKER + f"  review:\n    reranker:\n      name: other\n      {PAIRS}",
        f"    - {PAIRS}      backend: onnx\n      dtype: int8\n",
        f"    - {PAIRS}      dtype: bfloat16\n",
    ],
)
def test_a_gate_that_fits_together(check, section):
    recipe = check(changed((RERANKER, section)))
    assert recipe.validation.panel() == [0]
    assert recipe.validation.second() == (1 if "ambiguous: llm" in section else None)


def test_misfits_of_several_sections_come_at_once(problems):
    text = changed((BM25, BM25 + BM25), ("mined_only", "hybrid"), ("cc-by-4.0}\nmining", "cc-by-nc-4.0}\nmining"))
    assert problems(text) == [
        "recipes/x.yaml:11: mixing.kind: 'hybrid' needs a generation section with a strategy that writes negatives; "
        "add one, or use kind: mined_only",
        "recipes/x.yaml:12: publishing.license: the source's licence cc-by-nc-4.0 is non-commercial; "
        "choose a non-commercial licence such as cc-by-nc-4.0",
        "recipes/x.yaml:6: mining[1]: the name 'bm25' is taken; give each entry a `name` of its own",
    ]


@pytest.mark.parametrize("terms", ["openai", "llama3.1"])
def test_terms_of_the_generator_can_conflict(problems, terms):
    (line,) = problems(BASE + GENERATION.replace("apache-2.0", terms))
    assert line.startswith(f"recipes/x.yaml:11: publishing.license: the generator's terms '{terms}' ")


def test_two_strategies_need_two_names(problems):
    text = BASE + GENERATION.replace("    - {kind: syneg}\n", "    - {kind: syneg}\n    - {kind: syneg}\n")
    expected = (
        "recipes/x.yaml:16: generation.strategies[1]: the name 'syneg' is taken; give each entry a `name` of its own"
    )
    assert problems(text) == [expected]


def test_hybrid_with_generation_is_sound(check):
    recipe = check(changed(("mined_only", "hybrid")) + GENERATION)
    assert recipe.mixing.negatives == 3
    assert recipe.generation.strategies[0].name == "syneg"


# Values as YAML 1.2 reads them

SCALARS = {
    "1e-5": ("k1", "1e-5", 1e-5),
    "1E3": ("k1", "1E3", 1000.0),
    "whole number for a fraction": ("k1", "2", 2.0),
    "leading point": ("b", ".5", 0.5),
    "leading zero": ("depth", "010", 10),
    "leading zero and 8": ("depth", "08", 8),
    "plus": ("depth", "+7", 7),
    "no is text": ("name", "no", "no"),
    "on is text": ("name", "on", "on"),
    "a version is text": ("name", "1.2.3", "1.2.3"),
    "1_000 is text": ("name", "1_000", "1_000"),
    "0x10 is text": ("name", "0x10", "0x10"),
    "a date is text": ("name", "2020-01-01", "2020-01-01"),
}


@pytest.mark.parametrize(("key", "written", "value"), SCALARS.values(), ids=list(SCALARS))
def test_scalars(check, key, written, value):
    read = getattr(check(changed((BM25, BM25 + f"    {key}: {written}\n"))).mining[0], key)
    assert (type(read), read) == (type(value), value)


def test_a_time_is_text_not_45045(problems):
    expected = "recipes/x.yaml:6: mining[0].depth: must be a valid integer, not '12:30:45'; change the value"
    assert expected in problems(changed((BM25, BM25 + "    depth: 12:30:45\n")))


@pytest.mark.parametrize("value", ["!!int abc", "!!float abc", "!!bool abc", "9" * 5000])
def test_a_scalar_that_is_not_what_its_tag_says(problems, value):
    (line,) = problems(changed(("seed: 13", f"seed: {value}")))
    assert line.startswith("recipes/x.yaml:2: seed: ")


# Files

BAD_FILES = {
    "empty": ("", "recipes/x.yaml:1: the recipe is not a mapping; start with `name:`"),
    "list": ("- 1\n", "recipes/x.yaml:1: the recipe is not a mapping; start with `name:`"),
    "scalar": ("hello\n", "recipes/x.yaml:1: the recipe is not a mapping; start with `name:`"),
    "open list": (
        "a: [1\nb: 2\n",
        "recipes/x.yaml:2: not valid YAML (expected ',' or ']', but got ':'); mend the line",
    ),
    "tab": (
        "a:\n\t- 1\n",
        r"recipes/x.yaml:2: not valid YAML (found character '\t' that cannot start any token); mend the line",
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        "recipes/x.yaml:2: not valid YAML (but found another document); mend the line",
    ),
    "unknown alias": ("a: 1\nb: *c\n", "recipes/x.yaml:2: not valid YAML (found undefined alias 'c'); mend the line"),
    "deep nesting": (
        "a: " + "[" * 5000,
        "recipes/x.yaml: nested too deeply, or too large, to be a recipe; write it flat",
    ),
    "deep closed nesting": (
        "a: " + "[" * 5000 + "]" * 5000,
        "recipes/x.yaml: nested too deeply, or too large, to be a recipe; write it flat",
    ),
    "UTF-16": ("name: x\n".encode("utf-16"), "recipes/x.yaml: not UTF-8 text; name a recipe in YAML"),
    "latin-1": (b"name: caf\xe9\n", "recipes/x.yaml: not UTF-8 text; name a recipe in YAML"),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_files_that_are_no_recipe(problems, text, message):
    assert problems(text) == [message]


@pytest.mark.parametrize("control", ["\0", "\x07", "\x1b"])
def test_control_characters_are_refused(problems, control):
    (line,) = problems(changed(("seed: 13", f"seed: 13 # {control}")))
    assert line.startswith("recipes/x.yaml:")
    assert "not valid YAML" in line


LAUGHS = "".join(f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}" if i else "x"] * 10) + "]\n" for i in range(10))


@pytest.mark.parametrize(
    "text", [LAUGHS, "a: &a [*a]\n", "a: &a {b: *a}\n"], ids=["laughs", "loop", "loop of mappings"]
)
def test_aliases_cannot_explode(problems, text):
    expected = "recipes/x.yaml: nested too deeply, or too large, to be a recipe; write it flat"
    assert problems(text) == [expected]


def test_an_alias_is_the_value_it_names(check):
    assert check(changed(("seed: 13", "seed: &a 13\nlimit: *a"))).limit == 13


def test_a_mistake_in_an_alias_is_reported_where_it_is_used(problems):
    text = changed(("seed: 13", "seed: &a 13"), (BM25, BM25 + "    name: *a\n"))
    expected = "recipes/x.yaml:6: mining[0].name: must be a valid string, not 13; change the value"
    assert problems(text) == [expected]


def test_a_missing_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^nope\.yaml: No such file or directory; name a recipe in YAML$"):
        load_recipe("nope.yaml")


def test_a_folder_for_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^\.: Is a directory; name a recipe in YAML$"):
        load_recipe(".")


@pytest.mark.parametrize("text", ["\ufeff" + BASE, BASE.replace("\n", "\r\n")], ids=["BOM", "CRLF"])
def test_a_recipe_from_another_editor(check, text):
    assert check(text) == check(BASE)


# Models

MODELS = {
    "existing path": ("model", PathModel, "path", "{here}/recipes/model"),
    "path mapping": ("{kind: path, path: ./model}", PathModel, "path", "{here}/recipes/model"),
    "id at revision": ("owner/name@v1.0", HubModel, "id", "owner/name"),
    "hub mapping": ("{kind: hub, id: owner/name, revision: v1.0}", HubModel, "revision", "v1.0"),
    "package": (
        "{kind: package, package: a==1, file: m.gguf, sha256: '" + "0" * 64 + "'}",
        PackageModel,
        "file",
        "m.gguf",
    ),
}


@pytest.mark.parametrize(("written", "kind", "name", "value"), MODELS.values(), ids=list(MODELS))
def test_ways_to_name_a_model(check, tmp_path, written, kind, name, value):
    model = check(changed(("model: model", f"model: {written}"))).validation.rerankers[0].model
    assert type(model) is kind
    assert getattr(model, name) == value.format(here=tmp_path)


def test_an_existing_path_with_an_at_is_a_path(check, tmp_path):
    (tmp_path / "recipes" / "a@b").mkdir()
    model = check(changed(("model: model", "model: a@b"))).validation.rerankers[0].model
    assert model.path == f"{tmp_path}/recipes/a@b"


def test_revision_of_the_shorthand(check):
    model = check(changed(("model: model", "model: owner/name@refs/pr/1"))).validation.rerankers[0].model
    assert (model.id, model.revision) == ("owner/name", "refs/pr/1")


@pytest.mark.parametrize("written", ["owner/name", "owner/name@", "'@main'"])
def test_a_hub_model_needs_a_revision(problems, written):
    (line,) = problems(changed(("model: model", f"model: {written}")))
    assert "is neither an existing path nor ID@REVISION" in line


BAD_PACKAGES = {
    "unpinned": ("package: a, file: b, sha256: '" + "0" * 64 + "'", ": 'a' is not pinned; write name==version"),
    "option": (
        "package: --index-url=x==1, file: b, sha256: '" + "0" * 64 + "'",
        ": '--index-url=x==1' is not pinned; write name==version",
    ),
    "both forms": (
        "package: a==1, file: b, files: [c], sha256: '" + "0" * 64 + "'",
        ": give either package and file, or packages and files",
    ),
    "traversal": ("package: a==1, file: a/../../b, sha256: '" + "0" * 64 + "'", ": 'a/../../b' leaves the package"),
    "absolute": ("package: a==1, file: /etc/passwd, sha256: '" + "0" * 64 + "'", ": '/etc/passwd' leaves the package"),
    "checksum": ("package: a==1, file: b, sha256: XYZ", ".sha256: "),
}


@pytest.mark.parametrize(("written", "what"), BAD_PACKAGES.values(), ids=list(BAD_PACKAGES))
def test_a_package_is_pinned_and_stays_inside(problems, written, what):
    found = problems(changed(("model: model", "model: {kind: package, " + written + "}")))
    assert any(line.startswith(f"recipes/x.yaml:9: validation.rerankers[0].model{what}") for line in found), found


# The rest


def test_paths_are_relative_to_the_recipe_not_to_the_current_folder(check, tmp_path, monkeypatch):
    check(BASE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    recipe = load_recipe("../recipes/x.yaml").recipe
    assert recipe.source.path == f"{tmp_path}/recipes/data"


def test_the_option_limit_replaces_the_recipes(check):
    assert check(BASE, limit=5).limit == 5
    assert check(changed(("seed: 13", "seed: 13\nlimit: 3")), limit=5).limit == 5
    assert check(changed(("seed: 13", "seed: 13\nlimit: 3"))).limit == 3


def test_a_recipe_is_frozen(check):
    recipe = check(BASE)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 14
    assert isinstance(recipe.mining, tuple)


def test_defaults_of_a_short_recipe(check):
    recipe = check(BASE)
    assert recipe.limit is None
    assert recipe.mining[0].depth == 50
    assert recipe.validation.agree is None
    assert recipe.validation.agreement() == "joint"
    assert (recipe.validation.rule.kind, recipe.validation.rule.maximum) == ("calibrated", 0.8)
    assert (recipe.validation.ambiguous, recipe.validation.false_negative) == ("drop", "drop")
    assert recipe.validation.review is None
    assert recipe.validation.floor.sample == 100
    assert recipe.publishing.language == ("en",)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", "joint"),
        ("  rule: {kind: calibrated}\n", "joint"),
        ("  rule: {kind: relative}\n", "any"),
        ("  rule: {kind: absolute, maximum: 0.5}\n", "any"),
        ("  agree: any\n", "any"),
        ("  agree: mean\n  rule: {kind: relative}\n", "mean"),
    ],
)
def test_how_rerankers_agree_follows_from_the_rule_unless_it_is_said(check, keys, expected):
    assert check(changed((RERANKER, RERANKER + keys))).validation.agreement() == expected


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_load_and_are_named_like_their_file(path):
    assert load_recipe(path).recipe.name == path.stem


def test_every_union_holds_specs_with_a_kind():
    for place, union in UNIONS.items():
        assert members(union), place
        for spec in members(union):
            assert "kind" in spec.model_fields, (place, spec)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{learning_rates: [0]}", "greater than 0"),
        ("{learning_rates: [-1e-5]}", "greater than 0"),
        ("{learning_rates: [5]}", "less than 1"),
        ("{learning_rates: [1e-5, 1e-5]}", "comparison.learning_rates: a rate stands here twice"),
        ("{elsewhere: [{name: tiny, source: SOURCE}]}", "comparison.elsewhere[0]: the name 'tiny' is taken"),
        ("{elsewhere: [{name: y, source: SOURCE}, {name: y, source: SOURCE}]}", "elsewhere[1]: the name 'y'"),
    ],
)
def test_a_comparison_that_cannot_be_made(problems, section, message):
    source = "{kind: beir, path: data, split: test, license: cc-by-4.0}"
    text = f"{BASE}comparison: {section.replace('SOURCE', source)}\n"
    assert any(message in line for line in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ("[]", "export.formats: "),
        ("[{kind: flagembedding}]", "export.formats[0]: unknown kind 'flagembedding'; did you mean 'flag_embedding'?"),
        ("[{kind: beir}, {kind: mteb}, {kind: beir}]", "export.formats[2]: 'beir' stands here twice; keep one"),
        ("[{kind: sentence_transformers_labeled_list, labels: both}]", "export.formats[0].labels: "),
    ],
)
def test_an_export_that_cannot_be_made(problems, formats, message):
    found = problems(f"{BASE}export: {{formats: {formats}}}\n")
    assert any(line.startswith(f"recipes/x.yaml:12: {message}") for line in found), found


def test_every_format_can_be_asked_for(check):
    kinds = [member.model_fields["kind"].annotation.__args__[0] for member in members(UNIONS["export.formats[]"])]
    recipe = check(f"{BASE}export: {{formats: [{', '.join(f'{{kind: {kind}}}' for kind in kinds)}]}}\n")
    assert [format.kind for format in recipe.export.formats] == kinds
    assert check(BASE).export is None


class Uneven(MinedOnly):
    """A mixing whose examples differ in how many negatives they have."""

    @property
    def even(self) -> bool:
        return False


def test_tuples_are_refused_for_a_mixing_that_leaves_examples_uneven(check):
    formats = "[{kind: flag_embedding}, {kind: sentence_transformers_n_tuple}, {kind: tevatron}]"
    recipe = check(f"{BASE}export: {{formats: {formats}}}\n")
    assert list(export_problems(recipe)) == []
    uneven = recipe.model_copy(update={"mixing": Uneven(kind="mined_only")})
    assert list(export_problems(uneven)) == [
        (
            1,
            "'sentence_transformers_n_tuple' needs as many negatives in every example, which this mixing does not "
            "give; choose another format, or a mixing whose examples all have as many",
        )
    ]
