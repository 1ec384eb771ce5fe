# SPDX-License-Identifier: GPL-2.0-only
"""What the machine's driver and compilers make of ROCm: which versions run, and which compilers take its bitcode."""
from typing import Optional

from .. import gpu, sites
from ..change import Change, Refusal
from ..data import texts
from ..dependency import Dependency
from ..releases import load_machine, load_rocm
from ..site import Site
from ..versions import version_key
from .base import rule
from .compiler import compiler_base
from .draft import Draft


def rocm_problem(version: str, site: Site) -> Optional[str]:
    """
    Why a version of the rocm module must not be named at a site; None where it may.

    The driver takes a window of versions; and LUMI answers to some old names with another version, silently.
    """
    known, aliases = load_rocm()['modules']['versions'], load_rocm()['aliases']
    if not version or version in (site.release.modules.get('rocm'), *known):
        return None
    low, high = load_machine()['rocm']['driver_window']
    if version in aliases['names']:
        return f'rocm/{version} is only another name for rocm/{aliases["of"]} here'
    if not _inside(version):
        return f'the driver of the GPUs supports ROCm {low} to {high}'
    return f'there is no rocm/{version} here'


def _inside(version: str) -> bool:
    """Does the driver take a version of ROCm? By major and minor number."""
    low, high = load_machine()['rocm']['driver_window']
    return version_key(low) <= version_key(version)[:2] <= version_key(high)


@rule('driver-window', 'only a ROCm that the driver of the GPUs supports, under its own name',
      link='https://rocm.docs.amd.com/projects/install-on-linux/en/latest/reference/user-kernel-space-compat-matrix.html')
def driver_window(draft: Draft, site: Site):
    """A pinned rocm/X that the driver does not take, or that is an alias, becomes the release's."""
    for parameter, dependency in draft.each():
        if dependency.external and dependency.name == 'rocm':
            problem = rocm_problem(dependency.version, site)
            if problem:
                yield Change(parameter, dependency, Dependency.external_module(site.release.module('rocm')),
                             'driver-window', problem, driver_window.link)
    if gpu.variant(draft.recipe, site) != gpu.ROCM:
        return
    own, made_with = site.release.modules.get('rocm'), gpu.made_with(draft.recipe)
    low, high = load_machine()['rocm']['driver_window']
    if made_with and not _inside(made_with):
        yield Refusal('driver', f'it is made for ROCm {made_with}, and the driver of the GPUs takes {low} to {high}: '
                      'take a recipe for one of these', 'driver-window', 'rocm')
    if own and not _inside(own):
        yield Refusal('driver', f'release {site.release.name} has ROCm {own}, and the driver of the GPUs takes '
                      f'{low} to {high}: take another release', 'driver-window', 'rocm')


@rule('hip-bitcode', 'a compiler can\'t link device code of a newer Clang than its own',
      link=sites.link('updates'))
def hip_bitcode(draft: Draft, site: Site):
    """CCE 17 and older (Clang 17) with ROCm 6.2 and newer (Clang 18): relocatable device code can't be linked."""
    if gpu.variant(draft.recipe, site) != gpu.ROCM or site.toolchain != 'cpeCray':
        return
    entry = gpu.back_end(draft.name, draft.version, site) or {}
    rdc = entry.get('compile', {}).get('rdc') or any('-fgpu-rdc' in text for value in draft.parameters.values()
                                                     for text in texts(value))
    ours, theirs = compiler_base(site), rocm_base(site)
    if rdc and ours and theirs and version_key(ours) < version_key(theirs):
        yield Refusal('gpu-compiler', f'its device code is relocatable (-fgpu-rdc), and the Clang {ours} of '
                      f'{site.release.module("cce")} can\'t read the bitcode of {site.release.module("rocm")} (Clang '
                      f'{theirs}): take cpeAMD or cpeGNU', 'hip-bitcode', draft.name)


def rocm_base(site: Site) -> Optional[str]:
    """Version of the Clang that the release's ROCm is made of; None if unknown."""
    version = site.release.modules.get('rocm', '')
    return load_rocm()['clang']['by_release'].get('.'.join(version.split('.')[:2]))


@rule('hugepages', 'huge pages of another size than 2M corrupt memory on the machine\'s operating system',
      link=sites.link('updates'))
def hugepages(draft: Draft, site: Site):
    """craype-hugepages of any other size becomes craype-hugepages2M."""
    for parameter, dependency in draft.each():
        if dependency.external and dependency.name.startswith('craype-hugepages'):
            right = load_rocm()['hugepages']
            if dependency.name != right['module']:
                yield Change(parameter, dependency, Dependency.external_module(right['module']), 'hugepages',
                             right['reason'], hugepages.link)
