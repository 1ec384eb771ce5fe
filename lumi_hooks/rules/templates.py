# SPDX-License-Identifier: GPL-2.0-only
"""
EasyBuild's templates in dependencies and version suffixes, such as %(rver)s.

EasyBuild fills them in when the versions of the dependencies have changed already, so what the recipe meant is
written out before anything changes.
"""
from typing import Dict

from ..change import Change
from ..dependency import Dependency
from ..recipe import Recipe, template_values
from ..selection import site_suffix
from ..site import Site
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft

# software whose version EasyBuild offers as a template -> start of the template's name
_SOFTWARE = {'CUDA': 'cuda', 'Java': 'java', 'Perl': 'perl', 'Python': 'py', 'R': 'r'}


def values(draft: Draft) -> Dict[str, str]:
    """Templates and what they stand for in the recipe as written."""
    found = dict(template_values(draft.recipe), arch='x86_64')
    for parameter in reversed(DEPENDENCY_LISTS):
        for dependency in draft.recipe.dependencies(parameter):
            start = _SOFTWARE.get(dependency.name)
            if start and dependency.version and '%' not in dependency.version:
                parts = dependency.version.split('.')
                found.update({f'{start}ver': dependency.version, f'{start}majver': parts[0],
                              f'{start}shortver': '.'.join(parts[:2])})
    return found


def fill(text: str, known: Dict[str, str]) -> str:
    """A text with the templates filled in; unknown ones stay, for EasyBuild."""
    if '%(' not in text:
        return text
    try:
        return text % known
    except (KeyError, ValueError, TypeError):
        return text


def written_out(recipe: Recipe, text: str) -> str:
    """A text of a recipe with the versions that the recipe's own dependencies stand for."""
    return fill(text, values(Draft(recipe)))


@rule('templates', 'templates in dependencies mean the versions that the recipe names, not those of the release')
def templates(draft: Draft, site: Site):
    """%(rver)s, %(javaver)s, %(version)s … in names, versions and suffixes of dependencies are written out."""
    known = values(draft)
    for parameter, before in draft.each():
        if before.external:
            continue
        after = Dependency(fill(before.name, known), fill(before.version, known),
                           fill(before.versionsuffix, known), before.toolchain)
        if after != before:
            yield Change(parameter, before, after, 'templates', 'the version that the recipe means is written '
                         'out, as the versions of other dependencies change')


@rule('suffix', 'a version suffix that names R, Perl or Python names the release\'s version of it')
def suffix(draft: Draft, site: Site):
    """-R-%(rver)s becomes -R- and the version of R that the release holds; other templates are written out."""
    before = draft.parameters.get('versionsuffix') or ''
    after = site_suffix(fill(before, values(draft)), site)
    if after != before:
        yield Change('versionsuffix', before, after, 'suffix', 'the suffix tells which version the installation was '
                     'made with, and the release holds one')
