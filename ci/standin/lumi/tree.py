# SPDX-License-Identifier: GPL-2.0-only
"""Where everything lies below ROOT/appl/lumi, with the names that LUMI gives it, and what goes into it."""
import json
import pathlib

from ..layout import RELEASES, Problem, Release, known_releases, read_json

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
EASYBLOCK = PROJECT / 'easyblocks/craypetoolchain.py'


class Tree:
    """The folders of LUMI's software stack below one root of the stand-in."""

    def __init__(self, layout):
        """layout: of the stand-in Cray PE below it."""
        self.layout = layout
        self.lumi = layout.root / 'appl/lumi'
        self.repository = self.lumi / 'LUMI-SoftwareStack'
        self.contrib = self.lumi / 'LUMI-EasyBuild-contrib'
        self.modules = self.lumi / 'modules'
        self.sources = self.lumi / 'sources/easybuild'
        self.easyconfigs = self.repository / 'easybuild/easyconfigs'
        self.enter = self.lumi / 'enter-lumi.sh'

    def infrastructure(self, release, partition):
        """Folder of the modules that make up the stack: toolchains, EasyBuild-user."""
        return self.modules / 'Infrastructure/LUMI' / release / 'partition' / partition

    def central(self, release, partition):
        """Folder of the modules of central software."""
        return self.modules / 'easybuild/LUMI' / release / 'partition' / partition

    def easybuild(self, version):
        """Prefix of an EasyBuild installation."""
        return self.lumi / 'SW/system/EB/EasyBuild' / version

    def python(self, release):
        """The interpreter that runs EasyBuild: a release's cray-python. Raises Problem if it is missing."""
        command = self.layout.python(release.version('cray-python')) / 'bin/python3.11'
        if not command.exists():
            raise Problem('%s is missing: run `ci/standin/build --root %s --release %s` first'
                          % (command, self.layout.root, release.name))
        return command


def facts():
    """Return the contents of facts.json next to this file."""
    return read_json(HERE / 'facts.json')


def machine():
    """Return the machine data of the project: partitions, targets."""
    return read_json(RELEASES.parent / 'sites/lumi/machine.json')


def toolchains():
    """Return the toolchain data of the project."""
    return read_json(RELEASES / 'toolchains.json')['toolchains']


def easybuild_version(release):
    """Return the EasyBuild version of a LUMI stack.

    Stacks before 25.03 have an EasyBuild 4, which the project does not support: they get the newest here.
    """
    wanted, oldest = release.data['easybuild'], facts()['oldest_easybuild']
    numbers = [[int(part) for part in text.split('.')] for text in (wanted, oldest)]
    return wanted if numbers[0] >= numbers[1] else facts()['easybuild']


def releases_to_build(layout, asked):
    """Return the Release objects for the names asked for.

    layout: of the stand-in. asked: names; `all` is all that the root has, none is those of facts.json
    that it has.
    Stacks that the root has already are kept. Raises Problem if the Cray PE of an asked release is missing.
    """
    here = sorted(path.name for path in (layout.pe / 'cpe').glob('*') if path.name in known_releases())
    if 'all' in asked:
        asked = here
    stacks = {path.stem for path in (Tree(layout).modules / 'SoftwareStack/LUMI').glob('*.lua')}
    names = sorted(set(asked or [name for name in facts()['default_releases'] if name in here])
                   | stacks.intersection(here))
    missing = [name for name in names if name not in here]
    if missing or not names:
        raise Problem('%s has no Cray PE %s: run `ci/standin/build --root %s --release %s` first' % (
            layout.root, ' '.join(missing), layout.root, ' '.join(missing or facts()['default_releases'])))
    return [Release(name) for name in names]


def lua(value, indent=''):
    """Return a value of JSON shape as Lua text (numbers, strings, lists, dicts; keys sorted)."""
    if isinstance(value, dict):
        inner = ''.join('%s   [%s] = %s,\n' % (indent, json.dumps(key), lua(value[key], indent + '   '))
                        for key in sorted(value))
        return '{\n%s%s}' % (inner, indent)
    if isinstance(value, (list, tuple)):
        return '{%s}' % ', '.join(lua(item) for item in value)
    return json.dumps(value)
