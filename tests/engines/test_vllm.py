"""The vllm engine with a real vLLM and a real model; .ci/vllm runs these in an environment of their own."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys

import pytest
import yaml

from syneg_data.engines.canary import prove_constraint
from syneg_data.engines.protocol import Message, Request, unheard
from syneg_data.engines.vllm import Vllm, _stdout_kept_clean
from syneg_data.errors import InputError, UnavailableError
from syneg_data.references import PathModel

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"reasoning": {"type": "string"}, "passage": {"type": "string"}},
        "required": ["reasoning", "passage"],
        "additionalProperties": False,
    }
)
STUDY = (
    "Induction of myelodysplasia by myeloid-derived suppressor cells. Myelodysplastic syndromes are age-dependent stem "
    "cell malignancies that share biological features of activated adaptive immune response and ineffective "
    "hematopoiesis. Here we report that myeloid-derived suppressor cells, which are classically linked to "
    "immunosuppression, inflammation, and cancer, were markedly expanded in the bone marrow of patients and played a "
    "pathogenetic role in the development of ineffective hematopoiesis. These clonally distinct cells overproduce "
    "hematopoietic suppressive cytokines and function as potent apoptotic effectors targeting autologous hematopoietic "
    "progenitors."
)


def request(text="Say hello.", **changes):
    made = Request("r", (Message("user", text),), SCHEMA, 0.7, 0.95, 32, 1)
    return dataclasses.replace(made, **changes)


def about_the_study(level, **changes):
    return request(f"{STUDY}\n\nWrite a short passage from another study on the same topic. Level: {level}.", **changes)


@pytest.fixture(scope="module")
def spec(root):
    recipe = yaml.safe_load((root / "recipes" / "quickstart.yaml").read_text())
    model = recipe["generation"]["engine"]["model"]
    return Vllm.model_validate({"kind": "vllm", "model": model, "max_model_len": 1024, "max_num_seqs": 32})


@pytest.fixture(scope="module")
def model(spec):
    return spec.model_reference().resolve()


@pytest.fixture(scope="module")
def engine(spec, model):
    """One for all tests: it takes most of a minute to start."""
    pytest.importorskip("vllm", reason="vllm is not installed in this environment; .ci/vllm runs these in its own")
    return spec.open(model)


def test_its_identity_is_what_decides_a_reply(spec):
    changed = spec.model_copy(update={"max_num_seqs": 1, "enforce_eager": True, "gpu_memory_utilization": 0.5})
    assert spec.identity("d" * 64) == changed.identity("d" * 64)
    assert spec.identity("d" * 64) == {
        "engine": "vllm",
        "model": "d" * 64,
        "dtype": "bfloat16",
        "max_model_len": 1024,
        "backend": "guidance",
        "version": 1,
    }


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed in this environment")
def test_without_vllm_it_says_what_to_install(spec, model):
    with pytest.raises(InputError, match=r"pip install 'syneg-data\[vllm\]'"):
        spec.open(model)


@pytest.mark.vllm
def test_replies_are_held_to_their_schema(engine):
    assert prove_constraint(engine) is engine


class Unheld:
    """An engine whose constraint has got lost on the way: whatever is asked, any object will do."""

    def __init__(self, engine):
        self.engine, self.context = engine, engine.context

    def complete(self, requests, finished=unheard):
        return self.engine.complete([dataclasses.replace(r, schema='{"type":"object"}') for r in requests], finished)


@pytest.mark.vllm
def test_a_lost_constraint_is_found_out(engine):
    with pytest.raises(InputError, match="does not hold replies to their JSON schema"):
        prove_constraint(Unheld(engine))


@pytest.mark.vllm
def test_a_prompt_that_is_too_long_is_a_row_and_the_others_are_answered(engine):
    heard = []
    requests = [
        request(max_tokens=6),
        request("word " * 1200),
        about_the_study("school", max_tokens=20),
        request(max_tokens=1024),
    ]
    replies = engine.complete(requests, lambda i, reply: heard.append((i, reply)))
    assert [reply.finish for reply in replies] == ["length", "too_long", "length", "too_long"]
    assert (replies[0].tokens_in, replies[0].tokens_out, replies[0].text) == (33, 6, '{"reasoning":"')
    assert replies[1].detail == "prompt of 1231 tokens and 32 to write exceed 1024"
    assert (replies[1].text, replies[1].tokens_in, replies[1].tokens_out) == ("", 1231, 0)
    assert dict(heard) == dict(enumerate(replies))
    assert [i for i, _ in heard] == [1, 3, 0, 2]  # each is told as it ends


@pytest.mark.vllm
def test_a_finished_reply_is_compact_json_and_its_end_is_counted(engine):
    (reply,) = engine.complete([request(schema='{"enum":[{"a":1}]}', temperature=0.0)])
    assert (reply.text, reply.finish, reply.tokens_out, reply.tokens_cached) == ('{"a":1}', "stop", 6, 0)


@pytest.mark.vllm
def test_each_request_has_a_seed_of_its_own(engine):
    requests = [about_the_study("school", seed=seed) for seed in (0, 1, 2, 3, 4, 5, 6, 2**63 - 1)]
    first = [reply.text for reply in engine.complete(requests)]
    assert len(set(first)) == 8
    assert [reply.text for reply in engine.complete(requests)] == first


@pytest.mark.vllm
def test_at_temperature_zero_the_seed_does_not_matter(engine):
    one, two = engine.complete([about_the_study("school", temperature=0.0, seed=seed) for seed in (1, 2)])
    assert one.text == two.text


@pytest.mark.vllm
def test_what_neighbours_share_is_computed_once(engine):
    one, two = engine.complete([about_the_study("school"), about_the_study("university")])
    assert one.tokens_cached == 0
    assert two.tokens_cached >= 128
    assert engine.complete([about_the_study("school")])[0].tokens_cached == 0  # no matter what was asked before


@pytest.mark.vllm
def test_a_schema_that_the_backend_cannot_hold_is_named_and_costs_nothing(engine):
    heard = []
    bad = request(schema='{"type":"object","properties":{"a":{"not":{"type":"string"}}},"required":["a"]}')
    with pytest.raises(InputError, match=r'backend guidance refuses a request \(.*Unimplemented keys: \["not"\]'):
        engine.complete([request(), bad], lambda i, reply: heard.append(i))
    assert heard == []
    assert [reply.finish for reply in engine.complete([request(max_tokens=5)])] == ["length"]


@pytest.mark.vllm
def test_more_prompts_than_fit_one_step_are_answered_each_with_its_seed(engine):
    """On a CPU vLLM crashes if it splits a prompt between two steps and the request has a seed."""
    requests = [request(f"{n}" + " river" * 700, max_tokens=2, seed=n) for n in range(10, 22)]
    assert [reply.finish for reply in engine.complete(requests)] == ["length"] * 12


@pytest.mark.vllm
def test_nothing_asked_nothing_answered(engine):
    assert engine.complete([]) == []


@pytest.mark.vllm
def test_a_context_beyond_the_models_is_refused(engine, spec, model):
    with pytest.raises(InputError, match=r"vLLM cannot start \(User-specified max_model_len \(9000\) is greater than"):
        spec.model_copy(update={"max_model_len": 9000}).open(model)


@pytest.mark.vllm
def test_a_model_without_a_chat_template_is_refused(engine, spec, root):
    recipe = yaml.safe_load((root / "recipes" / "quickstart.yaml").read_text())
    encoder = recipe["training"]["base"]
    from syneg_data.references import PackageModel

    folder = PackageModel.model_validate(encoder).resolve().path
    with pytest.raises(InputError, match="no chat template; choose an instruction-tuned model"):
        spec.open(PathModel(kind="path", path=str(folder)).resolve())


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.parametrize("backend", ["guidance", "xgrammar", "outlines"])
def test_every_backend_holds_replies_keeps_stdout_clean_and_needs_no_network(engine, spec, backend):
    """In a process of its own: of two engines in one process, the first to go may take the other along."""
    program = (
        "import dataclasses, sys\n"
        "calls = []\n"
        "sys.addaudithook(lambda name, values: name == 'socket.connect' and calls.append(values[1]))\n"
        "from syneg_data.engines.canary import prove_constraint\n"
        "from syneg_data.engines.protocol import Message, Request\n"
        "from syneg_data.engines.vllm import Vllm\n"
        "from syneg_data.errors import InputError\n"
        "spec = Vllm.model_validate_json(sys.argv[1])\n"
        "engine = prove_constraint(spec.open(spec.model_reference().resolve()))\n"
        'odd = \'{"type":"string","format":"no such"}\'\n'
        "try: engine.complete([Request('r', (Message('user', 'Hi.'),), odd, 0.7, 1.0, 8, 1)])\n"
        "except InputError as error: print('proven', calls, str(error).partition('vLLM')[2].partition('(')[0])\n"
    )
    argument = spec.model_copy(update={"backend": backend}).model_dump_json()
    done = subprocess.run([sys.executable, "-c", program, argument], capture_output=True, text=True, check=False)
    assert done.stdout == f"proven [] 's backend {backend} refuses a request \n", done.stderr


@pytest.mark.vllm
def test_what_vllm_aborts_can_be_tried_again(engine):
    def abort_the_rest(i, reply):
        if i == 0:
            states = engine._llm.llm_engine.output_processor.request_states
            engine._llm.llm_engine.abort_request(list(states), internal=True)

    replies = engine.complete([request(max_tokens=5), request(max_tokens=40)], abort_the_rest)
    assert [reply.finish for reply in replies] == ["length", "unavailable"]
    assert replies[1].detail.startswith("vLLM")


def test_what_is_printed_while_vllm_starts_goes_to_stderr(capfd):
    print("before")
    with _stdout_kept_clean():
        print("python")
        os.write(1, b"c++\n")
        subprocess.run(["echo", "process"], check=True)
    print("after")
    out, err = capfd.readouterr()
    assert out == "before\nafter\n"
    assert sorted(err.split()) == ["c++", "process", "python"]


def test_the_environment_is_the_users_to_change(spec):
    """Whoever sets a variable of vLLM's keeps it: for instance more room for the cache on a CPU."""
    program = (
        "import os, sys\n"
        "os.environ['VLLM_CPU_KVCACHE_SPACE'] = '7'\n"
        "from syneg_data.engines.vllm import Vllm\n"
        "from syneg_data.errors import InputError\n"
        "from syneg_data.references import Resolved\n"
        "from pathlib import Path\n"
        "sys.modules['vllm'] = None\n"
        "try: Vllm.model_validate_json(sys.argv[1]).open(Resolved(Path('.'), 'd', 'm'))\n"
        "except InputError: pass\n"
        "print(os.environ['VLLM_CPU_KVCACHE_SPACE'], os.environ['VLLM_ENABLE_V1_MULTIPROCESSING'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, spec.model_dump_json()],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("VLLM_")},
    )
    assert done.stdout == "7 0\n"


@pytest.mark.vllm
def test_when_vllm_dies_what_was_finished_has_been_told(engine):
    """The last test of this file: the engine is gone after it."""
    heard = []

    def listen(i, reply):
        heard.append((i, reply.finish))
        if len(heard) == 2:
            engine._llm.llm_engine.engine_core.shutdown()

    with pytest.raises(UnavailableError, match=r"vLLM died \(.*the same command resumes"):
        engine.complete([request(max_tokens=n) for n in (2, 4, 8, 16)], listen)
    assert heard == [(0, "length"), (1, "length")]


def test_it_starts_after_mining_in_the_same_process(spec, model, tmp_path):
    """numba, which bm25s loads where it can, once kept vLLM's CPU build from starting."""
    pytest.importorskip("vllm", reason="vllm is not installed in this environment; .ci/vllm runs these in its own")
    program = (
        "import sys, numba\n"
        "from syneg_data.engines.canary import prove_constraint\n"
        "from syneg_data.engines.vllm import Vllm\n"
        "from syneg_data.references import PathModel\n"
        "assert 'llvmlite.binding.ffi' in sys.modules\n"
        f"reference = PathModel(kind='path', path={str(model.path)!r})\n"
        "engine = Vllm(kind='vllm', model=reference, max_model_len=512, max_num_seqs=4).open(reference.resolve())\n"
        "prove_constraint(engine)\n"
        "assert 'llvmlite.binding.ffi' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=300)
