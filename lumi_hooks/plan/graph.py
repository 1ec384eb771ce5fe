# SPDX-License-Identifier: GPL-2.0-only
"""A plan as a picture: an SVG file drawn by Graphviz."""
import os
import subprocess
from typing import List

from ..errors import LumiHooksError
from ..files import write_atomic
from ..quote import dot
from . import BUILD, CENTRAL, CRAY, INSTALLED, REFUSED, Plan

# fill, border and text of a node by its status
COLOURS = {
    BUILD: ('#fff3d6', '#b7791f', '#3b2a06'),
    CENTRAL: ('#e3f4e8', '#2f855a', '#123d27'),
    INSTALLED: ('#d7f0ee', '#1f7a74', '#0c3a37'),
    CRAY: ('#e1ecfb', '#2b6cb0', '#12304f'),
    REFUSED: ('#fde2e1', '#c53030', '#561212'),
}
# what they mean, in the legend
MEANINGS = {BUILD: 'has to be built', CENTRAL: 'in the central stack', INSTALLED: 'installed in a prefix',
            CRAY: 'from the Cray PE', REFUSED: 'cannot be installed'}


# what Graphviz is told of the whole picture
_HEAD = """digraph {
\tgraph [fontname=sans nodesep=0.15 rankdir=LR ranksep=0.6]
\tnode [fontname=sans fontsize=11 height=0.3 shape=box style="filled,rounded"]
\tedge [arrowsize=0.6 color="#718096"]
"""


def draw(plan: Plan, path: str) -> None:
    """
    Draw a plan into an SVG file: an arrow leads from what is needed to what needs it, dashed where only the build
    needs it. The toolchain, which everything needs, has no arrows. A legend says so.

    :raises LumiHooksError: Graphviz is missing or fails, or the file can't be written
    """
    if not path.endswith('.svg'):
        raise LumiHooksError(f'the graph is drawn as SVG: name a file that ends in .svg, not {path}')
    try:
        done = subprocess.run(['dot', '-Tsvg'], input=source(plan), capture_output=True, encoding='utf-8', check=False)
    except FileNotFoundError as err:
        raise LumiHooksError('drawing needs Graphviz\'s command dot, which is not on PATH: "module load Graphviz" or '
                             '"apt-get install graphviz"') from err
    if done.returncode:
        raise LumiHooksError(f'Graphviz could not draw it (exit code {done.returncode} of dot): '
                             f'{" ".join(done.stderr.split()) or "it says nothing"}')
    try:
        write_atomic(path, done.stdout)
    except OSError as err:
        raise LumiHooksError(f'{os.path.abspath(path)} cannot be written: {err.strerror}') from err


def source(plan: Plan) -> str:
    """A plan in the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""
    lines = []
    toolchain = f'{plan.site.toolchain}/{plan.site.toolchain_version}'
    for node in plan.nodes:
        width = 2.5 if node.module in plan.targets else 1
        lines.append(_box(_name(node.module), f'{node.module}\n{node.status}', node.status,
                          tooltip=_text(node.reason or node.module), penwidth=width))
        lines += [_arrow(_name(module), _name(node.module), module in node.build_only)
                  for module in node.dependencies if module != toolchain]
    return _HEAD + ''.join(f'\t{line}\n' for line in [*lines, *_legend(plan)]) + '}\n'


def _legend(plan: Plan) -> List[str]:
    """What colours, borders and arrows mean, of the colours those that are there."""
    there = [status for status in COLOURS if any(node.status == status for node in plan.nodes)]
    boxes = [_box(f'legend{number}', MEANINGS[status], status) for number, status in enumerate(there)]
    plain = 'fillcolor=white color="#718096"'
    return ['subgraph cluster_legend {', 'label=legend fontsize=11 color="#cbd5e0"', *boxes,
            f'needed [label="is needed" {plain}]', f'user [label="needs it" {plain}]', 'needed -> user',
            f'tool [label="is needed to build" {plain}]', f'built [label="what was asked for" {plain} penwidth=2.5]',
            _arrow('tool', 'built', True), '}']


def _box(name: str, label: str, status: str, **more: object) -> str:
    fill, border, text = COLOURS[status]
    extra = ''.join(f' {key}={value}' for key, value in more.items())
    return f'{name} [label={_text(label)} fillcolor="{fill}" color="{border}" fontcolor="{text}"{extra}]'


def _arrow(start: str, end: str, build_only: bool) -> str:
    return f'{start} -> {end}' + (' [style=dashed]' if build_only else '')


def _text(text: str) -> str:
    """A quoted string of Graphviz that is shown as it is."""
    return '"' + dot(text).replace('\n', '\\n') + '"'


def _name(module: str) -> str:
    """A name of letters and digits alone: a colon in a name would be a port to Graphviz."""
    return 'm' + module.encode().hex()
