# SPDX-License-Identifier: GPL-2.0-only
"""The heart: adapt(recipe, site) -> Adaptation. A pure function: no I/O but the site's index, no EasyBuild."""
from dataclasses import replace
from typing import Iterable, List, Sequence, Tuple

from . import sites
from .change import Adaptation, Refusal
from .gpu import site_for_recipe
from .packages import treatment, uses
from .recipe import Recipe
from .releases import load_rocm, load_toolchains, load_upstream
from .rules import RULES
from .rules.base import Rule
from .rules.dependencies import impossible
from .rules.draft import Draft
from .rules.override import override, patches_used
from .rules.provided import notes
from .rules.rocm import gpu_back_end
from .rules.rocm_system import driver_window, rocm_problem
from .rules.templates import written_out
from .rules.unprovided import unprovided_notes
from .site import Site

ADAPTED, UNCHANGED, REFUSED = 'adapted', 'unchanged', 'refused'


def adapt(recipe: Recipe, site: Site) -> Adaptation:
    """
    What a recipe becomes at a site.

    Idempotent: a recipe that is already for a cpe* toolchain of the site's release, or for SYSTEM, passes
    unchanged, unless it can't be installed here.
    """
    name, version = recipe.toolchain
    if name == 'system':
        return _system(recipe, site)
    if name in load_toolchains()['toolchains']:
        return _native(recipe, site)
    site = site_for_recipe(recipe, site)
    draft = Draft(recipe)
    # what users read names versions, not EasyBuild's templates
    refusals = [replace(refusal, reason=written_out(recipe, refusal.reason)) for refusal in _follow(RULES, draft, site)]
    if refusals:
        return replace(_refused(recipe, refusals), parameters=draft.parameters, changes=tuple(draft.changes))
    done = f'{len(draft.changes)} change{"s" if len(draft.changes) != 1 else ""} for {site.toolchain}/' \
           f'{site.toolchain_version} on partition {site.partition}'
    return Adaptation(recipe, ADAPTED, done, draft.parameters, tuple(draft.changes), (), kept_out(draft, site),
                      tuple(dict.fromkeys((*notes(draft, site), *unprovided_notes(draft, site)))),
                      _override_patches(draft, site))


def _follow(rules: Iterable[Rule], draft: Draft, site: Site) -> List[Refusal]:
    """Apply to a draft what rules change, one after the other, but those that are switched off; returns refusals."""
    refusals = []
    for rule in rules:
        for outcome in list(rule(draft, site)) if rule.id not in site.disabled else ():
            if isinstance(outcome, Refusal):
                refusals.append(outcome)
            else:
                draft.apply(outcome)
    return refusals


def _refused(recipe: Recipe, refusals: Sequence[Refusal]) -> Adaptation:
    reason = '; '.join(dict.fromkeys(refusal.reason for refusal in refusals))
    return Adaptation(recipe, REFUSED, reason, recipe.parameters, (), tuple(refusals))


def _system(recipe: Recipe, site: Site) -> Adaptation:
    """A recipe that needs no toolchain: unchanged, or refused."""
    refusals = _follow((impossible, gpu_back_end), Draft(recipe), site)
    if recipe.parameters.get('easyblock') == 'Toolchain':
        refusals.append(Refusal('upstream-toolchain', f'it is upstream\'s toolchain {recipe.name}, which '
                                f'{site.toolchain}/{site.toolchain_version} replaces here: install the recipe that '
                                'needs it, not the toolchain', 'toolchain'))
    if refusals:
        return _refused(recipe, refusals)
    return _as_it_is(recipe, site, 'it needs no toolchain (SYSTEM)')


def _native(recipe: Recipe, site: Site) -> Adaptation:
    """A recipe that is for a cpe* toolchain already."""
    name, version = recipe.toolchain
    without = tuple(recipe.record.get('without', ()))
    if version != site.toolchain_version:
        reason = f'it is for {name}/{version}, but the stack that is loaded is release {site.release.name}: load ' \
                 f'{sites.said("stack", release=version)}, or take the upstream recipe of the same software'
        return _refused(recipe, [Refusal('release', reason, 'toolchain')])
    if name not in site.partition_facts['toolchains']:
        return _refused(recipe, [Refusal('toolchain', f'it is for {name}, which partition {site.partition} does not '
                                         'have', 'toolchain')])
    refusals = tuple(Refusal('driver', f'it depends on {dependency}: {problem}', driver_window.id, 'rocm')
                     for dependency in recipe.all_dependencies()
                     for problem in [dependency.external and dependency.name == 'rocm'
                                     and rocm_problem(dependency.version, site)] if problem)
    if refusals and driver_window.id not in site.disabled:
        return _refused(recipe, refusals)
    return _as_it_is(recipe, site, f'it is for {name}/{version} already', without)


def _as_it_is(recipe: Recipe, site: Site, reason: str, without: Tuple[str, ...] = ()) -> Adaptation:
    """A recipe that no rule adapts: unchanged but for the user's overrides."""
    draft = Draft(recipe)
    refusals = _follow((override,), draft, site)
    if refusals:
        return _refused(recipe, refusals)
    if not draft.changes:
        return Adaptation(recipe, UNCHANGED, reason, recipe.parameters, (), (), without)
    return Adaptation(recipe, ADAPTED, f'{reason}, and changed by an override', draft.parameters,
                      tuple(draft.changes), (), without, (), _override_patches(draft, site))


def _override_patches(draft: Draft, site: Site) -> Tuple[str, ...]:
    """Paths of the patches that overrides add to a recipe."""
    if override.id in site.disabled:
        return ()
    return tuple(patch.path for patch in patches_used(draft, site))


def kept_out(draft: Draft, site: Site) -> Tuple[str, ...]:
    """
    The Cray modules that the wrappers of a package must not see, as the package does not use them: MPI and BLAS
    where the upstream toolchain has none, ROCm where the recipe does not name it.

    LUMI's own recipes say `module unload …` for this in 1,934 files.
    """
    facts = load_upstream()['toolchains'].get(draft.upstream_toolchain[0])
    if facts is None:  # the toolchain rule is switched off
        return ()
    loaded = {dependency.name for _, dependency in draft.each()}
    treatments = [treatment(item.name) for item in draft.recipe.dependencies()]
    provided = {found.uses for found in treatments if found}
    needs_mpi = {name for name in loaded if name.endswith('parallel') or name == 'cray-parallel-netcdf'}
    found: List[str] = []

    def unless(what: str, used: bool, *modules: str) -> bool:
        known = uses(draft.name, what)
        used = known['value'] if known else used
        found.extend(() if used else modules)
        return used

    mpi = unless('mpi', facts['mpi'] or bool(needs_mpi) or 'mpi' in provided, 'cray-mpich')
    unless('xpmem', mpi, 'xpmem')
    unless('blas', facts['blas'] or 'blas' in provided, 'cray-libsci')
    unless('rocm', 'rocm' in loaded or not site.partition_facts['gpu'],
           'rocm', *(_gpu_targets(site) if site.partition_facts['gpu'] else ()))
    return tuple(found)


def _gpu_targets(site: Site) -> Tuple[str, ...]:
    """The target modules that make the wrappers link GTL, which needs ROCm."""
    return tuple(name for name in site.partition_facts['targets']
                 if name.startswith('craype-accel-') and name != load_rocm()['host_target'])
