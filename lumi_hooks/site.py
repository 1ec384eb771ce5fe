# SPDX-License-Identifier: GPL-2.0-only
"""
Where we are: release, partition, toolchain, mode, prefix and what is installed already.

Read once, from the variables that the site's modules set (sites/); each can be overridden by a LUMI_HOOKS_* variable
or on the command line. A variable that is missing or contradicts another gives one sentence, never a KeyError.
"""
import fnmatch
import os
import re
import socket
from dataclasses import dataclass, field, replace
from typing import FrozenSet, Mapping, Optional, Tuple

from . import settings, sites
from .errors import DataError, SiteError
from .index import NOTHING, Index
from .prefix import changes_since_loaded, stack_of, user_prefix
from .prefix.overrides import NONE, Overrides
from .releases import CrayModule, Release, cray_modules, default_release, load_machine, load_release, load_toolchains

# below the prefix: adapted recipes
OVERLAY_FOLDER = '.lumi-hooks'
MODES = ('user', 'production', 'infrastructure')
# any of these says that the site's software stack is loaded, or that somebody asked for the library
MARKS = tuple(filter(None, map(sites.variable, ('stack', 'release', 'partition', 'mode')))) + (
    'LUMI_HOOKS_RELEASE', 'LUMI_HOOKS_PARTITION')


@dataclass(frozen=True)
class Site:
    """
    Everything about the place of installation that a rule may look at.

    `fixed`: the toolchain was asked for, and does not follow what a package prefers. `gpu` names the software whose
    CPU recipes are built for the GPUs (`*`: all that can be).
    """
    release: Release
    partition: str
    toolchain: str
    mode: str = 'user'
    prefix: str = ''
    index: Index = field(default=NOTHING, compare=False)
    disabled: FrozenSet[str] = frozenset()
    derive: FrozenSet[str] = frozenset()
    # the stack of prefixes, top (where software is installed) first; the central stack lies below them
    prefixes: Tuple[str, ...] = ()
    # what users change of recipes
    overrides: Overrides = field(default=NONE, compare=False)
    # software whose sources may lack checksums, by name
    allow: FrozenSet[str] = frozenset()
    gpu: FrozenSet[str] = frozenset()
    fixed: bool = False

    @property
    def toolchain_version(self) -> str:
        """Version of the cpe* toolchain: the release of the Cray PE."""
        return self.release.cpe

    @property
    def cray(self) -> Mapping[str, CrayModule]:
        """The Cray modules of the release, by name."""
        return cray_modules(self.release.name)

    @property
    def partition_facts(self) -> Mapping:
        """The partition's entry in machine.json."""
        return load_machine()['partitions'][self.partition]

    def derives(self, name: str) -> bool:
        """Is a recipe of LUMI for software `name` to be ignored in favour of a derived one?"""
        return name in self.derive or '*' in self.derive

    def allows(self, name: str) -> bool:
        """May software `name` be built from what has no checksum, downloads of its build too? (No word means all.)"""
        return name in self.allow

    def wants_gpu(self, name: str) -> bool:
        """Was the GPU variant of software `name` asked for, whatever the recipe is for?"""
        return name in self.gpu or '*' in self.gpu

    def on(self, toolchain: str) -> 'Site':
        """The same site with a toolchain that is given and does not follow the package."""
        return self if self.fixed and toolchain == self.toolchain else replace(self, toolchain=toolchain, fixed=True)

    def with_gpu(self, name: str) -> 'Site':
        """The same site, with the GPU variant of software `name` asked for."""
        return self if self.wants_gpu(name) else replace(self, gpu=self.gpu | {name})


def make_site(release: Optional[str] = None, partition: Optional[str] = None, toolchain: Optional[str] = None,
              mode: str = 'user', prefix: str = '', index: Index = NOTHING,
              env: Mapping[str, str] = os.environ) -> Site:
    """
    A site from given values; what is not given is the site's default (release, partition, toolchain).

    :raises SiteError: a value or a setting is unknown, or the toolchain does not exist on the partition
    :raises DataError: a file of prefixes is wrong
    """
    settings.check(env)
    machine, fixed = load_machine(), bool(toolchain)
    partition, toolchain = partition or sites.site()['partitions']['default'], toolchain or machine['default_toolchain']
    try:
        found = load_release(release) if release else default_release()
    except DataError as err:
        raise SiteError(str(err)) from err
    if partition not in machine['partitions']:
        raise SiteError(f'unknown partition "{partition}"; known are {", ".join(machine["partitions"])}')
    if toolchain not in load_toolchains()['toolchains']:
        raise SiteError(f'unknown toolchain "{toolchain}"; known are {", ".join(load_toolchains()["toolchains"])}')
    there = machine['partitions'][partition]['toolchains']
    if toolchain not in there:
        raise SiteError(f'partition {partition} has no toolchain {toolchain}; it has {", ".join(there)}')
    if mode not in MODES:
        raise SiteError(f'unknown mode "{mode}" ({sites.variable("mode") or "LUMI_HOOKS_MODE"}); known are '
                        f'{", ".join(MODES)}')
    stack = stack_of(prefix, env) if mode == 'user' else tuple(filter(None, [prefix]))
    return Site(found, partition, toolchain, mode, prefix, index, settings.words(env, 'DISABLE'),
                settings.words(env, 'DERIVE'), stack, allow=settings.words(env, 'ALLOW'),
                gpu=settings.words(env, 'GPU'), fixed=fixed)


def is_lumi(env: Mapping[str, str] = os.environ) -> bool:
    """Does the environment say that the site's software stack is loaded? Without it the library does nothing."""
    return any(env.get(mark) for mark in MARKS)


def is_special(env: Mapping[str, str] = os.environ) -> bool:
    """Is a partition loaded that holds no cpe* software (container, CrayEnv, system)? The hooks keep still there."""
    partition = env.get('LUMI_HOOKS_PARTITION') or site_variable('partition', env) or site_variable('name', env)
    return partition in load_machine()['special_partitions']


def site_from_environment(env: Mapping[str, str] = os.environ, hostname: Optional[str] = None,
                          index: Index = NOTHING) -> Site:
    """
    The site that the modules describe (`variables` in the site's data).

    :param hostname: of this node; taken from the system where not given
    :raises SiteError: a variable is missing or contradicts another; the message says what to load or to set
    """
    stack, cpe = site_variable('stack', env), site_variable('release', env)
    release = env.get('LUMI_HOOKS_RELEASE') or cpe or (stack or '').replace('.dev', '')
    if not release:
        raise SiteError(sites.said('no_release', release=default_release().name))
    if stack and cpe and stack.replace('.dev', '') != cpe and not env.get('LUMI_HOOKS_RELEASE'):
        raise SiteError(f'{sites.variable("stack")}={stack} and {sites.variable("release")}={cpe} contradict each '
                        f'other: {sites.said("reload")}, or say which release you mean with LUMI_HOOKS_RELEASE')
    special = sites.site()['partitions']
    partition = env.get('LUMI_HOOKS_PARTITION') or site_variable('partition', env)
    if not partition and sites.site().get('assumed'):
        partition = special['default']
    if not partition:
        raise SiteError(sites.said('no_partition'))
    mode = env.get('LUMI_HOOKS_MODE') or site_variable('mode', env) or 'user'
    chosen = env.get('LUMI_HOOKS_PARTITION') or site_variable('partition_chosen', env)
    if partition == special.get('login') and not chosen:
        node = node_partition(hostname)
        if node is None and mode == 'user':
            raise SiteError(sites.said('login_partition'))
    prefix = env.get('EASYBUILD_PREFIX', '')
    if mode in MODES and mode != 'user' and not prefix:
        raise SiteError(f'EASYBUILD_PREFIX is not set, and mode {mode} installs there: '
                        f'load {sites.said("easybuild", mode=mode)}')
    if mode == 'user':
        prefix = user_prefix(env)
        if not prefix:
            raise SiteError(sites.said('no_prefix'))
    site = make_site(release, partition, env.get('LUMI_HOOKS_TOOLCHAIN'), mode, prefix, index, env)
    changed = changes_since_loaded(site.prefixes, env)
    if changed:
        raise SiteError(changed)
    return site


def stack_version(site: Site, env: Mapping[str, str] = os.environ) -> str:
    """Version of the stack's module for a site, which folders are named after (a development stack's ends in .dev)."""
    loaded = site_variable('stack', env)
    return loaded if loaded.replace('.dev', '') == site.release.name else site.release.name


def variables(site: Site, env: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """
    What the site's modules set in the environment, and recipes may ask for while they are read.
    """
    version = stack_version(site, env)
    found = {'name': sites.name(), 'stack': version, 'full_name': sites.said('stack', release=version),
             'release': site.toolchain_version, 'partition': site.partition, 'mode': site.mode}
    return {sites.variable(key): value for key, value in found.items() if sites.variable(key)}


def node_partition(hostname: Optional[str] = None) -> Optional[str]:
    """
    The partition that a node belongs to by its name (machine.json), None for login nodes and unknown ones.

    :param hostname: name of the node; this node where not given
    """
    hostname = (hostname or socket.gethostname()).split('.')[0]
    for name, facts in load_machine()['partitions'].items():
        for pattern in facts['hosts']:
            span = re.fullmatch(r'([a-z]+)(\d+)-\1(\d+)', pattern)
            if span:
                node = re.fullmatch(span.group(1) + r'(\d+)', hostname)
                if node and int(span.group(2)) <= int(node.group(1)) <= int(span.group(3)):
                    return name
            elif fnmatch.fnmatch(hostname, pattern):
                return None
    return None


def site_variable(key: str, env: Mapping[str, str] = os.environ) -> str:
    """What one of the site's variables says; empty where it is not set, or the site has none of that kind."""
    return env.get(sites.variable(key), '') if sites.variable(key) else ''
