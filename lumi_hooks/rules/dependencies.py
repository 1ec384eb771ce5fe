# SPDX-License-Identifier: GPL-2.0-only
"""Dependencies: what the Cray PE, the central stack or the wrappers provide already, and one version a release."""
import re
from dataclasses import replace
from typing import Any, Iterator, Mapping, Optional, Tuple

from .. import releases, sites
from ..change import Change, Refusal
from ..dependency import SYSTEM, Dependency
from ..gpu import CUDA
from ..packages import Treatment, package, treatment, uses
from ..releases import load_upstream
from ..selection import choose_version, fits, loaded_by_lumis, lumis_or_version, site_suffix, source_recipe
from ..site import Site
from ..versions import version_key, within
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft
from .provided import flavour, setuptools_variant, stand_in, why_built
from .templates import written_out


def treated(draft: Draft, verb: str) -> Iterator[Tuple[str, Dependency, Treatment]]:
    """Dependencies (with their list and treatment) that are treated by a verb in that list."""
    for parameter, dependency in draft.each():
        if not dependency.external:
            found = treatment(dependency.name)
            if found and found.verb == verb and parameter in (found.lists or DEPENDENCY_LISTS):
                yield parameter, dependency, found


def _replaced(draft: Draft, site: Site, verb: str) -> Iterator[Tuple[str, Dependency, Treatment]]:
    """Those of them that something else stands in for, so that they are not built."""
    return (item for item in treated(draft, verb) if not why_built(draft, site, *item[1:]))


@rule('cray-provided', 'a library that the Cray PE provides is loaded as its module, pinned to the release')
def cray_provided(draft: Draft, site: Site):
    """HDF5, netCDF, PnetCDF, FFTW, Python, PAPI → the release's Cray modules, serial or parallel by use."""
    for parameter, dependency, found in _replaced(draft, site, 'cray'):
        names, remark = flavour(draft, site, dependency, found)
        missing = [name for name in names if name not in site.release.modules]
        if missing:
            yield Refusal('cray-module', f'release {site.release.name} of the Cray PE has no module {missing[0]}, '
                          f'which would replace {dependency}', 'cray-provided')
            continue
        modules = tuple(Dependency.external_module(site.release.module(name)) for name in names)
        yield Change(parameter, dependency, modules if len(modules) > 1 else modules[0], 'cray-provided',
                     found.reason + remark, found.link)


@rule('central-tools', 'build tools come from the central stack, not from a build of their own')
def central_tools(draft: Draft, site: Site):
    """CMake, pkgconf … → buildtools; Meson, SCons → buildtools-python; hatchling, Cython … → our build back ends."""
    for parameter, dependency, found in _replaced(draft, site, 'module'):
        tool = stand_in(found, site, setuptools_variant(draft, site))
        variant = _variant(draft, site, tool.name) if parameter == 'builddependencies' else None
        if variant:
            tool = replace(tool, versionsuffix=variant['versionsuffix'])
        said = variant or {'reason': found.reason, 'link': found.link}
        yield Change(parameter, dependency, tool, 'central-tools', said['reason'], said['link'])


def _variant(draft: Draft, site: Site, module: str) -> Optional[Mapping[str, Any]]:
    """
    The variant of a module of build tools that a recipe needs, by the versions that it names: one for all of its tools,
    as two variants of a module can't be loaded together. What is loaded with the software itself (scikit-build-core
    loads CMake) is the release's own, which others load too.
    """
    asked, loaded = ([(item, treatment(item.name)) for item in draft.dependencies(name) if not item.external]
                     for name in ('builddependencies', 'dependencies'))
    if any(found and found.module and found.module['name'] == module for _, found in loaded):
        return None
    for item, found in asked:
        variant = found.variant if found and found.module and found.module['name'] == module else None
        if variant and item.name == variant['of'] and site.release.name in variant['releases'] \
                and version_key(item.version) < version_key(variant['below']):
            names = {each.name for each in draft.recipe.all_dependencies()}
            return None if names.intersection(variant['not_with']) else variant
    return None


@rule('central-bundles', f'a module of {sites.name()}\'s own stack that holds several packages stands in for them')
def central_bundles(draft: Draft, site: Site):
    """Mesa, libGLU, libglvnd … → OpenGL, where the site has a module or a recipe of it for the toolchain."""
    middle = f'-{site.toolchain}-{site.toolchain_version}'
    for name, bundle in releases.central_bundles(site.release.name).items():
        if bundle.get('system'):
            there = {version for version in bundle['members'].values()
                     if site.index.module_file(f'{name}/{version}') or site.index.recipe(name, f'{name}-{version}.eb')}
        else:
            there = {version for version, suffix in (*site.index.installed_versions(name, middle),
                                                     *site.index.own_versions(name, middle)) if not suffix}
        if not there or draft.name in bundle['members'] or site.derives(name):
            continue
        module = Dependency(name, max(there, key=version_key), toolchain=SYSTEM if bundle.get('system') else None)
        for parameter, dependency in draft.each():
            if dependency.name in bundle['members'] and not dependency.external \
                    and fits(dependency, bundle['members'][dependency.name], site):
                yield Change(parameter, dependency, module, 'central-bundles', bundle['reason'], bundle['link'])


@rule('toolchain-provided', 'what the cpe* toolchain brings along is not a dependency')
def toolchain_provided(draft: Draft, site: Site):
    """binutils, MPI and its helpers, BLAS and friends are dropped."""
    for parameter, dependency, found in _replaced(draft, site, 'drop'):
        yield Change(parameter, dependency, None, 'toolchain-provided', found.reason, found.link)


@rule('impossible', 'a dependency that cannot exist on this machine')
def impossible(draft: Draft, site: Site):
    """CUDA and what stands on it, ROCm where there is no GPU: refused, with what to do instead."""
    own = treatment(draft.name)
    if own and own.verb == 'refuse':
        yield Refusal(str(own.code), f'{draft.name}: {own.reason}', 'impossible')
    if own and own.verb == 'cray' and 'rocm' in own.serial:
        yield Refusal('rocm-provided', f'{draft.name} is a part of ROCm, which the module '
                      f'{site.release.module("rocm")} provides: load that module instead', 'impossible')
    for _, dependency, found in treated(draft, 'refuse'):
        if found.code == CUDA:
            continue  # the rule gpu-back-end says more of it
        yield Refusal(str(found.code), f'it depends on {dependency}: {found.reason}', 'impossible')
    if not site.partition_facts['gpu']:
        for _, dependency, found in treated(draft, 'cray'):
            if 'rocm' in found.serial:
                yield Refusal('partition', f'it depends on {dependency}, a part of ROCm, and partition '
                              f'{site.partition} has no GPUs: {sites.said("with_gpu")}', 'impossible')


@rule('toolchain-fft', 'upstream\'s foss and gfbf toolchains bring FFTW along, cpe* toolchains do not')
def toolchain_fft(draft: Draft, site: Site):
    """
    A recipe on foss or gfbf gets cray-fftw, unless the package is known not to use it, or is one of a language that
    brings its own and does not mention an FFT.
    """
    if not load_upstream()['toolchains'].get(draft.upstream_toolchain[0], {}).get('fft'):
        return
    known = uses(draft.name, 'fft')
    without = load_upstream()['fft']['easyblocks_without']
    easyblock = draft.parameters.get('easyblock')
    if easyblock == 'Bundle':
        easyblock = draft.parameters.get('exts_defaultclass')
    if not known and easyblock in without and 'fft' not in draft.recipe.text.lower():
        return
    module = Dependency.external_module(site.release.module('cray-fftw'))
    if (known and not known['value']) or module in draft.dependencies('dependencies'):
        return
    yield Change('dependencies', None, module, 'toolchain-fft',
                 f'{draft.upstream_toolchain[0]} holds FFTW, so the recipe may use it without naming it')


def in_step(draft: Draft, dependency: Dependency) -> bool:
    """
    Is a dependency released in step with the recipe's own software, so that the version is a bound? It is if the
    recipe writes %(version)s for it, or the same version for software of a related name (Boost.MPI and Boost), or
    names it with its version in the version suffix (-PLUMED-2.9.0), which would tell an untruth with another.

    It is not where the recipe's software is known to work with any that is not older (its own policy).
    """
    own = package(draft.name).get('version', {})
    if own.get('of') == dependency.name and own.get('with_newer'):
        return False
    suffix = written_out(draft.recipe, draft.recipe.parameters.get('versionsuffix') or '')
    named = rf'-{re.escape(dependency.name)}-{re.escape(dependency.version)}(-|$)'
    if dependency.version and dependency.name in suffix and dependency.name not in load_upstream()['suffixes'] \
            and re.search(named, suffix):
        return True
    written = [item for item in draft.recipe.all_dependencies() if item.name == dependency.name]
    if any('%(version)s' in item.version for item in written):
        return True
    start = min(len(draft.name), len(dependency.name), 5)
    return dependency.version == draft.version \
        and draft.name[:start].lower() == dependency.name[:start].lower()


def _held(dependency: Dependency, site: Site) -> Optional[Dependency]:
    """Another software that holds a companion of a library, where upstream has no recipe of it for the release's."""
    bound = package(dependency.name).get('version', {})
    if 'held_by' not in bound:
        return None
    version = choose_version(Dependency(bound['of'], dependency.version), site).version
    other = Dependency(bound['held_by'], version, dependency.versionsuffix)
    if dependency.version == version or not source_recipe(other.name, version, other.versionsuffix, site):
        return None
    return other


def _serial(draft: Draft, dependency: Dependency, site: Site) -> Optional[Mapping[str, Any]]:
    """The variant of a package without MPI (`serial` in its data file), for a recipe that uses no MPI itself."""
    known = package(dependency.name).get('serial')
    if not known or dependency.versionsuffix:
        return None
    io = uses(draft.name, 'parallel-io')
    # cray-python may have replaced mpi4py already
    mpi4py = any(item.name == 'mpi4py' for item in draft.recipe.all_dependencies())
    if io['value'] if io else draft.option('usempi') or mpi4py or any(
            item.external and 'parallel' in item.name for _, item in draft.each()):
        return None
    found = lumis_or_version(replace(dependency, versionsuffix=known['versionsuffix']), site)
    there = found.suffix is not None or source_recipe(dependency.name, found.version, known['versionsuffix'], site)
    return known if there else None


@rule('release-version', 'one version of a library per release: two of them can\'t be loaded together')
def release_version(draft: Draft, site: Site):
    """
    A dependency that is installed like any other follows the release's version of it, and the variant that LUMI's own
    recipes of the recipe's other dependencies load.
    """
    found = [(parameter, dependency, *settled) for parameter, dependency in draft.each()
             for settled in [_settled(draft, site, parameter, dependency)] if settled]
    loaded = loaded_by_lumis([item[2] for item in found], site)
    for parameter, dependency, after, policy, reason, link in found:
        other = loaded.get(after.name)
        if other and other != after and not in_step(draft, dependency) \
                and fits(dependency, other.version, site, policy):
            after, link = other, None
            reason = f'what {sites.name()} has of another dependency loads {other.version}{other.versionsuffix}, and ' \
                     f'two modules of {other.name} can\'t be loaded together'
        if after != dependency:
            yield Change(parameter, dependency, after, 'release-version', reason, link)
        elif draft.dependencies(parameter).count(dependency) > 1:
            yield Change(parameter, dependency, after, 'release-version', 'the recipe names it twice')


def _settled(draft: Draft, site: Site, parameter: str,
             dependency: Dependency) -> Optional[Tuple[Dependency, str, str, Optional[str]]]:
    """What the release has of a dependency, with the policy, why, and a link; None where that is settled elsewhere."""
    if dependency.external or dependency.toolchain == SYSTEM:
        return None
    found = treatment(dependency.name)
    why = why_built(draft, site, dependency, found) if found else None
    if found and not why and parameter in (found.lists or DEPENDENCY_LISTS):
        return None
    if dependency.toolchain and dependency.toolchain[0] not in load_upstream()['toolchains']:
        return None
    known = package(draft.name).get('dependencies', {}).get(dependency.name, {})
    # what the package itself says of it comes before that software's policy
    if not within(draft.version, known):
        known = {}
    policy = {'any-version': 'any', 'same-major': 'same-major'}.get(known.get('change', ''), '')
    serial = _serial(draft, dependency, site)
    asked = replace(dependency, versionsuffix=serial['versionsuffix']) if serial else dependency
    chosen = lumis_or_version(asked, site, policy)
    if chosen.version != dependency.version and in_step(draft, dependency):
        kept = lumis_or_version(dependency, site, 'exact')
        if source_recipe(dependency.name, kept.version, dependency.versionsuffix, site):
            chosen = kept
    suffix = site_suffix(asked.versionsuffix, site) if chosen.suffix is None else chosen.suffix
    after = Dependency(dependency.name, chosen.version, suffix, chosen.toolchain)
    held = _held(after, site) if chosen.suffix is None else None
    after = held or after
    reason = f'{chosen.reason}; it is built, as {why}' if why else chosen.reason
    bound = package(dependency.name).get('version')
    if held and bound:
        reason = f'upstream has no {dependency.name} for the release\'s {bound["of"]} {after.version}, ' \
                 f'and {after.name} holds it'
    if bound:
        reason += f' ({bound["reason"]})'
    if dependency.version and version_key(chosen.version)[:1] != version_key(dependency.version)[:1]:
        reason += f' (the recipe was made with {dependency.version}, another major version)'
    told, link = package(dependency.name).get('told'), None
    if serial:
        reason, link = f'{reason}; {serial["reason"]}', serial['link']
    if told and version_key(dependency.version) < version_key(told['from']) <= version_key(chosen.version):
        reason, link = f'{reason}; {told["reason"]}', told['link']
    return after, policy, reason, link
