# SPDX-License-Identifier: GPL-2.0-only
"""Which variant a recipe becomes: for AMD's GPUs, or for the processors alone; and what it depends on then."""
from typing import Optional

from .. import gpu, sites
from ..change import Change, Refusal
from ..dependency import SYSTEM, Dependency
from ..packages import treatment
from ..site import Site
from .base import rule
from .draft import Draft

_DOCS = sites.link('gpus')


@rule('gpu-back-end', 'a recipe for NVIDIA\'s GPUs is one for AMD\'s where the software has a back end for them',
      link=_DOCS)
def gpu_back_end(draft: Draft, site: Site):
    """Refuses what has none, with the reason, and what has one where there are no GPUs."""
    recipe, own = draft.recipe, treatment(draft.name)
    if own and (own.verb == 'refuse' or 'rocm' in own.serial):
        return  # NVIDIA's own software, or a part of ROCm, which another rule refuses
    entry = gpu.back_end(draft.name, draft.version, site)
    known = gpu.known_obstacle(draft.name, draft.version, site)
    if known and known.code == gpu.CUDA:
        yield Refusal(known.code, known.reason, 'gpu-back-end', known.culprit)
        return
    if not gpu.is_cuda(recipe):
        if draft.name in site.gpu and site.partition_facts['gpu'] and not entry:
            why = gpu.why_no_gpu_variant(recipe, site)
            yield Refusal(why.code, f'its GPU variant was asked for, and {why.reason}', 'gpu-back-end', why.culprit)
        return
    if entry is None:
        why = gpu.why_no_gpu_variant(recipe, site)
        yield Refusal(why.code, why.reason, 'gpu-back-end', why.culprit)
    elif not site.partition_facts['gpu']:
        yield Refusal('partition', f'partition {site.partition} has no GPUs: {sites.said("with_gpu")}, where it '
                      f'becomes {draft.name} with {entry["back_end"]} for AMD\'s, or take its recipe without CUDA',
                      'gpu-back-end', draft.name)
    else:
        compiler = entry['compiler']
        if site.toolchain != compiler['toolchain'] and site.toolchain not in compiler.get('others', ()):
            yield Refusal('gpu-compiler', f'its GPU variant is built by {compiler["toolchain"]} here, not by '
                          f'{site.toolchain}: {compiler["reason"]}', 'gpu-back-end', draft.name)


@rule('gpu-dependencies', 'ROCm holds the counterparts of NVIDIA\'s libraries, and libraries for the GPUs are those '
      'for AMD\'s', link='https://rocm.docs.amd.com/projects/HIPIFY/en/latest/reference/supported_apis.html')
def gpu_dependencies(draft: Draft, site: Site):
    """CUDA, NCCL, cuDNN … → rocm; UCX-CUDA … go; a dependency for CUDA becomes the -rocm variant."""
    if gpu.variant(draft.recipe, site) != gpu.ROCM:
        return
    entry = gpu.back_end(draft.name, draft.version, site) or {}
    needs = entry.get('needs', {})
    for parameter, dependency in draft.each():
        if dependency.external:
            continue
        instead = gpu.in_place_of(dependency.name)
        rest, tail = gpu.split_suffix(dependency.versionsuffix)
        after, link = None, None
        if instead:
            after, reason, link = _instead(instead, dependency, rest, site), instead['reason'], instead.get('link')
        elif dependency.name in entry.get('omit', {}):
            reason = entry['omit'][dependency.name]
        elif dependency.name in entry.get('plain', {}):
            after, reason = Dependency(dependency.name, dependency.version, rest), entry['plain'][dependency.name]
        elif tail == gpu.CUDA or dependency.name in needs or site.wants_gpu(dependency.name):
            missing = gpu.known_obstacle(dependency.name, dependency.version, site)
            if missing and missing.code != 'gpu-version':
                yield Refusal(missing.code, f'it depends on {dependency}: {missing.reason}', 'gpu-dependencies',
                              missing.culprit)
                continue
            has = missing is not None or gpu.back_end(dependency.name, dependency.version, site)
            after = Dependency(dependency.name, dependency.version, rest + (gpu.TAILS[gpu.ROCM] if has else ''))
            reason = needs.get(dependency.name) or 'what is for NVIDIA\'s GPUs upstream is for AMD\'s here'
        else:
            continue
        if after != dependency:
            yield Change(parameter, dependency, after, 'gpu-dependencies', reason, link)


def _instead(instead, dependency: Dependency, suffix: str, site: Site) -> Optional[Dependency]:
    """What replaces a dependency on NVIDIA's software: the rocm module, another software, or none."""
    if instead['by'] == 'rocm':
        return Dependency.external_module(site.release.module('rocm'))
    if instead['by'] == 'software':
        return Dependency(instead['software'], dependency.version, suffix)
    return None


@rule('gpu-module', 'what is built for the GPUs is built with the release\'s ROCm, and says so')
def gpu_module(draft: Draft, site: Site):
    """Adds the rocm module to a GPU variant that does not depend on it yet."""
    if gpu.variant(draft.recipe, site) != gpu.ROCM:
        return
    module = Dependency.external_module(site.release.module('rocm'))
    names = {dependency.name for dependency in draft.dependencies('dependencies') if dependency.external}
    if module.name not in names:
        yield Change('dependencies', None, module, 'gpu-module', f'HIP and its compilers are those of {module}')


@rule('gpu-suffix', 'the GPU variant is named -rocm and the other one -CPU, behind upstream\'s own suffix',
      link=sites.link('easybuild'))
def gpu_suffix(draft: Draft, site: Site):
    """-CUDA-12.9.1 goes; -rocm or -CPU comes, on the recipe and on what it depends on."""
    kind = gpu.variant(draft.recipe, site)
    before = draft.parameters.get('versionsuffix') or ''
    after = gpu.split_suffix(before)[0] + gpu.TAILS.get(kind, '') if kind else before
    if after != before:
        reason = 'it is the variant for the GPUs' if kind == gpu.ROCM else \
            'on this partition the software has a variant for the GPUs (-rocm), and this is not it'
        yield Change('versionsuffix', before, after, 'gpu-suffix', reason)
    if not site.partition_facts['gpu']:
        return
    for parameter, dependency in draft.each():
        if dependency.external or dependency.toolchain == SYSTEM or gpu.split_suffix(dependency.versionsuffix)[1]:
            continue
        if gpu.back_end(dependency.name, dependency.version, site):
            named = Dependency(dependency.name, dependency.version,
                               dependency.versionsuffix + gpu.TAILS[gpu.CPU], dependency.toolchain)
            yield Change(parameter, dependency, named, 'gpu-suffix',
                         'it is used without GPUs here, and has a variant for them too')
