"""A push from end to end against the loopback Hub: what a release is, what is kept, and what is refused."""

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from syneg_data.durable import write_text
from syneg_data.errors import InputError, UnavailableError
from syneg_data.hub.contents import Contents, Item, read_folder
from syneg_data.hub.plan import Plan, _sized, make_plan
from syneg_data.hub.push import _part, carry_out
from syneg_data.hub.remote import Remote
from syneg_data.hub.scan import Scan
from syneg_data.publishing.release import open_release
from tests.faults.family13 import World
from tests.hub.folders import listed, write_build

REPO, KEY = "alice/stones", "datasets/alice/stones"


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    home = tmp_path_factory.mktemp("builds")
    write_build(home / "two")
    write_build(home / "one", negatives=1)
    write_build(home / "other", changes=[("amber-1", "We know that amber floats.")])
    return home


@pytest.fixture
def world(hub, builds, tmp_path):
    return World(hub, shutil.copytree(builds / "two", tmp_path / "stones"), hub.token())


def planned(world, **options):
    remote = Remote(world.hub.url, world.token, world.repo, "dataset", wait=world.waits.append)
    return make_plan(read_folder(world.folder), world.repo, world.version, remote, **options)


def next_build(world, builds, name, version):
    return World(world.hub, builds / name, world.token, version=version)


def written(hub):
    """Requests that change something, without those to the storage."""
    return [
        f"{request.method} {request.path}" for request in hub.log
        if request.method in ("POST", "PUT", "DELETE") and not request.path.startswith("/lfs/")
        and not any(part in request.path for part in ("preupload", "validate-yaml", "info/lfs"))
    ]  # fmt: skip


def digests(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*") if p.is_file()}  # fmt: skip


def test_a_release_is_the_folder_with_its_card_a_changelog_and_a_manifest(world, tmp_path):
    before = digests(world.folder)
    receipt = world.push()
    hub = world.hub
    assert digests(world.folder) == before, "the folder stays as it is"
    release, first = hub.commits(KEY)
    assert (release.title, first.title) == ("Release 1.0.0", "initial commit"), "one commit, everything in it"
    assert hub.refs(KEY).tags == {"v1.0.0": release.oid} and hub.private(KEY)
    own = json.loads((world.folder / "manifest.json").read_text())
    assert set(release.files) == set(own["files"]) | {"manifest.json", "CHANGELOG.md", ".gitattributes"}
    same = set(own["files"]) - {"README.md"}
    assert {path: release.files[path] for path in same} == {path: before[path] for path in same}
    manifest = json.loads(hub.file(KEY, "v1.0.0", "manifest.json"))
    assert manifest["release"] == {"repo": REPO, "version": "1.0.0", "built": before["manifest.json"]}
    assert {k: v for k, v in manifest.items() if k not in ("files", "release")} == {
        k: v for k, v in own.items() if k != "files"
    }
    listed_there = {path: entry["sha256"] for path, entry in manifest["files"].items()}
    assert listed_there == {p: d for p, d in release.files.items() if p not in ("manifest.json", ".gitattributes")}
    assert (
        'load_dataset("alice/stones", "triplet", split="train", revision="v1.0.0")'
        in hub.file(KEY, "v1.0.0", "README.md").decode()
    )
    assert hub.file(KEY, "v1.0.0", "CHANGELOG.md").decode().endswith("## 1.0.0\n\nThe first release.\n")
    digest = hashlib.sha256(hub.file(KEY, "v1.0.0", "manifest.json")).hexdigest()
    assert release.message == f"The first release.\n\nSyneg-Manifest: sha256:{digest}"
    assert receipt == json.loads((tmp_path / "stones.release.json").read_text()) == {
        "repo": REPO, "type": "dataset", "commit": release.oid, "tag": "v1.0.0", "manifest_sha256": digest,
        "built": before["manifest.json"], "private": True, "branch": "main",
    }  # fmt: skip


def test_a_release_that_is_downloaded_is_a_build(world, tmp_path):
    receipt = world.push()
    remote = Remote(world.hub.url, world.token, REPO, "dataset")
    release = open_release(remote.snapshot(receipt["commit"], str(tmp_path / "cache")))
    assert release.digest == receipt["manifest_sha256"]
    assert release.table("triplet").num_rows == 8


def test_the_same_build_again_changes_nothing(world):
    receipt = world.push()
    before = len(written(world.hub))
    assert world.push() == receipt
    assert len(written(world.hub)) == before
    assert world.releases() == ["Release 1.0.0"]


def test_a_second_version_takes_over_what_is_the_same_and_deletes_what_is_gone(world, builds):
    write_text(world.folder / "figures" / "old.svg", "<svg></svg>\n")
    listed(world.folder)
    world.push()
    other = next_build(world, builds, "other", "1.1.0")
    plan = planned(other)
    files = plan.facts()["files"]
    assert list(files["deleted"]) == ["figures/old.svg"] and not files["added"]
    assert "corpus/train-00000-of-00001.parquet" in files["changed"]
    assert "qrels/train-00000-of-00001.parquet" in files["unchanged"]
    other.push()
    latest, before, _ = world.hub.commits(KEY)
    assert (latest.title, before.title) == ("Release 1.1.0", "Release 1.0.0")
    assert "figures/old.svg" not in latest.files
    log = world.hub.file(KEY, "v1.1.0", "CHANGELOG.md").decode()
    assert log.index("## 1.1.0\n\nMAJOR, compared with 1.0.0:\n\n- MAJOR: ") < log.index(
        "## 1.0.0\n\nThe first release."
    )
    assert all(map(world.complete, ("v1.0.0", "v1.1.0")))
    assert world.push()["commit"] == before.oid, "an earlier release stays what it is, and pushing it again is nothing"


def test_a_version_goes_up_and_says_what_it_is(world, builds):
    world.version = "1.2.0"
    world.push()
    for version in ("1.1.9", "0.9.0"):
        with pytest.raises(InputError, match=f"--version {version}: not above 1.2.0, the last release"):
            next_build(world, builds, "one", version).push()
    facts = planned(next_build(world, builds, "one", "1.2.1")).facts()
    assert (facts["since"], facts["level"], facts["suggested"]) == ("1.2.0", "major", "2.0.0")
    assert facts["changes"][0] == "MAJOR: n-tuple has lost column negative\\_2"
    assert facts["warnings"] == [
        "the changes since 1.2.0 are MAJOR, which asks for 2.0.0; 1.2.1 promises more than it keeps"
    ]
    assert planned(next_build(world, builds, "one", "2.0.0")).facts()["warnings"] == []


def test_the_same_build_under_a_new_version_is_no_change(world):
    world.push()
    world.version = "1.0.1"
    facts = planned(world).facts()
    assert (facts["level"], facts["changes"]) == ("none", ["The same build, byte for byte."])


def test_what_people_write_into_the_changelog_stays(world, builds):
    world.push()
    log = b"Mine.\n\n" + world.hub.file(KEY, "main", "CHANGELOG.md") + b"\nFalse negatives 3.2 %.\n"
    world.hub.put(REPO, "dataset", {"CHANGELOG.md": log, "README.md": b"---\nlicense: mit\n---\n"})
    other = next_build(world, builds, "one", "2.0.0")
    assert planned(other).facts()["warnings"] == [
        "other than in 1.0.0 at the Hub, and replaced by this release: README.md"
    ]
    other.push()
    log = world.hub.file(KEY, "v2.0.0", "CHANGELOG.md").decode()
    assert "The first release.\n\nFalse negatives 3.2 %.\n" in log
    assert log.startswith("Mine.\n\n# Changelog\n\nNewest first.") and log.count("# Changelog") == 1


def test_an_entry_of_a_version_that_was_never_tagged_gives_way(world, builds):
    world.hub.fail("POST", "/tag/", 403)
    with pytest.raises(InputError, match=r"the tag v1\.0\.0: the token may not do this"):
        world.push()
    other = next_build(world, builds, "one", "1.0.0")
    assert planned(other).facts()["warnings"] == []
    other.push()
    log = world.hub.file(KEY, "v1.0.0", "CHANGELOG.md").decode()
    assert log.count("## 1.0.0") == 1 and world.complete("v1.0.0")


def test_a_public_repository_needs_a_word_and_public_is_the_last_step(world):
    receipt = world.push(public=True)
    assert receipt["private"] is False and not world.hub.private(KEY)
    assert [line.split("?")[0].partition("/api/")[2].partition(KEY)[2] or line for line in written(world.hub)][1:] == [
        "/commit/main", f"/tag/{receipt['commit']}", "/settings",
    ]  # fmt: skip
    world.version = "1.0.1"
    with pytest.raises(InputError, match="is public, so a release would be seen by all at once; say --public"):
        world.push()
    assert world.push(public=True)["tag"] == "v1.0.1"


def test_a_hub_that_makes_it_public_gets_nothing(world):
    world.hub.meanwhile("POST", "/api/repos/create", lambda: world.hub.put(REPO, "dataset", {}, private=False))
    with pytest.raises(InputError, match="has become public; nothing was pushed"):
        world.push()
    assert world.releases() == [] and world.tags() == {}


def test_a_large_release_goes_through_a_branch_and_is_tagged_when_it_is_whole(world):
    remote = Remote(world.hub.url, world.token, REPO, "dataset", wait=world.waits.append)
    folder = read_folder(world.folder)

    def push():
        return carry_out(make_plan(folder, REPO, "1.0.0", remote, most=5), remote, most=5)

    world.hub.meanwhile("POST", "/commit/", lambda: None, times=2)
    world.hub.fail("POST", "/commit/", 403)
    with pytest.raises(InputError, match="the token may not do this"):
        push()
    assert world.tags() == {} and len(world.hub.commits(KEY, "release-v1.0.0")) == 3
    receipt = push()
    commits = world.hub.commits(KEY, "release-v1.0.0")
    assert [commit.title for commit in commits[::-1]] == [
        "initial commit", "Release 1.0.0, part 1", "Release 1.0.0, part 2", "Release 1.0.0, part 1",
        "Release 1.0.0, part 2",
    ]  # fmt: skip
    assert "manifest.json" in commits[-2].files, "what is listed is known from the first part on"
    assert world.hub.refs(KEY).tags == {"v1.0.0": commits[0].oid} and receipt["branch"] == "release-v1.0.0"
    assert [commit.title for commit in world.hub.commits(KEY)] == ["initial commit"], "main stays as it is"
    assert world.complete("v1.0.0")
    assert push() == receipt, "of a release that is there, the receipt is the same"
    before = len(written(world.hub))
    assert push()["commit"] == commits[0].oid and len(written(world.hub)) == before


def test_a_part_holds_no_more_than_one_commit_should():
    """Small files alone count; what is over 10 MB goes into large storage whatever its name is."""
    sizes = {f"a/{n}.json": 9 << 20 for n in range(100)} | {"big.json": 11 << 20, "x.parquet": 1 << 30}
    items = {path: Item(path, b"", size, "") for path, size in sizes.items()}
    contents = Contents(None, REPO, "1.0.0", items, "")
    assert _sized(Plan(contents, Scan(), None), {}, 200).branch == "release-v1.0.0"
    small = {path: items[path] for path in ("a/1.json", "big.json", "x.parquet")}
    assert _sized(Plan(Contents(None, REPO, "1.0.0", small, ""), Scan(), None), {}, 200).branch == "main"
    add, gone = _part(contents, {}, "release-v1.0.0", 200)
    assert (len(add), gone) == (55, [])
    assert sum(item.size for item in add) <= 500 << 20


def test_a_repository_that_becomes_public_before_the_yes_gets_nothing(world, builds):
    world.push()
    world.version = "1.0.1"
    remote = Remote(world.hub.url, world.token, REPO, "dataset", wait=world.waits.append)
    plan = planned(world)
    remote.publish()
    before = len(written(world.hub))
    with pytest.raises(InputError, match="has become public; nothing was pushed"):
        carry_out(plan, remote)
    assert len(written(world.hub)) == before


def test_who_commits_before_the_yes_is_noticed(world):
    world.push()
    world.version = "1.0.1"
    plan = planned(world)
    world.hub.put(REPO, "dataset", {"notes.txt": b"mine"}, message="by hand")
    with pytest.raises(InputError, match=r"somebody else has just committed notes\.txt"):
        carry_out(plan, Remote(world.hub.url, world.token, REPO, "dataset"))
    assert world.releases() == ["Release 1.0.0"]


def test_a_repository_with_another_name_is_named(world):
    world.push()
    found = {"id": "alice/minerals", "private": True, "sha": "0" * 40}
    world.hub.fail("GET", f"/api/{KEY}$", 200, body=json.dumps(found).encode())
    with pytest.raises(InputError, match="--repo alice/stones: is called alice/minerals there; name it so"):
        planned(world)


@pytest.mark.slow
def test_another_build_takes_the_place_of_a_large_one_that_was_never_finished(world, builds):
    write_text(world.folder / "figures" / "old.svg", "<svg></svg>\n")
    first = read_folder(listed(world.folder))
    remote = Remote(world.hub.url, world.token, REPO, "dataset", wait=world.waits.append)
    world.hub.fail("POST", "/tag/", 403)
    with pytest.raises(InputError, match="the token may not do this"):
        carry_out(make_plan(first, REPO, "1.0.0", remote, most=4), remote, most=4)
    second = read_folder(builds / "one")
    carry_out(make_plan(second, REPO, "1.0.0", remote, most=4), remote, most=4)
    assert world.complete("v1.0.0") and len(world.tags()) == 1


def test_six_pushers_make_one_release(world):
    def push(_):
        return World(world.hub, world.folder, world.hub.token()).push()

    with ThreadPoolExecutor(6) as pool:
        receipts = list(pool.map(push, range(6)))
    assert world.releases() == ["Release 1.0.0"]
    assert {receipt["commit"] for receipt in receipts} == {world.tags()["v1.0.0"]}
    assert world.complete("v1.0.0")


def test_what_does_not_read_back_is_not_tagged(world):
    """The Hub goes on showing an empty tree."""
    world.push()
    world.version = "1.0.1"
    world.hub.fail("GET", "/tree/", 200, body=b"[]", times=None)
    with pytest.raises(UnavailableError, match="does not hold what was sent; nothing was tagged"):
        world.push()
    assert set(world.tags()) == {"v1.0.0"}
    world.hub.faults.clear()
    world.push()
    assert set(world.tags()) == {"v1.0.0", "v1.0.1"} and world.complete("v1.0.1")


def test_a_file_that_changes_while_it_is_pushed_is_noticed(world):
    remote = Remote(world.hub.url, world.token, REPO, "dataset")
    plan = make_plan(read_folder(world.folder), REPO, "1.0.0", remote)
    path = world.folder / "report.html"
    path.write_text(path.read_text().replace("Four", "Five"))
    with pytest.raises(InputError, match=r"report\.html: has changed since it was checked; nothing was committed"):
        carry_out(plan, remote)
    assert world.releases() == [] and world.tags() == {}


def test_all_problems_come_at_once(world):
    lock = yaml.safe_load((world.folder / "recipe.lock.yaml").read_text())
    lock["recipe"]["source"] |= {"license": "cc-by-sa-4.0", "path": "/home/somebody/data"}
    write_text(world.folder / "recipe.lock.yaml", yaml.safe_dump(lock))
    listed(world.folder)
    world.hub.put(REPO, "dataset", {}, private=False)
    with pytest.raises(InputError) as caught:
        world.push()
    assert [line.partition("; ")[0] for line in str(caught.value).splitlines()] == [
        "README.md: the source's licence cc-by-sa-4.0 is share-alike",
        "--repo alice/stones: is public, so a release would be seen by all at once",
        "recipe.lock.yaml: line 17: home path",
    ]
    assert written(world.hub) == []


def test_a_tag_that_somebody_else_sets_meanwhile_is_not_moved(world):
    def tag():
        world.hub.tag(KEY, "v1.0.0", world.hub.commits(KEY)[-1].oid)

    world.hub.meanwhile("POST", "/tag/", tag)
    with pytest.raises(InputError, match=r"somebody else has released 1\.0\.0 meanwhile, with another content"):
        world.push()
    assert world.tags() == {"v1.0.0": world.hub.commits(KEY)[-1].oid}


def test_a_tag_that_does_not_read_back_is_no_release(world, tmp_path):
    world.hub.fail("POST", "/tag/", 201)
    with pytest.raises(UnavailableError, match=r"says that v1\.0\.0 is set, but lists none"):
        world.push()
    assert world.tags() == {} and not (tmp_path / "stones.release.json").exists()
    assert world.push()["tag"] == "v1.0.0" and world.releases() == ["Release 1.0.0"]
