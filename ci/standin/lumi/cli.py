# SPDX-License-Identifier: GPL-2.0-only
"""Command line of ci/standin/lumi/build."""
import argparse
import fcntl
import functools
import hashlib
import os
import sys

from ..cli import default_root
from ..layout import Layout, Problem
from ..steps import Builder
from . import central, easybuildinstall
from . import tree as where
from .buildtools import pack_opengl, pack_python, pack_tools
from .repository import write_modules, write_repository

EXAMPLES = '''examples:
  ci/standin/lumi/build                                    on the stand-in Cray PE in its usual place
  ci/standin/lumi/build --root /tmp/standin --release 25.03
  . /tmp/standin/enter.sh && module load LUMI/25.03 partition/C EasyBuild-user && eb --show-config

The Cray PE of the releases must be there: ci/standin/build makes it. What is made is not made again, unless
the data or the recipe that it is made from has changed.
'''


def parse(arguments):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog='ci/standin/lumi/build', epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build a stand-in of LUMI\'s software stack below ROOT/appl/lumi, with LUMI\'s names: '
                    'stack and partition modules, EasyBuild with LUMI\'s configuration, cpe* toolchains, '
                    'central software.')
    parser.add_argument('--root', default=default_root(), help='root of the stand-in (default: %(default)s)')
    parser.add_argument('--release', nargs='+', metavar='RELEASE', default=[],
                        help='Cray PE releases, or all that the root has (default: of %s those that it has)'
                             % ' '.join(where.facts()['default_releases']))
    parser.add_argument('--jobs', type=int, default=min(os.cpu_count() or 1, 8), help='parallel jobs of make '
                        '(default: %(default)s)')
    parser.add_argument('--no-central', action='store_true', help='leave out the central software')
    parser.add_argument('--with-perl', action='store_true', help='build Perl too, as LUMI\'s stack has it: minutes')
    parser.add_argument('--verbose', action='store_true', help='show the output of the commands')
    return parser.parse_args(arguments)


def digest(*paths):
    """Return a digest of files, and of all files in folders."""
    summer = hashlib.sha256()
    for path in paths:
        files = sorted(item for item in path.rglob('*') if item.is_file() and item.suffix != '.pyc') \
            if path.is_dir() else [path]
        for item in files:
            summer.update(str(item.name).encode() + item.read_bytes())
    return summer.hexdigest()


def build(builder, releases, with_central, with_perl):
    """Run the steps.

    builder: runs and stamps them. releases: Release objects. with_central: install the central software too.
    with_perl: and Perl.
    """
    tree = where.Tree(builder.layout)
    here = where.HERE
    code = [here / name for name in ('facts.json', 'metadata.py', 'recipes.py', 'repository.py', 'tree.py')]
    names = ' '.join(release.name for release in releases)
    builder.step('lumi-repository', 'LUMI-SoftwareStack, module tree: ' + names,
                 lambda: (write_repository(tree, releases), write_modules(tree, releases)),
                 [[release.data for release in releases],
                  digest(here / 'stack', here / 'recipes', where.PROJECT / 'easyconfigs/c', *code)])
    python = tree.python(releases[-1])
    for version in sorted({where.easybuild_version(rel) for rel in releases} | {where.facts()['easybuild']}):
        builder.step('lumi-easybuild-' + version, 'EasyBuild %s (a minute)' % version,
                     functools.partial(easybuildinstall.install, builder, tree, version, python),
                     [version, str(python), digest(here / 'easybuildinstall.py')])
    for release in releases:
        possible = central.toolchains_possible(tree, release)
        recipes = {central.toolchain_recipe(name, release) for names in possible.values() for name in names}
        builder.step('lumi-toolchains-' + release.name,
                     'toolchains of LUMI/%s (eb, infrastructure mode)' % release.name,
                     functools.partial(central.install_toolchains, builder, tree, release),
                     [possible, digest(where.EASYBLOCK, *sorted(recipes))])
    if with_central:
        for release in releases:
            build_central(builder, tree, release, digest(here / 'buildtools.py'), where.facts()['central'])
            if with_perl:
                build_central(builder, tree, release, '', where.facts()['perl'])


def build_central(builder, tree, release, code, central_software):
    """Run the steps for central software of one release.

    code: digest of what packs the build tools. central_software: {release: {partition: file names of recipes}}.
    """
    facts = where.facts()
    archives = {'buildtools': (pack_tools, 'buildtools'), 'buildtools-python': (pack_python, 'buildtools_python'),
                'OpenGL': (pack_opengl, 'opengl')}
    for partition, names in central_software.get(release.name, {}).items():
        for name in names:
            recipe = central.find_recipe(tree, name)
            action, key = archives.get(recipe.parent.name, (None, None))
            inputs = [facts[key], code] if key else []
            if action:
                version = recipe.stem[len(recipe.parent.name) + 1:].partition('-cpe')[0]
                builder.step('lumi-pack-' + recipe.stem, 'packing %s for LUMI/%s' % (recipe.stem, release.name),
                             functools.partial(action, builder, tree, release, version), inputs)
            install = functools.partial(central.install_central, builder, tree, release, partition, recipe, bool(key))
            builder.step('lumi-central-%s-%s-%s' % (release.name, partition, recipe.stem),
                         '%s for LUMI/%s partition/%s' % (recipe.stem, release.name, partition), install,
                         [digest(recipe), inputs])


def main(arguments=None):
    """Run the command line; return the exit code."""
    options = parse(arguments)
    try:
        layout = Layout(options.root)
        os.umask(0o022)
        builder = Builder(layout, max(1, options.jobs), options.verbose)
        layout.store.mkdir(parents=True, exist_ok=True)
        # the lock of ci/standin/build: what is below must not change meanwhile
        with open(layout.store / 'lock', 'w', encoding='utf-8') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                builder.say('another build of %s is running: waiting for it' % layout.root)
                fcntl.flock(lock, fcntl.LOCK_EX)
            releases = where.releases_to_build(layout, options.release)
            build(builder, releases, not options.no_central, options.with_perl)
        builder.say('%s; LUMI/%s. Enter it with:  . %s/enter.sh' % (
            'built' if builder.done else 'nothing to do', ' LUMI/'.join(release.name for release in releases),
            layout.root))
        return 0
    except Problem as problem:
        print('ci/standin/lumi/build: %s' % problem, file=sys.stderr)
        return 1
    except PermissionError as err:
        print('ci/standin/lumi/build: no permission to write %s; choose another --root' % err.filename,
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('ci/standin/lumi/build: interrupted; what was finished is kept, run it again to go on',
              file=sys.stderr)
        return 130
