# SPDX-License-Identifier: GPL-2.0-only
"""The recipe of the module of build back ends (lumi_hooks/releases/backends.json)."""
import os
from typing import Any, List, Mapping, Tuple

from lumi_hooks.backends import load_backends, of_variant
from lumi_hooks.versions import version_key

# EasyBuild's spelling of a name in variables (easybuild.tools.filetools.convert_name)
_SPELLED = {'+': 'plus', '-': 'min', '.': ''}

TEMPLATE = '''{header}easyblock = 'PythonPackage'

name = '{name}'
version = '{release}'
versionsuffix = '-cray-python{minor}{suffix}'

homepage = 'https://peps.python.org/pep-0517/'
description = """What Python packages are built and tested with: hatchling, poetry-core, meson-python,
scikit-build-core, setuptools-scm, Cython, the headers of pybind11, pytest and alike, as wheels of pure Python.
It is loaded while something is built, and by nothing that runs."""

toolchain = SYSTEM

dependencies = [
    ('cray-python/{python}', EXTERNAL_MODULE),
]

# wheels of pure Python: they hold no code for one machine, and to build them would take most of them first
# (one "pip install" for all of them: as many extensions would take a minute and more)
sources = [
{wheels}]
checksums = [
{checksums}]

unpack_sources = True
start_dir = '%(builddir)s'
install_src = '*.whl'
# compiled copies of the files would double their number
installopts = '--no-compile'

options = {{'modulename': False}}
sanity_check_commands = ['python -c "import {imports}"']

modextravars = {{
{roots}}}

moduleclass = 'devel'
'''


def variants() -> Tuple[str, ...]:
    """The suffixes of its variants: with cray-python's own setuptools, and with a newer one."""
    return '', load_backends()['setuptools']['suffix']


def wheels(python: str, suffix: str) -> Mapping[str, Mapping[str, Any]]:
    """
    The wheels of a variant, by normal name.

    :param python: version of cray-python
    :param suffix: one of variants()
    """
    return {name: entry for name, entry in of_variant(suffix).items()
            if (suffix or name != 'setuptools')
            and version_key(python) < version_key(entry.get('python_below', f'{python}.1'))}


def recipe_text(release: Mapping[str, Any], suffix: str, header: str) -> str:
    """
    The text of the module's recipe.

    :param release: contents of a release file (releases/cpe/<release>.json)
    :param suffix: one of variants()
    :param header: first lines
    :return: text; the same bytes for the same data
    """
    python = release['modules']['cray-python']
    held = wheels(python, suffix)
    roots = [line for entry in held.values() for software in entry.get('stands_for', ())
             for line in _variables(software, entry)]
    return TEMPLATE.format(
        header=header, name=load_backends()['name'], release=release['release'], python=python, suffix=suffix,
        minor='.'.join(python.split('.')[:2]), roots=''.join(roots),
        wheels=''.join(f"    {{'filename': '{entry['wheel']}', 'extract_cmd': 'cp %s .',\n"
                       f"     'source_urls': ['https://pypi.python.org/packages/source/{name[0]}/{name}']}},\n"
                       for name, entry in held.items()),
        checksums=''.join(f"    '{entry['sha256']}',\n" for entry in held.values()),
        imports=', '.join(entry['import'] for entry in held.values() if entry['import']))


def recipe_path(release: Mapping[str, Any], suffix: str) -> str:
    """Path of a variant's recipe below a folder of recipes."""
    name = load_backends()['name']
    minor = '.'.join(release['modules']['cray-python'].split('.')[:2])
    return os.path.join(name[0].lower(), name, f'{name}-{release["release"]}-cray-python{minor}{suffix}.eb')


def _variables(name: str, entry: Mapping[str, Any]) -> List[str]:
    spelled = ''.join(_SPELLED.get(letter, letter) for letter in name).upper()
    return [f"    'EBROOT{spelled}': '%(installdir)s',\n", f"    'EBVERSION{spelled}': '{entry['version']}',\n"]

