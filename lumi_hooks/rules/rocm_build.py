# SPDX-License-Identifier: GPL-2.0-only
"""How the GPU variant of a package is built: what its data says, and what holds for every build with ROCm."""
import functools
import re
from dataclasses import replace
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import gpu, sites
from ..change import Change, Refusal
from ..data import texts
from ..dependency import Dependency
from ..packages import uses
from ..recipe import patched_texts
from ..releases import library_suffix, load_machine, load_rocm, load_toolchains, load_upstream
from ..site import Site
from ..versions import within
from .base import Outcome, Rule, rule
from .draft import DEPENDENCY_LISTS, Draft
from .texts import TELLING, in_commands
from .words import TOOLCHAINS, processor

# where a text goes that is to be run before a build, by how the package is built. Each step is a shell of its own, and
# the compiler reads CPATH and HCC_AMDGPU_TARGET whenever it runs: before CMake's build too, not before configuring only
_STEPS = ('preconfigopts', 'prebuildopts')
_BEFORE = {'cmake': _STEPS, 'autotools': _STEPS, 'meson': _STEPS, 'specific': _STEPS,
           'make': ('prebuildopts',), 'python': ('preinstallopts',)}
# what the wrapper would link, asked for in a command
_PRINTED = re.compile(r'(?:\$\(|`)\s*(?:cc|CC|ftn)\s+--cray-print-opts=(libs|all)\s*(?:\)|`)')
_NVIDIA = re.compile(r'cuda|nvidia', re.I)
# of extensions and components: patches of what is not built are harmless
_FILES = ('patches', 'checksums', 'sources', 'source_urls', 'source_tmpl')
_CUDA = re.compile(r'cuda|nvcc|nccl|cudnn|\bsm_\d', re.I)


def entry_of(draft: Draft, site: Site) -> Optional[Mapping[str, Any]]:
    """The GPU back end that a draft is built with, as data; None where it is no GPU variant, or nothing is known."""
    if gpu.variant(draft.recipe, site) != gpu.ROCM:
        return None
    return gpu.back_end(draft.name, draft.version, site)


def gpu_rule(id: str, reason: str, link: Optional[str] = None):
    """Make a rule of a function that is about GPU variants alone, and is given the back end of each (`entry_of`)."""
    def wrap(function: Callable[[Draft, Site, Mapping[str, Any]], Iterable[Outcome]]) -> Rule:
        @functools.wraps(function)
        def of_variant(draft: Draft, site: Site) -> Iterable[Outcome]:
            entry = entry_of(draft, site)
            return () if entry is None else function(draft, site, entry)
        return rule(id, reason, link)(of_variant)
    return wrap


def _openmp(draft: Draft) -> bool:
    return bool(draft.option('openmp'))


def _mpi(draft: Draft) -> bool:
    """Does it use MPI? By what is known of it, by its own option, else by its upstream toolchain."""
    known, option = uses(draft.name, 'mpi'), draft.option('usempi')
    if known:
        return bool(known['value'])
    if option is not None:
        return bool(option)
    return bool(load_upstream()['toolchains'].get(draft.upstream_toolchain[0], {}).get('mpi'))


def _family(site: Site) -> str:
    return load_toolchains()['toolchains'][site.toolchain]['family']


def filled(value: Any, draft: Draft, site: Site) -> Any:
    """
    A value of the data with facts filled in: {gpu_target}, {gtl}, {mpi}, and {link} for what MPI needs of the two;
    {libsci} for cray-libsci's library, which follows from MPI and OpenMP, and {blas} for the options that link it.
    """
    if not isinstance(value, str):
        return type(value)(filled(item, draft, site) for item in value) if isinstance(value, list) else value
    facts = load_rocm()
    sci = facts['blas']
    library = 'sci_' + library_suffix('cray-libsci', site.release.name, site.toolchain)
    library += (sci['mpi'] if _mpi(draft) else '') + (sci['openmp'] if _openmp(draft) else '')
    known = {'gtl': facts['gtl']['flags'], 'mpi': facts['mpi']['flags'], 'blas': f'{sci["folder"]} -l{library}',
             'libsci': library, 'gpu_target': load_machine()['rocm']['gpu_target']}
    known['link'] = f'{known["gtl"]} {known["mpi"]}' if _mpi(draft) else ''
    for name, text in known.items():
        value = value.replace('{' + name + '}', text)
    return value


@gpu_rule('gpu-options', 'the back end for AMD\'s GPUs is switched on as the package\'s data file says')
def gpu_options(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """What the package's data changes in its parameters, each with its source; what only CUDA reads goes."""
    for name in gpu.load_gpu()['parameters']:
        if draft.parameters.get(name):
            yield Change(name, draft.parameters[name], None, 'gpu-options', 'it is for NVIDIA\'s GPUs only')
    origin = gpu.CUDA if gpu.is_cuda(draft.recipe) else gpu.CPU
    now = dict(draft.parameters)
    for change in entry['changes']:
        if not within(draft.version, change) or change.get('from', origin).lower() != origin.lower() \
                or site.toolchain not in change.get('toolchains', (site.toolchain,)) \
                or not re.match(change.get('only', ''), draft.version):
            continue
        if 'module' in change:
            module = Dependency.external_module(site.release.module(change['module']))
            if module not in draft.dependencies(change['parameter']):
                yield Change(change['parameter'], None, module, 'gpu-options', change['reason'], change['link'])
            continue
        before, name = now.get(change['parameter']), change['parameter']
        after = _extension(before, change, draft, site) if 'extension' in change else _changed(before, change, draft,
                                                                                               site)
        if after != before:
            now[name] = after
            yield Change(name, before, after, 'gpu-options', change['reason'], change['link'])


def _changed(before: Any, change: Mapping[str, Any], draft: Draft, site: Site) -> Any:
    """A parameter's value after a change of the data: set, drop, add, replace or remove."""
    if 'set' in change:
        return filled(change['set'], draft, site)
    if change.get('drop'):
        return None
    if 'option' in change:
        known = before if isinstance(before, dict) else {}
        return {**known, change['option']: change['value']}
    if 'remove' in change:
        return _removed(before, re.compile(change['remove']))
    if 'replace' in change and isinstance(before, dict):
        return {key: _changed(item, change, draft, site) for key, item in before.items()}
    if isinstance(before, (list, tuple)):
        done: List[Any] = [_changed(item, change, draft, site) if isinstance(item, (str, tuple)) else item
                           for item in before]
        return done if isinstance(before, list) else tuple(done)
    text = before or ''
    if not isinstance(text, str):
        return before
    if 'add' in change:
        more = filled(change['add'], draft, site)
        return text if more in text else f'{text.rstrip()} {more}'.strip()
    if 'prepend' in change:
        more = filled(change['prepend'], draft, site)
        return text if more in text else f'{more} {text}'.strip() + (' ' if more.endswith('&&') and not text else '')
    new = re.sub(change['replace'], lambda _: filled(change.get('by', ''), draft, site), text)
    return new if before is not None else before


def _removed(value: Any, pattern: 're.Pattern') -> Any:
    """
    A list, or a dictionary of lists, without the texts that a pattern is found in; and without the files that it is
    found in the names of: a patch with its level, a checksum by name.
    """
    if isinstance(value, dict):
        return {key: _removed(item, pattern) for key, item in value.items()}
    if isinstance(value, list):
        return [item for item in value if not any(pattern.search(text) for text in _names(item))]
    return value


def _names(item: Any) -> List[str]:
    names = [item] if isinstance(item, str) else list(item)[:1] if isinstance(item, (tuple, dict)) else []
    return [name for name in names if isinstance(name, str)]


def _extension(extensions: Any, change: Mapping[str, Any], draft: Draft, site: Site) -> Any:
    """A list of extensions in which a parameter of one of them is changed."""
    found = []
    for item in extensions or ():
        if isinstance(item, (tuple, list)) and len(item) > 2 and item[0] == change['extension']:
            options = dict(item[2])
            inner = {key: value for key, value in change.items() if key != 'extension'}
            after = _changed(options.get(change['of']), inner, draft, site)
            if after is None:
                options.pop(change['of'], None)
            else:
                options[change['of']] = after
            item = type(item)((*item[:2], options, *item[3:]))
        found.append(item)
    return found if isinstance(extensions, list) else extensions


def _before(draft: Draft, entry: Mapping[str, Any], command: str) -> Iterator[Tuple[str, Any, str]]:
    """(parameter, before, after) where a command is to run before the package is configured and built."""
    for name in _BEFORE[entry['build']]:
        text = draft.parameters.get(name) or ''
        if isinstance(text, str) and command not in text:
            yield name, draft.parameters.get(name), f'{command} && {text}'


@gpu_rule('gpu-target', 'the GPU is named to the build: on a node without one, ROCm\'s tools guess another',
          link='https://rocm.docs.amd.com/en/latest/conceptual/cmake-packages.html')
def gpu_target(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """
    CMake's variables for the target, and the one that hipcc reads; amdgpu-arch fails on a login node. What hipcc
    compiles for the processor is for the partition's: the wrapper's target module has no say there.
    """
    targets, target = load_rocm()['targets'], load_machine()['rocm']['gpu_target']
    reason = f'the nodes\' GPUs are {target}; amdgpu-arch finds none where there is no GPU'
    if entry['build'] == 'cmake':
        before = draft.parameters.get('configopts')
        after = _changed(before, {'add': ' '.join(
            f'-D{name}={target}' for name in targets['cmake'] if f'-D{name}=' not in str(before))}, draft, site)
        if after != before:
            yield Change('configopts', before, after, 'gpu-target', reason, gpu_target.link)
    command, host = f'export {targets["hipcc"]}={target}', processor(site, 'llvm')
    if host and entry['compile']['by'] == 'hipcc' and entry['compile']['what'] == 'all':
        command += f' {targets["hipcc_options"]}="-march={host} ${targets["hipcc_options"]}"'
    for name, before, after in _before(draft, entry, command):
        yield Change(name, before, after, 'gpu-target', reason, gpu_target.link)


@gpu_rule('openmp-hip', 'with OpenMP, Cray\'s wrapper passes options for offloading that HIP does not take',
          link='https://github.com/kokkos/kokkos/issues/6044')
def openmp_hip(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """
    Where the wrapper of a Clang compiles HIP with OpenMP, the GPU's target module is swapped for craype-accel-host
    while building; GTL is then linked explicitly (rule gtl).
    """
    if _without_target(entry, draft, site):
        module = Dependency.external_module(load_rocm()['host_target'])
        if module not in draft.dependencies('builddependencies'):
            yield Change('builddependencies', None, module, 'openmp-hip', 'with the GPU\'s target module the wrapper '
                         'adds -fopenmp-targets, which Clang does not take for HIP', openmp_hip.link)


def _without_target(entry: Mapping[str, Any], draft: Draft, site: Site) -> bool:
    return entry['compile']['by'] == 'wrapper' and _openmp(draft) and _family(site) in ('AMD', 'CCE')


@gpu_rule('openmp-run-time', 'two OpenMP run times in one program share neither threads nor settings',
          link='https://github.com/kokkos/kokkos/issues/6044')
def openmp_run_time(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """Where ROCm's Clang compiles the host's code too, and the toolchain's compiler is GNU's, OpenMP is left out."""
    if not _openmp(draft) or _family(site) != 'GCC':
        return
    if entry['compile']['by'] != 'wrapper' and entry['compile']['what'] == 'all':
        options = draft.parameters['toolchainopts']
        yield Change('toolchainopts', options, {**options, 'openmp': False}, 'openmp-run-time', 'ROCm\'s Clang brings '
                     'libomp and GNU\'s compilers libgomp; with cpeAMD it has OpenMP')


@gpu_rule('gtl', 'MPI moves buffers of GPUs by Cray\'s GTL library, which only the wrapper links by itself',
          link='https://cpe.ext.hpe.com/docs/latest/mpt/mpich/intro_mpi.html')
def gtl(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """Where the wrapper is not the linker, or the GPU's target module is out, MPI and GTL are linked by name."""
    if not _mpi(draft):
        return
    by_hip, swapped = entry['compile']['link'] == 'hip', _without_target(entry, draft, site)
    commands, reasons = [], []
    if entry['compile']['by'] != 'wrapper':
        commands.append(f'export CPATH={load_rocm()["mpi"]["headers"]}:$CPATH')
        reasons.append('ROCm\'s compiler does not know where the headers of MPI are')
    if by_hip or swapped:
        commands.append(f'export LDFLAGS="$LDFLAGS {filled("{link}" if by_hip else "{gtl}", draft, site)}"')
        reasons.append('it links too, so MPI and GTL are named' if by_hip else
                       'the wrapper does not link GTL without the GPU\'s target module')
    if commands:
        for name, before, after in _before(draft, entry, ' && '.join(commands)):
            yield Change(name, before, after, 'gtl', '; '.join(reasons), gtl.link)


@gpu_rule('hipcc-libs', 'the wrapper names every variant of LibSci at once, which breaks a link by hipcc',
          link=sites.link('hip'))
def hipcc_libs(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """$(CC --cray-print-opts=libs) in the link of a GPU variant becomes MPI, GTL and the one LibSci, by name."""
    def change(text: str) -> str:
        return _PRINTED.sub(lambda found: ('$(CC --cray-print-opts=cflags) ' if found.group(1) == 'all' else '')
                            + ' '.join(filled('{link} {blas}', draft, site).split()), text)

    for name, before, after in in_commands(draft, change, TOOLCHAINS):
        yield Change(name, before, after, 'hipcc-libs', 'CC --cray-print-opts=libs names all variants of LibSci, with '
                     'and without MPI and OpenMP', hipcc_libs.link)


@gpu_rule('gpu-tests', 'tests that need a GPU do not run where there is none')
def gpu_tests(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """The test step is left out of GPU variants whose tests need a GPU: login nodes have none."""
    if entry['tests']['where'] != 'job':
        return
    before = draft.parameters.get('runtest')
    if before is not False:
        yield Change('runtest', before, False, 'gpu-tests', f'{entry["tests"]["reason"]}; run them in a job on the GPU '
                     'nodes (lumi-eb job writes one)')


@gpu_rule('gpu-usage', 'a module does not switch MPI\'s GPU support on: it would end every MPI program without GTL',
          link='https://cpe.ext.hpe.com/docs/latest/mpt/mpich/intro_mpi.html')
def gpu_usage(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """
    What a job has to set for MPI on GPU buffers is said in the module's help; and which GPUs it is for, where
    upstream's words are of NVIDIA's.
    """
    told = draft.parameters.get('description')
    if isinstance(told, str) and _NVIDIA.search(told):
        yield Change('description', told, f'{told.rstrip()}\n{load_rocm()["description"]}', 'gpu-usage',
                     'upstream\'s words are of NVIDIA\'s GPUs')
    if not _mpi(draft):
        return
    before, text = draft.parameters.get('usage'), load_rocm()['usage']
    if text not in str(before or ''):
        yield Change('usage', before, f'{before.rstrip()}\n{text}' if before else text, 'gpu-usage',
                     'MPICH_GPU_SUPPORT_ENABLED belongs into the job, never into a module', gpu_usage.link)


@gpu_rule('gpu-left', 'nothing of CUDA is left in the GPU variant')
def gpu_left(draft: Draft, site: Site, entry: Mapping[str, Any]):
    """
    Refuses what still names CUDA in a parameter that a build reads, or in a patch: the package's data does not know of
    it.
    """
    harmless = [re.compile(text) for text in entry.get('harmless', ())]
    for name, text in _read_by_a_build(draft, harmless):
        found = _CUDA.search(text)
        if found:
            where = text[max(0, found.start() - 30):found.end() + 30].replace('\n', ' ')
            yield Refusal('cuda', f'{name} still says "…{where}…", and what is known of {draft.name}\'s '
                          'GPU back end does not say what to do with it: add that to its data file',
                          'gpu-left', draft.name)
            return


def _read_by_a_build(draft: Draft, harmless: Sequence['re.Pattern']) -> Iterator[Tuple[str, str]]:
    """Texts of parameters and of patches by name; without what is known to be harmless, and patches of such a name."""
    for name, value in draft.parameters.items():
        if name in (*TELLING, *DEPENDENCY_LISTS, 'versionsuffix') or name.startswith(('local_', '_')):
            continue
        for text in texts(value, but=_FILES):
            for pattern in harmless:
                text = pattern.sub('', text)
            yield name, text
    for name, text in patched_texts(replace(draft.recipe, parameters=draft.parameters)):
        if not any(pattern.search(name) for pattern in harmless):
            yield f'the patch {name}', text
