"""The scan of a release: what is planted is found where it is, never shown, and what belongs there is let through."""

import base64
import json
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syneg_data.durable import write_bytes, write_text
from syneg_data.errors import InputError
from syneg_data.hub.contents import Item, read_folder, release
from syneg_data.hub.machine import Machine
from syneg_data.hub.piece import runs
from syneg_data.hub.reading import pieces
from syneg_data.hub.scan import refusals, scan_release
from tests.hub.folders import listed, write_build

TOKEN = "hf_" + "aB3" * 12
MAIL = "jane.doe@somewhere.org"
HERE = Machine("/srv/people/wilhelmina", "gpu-node-07.cluster.somewhere.org", "wilhelmina", ("/bigdisk/people/w",))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return write_build(tmp_path_factory.mktemp("scan") / "stones")


def scanned(folder, log="", machine=HERE, repo="alice/stones"):
    return scan_release(release(read_folder(folder), repo, "1.0.0", log), machine)


def copy(build, folder):
    import shutil

    return shutil.copytree(build, folder)


def found(scan):
    return [(finding.path, finding.place, finding.kind) for finding in scan.refused]


def test_a_plain_build_has_nothing(build):
    scan = scanned(build)
    assert (scan.refused, dict(scan.in_data)) == ([], {})
    assert scan.files == 17


def planted(folder, name, text):
    write_text(folder / name, text)
    return listed(folder)


JSON = json.dumps({"a": TOKEN}).replace("hf_", "\\u0068f_")  # its raw text holds no token


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("report.json", json.dumps({"stages": {}, "note": TOKEN}, indent=1), "line 3"),
        ("more.json", JSON, "string 2"),
        ("more.yaml", f"a: 1\nb: 'token {TOKEN}'\n", "line 2"),
        ("notes.md", f"# Notes\n\nuse {TOKEN} here\n", "line 3"),
        ("report.html", f"<p title='{TOKEN}'>x</p>", "code 1"),
        ("report.html", f"<p>y</p><p>&#104;{TOKEN[1:]}</p>", "text 2"),
        ("report.html", f"<script type='application/json'>{JSON}</script>", "string 2"),
        ("report.html", f"<!-- {TOKEN} -->", "text 1"),
        ("curves.csv", f"a,b\n1,{TOKEN}\n", "line 2"),
        ("figures/a.svg", f"<svg><!-- {TOKEN} --></svg>", "line 1"),
        ("exports/tevatron/train.jsonl", json.dumps({"q": "a"}) + "\n" + JSON + "\n", "line 2"),
        ("twice.json", f'{{"a": {JSON[6:-1]}, "a": "b"}}', "string 2"),
        ("twice.yaml", f"a: {JSON[6:-1]}\na: b\n", "string 2"),
        ("notes.md", f"---\na: {JSON[6:-1]}\n---\n", "string 2"),
        ("notes.md", f"# Notes\n\n&#104;{TOKEN[1:]}\n", "line 3"),
        ("report.html", f"<!doctype {TOKEN}><p>x", "text 1"),
        ("report.html", f"<p>x</p><![CDATA[{TOKEN}]]>", "text 2"),
        ("report.html", f"<p {TOKEN}>x</p>", "line 1"),
        ("report.html", f"<p>x\n</p {TOKEN}>", "line 2"),
        ("notes.txt", "\0".join(f"x {TOKEN}") + "\0", "line 1"),
        ("blob.dat", "x" * 300_000 + "\n" * 3 + TOKEN, "line 4"),
    ],
)
def test_a_token_is_found_in_every_kind_of_text(build, tmp_path, name, text, place):
    scan = scanned(planted(copy(build, tmp_path / "stones"), name, text))
    assert found(scan) == [(name, place, "hugging_face_token")]
    (line,) = refusals(scan)
    assert line.startswith(f"{name}: {place}: hugging face token; take it out where it comes from")
    assert TOKEN not in line


def with_table(folder, table, name="corpus/train-00000-of-00001.parquet", **options):
    pq.write_table(table, folder / name, **options)
    return folder / name


@pytest.mark.parametrize(
    ("column", "place"),
    [
        (pa.array(["a", "b", TOKEN]), "x, row 3"),
        (pa.array(["a"] * 5000 + [TOKEN]), "x, row 5001"),
        (pa.array(["a", TOKEN, "a"]).dictionary_encode(), "x, row 2"),
        (pa.array([["a"], ["b", TOKEN]]), "x, from row 1 on, value 3"),
        (pa.array([{"y": [{"z": TOKEN}]}]), "x, row 1"),
        (pa.array([{"y": 1, "s": "a"}, {"y": 2, "s": TOKEN}]), "x, row 2"),
        (pa.array([b"a", TOKEN.encode()]), "x, row 2"),
        (pa.array([[("k", TOKEN)]], pa.map_(pa.string(), pa.string())), "x, row 1"),
        (pa.array(["a", None, TOKEN], pa.large_string()), "x, row 3"),
        (pa.array(["a", TOKEN], pa.string_view()), "x, row 2"),
        (pa.array([b"a", TOKEN.encode()], pa.binary_view()), "x, row 2"),
        (pa.array([["a"], ["b", TOKEN]], pa.list_view(pa.string())), "x, from row 1 on, value 3"),
        (pa.array([["a"], ["b", TOKEN]], pa.large_list_view(pa.string())), "x, from row 1 on, value 3"),
        (pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array(["a", TOKEN])), "x, from row 1 on, value 1"),
    ],
)
@pytest.mark.parametrize("codec", ["zstd", "none"])
def test_a_token_is_found_in_every_kind_of_column(tmp_path, column, place, codec):
    path = with_table(tmp_path, pa.table({"x": column}), "t.parquet", compression=codec)
    item = Item("t/train-00000-of-00001.parquet", path, path.stat().st_size, "")
    hits = [
        piece.place(number, text, text.index(TOKEN))
        for piece in pieces(item)
        for number, text in enumerate(piece.texts)
        if TOKEN in text and not piece.raw
    ]
    assert hits == [place]


def test_footers_are_read(tmp_path):
    schema = pa.schema(
        [pa.field("x", pa.string(), metadata={b"from": b"/srv/people/wilhelmina/x"})],
        metadata={b"pandas": TOKEN.encode()},
    )
    path = with_table(tmp_path, pa.table({"x": ["a"]}, schema=schema), "t.parquet")
    texts = [text for piece in pieces(Item("t/t.parquet", path, path.stat().st_size, "")) for text in piece.texts]
    assert TOKEN in texts and "/srv/people/wilhelmina/x" in texts and texts[0].startswith("parquet-cpp-arrow")


def test_names_and_metadata_inside_columns_are_read(tmp_path):
    inner = pa.struct([pa.field(TOKEN, pa.int64(), metadata={b"from": b"/srv/people/wilhelmina/x"})])
    table = pa.table([pa.array([{TOKEN: 1}], inner)], schema=pa.schema([pa.field("x", inner)]))
    path = with_table(tmp_path, table, "t.parquet")
    texts = [text for piece in pieces(Item("t/t.parquet", path, path.stat().st_size, "")) for text in piece.texts]
    assert TOKEN in texts and "/srv/people/wilhelmina/x" in texts


def test_a_token_between_the_parts_of_a_table_is_found(build, tmp_path):
    """Behind the pages, where no reader of the table would look."""
    folder = copy(build, tmp_path / "stones")
    path = folder / "corpus" / "train-00000-of-00001.parquet"
    data = path.read_bytes()
    footer = len(data) - 8 - struct.unpack("<I", data[-8:-4])[0]
    write_bytes(path, data[:footer] + f"\0{TOKEN}\0".encode() + data[footer:])
    assert found(scanned(listed(folder))) == [
        ("corpus/train-00000-of-00001.parquet", "bytes from 0", "hugging_face_token")
    ]


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-le", "utf-16-be"])
def test_a_token_across_blocks_of_bytes_is_found(encoding):
    data = b"\xff" * ((1 << 20) - 20) + f" {TOKEN} ".encode(encoding) + b"\xff" * 100
    assert [TOKEN in text for piece in runs(Item("x", data, len(data), "")) for text in piece.texts].count(True) == 1


def test_columns_of_which_nothing_is_known_are_refused(tmp_path):
    from syneg_data.hub.tables import _leaves

    array = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([TOKEN])])
    with pytest.raises(ValueError, match=r"columns of type sparse_union.* cannot be searched"):
        list(_leaves(array))


def test_yaml_that_refers_to_itself_is_read_once(build, tmp_path):
    grown = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert found(scanned(planted(copy(build, tmp_path / "stones"), "more.yaml", grown + "b: &b [*b]\n"))) == []


def test_data_on_a_page_may_come_in_parts(build, tmp_path):
    text = '<script type="application/json">{"a": "</b>"}</script>'
    assert found(scanned(planted(copy(build, tmp_path / "stones"), "report.html", text))) == []


def test_safetensors_show_names_and_metadata_and_no_optimizer(tmp_path):
    def header(entries):
        text = json.dumps(entries).encode()
        path = tmp_path / "model.safetensors"
        write_bytes(path, struct.pack("<Q", len(text)) + text + b"\0" * 8)
        return Item("model.safetensors", path, path.stat().st_size, "")

    weights = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    texts = [t for p in pieces(header({"__metadata__": {"from": TOKEN}, **weights})) for t in p.texts]
    assert TOKEN in texts and "w" in texts
    path = tmp_path / "model.safetensors"
    write_bytes(path, path.read_bytes() + f"\xff{TOKEN}\xff".encode("latin-1"))
    item = Item("model.safetensors", path, path.stat().st_size, "")
    assert any(TOKEN in text for piece in pieces(item) if piece.raw for text in piece.texts)
    with pytest.raises(InputError, match="holds the state of an optimizer"):
        list(pieces(header({"w.exp_avg": weights["w"]})))
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as \.safetensors"):
        list(pieces(Item("model.safetensors", b"\xff" * 20, 20, "")))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mail jane.doe@somewhere.org about it", "email"),
        ("see /home/jane/data", "home_path"),
        ("read from /scratch/run/7", "absolute_path"),
        ("(/tmp/build-1/x)", "absolute_path"),
        (r"in D:\work\data\x", "absolute_path"),
        ("file:///c/x", "file_url"),
        ("cwd:/scratch/run/7", "absolute_path"),
        ("at /bigdisk/people/w/stones/x.json", "absolute_path"),
        ("under /srv/people/wilhelmina", "absolute_path"),
        ("made on gpu-node-07.", "host_name"),
        ("by Wilhelmina", "user_name"),
        ("ssh wilhelmina@x", "user_name"),
        ("call +49 170 1234567", "phone"),
        (f"https://u:{TOKEN[3:]}@host/x", "url_password"),
    ],
)
def test_what_describes_the_data_tells_nothing_of_people_and_machines(build, tmp_path, text, kind):
    scan = scanned(build, log=f"# Changelog\n\n{text}\n")
    assert found(scan) == [("CHANGELOG.md", "line 3", kind)]


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/home/x and recipes/data/scifact and ../data/x and ~/x",
        "</usr/x> $HOME/data/x a/tmp/b",
        "the node gpu-node-071 and xwilhelmina",
        "a@example.com",
    ],
)
def test_urls_relative_paths_and_other_words_are_let_through(build, text):
    assert found(scanned(build, log=f"# Changelog\n\n{text}\n")) == []


def test_a_user_whose_name_is_a_word_is_looked_for_only_where_a_name_can_stand(build):
    machine = Machine("/nowhere", "node", "max")
    log = "max: 0.5\nthe max of node is 3\n"
    assert found(scanned(build, log=log, machine=machine)) == []
    assert found(scanned(build, log=f"{log}x/max/y\n", machine=machine)) == [("CHANGELOG.md", "line 3", "user_name")]
    assert found(scanned(build, log=f"{log}max@cluster\n", machine=machine)) == [
        ("CHANGELOG.md", "line 3", "user_name")
    ]


def test_the_repository_may_be_called_like_its_user(build):
    assert found(scanned(build, log="of wilhelmina/stones\n", repo="wilhelmina/stones")) == []


def test_data_may_hold_addresses_which_are_counted_but_no_credentials(tmp_path):
    folder = write_build(tmp_path / "stones", changes=[("amber-1", f"write to {MAIL}"), ("flint-1", f"key {TOKEN}")])
    scan = scanned(folder)
    assert {path.partition("/")[0] for path, _, _ in found(scan)} == {"corpus", "n-tuple", "triplet"}
    assert {kind for _, _, kind in found(scan)} == {"hugging_face_token"}
    assert ("corpus/train-00000-of-00001.parquet", "text, row 11", "hugging_face_token") in found(scan)
    assert dict(scan.in_data) == {"email": 3}


def test_traces_of_a_machine_in_the_data_are_counted_and_excuse_no_card(tmp_path):
    folder = write_build(tmp_path / "stones", changes=[("amber-1", "Wilhelmina wrote /scratch/run/7")])
    scan = scanned(folder)
    assert (found(scan), dict(scan.in_data)) == ([], {"absolute_path": 3, "user_name": 3})
    scan = scanned(folder, log="by Wilhelmina\n")
    assert found(scan) == [("CHANGELOG.md", "line 1", "user_name")]


def test_this_machine_is_known_by_the_folders_that_are_worked_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    machine = Machine.here(tmp_path / "build")
    assert machine.places == (str(tmp_path.resolve()), str(tmp_path.resolve() / "build"))
    assert [span.kind for span in Machine("/h", "", "", ("/x/y",)).spans("see:/x/y/z, not a/x/y or /x/yz")] == [
        "absolute_path"
    ]


def test_what_stands_in_the_data_may_be_quoted_by_its_card(tmp_path):
    folder = write_build(tmp_path / "stones", changes=[("amber-1", f"write to {MAIL}")])
    scan = scanned(planted(folder, "report.html", f"<p>an example: write to {MAIL}</p>"))
    assert (found(scan), dict(scan.in_data)) == ([], {"email": 4})
    scan = scanned(planted(folder, "report.html", "<p>by somebody@elsewhere.org</p>"))
    assert found(scan) == [("report.html", "text 1", "email")]


def test_figures_are_no_telephone_numbers(build, tmp_path):
    folder = copy(build, tmp_path / "stones")
    numbers = "M 307 288.1234 L 415 555.2671"
    planted(folder, "figures/a.svg", f'<svg><path d="{numbers}"/></svg>')
    planted(folder, "curves.csv", f"a\n{numbers}\n")
    assert found(scanned(folder)) == []


def test_base64_of_a_schema_is_not_searched_for_what_it_may_spell(tmp_path):
    path = with_table(tmp_path, pa.table({"x": ["a"]}), "t.parquet")
    texts = [text for piece in pieces(Item("t/t.parquet", path, path.stat().st_size, "")) for text in piece.texts]
    assert base64.b64encode(pa.schema([("x", pa.string())]).serialize().to_pybytes()).decode() not in texts


def test_many_findings_are_cut(build):
    log = "\n".join(f"user{n}@somewhere.org" for n in range(50))
    lines = refusals(scanned(build, log=log))
    assert len(lines) == 21 and lines[-1] == "and 30 more of this kind"
