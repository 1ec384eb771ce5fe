# SPDX-License-Identifier: GPL-2.0-only
"""The survey's figures for every release and compiler, as a page of the documentation."""
import os
import textwrap
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Sequence, Tuple

from ..errors import LumiHooksError
from ..files import write_atomic
from ..releases import load_machine, load_toolchains, release_names
from ..site import Site, make_site
from . import Survey, without_stack

HEAD = """# Survey of upstream's recipes

Written by `lumi-eb survey --write-docs docs/survey.md` on {date}, with {versions}: run it again instead of editing this
page.

These figures are true of the recipes of {collection}, and of no other collection: `eb` and `lumi-eb` see those of the
EasyBuild that is loaded, or those that `LUMI_HOOKS_UPSTREAM` names.

{scope} was planned for itself, as `lumi-eb plan` does, on an empty prefix and without a central
stack (what LUMI's stack holds under the release's own name, such as `buildtools`, is taken to be there). *Planned*
means that everything it needs exists or can be derived and that nothing refuses it; it says nothing of the build.
Recipes without a toolchain (SYSTEM) stay as they are and are counted apart. *GNU* are the recipes on {gnu} that need
no CUDA.

"""


def sites(upstream: Sequence[str]) -> List[Site]:
    """A site for every release and compiler, on the first partition that has the compiler; no stack, no prefix."""
    from ..central import Index
    index = Index((), (), upstream)  # listed once, for all
    found = []
    for release in release_names():
        for toolchain in load_toolchains()['toolchains']:
            partition = next((name for name, facts in load_machine()['partitions'].items()
                              if toolchain in facts['toolchains']), None)
            if partition:
                found.append(make_site(release, partition, toolchain, index=index, env={}))
    return found


def write_docs(path: str, paths: Sequence[str], site: Site, jobs: int,
               count: Callable[[Sequence[str], Site, int, str], Survey], sample: int = 1) -> int:
    """
    Survey every release and compiler, and write the page.

    :param count: makes one survey, e.g. with a progress bar
    :param sample: `paths` holds every sample-th recipe only; the page says so
    :return: exit code: 0 written, 1 written and recipes failed, 130 interrupted and nothing written
    :raises LumiHooksError: the file can't be written
    """
    found: List[Survey] = []
    all_sites = sites(without_stack(site).index.upstream)
    for number, here in enumerate(all_sites, 1):
        one = count(paths, here, jobs, f'{number}/{len(all_sites)} {here.release.name} {here.toolchain}')
        if one.interrupted:
            raise KeyboardInterrupt
        found.append(one)
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        write_atomic(path, page(found, sample))
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be written: {err.strerror}') from err
    print(path)
    return 1 if any(one.failed() for one in found) else 0


def page(found: Sequence[Survey], sample: int = 1) -> str:
    """
    The page, in Markdown.

    :param sample: only every sample-th recipe was looked at
    """
    data = [one.as_json() for one in found]
    first = data[0]
    versions = ', '.join(f'{name} {version}' for name, version in first['versions'].items())
    scope, gnu = _scope(first['recipes'], sample), ', '.join(first['goal']['toolchains'])
    lines = [_filled(HEAD.format(date=first['date'], versions=versions, scope=scope, gnu=gnu,
                                 collection=of_collection(first['collection'])))]
    rows = [(item['release'], item['toolchain'], item['partition'], item['planned'] - item['unchanged'],
             item['unchanged'], sum(item['refused'].values()), len(item['failed']),
             f'{item["goal"]["planned"]:,} of {item["goal"]["recipes"]:,}', _share(item['goal']['share']))
            for item in data]
    lines.append(_table(('release', 'compiler', 'partition', 'planned', 'SYSTEM', 'refused', 'failed', 'GNU planned',
                         'share'), rows))
    last = data[_default(found)]
    lines.extend(_details(last))
    return ''.join(lines)


def of_collection(found: Mapping[str, Any]) -> str:
    """A collection as the page says it: its EasyBuild and how many recipes it holds; no paths of this machine."""
    return f'EasyBuild {found["easybuild"] or "of unknown version"} ({found["recipes"]:,} recipes)'


def _filled(text: str) -> str:
    """Paragraphs with lines of even length."""
    return '\n\n'.join('\n'.join(textwrap.wrap(part, 110, break_long_words=False, break_on_hyphens=False))
                       for part in text.split('\n\n')).rstrip() + '\n\n'


def _scope(recipes: int, sample: int) -> str:
    if sample > 1:
        return f'**A sample only**: one recipe in {sample} was looked at (`--sample {sample}`). Each of these ' \
               f'{recipes:,}'
    return f'Each of {recipes:,} recipes'


def _details(last: Mapping[str, Any]) -> Iterator[str]:
    """One survey in detail."""
    yield f'\n## Release {last["release"]}, {last["toolchain"]}\n\n'
    yield _groups('toolchain', last['by_toolchain'].items())
    yield '\n'
    yield _groups('generation', sorted(last['by_generation'].items()))
    yield '\n### Why recipes are refused\n\n'
    yield _table(('reason', 'meaning', 'recipes'),
                 [(code, last['reasons'][code], number) for code, number in last['refused'].items()])
    yield '\n### What blocks most recipes\n\nA recipe counts for everything that blocks it; *alone* counts those ' \
          'that nothing else blocks.\n\n'
    yield _table(('reason', 'what', 'recipes', 'alone', 'example'),
                 [(item['code'], item['what'], item['recipes'], item['alone'], f'`{item["example"]}`')
                  for item in last['blockers'][:30]])


def _groups(title: str, groups: Iterable[Tuple[str, Mapping[str, int]]]) -> str:
    return _table((title, 'recipes', 'planned', 'refused', 'failed', 'share'),
                  [(name, group['recipes'], group['planned'], group['refused'], group['failed'],
                    _share(group['planned'] / group['recipes'])) for name, group in groups])


def _default(found: Sequence[Survey]) -> int:
    """Which survey is shown in detail: LUMI's default release and toolchain."""
    wanted = load_machine()['default_toolchain']
    return next((place for place, one in enumerate(found)
                 if one.site.release.default and one.site.toolchain == wanted), 0)


def _share(value: Any) -> str:
    return '–' if value is None else f'{value:.1%}'


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    for row in rows:
        lines.append('| ' + ' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row) + ' |')
    return '\n'.join(lines) + '\n'
