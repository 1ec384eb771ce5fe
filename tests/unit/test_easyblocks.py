# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's easyblocks: what the scan finds, and whether the list says the truth."""
import os
import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest
from easybuild.tools.filetools import encode_class_name

from lumi_hooks.adapt import adapt
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules.easyblock import class_name

CI = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'ci')
sys.path.insert(0, CI)

from easyblock_scan import classified, scan_text, signature  # noqa: E402

HEAD = 'class EB_Thing(ConfigureMake):\n    def configure_step(self):\n'


@pytest.fixture(scope='module')
def command():
    """The program ci/easyblocks, imported."""
    loader = SourceFileLoader('ci_easyblocks', os.path.join(CI, 'easyblocks'))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def found(body):
    return signature(scan_text(HEAD + ''.join(f'        {line}\n' for line in body.splitlines())))


@pytest.mark.parametrize('body, expected', [
    ('run_shell_cmd("make")', []),
    ('x = self.toolchain.name', ['toolchain-name']),
    ('if self.toolchain.comp_family() == toolchain.GCC:\n    pass', ['comp-family']),
    ('fam = self.toolchain.comp_family()\nif fam == A:\n    pass\nelif fam == B:\n    pass\nelse:\n    raise E()',
     ['comp-family', 'raises']),
    ('fam = self.toolchain.comp_family()\ncomp = {A: 1}.get(fam)\nif comp is None:\n    raise E()',
     ['comp-family', 'raises']),
    ('try:\n    x = KNOWN[self.toolchain.comp_family()]\nexcept KeyError:\n    raise E()', ['comp-family', 'raises']),
    ('x = get_software_root(self.toolchain.MPI_MODULE_NAME[0])', ['module-name']),
    ("if LooseVersion(get_software_version('GCC')) > '10':\n    pass", ['gcc']),
    ("root = get_software_root('SCOTCH')\nif not root:\n    raise E()", ['insists:SCOTCH']),
    ("if get_software_root('imkl'):\n    pass\nelse:\n    raise E()", ['insists:imkl', 'part:imkl']),
    ("for dep in ['Boost', 'Eigen']:\n    if not get_software_root(dep):\n        raise E()",
     ['insists:Boost', 'insists:Eigen']),
    ("names = [d['name'] for d in self.cfg.builddependencies()]\nfor tool in ['Ninja', 'Meson']:\n"
     "    if tool not in names:\n        raise E()", ['dependency-names', 'insists:Meson', 'insists:Ninja']),
    ("if get_software_root('FFTW'):\n    pass", ['part:FFTW']),
    ("if 'avx2' in get_cpu_features():\n    pass", ['processor']),
    ("optimal = '-C target-cpu=native'", ['processor']), ("x = 'native libraries'", [])])
def test_the_scan_finds(body, expected):
    assert found(body) == expected


def test_a_class_in_a_class_is_looked_at():
    text = 'class EB_Thing(EasyBlock):\n    class Inner(CMakeMake):\n        def f(self):\n            ' \
        'return self.toolchain.mpi_family()\n'
    assert signature(scan_text(text)) == ['mpi-family']


def test_what_is_new_is_told(command):
    block = scan_text(HEAD + '        return self.toolchain.comp_family()\n', 't/thing.py')
    known = {'EB_Thing': {'gnu': 'works', 'others': 'works', 'reason': '', 'sees': ['comp-family']}}
    assert list(command.problems({'EB_Thing': block}, known, {})) == []
    message, = command.problems({'EB_Thing': block}, {}, {})
    assert 'EB_Thing (t/thing.py) is not classified' in message
    known['EB_Thing']['sees'] = ['gcc']
    message, = command.problems({'EB_Thing': block}, known, {})
    assert 'read it again' in message
    known['EB_Thing'].update(sees=['comp-family'], gnu='subclassed')
    message, = command.problems({'EB_Thing': block}, known, {})
    assert 'there is no class of that name' in message
    message, = command.problems({}, {'EB_Gone': known['EB_Thing'] | {'gnu': 'works'}}, {})
    assert 'no such easyblock any more' in message


@pytest.mark.parametrize('name', ['Score-P', 'netCDF-Fortran', 'FFTW.MPI', 'Term::ReadLine::Gnu', 'GTK+', 'Boost'])
def test_class_names_are_easybuilds(name):
    assert class_name(name) == encode_class_name(name)


REFUSED = sorted(name for name, entry in classified().items() if 'refused' in (entry['gnu'], entry['others']))


@pytest.mark.parametrize('name', REFUSED)
def test_a_refusal_says_what_to_do(name):
    entry = classified()[name]
    assert entry.get('instead') or entry.get('refused_by')


@pytest.fixture(scope='module')
def recipes(upstream):
    """A recipe for each easyblock, by class name."""
    found = {}
    for folder, _, files in os.walk(upstream[0]):
        for file in sorted(files):
            if file.endswith('.eb'):
                with open(os.path.join(folder, file), encoding='utf-8') as handle:
                    text = handle.read()
                named = re.search(r'^easyblock *= *[\'"](\w+)[\'"]', text, re.M)
                software = re.search(r'^name *= *[\'"](.+?)[\'"]', text, re.M)
                key = named.group(1) if named else class_name(software.group(1)) if software else ''
                found.setdefault(key, os.path.join(folder, file))
    return found


@pytest.mark.parametrize('name', [name for name in REFUSED if classified()[name]['gnu'] == 'refused'])
def test_what_is_said_to_be_refused_is_refused(recipes, upstream_site, name):
    if name not in recipes:
        return  # an easyblock that no recipe uses any more
    adaptation = adapt(read_recipe(recipes[name]), upstream_site)
    codes = {refusal.code for refusal in adaptation.refusals}
    assert codes, f'{recipes[name]} is not refused'
    assert classified()[name].get('refused_by', 'easyblock') in codes
