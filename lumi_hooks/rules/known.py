# SPDX-License-Identifier: GPL-2.0-only
"""What is known of a package's own recipe: `dependencies`, `parameters` and `words` in its data file."""
from functools import partial
from typing import Any, Mapping

from ..change import Change
from ..dependency import Dependency
from ..packages import members, package
from ..site import Site
from ..versions import within
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft
from .texts import in_commands, options_with, reworded

RULE = 'package-dependencies'


@rule(RULE, 'a dependency that has to be different here from upstream\'s recipe')
def package_dependencies(draft: Draft, site: Site):
    """
    By the package's data file: a dependency that only its build needs is not loaded with it, one that it can do
    without here is left out, and one that the Cray PE has is added. Tools that nothing starts when it runs (assemblers)
    are for every build alone.
    """
    for name, entry in {**_tools(draft), **package(draft.name).get('dependencies', {})}.items():
        if not within(draft.version, entry) or entry['change'] in ('any-version', 'same-major'):
            continue
        say = (RULE, entry['reason'], entry.get('link'))
        found = {parameter: [item for item in draft.dependencies(parameter) if item.name == name]
                 for parameter in DEPENDENCY_LISTS}
        if entry['change'] in ('add', 'add-to-build'):
            if not any(found.values()):
                parameter = 'dependencies' if entry['change'] == 'add' else 'builddependencies'
                yield Change(parameter, None, Dependency(name), *say)
        elif entry['change'] == 'leave-out':
            for parameter, items in found.items():
                for item in items:
                    yield Change(parameter, item, None, *say)
        else:
            for item in found['dependencies']:
                yield Change('dependencies', item, None, *say)
                if item not in found['builddependencies']:
                    yield Change('builddependencies', None, item, *say)


def _tools(draft: Draft) -> Mapping[str, Mapping[str, Any]]:
    """The tools for building alone (`build_only` of their group) that a recipe loads with its software."""
    return {item.name: {**group['build_only'], 'change': 'build-only'} for item in draft.dependencies('dependencies')
            for group in [members().get(item.name, {})] if item.name in group.get('build_only', {}).get('members', ())}


@rule('package-parameters', 'a parameter that has to be different here from upstream\'s recipe')
def package_parameters(draft: Draft, site: Site):
    """By the package's data file: a parameter gets another value, or more options behind its own."""
    for name, entry in package(draft.name).get('parameters', {}).items():
        if within(draft.version, entry):
            before = draft.parameters.get(name)
            after = entry['value'] if 'value' in entry else _with(before, entry['append'])
            if name == 'toolchainopts':  # the others of the recipe stay
                after = {**(before or {}), **after}
            if after != before:
                yield Change(name, before, after, 'package-parameters', entry['reason'], entry.get('link'))


@rule('package-words', 'words of a recipe that mean something else here')
def package_words(draft: Draft, site: Site):
    """By the package's data file: words in options and commands, wherever they stand, are replaced."""
    entries = [entry for entry in package(draft.name).get('words', ()) if within(draft.version, entry)]
    changes = [partial(_replaced, entry['replace'], entry['by']) for entry in entries]

    def all_of_them(text: str) -> str:
        for change in changes:
            text = change(text)
        return text

    for name, before, after in in_commands(draft, all_of_them):
        used = [entry for entry, change in zip(entries, changes) if reworded(before, change) != before]
        yield Change(name, before, after, 'package-words', '; '.join(dict.fromkeys(entry['reason'] for entry in used)),
                     used[0].get('link'))


def _replaced(words: str, by: str, text: str) -> str:
    return text.replace(words, by)


def _with(options: Any, more: str) -> Any:
    """Options with more of them, where they do not hold these."""
    return options_with(options, lambda text: text if more in text else f'{text} {more}'.strip())
