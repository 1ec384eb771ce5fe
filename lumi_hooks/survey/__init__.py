# SPDX-License-Identifier: GPL-2.0-only
"""
A survey: the plan of every recipe of a collection, counted.

The recipes are spread over processes, each with a planner of its own that looks at each dependency once.
"""
import datetime
import multiprocessing
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from .. import __version__
from ..easybuilds import collection
from ..errors import LumiHooksError, RecipeError
from ..gpu import CUDA, split_suffix
from ..plan import REASONS, REFUSED, Planner
from ..plan.outline import Outline, read_outline
from ..recipe import read_for
from ..releases import generation_of, load_upstream
from ..schemas import checked
from ..site import Site, variables

PLANNED, FAILED = 'planned', 'failed'
# the refusals that no rule can fix: the goal of the survey leaves them out
HARDWARE = ('cuda', 'container', 'no-gpu-backend', 'gpu-uncovered', 'gpu-version', 'gpu-compiler', 'partition')
GNU = ('GCCcore', 'GCC', 'gfbf', 'gompi', 'foss')
_CHUNK = 24


@dataclass(frozen=True)
class RecipeResult:
    """What the survey says of one recipe. `status` is planned, refused or failed."""
    recipe: str
    toolchain: Tuple[str, str]
    generation: Optional[str]
    status: str
    codes: Tuple[str, ...] = ()
    culprits: Tuple[Tuple[str, str], ...] = ()
    reason: str = ''
    builds: int = 0
    giants: Tuple[str, ...] = ()
    # of these, those that neither its own recipe nor its own build tools name
    brought: Tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        """Is it planned as it is, without a toolchain?"""
        return self.status == PLANNED and self.toolchain[0] == 'system'


@dataclass
class Survey:
    """
    What was found at a site, in the order of the recipes.

    `interrupted`: only some of them were looked at; `cached`: none was, as nothing has changed since the last survey.
    """
    site: Site
    total: int
    findings: List[RecipeResult] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    cached: bool = False

    def failed(self) -> List[RecipeResult]:
        """Recipes for which no plan could be tried."""
        return [item for item in self.findings if item.status == FAILED]

    def refusals(self) -> Dict[str, int]:
        """Refused recipes by their first reason code, the most frequent first."""
        return dict(Counter(item.codes[0] for item in self.findings if item.status == REFUSED).most_common())

    def blockers(self) -> List[Dict[str, Any]]:
        """What stands in the way of most recipes: a recipe with several blockers counts for each."""
        found: Counter = Counter(culprit for item in self.findings for culprit in item.culprits)
        alone: Counter = Counter(item.culprits[0] for item in self.findings if len(item.culprits) == 1)
        example: Dict[Tuple[str, str], str] = {}
        for item in self.findings:
            for culprit in item.culprits:
                example.setdefault(culprit, item.recipe)
        order = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        return [{'code': code, 'what': what, 'recipes': number, 'alone': alone[code, what],
                 'example': os.path.basename(example[code, what])} for (code, what), number in order]

    def goal(self) -> Dict[str, Any]:
        """The share that is planned of the recipes on GNU toolchains whose plan needs no other vendor's hardware."""
        known = load_upstream()['toolchains']
        gnu = [name for name in GNU if name in known]
        chosen = [item for item in self.findings if item.toolchain[0] in gnu
                  and not set(item.codes).intersection(HARDWARE)]
        planned = sum(item.status == PLANNED for item in chosen)
        return {'toolchains': gnu, 'recipes': len(chosen), 'planned': planned,
                'share': round(planned / len(chosen), 4) if chosen else None}

    def sizes(self) -> Dict[str, Dict[str, Any]]:
        """
        How large the plans of the recipes on GNU toolchains are, of each generation and of `all`: how many there are,
        the median and the 90th percentile of the modules to build, and the share that builds each known large one,
        and that builds it for the sake of something else (`brought`).
        """
        found: Dict[str, List[RecipeResult]] = {'all': []}
        for item in self.findings:
            if item.status == PLANNED and item.toolchain[0] in GNU and item.builds:
                found['all'].append(item)
                found.setdefault(item.generation or 'other', []).append(item)
        return {name: _sizes(items) for name, items in sorted(found.items()) if items}

    def as_json(self) -> Dict[str, Any]:
        """The survey as plain data; recipes, planned, refused, failed, by_toolchain and seconds are a contract."""
        return {
            'recipes': len(self.findings),
            'planned': sum(item.status == PLANNED for item in self.findings),
            'refused': self.refusals(),
            'failed': [{'recipe': item.recipe, 'error': item.reason} for item in self.failed()],
            'by_toolchain': self.groups(lambda item: item.toolchain[0]),
            'seconds': round(self.seconds, 2),
            'by_generation': self.groups(lambda item: item.generation or 'other'),
            'unchanged': sum(item.unchanged for item in self.findings),
            'goal': self.goal(),
            'sizes': self.sizes(),
            'blockers': self.blockers()[:50],
            'reasons': {code: REASONS.get(code, '') for code in self.refusals()},
            'interrupted': self.interrupted,
            'cached': self.cached,
            'of': self.total,
            'date': datetime.date.today().isoformat(),
            **versions(self.site),
        }

    def groups(self, key: Callable[[RecipeResult], str]) -> Dict[str, Dict[str, Any]]:
        """Figures for each group of recipes, the largest group first."""
        found: Dict[str, List[RecipeResult]] = {}
        for item in self.findings:
            found.setdefault(key(item), []).append(item)
        order = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        return {name: {'recipes': len(items),
                       'planned': sum(item.status == PLANNED for item in items),
                       'refused': sum(item.status == REFUSED for item in items),
                       'failed': sum(item.status == FAILED for item in items)} for name, items in order}


def _sizes(items: Sequence[RecipeResult]) -> Dict[str, Any]:
    """The same of some plans."""
    builds = sorted(item.builds for item in items)
    return {'plans': len(items), 'median': median(builds), 'p90': builds[len(builds) * 9 // 10],
            'giants': _shares([item.giants for item in items]), 'brought': _shares([item.brought for item in items])}


def _shares(named: Sequence[Sequence[str]]) -> Dict[str, float]:
    """The share of lists that hold each name."""
    return {name: round(number / len(named), 4)
            for name, number in sorted(Counter(name for names in named for name in names).items())}


def versions(site: Site) -> Dict[str, Any]:
    """What the figures of a site are true of: its collection of upstream's recipes, and who looked at them."""
    from easybuild.tools.version import EASYBLOCKS_VERSION, FRAMEWORK_VERSION
    found = collection(site.index.upstream)
    return {'release': site.release.name, 'partition': site.partition, 'toolchain': site.toolchain,
            'collection': {**found.as_json(), 'name': str(found)},
            'versions': {'lumi-hooks': __version__, 'easybuild': found.easybuild or str(FRAMEWORK_VERSION),
                         'easybuild-framework': str(FRAMEWORK_VERSION),
                         'easybuild-easyblocks': str(EASYBLOCKS_VERSION)}}


def recipes_below(folders: Iterable[str]) -> List[str]:
    """
    Paths of all recipes below folders, sorted.

    :raises LumiHooksError: a folder does not exist
    """
    found: Dict[str, None] = {}
    for folder in folders:
        if os.path.isfile(folder):
            found[os.path.abspath(folder)] = None
            continue
        if not os.path.isdir(folder):
            raise LumiHooksError(f'there is no folder {folder}: name folders with recipes (*.eb)')
        for place, below, files in os.walk(folder):
            below[:] = [name for name in below if not name.startswith('.') and name != '__archive__']
            for name in files:
                if name.endswith('.eb'):
                    found[os.path.abspath(os.path.join(place, name))] = None
    return sorted(found)


def survey(paths: Sequence[str], site: Site, jobs: int = 1,
           progress: Callable[[int, int], None] = lambda done, total: None) -> Survey:
    """
    Plan every recipe for itself.

    :param jobs: number of processes
    :param progress: is told how many of how many recipes are done
    :return: what was counted; after Ctrl-C what was counted until then
    """
    result, start = Survey(site, len(paths)), time.monotonic()
    chunks = [paths[place:place + _CHUNK] for place in range(0, len(paths), _CHUNK)]
    try:
        for findings in _results(chunks, site, min(jobs, len(chunks))):
            result.findings.extend(findings)
            progress(len(result.findings), len(paths))
    except KeyboardInterrupt:
        result.interrupted = True
    result.seconds = time.monotonic() - start
    return result


def _results(chunks: Sequence[Sequence[str]], site: Site, jobs: int) -> Iterator[List[RecipeResult]]:
    """Findings, chunk by chunk, in order."""
    if jobs < 2:
        surveyor = Surveyor(site)
        for chunk in chunks:
            yield [surveyor.look(path) for path in chunk]
        return
    context = multiprocessing.get_context('fork')
    pool = context.Pool(jobs, _start, (site,))
    try:
        yield from pool.imap(_look, chunks)
        pool.close()
    finally:
        pool.terminate()
        pool.join()


class Surveyor:
    """Looks at recipes, one after the other, at one site."""

    def __init__(self, site: Site):
        read_for(variables(site))
        self.site = site
        self.planner = Planner(site, self._read)
        self._outlines: Dict[Tuple[str, Site], Outline] = {}

    def look(self, path: str) -> RecipeResult:
        """What is to be said of a recipe; an error of any kind is a finding too."""
        toolchain: Tuple[str, str] = ('unknown', '')
        try:
            found = self._read(path, self.site)
            toolchain = found.upstream
            node = self.planner.look(self.planner.asked(path))
            generation = _generation(toolchain)
            if node.status != REFUSED:
                return RecipeResult(path, toolchain, generation, PLANNED, builds=node.builds, giants=node.giants,
                               brought=brought(found, node.giants))
            culprits = tuple(dict.fromkeys((block.code, block.culprit) for block in node.blocks))
            return RecipeResult(path, toolchain, generation, REFUSED, node.codes, culprits, node.reason)
        except LumiHooksError as err:
            return RecipeResult(path, toolchain, None, FAILED, reason=str(err))
        except Exception as err:  # one recipe must not stop the others; it is counted, and shown
            return RecipeResult(path, toolchain, None, FAILED, reason=f'{type(err).__name__}: {err}')

    def _read(self, path: str, site: Site) -> Outline:
        """The outline of a recipe, read once: what one recipe needs is asked for by itself as well."""
        key = (os.path.realpath(path), site)
        if key not in self._outlines:
            try:
                self._outlines[key] = read_outline(path, site).bare()
            except RecursionError as err:
                raise RecipeError(f'{path} is nested too deeply') from err
        return self._outlines[key]


def brought(found: Outline, giants: Sequence[str]) -> Tuple[str, ...]:
    """
    The large ones of a plan that its recipe is not about: it is none of them, and names neither them nor the build
    tools that say so as well (Rust's is maturin).
    """
    own = {found.name, *(need.dependency.name for need in found.needs)}
    known = checked('sizes.json')['giants']
    return tuple(name for name in giants if own.isdisjoint((name, *known[name].get('tools', ()))))


_surveyor: Optional[Surveyor] = None


def _start(site: Site) -> None:
    """The beginning of a process of the pool; Ctrl-C is for the main process, which keeps what was counted."""
    global _surveyor
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _surveyor = Surveyor(site)


def _look(paths: Sequence[str]) -> List[RecipeResult]:
    assert _surveyor is not None
    return [_surveyor.look(path) for path in paths]


def _generation(toolchain: Tuple[str, str]) -> Optional[str]:
    """Upstream's generation of a toolchain, None where it belongs to none."""
    return 'SYSTEM' if toolchain[0] == 'system' else generation_of(*toolchain)


def for_cuda(paths: Sequence[str]) -> List[str]:
    """The recipes that carry CUDA in their file names: NVIDIA's own software, and what is built for its GPUs."""
    return [path for path in paths if split_suffix(os.path.basename(path)[:-len('.eb')])[1] == CUDA
            or os.path.basename(path).startswith(CUDA.upper()) or f'-{CUDA.upper()}-' in os.path.basename(path)]


def every(paths: Sequence[str], step: int) -> List[str]:
    """Every step-th recipe: a sample that does not depend on chance."""
    return list(paths[::max(step, 1)])


def with_empty_stack(site: Site) -> Site:
    """The same site with nothing installed: figures that do not depend on the machine where they were made."""
    from ..index import Index
    return replace(site, prefix='', index=Index((), (), site.index.upstream))


def with_recipes(site: Site, folders: Sequence[str]) -> Site:
    """The same site with more recipes of LUMI's: what these stand for is not derived."""
    from ..index import Index
    index = site.index
    return replace(site, index=Index(index.modulepath, [*map(os.path.abspath, folders), *index.recipes],
                                     index.upstream))


def recipes_for(folders: Sequence[str], site: Site) -> List[str]:
    """The recipes below folders that are for the toolchain and the release of a site, by their file names."""
    middle = f'-{site.toolchain}-{site.toolchain_version}'
    return [path for path in recipes_below(folders) if middle in os.path.basename(path)]
