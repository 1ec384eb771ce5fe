# SPDX-License-Identifier: GPL-2.0-only
"""The survey of recipes for NVIDIA's GPUs, as a part of a page of the documentation."""
import os
from collections import Counter
from typing import Dict, Iterator, List

from lumi_hooks.errors import LumiHooksError
from lumi_hooks.files import read_text, write_atomic
from lumi_hooks.packages import package
from lumi_hooks.plan import REASONS, REFUSED
from lumi_hooks.survey import PLANNED, RecipeResult, Survey

BEGIN = '<!-- written by ci/survey --only-cuda: do not edit from here … -->'
END = '<!-- … to here -->'


def write_part(path: str, found: Survey) -> None:
    """
    Put the survey's figures between the marks of a page.

    :raises LumiHooksError: the page has no such marks, or can't be written
    """
    try:
        text = read_text(path)
        head, _, rest = text.partition(BEGIN)
        middle, mark, tail = rest.partition(END)
        if not mark:
            raise LumiHooksError(f'{path} has no lines "{BEGIN}" and "{END}", between which the figures go')
        write_atomic(path, f'{head}{BEGIN}\n\n{part(found)}\n{END}{tail}')
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be written: {err.strerror}') from err


def part(found: Survey) -> str:
    """The figures, in Markdown."""
    return '\n'.join(_lines(found)) + '\n'


def _lines(found: Survey) -> Iterator[str]:
    data = found.as_json()
    packages: Dict[str, List[RecipeResult]] = {}
    for item in found.findings:
        packages.setdefault(os.path.basename(os.path.dirname(item.recipe)), []).append(item)
    versions = ', '.join(f'{name} {version}' for name, version in data['versions'].items())
    planned = {name: items for name, items in packages.items() if any(item.status == PLANNED for item in items)}
    yield f'{data["date"]}, {versions}; release {data["release"]}, partition {data["partition"]}:'
    yield f'of **{data["recipes"]}** recipes that carry CUDA, of {len(packages)} packages, **{data["planned"]}** of ' \
          f'{len(planned)} packages are planned'
    yield f'with ROCm, and {sum(data["refused"].values())} are refused, each with its reason; {len(data["failed"])} ' \
          'failed.'
    yield ''
    yield '| refused because | recipes | packages | which means |'
    yield '|---|---|---|---|'
    for code, number in data['refused'].items():
        names = {os.path.basename(os.path.dirname(item.recipe)) for item in found.findings
                 if item.status == REFUSED and item.codes[0] == code}
        yield f'| `{code}` | {number} | {len(names)} | {REASONS.get(code, "")} |'
    yield ''
    yield '| planned | recipes | back end | toolchain | the others of it |'
    yield '|---|---|---|---|---|'
    for name, items in sorted(planned.items(), key=lambda pair: pair[0].lower()):
        entry = package(name).get('rocm', {})
        codes = Counter(item.codes[0] for item in items if item.status == REFUSED)
        rest = ', '.join(f'{number} `{code}`' for code, number in codes.items())
        yield f'| {name} | {len(items) - sum(codes.values())} of {len(items)} | {entry.get("back_end", "")} | ' \
              f'{entry.get("compiler", {}).get("toolchain", "")} | {rest} |'
