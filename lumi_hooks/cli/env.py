# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb env: personal environments, one file and one module each."""
import argparse
import os
import sys
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .. import quote, sites
from ..amounts import count_in_words
from ..data import ROOT
from ..eb.lifecycle import removal
from ..env import bundle, generations, installing, module, pack
from ..env.generations import Generation
from ..env.lock import as_text, differences, lock_path, read_lock, totals
from ..env.prepare import Prepared, check_place, fetched, finished, prepare, recipe_of
from ..env.spec import Spec, draft, read_spec, spec_file, without_python, write_spec
from ..errors import DataError, LumiHooksError, SiteError
from ..files import read_text, write_atomic
from ..plan import BUILD
from ..prefix import held
from ..prefix.overrides import VARIABLE as OVERRIDES
from ..record.removable import needed_by, target
from ..site import Site, is_lumi
from . import install, site_options
from . import plan as plans
from .command import add_command, without_colours
from .console import Output, bold, print_json
from .remove import agreed, note_json

EXAMPLES = """examples:
  lumi-eb env create my-md GROMACS mpi4py --pip ase    write my-md.yaml, show the plan, ask, install, one module
  lumi-eb env create my-md.yaml                        the same from a file
  module load my-md                                    load all of it
  lumi-eb env update my-md                             after you changed my-md.yaml: a new generation
  lumi-eb env diff my-md                               what is new in it, in words
  lumi-eb env rollback my-md                           back to the generation before
  lumi-eb env export my-md --output my-md.json         one file for others
  lumi-eb env import my-md.json                        install the very same elsewhere
  lumi-eb env list                                     all environments, their size
  lumi-eb env gc                                       remove generations that are not needed any more
  lumi-eb env pack my-md                               its Python packages in one file, if they were not

docs/environments.md shows all of it in five minutes.

exit code: 0 done, or nothing to do; 1 something is refused, or you said no; 2 bad use; else that of eb
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'env', run, 'a personal environment: one file, one module',
                         'Makes, changes and shares environments: software, Python packages and variables that one '
                         '"module load" loads.', EXAMPLES, where_to=False)
    parser.set_defaults(action=None)
    parser.add_argument('--json', action='store_true', help='print one JSON object; create, update, import, pack and '
                        'unpack then only tell what would be done')
    actions = parser.add_subparsers(metavar='ACTION')

    def add(name: str, action: Any, summary: str, changes: bool = True) -> argparse.ArgumentParser:
        found = actions.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + '.')
        without_colours(found)
        site_options.add_options(found)
        found.add_argument('--json', action='store_true', default=argparse.SUPPRESS, help='print one JSON object')
        if changes:
            found.add_argument('--yes', '-y', action='store_true', help='do not ask')
            found.add_argument('--dry-run', action='store_true', help='only show what would be done')
        found.set_defaults(action=action, run=run)
        return found

    for name, summary in (('create', 'install an environment from its file, or from names'),
                          ('update', 'install a new generation after its file, or what it names, has changed')):
        made = add(name, _make, summary)
        made.add_argument('what', metavar='FILE|NAME', help='a file in YAML, JSON or TOML, or the name of one here')
        made.add_argument('--locked', action='store_true', help='exactly what the lock next to the file says')
        if name == 'create':
            made.add_argument('recipe', nargs='*', metavar='RECIPE', help='with NAME: what is in it')
            made.add_argument('--pip', action='append', default=[], metavar='REQUIREMENT', help='with NAME: a Python '
                              'package; may be repeated')
    add('list', _list, 'all environments', False)
    add('show', _show, 'what is in an environment', False).add_argument('what', metavar='NAME[/GENERATION]')
    diff = add('diff', _diff, 'in what two environments, or two generations of one, differ', False)
    diff.add_argument('what', metavar='NAME[/GENERATION]', nargs='+', help='one: compared with the generation before')
    back = add('rollback', _rollback, 'load an earlier generation by default')
    back.add_argument('what', metavar='NAME[/GENERATION]', help='the one before, where no generation is named')
    add('remove', _remove, 'remove an environment, all generations of it').add_argument('what', metavar='NAME')
    add('gc', _gc, f'remove generations but the last {generations.KEPT}').add_argument(
        'what', metavar='NAME', nargs='?', help='only of this environment')
    for name, packed, summary in (('pack', True, 'keep its Python packages in one file: a new generation'),
                                  ('unpack', False, 'the opposite of pack')):
        made = add(name, _repack, summary)
        made.add_argument('what', metavar='NAME')
        made.set_defaults(packed=packed)
    out = add('export', _export, 'write an environment into one file, for others', False)
    out.add_argument('what', metavar='NAME[/GENERATION]')
    out.add_argument('--output', metavar='FILE', help='the file (default: NAME.json)')
    into = add('import', _import, 'install an environment that somebody exported')
    into.add_argument('what', metavar='FILE', help='as "lumi-eb env export" wrote it')
    into.add_argument('--folder', metavar='FOLDER', help='where its spec is put (default: a folder of its name)')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: a spec is wrong, something is not there or can't be written
    """
    if options.action is None:
        raise LumiHooksError('say what to do with an environment: lumi-eb env create, update, list … '
                             '("lumi-eb env --help" has examples)')
    return int(options.action(options))


def _make(options: argparse.Namespace) -> int:
    """create and update."""
    names = [*getattr(options, 'recipe', ()), *getattr(options, 'pip', ())]
    path = spec_file(options.what, bool(names))
    if names:
        here, _ = site_options.find_site(options)
        spec = draft(path, write_spec(options.what, options.recipe, options.pip, here.release.name, here.partition))
    else:
        spec = read_spec(path)
    site, folders = _site(options, spec)
    return _install(options, spec, site, folders, read_lock(lock_path(path)) if options.locked else None, bool(names))


def _install(options: argparse.Namespace, spec: Spec, site: Site, folders: Sequence[str], locked: Any,
             new: bool = False) -> int:
    """Resolve a spec, show it, ask, install it; the new generation becomes the default."""
    check_place(spec, site)
    for partition in spec.partitions:
        if partition != site.partition and not locked:
            _elsewhere(options, spec, partition)
    prepared = prepare(spec, site, lambda name: site_options.look_up(name, site, folders)[0], locked)
    builds = prepared.plan.of(BUILD)
    if options.json:
        print_json(_prepared_json(prepared))
        return 1 if prepared.plan.refused else 0
    _show_plan(prepared)
    if prepared.plan.refused:
        return 1
    if prepared.same and not builds:
        if prepared.same.default or options.dry_run:
            print(quote.line(f'nothing to do: {prepared.same.module} is up to date'))
        else:
            generations.make_default(prepared.same)
            print(quote.line(f'{prepared.same.module} is the same, and is loaded by "module load {spec.name}" again'))
        return 0
    if options.dry_run:
        return 0
    eb = install.ready(site)
    if not options.yes and not agreed(f'install {spec.name}?'):
        print('nothing was installed')
        return 1
    if new:
        write_atomic(spec.path, spec.text)
    with recipe_of(prepared, site) as (recipe, number):
        last = [] if prepared.same else [recipe]
        more = {**install.settings(options), **fetched(prepared, site)}
        # eb installs no module that is loaded in any version
        _become(module.unloaded(spec.name, os.environ))
        code = install.run_eb([eb, f'--hooks={os.path.join(ROOT, "hooks.py")}', *prepared.paths, *last, '-r'], more)
    if code:
        print(quote.line(f'lumi-eb: {spec.name} was not installed; what was loaded before still is. The same command '
                         'again goes on with what is missing'), file=sys.stderr)
        return code
    done = prepared.same if prepared.same else finished(prepared, number, site)
    if not locked:
        _note_lock(spec, prepared)
    print(quote.line(f'{done.module} is installed: "module load {spec.name}" loads it'))
    return 0


def _become(env: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)


def _elsewhere(options: argparse.Namespace, spec: Spec, partition: str) -> None:
    """
    Can it be made on another of its partitions, too? It is installed there when that one is loaded.

    :raises LumiHooksError: it can't
    """
    given = argparse.Namespace(**{**vars(options), 'partition': partition})
    site, folders = site_options.find_site(given)
    plan = prepare(without_python(spec), site, lambda name: site_options.look_up(name, site, folders)[0]).plan
    if plan.refused:
        reasons = dict.fromkeys(f'{block.module}: {block.reason}' for node in plan.nodes for block in node.blocks)
        raise DataError(f'{spec.at("partitions")}: partitions: on {partition} it cannot be installed: '
                        f'{"; ".join(reasons)}')
    print(quote.line(f'{spec.name} can be installed on partition {partition}, too: load that, and the same command '
                     'again'))


def _site(options: argparse.Namespace, spec: Spec) -> Tuple[Site, List[str]]:
    """The site that a spec is for, with its overrides."""
    for number, folder in enumerate(spec.overrides):
        if not os.path.isdir(folder):
            raise DataError(f'{spec.at("overrides", number)}: overrides: {folder} is no folder')
    if spec.overrides:
        known = os.environ.get(OVERRIDES)
        os.environ[OVERRIDES] = os.pathsep.join([*spec.overrides, *([known] if known else [])])
    if not is_lumi():
        options.release = options.release or spec.release or None
        options.partition = options.partition or (spec.partitions[0] if spec.partitions else None)
    return site_options.find_site(options)


def _note_lock(spec: Spec, prepared: Prepared) -> None:
    """The lock lies next to the spec; where that can't be written, the one in the installation has to do."""
    try:
        write_atomic(lock_path(spec.path), as_text(prepared.lock))
    except OSError as err:
        print(quote.line(f'lumi-eb: the lock was not written next to {spec.path}: {err.strerror}'), file=sys.stderr)


def _show_plan(prepared: Prepared) -> None:
    lock, plan = prepared.lock, prepared.plan
    modules, packages = totals(lock)
    print(quote.line(f'{lock["name"]}: {count_in_words(modules, "module")}'
                     + (f', {count_in_words(packages, "Python package")}' if packages else '')
                     + f', for release {lock["release"]}, partition {lock["partition"]}'))
    for text in prepared.changes:
        print(quote.line(f'  {text}'))
    install.show(plan, ())


def _prepared_json(prepared: Prepared) -> Dict[str, Any]:
    return {'schema_version': 1, 'name': prepared.spec.name, 'lock': prepared.lock, 'changes': list(prepared.changes),
            'up_to_date': prepared.same.module if prepared.same else None,
            'plan': plans.as_json(prepared.plan, plans.estimates(prepared.plan))}


def _repack(options: argparse.Namespace) -> int:
    """pack and unpack: the same once more, kept in another way."""
    item = generations.chosen(options.what, _found(options))
    if options.packed and not totals(item.lock)[1]:
        raise LumiHooksError(f'{item.module} has no Python packages, which are what is packed')
    spec = replace(read_spec(item.spec), packed=options.packed)
    site, folders = _site(options, spec)
    return _install(options, spec, site, folders, {**item.lock, 'packed': options.packed})


def _list(options: argparse.Namespace) -> int:
    site = _found(options)
    found = [item for name in generations.environments(site) for item in generations.generations(name, site)]
    if options.json:
        print_json({'schema_version': 1, 'environments': [item.as_json() for item in found]})
        return 0
    if not found:
        print(quote.line(f'there is no environment in {site.prefix}: "lumi-eb env create" makes one'))
        return 0
    rows = [[bold(item.module) if item.default else item.module, 'default' if item.default else '',
             *map(count_in_words, totals(item.lock), ('module', 'Python package')),
             f'{item.size[0] / 1e6:,.1f} MB', f'{item.size[1]:,} inodes', item.finished[:10]] for item in found]
    Output().table(rows)
    return 0


def _show(options: argparse.Namespace) -> int:
    item = generations.chosen(options.what, _found(options))
    if options.json:
        print_json({'schema_version': 1, **item.as_json(), 'lock': item.lock})
        return 0
    print(quote.line(f'{item.module}{", the default" if item.default else ""}, for release {item.lock["release"]}, '
                     f'partition {item.lock["partition"]}, in {item.folder}'))
    for name, part in {'': item.lock, **item.lock['steps']}.items():
        print(quote.line((f'step {name}: ' if name else 'asked for: ') + (', '.join(part['asked']) or 'no modules')))
        for pin in part['python']['pins']:
            print(quote.line(f'  {pin["name"]} {pin["version"]}'))
        for key, value in part['variables'].items():
            print(quote.line(f'  {key}={value}'))
    print(quote.line(f'loads: {", ".join(module["module"] for module in item.lock["modules"])}'))
    if item.lock['packed']:
        here = pack.way(os.environ, installing.base_image())
        print(quote.line(f'its Python packages are in one file, which this node '
                         f'{f"mounts by {here.name}" if here.name else "cannot mount"}: {here.reason}'))
    return 0


def _diff(options: argparse.Namespace) -> int:
    site = _found(options)
    if len(options.what) > 2:
        raise LumiHooksError('two are compared, not more')
    after = generations.chosen(options.what[-1], site)
    if len(options.what) == 2:
        before = generations.chosen(options.what[0], site)
    else:
        earlier = [item for item in generations.generations(after.name, site) if item.number < after.number]
        if not earlier:
            raise LumiHooksError(f'{after.module} is the first generation that is there: name two environments')
        before = earlier[-1]
    found = differences(before.lock, after.lock)
    if options.json:
        print_json({'schema_version': 1, 'before': before.module, 'after': after.module, 'differences': found})
        return 0
    print(quote.line(f'{before.module} → {after.module}: ' + ('' if found else 'they are the same')))
    for text in found:
        print(quote.line(f'  {text}'))
    return 0


def _rollback(options: argparse.Namespace) -> int:
    site = _found(options)
    item = generations.chosen(options.what, site)
    if '/' not in options.what:
        earlier = [one for one in generations.generations(item.name, site) if one.number < item.number]
        if not earlier:
            raise LumiHooksError(f'{item.module} is the first generation that is there')
        item = earlier[-1]
    if not options.dry_run:
        generations.make_default(item)
    if options.json:
        print_json({'schema_version': 1, 'default': item.module, 'done': not options.dry_run})
    else:
        print(quote.line(f'"module load {item.name}" {"would load" if options.dry_run else "loads"} {item.module}'))
    return 0


def _remove(options: argparse.Namespace) -> int:
    site = _found(options)
    generations.chosen(options.what, site)
    return _take_away(options, site, generations.generations(options.what.partition('/')[0], site)
                      if '/' not in options.what else [generations.chosen(options.what, site)])


def _gc(options: argparse.Namespace) -> int:
    site = _found(options)
    if options.what:
        generations.chosen(options.what, site)
    names = [options.what] if options.what else generations.environments(site)
    found = [item for name in names for item in generations.superfluous(generations.generations(name, site))]
    if not found and not options.json:
        print(f'nothing to remove: no environment has more than {generations.KEPT} generations')
        return 0
    return _take_away(options, site, found)


def _take_away(options: argparse.Namespace, site: Site, found: Sequence[Generation]) -> int:
    """Remove generations; jobs that run go on with them for some days, as with all that is removed."""
    targets = [target(item.module, site) for item in found]
    needed = {module: others for module, others in needed_by(targets, site).items() if others}
    size, inodes = sum(item.size[0] for item in found), sum(item.size[1] for item in found)
    if not options.json:
        for item in found:
            print(quote.line(f'{item.module}: {item.size[0] / 1e6:,.1f} MB in {item.size[1]:,} files and folders'))
        print(f'together: {size / 1e6:,.1f} MB in {inodes:,} files and folders')
    if needed:
        raise LumiHooksError('; '.join(f'{module} is needed by {", ".join(others)}'
                                       for module, others in needed.items()))
    sure = not options.dry_run and bool(found) and (options.yes or not options.json and agreed('remove this?'))
    notes = [removal.remove(item, held.keep_days(), lambda text: print(quote.line(text), file=sys.stderr))
             for item in targets] if sure else []
    if options.json:
        print_json({'schema_version': 1, 'removed': bool(notes),
                    'generations': [item.as_json() for item in found], 'bytes': size, 'inodes': inodes,
                    'kept': [note_json(note) for note in notes]})
    elif notes:
        print(quote.line(f'removed; on disk until {notes[0].day}, as jobs may use it: "lumi-eb remove --undo '
                         f'{found[-1].module}" brings it back, "lumi-eb remove --expire --now" frees it'))
    return 0 if notes or options.dry_run or options.json else 1


def _export(options: argparse.Namespace) -> int:
    item = generations.chosen(options.what, _found(options))
    path, text = options.output or f'{item.name}.json', bundle.bundle_text(item)
    if os.path.lexists(path) and read_text(path) != text:
        raise LumiHooksError(f'{path} exists with different contents: remove it, or name another file by --output')
    write_atomic(path, text)
    if options.json:
        print_json({'schema_version': 1, 'module': item.module, 'file': os.path.abspath(path)})
    else:
        print(quote.line(f'{item.module} is in {path}: "lumi-eb env import {path}" installs the same elsewhere'))
    return 0


def _import(options: argparse.Namespace) -> int:
    found = bundle.read_bundle(options.what)
    folder = options.folder or found.lock['name']
    if not options.json:
        for name in found.recipes:
            print(quote.line(f'{name} is a recipe or patch of its author\'s own: it is code that will run'))
    if options.dry_run or options.json:
        print(quote.line(f'would write {", ".join(found.files())} into {folder}'), file=sys.stderr)
    elif not options.yes and not agreed(f'write its {len(found.files())} files into {folder}?'):
        return 1
    with bundle.unpacked(found, '' if options.dry_run or options.json else folder) as path:
        # it may have been packed, or unpacked, after its spec was written
        spec = replace(read_spec(path), packed=found.lock['packed'])
        site, folders = _site(options, spec)
        return _install(options, spec, site, folders, found.lock)


def _found(options: argparse.Namespace) -> Site:
    """
    The site, where environments are looked for.

    :raises SiteError: what is installed can't be looked up
    """
    site, _ = site_options.find_site(options)
    if not site.index.modulepath:
        raise SiteError(f'{sites.name()}\'s modules are not loaded, so what is installed there can\'t be looked up: '
                        f'{sites.said("load")}')
    return site
