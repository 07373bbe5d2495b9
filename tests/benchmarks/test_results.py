"""Results of benchmarks: their files keep to the contract, and the README's table is made from them."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from benchmarks.__main__ import found
from benchmarks.measuring import in_turn, machine, median
from benchmarks.results import BEGIN, END, FOLDER, README, Result, case_name, keep, read, read_all, row, update_readme

COMMITTED = sorted(FOLDER.glob("*.json"))
ORDER = ["speed", "memory"]


def speed(ours=123456.0, peer=120000.0, size=64):
    return row(f"speed: {size} pairs", "tokens", "tokens/s", ours, peer, "a|peer", 3, ">= 0.97 of it", True)


MEMORY = row("memory: 64 pairs", "per row", "KiB", 0.123456, None, "", 3, "under 8 KiB", True)


def result(*rows, machine="Linux x86_64, 2 processors"):
    return Result("writing", "2026-11-21", machine, rows)


@pytest.mark.parametrize(
    ("value", "kept"), [(25055, 25055), (25055.0, 25060), (1234567.8, 1235000), (0.00123456, 0.001235)]
)
def test_counts_are_kept_whole_and_measurements_to_four_digits(value, kept):
    assert row("ledger", "in", "candidates", value, None, "", 1, "balances", True).ours == kept


def test_a_file_has_the_keys_of_the_contract(tmp_path):
    keep(tmp_path, result(speed(), MEMORY), ORDER)
    assert json.loads((tmp_path / "writing.json").read_text()) == {
        "schema": 1,
        "benchmark": "writing",
        "date": "2026-11-21",
        "machine": "Linux x86_64, 2 processors",
        "rows": [
            {
                "case": "speed: 64 pairs",
                "metric": "tokens",
                "unit": "tokens/s",
                "ours": 123500.0,
                "peer": 120000.0,
                "peer_name": "a|peer",
                "ratio": 1.029,
                "runs": 3,
                "goal": ">= 0.97 of it",
                "holds": True,
            },
            {
                "case": "memory: 64 pairs",
                "metric": "per row",
                "unit": "KiB",
                "ours": 0.1235,
                "peer": None,
                "peer_name": "",
                "ratio": None,
                "runs": 3,
                "goal": "under 8 KiB",
                "holds": True,
            },
        ],
    }
    assert read(tmp_path / "writing.json") == result(speed(), MEMORY)


def test_a_case_that_is_run_again_replaces_its_own_rows_only(tmp_path):
    keep(tmp_path, result(speed(), MEMORY), ORDER)
    again = speed(ours=90000.0, size=16)
    keep(tmp_path, replace(result(again), date="2026-12-01"), ORDER)
    kept = read(tmp_path / "writing.json")
    assert kept.rows == (again, MEMORY)
    assert kept.date == "2026-12-01"


def test_a_case_that_is_no_more_leaves_no_rows(tmp_path):
    keep(tmp_path, result(speed(), MEMORY), ORDER)
    keep(tmp_path, result(speed()), ["speed"])
    assert read(tmp_path / "writing.json").rows == (speed(),)


def test_rows_of_another_machine_are_not_mixed_in(tmp_path):
    keep(tmp_path, result(speed(), MEMORY), ORDER)
    keep(tmp_path, result(MEMORY, machine="Linux aarch64, 4 processors"), ORDER)
    kept = read(tmp_path / "writing.json")
    assert (kept.machine, kept.rows) == ("Linux aarch64, 4 processors", (MEMORY,))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("machine"),
        lambda content: content.update(schema=2),
        lambda content: content.update(host="x"),
        lambda content: content["rows"][0].pop("goal"),
        lambda content: content["rows"][0].update(note="x"),
    ],
)
def test_a_file_that_is_not_what_the_schema_says_is_refused(tmp_path, damage):
    keep(tmp_path, result(speed()), ORDER)
    path = tmp_path / "writing.json"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"writing\.json"):
        read(path)


def test_the_table_is_written_between_its_marks_and_stays_as_it_is(tmp_path):
    keep(tmp_path / "results", result(speed(), MEMORY), ORDER)
    readme = tmp_path / "README.md"
    readme.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    update_readme(readme, tmp_path / "results")
    once = readme.read_text()
    assert once == (
        f"# Before\n\n{BEGIN}\n\n### writing\n\n2026-11-21; Linux x86_64, 2 processors\n\n"
        "| case | metric | unit | ours | peer | peer is | ratio | runs | goal | holds |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| speed: 64 pairs | tokens | tokens/s | 123,500 | 120,000 | a/peer | 1.029 | 3 | >= 0.97 of it | yes |\n"
        "| memory: 64 pairs | per row | KiB | 0.1235 | - | - | - | 3 | under 8 KiB | yes |\n"
        f"\n{END}\n\nAfter.\n"
    )
    update_readme(readme, tmp_path / "results")
    assert readme.read_text() == once


def test_drawings_beside_the_results_are_shown_below_the_table(tmp_path):
    keep(tmp_path / "results", result(MEMORY), ORDER)
    (tmp_path / "results" / "writing-growth.png").write_bytes(b"")
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}{END}")
    update_readme(readme, tmp_path / "results")
    assert readme.read_text().endswith(f" yes |\n\n![writing-growth](results/writing-growth.png)\n\n{END}")


def test_a_readme_without_marks_is_refused(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"{END} {BEGIN}")
    with pytest.raises(ValueError, match="marks"):
        update_readme(readme, tmp_path)


def test_without_results_the_readme_says_so(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}{END}")
    update_readme(readme, tmp_path / "results")
    assert readme.read_text() == f"{BEGIN}\n\nNothing has been measured yet.\n\n{END}"


def test_the_readme_of_the_benchmarks_shows_what_the_files_hold(tmp_path):
    copy = tmp_path / "README.md"
    copy.write_text(README.read_text())
    update_readme(copy, FOLDER)
    assert README.read_text() == copy.read_text(), "run `python -m benchmarks`; the table is not typed by hand"


def test_the_readme_says_what_each_case_is_and_that_no_gpu_was_used():
    text = README.read_text()
    assert "Nothing here was run on a GPU" in " ".join(text.split())
    for name, module in found().items():
        assert f"## {name}" in text
        assert [case for case in module.CASES if f"- **{case}**: " not in text] == []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_every_committed_file_keeps_to_the_contract(path):
    kept = read(path)
    module = found()[path.stem]
    assert kept.benchmark == path.stem
    date.fromisoformat(kept.date)
    assert kept.rows
    assert {case_name(entry) for entry in kept.rows} <= set(module.CASES)
    for entry in kept.rows:
        assert entry.runs >= 1 and entry.goal and entry.metric and entry.unit
        assert isinstance(entry.holds, bool)
        assert (entry.peer is None) == (entry.peer_name == "")
        if entry.peer:
            assert entry.ratio == pytest.approx(entry.ours / entry.peer, rel=0.01, abs=0.001)


def test_no_committed_file_names_a_host_or_a_path():
    for kept in read_all(FOLDER):
        assert not re.search(r"(^|\s)[/~]", kept.machine)
        assert kept.machine.startswith(("Linux ", "Darwin ", "Windows "))


def test_the_machine_is_told_without_its_name():
    import platform

    assert platform.node() not in machine()
    assert machine().startswith(f"{platform.system()} {platform.machine()}, ")


def test_sides_take_turns():
    calls = []
    ours, peer = in_turn(3, lambda: calls.append("a") or 1.0, lambda: calls.append("b") or 2.0)
    assert "".join(calls) == "ababab"
    assert (median(ours), median(peer)) == (1.0, 2.0)


def test_every_benchmark_is_found_and_offered():
    names = ["audit", "export", "false_negatives", "gate", "generation", "mining", "mixing", "training"]
    assert list(found()) == names
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert f"{{{','.join(names)}}}" in done.stdout and "--quick" in done.stdout
