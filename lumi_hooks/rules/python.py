# SPDX-License-Identifier: GPL-2.0-only
"""Python: bounds of packages on the interpreter, and packages that cray-python carries already."""
from ..change import Change, Refusal
from ..dependency import Dependency
from ..packages import package, treatment
from ..site import Site
from ..versions import within
from .base import rule
from .draft import DEPENDENCY_LISTS, Draft
from .provided import why_built


@rule('python-bound', 'a package that does not work with the release\'s cray-python is refused before it is built')
def python_bound(draft: Draft, site: Site):
    """The package's own bound (`python` in its data file) against the release's cray-python."""
    bound = package(draft.name).get('python')
    names = {dependency.name for parameter in DEPENDENCY_LISTS for dependency in draft.dependencies(parameter)}
    if not bound or not names & {'Python', 'cray-python'}:
        return
    version = site.release.modules['cray-python']
    low, high = bound.get('min'), bound.get('below')
    if not within(version, bound):
        span = ' and '.join(part for part in (low and f'at least {low}', high and f'below {high}') if part)
        yield Refusal('python', f'{draft.name} needs a Python {span} ({bound["reason"]}), and release '
                      f'{site.release.name} has cray-python/{version}: try another release', 'python-bound')


@rule('python-carried', 'a Python package that cray-python carries in the version of the release is not built again')
def python_carried(draft: Draft, site: Site):
    """SciPy-bundle, mpi4py → cray-python where its own versions suffice, every member of a bundle counted."""
    module = Dependency.external_module(site.release.module('cray-python'))
    for parameter in DEPENDENCY_LISTS:
        for dependency in draft.dependencies(parameter):
            found = None if dependency.external else treatment(dependency.name)
            if found and found.verb == 'python' and not why_built(draft, site, dependency, found):
                need = package(draft.name).get('needs', {}).get(dependency.name, {})
                yield Change(parameter, dependency, module, 'python-carried', need.get('reason', found.reason),
                             need.get('link', found.link))
