"""Builds to hold against each other: a collection whose scores are known, mined negatives, one change each."""

import pytest

from syneg_data.pipeline import build
from syneg_data.recipe import load_recipe
from tests.validation.world import save_words, write_data, write_recipe, write_run

# name -> (changes of the validation section, of the recipe).
BUILDS = {
    "first": ({}, {}),
    "again": ({}, {}),
    "stricter": ({"rule": {"kind": "relative", "margin": 0.3, "doubt": 0.1}}, {}),
    "one": ({}, {"mixing": {"kind": "mined_only", "mined": 1}}),
    "four": ({}, {"limit": 4}),
    "titled": ({}, {"publishing": {"license": "cc-by-4.0", "pretty_name": "Another title"}}),
    "bound": ({}, {"publishing": {"license": "cc-by-nc-4.0"}}),
    "cut": ({}, {"source": "dev"}),
}


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """Folder with a build for each of BUILDS; they are only read."""
    home = tmp_path_factory.mktemp("difference")
    save_words(home / "words")
    data = write_data(home / "data")
    run = write_run(home / "run.txt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNEG_CACHE", str(home / "cache"))
        for name, (validation, changes) in BUILDS.items():
            if changes.get("source") == "dev":
                source = {"kind": "beir", "path": str(data), "split": "train", "dev": 0.5, "license": "cc-by-4.0"}
                changes = {"source": source}
            recipe = write_recipe(home / f"of {name}", data, run, home / "words", validation, **changes)
            build(load_recipe(recipe), home / name)
    return home
