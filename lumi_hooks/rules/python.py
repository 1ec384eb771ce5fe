# SPDX-License-Identifier: GPL-2.0-only
"""Bounds of packages on the interpreter: cray-python is one version a release."""
from ..change import Refusal
from ..packages import package
from ..site import Site
from ..versions import version_key
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft


@rule('python-bound', 'a package that can\'t work with the release\'s cray-python is refused before it is built')
def python_bound(draft: Draft, site: Site):
    """The package's own bound (`python` in its data file) against the release's cray-python."""
    bound = package(draft.name).get('python')
    names = {dependency.name for parameter in DEPENDENCY_LISTS for dependency in draft.dependencies(parameter)}
    if not bound or not names & {'Python', 'cray-python'}:
        return
    version = site.release.modules['cray-python']
    low, high = bound.get('min'), bound.get('below')
    if (low and version_key(version) < version_key(low)) or (high and version_key(version) >= version_key(high)):
        span = ' and '.join(part for part in (low and f'at least {low}', high and f'below {high}') if part)
        yield Refusal('python', f'{draft.name} needs a Python {span} ({bound["reason"]}), and release '
                      f'{site.release.name} has cray-python/{version}: try another release', 'python-bound')
