"""How the Hub is asked: through its own client, with one token, a bounded number of times, and never blindly again."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from syneg_data.errors import SynegError
from syneg_data.hub.contents import Kind
from syneg_data.hub.faults import LONGEST, Fault, fault_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
TRIES = 5


class Asking:
    """What every request about a repository shares.

    Args:
        endpoint: where the Hub is.
        token: of the environment; it is in no message.
        repo: `owner/name`.
        type: of the repository.
        wait: what sleeps so many seconds.
    """

    def __init__(
        self, endpoint: str, token: str, repo: str, type: Kind, wait: Callable[[float], None] = time.sleep
    ) -> None:
        from huggingface_hub import HfApi, utils

        self.repo, self.type = repo, type
        self._token, self._wait, self._endpoint = token, wait, endpoint
        # Its warnings repeat addresses that are signed for one upload, and what there is to say we say.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        self._api = HfApi(endpoint=endpoint, token=token, library_name="syneg-data")
        self._http: Any = utils
        self._chance = random.Random()

    def _headers(self) -> dict[str, str]:
        return dict(self._http.build_hf_headers(token=self._token, library_name="syneg-data"))

    def ask(
        self,
        what: str,
        call: Callable[[], T],
        *,
        settled: Callable[[], T | None] | None = None,
        tries: int = TRIES,
    ) -> T:
        """A request, tried again a few times where that may help.

        Args:
            what: is asked, for messages.
            call: the request.
            settled: whether it has had its effect although the answer says otherwise; None: not yet.
            tries: how many.

        Raises:
            InputError: the answer is no, and will be.
            UnavailableError: no usable answer came, or the Hub asks for more patience than we have.
        """
        where = f"{self.repo}: {what}"
        for tried in range(1, tries + 1):
            try:
                return call()
            except SynegError:
                raise
            except Exception as error:
                fault = fault_of(error, self._token)
                if fault is None:
                    raise
                problem = fault.error(where)
                if not fault.passing:
                    raise problem from None
            if settled is not None and (found := settled()) is not None:
                return found
            if tried == tries or fault.wait > LONGEST:
                raise problem
            self._pause(fault, tried, where)
        raise AssertionError("the last try returns or raises")

    def find(self, what: str, call: Callable[[], T]) -> T | None:
        """What is asked for, as `ask` does; None where the Hub says that there is none (404)."""

        def found() -> T | None:
            try:
                return call()
            except Exception as error:
                fault = fault_of(error, self._token)
                if fault is not None and fault.status == 404:
                    return None
                raise

        return self.ask(what, found)

    def _pause(self, fault: Fault, tried: int, where: str) -> None:
        seconds = fault.wait or 2.0 ** (tried - 1) * self._chance.uniform(0.5, 1)
        logger.info("%s: %s; trying again in %.1f s", where, fault.said, seconds)
        self._wait(seconds)
