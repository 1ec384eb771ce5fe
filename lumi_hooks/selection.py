# SPDX-License-Identifier: GPL-2.0-only
"""Which version of a library a release holds, and which recipe stands for it: total orders, whoever asks."""
import functools
import re
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from . import sites
from .dependency import SYSTEM, Dependency
from .gpu import CPU, CUDA, ROCM, back_end, split_suffix
from .index import Source, choose_source, parse_filename
from .packages import package, treatment
from .releases import library_variants, library_versions, load_machine, load_upstream, python_packages
from .site import Site
from .versions import same_minor, version_key


@dataclass(frozen=True)
class Chosen:
    """
    A version with the reason why it is the release's.

    `suffix` and `toolchain` are those of a recipe of LUMI's that stands for one without a suffix, where they differ.
    """
    version: str
    reason: str
    suffix: Optional[str] = None
    toolchain: Optional[Tuple[str, str]] = None


def _once(choose: Callable[[Dependency, Site, str], Chosen]) -> Callable[..., Chosen]:
    """A choice is made once by what there is: several recipes ask for the same."""
    @functools.wraps(choose)
    def asked(dependency: Dependency, site: Site, policy: str = '') -> Chosen:
        known, key = site.index.answers(choose.__name__), (dependency, site, policy)
        if key not in known:
            known[key] = choose(dependency, site, policy)
        return known[key]
    return asked


@_once
def lumis_or_version(dependency: Dependency, site: Site, policy: str = '') -> Chosen:
    """
    What the release holds of a library. LUMI's own recipe goes before a derived one, also where LUMI calls it otherwise
    than upstream does: by a suffix of its own (GSL-2.8-cpeGNU-25.03-sequential), or as it needs no toolchain
    (Eigen-3.4.0). One without a toolchain must not be older than what would be derived.
    """
    name, chosen = dependency.name, choose_version(dependency, site, policy)
    others = library_variants(site.release.name).get(name, {}).get('others', {})
    suffixes = _lumis_suffixes(name, site)
    if dependency.versionsuffix in others:
        suffixes = [others[dependency.versionsuffix]]
    elif dependency.versionsuffix:
        return chosen
    if dependency.toolchain == SYSTEM or site.derives(name):
        return chosen
    release, allowed = site.release.name, _bound(dependency, site, policy or _policy(name))
    for version in sorted({chosen.version, *library_versions(release).get(name, ())}, key=version_key, reverse=True):
        if not allowed(version):
            continue
        if not others and _there(name, version, '', site):
            return chosen
        suffix = next((suffix for suffix in suffixes if _there(name, version, suffix, site)), None)
        if suffix is not None:
            return Chosen(version, f'{version}{suffix} is what {sites.name()} has of {name} for release {release}',
                          suffix)
    if others or _there(name, chosen.version, '', site):
        return chosen
    plain = [item for item in (parse_filename(name, path) for path in site.index.own_files(name))
             if not item.toolchain and '-' not in item.version and allowed(item.version)
             and version_key(item.version) >= version_key(chosen.version)]
    for item in sorted(plain, key=lambda item: version_key(item.version), reverse=True):
        needs = site.index.needs(item)
        # one that needs ROCm is for where there are GPUs
        if needs and (site.partition_facts['gpu'] or 'rocm' not in needs):
            reason = f'{sites.name()} or you have {name} {item.version} for every toolchain (SYSTEM)'
            return Chosen(item.version, reason, '', SYSTEM)
    return chosen


def loaded_by_lumis(dependencies: Iterable[Dependency], site: Site) -> Dict[str, Dependency]:
    """
    What LUMI's own recipes of some dependencies load when they run, and what these load in turn, by name. Of two
    modules of one name only one can be loaded, so another dependency of such a name has to be the same module.
    """
    found: Dict[str, Dependency] = {}
    todo = [item for item in dependencies if not item.external and item.toolchain is None]
    while todo:
        item = todo.pop(0)
        path = own_recipe(item.name, item.version, item.versionsuffix, site)
        for need in (path and site.index.loads(path)) or ():
            if not need.external and need.toolchain is None and '%' not in need.version and need.name not in found:
                found[need.name] = need
                todo.append(need)
    return found


def fits(dependency: Dependency, version: str, site: Site, policy: str = '') -> bool:
    """Does another version of a library do, by the bounds that are known of it?"""
    return _bound(dependency, site, policy or _policy(dependency.name))(version)


def _lumis_suffixes(name: str, site: Site) -> Sequence[str]:
    """
    The suffixes under which LUMI has what upstream has without one: by the version table of the release, or as they
    say what holds for everything here: the release's cray-python, and what `own_suffixes` in machine.json names.
    """
    python = site.release.modules['cray-python']
    known = library_variants(site.release.name).get(name)
    return ([known['suffix']] if known else []) + [
        f'-cray-python-{python}', f'-cray-python{".".join(python.split(".")[:2])}', *load_machine()['own_suffixes']]


def _there(name: str, version: str, suffix: str, site: Site) -> bool:
    """Does LUMI or the user have a module or a recipe for the site's toolchain?"""
    full = f'{version}-{site.toolchain}-{site.toolchain_version}{suffix}'
    return bool(site.index.module_file(f'{name}/{full}') or own_recipe(name, version, suffix, site))


@_once
def choose_version(dependency: Dependency, site: Site, policy: str = '') -> Chosen:
    """
    The version of a library that the release holds. In this order: the version that the package's own bound
    demands; LUMI's version table, where a module or a recipe of that version exists; an installed module; a recipe
    for the site's toolchain; the upstream recipe of the generation nearest the release's compiler.

    :param dependency: as the recipe asks for it
    :param policy: how far the version may differ from what is asked for; the package's own where it is not given
    """
    name, suffix, asked = dependency.name, dependency.versionsuffix, dependency.version
    policy = policy or _policy(name)

    allowed = _bound(dependency, site, policy)
    release = site.release.name
    table = [version for version in library_versions(release).get(name, ()) if allowed(version)]
    if policy == 'newest-of-major':
        newest = max([*table, *(item.version for item in _sources(name, suffix, site) if allowed(item.version)), asked],
                     key=version_key)
        if _exists(name, newest, suffix, site):
            return Chosen(newest, f'{newest} is the newest of its major version')
    for version in sorted(table, key=version_key, reverse=True):
        if _exists(name, version, suffix, site):
            return Chosen(version, f'{version} is the version of {name} in the stack of release {release}')
    middle = f'-{site.toolchain}-{site.toolchain_version}'
    for where, versions in (('is installed', site.index.installed_versions(name, middle)),
                            ('has a recipe', site.index.own_versions(name, middle))):
        found = [version for version, tail in versions if tail == suffix and allowed(version)]
        if found:
            version = max(found, key=version_key)
            return Chosen(version, f'{version} {where} for {site.toolchain} of release {release}')
    # a version of the user is for what asks for it: the release's version is upstream's, where upstream has any
    sources = [item for item in _sources(name, suffix, site) if allowed(item.version)] \
        or [item for item in _sources(name, suffix, site, site.index.own_sources(name)) if allowed(item.version)]
    if policy == 'not-newer' and sources:
        newest = max((item.version for item in sources), key=version_key)
        return Chosen(newest, f'{newest} is upstream\'s newest that is not newer than the release\'s '
                      f'{package(name)["version"]["of"]}')
    if policy == 'as-carried' and _carried(name, site) and sources:
        newest = max((item.version for item in sources), key=version_key)
        return Chosen(newest, f'{newest} is upstream\'s newest with the major version of '
                      f'{package(name)["version"]["of"]} that the release\'s cray-python has')
    source = choose_source(sources, site.release.generation)
    if source:
        return Chosen(source.version, f'{source.version} is upstream\'s version in the generation nearest to the '
                      f'compiler of release {release} ({site.release.generation})')
    return Chosen(asked, 'no other version is known')


def _bound(dependency: Dependency, site: Site, policy: str) -> Callable[[str], bool]:
    """Which versions of a library a policy allows instead of the one that is asked for."""
    name, asked = dependency.name, dependency.version
    limit = version_key(choose_version(Dependency(package(name)['version']['of'], asked), site).version) \
        if policy == 'not-newer' else ()

    def allowed(version: str) -> bool:
        if policy == 'not-newer':
            return version_key(version) <= limit
        if policy == 'exact':
            return version == asked
        if policy == 'as-carried':
            return _as_carried(name, version, site)
        if policy == 'between-breaks':
            return _era(name, version) == _era(name, asked)
        if policy in ('same-major', 'newest-of-major'):
            return version_key(version)[:1] == version_key(asked)[:1]
        return policy == 'any' or same_minor(version, asked)
    return allowed


def _as_carried(name: str, version: str, site: Site) -> bool:
    """
    Does a bundle hold the major version of a package that cray-python carries, as far as both are known? Of what is
    made of an interpreter itself, is it of its minor version?
    """
    of, python = package(name)['version']['of'], site.release.modules['cray-python']
    if of == 'cray-python':
        return same_minor(version, python)
    carried, found = _carried(name, site), treatment(name)
    held = ((found.members if found else None) or {}).get(version, {}).get(of)
    return not held or not carried or version_key(held)[:1] == version_key(carried)[:1]


def _carried(name: str, site: Site) -> Optional[str]:
    """The version that cray-python carries of the package that the versions of a bundle follow; None if not known."""
    entry = python_packages(site.release.modules['cray-python']).get(package(name)['version']['of'])
    return str(entry['version']) if entry and entry['verified'] else None


def source_recipe(name: str, version: str, suffix: str, site: Site) -> Optional[Source]:
    """
    The recipe that stands for name, version and suffix, None where there is none to adapt: one of the user's or LUMI's
    for upstream's toolchains before upstream's own, whatever its generation.
    """
    for candidates in (_sources(name, suffix, site, site.index.own_sources(name)), _sources(name, suffix, site)):
        found = choose_source([source for source in candidates if source.version == version], site.release.generation)
        if found:
            return found
    return None


def site_suffix(suffix: str, site: Site) -> str:
    """
    A version suffix as it reads at the site: where it names a version of R, Perl or Python, that version is the
    release's.

    >>> site_suffix('-R-4.2.1', site)
    '-R-4.5.1'
    """
    for name, start in load_upstream()['suffixes'].items():
        match = re.search(rf'(?<![^-]){start[1:]}(\d[\d.]*)(?=-|$)', suffix)
        if not match:
            continue
        asked, found = match[1], treatment(name)
        version = choose_version(Dependency(name, asked), site).version
        if found and found.verb == 'cray' and found.serial[0] in site.cray:
            module = site.cray[found.serial[0]]
            if _policy(name) != 'same-major' or version_key(asked)[:1] == version_key(module.upstream_version)[:1]:
                version = module.upstream_version
        suffix = suffix[:match.start(1)] + version + suffix[match.end(1):]
    return suffix


def _era(name: str, version: str) -> int:
    """How many of the breaks of a package's interface lie before a version."""
    return sum(version_key(version) >= version_key(start) for start in package(name)['version']['breaks'])


def same_era(name: str, one: str, other: str) -> bool:
    """Are two versions of a package between the same breaks of its interface, or, if none are stated, of one major?"""
    if 'breaks' in package(name).get('version', {}):
        return _era(name, one) == _era(name, other)
    return version_key(one)[:1] == version_key(other)[:1]


def _policy(name: str) -> str:
    """How the version of a package follows the release: by its own bound, else as far as a Cray module would."""
    bound = package(name).get('version')
    if bound:
        return bound['policy']
    found = treatment(name)
    return (found.versions if found and found.versions else {}).get('policy', 'any')


def _sources(name: str, suffix: str, site: Site, among: Optional[Sequence[Source]] = None) -> List[Source]:
    """The recipes of a software whose suffix reads the same at the site, among upstream's where no others are given."""
    sources = site.index.sources(name) if among is None else among
    rest, tail = split_suffix(suffix)
    if tail == ROCM:
        return _gpu_sources(name, rest, site, sources)
    suffix = rest if tail == CPU else suffix
    if not suffix:
        return [source for source in sources if not source.versionsuffix]
    return [source for source in sources if source.versionsuffix == suffix
            or site_suffix(source.versionsuffix, site) == site_suffix(suffix, site)]


def _gpu_sources(name: str, suffix: str, site: Site, sources: Sequence[Source]) -> List[Source]:
    """
    Those recipes that can become the GPU variant of a software: those for GPUs, and where a version has none of
    them, its others.
    """
    found: Dict[str, List[Source]] = {}
    plain: Dict[str, List[Source]] = {}
    for source in sources:
        rest, kind = split_suffix(source.versionsuffix)
        family = load_upstream()['toolchains'].get(source.toolchain[0] if source.toolchain else '', {}).get('family')
        if site_suffix(rest, site) == site_suffix(suffix, site) and back_end(name, source.version, site):
            (found if kind in (CUDA, ROCM) or family == 'ROCm' else plain).setdefault(source.version, []).append(source)
    return [source for version in {**plain, **found} for source in found.get(version) or plain[version]]


def own_recipe(name: str, version: str, suffix: str, site: Site) -> Optional[str]:
    """
    The recipe of the user or of LUMI for that software on the site's toolchain, unless it is to be derived. A variant
    that upstream does not have can't be: LUMI's XZ needs its gettext -minimal.
    """
    if site.derives(name) and (not suffix or _sources(name, suffix, site)):
        return None
    return site.index.recipe(name, f'{name}-{version}-{site.toolchain}-{site.toolchain_version}{suffix}.eb')


def _exists(name: str, version: str, suffix: str, site: Site) -> bool:
    return _there(name, version, suffix, site) or source_recipe(name, version, suffix, site) is not None
