# SPDX-License-Identifier: GPL-2.0-only
"""
Which variant of a software a recipe is at a site with GPUs: `-rocm` for its AMD GPUs, `-CPU` for the other one of
software that has both, or neither.

What is known of a package's GPU back end stands in `rocm` of its data file, and for many at once in
packages/gpu.json.
"""
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, Mapping, Optional, Tuple

from .. import sites
from ..dependency import SYSTEM, Dependency
from ..packages import package, treatment
from ..recipe import Recipe
from ..releases import family_of, load_upstream
from ..schemas import checked
from ..site import Site
from ..versions import within

CUDA, ROCM, CPU = 'cuda', 'rocm', 'CPU'
# the variants by their version suffix, ours last (LUMI's names)
TAILS = {ROCM: '-rocm', CPU: '-CPU'}
# -CUDA-12.9.1, -CUDA-%(cudaver)s, -CUDA; and upstream's own -ROCm-6.4.1
_CUDA_SUFFIX = re.compile(r'-CUDA(?:-(?:\d[\w.]*|%\(\w+\)s))?(?=-|$)')
_ROCM_SUFFIX = re.compile(r'-ROCm(?:-\d[\w.]*)?(?=-|$)')


@dataclass(frozen=True)
class NoBackEnd:
    """Why there is no GPU variant of a software, and what to do instead; `culprit` is what is to blame."""
    code: str
    reason: str
    culprit: str
    link: Optional[str] = None


@lru_cache(maxsize=None)
def load_gpu() -> Mapping:
    """What is known of many packages at once (packages/gpu.json)."""
    return sites.filled(checked('packages/gpu.json'))


def in_place_of(name: str) -> Optional[Mapping[str, Any]]:
    """What replaces a package of NVIDIA's here (cuFFT, NCCL …), None where nothing is known."""
    return load_gpu()['replaced'].get(name)


def split_suffix(suffix: str) -> Tuple[str, str]:
    """
    A version suffix without what it says of the GPU, and what it says: cuda, rocm, CPU or nothing.

    >>> split_suffix('-CUDA-12.4.0-PLUMED-2.9.2')
    ('-PLUMED-2.9.2', 'cuda')
    """
    for kind, tail in TAILS.items():
        if suffix.endswith(tail):
            return suffix[:-len(tail)], kind
    for kind, pattern in ((CUDA, _CUDA_SUFFIX), (ROCM, _ROCM_SUFFIX)):
        rest, found = pattern.subn('', suffix)
        if found:
            return rest, kind
    return suffix, ''


def back_end(name: str, version: str, site: Site) -> Optional[Mapping[str, Any]]:
    """
    The GPU back end of a version of a package that works on AMD's GPUs, as data; None where it has none, or none that
    compiles with the ROCm of the site's release.
    """
    entry = package(name).get('rocm')
    return entry if entry and 'back_end' in entry and not _unfit(entry, version, site) else None


def _unfit(entry: Mapping[str, Any], version: str, site: Site) -> Optional[Tuple[Mapping[str, Any], str]]:
    """The bounds that a version lies outside of, and what they are about; None where it lies within all of them."""
    bounds = entry.get('versions', {})
    if not within(version, bounds):
        return bounds, f'its {entry["back_end"]} back end is there'
    rocm = site.release.modules.get('rocm', '')
    for bounds in entry.get('works_with', ()):
        if rocm and within(rocm, bounds.get('rocm', {})) and not within(version, bounds):
            return bounds, f'with {site.release.module("rocm")} it compiles'
    return None


@lru_cache(maxsize=None)
def _refused() -> Mapping[str, NoBackEnd]:
    found: Dict[str, NoBackEnd] = {}
    for entry in load_gpu()['refused'].values():
        for name, more in entry['members'].items():
            reason = f'{more}; {entry["reason"]}' if more else entry['reason']
            found[name] = NoBackEnd(entry['code'], reason, name, entry.get('link'))
    return found


def known_obstacle(name: str, version: str, site: Site) -> Optional[NoBackEnd]:
    """Why a package has no GPU variant here, None where it has one or nothing is known."""
    entry = package(name).get('rocm')
    if not entry:
        return _refused().get(name)
    if 'refuse' in entry:
        refuse = entry['refuse']
        return NoBackEnd(refuse['code'], refuse['reason'], name, refuse.get('link'))
    unfit = _unfit(entry, version, site)
    if unfit:
        bounds, what = unfit
        span = ' and '.join(part for part in (bounds.get('min') and f'from {bounds["min"]} on',
                                              bounds.get('below') and f'below {bounds["below"]}') if part)
        return NoBackEnd('gpu-version', f'{what} {span} ({bounds["reason"]}), and '
                         f'this is {version}: take a recipe of such a version', name, bounds.get('link'))
    return None


def why_no_gpu_variant(recipe: Recipe, site: Site) -> NoBackEnd:
    """Why a recipe for NVIDIA's GPUs can't be built for AMD's: its software's own reason, else a dependency's."""
    own = known_obstacle(recipe.name, recipe.version, site)
    if own:
        return own
    for dependency in recipe.all_dependencies():
        if not in_place_of(dependency.name):
            found = known_obstacle(dependency.name, dependency.version, site)
            if found and (split_suffix(dependency.versionsuffix)[1] == CUDA or found.code == CUDA):
                return NoBackEnd(found.code, f'it depends on {dependency}: {found.reason}', found.culprit, found.link)
    names = ', '.join(dict.fromkeys(item.name for item in recipe.all_dependencies() if _nvidias(item)))
    return NoBackEnd('cuda', f'it depends on {names or "CUDA"}, and nothing is known of a build of it with ROCm (HIP, '
                     'SYCL or OpenCL): take its recipe without CUDA, or say in lumi_hooks/packages/ how it is done', '')


def is_cuda(recipe: Recipe) -> bool:
    """Is a recipe one for NVIDIA's GPUs? By its suffix, or by something of NVIDIA's that it depends on."""
    return split_suffix(recipe.versionsuffix)[1] == CUDA or any(map(_nvidias, recipe.all_dependencies()))


def _nvidias(dependency: Dependency) -> bool:
    """Is a dependency NVIDIA's own software, or built for its GPUs?"""
    found = None if dependency.external else treatment(dependency.name)
    return bool(in_place_of(dependency.name) or split_suffix(dependency.versionsuffix)[1] == CUDA
                or (found and found.code == CUDA))


def uses_rocm(recipe: Recipe) -> bool:
    """Does a recipe depend on a part of ROCm, or is it one of upstream's for ROCm by its suffix?"""
    if split_suffix(recipe.versionsuffix)[1] == ROCM:
        return True
    for dependency in recipe.dependencies():
        found = None if dependency.external else treatment(dependency.name)
        if found and found.verb == 'cray' and ROCM in found.serial:
            return True
    return False


def made_with(recipe: Recipe) -> Optional[str]:
    """The version of ROCm that one of upstream's recipes for it is made with, by its suffix or toolchain."""
    found = re.search(r'-ROCm-(\d[\w.]*)', f'-{recipe.toolchain[1]}{recipe.versionsuffix}')
    return found.group(1) if found else None


def variant(recipe: Recipe, site: Site) -> str:
    """Which variant a recipe becomes at a site: rocm, CPU, or '' where the software has but one."""
    if not site.partition_facts['gpu']:
        return ''
    entry = back_end(recipe.name, recipe.version, site)
    if uses_rocm(recipe):
        return ROCM
    if entry is None:
        return ''
    for_amd = load_upstream()['toolchains'].get(recipe.toolchain[0], {}).get('family') == 'ROCm'
    return ROCM if for_amd or is_cuda(recipe) or site.wants_gpu(recipe.name) else CPU


def site_for_recipe(recipe: Recipe, site: Site) -> Site:
    """
    The site as it is for a recipe: unless a toolchain was asked for, it is the one that the package prefers for its
    GPU variant, and the counterpart of upstream's own for AMD's GPUs.
    """
    if site.fixed or not site.partition_facts['gpu']:
        return site
    entry = back_end(recipe.name, recipe.version, site) if variant(recipe, site) == ROCM else None
    wanted = family_of(recipe.toolchain[0]).get('toolchain')
    if entry and wanted not in entry['compiler'].get('others', ()):
        wanted = entry['compiler']['toolchain']
    return site.on(wanted) if wanted and wanted in site.partition_facts['toolchains'] else site


def site_for_dependency(dependency: Dependency, site: Site, toolchain: str) -> Site:
    """
    The site as it is for the recipe of a dependency: the toolchain follows what needs it, and so does the variant.

    :param toolchain: name of the toolchain of the recipe that has the dependency
    """
    if dependency.external or dependency.toolchain == SYSTEM:
        return site
    there = site.on(toolchain) if toolchain in site.partition_facts['toolchains'] else site
    return there.with_gpu(dependency.name) if split_suffix(dependency.versionsuffix)[1] == ROCM else there
