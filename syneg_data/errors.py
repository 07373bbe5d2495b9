"""Errors a person can act on; the CLI turns each into a message and an exit code, anything else is a bug."""


class SynegError(Exception):
    """Base of all expected failures. The message says where, what, and what to do."""

    exit_code = 1


class InputError(SynegError):
    """The user's recipe, data or arguments are at fault."""

    exit_code = 2


class GateError(SynegError):
    """A gate that the recipe itself sets has refused the result."""

    exit_code = 3


class UnavailableError(SynegError):
    """An engine, registry or Hub cannot be reached or used now; the same command resumes later."""

    exit_code = 4


class StorageError(SynegError):
    """The disk is full, read-only, or not ours to write."""

    exit_code = 5


class LockedError(SynegError):
    """Another run holds the lock of this build."""

    exit_code = 75
