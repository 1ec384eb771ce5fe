# SPDX-License-Identifier: GPL-2.0-only
"""The central installation, made as LUMI makes it: `eb` in infrastructure and in production mode."""
import concurrent.futures
import os
import shlex

from . import tree as where
from .easybuildinstall import PACKAGES


def login(tree, commands, parallel=1):
    """Return the words of a clean bash login that runs commands (lines of shell) in the stand-in.

    The home folder is one below the store: neither Lmod nor EasyBuild leaves anything in the caller's.
    """
    store = tree.layout.store
    (store / 'home').mkdir(parents=True, exist_ok=True)
    script = 'set -e\n. %s/enter.sh\n%s\n' % (shlex.quote(str(tree.layout.root)), '\n'.join(commands))
    clean = ['HOME=%s/home' % store, 'USER=standin', 'PATH=/usr/bin:/bin', 'LC_ALL=C.UTF-8',
             'LUMI_OVERWRITE_PARTITION=L', 'EBU_USER_PREFIX=%s/home/EasyBuild' % store,
             'EBU_WORKDIR=%s/build/work' % store, 'EASYBUILD_PARALLEL=%d' % parallel]
    return ['env', '-i'] + clean + ['bash', '--norc', '--noprofile', '-c', script]


def enter(release, partition, mode):
    """Return the shell commands that set up EasyBuild in a mode, with a build folder of the partition's own."""
    return ['export LUMI_OVERWRITE_PARTITION=%s EBU_WORKDIR=$EBU_WORKDIR/%s' % (partition, partition),
            'module load LUMI/%s EasyBuild-unlock EasyBuild-%s' % (release.name, mode)]


def eb(recipes):
    """Return the eb command line for recipes; what is there is made again (the caller's stamps say when)."""
    options = ['--force']
    if os.geteuid() == 0:
        options.append('--allow-use-as-root-and-accept-consequences')
    return ' '.join(['eb'] + [shlex.quote(str(word)) for word in list(recipes) + options])


def toolchains_possible(tree, release):
    """Return {partition: names} of the cpe* toolchains whose Cray modules are all below the root.

    A toolchain is left out while the stand-in lacks a module that it loads (ci/standin/build --with none):
    EasyBuild loads what it has installed.
    """
    table = where.toolchains()
    folders = [tree.layout.pe / 'lmod/modulefiles/core', tree.layout.root / 'opt/cray/modulefiles',
               tree.layout.root / 'opt/modulefiles']

    def there(module):
        version = release.version(module)
        return any((folder / module / ('%s.lua' % version)).exists() for folder in folders)

    possible = {}
    for partition in where.facts()['partitions']:
        data = where.machine()['partitions'][partition]
        possible[partition] = [
            name for name in data['toolchains'] if name in table and there(table[name]['prgenv'])
            and any(there(compiler) for compiler in table[name]['compiler'])
            and (there('rocm') or not data['gpu'])]
    return possible


def toolchain_recipe(name, release):
    """Return the project's recipe of a toolchain."""
    return where.PROJECT / 'easyconfigs/c' / name / ('%s-%s.eb' % (name, release.name))


def install_toolchains(builder, tree, release):
    """Install cpe*/<release> for each partition that offers it, with the project's recipes and easyblock."""
    possible = toolchains_possible(tree, release)

    def install(partition):
        offered = where.machine()['partitions'][partition]['toolchains']
        lacking = [name for name in offered if name not in possible[partition]]
        builder.say('  partition %s: %s%s' % (
            partition, ' '.join(possible[partition]) or 'none',
            lacking and ' (not %s: the stand-in lacks Cray modules for it)' % ' '.join(lacking) or ''))
        if possible[partition]:
            builder.run(login(tree, enter(release, partition, 'infrastructure') + [
                # the project's easyblock instead of LUMI's of the same name
                'export EASYBUILD_INCLUDE_EASYBLOCKS=%s' % shlex.quote(str(where.EASYBLOCK)),
                eb(toolchain_recipe(name, release) for name in possible[partition])]),
                'installing the toolchain modules of partition ' + partition, log='central-' + partition)

    # most of it is waiting for Lmod and the start of eb
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(2, builder.jobs)) as pool:
        for _ in pool.map(install, possible):
            pass


def stage(builder, tree, release, recipe):
    """Fetch the sources of one of LUMI's recipes into the stack's sources, with ci/sources/stage."""
    env = {key: value for key, value in os.environ.items() if not key.startswith('EASYBUILD_')}
    env['PYTHONPATH'] = str(tree.easybuild(where.easybuild_version(release)) / PACKAGES)
    env['EASYBUILD_INCLUDE_TOOLCHAINS'] = ','.join(
        str(tree.repository / 'easybuild' / name) for name in ('toolchains/*.py', 'toolchains/compiler/*.py'))
    builder.run([tree.python(release), where.PROJECT / 'ci/sources/stage', '--into', tree.sources,
                 '--cache', builder.layout.store / 'sources-index', recipe],
                'fetching the sources of ' + recipe.stem, env=env, log='sources')


def find_recipe(tree, name):
    """Return a recipe of LUMI-SoftwareStack by its file name."""
    return next(tree.easyconfigs.rglob(name))


def install_central(builder, tree, release, partition, recipe, packed=False):
    """Install one central package from LUMI's recipe, in production mode, with LUMI's own hooks and classes.

    recipe: in LUMI-SoftwareStack. packed: its archive was made here; else its sources are fetched first.
    """
    if not packed:
        stage(builder, tree, release, recipe)
    builder.run(login(tree, enter(release, partition, 'production') + [eb([recipe])], builder.jobs),
                'installing ' + recipe.stem, log='central')
