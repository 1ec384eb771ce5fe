# SPDX-License-Identifier: GPL-2.0-only
"""Which version of a library a release holds, and which recipe stands for it: total orders, whoever asks."""
from dataclasses import dataclass
from typing import Optional

from .central import Source, choose_source
from .dependency import Dependency
from .packages import package
from .releases import library_versions
from .site import Site
from .versions import same_minor, version_key


@dataclass(frozen=True)
class Chosen:
    """A version with the reason why it is the release's."""
    version: str
    reason: str


def choose_version(dependency: Dependency, site: Site) -> Chosen:
    """
    The version of a library that the release holds. In this order: the version that the package's own bound
    demands; LUMI's version table, where a module or a recipe of that version exists; an installed module; a recipe
    for the site's toolchain; the upstream recipe of the generation nearest the release's compiler.

    :param dependency: as the recipe asks for it
    """
    name, suffix, asked = dependency.name, dependency.versionsuffix, dependency.version
    bound = package(name).get('version', {'policy': 'any', 'reason': ''})

    def allowed(version: str) -> bool:
        if bound['policy'] == 'exact':
            return version == asked
        return bound['policy'] == 'any' or same_minor(version, asked)

    release = site.release.name
    table = [version for version in library_versions(release).get(name, ()) if allowed(version)]
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
    sources = [source for source in site.index.sources(name) if source.versionsuffix == suffix]
    source = choose_source([item for item in sources if allowed(item.version)], site.release.generation)
    if source:
        return Chosen(source.version, f'{source.version} is upstream\'s version in the generation nearest to the '
                      f'compiler of release {release} ({site.release.generation})')
    return Chosen(asked, 'no other version is known')


def source_recipe(name: str, version: str, suffix: str, site: Site) -> Optional[Source]:
    """The upstream recipe that stands for name, version and suffix, None where upstream has none to adapt."""
    found = [source for source in site.index.sources(name)
             if (source.version, source.versionsuffix) == (version, suffix)]
    return choose_source(found, site.release.generation)


def own_recipe(name: str, version: str, suffix: str, site: Site) -> Optional[str]:
    """The recipe of the user or of LUMI for that software on the site's toolchain, unless it is to be derived."""
    if site.derives(name):
        return None
    return site.index.recipe(name, f'{name}-{version}-{site.toolchain}-{site.toolchain_version}{suffix}.eb')


def _exists(name: str, version: str, suffix: str, site: Site) -> bool:
    full = f'{version}-{site.toolchain}-{site.toolchain_version}{suffix}'
    return bool(site.index.module_file(f'{name}/{full}') or own_recipe(name, version, suffix, site)
                or source_recipe(name, version, suffix, site))

