# SPDX-License-Identifier: GPL-2.0-only
"""Which Python packages the modules of an environment carry already: they are not installed again."""
import os
import re
import shutil
from typing import Dict, Iterator, Tuple

from ..errors import LumiHooksError, RecipeError
from ..files import names_in
from ..index import normal_name
from ..plan import BUILD, Plan
from ..presence import root_of
from ..recipe import read_recipe
from ..releases import python_packages
from . import module
from .resolve import Part, split

_INFO = re.compile(r'(.+?)-([^-]+)\.(?:dist-info|egg-info)$')


def carried(part: Part, python: str, plan: Plan) -> Dict[str, str]:
    """
    Name (as the package index compares it) -> version of what cray-python and the modules of a closure carry.

    :param python: the module of the interpreter
    """
    found: Dict[str, str] = {}
    name, _, version = python.partition('/')
    if name == 'cray-python':
        found.update({package: str(entry['version']) for package, entry in python_packages(version).items()})
    nodes = {node.module: node for node in plan.nodes}
    for one in part.closure:
        node = nodes.get(one)
        packages = _of_recipe(one, node.source or '') if node and node.status == BUILD \
            else _of_files(root_of(plan.site.index.module_text(one)) or '')
        found.update({normal_name(package): known for package, known in packages})
    return found


def _of_recipe(full: str, source: str) -> Iterator[Tuple[str, str]]:
    """What a recipe is going to install, as far as its easyblock says that it is of Python."""
    try:
        parameters = read_recipe(source).parameters
    except RecipeError:
        return
    if 'Python' not in str(parameters.get('easyblock') or ''):
        return
    name, version, _, _ = split(full)
    yield name, version
    for item in parameters.get('exts_list') or ():
        if isinstance(item, (list, tuple)) and len(item) > 1:
            yield str(item[0]), str(item[1])


def _of_files(root: str) -> Iterator[Tuple[str, str]]:
    """What an installation holds, by the folders that pip leaves (PEP 376)."""
    for lib in ('lib', 'lib64') if root else ():
        for python in names_in(os.path.join(root, lib)):
            for entry in names_in(os.path.join(root, lib, python, 'site-packages')):
                match = _INFO.fullmatch(entry)
                if match:
                    yield match[1], match[2]


def program(python: str) -> str:
    """
    Path of the interpreter of a module.

    :raises LumiHooksError: it is not installed yet, or Lmod is not there
    """
    try:
        found = shutil.which('python3', path=module.loaded([python], os.environ).get('PATH', ''))
    except LumiHooksError as err:
        raise LumiHooksError(f'{python}, for which Python packages are wanted, has to be there before they can be '
                             f'resolved: {err}') from err
    if not found:
        raise LumiHooksError(f'{python} has no command python3')
    return found
