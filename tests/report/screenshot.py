"""Photograph a build's report.html: `python -m tests.report.screenshot BUILD OUT.png`; `--help` has the choices."""

import argparse
from pathlib import Path

from tests.report.chromium import chromium

DESKTOP, PHONE = {"width": 1200, "height": 1900}, {"width": 390, "height": 844}


def photograph(
    page_file: Path, out: Path, *, phone: bool = False, dark: bool = False, whole: bool = False, anchor: str = ""
) -> None:
    """Write one PNG of the page, from its top or from the section that `anchor` names."""
    with chromium() as browser:
        page = browser.new_page(
            viewport=PHONE if phone else DESKTOP,
            color_scheme="dark" if dark else "light",
            device_scale_factor=1,
            reduced_motion="reduce",
        )
        page.goto(f"{page_file.resolve().as_uri()}{anchor}")
        page.screenshot(path=str(out), full_page=whole)


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="a build folder")
    parser.add_argument("out", type=Path, help="the PNG")
    parser.add_argument("--phone", action="store_true", help="390 pixels wide")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--whole", action="store_true", help="the whole page, not its first screen")
    parser.add_argument(
        "--from", dest="anchor", default="", help="a section or a query, as the address has it: #scores, #query=682"
    )
    options = parser.parse_args()
    photograph(
        options.build / "report.html", options.out, phone=options.phone, dark=options.dark, whole=options.whole,
        anchor=options.anchor,
    )  # fmt: skip


if __name__ == "__main__":
    main()
