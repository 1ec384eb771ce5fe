# SPDX-License-Identifier: GPL-2.0-only
"""The survey's figures for every release and compiler, as a page of the documentation."""
import os
import textwrap
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from lumi_hooks.errors import LumiHooksError
from lumi_hooks.files import write_atomic
from lumi_hooks.index import Index
from lumi_hooks.releases import load_machine, load_toolchains, release_names
from lumi_hooks.schemas import checked
from lumi_hooks.site import Site, make_site
from lumi_hooks.sites import DEFAULT, filled
from lumi_hooks.sites import site as site_data
from lumi_hooks.survey import PLANNED, Survey, recipes_below, recipes_for, with_empty_stack, with_recipes

HEAD = """# Survey of upstream's recipes

Written by `{setting}ci/survey {name}{options}` on {date}, with {versions}: run it again instead of
editing this page.

These figures are true of the recipes of {collection}, and of no other collection: `eb` and `lumi-eb` see those of the
EasyBuild that is loaded, or those that `LUMI_HOOKS_UPSTREAM` names.

{scope} was planned for itself, as `lumi-eb plan` does, on an empty prefix and without a central
stack (what {{site}}'s stack holds under the release's own name, such as `buildtools`, is taken to be there). *Planned*
means that everything it needs exists or can be derived and that nothing refuses it; it says nothing of the build.
Recipes without a toolchain (SYSTEM) stay as they are and are counted apart. *GNU* are the recipes on {gnu} that need
no CUDA.

"""


BESIDE = """## With {{site}}'s own recipes

The same with {recipes} recipes that {{site}} has itself on the robot path ({own} of them with a cpe* toolchain of
release {release}), by `--beside`. A recipe of {{site}}'s always goes before one that would be derived for the same
module, and for the same library under a suffix that stands for none. They are stubs, made by `ci/lumi-recipes` of what
is known of them: name, version, suffix, toolchain and dependencies. *{{site}}'s own* are those of its recipes for the
compiler that are planned.

"""


def sites(upstream: Sequence[str]) -> List[Site]:
    """A site for every release and compiler, on the first partition that has the compiler; no stack, no prefix."""
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
               count: Callable[[Sequence[str], Site, int, str], Survey], sample: int = 1,
               lumis: Sequence[str] = (), release: Optional[str] = None, toolchain: Optional[str] = None) -> int:
    """
    Survey every release and compiler, and write the page.

    :param count: makes one survey, e.g. with a progress bar
    :param sample: `paths` holds every sample-th recipe only; the page says so
    :param lumis: folders with recipes of LUMI's: where they are for a release and compiler, it is counted both ways
    :param release: the only release to survey; all where it is not given
    :param toolchain: the only compiler, likewise
    :return: exit code: 0 written, 1 written and recipes failed, 130 interrupted and nothing written
    :raises LumiHooksError: the file can't be written
    """
    found: List[Survey] = []
    all_sites = [here for here in sites(with_empty_stack(site).index.upstream)
                 if release in (None, here.release.name) and toolchain in (None, here.toolchain)]
    for number, here in enumerate(all_sites, 1):
        one = count(paths, here, jobs, f'{number}/{len(all_sites)} {here.release.name} {here.toolchain}')
        if one.interrupted:
            raise KeyboardInterrupt
        found.append(one)
    both = _beside(paths, all_sites, jobs, count, lumis) if lumis else ()
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        name = os.path.join('docs', os.path.basename(path))
        write_atomic(path, page(found, sample, both, len(recipes_below(lumis)), name))
    except OSError as err:
        raise LumiHooksError(f'{path} cannot be written: {err.strerror}') from err
    print(path)
    return 1 if any(one.failed() for one in (*found, *(one for pair in both for one in pair))) else 0


def _beside(paths: Sequence[str], all_sites: Sequence[Site], jobs: int,
            count: Callable[[Sequence[str], Site, int, str], Survey],
            lumis: Sequence[str]) -> List[Tuple[Survey, Survey]]:
    """For each site that LUMI has recipes for: upstream's recipes with LUMI's next to them, and LUMI's themselves."""
    found = []
    for site in all_sites:
        own = recipes_for(lumis, site)
        if own:
            here = with_recipes(site, lumis)
            title = filled(f'{site.release.name} {site.toolchain} with {{site}}\'s recipes')
            found.append((count(paths, here, jobs, title), count(own, here, jobs, title)))
            if any(one.interrupted for one in found[-1]):
                raise KeyboardInterrupt
    return found


def _with_lumis(both: Sequence[Tuple[Survey, Survey]], lumis: int) -> Iterator[str]:
    """The part of the page that counts with LUMI's recipes."""
    releases = list(dict.fromkeys(one.site.release.name for one, _ in both))
    yield '\n' + _filled(BESIDE.format(recipes=f'{lumis:,}', release=' and '.join(releases),
                                       own=f'{sum(len(own.findings) for _, own in both):,}'))
    rows = []
    for one, own in both:
        data = one.as_json()
        planned = sum(item.status == PLANNED for item in own.findings)
        rows.append((data['release'], data['toolchain'], data['partition'], data['planned'] - data['unchanged'],
                     data['unchanged'], sum(data['refused'].values()), len(data['failed']),
                     f'{data["goal"]["planned"]:,} of {data["goal"]["recipes"]:,}', _share(data['goal']['share']),
                     f'{planned:,} of {len(own.findings):,}'))
    yield _table(('release', 'compiler', 'partition', 'planned', 'SYSTEM', 'refused', 'failed', 'GNU planned', 'share',
                  filled('{site}\'s own')), rows)
    refused = [item for _, own in both for item in own.findings if item.status != PLANNED]
    if refused:
        yield filled('\n### Which of {site}\'s own are not planned\n\n')
        yield _table(('recipe', 'reason'), [(f'`{os.path.basename(item.recipe)}`', item.reason) for item in refused])
    yield _apart([one for one, _ in both])


def _apart(found: Sequence[Survey]) -> str:
    """What is refused beside LUMI's recipes for two versions of a package."""
    last = found[_default(found)]
    rows = [(item['what'], item['recipes'], item['alone'], f'`{item["example"]}`') for item in last.blockers()
            if item['code'] in ('two-versions', 'no-recipe', 'cray-module')]
    if not rows:
        return ''
    return filled('\n### What blocks recipes beside {site}\'s, release ') \
           + f'{last.site.release.name}, {last.site.toolchain}\n\n' \
           'Two versions of one package, a missing recipe or Cray module:\n\n' \
           + _table(('what', 'recipes', 'alone', 'example'), rows)


def page(found: Sequence[Survey], sample: int = 1, both: Sequence[Tuple[Survey, Survey]] = (), lumis: int = 0,
         name: str = 'docs/survey.md') -> str:
    """
    The page, in Markdown.

    :param sample: only every sample-th recipe was looked at
    :param both: with LUMI's recipes, for each compiler: the surveys of upstream's recipes and of LUMI's own
    :param lumis: how many recipes of LUMI's there are
    :param name: of the page
    """
    data = [one.as_json() for one in found]
    first = data[0]
    versions = ', '.join(f'{name} {version}' for name, version in first['versions'].items())
    scope, gnu = _scope(first['recipes'], sample), ', '.join(first['goal']['toolchains'])
    lines = [_filled(HEAD.format(date=first['date'], versions=versions, scope=scope, gnu=gnu,
                                 setting=_of_site('LUMI_HOOKS_SITE={}'), name=name, options=_options(found, bool(both)),
                                 collection=of_collection(first['collection'])))]
    rows = [(item['release'], item['toolchain'], item['partition'], item['planned'] - item['unchanged'],
             item['unchanged'], sum(item['refused'].values()), len(item['failed']),
             f'{item["goal"]["planned"]:,} of {item["goal"]["recipes"]:,}', _share(item['goal']['share']))
            for item in data]
    lines.append(_table(('release', 'compiler', 'partition', 'planned', 'SYSTEM', 'refused', 'failed', 'GNU planned',
                         'share'), rows))
    last = data[_default(found)]
    if both:
        lines.extend(_with_lumis(both, lumis))
    lines.extend(_details(last))
    return ''.join(lines)


def _options(found: Sequence[Survey], both: bool) -> str:
    """What else the command was told that wrote the page."""
    releases, toolchains = {one.site.release.name for one in found}, {one.site.toolchain for one in found}
    return (f' --release {min(releases)}' if len(releases) == 1 else '') \
        + (f' --toolchain {min(toolchains)}' if len(toolchains) == 1 else '') \
        + (f' --beside DIR` after `ci/lumi-recipes {_of_site()}--into DIR' if both else '')


def _of_site(words: str = '--site {}') -> str:
    """How a site that is not the default one is named on a command line, with a blank behind."""
    name = site_data()['name']
    return '' if name == DEFAULT else f'{words.format(name)} '


def of_collection(found: Mapping[str, Any]) -> str:
    """A collection as the page says it: its EasyBuild and how many recipes it holds; no paths of this machine."""
    return f'EasyBuild {found["easybuild"] or "of unknown version"} ({found["recipes"]:,} recipes)'


def _filled(text: str) -> str:
    """Paragraphs with lines of even length."""
    return '\n\n'.join('\n'.join(textwrap.wrap(filled(part), 110, break_long_words=False, break_on_hyphens=False))
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
    yield '\n### How large plans are\n\nModules to build, of the recipes on GNU toolchains that are planned; and the ' \
          'share of the plans that build what is known to be large (*brought*: though neither the recipe nor its own ' \
          'build tools name it).\n\n'
    large = list(checked('sizes.json')['giants'])
    yield _table(('generation', 'plans', 'median', '90 % have at most', *large),
                 [(name, size['plans'], f'{size["median"]:g}', size['p90'],
                   *(_share(size['giants'].get(giant, 0)) for giant in large))
                  for name, size in last['sizes'].items()]
                 + [('*brought*', '', '', '', *(_share(size['brought'].get(giant, 0)) for giant in large))
                    for name, size in last['sizes'].items() if name == 'all'])
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
