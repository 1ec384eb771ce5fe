# SPDX-License-Identifier: GPL-2.0-only
"""A plan as a picture: an SVG file drawn by Graphviz."""
import os

from .. import quote
from ..errors import LumiHooksError, packages_remedy
from ..files import write_atomic
from . import BUILD, CENTRAL, CRAY, INSTALLED, REFUSED, Plan

# fill, border and text of a node by its status
COLOURS = {
    BUILD: ('#fff3d6', '#b7791f', '#3b2a06'),
    CENTRAL: ('#e3f4e8', '#2f855a', '#123d27'),
    INSTALLED: ('#d7f0ee', '#1f7a74', '#0c3a37'),
    CRAY: ('#e1ecfb', '#2b6cb0', '#12304f'),
    REFUSED: ('#fde2e1', '#c53030', '#561212'),
}


def draw(plan: Plan, path: str) -> None:
    """
    Draw a plan into an SVG file: an arrow leads from what is needed to what needs it, dashed where only the build
    needs it. The toolchain, which everything needs, has no arrows.

    :raises LumiHooksError: Graphviz is missing, or the file can't be written
    """
    if not path.endswith('.svg'):
        raise LumiHooksError(f'the graph is drawn as SVG: name a file that ends in .svg, not {path}')
    try:
        import graphviz
    except ImportError as err:
        raise LumiHooksError(f'drawing needs the Python package graphviz: {packages_remedy()}') from err
    picture = graphviz.Digraph(graph_attr={'rankdir': 'LR', 'nodesep': '0.15', 'ranksep': '0.6', 'fontname': 'sans'},
                               node_attr={'shape': 'box', 'style': 'filled,rounded', 'fontname': 'sans',
                                          'fontsize': '11', 'height': '0.3'},
                               edge_attr={'color': '#718096', 'arrowsize': '0.6'})
    toolchain = f'{plan.site.toolchain}/{plan.site.toolchain_version}'
    for node in plan.nodes:
        fill, border, text = COLOURS[node.status]
        # names are given as numbers: a colon in a name would be a port to Graphviz
        picture.node(_name(node.module), label=quote.dot(f'{node.module}\n{node.status}'),
                     tooltip=quote.dot(node.reason), fillcolor=fill, color=border, fontcolor=text,
                     penwidth='2.5' if node.module in plan.targets else '1')
        for module in node.dependencies:
            if module != toolchain:
                picture.edge(_name(module), _name(node.module),
                             style='dashed' if module in node.build_only else 'solid')
    try:
        write_atomic(path, picture.pipe(format='svg', encoding='utf-8'))
    except graphviz.ExecutableNotFound as err:
        raise LumiHooksError('drawing needs Graphviz\'s command dot, which is not on PATH: "module load Graphviz" or '
                             '"apt-get install graphviz"') from err
    except OSError as err:
        raise LumiHooksError(f'{os.path.abspath(path)} cannot be written: {err.strerror}') from err


def _name(module: str) -> str:
    return 'm' + module.encode().hex()
