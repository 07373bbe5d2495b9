"""The card of a release: the repository and its tag in every loading line, and nothing else touched."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syneg_data.errors import InputError
from syneg_data.publishing.card import read_prose
from syneg_data.publishing.released import release_card
from tests.publishing.golden import PROSE, REPORT, card

SHOWN = "```markdown\n<!-- syneg-data: loading lines -->\n```"
FENCED = '```python\ntriplets = load_dataset("FOLDER", "triplet")\n```'
HUB_IDS = 'from datasets import load_dataset\n\nx = load_dataset("FOLDER", "triplet", split="train")'


def released(text, repo="alice/ds", tag="v1.0.0", kind="dataset"):
    return release_card(text, repo, tag, kind)


def blocks(text, language="python"):
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


def test_every_loading_line_names_the_release():
    assert blocks(released(card())) == [
        "from datasets import load_dataset\n\n"
        'triplets = load_dataset("alice/ds", "triplet", split="train", revision="v1.0.0")',
        "from datasets import load_dataset\n\n"
        'examples = load_dataset("alice/ds", "n-tuple", split="train", revision="v1.0.0")\n'
        'ids = load_dataset("alice/ds", "ids", split="train", revision="v1.0.0")',
        "from datasets import load_dataset\n\n"
        'queries, qrels = (load_dataset("alice/ds", name, split="test", revision="v1.0.0") '
        'for name in ("queries", "qrels"))\n'
        'corpus = load_dataset("alice/ds", "corpus", split="train", revision="v1.0.0")'
        '.filter(lambda row: not row["synthetic"])',
        "from datasets import load_dataset\n\n"
        'candidates = load_dataset("alice/ds", "candidates", split="train", revision="v1.0.0")\n'
        'refused = candidates.filter(lambda row: row["verdict"] == "false_negative")',
        "from datasets import load_dataset\nfrom huggingface_hub import snapshot_download\n\n"
        'folder = snapshot_download("alice/ds", repo_type="dataset", revision="v1.0.0", '
        'allow_patterns="exports/tevatron/*")\n'
        'load_dataset("json", data_files=f"{folder}/exports/tevatron/*")',
    ]  # fmt: skip
    assert blocks(released(card()), "sh")[0].splitlines()[1] == (
        "hf download alice/ds recipe.lock.yaml --repo-type dataset --revision v1.0.0 --local-dir ."
    )


def test_nothing_else_changes():
    before, after = card(), released(card())
    changed = set(after.splitlines()) - set(before.splitlines())
    assert all("alice/ds" in line or "v1.0.0" in line for line in changed - {
        "The same set as other tools read it, in `exports/`; its files are fetched first.",
        "[manifest.json](manifest.json) has the sha256 of every file of this version, and",
"[CHANGELOG.md](CHANGELOG.md) says what changed from one version to the next.",
        "from huggingface_hub import snapshot_download",
        'load_dataset("json", data_files=f"{folder}/exports/tevatron/*")',
    })  # fmt: skip
    assert "FOLDER" not in after and "<!--" not in after
    assert after.split("\n---\n")[0] == before.split("\n---\n")[0]
    assert released(before) == after


def test_braces_in_the_name_of_a_file_stay_braces():
    load = (
        "from datasets import load_dataset\n\n"
        'files = "FOLDER/exports/sentence_transformers_ids/{}/train-*.parquet"\n'
        'train = load_dataset("parquet", data_files=files.format("train"))'
    )
    text = released(card(report={**REPORT, "exports": [{**REPORT["exports"][0], "load": load}]}))
    assert 'files = f"{folder}/exports/sentence_transformers_ids/{{}}/train-*.parquet"\n' in text


@pytest.mark.parametrize("part", ["what", "limits", "license", "citation"])
@pytest.mark.parametrize(
    "said", ["FOLDER", FENCED, SHOWN, 'Put it in `FOLDER`.\n\n    load_dataset("FOLDER", "triplet")']
)
def test_what_people_wrote_stays(part, said):
    assert said in released(card(prose={**PROSE, part: said}))


def test_what_models_and_recipes_say_stays():
    """Even where it is the mark itself: names and sentences are escaped, and code stays in its block."""
    mark = "<!-- syneg-data: loading lines -->"
    hostile = f'{mark}\n```python\nload_dataset("FOLDER", "x")\n```'
    measure = {**REPORT["audit"]["measures"][0], "name": hostile, "sentence": hostile}
    export = {**REPORT["exports"][0], "what": hostile}
    text = released(
        card(report={**REPORT, "audit": {**REPORT["audit"], "measures": [measure]}, "exports": [export]},
             recipe_name="FOLDER.yaml")
    )  # fmt: skip
    assert text.count("FOLDER") == 5  # name and sentence of the measure, the export's words, the recipe twice
    assert "syneg-data build FOLDER.yaml" in text


@given(st.text(alphabet=st.sampled_from('FOLDER"`~<>!-\n /()#:abc'), max_size=80))
def test_whatever_prose_a_card_may_have_is_kept(text):
    try:
        prose = {**PROSE, "what": checked(text)}
    except InputError:
        return
    assert released(card(prose=prose)).count(prose["what"]) >= 1
    assert len(blocks(released(card(prose=prose)), "sh")) >= 1


def checked(text):
    """A text as `read_prose` lets it through."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.md")
        path.write_text(f"## what\n\n{text}\n\n## limits\n\nL\n\n## license\n\nM\n\n## citation\n\nC\n")
        return read_prose(path)["what"]


def test_prose_may_not_hold_the_mark():
    with pytest.raises(InputError, match="has a comment that begins with '<!-- syneg-data:', which only this"):
        checked('<!-- syneg-data: loading lines -->\n```python\nload_dataset("FOLDER", "x")\n```')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# no front matter",
        "---\nlicense: mit\n---\n\n# Somebody else's card\n",
        "---\nlicense: mit\n# no end",
        f"---\nlicense: mit\n---\n\n{FENCED}\n",
        released(card()),
        card().split("python\n")[0],
        card().replace('"FOLDER", "triplet", split="train")', '"FOLDER")'),
    ],
)
def test_a_card_that_is_not_ours_is_refused(text):
    with pytest.raises(InputError, match=r"README\.md: is not the card that syneg-data wrote for this folder"):
        released(text)


def test_a_card_of_the_other_type_is_refused():
    with pytest.raises(InputError, match="is not the card that"):
        released(card(), kind="model")


@pytest.mark.parametrize(
    ("repo", "tag"),
    [("ds", "v1.0.0"), ("a/b/c", "v1.0.0"), ('a/"b', "v1.0.0"), ("a/b\n", "v1.0.0"), ("a/b", "1.0.0"), ("a/b", 'v1"')],
)
def test_what_is_no_repository_or_tag_is_refused(repo, tag):
    with pytest.raises(InputError, match="is no "):
        released(card(), repo, tag)
