"""This machine as it must not show in what is published: absolute paths, the home folder, names of host and user."""

import getpass
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syneg_data.confidential import Span

# Names that say nothing about anybody.
_ANYBODY = {
    "root", "user", "username", "admin", "administrator", "ubuntu", "debian", "runner", "jovyan", "app", "nobody",
    "localhost", "docker", "vagrant", "ec2-user", "build", "ci", "github", "gitlab", "jenkins", "worker", "test",
}  # fmt: skip
_ROOTS = (
    "home", "Users", "root", "tmp", "var", "opt", "mnt", "media", "srv", "private", "usr", "etc", "scratch",
    "workspace", "work", "data", "content", "kaggle", "lustre", "gpfs", "nfs", "cluster", "storage", "fsx", "efs",
    "raid", "dbfs", "teamspace", "Volumes",
)  # fmt: skip
# Not after a word, a dot or a slash, where it would be the path of a URL or a relative one; not a closing tag. (What
# must not stand before the slash is asked for behind it: a form that begins with a character is found faster.)
_PATH = re.compile(rf"/(?<![\w./<~$)}}\]-]/)(?:{'|'.join(_ROOTS)})/[\w.@-]+(?:/[\w.@-]+)*", re.ASCII)
_DRIVE = re.compile(r"(?<!\w)[A-Za-z]:\\{1,2}[\w .-]{1,64}\\", re.ASCII)
_FILE = re.compile(r"\bfile://[^\s\"'<>)]{1,400}", re.ASCII)


@dataclass(frozen=True)
class Machine:
    """What would give this machine away.

    Attributes:
        home: its user's home folder.
        host: its name.
        user: its user's name.
        places: folders that are being worked in, wherever they are.
    """

    home: str
    host: str
    user: str
    places: tuple[str, ...] = ()

    @classmethod
    def here(cls, *places: Path) -> "Machine":
        """The one that this runs on, with folders that are worked in besides the current one."""
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # no such user, as in some containers
            user = ""
        worked_in = {str(place.resolve()) for place in (Path.cwd(), *places)}
        return cls(str(Path.home()), os.uname().nodename, user, tuple(sorted(worked_in)))

    def spans(self, text: str, but: tuple[str, ...] = ()) -> Iterator[Span]:
        """Every piece of a text that shows this machine, or a path on any.

        Args:
            text: any.
            but: words that may stand there whatever the machine is called, such as the parts of the repository's id.
        """
        folded = text.casefold()
        for kind, hint, form in (
            ("absolute_path", "/", _PATH),
            ("absolute_path", ":\\", _DRIVE),
            ("file_url", "file:", _FILE),
        ):
            for match in form.finditer(text) if hint in text else ():
                yield Span(match.start(), match.end(), kind)
        for kind, path in (("home_folder", self.home), *(("absolute_path", place) for place in self.places)):
            if path.count("/") > (kind != "home_folder") and len(path) > 1 and path in text:
                for match in re.finditer(rf"(?<![\w./-]){re.escape(path)}(?![\w-])", text):
                    yield Span(match.start(), match.end(), kind)
        # A host may be written with its domain or without.
        for kind, name in (
            *(("host_name", host) for host in (self.host, self.host.partition(".")[0])),
            ("user_name", self.user),
        ):
            if not name or name.casefold() in _ANYBODY or name.casefold() in {word.casefold() for word in but}:
                continue
            if name.casefold() not in folded:
                continue
            word = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            # A name that is a word of a language, too, is one only where nothing but a name can stand.
            pattern = word if _telling(name) else rf"(?<=[/\\@]){re.escape(name)}(?![\w-])|{word}(?=@\w)"
            for match in re.finditer(pattern, text, re.IGNORECASE):
                yield Span(match.start(), match.end(), kind)


def _telling(name: str) -> bool:
    """Whether a name is hardly a word: long, or with digits or marks in it."""
    return len(name) >= 10 or any(not char.isalpha() for char in name)
