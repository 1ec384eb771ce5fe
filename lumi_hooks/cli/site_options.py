# SPDX-License-Identifier: GPL-2.0-only
"""The site that a command is about: what the user says, else the environment, else LUMI's defaults."""
import argparse
import os
import sys
from dataclasses import replace
from typing import List, Mapping, Optional, Sequence, Tuple

from .. import quote, settings, sites, trust
from ..catalogue import other_recipes, our_recipes, upstream_recipes
from ..errors import RecipeError, SiteError, TrustError
from ..finding import find_recipe, installed_software, similar
from ..gpu import known_obstacle
from ..index import Index, is_archive
from ..naming import Choice, choose
from ..packages import package
from ..plan import Planner
from ..prefix import module_path, robot_path
from ..prefix.closed import is_open
from ..prefix.overrides import overrides_of
from ..recipe import read_for, read_recipe
from ..record import archive, software_folders
from ..releases import default_release
from ..site import Site, is_lumi, make_site, site_from_environment, site_variable, stack_version, user_prefix, variables
from .partial import Partial


def add_options(parser: argparse.ArgumentParser) -> None:
    """--release, --partition, --toolchain and --gpu."""
    group = parser.add_argument_group('where to', f'taken from the loaded {sites.name()} modules where not given')
    group.add_argument('--release', metavar='YY.MM',
                       help=f'release of the Cray PE (default: {default_release().name})')
    group.add_argument('--partition', metavar='P', help='partition C, G, L, D or common (default: C)')
    group.add_argument('--toolchain', metavar='NAME', help='cpeGNU, cpeCray, cpeAOCC or cpeAMD (default: cpeGNU; of a '
                       'GPU variant what its package prefers)')
    group.add_argument('--gpu', metavar='NAME', action='append', help='software whose CPU recipe is to become the '
                       'variant for GPUs (-rocm) on partition G; may be repeated, * is all that can')


def find_site(options: argparse.Namespace) -> Tuple[Site, List[str]]:
    """
    The site, and the folders to look for recipes in.

    :raises SiteError: unknown or contradictory values, or --gpu for what has no variant for GPUs
    """
    env = dict(os.environ)
    for name in ('release', 'partition', 'toolchain'):
        value = getattr(options, name, None)
        if value is not None:
            env[f'LUMI_HOOKS_{name.upper()}'] = value
    if getattr(options, 'gpu', None):
        env['LUMI_HOOKS_GPU'] = ' '.join(options.gpu)
    upstream = upstream_recipes(env)
    robot = [path for path in env.get('EASYBUILD_ROBOT_PATHS', '').split(':') if path]
    modulepath = [path for path in env.get('MODULEPATH', '').split(':') if path]
    if is_lumi(os.environ):
        site = site_from_environment(env)
        where = site.prefixes, stack_version(site, env), site.partition
        own = _trusted(other_recipes(robot_path(robot, *where), upstream))
        modulepath = module_path(modulepath, *where)
        loaded = site_variable('release', os.environ) or site_variable('stack', os.environ) or site.release.name
        same = (loaded.replace('.dev', '') == site.release.name
                and (site_variable('partition', os.environ) or site.partition) == site.partition)
        # what is loaded says nothing of another release or partition
        index = Index(modulepath, own, upstream) if same else Index((), (), upstream)
    else:
        site = make_site(env.get('LUMI_HOOKS_RELEASE'), env.get('LUMI_HOOKS_PARTITION'),
                         env.get('LUMI_HOOKS_TOOLCHAIN'), prefix=user_prefix(env), env=env)
        own = _trusted(other_recipes(robot, upstream))
        index = Index((), own, upstream)
    _check_gpu(getattr(options, 'gpu', None) or (), site)
    read_for(variables(site))
    site = replace(site, index=index, overrides=overrides_of(site.prefixes, env))
    return site, [*own, *(path for path in [our_recipes()] if path), *upstream]


def _check_gpu(names: Sequence[str], site: Site) -> None:
    """Names of --gpu that nothing would come of are told, not passed over."""
    if names and not site.partition_facts['gpu']:
        raise SiteError(f'--gpu asks for variants for GPUs, and the nodes of partition {site.partition} have none: add '
                        '--partition G')
    for name in names:
        if name != '*' and 'back_end' not in package(name).get('rocm', {}):
            known = known_obstacle(name, '', site)
            raise SiteError(f'--gpu {name}: ' + (known.reason if known else 'nothing is known of a variant of it for '
                            'AMD\'s GPUs (names are written as upstream\'s recipes write them: GROMACS)'))


def given_recipe(name: str, site: Site, folders: Sequence[str]) -> str:
    """
    Path of a recipe that the user names: a path, a file name, or the name of a software (naming.py), for which it is
    told which recipe is taken. As in `eb`, a copy in the archive is meant only where it is given by its path: by its
    name it is the recipe that it was made of, or LUMI's or the user's of that name.

    :raises RecipeError: it is nowhere, not to be trusted or can't be read
    """
    if name.endswith(('.yaml', '.yml')):
        raise RecipeError(f'{name} is no recipe; if it is an easystack, name the recipes that it lists')
    path, choice = look_up(name, site, folders)
    if choice:
        print(f'lumi-eb: {quote.line(name)} is {quote.line(choice)}', file=sys.stderr, flush=True)
    return path


def given_recipes(names: Sequence[str], site: Site, folders: Sequence[str], failed: Partial) -> List[str]:
    """Paths of the recipes that the user names, as far as a plan can read them; `failed` is told of the others."""
    found, planner = [], Planner(site)
    for name in names:
        with failed.of(name):
            path = given_recipe(name, site, folders)
            planner.asked(path)
            found.append(path)
    return found


def look_up(name: str, site: Site, folders: Sequence[str]) -> Tuple[str, Optional[Choice]]:
    """
    Path of a recipe that the user names, and why it is this one where it is named by its software.

    :raises RecipeError: it is nowhere, not to be trusted or can't be read
    """
    choice = None
    # a program or folder that lies in the current folder and is called like a software is not meant
    if name.endswith('.eb') or name.startswith(('.', os.sep)) or os.sep in name and os.path.isfile(name):
        path = find_recipe(name, folders)
    else:
        try:
            path = find_recipe(f'{name}.eb', folders)
        except TrustError:
            raise
        except RecipeError:
            try:
                choice = choose(name, site)
            except RecipeError:
                if not os.path.isfile(name):
                    raise
            path = find_recipe(choice.path if choice else name, folders)
    if os.path.isfile(name):
        return path, choice
    newer = archive.newer(read_recipe(path), site) if is_archive(path) else None
    return (newer.path if newer and newer.path else path), choice


def installed_name(what: str, site: Site) -> str:
    """
    What the user says of something installed, with the name of the software as its module is called: in whatever
    letters, and with a dash before the version (gromacs-2024.4).

    :raises RecipeError: nothing is called so, and something similar is
    """
    if os.path.exists(what) or what.endswith('.eb') or os.path.isabs(what):
        return what
    names = set(installed_software(site.index))
    names.update(name for prefix in site.prefixes for folder in software_folders(prefix)
                 for name in (os.listdir(folder) if is_open(folder) else ()))
    name, slash, rest = what.partition('/')
    parts = [name] if slash else name.split('-')
    for size in range(len(parts), 0, -1):
        head, tail = '-'.join(parts[:size]), rest if slash else '-'.join(parts[size:])
        found = [head] if head in names else [known for known in names if known.lower() == head.lower()]
        if len(found) == 1:
            return f'{found[0]}/{tail}' if tail else found[0]
    near = similar(name, names)
    if near:
        raise RecipeError(f'{name} is not installed in {", ".join(site.prefixes)}: did you mean {" or ".join(near)}?')
    return what


def _trusted(folders: Sequence[str]) -> List[str]:
    """The folders of recipes that nobody else can write to: reading a recipe runs it."""
    return [path for path in folders if trust.why_not_in(path) is None]


def settings_in_force(env: Mapping[str, str] = os.environ) -> List[str]:
    """The settings that are set, each with its value and what it changes, in the order of the documentation."""
    known = ((settings.PREFIX + name, entry['changes']) for name, entry in settings.load_settings().items())
    return [f'{variable}={env[variable]}: {changes}' for variable, changes in known if env.get(variable)]
