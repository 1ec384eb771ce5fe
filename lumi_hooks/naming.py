# SPDX-License-Identifier: GPL-2.0-only
"""
From what users type to a recipe: `GROMACS`, `gromacs`, `GROMACS/2024.4`, `GROMACS-2024.4`, `lz4/1.10.0-cpeGNU-25.03`.

Which recipe is taken follows the orders of selection.py and index.py, so that a name means here what it means as a
dependency.
"""
import os
import re
from dataclasses import dataclass, replace
from typing import List, Optional, Sequence, Tuple

from . import sites
from .catalogue import our_recipes
from .dependency import Dependency
from .errors import RecipeError
from .finding import all_software, did_you_mean
from .gpu import CUDA, ROCM, site_for_dependency, split_suffix
from .index import Index, Source, choose_source, parse_filename
from .prefix import holder, name_of
from .releases import load_toolchains
from .selection import choose_version, own_recipe, source_recipe
from .site import Site
from .versions import version_key

NATIVE, OWN, UPSTREAM, OURS = 'for this toolchain', 'own', 'upstream', 'lumi-hooks'
_SHOWN = 3


@dataclass(frozen=True)
class Entry:
    """
    A recipe that there is of a software, by its file name.

    :ivar kind: NATIVE (LUMI's or the user's, for one of the site's own toolchains), OWN (LUMI's or the user's for
        others or none), UPSTREAM or OURS
    :ivar whose: the same for people
    """
    source: Source
    kind: str
    whose: str

    @property
    def full_version(self) -> str:
        """Version and suffix: what tells the recipes of a software apart, whatever they are made for."""
        return self.source.version + self.source.versionsuffix


@dataclass(frozen=True)
class Choice:
    """A recipe that was chosen for a name: its path, why this one, and the file names of the others."""
    path: str
    software: str
    reason: str
    others: Tuple[str, ...] = ()

    def __str__(self) -> str:
        more = len(self.others) - _SHOWN
        also = f'; also {", ".join(self.others[:_SHOWN])}' + (f' and {more} more' if more > 0 else '') \
            if self.others else ''
        return f'{os.path.basename(self.path)}: {self.reason}{also}'


def software(text: str, site: Site) -> Tuple[str, str]:
    """
    The software that is meant, in the letters that recipes write it with, and what stands behind it (a version, with
    toolchain and suffix or without).

    :raises RecipeError: nothing is called so, or several things are
    """
    names = all_software(site.index) | all_software(_ours())
    name, slash, rest = text.partition('/')
    parts = [name] if slash else name.split('-')
    for size in range(len(parts), 0, -1):
        head = name if slash else '-'.join(parts[:size])
        tail = rest if slash else '-'.join(parts[size:])
        # what follows a name is a version
        if tail and not slash and not re.match(r'v?\d', tail):
            continue
        found = [head] if head in names else sorted(known for known in names if known.lower() == head.lower())
        if len(found) > 1:
            raise RecipeError(f'{head} can be {" or ".join(found)}: write the one that you mean')
        if found:
            return found[0], tail
    base = re.sub(r'-v?\d.*$', '', name)
    raise RecipeError(f'there is no recipe or module of {base}: {did_you_mean(base, names)}')


def entries(name: str, site: Site) -> List[Entry]:
    """
    Every recipe of a software, the newest version first; of one version LUMI's and the user's own first. Recipes for
    other cpe* toolchains than the site's are left out.
    """
    found, cpe = [], _middle(name)
    for path in site.index.own_files(name):
        source, match = parse_filename(name, path), cpe.fullmatch(os.path.basename(path))
        if not match:
            found.append(Entry(source, OWN, whose(path, site)))
        elif match['version_of'] == site.toolchain_version \
                and match['toolchain'] in site.partition_facts['toolchains']:
            native = replace(source, version=match['version'], versionsuffix=match['suffix'])
            found.append(Entry(native, NATIVE, whose(path, site)))
    known = {os.path.basename(entry.source.path) for entry in found}
    for path in _ours().own_files(name):
        if os.path.basename(path) not in known and not cpe.fullmatch(os.path.basename(path)):
            found.append(Entry(parse_filename(name, path), OURS, OURS))
            known.add(os.path.basename(path))
    found += [Entry(source, UPSTREAM, 'upstream') for source in site.index.sources(name)
              if os.path.basename(source.path) not in known]
    rank = {NATIVE: 0, OWN: 1, OURS: 2, UPSTREAM: 3}
    home = site.release.generation

    def order(entry: Entry):
        generation = entry.source.generation
        return (rank[entry.kind], generation != home, os.path.basename(entry.source.path))
    found.sort(key=order)
    return sorted(found, key=lambda entry: version_key(entry.source.version), reverse=True)


def whose(path: str, site: Site) -> str:
    """Whose a recipe is that is none of upstream's, for people."""
    prefix = holder(path, site.prefixes)
    if prefix is None:
        return sites.name()
    return 'yours' if prefix == site.prefixes[0] else name_of(prefix, site.prefixes)


def choose(text: str, site: Site) -> Choice:
    """
    The recipe that suits the site best, for a name as users type it.

    :raises RecipeError: nothing is called so, there is no recipe of that version, or it is for another site
    """
    name, rest = software(text, site)
    every = entries(name, site)
    if not every:
        raise RecipeError(f'there is no recipe of {name}: it is known only as a module ("module spider {name}")')
    if not rest:
        chosen = _best(name, every, site)
    else:
        module = re.fullmatch(rf'(.+?)-({_cpe()})-(\d\d\.\d\d)(-.*)?', rest)
        if module:
            version, toolchain, release, suffix = module[1], module[2], module[3], module[4] or ''
            chosen = _of_module(name, version, toolchain, release, suffix, every, site)
        else:
            chosen = _of_version(name, rest, every, site)
    entry, reason = chosen
    others = tuple(dict.fromkeys(os.path.basename(other.source.path) for other in _fitting(every, site)
                                 if other.source.path != entry.source.path))
    return Choice(entry.source.path, name, reason, others)


def _best(name: str, every: Sequence[Entry], site: Site) -> Tuple[Entry, str]:
    """The recipe of the version that the site has or would choose for what depends on the software."""
    version = choose_version(Dependency(name, ''), site, 'any')
    path = own_recipe(name, version.version, '', site)
    source = None if path else source_recipe(name, version.version, '', site)
    entry = _entry(path or (source.path if source else None), every)
    if entry:
        return entry, version.reason
    return _of(every, site)


def _of_version(name: str, rest: str, every: Sequence[Entry], site: Site) -> Tuple[Entry, str]:
    """The recipe of a version: all of it, or its beginning (2024 for 2024.4); with its suffix, or of any."""
    for fits in (lambda entry: entry.full_version == rest, lambda entry: entry.source.version == rest,
                 lambda entry: entry.source.version.startswith(rest + '.')):
        found = [entry for entry in every if fits(entry)]
        if found:
            plain = [entry for entry in found if entry.full_version == found[0].source.version] or found
            version, suffix = plain[0].source.version, plain[0].source.versionsuffix
            path = own_recipe(name, version, suffix, site)
            source = None if path else source_recipe(name, version, suffix, site)
            entry = _entry(path or (source.path if source else None), every)
            return (entry, _reason(entry, site)) if entry else _of(found, site)
    versions = list(dict.fromkeys(entry.source.version for entry in every))
    raise RecipeError(f'there is no recipe of {name} {rest}; there {"are" if len(versions) > 1 else "is"} '
                      + ', '.join(versions[:8]) + (f' and {len(versions) - 8} older ones' if versions[8:] else ''))


def _of_module(name: str, version: str, toolchain: str, release: str, suffix: str, every: Sequence[Entry],
               site: Site) -> Tuple[Entry, str]:
    """The recipe that becomes a module."""
    module = f'{name}/{version}-{toolchain}-{release}{suffix}'
    if release != site.toolchain_version:
        raise RecipeError(f'{module} is of release {release}, and this is {site.toolchain_version}: load '
                          f'{sites.said("stack", release=release)} (or give --release {release}), or name the '
                          'software alone')
    here = site_for_dependency(Dependency(name, version, suffix), site, toolchain)
    path = own_recipe(name, version, suffix, here)
    source = None if path else source_recipe(name, version, suffix, here)
    entry = _entry(path or (source.path if source else None), every)
    if not entry:
        raise RecipeError(f'there is no recipe that becomes {module}; "lumi-eb search {name}" shows what there is')
    if toolchain != site.toolchain and split_suffix(suffix)[1] != ROCM:
        raise RecipeError(f'{module} is of {toolchain}, and this is {site.toolchain}: add --toolchain {toolchain}, or '
                          'name the software alone')
    return entry, f'it becomes {module}'


def _of(found: Sequence[Entry], site: Site) -> Tuple[Entry, str]:
    """The best of some recipes where no version decides: LUMI's and the user's, the nearest generation, the newest."""
    native = [entry for entry in found if entry.kind == NATIVE]
    if native:
        return native[0], _reason(native[0], site)
    fitting = _fitting(found, site)
    for some in ([entry for entry in fitting if not entry.source.versionsuffix], fitting, found):
        source = choose_source([entry.source for entry in some], site.release.generation)
        entry = _entry(source.path if source else None, some)
        if entry:
            return entry, _reason(entry, site)
    return found[0], f'the newest of {len(found)}' if len(found) > 1 else 'the only one'


def _fitting(found: Sequence[Entry], site: Site) -> List[Entry]:
    """The recipes that are not for GPUs which the partition has not."""
    return [entry for entry in found if site.partition_facts['gpu']
            or split_suffix(entry.source.versionsuffix)[1] not in (CUDA, ROCM)]


def _reason(entry: Entry, site: Site) -> str:
    """Why a recipe is the one."""
    if entry.kind in (NATIVE, OWN):
        return f'a recipe of {"yours" if entry.whose == "yours" else entry.whose}' \
            + (f' for {site.toolchain} of release {site.release.name}' if entry.kind == NATIVE else '')
    generation = entry.source.generation
    if generation == site.release.generation:
        return f'upstream\'s, of the generation of release {site.release.name}\'s compiler ({generation})'
    return f'upstream\'s, of the generation nearest to release {site.release.name}\'s compiler ({generation})' \
        if generation else 'the recipe of that version'


def _entry(path: Optional[str], among: Sequence[Entry]) -> Optional[Entry]:
    return next((entry for entry in among if entry.source.path == path), None)


def _ours() -> Index:
    """Our own recipes of what upstream lacks."""
    return Index((), [path for path in [our_recipes()] if path])


def _cpe() -> str:
    return '|'.join(map(re.escape, load_toolchains()['toolchains']))


def _middle(name: str) -> 're.Pattern[str]':
    """The file names of recipes for cpe* toolchains."""
    return re.compile(rf'{re.escape(name)}-(?P<version>.+?)-(?P<toolchain>{_cpe()})-(?P<version_of>\d\d\.\d\d)'
                      r'(?P<suffix>.*)\.eb')
