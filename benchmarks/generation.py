"""Generation: our vLLM engine, request order, reply form, constraint libraries, and the overhead of the stage."""

from collections.abc import Callable

from benchmarks.cases import grammars, order, replies, stage, throughput
from benchmarks.results import Row

CASES: dict[str, Callable[[bool], list[Row]]] = {
    "vllm_throughput": throughput.run,
    "request_order": order.run,
    "reply_schema": replies.run,
    "backends": grammars.run,
    "stage_overhead": stage.run,
}
