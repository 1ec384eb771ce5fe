# SPDX-License-Identifier: GPL-2.0-only
"""
What is affected, by brute force: everything adapted and written out in full, each recipe for itself, and read back.

It is run in a version of everything: python brute_affected.py JOB. It shares no code with lumi_hooks/affected: texts
come from `render`, as eb gets them, and are read by EasyBuild's own parser; what a dependency becomes, from `Closure`;
easyblocks and toolchains are imported as eb imports them, and their sources are compared without comments.
"""
import ast
import contextlib
import glob
import importlib.util
import inspect
import json
import os
import re
import sys
from dataclasses import replace


def source(text):
    """Python without comments, docstrings and layout."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module, ast.AsyncFunctionDef)) \
                and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def contents(path):
    """What a file says."""
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    return json.dumps(json.loads(text), sort_keys=True) if path.endswith('.json') else source(text)


def kept_contents(paths, memo):
    """Digests of what files say, kept by their bytes: there are hundreds of them, and they are the same each time."""
    known = {}
    if os.path.exists(memo):
        with open(memo, encoding='utf-8') as stream:
            known = json.load(stream)
    found = []
    for path in paths:
        with open(path, 'rb') as stream:
            key = hash_of(stream.read())
        if key not in known:
            known[key] = hash_of(contents(path))
        found.append((os.path.basename(path), known[key]))
    with open(memo, 'w', encoding='utf-8') as stream:
        json.dump(known, stream)
    return found


def imported(path, places):
    """The files that a file names in its imports, of upstream's easyblocks and ours, by looking for the words."""
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    ours, upstream = places
    for line in re.findall(r'^\s*(?:from|import)\s+[^#\n]+(?:\([^)]*\))?', text, re.M):
        found = re.match(r'\s*(?:from|import)\s+([\w.]+)', line)
        module = found[1] if found else ''
        names = re.findall(r'\w+', line.partition(' import ')[2])
        if module.startswith('easybuild.easyblocks'):
            parts = module.split('.')[2:]
            for name in [part for part in parts if part != 'generic'] or names:
                kind = 'fixes_generic' if 'generic' in parts else 'fixes'
                letter = 'generic' if 'generic' in parts else (name[0].lower() if name[0].isalpha() else '0')
                own = os.path.join(ours, kind, f'{name}.py')
                yield own if os.path.isfile(own) else os.path.join(upstream, letter, f'{name}.py')
        elif module.startswith('lumi_hooks_easyblocks'):
            base = os.path.join(ours, *module.split('.')[1:])
            yield from [f'{base}.py', os.path.join(base, '__init__.py')]
            yield from (os.path.join(base, f'{name}.py') for name in names)
        elif module.startswith('.'):
            base = os.path.join(os.path.dirname(path), *module.strip('.').split('.'))
            yield from [f'{base}.py', os.path.join(base, '__init__.py')]
    if os.path.dirname(path) == os.path.join(ours, 'fixes'):
        name = os.path.basename(path)
        yield os.path.join(upstream, name[0] if name[0].isalpha() else '0', name)
    if os.path.dirname(path) == os.path.join(ours, 'fixes_generic'):
        yield os.path.join(upstream, 'generic', os.path.basename(path))


class Brute:
    """One version."""

    def __init__(self, job):
        self.job = job
        self.ours = os.path.join(job['root'], 'easyblocks')
        self.upstream = os.path.join(job['root'], 'eb', 'easybuild', 'easyblocks')
        self.texts, self.blocks, self.done = {}, {}, {}
        from easybuild.framework.easyconfig.easyconfig import get_easyblock_class
        from easybuild.tools.config import BuildOptions, init_build_options
        if not BuildOptions():
            init_build_options()
        for name in ('easyblocks', 'toolchains'):
            # from this version, whatever is installed in this Python
            place = os.path.join(job['root'], name)
            spec = importlib.util.spec_from_file_location(f'lumi_hooks_{name}', f'{place}/__init__.py',
                                                          submodule_search_locations=[place])
            sys.modules[spec.name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[spec.name])
        importlib.import_module('lumi_hooks_easyblocks.registry').supersede()
        self.get_class = get_easyblock_class
        library = os.path.join(job['root'], 'lumi_hooks')
        acting = [path for name in ('eb', 'verify') for ending in ('py', 'json')
                  for path in glob.glob(os.path.join(library, name, '**', f'*.{ending}'), recursive=True)]
        acting += [os.path.join(library, name) for name in (
            'hooks.py', 'caller.json', 'caller.py', 'cutoff.py', 'namespace.py', 'offline_thread.py', 'runpaths.py',
            'seccomp.py', 'tree.py')]
        acting += [os.path.join(self.ours, 'registry', '__init__.py'),
                   os.path.join(job['root'], 'toolchains', 'registry.py')]
        framework = [path for part in ('base', 'framework', 'toolchains', 'tools')
                     for path in glob.glob(os.path.join(job['root'], 'eb', 'easybuild', part, '**', '*.py'),
                                           recursive=True)]
        self.everywhere = hash_of(kept_contents(sorted([*acting, *framework]), job['memo']))

    def closure(self, paths):
        """Files and what they import, as text."""
        todo, found = [path for path in paths if path], {}
        while todo:
            path = os.path.realpath(todo.pop())
            if path not in found and os.path.isfile(path):
                if path not in self.texts:
                    self.texts[path] = contents(path)
                found[path] = self.texts[path]
                todo += imported(path, (self.ours, self.upstream))
        return sorted((os.path.basename(path), text) for path, text in found.items())

    def easyblock(self, name, software):
        """The sources of an easyblock's class, of all that it inherits from, and of what these import."""
        key = name, software
        if key not in self.blocks:
            try:
                found = self.get_class(name, name=software, error_on_failed_import=False,
                                       error_on_missing_easyblock=False)
            except Exception as err:  # EasyBuild says so in errors of several kinds
                found = None
                assert 'no' in str(err).lower(), err
            classes = inspect.getmro(found)[:-1] if found else ()
            files = filter(None, map(inspect.getsourcefile, classes))
            files = {path for path in files if os.path.realpath(path).startswith((self.ours, self.upstream))}
            self.blocks[key] = hash_of(self.closure(files))
        return self.blocks[key]

    def easyblocks(self, values):
        """Those of a recipe, its extensions and components."""
        asked = {(values.get('easyblock'), values['name'])}
        for key in ('exts_defaultclass', 'default_easyblock'):
            asked.add((values.get(key), None))
        for key in ('exts_default_options', 'default_component_specs'):
            asked.add(((values.get(key) or {}).get('easyblock'), None))
        for key in ('exts_list', 'components'):
            for item in values.get(key) or ():
                item = (item,) if isinstance(item, str) else item
                asked.add((None, item[0]))
                asked.add(((item[2] if len(item) > 2 else {}).get('easyblock'), None))
        return sorted(str(self.easyblock(*one)) for one in asked if any(one))

    def toolchain(self, name):
        """The classes of ours that a toolchain's class inherits from, and the rest of their modules."""
        cls = getattr(importlib.import_module('lumi_hooks_toolchains.lumi_toolchains'), name)
        folder, found = os.path.join(self.job['root'], 'toolchains'), []
        for one in inspect.getmro(cls):
            path = os.path.realpath(inspect.getsourcefile(one)) if one is not object else ''
            if path.startswith(folder + os.sep):
                with open(path, encoding='utf-8') as stream:
                    tree = ast.parse(stream.read())
                rest = [part for part in tree.body if not isinstance(part, (ast.Import, ast.ImportFrom))
                        and (not isinstance(part, ast.ClassDef) or part.name == one.__name__)]
                used = source(ast.unparse(ast.Module(rest, [])))
                found.append(used)
                for part in tree.body:
                    if isinstance(part, ast.ImportFrom) and part.level:
                        module = os.path.join(os.path.dirname(path), f'{part.module}.py')
                        functions = [alias.name for alias in part.names if re.search(rf'\b{alias.name}\b', used)]
                        loaded = sys.modules['.'.join([one.__module__.rpartition('.')[0], part.module])]
                        if any(not inspect.isclass(getattr(loaded, item)) for item in functions):
                            found += [text for _, text in self.closure([module])]
        return sorted(set(found))

    def values(self, text):
        """The parameters of a recipe's text, as EasyBuild reads them."""
        from easybuild.framework.easyconfig.parser import EasyConfigParser
        found = EasyConfigParser(rawcontent=text).get_config_dict()
        without = (found.get('local_lumi_hooks') or {}).get('without')
        kept = {key: value for key, value in found.items() if not key.startswith('local_')}
        return kept, without

    def made_of(self, text, folder, patches, site):
        """All that an installation of a text is made of."""
        values, without = self.values(text)
        cray = sorted((repr(item), module.provides, module.upstream_version, module.prefix)
                      for key in ('dependencies', 'builddependencies') for item in flat(values.get(key) or ())
                      for module in [site.cray.get(str(item[0]).partition('/')[0])]
                      if module and 'EXTERNAL_MODULE' in repr(item))
        beside = []
        for name in files_of(values):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                beside.append((name, content(path)))
        beside += [(os.path.basename(path), content(path)) for path in patches]
        from lumi_hooks.packages import package
        toolchain = values['toolchain']['name']
        facts = site.partition_facts
        kept = sorted((key, repr(value)) for key, value in values.items() if ' at 0x' not in repr(value))
        return hash_of([kept, without, cray, sorted(set(beside)), self.easyblocks(values), self.everywhere,
                        toolchain != 'system' and [self.toolchain_text(toolchain), facts['targets'], facts['gpu']],
                        package(values['name']).get('verify')])

    def toolchain_text(self, name):
        if name not in self.done:
            self.done[name] = hash_of(self.toolchain(name))
        return self.done[name]

    def target(self, release, toolchain, partition, entries):
        """Of each entry: its module, and what every module of its plan is made of; None where it is refused."""
        from lumi_hooks.adapt import adapt
        from lumi_hooks.closure import Closure
        from lumi_hooks.data import our_recipes
        from lumi_hooks.index import Index
        from lumi_hooks.plan import BUILD, CRAY, Planner, make_plan
        from lumi_hooks.prefix.overrides import Overrides
        from lumi_hooks.recipe import parse_recipe, read_for, read_recipe
        from lumi_hooks.render import render
        from lumi_hooks.site import make_site, variables
        from lumi_hooks.store import with_checksums
        job = self.job
        site = replace(make_site(release, partition, toolchain), index=Index((), job['own'], job['upstream']),
                       overrides=Overrides(job['overrides']))
        read_for(variables(site))
        found, known = {}, {}
        for path in entries:
            try:
                plan = make_plan([path], site)
                if plan.refused:
                    found[os.path.basename(path)] = None
                    continue
                asked = Planner(site).asked(path)
                closure = Closure(site)
                own = adapt(read_recipe(asked.path), site)
                adapted = {asked.module: own}
                closure.follow(own)
                adapted = {**closure.derived, **adapted}
            except Exception:
                found[os.path.basename(path)] = None
                continue
            nodes = {}
            for node in plan.nodes:
                key = node.module, node.source
                if key not in known:
                    if node.status == CRAY:
                        known[key] = node.module
                    elif node.status != BUILD:
                        file = node.module.replace('/', '-', 1) + '.eb'
                        named = [path for folder in [*job['own'], our_recipes()]
                                 for path in glob.glob(os.path.join(folder, '**', glob.escape(file)), recursive=True)]
                        known[key] = repr(self.values(content(named[0]).decode())) if named else ''
                    else:
                        one = adapted.get(node.module) or adapt(read_recipe(node.source), site)
                        one = with_checksums(one)
                        text = render(one, parse_recipe) if one.status != 'unchanged' else one.recipe.text
                        known[key] = self.made_of(text, os.path.dirname(node.source), one.patches, site)
                nodes[node.module] = [node.status, known[key], list(node.dependencies),
                                      os.path.basename(node.source or '')]
            found[os.path.basename(path)] = [asked.module, nodes]
        return found


def content(path):
    """The bytes of a file."""
    with open(path, 'rb') as stream:
        return stream.read()


def files_of(values):
    """Names of the patches and sources that a recipe has."""
    templates = {'name': values['name'], 'namelower': values['name'].lower(), 'version': str(values['version']),
                 'versionsuffix': values.get('versionsuffix') or '', 'nameletter': values['name'][0],
                 'nameletterlower': values['name'][0].lower()}
    parts = str(values['version']).split('.')
    templates.update(version_major=parts[0], version_minor=parts[-1], version_major_minor='.'.join(parts[:2]))
    for name in re.findall(r"'([^'\s]+)'", repr(values)):
        with contextlib.suppress(KeyError, ValueError, TypeError):
            name = name % templates
            if os.path.basename(name) == name:
                yield name


def flat(items):
    """Dependencies, those of lists to iterate over too."""
    for item in items:
        if isinstance(item, list):
            yield from flat(item)
        elif isinstance(item, tuple):
            yield item


def hash_of(value):
    """A digest."""
    import hashlib
    return hashlib.md5(repr(value).encode()).hexdigest()


def main():
    """One version."""
    job = json.loads(sys.argv[1])
    sys.path[:0] = [job['root'], os.path.join(job['root'], 'eb')]
    out = sys.stdout
    sys.stdout = sys.stderr
    brute = Brute(job)
    found = {'/'.join(target): brute.target(*target, job['entries']) for target in job['targets']}
    json.dump(found, out)


if __name__ == '__main__':
    main()
