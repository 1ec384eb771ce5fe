# SPDX-License-Identifier: GPL-2.0-only
"""Where the packages stand that LUMI has most recipes of: the command line of ci/packages."""
import argparse
import datetime
import json
import os
import re
import sys
from typing import Any, Dict, List, Sequence

from lumishell import ROOT

from lumi_hooks.cli.console import print_json
from lumi_hooks.cli.exit_status import ended
from lumi_hooks.cli.partial import Partial

LIST = os.path.join(ROOT, 'ci', 'packages.json')
DOCS = os.path.join(ROOT, 'docs', 'packages.md')
BUILT, READY, REFUSED, NONE = 'built here', 'ready for a hand test', 'refused', 'no upstream recipe'

EXAMPLES = """examples:
  ci/packages                  the table
  ci/packages --json
  ci/packages --write-docs     docs/packages.md

Each of the packages in ci/packages.json is planned as `lumi-eb plan` does, on an empty prefix; what ci/collection and
ci/rebuild have built on the stand-in is told apart from what was only planned. Each is compared with LUMI's own recipe
for 25.03 as well: what it depends on, and why that differs ("differences" in ci/packages.json).

exit code: 0 each is planned, or there is a reason, 1 a plan failed, 2 bad use
"""

HEAD = """# The {number} packages of which LUMI has most recipes

Written by `ci/packages --write-docs` on {date}, for LUMI/{release}, partition C, {toolchain}, with lumi-hooks {version}
and the recipes of EasyBuild {easybuild}: run it again instead of editing this page. The counts are LUMI's own recipes
({source}).

*built here*: for real on the stand-in Cray PE ([collection.md](collection.md), [results.md](results.md)). *ready for a
hand test*: the plan is closed and nothing refuses it; it was not built here, as its sources or the time were not there.
On LUMI

```
lumi-eb handtest NAME
```

installs it into your prefix, loads it, and prints a report to paste into an issue. *modules* is what has to be built on
an empty prefix without LUMI's central stack, which holds most of these libraries.

{summary}

| package | LUMI's recipes | of them compared | stands | upstream's recipe | modules | note |
|---|---:|---:|---|---|---:|---|
"""

BESIDE = """
## Beside LUMI's recipes for 25.03

What an adapted recipe of upstream's depends on, beside LUMI's own recipe of the same software for cpeGNU, by the facts
in `ci/standin/lumi/recipes-25.03.json`. `+X` is a dependency of ours alone, `-X` one of LUMI's alone. {compared} of the
{number} can be compared.

{equal} depend on the same: {names}.

The others differ by upstream's choices, which are left:

| package | LUMI's recipe | upstream's | differences |
|---|---|---|---|
"""


def built() -> Dict[str, str]:
    """What was built here, software -> where that is said: by ci/collection, and by the real tests of ci/rebuild."""
    found: Dict[str, str] = {}
    pages = (('collection.md', r'^\|.*\| ([\w.+-]+)/\S+ \| \d+ \| \d+ \| (?:built|present) '),
             ('results.md', r'test_a_program_runs_on_two_ranks\[([\w+-]+)\] \| passed'))
    for name, pattern in pages:
        path = os.path.join(ROOT, 'docs', name)
        if os.path.isfile(path):
            with open(path, encoding='utf-8') as handle:
                for software in re.findall(pattern, handle.read(), re.M):
                    found.setdefault(software, f'[{name}]({name})')
    return found


def look(packages: Sequence[Dict[str, Any]], failed: Partial) -> List[Dict[str, Any]]:
    """What is to be said of each package; `failed` is told of those that no plan could be made for."""
    from lumi_hooks.catalogue import upstream_recipes
    from lumi_hooks.index import Index, choose_source
    from lumi_hooks.plan import BUILD, make_plan
    from lumi_hooks.releases import library_versions
    from lumi_hooks.selection import source_recipe
    from lumi_hooks.site import make_site
    site = make_site(partition='C', index=Index((), (), upstream_recipes()), env={})
    here, rows = built(), []
    for item in packages:
        name = item['name']
        row = {**item, 'stands': NONE, 'recipe': '', 'modules': 0, 'note': ''}
        rows.append(row)
        versions = library_versions(site.release.name).get(name, ())
        source = next(filter(None, (source_recipe(name, version, '', site) for version in versions)), None) \
            or choose_source([found for found in site.index.sources(name) if not found.versionsuffix],
                             site.release.generation)
        if source is None:
            row['note'] = 'one of LUMI\'s own, or upstream\'s recipes are for SYSTEM only'
            continue
        row['note'] = 'no plan could be made'
        with failed.of(name):
            plan = make_plan([source.path], site)
            target = next(node for node in plan.nodes if node.module == plan.targets[0])
            row.update(recipe=os.path.basename(source.path), modules=len(plan.of(BUILD)), stands=READY, note='')
            if plan.refused:
                row.update(stands=REFUSED, note=target.reason, modules=0)
            elif name in here:
                row.update(stands=BUILT, note=here[name])
    return rows


def page(rows: Sequence[Dict[str, Any]], source: str) -> str:
    """The page of the documentation."""
    from importlib.metadata import version

    from lumi_hooks import __version__
    from lumi_hooks.releases import default_release
    number = {kind: sum(row['stands'] == kind for row in rows) for kind in (BUILT, READY, REFUSED, NONE)}
    summary = '**' + ', '.join(f'{count} {kind}' for kind, count in number.items() if count) + '.**'
    head = HEAD.format(number=len(rows), date=datetime.date.today().isoformat(), release=default_release().name,
                       toolchain='cpeGNU', version=__version__, easybuild=version('easybuild-easyconfigs'),
                       source=source, summary=summary)
    return head + '\n'.join(
        f'| {row["name"]} | {row["recipes"]} | {row["sample"]} | {row["stands"]} | {row["recipe"]} | '
        f'{row["modules"] or ""} | {row["note"].replace("|", chr(92) + "|")} |' for row in rows) + '\n'


def beside(names: Sequence[str], reasons: Dict[str, Dict[str, str]]) -> List[Dict[str, Any]]:
    """The comparison with LUMI's own recipes: each difference with its reason, None where none is known."""
    from beside_lumi import compare

    from lumi_hooks.catalogue import upstream_recipes
    return [{**row, 'differences': {word: reasons.get(row['name'], {}).get(word, reasons[''].get(word))
                                    for word in row['differences']}} for row in compare(names, upstream_recipes())]


def beside_page(rows: Sequence[Dict[str, Any]], number: int) -> str:
    """The part of the page about that comparison."""
    equal = [row['name'] for row in rows if not row['differences']]
    lines = []
    for row in rows:
        words: Dict[str, List[str]] = {}
        for word, reason in row['differences'].items():
            words.setdefault(reason or '**not explained**', []).append(f'`{word}`')
        if words:
            said = '<br>'.join(f'{", ".join(names)}: {reason}' for reason, names in words.items())
            lines.append(f'| {row["name"]} | {row["lumi"]} | {row["ours"]} | {said} |')
    return BESIDE.format(number=number, compared=len(rows), equal=len(equal), names=', '.join(equal)) \
        + '\n'.join(lines) + '\n'


def main(argv=None) -> int:
    """Look at the packages, and show or write it."""
    parser = argparse.ArgumentParser(prog='ci/packages', epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description='Where the packages stand that LUMI has most recipes of.')
    parser.add_argument('--json', action='store_true', help='print it as one JSON object')
    parser.add_argument('--write-docs', action='store_true', help='write docs/packages.md')
    options = parser.parse_args(argv)
    with open(LIST, encoding='utf-8') as handle:
        known = json.load(handle)
    failed = Partial('name')
    rows = look(known['packages'], failed)
    compared = beside([row['name'] for row in rows], known.get('differences') or {'': {}})
    if options.write_docs:
        from lumi_hooks.files import write_atomic
        write_atomic(DOCS, page(rows, known['source'].partition(':')[0]) + beside_page(compared, len(rows)))
        print(DOCS, file=sys.stderr)
    else:
        if options.json:
            print_json({'packages': rows, 'beside': compared, 'errors': failed.errors}, 1)
        else:
            print(page(rows, known['source'].partition(':')[0]) + beside_page(compared, len(rows)))
    return failed.code(0, 1)


if __name__ == '__main__':
    sys.exit(ended('ci/packages', main))
