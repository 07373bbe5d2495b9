"""The card of a release against its files: what does not fit is named, all of it, before anything is sent."""

import shutil

import pyarrow.parquet as pq
import pytest
import yaml

from syneg_data.hub.card import card_problems, license_of
from syneg_data.hub.contents import read_folder
from tests.hub.folders import listed, write_build


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return write_build(tmp_path_factory.mktemp("card") / "stones")


@pytest.fixture
def folder(build, tmp_path):
    return shutil.copytree(build, tmp_path / "stones")


def problems(folder, change=None):
    if change is not None:
        path = folder / "README.md"
        _, front, body = path.read_text().split("---\n", 2)
        card = yaml.safe_load(front)
        change(card)
        path.write_text(f"---\n{yaml.safe_dump(card, sort_keys=False)}---\n{body}")
        listed(folder)
    return card_problems(read_folder(folder), "alice/stones")


def config(card, name):
    return next(entry for entry in card["configs"] if entry["config_name"] == name)


def info(card, name):
    return next(entry for entry in card["dataset_info"] if entry["config_name"] == name)


def test_the_card_of_a_build_fits(build):
    assert problems(build) == []
    assert license_of(read_folder(build)) == "cc-by-4.0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("license"), "README.md: names no licence; set publishing.license"),
        (lambda c: c.update(license="cc-by-4"), "license 'cc-by-4' is none that is known here"),
        (lambda c: c.update(license="mit"), "names the licence mit, recipe.lock.yaml cc-by-4.0"),
        (lambda c: c.update(license="other"), "license other needs license_name and license_link"),
        (lambda c: c.pop("configs"), "lists no configs"),
        (lambda c: c["configs"].append(c["configs"][0]), "config triplet is listed twice"),
        (lambda c: config(c, "ids").update(default=True), "has several default configs"),
        (lambda c: c["configs"].remove(config(c, "ids")), "no config has ids/train-00000-of-00001.parquet"),
        (lambda c: config(c, "ids")["data_files"][0].update(split="a-b"), "'a-b' is no name of a split"),
        (
            lambda c: config(c, "ids")["data_files"][0].update(path="ids/dev-*"),
            "no file of split train is like 'ids/dev",
        ),
        (lambda c: config(c, "ids").update(data_files="ids/*"), "config 'ids' names no files by split"),
        (lambda c: c["dataset_info"].remove(info(c, "ids")), "dataset_info: the card lacks the config ids"),
        (lambda c: info(c, "ids").update(config_name="idz"), "dataset_info: its files lack the config idz"),
        (lambda c: info(c, "ids")["splits"][0].update(num_examples=5), "rows or bytes of ids (splits) are not those"),
        (lambda c: info(c, "ids")["splits"][0].update(num_bytes=5), "rows or bytes of ids (splits) are not those"),
        (lambda c: info(c, "ids").update(download_size=5), "bytes of ids (download_size) are not those"),
        (lambda c: info(c, "ids")["features"].pop(), "columns of ids (features) are not those of its files"),
        (lambda c: c.update(size_categories=["a lot"]), "size_categories: 'a lot' is no size"),
    ],
)
def test_what_does_not_fit_is_named(folder, change, said):
    found = problems(folder, change)
    assert any(said in line for line in found), found
    assert all(line.startswith("README.md: ") for line in found)


def test_splits_may_stand_in_any_order(folder):
    assert problems(folder, lambda card: info(card, "queries")["splits"].reverse()) == []


def test_several_problems_come_together(folder):
    def change(card):
        card.pop("license")
        info(card, "ids").update(download_size=5)
        config(card, "qrels")["data_files"][0].update(split="a b")

    assert len(problems(folder, change)) == 3


def test_tables_are_counted_not_believed(folder):
    path = folder / "ids" / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(path).slice(0, 2), path)
    assert any("ids/train-00000-of-00001.parquet has 2 rows, manifest.json says 4" in line
               for line in problems(listed(folder)))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# Stones\n", "has no front matter"),
        ("---\n- a\n---\n", "has no front matter"),
        ("---\na: [\n---\n", "its front matter is no YAML"),
        ("---\na: 2026-99-99\n---\n", "its front matter is no YAML"),
        ("---\n" + "[" * 1000 + "\n---\n", "its front matter is no YAML"),
    ],
)
def test_a_card_without_front_matter(folder, text, said):
    (folder / "README.md").write_text(text)
    (line,) = problems(listed(folder))
    assert said in line


@pytest.mark.parametrize(
    ("source", "published", "said"),
    [
        ("cc-by-nc-4.0", "cc-by-4.0", "the source's licence cc-by-nc-4.0 is non-commercial"),
        ("cc-by-nd-4.0", "cc-by-nd-4.0", "forbids publishing derived texts"),
        ("cc-by-sa-4.0", "cc-by-sa-4.0", None),
    ],
)
def test_licences_that_do_not_go_together(tmp_path, source, published, said):
    found = problems(write_build(tmp_path / "stones", license=published, source=source))
    assert (found == []) if said is None else any(said in line for line in found)
